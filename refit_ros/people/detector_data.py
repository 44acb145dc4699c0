"""Pictures of synthetic people with their boxes, made on the device by the thousand: what the builtin detector learns from.

Bodies are drawn as dense points of their surface into a depth buffer: coarse beside a renderer, but at the 320 px that the
detector sees a person is small, and 64 pictures take some 30 ms on a GPU. Clothes, skin, light, rooms and lenses are random.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from refit_ros.core.body import Body, load_body
from refit_ros.core.joints import JOINT_INDEX
from refit_ros.core.rotations import rotmat_from_axis_angle

WIDTH_PX, HEIGHT_PX, PADDED_PX = 320, 240, 256
MOST_PEOPLE = 5
POINTS = 40000  # of each body's surface
LEAST_SIDE_PX = 8.0
LEAST_INSIDE = 0.25  # of a box, or nobody is asked to find it
LEAST_SHOWN = 0.12  # of the points inside the picture; about 0.4 are on the near side of the body
CLOTHES = ("skin", "shirt", "trousers", "shoes", "hair")


def make_source(device: torch.device, split: str, seed: int) -> PictureSource:
    """Endless pictures for "train" or "test", whose people and rooms differ."""
    return PictureSource(load_body().to(device), device, seed + (1_000_003 if split == "test" else 0))


class PictureSource:
    """Pictures (B, 3, 256, 320) uint8 with boxes; the lower 16 rows are grey, as a 4 : 3 picture is padded."""

    def __init__(self, body: Body, device: torch.device, seed: int) -> None:
        self._body, self._device = body, device
        self._random = torch.Generator(device=device).manual_seed(seed)
        corners = torch.as_tensor(body.faces.astype("int64"), device=device)
        triangles = body.v_template[corners]
        area = torch.linalg.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0], dim=1).norm(dim=1)
        chosen = torch.multinomial(area, POINTS, replacement=True, generator=self._random)
        u, v = self._uniform(0, 1, 2, POINTS).unbind(0)
        u, v = torch.where(u + v > 1, 1 - u, u), torch.where(u + v > 1, 1 - v, v)
        self._corners, self._share = corners[chosen], torch.stack([1 - u - v, u, v], 1)
        self._garment = self._garments(body)[corners[chosen][:, 0]]
        self._rest = (body.v_template[self._corners] * self._share[..., None]).sum(1)

    @torch.inference_mode()
    def batch(self, count: int) -> tuple[Tensor, Tensor, Tensor]:
        """Pictures (B, 3, 256, 320) uint8, boxes (B, N, 4) px and valid (B, N) 0 or 1."""
        number = MOST_PEOPLE
        there = torch.arange(number, device=self._device) < self._integers(0, number + 1, count)[:, None]
        picture, person = there.nonzero(as_tuple=True)
        image, boxes = self._rooms(count), torch.zeros(count, number, 4, device=self._device)
        valid = torch.zeros(count, number, device=self._device)
        if len(picture):
            drawn, where, sound = self._people(picture, count)
            drawn = _closed(_closed(drawn))
            image = torch.where(drawn.isnan(), image, drawn)
            boxes[picture, person], valid[picture, person] = where, sound.float()
        image = self._developed(image)
        padded = torch.full((count, 3, PADDED_PX, WIDTH_PX), 114, dtype=torch.uint8, device=self._device)
        padded[:, :, :HEIGHT_PX] = image
        return padded, boxes, valid

    def _people(self, picture: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
        """All people, (P,) of which picture: pixels (B, 3, H, W), NaN where nobody is; boxes (P, 4); sound (P,)."""
        vertices = self._placed(picture, count)
        focal = self._uniform(0.7, 1.5, count)[picture] * WIDTH_PX
        middle = torch.tensor([WIDTH_PX / 2, HEIGHT_PX / 2], device=self._device)
        corners = vertices[:, self._corners]
        points = (corners * self._share[..., None]).sum(2)
        normal = functional.normalize(
            torch.linalg.cross(corners[:, :, 1] - corners[:, :, 0], corners[:, :, 2] - corners[:, :, 0], dim=2), dim=2
        )
        depth = points[..., 2]
        pixel = (points[..., :2] / depth.clamp(min=0.1)[..., None] * focal[:, None, None] + middle).floor().long()
        inside = (depth > 0.3) & (pixel >= 0).all(-1) & (pixel[..., 0] < WIDTH_PX) & (pixel[..., 1] < HEIGHT_PX)
        place = (picture[:, None] * HEIGHT_PX + pixel[..., 1].clamp(0, HEIGHT_PX - 1)) * WIDTH_PX + pixel[..., 0].clamp(
            0, WIDTH_PX - 1
        )
        flat = place[inside]
        buffer = torch.full((count * HEIGHT_PX * WIDTH_PX,), torch.inf, device=self._device)
        buffer.scatter_reduce_(0, flat, depth[inside], "amin")
        front = inside & (depth <= buffer[place] + 0.02)
        color = self._colors(len(picture), normal)
        canvas = torch.full((count * HEIGHT_PX * WIDTH_PX, 3), torch.nan, device=self._device)
        canvas[place[front]] = color[front]
        drawn = canvas.unflatten(0, (count, HEIGHT_PX, WIDTH_PX)).permute(0, 3, 1, 2)
        whole = vertices[..., :2] / vertices[..., 2:].clamp(min=0.1) * focal[:, None, None] + middle
        boxes, sound = self._boxes(whole, vertices[..., 2].amin(1), front.sum(1) / inside.sum(1).clamp(min=1))
        return drawn, boxes, sound

    def _boxes(self, whole: Tensor, nearest_m: Tensor, shown: Tensor) -> tuple[Tensor, Tensor]:
        full = torch.cat([whole.amin(1), whole.amax(1)], 1)
        size = torch.tensor([WIDTH_PX, HEIGHT_PX] * 2, device=self._device, dtype=full.dtype)
        seen = full.clamp(min=0).minimum(size)
        share = (seen[:, 2:] - seen[:, :2]).prod(1) / (full[:, 2:] - full[:, :2]).prod(1)
        sound = (share > LEAST_INSIDE) & (shown > LEAST_SHOWN) & (nearest_m > 0.3)
        return seen, sound & ((seen[:, 2:] - seen[:, :2]).amin(1) > LEAST_SIDE_PX)

    def _placed(self, picture: Tensor, count: int) -> Tensor:
        """Vertices (P, V, 3) m in each picture's camera: people on the floor before a camera that looks a little down."""
        people = len(picture)
        vertices = self._body.vertices(self._normal(people, 10), rotmat_from_axis_angle(self._poses(people)))
        # Upright and turned about; the lowest point stands on the floor, y down in the camera.
        turn = self._turn(self._uniform(-math.pi, math.pi, people), axis=1)
        flip = torch.diag(torch.tensor([1.0, -1.0, -1.0], device=self._device))
        vertices = (vertices - vertices.mean(1, keepdim=True)) @ turn.mT @ flip
        vertices[..., 1] -= vertices[..., 1].amax(1, keepdim=True)
        height = self._uniform(0.4, 2.6, count)
        distance = 1.3 * (9 / 1.3) ** self._uniform(0, 1, people)
        aside = self._uniform(-0.75, 0.75, people) * distance
        vertices += torch.stack([aside, height[picture], distance], 1)[:, None]
        # Looks at something between the floor and head height, some way ahead.
        pitch = torch.atan2(height - self._uniform(0.4, 1.4, count), self._uniform(2.0, 6.0, count))
        roll = self._normal(count) * 0.06
        camera = self._turn(pitch, axis=0).mT @ self._turn(roll, axis=2)
        return vertices @ camera[picture]

    def _poses(self, people: int) -> Tensor:
        """(P, 24, 3) axis-angle: walking, standing, reaching, sitting, each loosely."""
        pose = self._normal(people, 24, 3) * 0.18
        pose[:, 0] = self._normal(people, 3) * 0.08
        side = torch.tensor([1.0, -1.0], device=self._device)
        stride = self._uniform(-0.9, 0.9, people)
        hips, knees = (
            [JOINT_INDEX["left_hip"], JOINT_INDEX["right_hip"]],
            [JOINT_INDEX["left_knee"], JOINT_INDEX["right_knee"]],
        )
        sits = (self._uniform(0, 1, people) < 0.15)[:, None]
        bend = self._uniform(0.8, 1.7, people)[:, None]
        pose[:, hips, 0] += torch.where(sits, -bend.expand(-1, 2), stride[:, None] * side)
        pose[:, knees, 0] += torch.where(sits, bend.expand(-1, 2), self._uniform(0, 0.9, people, 2))
        shoulders = [JOINT_INDEX["left_shoulder"], JOINT_INDEX["right_shoulder"]]
        elbows = [JOINT_INDEX["left_elbow"], JOINT_INDEX["right_elbow"]]
        down = torch.where(
            self._uniform(0, 1, people, 2) < 0.75, self._uniform(0.9, 1.35, people, 2), self._uniform(-1.2, 0.9, people, 2)
        )
        pose[:, shoulders, 2] -= down * side
        pose[:, shoulders, 1] -= self._normal(people, 2) * 0.4
        pose[:, elbows, 1] -= self._uniform(0, 1.6, people, 2) * side
        return pose

    def _garments(self, body: Body) -> Tensor:
        """(V,) which of CLOTHES each vertex belongs to, by the joint that moves it most."""
        joint = body.lbs_weights.argmax(1)
        garment = torch.full_like(joint, CLOTHES.index("shirt"))
        for names, cloth in (
            (("head", "left_wrist", "right_wrist", "left_hand", "right_hand", "neck"), "skin"),
            (("left_hip", "right_hip", "left_knee", "right_knee", "pelvis"), "trousers"),
            (("left_foot", "right_foot", "left_ankle", "right_ankle"), "shoes"),
        ):
            for name in names:
                garment[joint == JOINT_INDEX[name]] = CLOTHES.index(cloth)
        head = joint == JOINT_INDEX["head"]
        y, z = body.v_template[:, 1], body.v_template[:, 2]
        if head.any():
            low, high = y[head].min(), y[head].max()
            garment[head & ((y > low + 0.72 * (high - low)) | (z < z[head].median() - 0.03))] = CLOTHES.index("hair")
        return garment

    def _colors(self, people: int, normal: Tensor) -> Tensor:
        """(P, N, 3) 0 .. 1 of each point: cloth with stripes or blotches, under a light from somewhere above."""
        tone = self._uniform(0, 1, people, len(CLOTHES), 3) ** 1.4
        skin = torch.tensor([0.95, 0.72, 0.58], device=self._device) * self._uniform(0.25, 1.0, people, 1)
        tone[:, 0] = (skin + self._normal(people, 3) * 0.04).clamp(0.02, 1)
        bare = self._uniform(0, 1, people) < 0.2
        tone[bare, 2] = tone[bare, 0]
        second = self._uniform(0, 1, people, len(CLOTHES), 3)
        wave = self._normal(people, 3) * 25
        stripes = torch.sin(torch.einsum("nc,pc->pn", self._rest, wave) + self._uniform(0, 6, people, 1)) > 0.4
        stripes &= (self._uniform(0, 1, people) < 0.35)[:, None] & (self._garment == 1)
        color = torch.where(stripes[..., None], second[:, self._garment], tone[:, self._garment])
        light = functional.normalize(
            self._normal(people, 3) * torch.tensor([1.0, 0.3, 0.6], device=self._device)
            + torch.tensor([0.0, -1.0, -0.4], device=self._device),
            dim=1,
        )
        ambient = self._uniform(0.35, 0.8, people)[:, None]
        shade = ambient + (1 - ambient) * torch.einsum("pnc,pc->pn", normal, light).clamp(min=0)
        return color * shade[..., None]

    def _rooms(self, count: int) -> Tensor:
        """Backgrounds (B, 3, H, W) 0 .. 1: wall and floor, furniture, patterns and smooth noise."""
        y = torch.linspace(0, 1, HEIGHT_PX, device=self._device)[None, :, None]
        x = torch.linspace(0, 1, WIDTH_PX, device=self._device)[None, None]
        wall, floor = self._paint(2, count).unbind(0)
        horizon = self._uniform(-0.1, 0.9, count)[:, None, None] + self._normal(count)[:, None, None] * 0.05 * (x - 0.5)
        image = torch.where((y > horizon)[:, None], floor, wall)
        near = (y - horizon).clamp(min=0.02)
        tiles = torch.sin(self._uniform(2, 12, count)[:, None, None] / near) * torch.sin(
            (x - 0.5) / near * self._uniform(2, 12, count)[:, None, None]
        )
        tiled = (self._uniform(0, 1, count) < 0.4)[:, None, None] & (y > horizon)
        image = image * torch.where(tiled & (tiles > 0), 0.75, 1.0)[:, None]
        for _ in range(6):
            left, top = self._uniform(-0.2, 1, count)[:, None, None], self._uniform(-0.2, 0.9, count)[:, None, None]
            wide, tall = self._uniform(0.02, 0.4, count)[:, None, None], self._uniform(0.02, 0.6, count)[:, None, None]
            box = (
                (x > left)
                & (x < left + wide)
                & (y > top)
                & (y < top + tall)
                & (self._uniform(0, 1, count) < 0.6)[:, None, None]
            )
            image = torch.where(box[:, None], self._paint(count), image)
        for cells, strength in ((4, 0.25), (20, 0.2), (80, 0.12)):
            grey, tint = self._normal(count, 1, cells * 3 // 4, cells), self._normal(count, 3, cells * 3 // 4, cells)
            noise = (grey + 0.4 * tint) * (self._uniform(0, 1, count) ** 2 * strength)[:, None, None, None]
            image = image + functional.interpolate(noise, (HEIGHT_PX, WIDTH_PX), mode="bilinear", align_corners=False)
        return image

    def _paint(self, *shape: int) -> Tensor:
        """Colours (..., 3, 1, 1), most of them dull."""
        grey, tint = self._uniform(0, 1, *shape, 1, 1, 1), self._uniform(0, 1, *shape, 3, 1, 1)
        return grey.lerp(tint, self._uniform(0, 1, *shape, 1, 1, 1) ** 2)

    def _developed(self, image: Tensor) -> Tensor:
        """Brightness, colour, softness and noise of some camera: (B, 3, H, W) uint8."""
        count = len(image)
        soft = functional.avg_pool2d(image, 3, stride=1, padding=1, count_include_pad=False)
        image = torch.lerp(image, soft, self._uniform(0, 1, count)[:, None, None, None])
        image = (image * self._uniform(0.5, 1.3, count, 3, 1, 1).lerp(self._uniform(0.5, 1.3, count, 1, 1, 1), 0.8)).clamp(
            0, 1
        )
        image = image ** self._uniform(0.7, 1.4, count)[:, None, None, None]
        image = image + self._normal(*image.shape) * self._uniform(0, 0.05, count)[:, None, None, None]
        return (image.clamp(0, 1) * 255).round().to(torch.uint8)

    def _turn(self, angle: Tensor, axis: int) -> Tensor:
        vector = torch.zeros(len(angle), 3, device=self._device)
        vector[:, axis] = angle
        return rotmat_from_axis_angle(vector)

    def _uniform(self, low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(shape, generator=self._random, device=self._device)

    def _normal(self, *shape: int) -> Tensor:
        return torch.randn(shape, generator=self._random, device=self._device)

    def _integers(self, low: int, high: int, *shape: int) -> Tensor:
        return torch.randint(low, high, shape, generator=self._random, device=self._device)


def _closed(drawn: Tensor) -> Tensor:
    """Pictures (B, 3, H, W), NaN where nothing is drawn: holes between points, at least half surrounded, filled."""
    there = (~drawn.isnan()).float()
    around = functional.avg_pool2d(there, 3, stride=1, padding=1)
    color = functional.avg_pool2d(drawn.nan_to_num(), 3, stride=1, padding=1) / around.clamp(min=1e-6)
    return torch.where((there == 0) & (around > 0.5), color, drawn)
