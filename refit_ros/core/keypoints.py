"""ReFit on keypoints: the same loop, its feedback from landmarks that another network has found.

The loop asks at each step how far the reprojected body is from what the image shows. What it shows may be a learned
feature map (`feedback.py`) or, here, landmarks: their difference to the reprojection is what a window reads from a map.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from refit_ros.core.body import Body
from refit_ros.core.camera import crop_from_image_px, project
from refit_ros.core.config import NetworkConfig
from refit_ros.core.landmark_body import LandmarkBody, PosedLandmarks
from refit_ros.core.landmarks import HIPS, LANDMARK_INDEX, LANDMARK_NAMES
from refit_ros.core.multi_linear import MultiLinear
from refit_ros.core.refit import Refit
from refit_ros.core.rotations import rotmat_from_6d
from refit_ros.core.types import Crops, Estimate, _check, _OnDevice
from refit_ros.core.update import STREAMS

NUMBERS = 10  # of each landmark for the first guess: place (2), visibility, place in 3D twice (6), quality of that
DIFFERENCES = 19  # of each landmark for the loop: in the crop (2), visibility, quality, then metres in three frames (15)
INITIAL_FEATURES = 512
MONOCULAR_QUALITY = 0.4  # of a place in 3D that one image suggests; triangulated ones reach 0.5 to 1
SQUARE_PER_EXTENT = 1.25  # side of a crop over the longer side of the box around the landmarks that are seen
_UNIT_M = 0.25  # differences in 3D are told in these, and in the crop in shares of _UNIT_CROP, to be about 1
_UNIT_CROP = 0.25
_LEAST_KNOWN = 0.02  # quality of hips and shoulders from which they say how the trunk is turned
_SHOULDERS = (LANDMARK_INDEX["left_shoulder"], LANDMARK_INDEX["right_shoulder"])
_NEAREST_M = 0.1
_FARTHEST = 4.0  # units; beyond, a difference says no more than that the landmark is elsewhere


@dataclass(frozen=True)
class KeypointEvidence(_OnDevice):
    """K landmarks of the people in N crops. What is not known has visibility or quality 0, and any finite place."""

    place: Tensor  # (N, K, 2) x, y in the crop: -1 its left and upper edge, 1 its right and lower edge
    visibility: Tensor  # (N, K) 0 .. 1
    offset_m: Tensor  # (N, K, 3) from the middle between the hips, in the camera's frame
    quality: Tensor  # (N, K) 0 .. 1: how far offset_m is to be trusted

    def __post_init__(self) -> None:
        count, landmarks = self.visibility.shape
        _check("place", self.place, (count, landmarks, 2))
        _check("offset_m", self.offset_m, (count, landmarks, 3))
        _check("quality", self.quality, (count, landmarks))

    def __len__(self) -> int:
        return self.visibility.shape[0]

    @property
    def pooled(self) -> Tensor:
        """(N, NUMBERS * K + 7): all of it as one vector, what is not known as 0.

        Places in 3D are told twice, as the camera sees them and as the trunk does: what an arm does is much the same
        wherever the person turns.
        """
        seen, known = self.visibility[..., None], self.quality[..., None]
        trunk, sure = trunk_frame(self.offset_m, self.quality)
        offset = self.offset_m * known / _UNIT_M
        numbers = torch.cat((self.place * seen, seen, offset, known, offset @ trunk * sure[:, None, None]), dim=-1)
        return torch.cat((numbers.flatten(1), trunk[..., :2].flatten(1) * sure[:, None], sure[:, None]), dim=1)


def trunk_frame(offset_m: Tensor, quality: Tensor) -> tuple[Tensor, Tensor]:
    """Landmarks (N, K, 3), quality (N, K) -> (N, 3, 3): columns up, left, forward of the trunk; (N,) 1 where it is known."""
    hips, shoulders = (offset_m[:, list(pair)] for pair in (HIPS, _SHOULDERS))
    up = shoulders.mean(1) - hips.mean(1)
    left = hips[:, 0] - hips[:, 1] + shoulders[:, 0] - shoulders[:, 1]
    known = quality[:, [*HIPS, *_SHOULDERS]].amin(1) > _LEAST_KNOWN
    return rotmat_from_6d(torch.stack((up, left), dim=-1).flatten(1)), known.to(offset_m.dtype)


class KeypointFeedback(nn.Module):
    """Evidence and where the body's landmarks are now -> one vector a crop. Each landmark has a small layer of its own."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.dropout = nn.Dropout1d(config.feedback_dropout)
        self.windows = MultiLinear(config.markers, DIFFERENCES, config.window_features)
        self.join = nn.Linear(config.markers * config.window_features, config.feedback_features)

    def hidden_markers(self, evidence: KeypointEvidence) -> Tensor | None:
        """(N, K, 1) factors that hide some landmarks in training, the same for all iterations; None otherwise."""
        return self.dropout(evidence.visibility.new_ones(*evidence.visibility.shape, 1)) if self.training else None

    def forward(self, differences: Tensor, hidden_markers: Tensor | None = None) -> Tensor:
        """(N, K, DIFFERENCES), see `differences` -> (N, feedback_features)."""
        features = torch.relu(self.windows(differences))
        if hidden_markers is not None:
            features = features * hidden_markers
        return self.join(features.flatten(1))


@torch.no_grad()
def differences(evidence: KeypointEvidence, posed: PosedLandmarks, rotmats: Tensor, crops: Crops) -> Tensor:
    """How far the evidence is from a body: (N, K, DIFFERENCES), what is not known as 0.

    In the crop and in 3D, both told as the camera, the pelvis and the landmark's carrier see it: there a bend of the
    knee is the same difference wherever the person turns. In metres, `across` is what lies across the ray.
    """
    seen, known = evidence.visibility[..., None], evidence.quality[..., None]
    landmarks_m = posed.landmarks_m
    across = evidence.place - place_in_crop(landmarks_m, crops)
    apart_m = evidence.offset_m - about_hips(landmarks_m)
    m_per_unit = landmarks_m[..., 2:].clamp(min=_NEAREST_M) * (crops.side_px / crops.focal_px / 2)[:, None, None]
    across_m = torch.nn.functional.pad(across * m_per_unit, (0, 1))
    both = torch.stack((apart_m, across_m), dim=2) / _UNIT_M  # (N, K, 2, 3)
    both = both.clamp(-_FARTHEST, _FARTHEST) * torch.stack((known, seen), dim=2)
    of_pelvis = (both.flatten(1, 2) @ rotmats[:, 0]).flatten(2).unflatten(1, (-1, 2))
    of_bone = (both[..., None] * posed.frames[:, :, None]).sum(3)
    flat = (value.flatten(2) for value in (both[:, :, 0], of_pelvis, of_bone))
    return torch.cat(((across / _UNIT_CROP).clamp(-_FARTHEST, _FARTHEST) * seen, seen, known, *flat), dim=-1)


class _Residual(nn.Module):
    """x -> x + f(x), rectified."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.layers(x))


class KeypointRefit(Refit):
    """`Refit`, fed with `KeypointEvidence` in place of features; its crops need no images (`crops_without_images`)."""

    def __init__(self, config: NetworkConfig, body: Body) -> None:
        super().__init__(config, body)
        with torch.device(body.v_template.device):  # also where a network is only planned, on no device
            self.landmark_body = LandmarkBody(body)

    def _make_eyes(self, config: NetworkConfig) -> None:
        if config.markers != len(LANDMARK_NAMES):
            raise ValueError(f"the network looks at {config.markers} landmarks and this version knows {len(LANDMARK_NAMES)}")
        self.init_layer = nn.Sequential(
            nn.Linear(NUMBERS * config.markers + 7, INITIAL_FEATURES),
            nn.ReLU(),
            _Residual(INITIAL_FEATURES),
            _Residual(INITIAL_FEATURES),
            nn.Linear(INITIAL_FEATURES, STREAMS * config.hidden),
        )
        self.feedback = KeypointFeedback(config)

    def forward(self, crops: Crops, *args, **kwargs):
        """There is nothing to encode: raises ValueError."""
        raise ValueError("this network takes keypoint evidence, not images: find landmarks first and call fit")

    def _hide(self, features: KeypointEvidence) -> Tensor | None:
        return self.feedback.hidden_markers(features)

    def _look(self, features: KeypointEvidence, estimate: Estimate, crops: Crops, hidden_markers: Tensor | None) -> Tensor:
        with torch.no_grad():
            posed = self.landmark_body.posed(estimate.betas, estimate.rotmats, estimate.transl)
        return self.feedback(differences(features, posed, estimate.rotmats, crops), hidden_markers)


def place_in_crop(points_m: Tensor, crops: Crops) -> Tensor:
    """Points of the camera frame (N, K, 3) -> (N, K, 2), -1 .. 1 in their crops."""
    image_px = project(points_m, crops.focal_px, crops.principal_px)
    return crop_from_image_px(image_px, crops.center_px, crops.side_px, 2) - 1


def about_hips(points_m: Tensor) -> Tensor:
    """Landmarks (..., K, 3) from the middle between their hips."""
    return points_m - points_m[..., list(HIPS), :].mean(-2, keepdim=True)


def square_of_landmarks(px: Tensor, visibility: Tensor) -> tuple[Tensor, Tensor]:
    """The crop around the landmarks that are seen: px (B, K, 2), visibility (B, K) -> center (B, 2), side (B,) px."""
    limit = (visibility.amax(1, keepdim=True) * 0.6).clamp(max=0.5)
    out = (visibility < limit)[..., None]
    low = px.masked_fill(out, float("inf")).amin(1)
    high = px.masked_fill(out, -float("inf")).amax(1)
    return (low + high) / 2, (high - low).amax(1).clamp(min=8) * SQUARE_PER_EXTENT


def crops_without_images(center_px: Tensor, side_px: Tensor, focal_px: Tensor, principal_px: Tensor) -> Crops:
    """Crops of which only the geometry is known; arguments as in `Crops`."""
    return Crops(center_px.new_zeros(center_px.shape[0], 3, 0, 0), center_px, side_px, focal_px, principal_px)


LANDMARKS = NetworkConfig(backbone="keypoints", image_size=256, markers=len(LANDMARK_NAMES), window_features=12)
"""Sizes of the keypoint network."""
