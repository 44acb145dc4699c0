"""The body in NumPy, in double precision: for a few people at a time.

As `Body.markers_and_joints`, to rounding. What poses them there are some hundred operations on a few numbers, each of which
costs PyTorch its call and not its arithmetic; here they are a dozen, and nothing has to be carried to a tensor and back.
"""

from __future__ import annotations

import numpy as np
from torch import Tensor

from refit_ros.core.body import Body
from refit_ros.core.joints import ABOVE, PARENTS

_ABOVE = [np.array(above) for above in ABOVE]
_PARENTS = np.array(PARENTS[1:])
_STILL = np.eye(4)  # the motion of the joint that is none, see `joints.ABOVE`


class NumpyBody:
    """A body's 24 joints and M of its vertices. Frames and units as `Body`'s; at least one body at a time."""

    def __init__(
        self,
        joint_template: Tensor,
        joint_shapes: Tensor,
        point_template: Tensor,
        point_shapes: Tensor,
        point_poses: Tensor,
        point_weights: Tensor,
    ) -> None:
        """(24, 3) m, (24, 3, 10), (M, 3) m, (M, 3, 10), (3 M, 207) and (M, 24), as `Body` has them."""
        self._joint_template = _array(joint_template)
        self._joint_shapes = _array(joint_shapes).reshape(72, 10).T.copy()  # (10, 72)
        self._point_template, self._point_weights = _array(point_template), _array(point_weights)
        shapes = _array(point_shapes).reshape(-1, 10)
        self._point_blends = np.concatenate([shapes, _array(point_poses)], 1).T.copy()  # (217, 3 M): by shape, by pose

    @classmethod
    def of(cls, body: Body) -> NumpyBody:
        """Its joints and markers."""
        return cls(
            body.joint_template,
            body.joint_shapes,
            body.marker_template,
            body.marker_shapedirs,
            body.marker_posedirs,
            body.marker_weights,
        )

    def joints(self, betas: np.ndarray, rotmats: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """betas (N, 10), rotmats (N, 24, 3, 3) relative to the parents, the first global -> joints (N, 24, 3) m without
        translation, and how each of them is turned in the body's frame (N, 24, 3, 3)."""
        motions = _along_the_tree(rotmats, self._rest(betas))
        return motions[..., 3], motions[..., :3]

    def points_and_joints(self, betas: np.ndarray, rotmats: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """As `joints` -> the M vertices (N, M, 3) and the joints (N, 24, 3) m."""
        count, rest = len(betas), self._rest(betas)
        motions = _along_the_tree(rotmats, rest)
        joints = motions[..., 3].copy()
        # Each vertex is carried by the joints' motions from the rest pose, which are where they end less whence they come.
        motions[..., 3] -= (motions[..., :3] @ rest[..., None])[..., 0]
        carried = (self._point_weights @ motions.reshape(count, 24, 12)).reshape(count, -1, 3, 4)
        blends = np.concatenate([betas, (rotmats[:, 1:] - np.eye(3)).reshape(count, 207)], 1)
        points = self._point_template + (blends @ self._point_blends).reshape(count, -1, 3)
        return (carried[..., :3] * points[:, :, None]).sum(-1) + carried[..., 3], joints

    def _rest(self, betas: np.ndarray) -> np.ndarray:
        """(N, 24, 3) m: the joints of the rest pose."""
        return self._joint_template + (betas @ self._joint_shapes).reshape(-1, 24, 3)


def _along_the_tree(rotmats: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """(N, 24, 3, 4): each joint's frame in the body's. Each round takes it twice as far up the tree (`joints.ABOVE`)."""
    count = len(rest)
    motions = np.empty((count, 25, 4, 4))
    motions[:] = _STILL
    motions[:, :24, :3, :3] = rotmats
    motions[:, :24, :3, 3] = rest
    motions[:, 1:24, :3, 3] -= rest[:, _PARENTS]
    for above in _ABOVE:
        motions = motions[:, above] @ motions
    return motions[:, :24, :3]


def _array(values: Tensor) -> np.ndarray:
    return values.detach().double().cpu().numpy()
