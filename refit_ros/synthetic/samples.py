"""Crops of synthetic people with their full truth, rendered straight through each crop's own camera."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from refit_ros.core.body import Body
from refit_ros.core.camera import IMAGENET_MEAN, IMAGENET_STD, project, weak_perspective_from_transl
from refit_ros.core.types import Crops, Estimate, _OnDevice
from refit_ros.synthetic.anatomy import turn
from refit_ros.synthetic.appearance import (
    Outfits,
    Surface,
    fragment_attributes,
    interpolate,
    paint,
    sample_lights,
    sample_outfits,
    shade,
)
from refit_ros.synthetic.backdrop import cut_outs, occluders, paint_bank
from refit_ros.synthetic.cameras import Shots, sample_shots
from refit_ros.synthetic.degrade import develop, noise_bank
from refit_ros.synthetic.dice import Dice
from refit_ros.synthetic.pose_prior import prior_of, sample_pose_rotmats
from refit_ros.synthetic.raster import rasterize

BOX_PER_EXTENT = 1.2  # a crop's side over the longer side of the person's box, as published
BYSTANDERS = 0.22  # share of crops in which somebody else is near
OCCLUDED = 0.3  # share of crops with an object before the person
MOST_BETA = 2.5  # shapes are N(0, 1), cut here
_SPLIT_SEED = {"train": 1_000_003, "test": 7_368_787}


@dataclass(frozen=True)
class Samples(_OnDevice):
    """B crops and the truth about each. Views of one person stand together."""

    crops: Crops
    target: Estimate  # in each crop's camera frame; re-posing the body with it gives joints_m
    joints_m: Tensor  # (B, 24, 3) camera frame
    joints_px: Tensor  # (B, 24, 2) in the full image
    person: Tensor  # (B,) int64
    camera_from_world: Tensor  # (B, 3, 3)
    visible: Tensor  # (B, 24) bool: the joint lies inside the full image

    def to(self, device, non_blocking: bool = False) -> Samples:
        moved = super().to(device, non_blocking)
        return Samples(
            **{**vars(moved), "crops": self.crops.to(device, non_blocking), "target": self.target.to(device, non_blocking)}
        )


class SampleSource:
    """An endless, seeded stream of crops; the same numbers on every run on the same kind of device.

    The test split draws on the CPU whatever the device is, so that the held-out people are the same everywhere.
    """

    def __init__(
        self,
        body: Body,
        image_size: int,
        split: str,
        seed: int,
        device: torch.device | str = "cpu",
        photographs: str | Path | None = None,
        engine: str | None = None,
        backgrounds: int | None = None,
    ):
        prior_of(split)
        if image_size % 8:
            raise ValueError(f"image_size is {image_size}; it must be a multiple of 8")
        self.device = torch.device(device)
        if body.v_template.device != self.device or body.training:
            body = copy.deepcopy(body).to(self.device).eval()
        body = copy.copy(body)
        body.exact_joints = False  # to 1e-6 m, and quicker
        self.body, self.size, self.split, self.engine = body, image_size, split, engine
        own = self.device if split == "train" and self.device.type == "cuda" else torch.device("cpu")
        fixed = torch.Generator(own).manual_seed(_SPLIT_SEED[split] + seed % 1009)
        self.generator = torch.Generator(own).manual_seed(_SPLIT_SEED[split] * 31 + seed)
        self.dice = Dice(self.generator, self.device)
        self.surface = Surface(body)
        banks = Dice(fixed, self.device)
        self.bank = paint_bank(banks, backgrounds or (1024 if own.type == "cuda" else 256), photographs)
        # Over millions of crops a network learns a fixed set of backgrounds by heart; on a GPU new ones cost little.
        self._renewed = 0 if own.type == "cuda" and photographs is None else None
        self.noises = noise_bank(banks, image_size, image_size)
        self.mean = torch.tensor(IMAGENET_MEAN, device=self.device).view(1, 3, 1, 1)
        self.deviation = torch.tensor(IMAGENET_STD, device=self.device).view(1, 3, 1, 1)

    @torch.no_grad()
    def batch(self, count: int, views: int = 1) -> Samples:
        """`count` people seen by `views` cameras each: count * views crops."""
        if count < 1 or not 1 <= views <= 8:
            raise ValueError(f"a batch needs people and 1 to 8 views, not {count} people and {views} views")
        dice = self.dice
        self._renew_backgrounds()
        betas = dice.normal(count, 10, most=MOST_BETA)
        rotmats = sample_pose_rotmats(dice, count, self.split)
        upright = turn("x", torch.full((count,), torch.pi / 2, device=self.device))  # SMPL's y up to the world's z up
        rotmats[:, 0] = turn("z", dice.uniform(0, 2 * torch.pi, count)) @ upright @ rotmats[:, 0]
        root = self.body.rest_joints(betas)[:, 0]
        vertices = self.body.vertices(betas, rotmats) - root[:, None]  # the world's directions, from the pelvis
        joints = self.body.joints(betas, rotmats) - root[:, None]
        normals = self.surface.normals(vertices)
        outfits = sample_outfits(dice, count)

        person = torch.arange(count, device=self.device).repeat_interleave(views)
        shots = sample_shots(dice, count, views)
        turned = shots.camera_from_world
        seen = vertices[person] @ turned.mT + shots.pelvis_m[:, None]
        # written out, so that no setting of the device's matrix products makes the truth less than exact
        joints_m = (joints[person][:, :, None] * turned[:, None]).sum(-1) + shots.pelvis_m[:, None]
        pixels = project(seen, shots.focal_px, shots.principal_px)
        center, side = self._box(pixels, shots)
        crops = Crops(
            torch.empty(len(person), 3, self.size, self.size, device=self.device),
            center,
            side,
            shots.focal_px,
            shots.principal_px,
        )
        images = self._draw(seen, normals, outfits, person, shots, crops, vertices)
        rotmats = rotmats[person].clone()
        rotmats[:, 0] = (turned[..., None] * rotmats[:, None, 0]).sum(2)
        transl = shots.pelvis_m - root[person]
        crops = Crops((images - self.mean) / self.deviation, center, side, shots.focal_px, shots.principal_px)
        target = Estimate(rotmats, betas[person], weak_perspective_from_transl(transl, crops), transl)
        joints_px = project(joints_m, shots.focal_px, shots.principal_px)
        visible = ((joints_px >= 0) & (joints_px <= shots.size_px[:, None] - 1)).all(-1)
        return Samples(crops, target, joints_m, joints_px, person, turned, visible)

    def _renew_backgrounds(self, count: int = 16) -> None:
        if self._renewed is not None:
            self.bank[self._renewed : self._renewed + count] = paint_bank(self.dice, count)
            self._renewed = (self._renewed + count) % len(self.bank)

    def _box(self, pixels: Tensor, shots: Shots) -> tuple[Tensor, Tensor]:
        """Square boxes as a detector and its noise would give them: center (B, 2), side (B,) px."""
        dice, count = self.dice, len(pixels)
        low, high = pixels.amin(1), pixels.amax(1)
        cut = dice.chance(0.6, count)[:, None]  # detectors see only what is inside the image
        zero = torch.zeros_like(low)
        inside_low, inside_high = torch.minimum(low.clamp(min=0), shots.size_px - 40), torch.minimum(high, shots.size_px - 1)
        low, high = torch.where(cut, inside_low, low), torch.where(cut, torch.maximum(inside_high, zero + 40), high)
        side = (high - low).amax(1).clamp(min=8) * BOX_PER_EXTENT
        loose = 0.07 if self.split == "train" else 0.04
        side = side * torch.exp(dice.normal(count, sigma=1.2 * loose, most=2.5))
        return (low + high) / 2 + dice.uniform(-loose, loose, count, 2) * side[:, None], side

    def _draw(
        self, seen: Tensor, normals: Tensor, outfits: Outfits, person: Tensor, shots: Shots, crops: Crops, vertices: Tensor
    ) -> Tensor:
        dice, count, size = self.dice, len(person), self.size
        image_index = torch.arange(count, device=self.device)
        beside = dice.order(count)[: int(count * BYSTANDERS)]
        if len(vertices) > 1 and len(beside):
            other = (person[beside] + 1 + dice.below(len(vertices) - 1, len(beside))) % len(vertices)
            seen = torch.cat([seen, self._bystanders(vertices[other], shots, beside)])
            person, image_index = torch.cat([person, other]), torch.cat([image_index, beside])
        scale = size / crops.side_px[image_index]
        corner = (crops.center_px - crops.side_px[:, None] / 2)[image_index]
        pixels = (project(seen, shots.focal_px[image_index], shots.principal_px[image_index]) - corner[:, None]) * scale[
            :, None, None
        ]
        fragments = rasterize(
            torch.cat([pixels, seen[..., 2:]], -1), self.surface.faces, image_index, count, size, size, self.engine
        )

        image = cut_outs(dice, self.bank, count, size, size).view(-1, 3)
        attributes = fragment_attributes(fragments, self.surface)
        wearer = person[fragments.mesh]
        at = torch.div(fragments.pixel, size * size, rounding_mode="floor")
        lights = sample_lights(dice, shots.camera_from_world[:, :, 2])
        corners = self.surface.faces[fragments.face] + (wearer * normals.shape[1])[:, None]
        normal = interpolate(normals.flatten(0, 1), corners, fragments.bary)
        normal = (shots.camera_from_world[at] @ normal[..., None])[..., 0]
        image[fragments.pixel] = shade(paint(attributes, outfits, wearer), normal, lights, at, attributes, outfits, wearer)
        image = image.view(count, size, size, 3)
        hidden = dice.order(count)[: int(count * OCCLUDED)]
        if len(hidden):
            mask = occluders(dice, len(hidden), size, size)[..., None]
            image[hidden] = torch.where(mask, cut_outs(dice, self.bank, len(hidden), size, size, (0.1, 0.4)), image[hidden])
        image = image.permute(0, 3, 1, 2).contiguous()
        soft = 0.35 + 0.3 * (size / crops.side_px - 0.8).clamp(0, 4) + dice.uniform(0, 1, count) ** 3 * 1.1
        return self._inside(develop(dice, image, soft, self.noises), crops, shots)

    def _bystanders(self, vertices: Tensor, shots: Shots, beside: Tensor) -> Tensor:
        """Other people some steps aside of the person in images `beside`, mostly behind: (n, V, 3) m."""
        dice, count = self.dice, len(beside)
        sideways = dice.uniform(0.4, 1.3, count) * torch.where(dice.chance(0.5, count), 1.0, -1.0)
        offset = torch.stack([sideways, dice.uniform(-0.15, 0.15, count), dice.uniform(-0.4, 2.0, count)], 1)
        place = shots.pelvis_m[beside] + offset
        place[:, 2] = place[:, 2].clamp(min=1.2)
        return vertices @ shots.camera_from_world[beside].mT + place[:, None]

    def _inside(self, images: Tensor, crops: Crops, shots: Shots) -> Tensor:
        """Black beyond the full image's edge, as crops cut from images are."""
        place = torch.arange(self.size, device=self.device)
        corner = crops.center_px - crops.side_px[:, None] / 2
        pixel = corner[:, None] + (crops.side_px / self.size)[:, None, None] * place[:, None]
        inside = (pixel >= 0) & (pixel <= shots.size_px[:, None] - 1)  # (B, S, 2)
        return images * (inside[:, None, None, :, 0] & inside[:, None, :, None, 1])
