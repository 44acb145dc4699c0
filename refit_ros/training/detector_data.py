"""Images of synthetic people with their boxes, made on the device by the thousand: what the builtin detector learns."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from refit_ros.core.body import Body, load_body
from refit_ros.synthetic.anatomy import turn
from refit_ros.synthetic.appearance import Surface, fragment_attributes, paint, sample_lights, sample_outfits, shade
from refit_ros.synthetic.backdrop import cut_outs, occluders, paint_bank
from refit_ros.synthetic.degrade import develop, noise_bank
from refit_ros.synthetic.dice import Dice
from refit_ros.synthetic.pose_prior import sample_pose_rotmats
from refit_ros.synthetic.raster import Fragments, rasterize
from refit_ros.training.detector_rooms import Rooms

WIDTH_PX, HEIGHT_PX, PADDED_PX = 192, 144, 160
MOST_PEOPLE = 5
LEAST_SIDE_PX = 6.0
LEAST_INSIDE = 0.25  # of a box, or nobody is asked to find it
LEAST_SHOWN = 0.08  # of the box covered by the person; about a third is, where nothing stands before them
INDOORS = 0.5  # share of images before a room's walls, the others before anything
OCCLUDED = 0.25  # share of images with an object before the people
NEAREST_M, FARTHEST_M = 1.3, 10.0
_SPLIT_SEED = {"train": 11, "test": 12}


def make_source(device: torch.device, split: str, seed: int) -> ImageSource:
    """Endless images for "train" or "test", whose people, clothes and rooms differ."""
    return ImageSource(load_body().to(device), device, split, seed)


class ImageSource:
    """Images (B, 3, 160, 192) uint8 with boxes; the lower 16 rows are grey, as a 4 : 3 image is padded."""

    def __init__(self, body: Body, device: torch.device, split: str, seed: int) -> None:
        self._body, self._device, self._split = body, device, split
        self._dice = Dice(torch.Generator(device).manual_seed(_SPLIT_SEED[split] * 1_000_003 + seed), device)
        self._surface = Surface(body)
        self._bank = paint_bank(self._dice, 512 if device.type == "cuda" else 64)
        self._rooms = Rooms(self._dice, split, seed, WIDTH_PX, HEIGHT_PX)
        self._noises = noise_bank(self._dice, HEIGHT_PX, WIDTH_PX)

    @torch.no_grad()
    def batch(self, count: int) -> tuple[Tensor, Tensor, Tensor]:
        """Images (B, 3, 160, 192) uint8, boxes (B, N, 4) px and valid (B, N) 0 or 1."""
        there = torch.arange(MOST_PEOPLE, device=self._device) < self._dice.below(MOST_PEOPLE + 1, count)[:, None]
        image_index, person = there.nonzero(as_tuple=True)
        image = cut_outs(self._dice, self._bank, count, HEIGHT_PX, WIDTH_PX)
        indoors = self._dice.order(count)[: int(count * INDOORS)]
        image[indoors] = self._rooms.pick(len(indoors)).to(image.dtype)
        image = image.reshape(-1, 3)
        boxes = torch.zeros(count, MOST_PEOPLE, 4, device=self._device)
        valid = torch.zeros(count, MOST_PEOPLE, device=self._device)
        if len(image_index):
            where, sound = self._draw(image, image_index, count)
            boxes[image_index, person], valid[image_index, person] = where, sound.float()
        image = self._developed(image.view(count, HEIGHT_PX, WIDTH_PX, 3))
        padded = torch.full((count, 3, PADDED_PX, WIDTH_PX), 114, dtype=torch.uint8, device=self._device)
        padded[:, :, :HEIGHT_PX] = image
        return padded, boxes, valid

    def _draw(self, image: Tensor, image_index: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """Paints P people into flattened images; boxes (P, 4) and sound (P,)."""
        dice, size = self._dice, torch.tensor([WIDTH_PX, HEIGHT_PX], device=self._device, dtype=torch.float32)
        camera_from_world, height_m = self._cameras(count)
        vertices, normals = self._people(image_index, height_m)
        seen = vertices @ camera_from_world[image_index].mT
        focal = dice.uniform(0.65, 1.6, count)[image_index] * WIDTH_PX
        pixels = seen[..., :2] / seen[..., 2:].clamp(min=0.05) * focal[:, None, None] + (size - 1) / 2
        points = torch.cat([pixels, seen[..., 2:]], -1)
        fragments = rasterize(points, self._surface.faces, image_index, count, HEIGHT_PX, WIDTH_PX)
        self._color(image, fragments, image_index, normals, camera_from_world)
        full = torch.cat([pixels.amin(1), pixels.amax(1) + 1], 1)
        inside = torch.minimum(full.clamp(min=0), size.repeat(2))
        wide, tall = (inside[:, 2:] - inside[:, :2]).clamp(min=0).unbind(1)
        share = wide * tall / (full[:, 2:] - full[:, :2]).prod(1)
        shown = torch.bincount(fragments.mesh, minlength=len(image_index)) / (wide * tall).clamp(min=1)
        sound = (share > LEAST_INSIDE) & (shown > LEAST_SHOWN) & (seen[..., 2].amin(1) > 0.2)
        return inside, sound & (torch.minimum(wide, tall) > LEAST_SIDE_PX)

    def _color(
        self, image: Tensor, fragments: Fragments, image_index: Tensor, normals: Tensor, camera_from_world: Tensor
    ) -> None:
        outfits = sample_outfits(self._dice, len(image_index))
        attributes = fragment_attributes(fragments, self._surface)
        at = torch.div(fragments.pixel, HEIGHT_PX * WIDTH_PX, rounding_mode="floor")
        lights = sample_lights(self._dice, camera_from_world[:, :, 2])
        corners = self._surface.faces[fragments.face] + (fragments.mesh * normals.shape[1])[:, None]
        normal = (normals.flatten(0, 1)[corners] * fragments.bary[..., None]).sum(1)
        normal = (camera_from_world[at] @ normal[..., None])[..., 0]
        color = paint(attributes, outfits, fragments.mesh)
        image[fragments.pixel] = shade(color, normal, lights, at, attributes, outfits, fragments.mesh)

    def _people(self, image_index: Tensor, height_m: Tensor) -> tuple[Tensor, Tensor]:
        """Vertices and normals (P, V, 3) in a z-up frame whose origin is the camera, which looks along x over a floor."""
        dice, people = self._dice, len(image_index)
        rotmats = sample_pose_rotmats(dice, people, self._split)
        upright = turn("x", torch.full((people,), math.pi / 2, device=self._device))
        rotmats[:, 0] = turn("z", dice.uniform(0, 2 * math.pi, people)) @ upright @ rotmats[:, 0]
        vertices = self._body.vertices(dice.normal(people, 10, most=2.5), rotmats)
        normals = self._surface.normals(vertices)
        vertices = vertices - vertices.mean(1, keepdim=True)
        on_floor = vertices[..., 2].amin(1) + height_m[image_index]
        distance = NEAREST_M * (FARTHEST_M / NEAREST_M) ** dice.uniform(0, 1, people)
        aside = dice.uniform(-0.8, 0.8, people) * distance
        return vertices + torch.stack([distance, aside, -on_floor], 1)[:, None], normals

    def _cameras(self, count: int) -> tuple[Tensor, Tensor]:
        """camera_from_world (B, 3, 3) of cameras that look along x, and their heights (B,) m over the floor."""
        dice = self._dice
        height = dice.uniform(0.3, 2.8, count)
        # Looks at something between the floor and head height, some way ahead.
        down = torch.atan2(height - dice.uniform(0.3, 1.5, count), dice.uniform(2.0, 6.0, count))
        level = torch.tensor([[0.0, -1, 0], [0, 0, -1], [1, 0, 0]], device=self._device)
        return turn("z", dice.normal(count, sigma=0.08)) @ turn("x", down) @ level, height

    def _developed(self, image: Tensor) -> Tensor:
        """Objects before the people, then some camera's softness, colour and noise: (B, 3, H, W) uint8."""
        dice, count = self._dice, len(image)
        hidden = dice.order(count)[: int(count * OCCLUDED)]
        if len(hidden):
            mask = occluders(dice, len(hidden), HEIGHT_PX, WIDTH_PX)[..., None]
            things = cut_outs(dice, self._bank, len(hidden), HEIGHT_PX, WIDTH_PX, (0.1, 0.4))
            image[hidden] = torch.where(mask, things, image[hidden])
        soft = 0.35 + dice.uniform(0, 1, count) ** 2 * 0.8
        image = develop(dice, image.permute(0, 3, 1, 2).contiguous(), soft, self._noises)
        # Quite dark and quite pale images too.
        image = image.clamp(0, 1) ** torch.exp(dice.normal(count, 1, 1, 1, sigma=0.25))
        return (functional.hardtanh(image, 0, 1) * 255).round().to(torch.uint8)
