"""The body: SMPL's function from shape and pose to joints, markers and mesh.

Frame: SMPL's rest pose has y up and the face towards +z, in metres; the root rotation and `transl` carry
it into any other frame. The body turns about its root joint J0(shape), as SMPL does.
"""
from __future__ import annotations

from collections.abc import Sequence

import torch
from smplx.lbs import blend_shapes
from torch import Tensor, nn

from refit_ros.core.body_files import BodyArrays, read_body, smplx_layer
from refit_ros.core.joints import PARENTS
from refit_ros.core.precision import in_float32


def _levels() -> tuple[tuple[int, ...], ...]:
    """The joints by their distance from the pelvis: those of one level are posed together."""
    depth = []
    for parent in PARENTS:
        depth.append(0 if parent < 0 else depth[parent] + 1)
    return tuple(tuple(j for j, d in enumerate(depth) if d == level) for level in range(max(depth) + 1))


_LEVELS = _levels()
_LEVEL_ORDER = tuple(joint for level in _LEVELS for joint in level)


class Body(nn.Module):
    """A body in SMPL's format. Its tensors are moved with the network but never saved with it."""

    def __init__(self, arrays: BodyArrays) -> None:
        super().__init__()
        self.arrays = arrays
        self.name = arrays.name
        self.markers: tuple[int, ...] = tuple(int(i) for i in arrays.markers)
        self.faces = arrays.faces
        self.joint_limits = arrays.joint_limits
        self.vertex_count = arrays.v_template.shape[0]
        layer = smplx_layer(arrays)
        picked = torch.tensor(self.markers)
        joint_template = (layer.J_regressor.double() @ layer.v_template.double()).float()
        joint_shapes = torch.einsum("jv,vcb->jcb", layer.J_regressor.double(), layer.shapedirs.double()).float()
        for name, value in {
            "v_template": layer.v_template, "shapedirs": layer.shapedirs, "posedirs": layer.posedirs,
            "J_regressor": layer.J_regressor, "lbs_weights": layer.lbs_weights,
            "joint_template": joint_template, "joint_shapes": joint_shapes,
            # Shape and pose displace the markers by one product: 10 + 207 coefficients.
            "marker_template": layer.v_template[picked].reshape(-1),
            "marker_dirs": torch.cat((layer.shapedirs[picked].reshape(-1, layer.shapedirs.shape[-1]).T,
                                      layer.posedirs.reshape(-1, self.vertex_count, 3)[:, picked].flatten(1))),
            "marker_weights": layer.lbs_weights[picked],
            **_tree_indices(),
        }.items():
            self.register_buffer(name, value.clone().contiguous(), persistent=False)

    @in_float32
    def rest_joints(self, betas: Tensor) -> Tensor:
        """betas (B, 10) -> joints of the rest pose (B, 24, 3) m; J0 = [:, 0] is what the body turns about."""
        return self.joint_template + blend_shapes(betas, self.joint_shapes)

    @in_float32
    def joints(self, betas: Tensor, rotmats: Tensor, transl: Tensor | None = None) -> Tensor:
        """betas (B, 10), rotmats (B, 24, 3, 3), transl (B, 3) m -> posed joints (B, 24, 3) m."""
        transforms, _ = self._pose(betas, rotmats)
        return _moved(transforms[..., :3, 3], transl)

    @in_float32
    def markers_and_joints(self, betas: Tensor, rotmats: Tensor,
                           transl: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """As `joints`, and the markers alone of all vertices: (B, M, 3) m, (B, 24, 3) m."""
        transforms, rest = self._pose(betas, rotmats)
        coefficients = torch.cat((betas, _pose_feature(rotmats)), dim=1)
        points = torch.addmm(self.marker_template, coefficients, self.marker_dirs).reshape(len(betas), -1, 3)
        markers = _skin(points, self.marker_weights, transforms, rest)
        return _moved(markers, transl), _moved(transforms[..., :3, 3], transl)

    @in_float32
    def vertices(self, betas: Tensor, rotmats: Tensor, transl: Tensor | None = None) -> Tensor:
        """As `joints`, the whole mesh: (B, V, 3) m."""
        transforms, rest = self._pose(betas, rotmats)
        shaped = self.v_template + blend_shapes(betas, self.shapedirs)
        points = shaped + (_pose_feature(rotmats) @ self.posedirs).reshape(len(betas), -1, 3)
        return _moved(_skin(points, self.lbs_weights, transforms, rest), transl)

    @in_float32
    def height_m(self, betas: Tensor) -> Tensor:
        """betas (B, 10) -> (B,) m from the lowest to the highest vertex of the rest pose."""
        height = self.v_template[:, 1] + betas @ self.shapedirs[:, 1].T
        return height.amax(dim=1) - height.amin(dim=1)

    def with_markers(self, markers: Sequence[int]) -> Body:
        """The same body looked at through other vertices. Raises InputError for one that it does not have."""
        return Body(self.arrays.with_markers(markers)).to(self.v_template.device)

    def _pose(self, betas: Tensor, rotmats: Tensor) -> tuple[Tensor, Tensor]:
        """-> each joint's frame in the body's (B, 24, 4, 4), composed along the tree, and the rest joints."""
        rest = self.rest_joints(betas)
        offset = rest - rest[:, self.parents] * self.has_parent
        local = torch.cat((torch.cat((rotmats, offset[..., None]), dim=-1),
                           self.last_row.expand(len(betas), -1, -1, -1)), dim=-2)
        local = local[:, self.level_order]
        composed, start = [local[:, :1]], 1
        for level in range(1, len(_LEVELS)):
            stop = start + len(_LEVELS[level])
            above = composed[-1][:, getattr(self, f"above_{level}")]
            composed.append(above @ local[:, start:stop])
            start = stop
        return torch.cat(composed, dim=1)[:, self.joint_order], rest


def _tree_indices() -> dict[str, Tensor]:
    indices = {
        "parents": torch.tensor([max(parent, 0) for parent in PARENTS]),
        "has_parent": torch.tensor([float(parent >= 0) for parent in PARENTS])[:, None],
        "last_row": torch.tensor([0.0, 0.0, 0.0, 1.0]).expand(1, len(PARENTS), 1, 4),
        "level_order": torch.tensor(_LEVEL_ORDER),
        "joint_order": torch.argsort(torch.tensor(_LEVEL_ORDER)),
    }
    for level in range(1, len(_LEVELS)):
        indices[f"above_{level}"] = torch.tensor([_LEVELS[level - 1].index(PARENTS[j]) for j in _LEVELS[level]])
    return indices


def _pose_feature(rotmats: Tensor) -> Tensor:
    """What the 23 joints' rotations add to the identity, (B, 207): the pose blend shapes are linear in it."""
    identity = torch.eye(3, dtype=rotmats.dtype, device=rotmats.device)
    return (rotmats[:, 1:] - identity).flatten(1)


def _skin(points: Tensor, weights: Tensor, transforms: Tensor, rest: Tensor) -> Tensor:
    """Linear blend skinning: points (B, N, 3) of the rest pose, weights (N, 24) -> (B, N, 3)."""
    rotations = transforms[..., :3, :3]
    shifts = transforms[..., :3, 3] - (rotations @ rest[..., None]).squeeze(-1)
    affine = torch.cat((rotations, shifts[..., None]), dim=-1).flatten(2)  # (B, 24, 12)
    blended = (weights @ affine).unflatten(2, (3, 4))
    return (blended[..., :3] * points[..., None, :]).sum(dim=-1) + blended[..., 3]


def _moved(points: Tensor, transl: Tensor | None) -> Tensor:
    return points if transl is None else points + transl[:, None]


def load_body(path: str | None = None, gender: str = "neutral") -> Body:
    """The body in `path`: a file, or a folder of files under SMPL's official names; None: the embedded one.

    gender "neutral", "male" or "female" chooses within a folder. Raises InputError with the path tried and
    what to do where nothing usable is there.
    """
    return Body(read_body(path, gender))
