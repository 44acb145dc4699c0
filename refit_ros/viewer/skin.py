"""A body's mesh from a message's parameters, numpy only: the node need not publish meshes to be looked at."""

from __future__ import annotations

import numpy as np

from refit_ros.core.body_files import BodyArrays
from refit_ros.motion.skeleton import bones_of, posed_joints, world_rotmats


class Skin:
    """SMPL's function, one person at a time. What depends on the shape alone is kept for shapes that were seen lately."""

    KEPT = 16

    def __init__(self, body: BodyArrays) -> None:
        self.name, self.faces = body.name, body.faces.astype(np.uint32)
        self._template, self._shapes = body.v_template.astype(np.float32), body.shapedirs.astype(np.float32)
        self._weights, self._regressor = body.weights.astype(np.float32), body.J_regressor
        bends = body.posedirs.reshape(-1, body.posedirs.shape[-1]).astype(np.float32)
        self._bends = bends if np.any(bends) else None
        self._lately: dict[bytes, tuple[np.ndarray, np.ndarray]] = {}

    def height_m(self, betas: np.ndarray) -> float:
        """From the lowest to the highest vertex of the rest pose."""
        return float(np.ptp(self._rest(betas)[0][:, 1]))

    def vertices(self, betas: np.ndarray, pose: np.ndarray, transl: np.ndarray) -> np.ndarray:
        """betas (10,), pose (24, 3) axis-angle rad, transl (3,) m -> (V, 3) float32 m, in their frame."""
        points, joints = self._rest(betas)
        turns = world_rotmats(pose[None])
        if self._bends is not None:
            points = points + (self._bends @ self._pose_feature(pose)).reshape(-1, 3)
        places = posed_joints(bones_of(joints), pose[None], (joints[0] + transl)[None])[0]
        shifts = places - np.einsum("jab,jb->ja", turns[0], joints)
        moves = np.concatenate([turns[0], shifts[:, :, None]], axis=2).astype(np.float32).reshape(24, 12)
        blended = (self._weights @ moves).reshape(-1, 3, 4)
        return np.einsum("vab,vb->va", blended[:, :, :3], points) + blended[:, :, 3]

    def _rest(self, betas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Shaped vertices (V, 3) and joints (24, 3), in the rest pose."""
        key = np.round(np.asarray(betas, np.float32), 4).tobytes()
        if key not in self._lately:
            if len(self._lately) >= self.KEPT:
                self._lately.clear()
            points = self._template + self._shapes @ np.asarray(betas, np.float32)
            self._lately[key] = points, self._regressor @ points
        return self._lately[key]

    @staticmethod
    def _pose_feature(pose: np.ndarray) -> np.ndarray:
        from scipy.spatial.transform import Rotation

        return (Rotation.from_rotvec(pose[1:]).as_matrix() - np.eye(3)).reshape(-1).astype(np.float32)
