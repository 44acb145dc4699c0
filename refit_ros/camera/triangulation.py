"""Points seen by several calibrated cameras -> places in 3D: weighted, robust, many at once; training does the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from refit_ros.core.camera import crop_from_image_px
from refit_ros.core.keypoints import KeypointEvidence, about_hips
from refit_ros.core.landmarks import HIPS
from refit_ros.core.types import Crops

TOLERANCE = 0.012  # of a crop's side: how far off landmarks usually are
LEAST_QUALITY = 0.15  # a triangulated place below this is none
FARTHEST_PLACE = 3.0  # a landmark farther outside the crop is told from here
ROUNDS = 4  # of weighing each view anew by how far off it is
SIGMA_M = 0.08  # a place with this sigma is trusted half
NEAREST_M = 0.05  # what comes out nearer to a camera than this is taken to stand here when it is weighed
_RIDGE = 1e-6  # of the system's size: keeps it solvable where fewer than two views see a point


@dataclass(frozen=True)
class Points:
    """P people's K points in the world."""

    place_m: Tensor  # (P, K, 3)
    sigma_m: Tensor  # (P, K) what the views' tolerances let it be off by
    spread: Tensor  # (P, K) root mean square distance of the rays that count, in tolerances

    @property
    def quality(self) -> Tensor:
        """(P, K) 0 .. 1: how far a place is to be trusted."""
        return 1 / (1 + (self.spread / 3).square()) / (1 + (self.sigma_m / SIGMA_M).square())


def triangulate(rays: Tensor, weight: Tensor, camera_from_world: Tensor, tolerance: Tensor) -> Points:
    """P people, V views, K points.

    rays (P, V, K, 2): x / z and y / z in each camera's frame. weight (P, V, K): 0 where a view does not see a point.
    camera_from_world (P, V, 3, 4), m. tolerance (P, V): how far off a ray usually is, in the same units as rays.
    A view whose ray passes a point at d tolerances counts 1 / (1 + d^2)^2 (Geman and McClure).
    A point that fewer than two views see lies anywhere: its sigma says so.
    """
    # u (r3 X + t3) = r1 X + t1 and the same for v: two rows a view
    turned, moved = camera_from_world[..., :3], camera_from_world[..., 3]
    # From the middle between the cameras: what is not seen is drawn to the origin, which may be far away.
    sees = (weight > 0).any(-1).to(weight.dtype)[..., None]
    middle = -((turned.mT @ moved[..., None])[..., 0] * sees).sum(1, keepdim=True) / sees.sum(1, keepdim=True).clamp(min=1)
    moved = moved + (turned @ middle[..., None])[..., 0]
    rows = rays[..., None] * turned[:, :, None, None, 2] - turned[:, :, None, :2]  # (P, V, K, 2, 3)
    right = moved[:, :, None, :2] - rays * moved[:, :, None, 2:]  # (P, V, K, 2)
    # (P, K, 2 V, ...): a point's rows together, so that their sums are products of matrices.
    rows, right = (value.transpose(1, 2).flatten(2, 3) for value in (rows, right[..., None]))
    identity = torch.eye(3, dtype=rays.dtype, device=rays.device)
    far = torch.ones_like(weight)
    count = weight
    for number in range(ROUNDS + 1):
        scale = (count / (far * tolerance[..., None]).square()).transpose(1, 2).repeat_interleave(2, dim=2)
        scaled = (rows * scale[..., None]).mT
        normal = scaled @ rows
        normal = normal + (_RIDGE * normal.diagonal(dim1=-2, dim2=-1).sum(-1) + 1e-9)[..., None, None] * identity
        points = torch.linalg.solve(normal, scaled @ right)[..., 0]
        seen = torch.einsum("pvij,pkj->pvki", turned, points) + moved[:, :, None]
        far = seen[..., 2].clamp(min=NEAREST_M)
        off = (seen[..., :2] / far[..., None] - rays).norm(dim=-1) / tolerance[..., None]
        if number < ROUNDS:
            loose = 4.0 / 2**number  # begins wide, so that one bad view does not pull all with it
            count = weight / (1 + (off / max(loose, 1.0)).square()).square()
    sigma = torch.linalg.inv(normal).diagonal(dim1=-2, dim2=-1).sum(-1).clamp(min=0).sqrt()
    spread = ((count * off.square()).sum(1) / count.sum(1).clamp(min=1e-6)).sqrt()
    return Points(points + middle, sigma, spread)


def evidence_of_views(
    seen_px: Tensor,
    visibility: Tensor,
    offset_m: Tensor,
    said: Tensor,
    crops: Crops,
    views: tuple[int | Sequence[int], Tensor] | None,
) -> KeypointEvidence:
    """Landmarks found in B crops -> the network's evidence, with places in 3D from all views where there are several.

    seen_px (B, K, 2) in full square-pixel images, visibility (B, K); offset_m (B, K, 3) from one image alone, in the
    camera's frame about the hips, trusted `said` (B, K). views: how many views each person has (they stand together), a
    number of each person or one of all, and camera_from_world (B, 3, 4) m; None: everybody is seen once. A triangulated
    place is trusted 0.5 and more; what cannot be triangulated keeps what one image says.
    """
    place = (crop_from_image_px(seen_px, crops.center_px, crops.side_px, 2) - 1).clamp(-FARTHEST_PLACE, FARTHEST_PLACE)
    if views is None:
        return KeypointEvidence(place, visibility, offset_m, said)
    counts, poses = views
    counts = [counts] * (len(seen_px) // counts) if isinstance(counts, int) else list(counts)
    rays = (seen_px - crops.principal_px[:, None]) / crops.focal_px[:, None, None]
    tolerance = TOLERANCE * crops.side_px / crops.focal_px
    weight = visibility.clamp(min=0).square()
    # Who has fewer views than others gets some of weight 0.
    own_rays, own_weight, own_poses = (pad_sequence(each.split(counts), batch_first=True) for each in (rays, weight, poses))
    own_tolerance = pad_sequence(tolerance.split(counts), batch_first=True, padding_value=1.0)
    points = triangulate(own_rays, own_weight, own_poses, own_tolerance)
    trust = points.quality
    trust = trust * (trust[:, list(HIPS)].amin(1, keepdim=True) > LEAST_QUALITY)  # without hips there is no origin
    views_each = torch.tensor(counts, device=trust.device)
    trust = trust * (views_each > 1)[:, None]
    person = torch.arange(len(counts), device=trust.device).repeat_interleave(views_each)
    turned = about_hips(points.place_m)[person] @ poses[..., :3].mT
    known = (trust > LEAST_QUALITY)[person]
    return KeypointEvidence(
        place,
        visibility,
        torch.where(known[..., None], turned, offset_m),
        torch.where(known, 0.5 + 0.5 * trust[person], said),
    )
