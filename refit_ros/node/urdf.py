"""A person's URDF by REP 155's kinematic model, with their own bones' lengths."""

from __future__ import annotations

from collections.abc import Sequence
from math import pi

from refit_ros.estimation.humanoid import SIDES, Lengths

RADIUS_M = 0.03  # of what is drawn of a limb
_X, _Y, _Z = (1, 0, 0), (0, 1, 0), (0, 0, 1)


def urdf(body_id: str, lengths: Lengths) -> str:
    """Links and joints by the standard's names, each with `_<body_id>` at its end; x forward, z up, arms down at zero."""
    made = _Model(body_id)
    made.link("body")
    made.joint("waist", "body", "waist", axis=_Y)
    made.joint("torso", "waist", "torso", place=(0, 0, lengths.torso))
    for name, parent, axis, place in (
        ("r_head", "torso", _X, (0, 0, lengths.neck)),
        ("y_head", "r_head", _Z, (0, 0, 0)),
        ("p_head", "y_head", (0, -1, 0), (0, 0, 0)),
    ):
        made.joint(name, parent, name, axis=axis, place=place)
    made.joint("head", "p_head", "head", place=(lengths.head / 2, 0, lengths.head), drawn=_ball(lengths.head))
    made.draw("torso", _rod(lengths.torso))
    for side, (_, sign) in SIDES.items():
        shoulder, hip = (0, sign * lengths.shoulders / 2, 0), (0, sign * lengths.hips / 2, 0)
        made.limb(side, ("shoulder", "elbow", "wrist"), "torso", shoulder, ((0, 0, -sign), (sign, 0, 0), (0, 0, sign)),
                  (lengths.upper_arm, lengths.forearm))  # fmt: skip
        made.limb(side, ("hip", "knee", "ankle"), "body", hip, ((0, 0, -1), (sign, 0, 0), (0, -1, 0)),
                  (lengths.thigh, lengths.shank))  # fmt: skip
    return made.text()


class _Model:
    def __init__(self, body_id: str) -> None:
        self._id, self._links, self._joints = body_id, {}, []

    def link(self, name: str, drawn: str = "") -> None:
        self._links[name] = drawn

    def draw(self, name: str, drawn: str) -> None:
        self._links[name] += drawn

    def joint(self, name: str, parent: str, child: str, place=(0, 0, 0), axis=None, drawn: str = "") -> None:
        """Fixed without an axis."""
        self.link(child, drawn)
        kind, own = "fixed", ""
        if axis is not None:
            kind = "revolute"
            own = f'<axis xyz="{_numbers(axis)}"/><limit lower="{-pi:.6f}" upper="{pi:.6f}" effort="1000" velocity="20"/>'
        self._joints.append(
            f'<joint name="{name}_{self._id}" type="{kind}"><parent link="{parent}_{self._id}"/>'
            f'<child link="{child}_{self._id}"/><origin xyz="{_numbers(place)}" rpy="0 0 0"/>{own}</joint>'
        )

    def limb(self, side: str, parts: Sequence[str], parent: str, place, axes: Sequence, sizes: Sequence[float]) -> None:
        root, middle, end = (f"{side}_{part}" for part in parts)
        first, second = f"{side}_y_{parts[0]}", f"{side}_p_{parts[0]}"
        self.joint(first, parent, first, place, axes[0])
        self.joint(second, first, second, axis=axes[1])
        self.joint(f"{side}_r_{parts[0]}", second, root, axis=axes[2], drawn=_rod(sizes[0]))
        self.joint(middle, root, middle, (0, 0, -sizes[0]), (0, -1, 0), _rod(sizes[1]))
        self.joint(end, middle, end, (0, 0, -sizes[1]))

    def text(self) -> str:
        links = [f'<link name="{name}_{self._id}">{drawn}</link>' for name, drawn in self._links.items()]
        return "\n".join(['<?xml version="1.0"?>', f'<robot name="human_{self._id}">', *links, *self._joints, "</robot>"])


def _rod(length_m: float) -> str:
    """From a link's origin down."""
    shape = f'<cylinder length="{length_m:.5f}" radius="{RADIUS_M}"/>'
    return f'<visual><origin xyz="0 0 {-length_m / 2:.5f}" rpy="0 0 0"/><geometry>{shape}</geometry></visual>'


def _ball(radius_m: float) -> str:
    return f'<visual><geometry><sphere radius="{radius_m:.5f}"/></geometry></visual>'


def _numbers(values: Sequence[float]) -> str:
    return " ".join(f"{value:.5f}" for value in values)
