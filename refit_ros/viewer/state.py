"""What is to be seen at one moment: frozen, numpy only, in a world whose z is up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class PersonSeen:
    id: int
    color: tuple[int, int, int]  # the palette's, as in RViz and in the overlays
    confidence: float  # 0 .. 1
    speed_mps: float  # of the pelvis
    height_m: float | None  # None: the body's file is not here
    cameras: tuple[str, ...]  # who sees them
    joints: np.ndarray  # (24, 3) m
    joint_axes: np.ndarray  # (24, 3, 3) of their frames in TF, as columns
    vertices: np.ndarray | None  # (V, 3) m; None: the body's file is not here
    faces: np.ndarray | None  # (F, 3) of the same body
    label_at: np.ndarray  # (3,) m, above the head
    radii_m: np.ndarray  # (3,) two sigma of the pelvis along the ellipsoid's axes
    axes: np.ndarray  # (3, 3) the ellipsoid's axes as columns

    @property
    def label(self) -> str:
        """As in RViz."""
        return f"{self.id} ({100 * self.confidence:.0f} %)"


@dataclass(frozen=True)
class CameraSeen:
    name: str
    state: str  # what the node says of it; "" where it has said nothing yet
    level: int  # diagnostic_msgs: 0 well, 1 warning, 2 error
    text: str
    world_from_camera: np.ndarray | None  # (4, 4); None: no transform, or no calibration yet
    field_of_view_rad: float  # vertical
    aspect: float  # width / height
    image: np.ndarray | None  # (H, W, 3) uint8 RGB, small
    image_number: int  # another number: another image


@dataclass(frozen=True)
class SceneState:
    number: int  # another number: something has changed
    stamp_s: float
    frame_id: str
    people: tuple[PersonSeen, ...] = ()
    cameras: tuple[CameraSeen, ...] = ()
    notes: tuple[str, ...] = ()  # what a reader should know, in sentences
    figures: str = ""  # of the node as a whole; "": it has said nothing lately


@dataclass(frozen=True)
class Plots:
    latency: np.ndarray  # (N, 2) s before now (negative), ms from capture to publishing
    rates: dict[str, np.ndarray]  # by camera: (N, 2) s before now, images/s that the node used
    levels: dict[str, np.ndarray]  # likewise, the diagnostics' level: 0 well, 1 warning, 2 error
