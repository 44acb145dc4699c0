"""From messages to what is to be seen. Knows no ROS: only the messages' fields, as rclpy and bag readers have them alike."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from refit_ros.core.body_files import EMBEDDED_BODIES, read_body
from refit_ros.core.joints import JOINT_INDEX
from refit_ros.estimation.palette import rgb8_of
from refit_ros.motion.from_messages import sightings_of
from refit_ros.motion.skeleton import Z_UP_FROM_OPTICAL, world_rotmats
from refit_ros.motion.types import Sighting
from refit_ros.node.conversions import stamp_ns
from refit_ros.viewer.health import Health
from refit_ros.viewer.skin import Skin
from refit_ros.viewer.state import CameraSeen, PersonSeen, Plots, SceneState

LABEL_ABOVE_HEAD_M = 0.25
SIGMAS = 2.0  # of the ellipsoid
LEAST_RADIUS_M = 0.005
GONE_AFTER_S = 3.0  # without a message nobody is shown any more, as RViz' markers end
# (target, source) -> (4, 4), or None where there is no transform.
Place = Callable[[str, str], "np.ndarray | None"]


@dataclass
class _Camera:
    state: str = ""
    level: int = 0
    text: str = ""
    frame_id: str = ""
    focal_px: float = 0.0
    size_px: tuple[int, int] = (0, 0)
    image: np.ndarray | None = None
    image_number: int = 0


class Scene:
    """Takes messages from any thread. `place`: where one frame stands in another; `skin`: None shows skeletons alone."""

    def __init__(self, place: Place, skin: Skin | None) -> None:
        self._place, self._skin = place, skin
        self._embedded: dict[str, Skin] = {}
        self._lock = threading.Lock()
        self._cameras: dict[str, _Camera] = {}
        self._people: tuple[PersonSeen, ...] = ()
        self._frame_id, self._optical, self._stamp_s, self._came_s = "", False, 0.0, 0.0
        self._optical_frames: set[str] = set()
        self._health = Health()
        self._other_body = ""
        self._number = 0

    def take_people(self, message: Any, now_s: float) -> list[Sighting]:
        """An SmplArray. Returns its people, for whoever records them; those of numbers that are not finite are left out."""
        seen = sightings_of(message, self._optical_frames)
        with self._lock:
            if seen:
                self._optical = seen[0].optical
            self._frame_id, self._stamp_s, self._came_s = (
                message.header.frame_id,
                stamp_ns(message.header.stamp) * 1e-9,
                now_s,
            )
            self._people = tuple(
                self._person(each, person) for each in seen for person in message.people if int(person.id) == each.id
            )
            self._health.take_latency(stamp_ns(message.latency) * 1e-6, now_s)
            for name in message.cameras:
                self._cameras.setdefault(name, _Camera())
            for person in message.people:
                for view in person.views:
                    camera = self._cameras.setdefault(view.camera, _Camera())
                    camera.frame_id = camera.frame_id or view.frame_id.removeprefix("/")
            self._number += 1
        return seen

    def take_diagnostics(self, message: Any, now_s: float) -> None:
        """A DiagnosticArray: what it says of `<node>: camera <name>`, `<node>: pipeline` and `<node>: edge`."""
        with self._lock:
            for said in self._health.take(message, now_s):
                camera = self._cameras.setdefault(said.name, _Camera())
                camera.state, camera.level, camera.text = said.state, said.level, said.text
            self._number += 1

    def take_camera_info(self, name: str, message: Any) -> None:
        """A CameraInfo; one that describes no camera is not used."""
        k = message.k if hasattr(message, "k") else message.K
        if message.width > 0 and message.height > 0 and np.isfinite(k[4]) and k[4] > 0:
            with self._lock:
                camera = self._cameras.setdefault(name, _Camera())
                camera.frame_id = message.header.frame_id.removeprefix("/")
                camera.focal_px, camera.size_px = float(k[4]), (int(message.width), int(message.height))
                self._number += 1

    def take_image(self, name: str, image: np.ndarray | None) -> None:
        """(H, W, 3) uint8 RGB, small; None: none any more."""
        with self._lock:
            camera = self._cameras.setdefault(name, _Camera())
            camera.image, camera.image_number = image, camera.image_number + 1
            self._number += 1

    def forget_people(self) -> None:
        """For a jump in a recording."""
        with self._lock:
            self._people = ()
            self._health.forget_latency()
            self._number += 1

    @property
    def cameras(self) -> tuple[str, ...]:
        """Names of all that were heard of."""
        with self._lock:
            return tuple(sorted(self._cameras))

    def needs_transforms(self) -> bool:
        """Whether a camera's frame is another one than the people's."""
        with self._lock:
            return any(camera.frame_id not in ("", self._frame_id) for camera in self._cameras.values())

    def lacks_places(self) -> bool:
        """Whether a camera's place is wanted and no transform tells it."""
        with self._lock:
            wanted = {camera.frame_id for camera in self._cameras.values()} - {"", self._frame_id}
            return any(self._place(self._frame_id.removeprefix("/"), frame_id) is None for frame_id in wanted)

    def state(self, now_s: float) -> SceneState:
        """What is to be seen now."""
        with self._lock:
            if self._people and now_s - self._came_s > GONE_AFTER_S:
                self._people, self._number = (), self._number + 1
            cameras = tuple(self._camera(name, self._cameras[name]) for name in sorted(self._cameras))
            notes, figures = self._notes(cameras, now_s), self._health.figures(now_s)
            return SceneState(self._number, self._stamp_s, self._frame_id, self._people, cameras, notes, figures)

    def plots(self, now_s: float) -> Plots:
        """The last minute."""
        with self._lock:
            return self._health.plots(now_s)

    def _person(self, each: Sighting, message: Any) -> PersonSeen:
        world = Z_UP_FROM_OPTICAL if self._optical else np.eye(3)
        joints, height_m, vertices, skin = each.joints @ world.T, None, None, self._skin_of(each.body_model)
        pose = np.concatenate([each.global_orient, each.body_pose]).reshape(-1, 3)
        if skin is not None:
            vertices = (skin.vertices(each.betas, pose, each.transl) @ world.T.astype(np.float32)).astype(np.float32)
            height_m = skin.height_m(each.betas)
        elif self._skin is not None:
            self._other_body = each.body_model
        velocity = message.root_velocity
        covariance = world @ np.asarray(message.root.covariance, float).reshape(6, 6)[:3, :3] @ world.T
        radii_m, axes = ellipsoid(covariance)
        head, pelvis = joints[JOINT_INDEX["head"]], joints[JOINT_INDEX["pelvis"]]
        trunk = head - pelvis
        return PersonSeen(
            id=each.id,
            color=rgb8_of(each.id),
            confidence=each.confidence,
            speed_mps=float(np.linalg.norm([velocity.x, velocity.y, velocity.z])),
            height_m=height_m,
            cameras=tuple(view.camera for view in message.views),
            joints=joints,
            joint_axes=world @ world_rotmats(pose[None])[0],
            vertices=vertices,
            faces=skin.faces if skin is not None else None,
            label_at=head + trunk / max(float(np.linalg.norm(trunk)), 1e-6) * LABEL_ABOVE_HEAD_M,
            radii_m=radii_m,
            axes=axes,
        )

    def _skin_of(self, body_model: str) -> Skin | None:
        """The skin of the given file, or of the embedded body that people name; None without a file of theirs."""
        if self._skin is None or body_model == self._skin.name:
            return self._skin
        if body_model in EMBEDDED_BODIES and body_model not in self._embedded:
            self._embedded[body_model] = Skin(read_body(body_model))
        return self._embedded.get(body_model)

    def _camera(self, name: str, camera: _Camera) -> CameraSeen:
        width, height = camera.size_px
        angle = 2 * np.arctan2(height, 2 * camera.focal_px) if camera.focal_px else 0.0
        aspect = width / height if height else 1.0
        return CameraSeen(
            name,
            camera.state,
            camera.level,
            camera.text,
            self._world_from_camera(camera),
            float(angle),
            aspect,
            camera.image,
            camera.image_number,
        )

    def _world_from_camera(self, camera: _Camera) -> np.ndarray | None:
        if not camera.frame_id or not camera.focal_px or not self._frame_id:
            return None
        frame_id = self._frame_id.removeprefix("/")
        found = np.eye(4) if camera.frame_id == frame_id else self._place(frame_id, camera.frame_id)
        if found is not None and self._optical:
            turn = np.eye(4)
            turn[:3, :3] = Z_UP_FROM_OPTICAL
            return turn @ found
        return found

    def _notes(self, cameras: tuple[CameraSeen, ...], now_s: float) -> tuple[str, ...]:
        notes = self._health.complaints(now_s)
        notes += [f"{each.name}: {each.text}" for each in cameras if each.level > 0]
        if self._other_body:
            notes.append(f"People are bodies of '{self._other_body}': meshes and heights come with its file, by `--body`.")
        if not self._stamp_s:
            notes.append("Nobody has published people yet: is the node running, in this ROS_DOMAIN_ID and namespace?")
        elif now_s - self._came_s > GONE_AFTER_S:  # what is said of the cameras is then old as well
            notes.append(f"Nothing has come for more than {GONE_AFTER_S:.0f} s: have the cameras stopped, or the node?")
        return tuple(notes)


def ellipsoid(covariance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(3, 3) m^2 -> two sigma along each axis (3,) m, and the axes as columns of a rotation (3, 3)."""
    if not np.isfinite(covariance).all():
        return np.full(3, LEAST_RADIUS_M), np.eye(3)
    variances, axes = np.linalg.eigh((covariance + covariance.T) / 2)
    if np.linalg.det(axes) < 0:
        axes[:, 0] = -axes[:, 0]
    return np.maximum(SIGMAS * np.sqrt(np.maximum(variances, 0)), LEAST_RADIUS_M), axes
