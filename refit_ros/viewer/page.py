"""What is seen in 3D, by viser: only what has changed is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.spatial.transform import Rotation

from refit_ros.core.joints import PARENTS
from refit_ros.viewer.state import CameraSeen, PersonSeen, SceneState

if TYPE_CHECKING:
    from collections.abc import Callable

    from viser import ViserServer

BONE_WIDTH_M, MESH_OPACITY, ELLIPSOID_OPACITY = 0.03, 0.55, 0.25
CAMERA_COLORS = ((90, 160, 90), (220, 160, 40), (210, 60, 60))  # by the diagnostics' level: well, warning, error
FRUSTUM_M, PLAIN_ANGLE_RAD = 0.35, 0.8
AXES_M, AXES_RADIUS_M = 0.08, 0.004  # of TF's frames: as long as in RViz, thin enough to tell those of a hand apart
LAYERS = ("meshes", "skeletons", "labels", "uncertainty", "cameras", "frames")
HIDDEN_AT_FIRST = ("frames",)  # 24 of each person
PARTS = {"bones": "skeletons", "label": "labels", "ellipsoid": "uncertainty", "mesh": "meshes", "frames": "frames"}
_BONES = np.array([(joint, parent) for joint, parent in enumerate(PARENTS) if parent >= 0])


class Page:
    """Draws states. `select`: called with the id of a person who was clicked."""

    def __init__(self, server: ViserServer, select: Callable[[int], None]) -> None:
        self._server, self._select = server, select
        self.shown = {layer: layer not in HIDDEN_AT_FIRST for layer in LAYERS}
        self.selected: int | None = None
        self._people: dict[int, dict[str, Any]] = {}
        self._cameras: dict[str, dict[str, Any]] = {}
        server.scene.set_up_direction("+z")
        server.scene.add_grid(
            "/floor", infinite_grid=True, cell_size=0.5, section_size=1.0, fade_distance=30.0, shadow_opacity=0.0
        )
        server.scene.add_frame("/frame", axes_length=0.3, axes_radius=0.008)
        server.initial_camera.position, server.initial_camera.look_at = (-4.5, -3.5, 3.0), (0.5, 0.5, 0.8)

    def draw(self, state: SceneState) -> None:
        """Make the page show this state."""
        with self._server.atomic():
            for gone in set(self._people) - {person.id for person in state.people}:
                self._remove(self._people.pop(gone))
            for person in state.people:
                self._draw_person(person)
            for gone in set(self._cameras) - {camera.name for camera in state.cameras}:
                self._remove(self._cameras.pop(gone))
            for camera in state.cameras:
                self._draw_camera(camera)

    def _draw_person(self, person: PersonSeen) -> None:
        parts = self._people.setdefault(person.id, {})
        root, bones = f"/people/{person.id}", person.joints[_BONES].astype(np.float32)
        scene, turn = self._server.scene, _wxyz(person.axes)
        if "bones" not in parts:
            parts["bones"] = scene.add_line_segments(f"{root}/bones", bones, person.color, thickness=BONE_WIDTH_M)
            parts["label"] = scene.add_label(f"{root}/label", person.label, position=person.label_at, anchor="bottom-center")
            parts["ellipsoid"] = scene.add_icosphere(
                f"{root}/ellipsoid",
                1.0,
                person.color,
                opacity=ELLIPSOID_OPACITY,
                scale=tuple(person.radii_m),
                cast_shadow=False,
            )
        else:
            parts["bones"].points = bones
        text = f"▶ {person.label}" if person.id == self.selected else person.label
        if parts["label"].text != text:
            parts["label"].text = text
        parts["label"].position = person.label_at
        parts["ellipsoid"].position, parts["ellipsoid"].wxyz = person.joints[0], turn
        parts["ellipsoid"].scale = tuple(person.radii_m.tolist())
        self._draw_mesh(person, parts, f"{root}/mesh")
        self._draw_frames(person, parts, f"{root}/frames")
        for part, layer in PARTS.items():
            self._set_visible(parts.get(part), layer)

    def _draw_frames(self, person: PersonSeen, parts: dict[str, Any], name: str) -> None:
        """Those that the node publishes on /tf. While nobody looks at them, nothing is sent."""
        if not self.shown["frames"]:
            return
        turns, places = _wxyz(person.joint_axes).astype(np.float32), person.joints.astype(np.float32)
        if "frames" in parts:
            parts["frames"].batched_wxyzs, parts["frames"].batched_positions = turns, places
        else:
            parts["frames"] = self._server.scene.add_batched_axes(
                name, turns, places, axes_length=AXES_M, axes_radius=AXES_RADIUS_M
            )

    def _draw_mesh(self, person: PersonSeen, parts: dict[str, Any], name: str) -> None:
        other = "mesh" in parts and (person.vertices is None or len(parts["mesh"].vertices) != len(person.vertices))
        if other:
            parts.pop("mesh").remove()
        if person.vertices is None or person.faces is None:
            return
        if "mesh" in parts:
            if self.shown["meshes"]:
                parts["mesh"].vertices = person.vertices
            return
        parts["mesh"] = self._server.scene.add_mesh_simple(
            name,
            person.vertices,
            person.faces,
            color=person.color,
            opacity=MESH_OPACITY,
            cast_shadow=False,
            receive_shadow=False,
        )
        parts["mesh"].on_click(lambda _, person_id=person.id: self._select(person_id))

    def _draw_camera(self, camera: CameraSeen) -> None:
        parts = self._cameras.setdefault(camera.name, {})
        if camera.world_from_camera is None:
            self._remove(parts)
            parts.clear()
            return
        root = f"/cameras/{camera.name.strip('/')}"
        place, turn = camera.world_from_camera[:3, 3], _wxyz(camera.world_from_camera[:3, :3])
        color = CAMERA_COLORS[min(max(camera.level, 0), 2)]
        text = f"{camera.name} ({camera.state})" if camera.level and camera.state else camera.name
        key = (camera.field_of_view_rad, camera.aspect)
        if parts.get("key") != key:
            self._remove(parts)
            parts["frustum"] = self._server.scene.add_camera_frustum(
                root,
                camera.field_of_view_rad or PLAIN_ANGLE_RAD,
                camera.aspect,
                scale=FRUSTUM_M,
                thickness=0.01,
                color=color,
            )
            parts["name"] = self._server.scene.add_label(f"{root}/name", text, position=(0, 0, -0.05))
            parts["axes"] = self._server.scene.add_frame(f"{root}/axes", axes_length=FRUSTUM_M / 2, axes_radius=0.006)
            parts["key"], parts["image"], parts["pose"] = key, -1, b""
        pose = camera.world_from_camera.tobytes()
        if parts["pose"] != pose:
            parts["frustum"].position, parts["frustum"].wxyz, parts["pose"] = place, turn, pose
        if parts["frustum"].color != color:
            parts["frustum"].color = color
        if parts["name"].text != text:
            parts["name"].text = text
        if parts["image"] != camera.image_number:
            parts["frustum"].image, parts["image"] = camera.image, camera.image_number
        self._set_visible(parts["frustum"], "cameras")
        self._set_visible(parts["axes"], "frames")

    def _set_visible(self, part: Any, layer: str) -> None:
        if part is not None and part.visible != self.shown[layer]:
            part.visible = self.shown[layer]

    @staticmethod
    def _remove(parts: dict[str, Any]) -> None:
        for part in reversed(list(parts.values())):
            if hasattr(part, "remove"):
                part.remove()


def _wxyz(rotmats: np.ndarray) -> np.ndarray:
    """(..., 3, 3) -> (..., 4)."""
    return np.roll(Rotation.from_matrix(rotmats).as_quat(), 1, axis=-1)
