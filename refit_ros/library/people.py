"""What a model found in an image, with everything that is needed to use it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from functools import cache
from typing import Any, overload

import numpy as np

from refit_ros.camera.calibration import Calibration
from refit_ros.core.body import Body, load_body
from refit_ros.core.body_files import EMBEDDED_BODIES
from refit_ros.estimation import types
from refit_ros.estimation.mesh import person_vertices
from refit_ros.estimation.overlay import draw_overlay
from refit_ros.library.images import rgb_image


class _WithABody:
    """Pickled and copied with its body's name where that comes with the package: its arrays have 55 MB, a person 3 kB."""

    def __getstate__(self) -> dict[str, Any]:
        body: Body = self.__dict__["body"]
        embedded = body.name in EMBEDDED_BODIES and np.array_equal(
            _embedded(body.name).arrays.v_template, body.arrays.v_template
        )  # a file of a user's may be called as one of them
        return {**self.__dict__, "body": body.name if embedded else body}

    def __setstate__(self, state: dict[str, Any]) -> None:
        body = state["body"]
        self.__dict__.update(state, body=_embedded(body) if isinstance(body, str) else body)


@cache
def _embedded(name: str) -> Body:
    return load_body(name)


@dataclass(frozen=True, eq=False)
class Person(_WithABody):
    """One person. Every field of `estimation.types.Person` can be read here: id, confidence, betas (10,),
    global_orient (3,), body_pose (23, 3), transl (3,) m, joints (24, 3) m, joint_stddev (24,) m, views, ...
    """

    estimate: types.Person
    body: Body = field(repr=False)

    def __eq__(self, other: object) -> bool:
        """Whether it is the same estimate: `person in people`. Arrays are not compared."""
        return isinstance(other, Person) and self.estimate is other.estimate

    def __hash__(self) -> int:
        return hash(id(self.estimate))

    @property
    def id(self) -> int:
        """The same person has the same one in all calls of `Model.track`."""
        return self.estimate.id

    @property
    def joints(self) -> np.ndarray:
        """(24, 3) m in the fixed frame, SMPL's joints in their order."""
        return self.estimate.joints

    @property
    def betas(self) -> np.ndarray:
        """(10,) shape."""
        return self.estimate.betas

    def vertices(self) -> np.ndarray:
        """(V, 3) m in the fixed frame: the body's mesh; its triangles are `body.faces`."""
        return person_vertices(self.body, self.estimate)

    def to_dict(self) -> dict[str, Any]:
        """Every field of the estimate as numbers, texts and lists."""
        return _plain(self.estimate)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "estimate":  # copying and pickling ask before there is anything
            raise AttributeError(name)
        return getattr(self.estimate, name)


@dataclass(frozen=True, repr=False)
class People(_WithABody):
    """Everybody in one image, or in one set of images: a sequence of `Person`.

    left_out: {camera: why its image was not used}. notes: what was assumed or is doubtful, in sentences.
    lenses: {camera: (Calibration, fixed_from_camera (4, 4) m)} of the images that were used.
    """

    estimate: types.People
    body: Body = field(repr=False)
    lenses: dict[str, tuple[Calibration, np.ndarray]] = field(repr=False)
    left_out: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def stamp_s(self) -> float:
        """When the images were taken."""
        return self.estimate.stamp_s

    @property
    def cameras(self) -> tuple[str, ...]:
        """The cameras whose images were used."""
        return self.estimate.cameras

    def __repr__(self) -> str:
        ids = ", ".join(str(person.id) for person in self) or "nobody"
        faults = "".join(f", without {name}: {reason}" for name, reason in self.left_out.items())
        return f"<People {ids} at {self.stamp_s:.3f} s, seen by {', '.join(map(str, self.cameras)) or 'no camera'}{faults}>"

    def __len__(self) -> int:
        return len(self.estimate.people)

    @overload
    def __getitem__(self, index: int) -> Person: ...
    @overload
    def __getitem__(self, index: slice) -> People: ...
    def __getitem__(self, index: int | slice) -> Person | People:
        chosen = self.estimate.people[index]
        if isinstance(chosen, tuple):  # some of them, which can be drawn and told as all can
            return replace(self, estimate=replace(self.estimate, people=chosen))
        return Person(chosen, self.body)

    def __iter__(self) -> Iterator[Person]:
        return (Person(person, self.body) for person in self.estimate.people)

    def draw(self, image: Any, camera: str | None = None, mesh: bool = True) -> Any:
        """A copy of the image (H, W, 3) uint8 RGB with everybody drawn over it; without `mesh` only skeletons.

        With several cameras, say which `camera` the image is of, or give {name: image} and get {name: drawn image}.
        An image that was not used comes back as it is. Raises ValueError where the image is not that camera's.
        """
        if isinstance(image, Mapping):
            return {name: self.draw(each, name, mesh) for name, each in image.items()}
        rgb = rgb_image(image)
        if camera is None and len(self.lenses) > 1:
            raise ValueError(f"say which camera the image is of: {', '.join(map(str, self.lenses))}")
        name = next(iter(self.lenses), None) if camera is None else camera
        if name not in self.lenses:
            return rgb.copy()
        calibration, fixed_from_camera = self.lenses[name]
        if rgb.shape[:2] != (calibration.height_px, calibration.width_px):
            raise ValueError(
                f"the image is {rgb.shape[1]} x {rgb.shape[0]} px, and that of camera '{name}' was "
                f"{calibration.width_px} x {calibration.height_px} px"
            )
        return draw_overlay(rgb, calibration, np.linalg.inv(fixed_from_camera), self.estimate, self.body, mesh)

    def to_dict(self) -> dict[str, Any]:
        """All of it as numbers, texts and lists, ready for `json.dumps`."""
        return {
            "stamp_s": float(self.stamp_s),
            "cameras": list(self.cameras),
            "left_out": dict(self.left_out),
            "notes": list(self.notes),
            "body_model": self.body.name,
            "people": [person.to_dict() for person in self],
        }


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {entry.name: _plain(getattr(value, entry.name)) for entry in fields(value)}
    if isinstance(value, (np.ndarray, np.generic)):
        return _plain(value.tolist())
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    if isinstance(value, float) and not np.isfinite(value):
        return None  # JSON has no such numbers
    return value
