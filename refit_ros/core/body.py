"""The body: SMPL's function from shape and pose to joints, markers and mesh.

Frame: SMPL's rest pose has y up and the face towards +z, in metres; the root rotation and `transl` carry
it into any other frame. The body turns about its root joint J0(shape), as SMPL does.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from smplx.lbs import blend_shapes, vertices2joints
from torch import Tensor, nn

from refit_ros.core.body_files import BodyArrays, read_body, smplx_layer
from refit_ros.core.joints import PARENTS
from refit_ros.core.precision import in_float32


def _levels() -> tuple[tuple[int, ...], ...]:
    """The joints by their distance from the pelvis: those of one level are posed together."""
    depth: list[int] = []
    for parent in PARENTS:
        depth.append(0 if parent < 0 else depth[parent] + 1)
    return tuple(tuple(j for j, d in enumerate(depth) if d == level) for level in range(max(depth) + 1))


_LEVELS = _levels()
_LEVEL_ORDER = tuple(joint for level in _LEVELS for joint in level)


class Body(nn.Module):
    """A body in SMPL's format. Its tensors are moved with the network but never saved with it."""

    v_template: Tensor  # (V, 3) m, and so on: as smplx names and shapes them
    shapedirs: Tensor  # (V, 3, 10)
    posedirs: Tensor  # (3 V, 207)
    J_regressor: Tensor  # (24, V)
    lbs_weights: Tensor  # (V, 24)
    joint_template: Tensor  # (24, 3) m
    joint_shapes: Tensor  # (24, 3, 10)
    marker_template: Tensor  # the markers' rows of the above
    marker_shapedirs: Tensor
    marker_posedirs: Tensor
    marker_weights: Tensor
    parents: Tensor  # (24,) int64, 0 for the root; the others: `_tree_indices`
    has_parent: Tensor
    last_row: Tensor
    level_order: Tensor
    joint_order: Tensor

    def __init__(self, arrays: BodyArrays) -> None:
        super().__init__()
        self.arrays = arrays
        # Rest joints from the shaped mesh, rounded as the published code rounds them. Off (and in training), from
        # products made once: equal to 1e-6 m, and quicker.
        self.exact_joints = True
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
            "v_template": layer.v_template,
            "shapedirs": layer.shapedirs,
            "posedirs": layer.posedirs.T,
            "J_regressor": layer.J_regressor,
            "lbs_weights": layer.lbs_weights,
            "joint_template": joint_template,
            "joint_shapes": joint_shapes,
            "marker_template": layer.v_template[picked],
            "marker_shapedirs": layer.shapedirs[picked],
            "marker_posedirs": layer.posedirs.T.reshape(self.vertex_count, 3, -1)[picked].flatten(0, 1),
            "marker_weights": layer.lbs_weights[picked],
            **_tree_indices(),
        }.items():
            self.register_buffer(name, value.clone().contiguous(), persistent=False)

    @in_float32
    def rest_joints(self, betas: Tensor) -> Tensor:
        """betas (B, 10) -> joints of the rest pose (B, 24, 3) m; J0 = [:, 0] is what the body turns about."""
        if self.exact_joints and not self.training:
            return vertices2joints(self.J_regressor, self.v_template + blend_shapes(betas, self.shapedirs))
        return self.joint_template + blend_shapes(betas, self.joint_shapes)

    @in_float32
    def joints(self, betas: Tensor, rotmats: Tensor, transl: Tensor | None = None) -> Tensor:
        """betas (B, 10), rotmats (B, 24, 3, 3), transl (B, 3) m -> posed joints (B, 24, 3) m."""
        transforms, _ = self._pose(betas, rotmats)
        return _moved(transforms[..., :3, 3], transl)

    @in_float32
    def markers_and_joints(self, betas: Tensor, rotmats: Tensor, transl: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """As `joints`, and the markers alone of all vertices: (B, M, 3) m, (B, 24, 3) m."""
        transforms, rest = self._pose(betas, rotmats)
        points = _blended(self.marker_template, self.marker_shapedirs, self.marker_posedirs, betas, rotmats)
        markers = _skin(points, self.marker_weights, transforms, rest)
        return _moved(markers, transl), _moved(transforms[..., :3, 3], transl)

    @in_float32
    def vertices(self, betas: Tensor, rotmats: Tensor, transl: Tensor | None = None) -> Tensor:
        """As `joints`, the whole mesh: (B, V, 3) m."""
        transforms, rest = self._pose(betas, rotmats)
        points = _blended(self.v_template, self.shapedirs, self.posedirs, betas, rotmats)
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
        local = torch.cat(
            (torch.cat((rotmats, offset[..., None]), dim=-1), self.last_row.expand(betas.shape[0], -1, -1, -1)), dim=-2
        )
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


def _blended(template: Tensor, shapedirs: Tensor, posedirs: Tensor, betas: Tensor, rotmats: Tensor) -> Tensor:
    """Points of the rest pose, displaced by shape and by pose: (N, 3), (N, 3, 10), (3 N, 207) -> (B, N, 3)."""
    identity = torch.eye(3, dtype=rotmats.dtype, device=rotmats.device)
    pose_feature = (rotmats[:, 1:] - identity).flatten(1)
    offsets = torch.matmul(pose_feature, posedirs.T).unflatten(1, (-1, 3))
    return offsets + (template + blend_shapes(betas, shapedirs))


def _skin(points: Tensor, weights: Tensor, transforms: Tensor, rest: Tensor) -> Tensor:
    """Linear blend skinning: points (B, N, 3) of the rest pose, weights (N, 24) -> (B, N, 3)."""
    shifts = torch.matmul(transforms, F.pad(rest, (0, 1))[..., None])  # where each joint carries its rest place
    relative = transforms - F.pad(shifts, (3, 0))
    blended = torch.matmul(weights.expand(points.shape[0], -1, -1), relative.flatten(2)).unflatten(2, (4, 4))
    return torch.matmul(blended, F.pad(points, (0, 1), value=1.0)[..., None])[:, :, :3, 0]


def _moved(points: Tensor, transl: Tensor | None) -> Tensor:
    return points if transl is None else points + transl[:, None]


def load_body(path: str | None = None, gender: str = "neutral") -> Body:
    """The body in `path`: a file, or a folder of files under SMPL's official names; None: the embedded one.

    gender "neutral", "male" or "female" chooses within a folder. Raises InputError with the path tried and
    what to do where nothing usable is there.
    """
    return Body(read_body(path, gender))
