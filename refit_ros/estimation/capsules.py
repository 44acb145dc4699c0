"""People as capsules, for planners and for safety: each segment of the body as a line with a radius that covers its skin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from refit_ros.core.joints import JOINT_NAMES, PARENTS

if TYPE_CHECKING:
    from refit_ros.core.body_files import BodyArrays
    from refit_ros.estimation.types import Person

SPACING_M = 0.08  # of the points that stand for a capsule's surface
_CHILDREN = [[child for child, parent in enumerate(PARENTS) if parent == joint] for joint in range(len(PARENTS))]


@dataclass(frozen=True)
class Capsules:
    """One person's, C of them, in the fixed frame. All points within `radius_m` of the line from `start_m` to `end_m`."""

    id: int
    names: tuple[str, ...]  # of the joint whose segment it is
    start_m: np.ndarray  # (C, 3)
    end_m: np.ndarray  # (C, 3)
    radius_m: np.ndarray  # (C,) of the skin; how sure the place is comes on top
    stddev_m: np.ndarray  # (C,) one sigma of the less certain end
    velocity_mps: np.ndarray  # (3,) of the pelvis, which is all that is known of the others' as well

    def distance_m(self, point_m: np.ndarray, sigmas: float = 0.0) -> float:
        """From a point (3,) to the nearest skin, each capsule grown by so many sigmas; 0 inside."""
        along = self.end_m - self.start_m
        squared = np.maximum((along * along).sum(axis=1), 1e-12)
        part = np.clip(((point_m - self.start_m) * along).sum(axis=1) / squared, 0, 1)
        away = np.linalg.norm(point_m - self.start_m - part[:, None] * along, axis=1)
        return float(np.maximum(away - self.radius_m - sigmas * self.stddev_m, 0).min())

    def surface_m(self) -> np.ndarray:
        """(N, 3) points on the capsules' surfaces, neighbours no farther than `SPACING_M` apart."""
        return np.concatenate([_surface(*each) for each in zip(self.start_m, self.end_m, self.radius_m)])


class BodyCapsules:
    """Where a body's capsules lie and how thick they are, by its mesh in the rest pose.

    A segment from a joint to a child turns with the joint, as do the vertices that follow the joint most: each is covered
    by the nearest of that joint's segments. A joint without children has one segment, to the middle of its vertices.
    """

    KEPT = 16  # shapes

    def __init__(self, body: BodyArrays) -> None:
        self._template, self._shapes = body.v_template, body.shapedirs
        self._regressor, self._owner = body.J_regressor, body.weights.argmax(axis=1)
        self._segments = [(joint, child) for joint, children in enumerate(_CHILDREN) for child in children or [-1]]
        self._names = tuple(JOINT_NAMES[joint] for joint, _ in self._segments)
        self._lately: dict[bytes, tuple[np.ndarray, np.ndarray, np.ndarray]] = {}

    def of(self, person: Person) -> Capsules:
        """In the frame of the person."""
        starts, ends, radius_m = self._rest(np.asarray(person.betas, float))
        joints, turns = np.asarray(person.joints, float), np.asarray(person.joint_rotmats, float)
        owners = np.array([joint for joint, _ in self._segments])
        stddev = np.asarray(person.joint_stddev, float)
        far = np.array([child if child >= 0 else joint for joint, child in self._segments])
        return Capsules(
            id=int(person.id),
            names=self._names,
            start_m=joints[owners],
            end_m=joints[owners] + np.einsum("cab,cb->ca", turns[owners], ends - starts),
            radius_m=radius_m,
            stddev_m=np.maximum(stddev[owners], stddev[far]),
            velocity_mps=np.asarray(person.root_velocity, float),
        )

    def _rest(self, betas: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Starts and ends (C, 3) and radii (C,) of a shape's rest pose."""
        key = np.round(betas, 3).tobytes()
        if key not in self._lately:
            if len(self._lately) >= self.KEPT:
                self._lately.clear()
            self._lately[key] = self._measured(betas)
        return self._lately[key]

    def _measured(self, betas: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        vertices = self._template + self._shapes @ betas
        joints = self._regressor @ vertices
        starts = np.array([joints[joint] for joint, _ in self._segments])
        ends = starts.copy()
        for index, (joint, child) in enumerate(self._segments):
            own = vertices[self._owner == joint]
            ends[index] = joints[child] if child >= 0 else own.mean(axis=0) if len(own) else joints[joint]
        radius_m = np.full(len(self._segments), 1e-3)
        for joint in range(len(JOINT_NAMES)):
            own = vertices[self._owner == joint]
            mine = [index for index, (owner, _) in enumerate(self._segments) if owner == joint]
            if len(own):
                away = np.stack([_distances(own, starts[index], ends[index]) for index in mine])
                nearest = away.argmin(axis=0)
                for row, index in enumerate(mine):
                    radius_m[index] = max(radius_m[index], away[row][nearest == row].max(initial=0.0))
        return starts, ends, radius_m


def _distances(points: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    along = end - start
    part = np.clip((points - start) @ along / max(along @ along, 1e-12), 0, 1)
    return np.linalg.norm(points - start - part[:, None] * along, axis=1)


def _surface(start: np.ndarray, end: np.ndarray, radius: float) -> np.ndarray:
    """Rings about the line, those of the balls at its ends too, and their poles."""
    along = end - start
    length = float(np.linalg.norm(along))
    axis = along / length if length > 1e-9 else np.array([0.0, 0, 1])
    side = np.cross(axis, [1.0, 0, 0] if abs(axis[0]) < 0.9 else [0.0, 1, 0])
    side /= np.linalg.norm(side)
    count = max(4, int(np.ceil(2 * np.pi * radius / SPACING_M)))
    angle = np.arange(count) * (2 * np.pi / count)
    ring = radius * (np.cos(angle)[:, None] * side + np.sin(angle)[:, None] * np.cross(axis, side))
    steps = np.linspace(0, 1, max(2, int(np.ceil(length / SPACING_M)) + 1))
    rings = [((start + steps[:, None] * along)[:, None] + ring).reshape(-1, 3)]
    quarter = int(np.ceil(np.pi / 2 * radius / SPACING_M))
    for rise in np.arange(1, quarter) * (np.pi / 2 / quarter):
        rings += [
            start - np.sin(rise) * radius * axis + np.cos(rise) * ring,
            end + np.sin(rise) * radius * axis + np.cos(rise) * ring,
        ]
    return np.concatenate([*rings, [start - radius * axis, end + radius * axis]])
