"""What people wear, and what colour each seen point of them has: textures as functions of the place in the rest pose.

Everything works on any body with SMPL's tree; lengths are taken from its joints.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from refit_ros.core.body import Body
from refit_ros.core.joints import JOINT_INDEX as J
from refit_ros.synthetic.dice import Dice
from refit_ros.synthetic.raster import Fragments

_ARM = ("shoulder", "elbow", "wrist", "hand")
_LEG = ("hip", "knee", "ankle", "foot")


class Surface:
    """What is the same for everybody who has this body: where each vertex lies, and on which limb."""

    def __init__(self, body: Body):
        rest = body.v_template
        joints = body.rest_joints(torch.zeros(1, 10, device=rest.device))[0]
        weights = body.lbs_weights

        def share(names: tuple[str, ...]) -> Tensor:
            return weights[:, [J[f"{side}_{n}"] for side in ("left", "right") for n in names]].sum(1)

        shoulder, wrist = joints[J["left_shoulder"], 0], joints[J["left_wrist"], 0]
        hip, ankle = joints[J["left_hip"], 1], joints[J["left_ankle"], 1]
        along_arm = (rest[:, 0].abs() - shoulder) / (wrist - shoulder)  # 0 at the shoulder, 1 at the wrist
        along_leg = (hip - rest[:, 1]) / (hip - ankle)  # 0 at the hip, 1 at the ankle
        trunk = (rest[:, 1] - hip) / (joints[J["neck"], 1] - hip)  # 0 at the hip, 1 at the neck
        head = weights[:, J["head"]]
        skull = rest[head > 0.5]
        middle, half = (skull.amax(0) + skull.amin(0)) / 2, (skull.amax(0) - skull.amin(0)) / 2
        on_head = (rest - middle) / half  # -1 .. 1 in each direction
        self.faces = torch.as_tensor(body.faces, device=rest.device, dtype=torch.int64)
        self.attributes = torch.cat(
            [rest, torch.stack([along_arm, along_leg, trunk, head, share(_ARM), share(_LEG), share(("foot",))], 1), on_head],
            1,
        ).contiguous()  # (V, 13)

    def normals(self, vertices: Tensor) -> Tensor:
        """(M, V, 3) -> (M, V, 3): the mean direction of each vertex's faces, weighted by their areas, not normalised."""
        people = vertices.transpose(0, 1).contiguous()  # (V, M, 3): whole rows are gathered and scattered
        first, second, third = (people[self.faces[:, k]] for k in range(3))
        face = torch.linalg.cross(second - first, third - first, dim=-1)
        total = torch.zeros_like(people)
        for k in range(3):
            total.index_add_(0, self.faces[:, k], face)
        return total.transpose(0, 1)


@dataclass(frozen=True)
class Outfits:
    """The looks of M people."""

    colors: Tensor  # (M, 9, 3) 0 .. 1: skin, hair, top, top's second, trousers, trousers' second, shoes, inside, lips
    numbers: Tensor  # (M, 24) see `_NUMBERS`

    def pick(self, index: Tensor) -> Outfits:
        return Outfits(self.colors[index], self.numbers[index])


_NUMBERS = (
    "sleeve",
    "trouser_end",
    "waist",
    "neck",
    "neck_v",
    "hairline",
    "hair_back",
    "bald",
    "pattern",
    "fx",
    "fy",
    "fz",
    "phase",
    "duty",
    "open",
    "logo",
    "belt",
    "side_stripe",
    "beard",
    "wrinkle",
    "wx",
    "wy",
    "leg_pattern",
    "glasses",
)
_WRINKLES = [_NUMBERS.index(name) for name in ("wrinkle", "wx", "wy")]


def sample_outfits(dice: Dice, count: int) -> Outfits:
    """Looks of `count` people; no two are alike."""

    def mixed(*shape: int) -> Tensor:
        """Colours: often greyish, dark or pale, at times strong."""
        grey, strong = dice.uniform(0.02, 0.95, count, *shape, 1), dice.uniform(0.02, 0.95, count, *shape, 3)
        return torch.lerp(grey.expand_as(strong), strong, dice.uniform(0, 1, count, *shape, 1) ** 0.7)

    tone = dice.uniform(0, 1, count, 1)
    pale, dark = (torch.tensor(c, device=dice.device) for c in ((0.93, 0.76, 0.66), (0.30, 0.19, 0.13)))
    skin = (torch.lerp(dark, pale, tone) + dice.normal(count, 3, sigma=0.025)).clamp(0.05, 1)
    hair_tone = dice.choice((0.5, 0.2, 0.12, 0.08, 0.1), count)
    hairs = torch.tensor(
        [(0.06, 0.05, 0.05), (0.30, 0.19, 0.11), (0.72, 0.56, 0.33), (0.55, 0.52, 0.50), (0.42, 0.17, 0.08)],
        device=dice.device,
    )
    hair = (hairs[hair_tone] * dice.uniform(0.6, 1.3, count, 1)).clamp(0, 1)
    cloth = mixed(5)
    jeans = dice.chance(0.3, count)[:, None] & torch.ones(3, dtype=torch.bool, device=dice.device)
    blue = torch.tensor([0.22, 0.29, 0.45], device=dice.device) * dice.uniform(0.4, 1.6, count, 1)
    cloth[:, 2] = torch.where(jeans, blue, cloth[:, 2])
    cloth[:, 4] = cloth[:, 4] * dice.uniform(0.15, 1, count, 1)
    lips = skin * torch.tensor([0.85, 0.55, 0.55], device=dice.device)
    colors = torch.cat([skin[:, None], hair[:, None], cloth, mixed(1), lips[:, None]], 1).clamp(0, 1)

    frequency = dice.normal(count, 3) * torch.exp(dice.uniform(2.3, 4.6, count, 1))
    axis_only = dice.chance(0.6, count)[:, None]
    axis = F.one_hot(dice.choice((0.25, 0.6, 0.15), count), 3).to(frequency.dtype)
    frequency = torch.where(axis_only, frequency.norm(dim=1, keepdim=True) * axis, frequency)
    u = lambda low, high: dice.uniform(low, high, count)  # noqa: E731
    some = lambda chance: dice.chance(chance, count).float()  # noqa: E731
    sleeve = torch.where(dice.chance(0.5, count), u(0.85, 1.02), u(-0.15, 0.65))
    trousers = torch.where(dice.chance(0.68, count), u(0.8, 1.02), u(0.12, 0.75))
    numbers = [
        sleeve,
        trousers,
        u(-0.05, 0.32),
        u(0.86, 1.12),
        u(0, 0.35) * some(0.4),
        u(0.1, 0.65),
        u(-0.6, 0.35),
        some(0.06),
        dice.choice((0.42, 0.3, 0.14, 0.14), count).float(),
        *frequency.unbind(1),
        u(0, 6.28),
        u(-0.7, 0.7),
        u(0.02, 0.05) * some(0.22),
        some(0.25) * u(0.03, 0.09),
        some(0.35),
        some(0.18),
        some(0.2),
        u(0.05, 0.5),
        u(10, 50),
        u(10, 50),
        some(0.2),
        some(0.15),
    ]
    return Outfits(colors, torch.stack(numbers, 1))


def fragment_attributes(fragments: Fragments, surface: Surface) -> Tensor:
    """(K, 13) of `Surface.attributes`, at each seen point."""
    return interpolate(surface.attributes, surface.faces[fragments.face], fragments.bary)


def interpolate(values: Tensor, corners: Tensor, bary: Tensor) -> Tensor:
    """Rows `corners` (K, 3) of values (N, C), weighted by bary (K, 3): (K, C)."""
    total = values[corners[:, 0]] * bary[:, :1]
    total.addcmul_(values[corners[:, 1]], bary[:, 1:2])
    return total.addcmul_(values[corners[:, 2]], bary[:, 2:])


def paint(attributes: Tensor, outfits: Outfits, mesh: Tensor) -> Tensor:
    """The colour, before light, of points (K, 13) on people `mesh` (K,): (K, 3) 0 .. 1."""
    x, y, z, arm_at, leg_at, trunk, head, arm, leg, foot, hx, hy, hz = attributes.unbind(1)
    n = dict(zip(_NUMBERS, outfits.numbers[mesh].unbind(1)))
    colors = outfits.colors[mesh]
    front = z > 0

    def tint(index: int) -> Tensor:
        return colors[:, index]

    wave = torch.sin(n["fx"] * x + n["fy"] * y + n["fz"] * z + n["phase"])
    cross = torch.sin(n["fy"] * x + n["fx"] * y - n["fz"] * z)
    stripes = (wave > n["duty"]) & (n["pattern"] == 1)
    checks = ((wave * cross) > n["duty"] * 0.4) & (n["pattern"] == 2)
    blocks = (torch.sin(n["phase"] * 3 + 4 * y + 9 * n["duty"]) > 0.3) & (n["pattern"] == 3)
    logo = front & (arm < 0.4) & (((x - 0.02) ** 2 + (y - 0.08) ** 2) < n["logo"] ** 2)
    second = stripes | checks | blocks | logo
    inner = front & (x.abs() < n["open"] + 0.04 * (trunk - 0.3)) & (n["open"] > 0) & (arm < 0.5)
    top = torch.where(second[:, None], tint(3), tint(2))
    top = torch.where(inner[:, None], tint(7), top)
    side = (n["side_stripe"] > 0) & (z.abs() < 0.018) & (leg > 0.3)
    leg_second = side | ((wave > 0.2) & (n["leg_pattern"] > 0) & (n["pattern"] > 0))
    trousers = torch.where(leg_second[:, None], tint(5), tint(4))
    trousers = torch.where(((n["belt"] > 0) & ((trunk - n["waist"]).abs() < 0.035))[:, None], tint(6) * 0.5, trousers)
    seam = (x.abs() < 0.005) | ((leg > 0.5) & (z.abs() < 0.006))
    trousers = torch.where(seam[:, None], trousers * 0.8, trousers)

    color = tint(0)
    neckline = n["neck"] - torch.where(front, (n["neck_v"] - 2.2 * x.abs()).clamp(min=0), torch.zeros_like(x))
    on_arm = arm > 0.5
    wears_top = torch.where(on_arm, arm_at < n["sleeve"], (trunk < neckline) & (trunk > n["waist"]) & (head < 0.3))
    wears_top = wears_top & (leg < 0.6)
    color = torch.where(wears_top[:, None], top, color)
    wears_bottom = torch.where(on_arm, torch.zeros_like(on_arm), (trunk <= n["waist"]) & (leg_at < n["trouser_end"]))
    color = torch.where(wears_bottom[:, None], trousers, color)
    shoes = (leg > 0.5) & ((leg_at > 0.97) | (foot > 0.3))
    sole = shoes & (y < y.amin() + 0.012) if len(y) else shoes
    color = torch.where(shoes[:, None], torch.where(sole[:, None], tint(6) * 0.4 + 0.3, tint(6)), color)
    return _face(color, hx, hy, hz, head, n, tint)


def _face(color: Tensor, hx: Tensor, hy: Tensor, hz: Tensor, head: Tensor, n: dict[str, Tensor], tint) -> Tensor:
    """Hair, eyes, brows, mouth, beard and glasses over the skin of the head."""
    on_head = head > 0.35
    front = on_head & (hz > 0.25)
    hair = on_head & (
        (hy > n["hairline"] + 0.25 * hz) & (hz < 0.9) | (hz < n["hair_back"] - 0.25) & (hy > -1.0 + n["hairline"])
    )
    hair = hair & (n["bald"] == 0)
    eye_x = hx.abs() - 0.40
    eyes = front & (eye_x**2 / 0.03 + (hy - 0.10) ** 2 / 0.006 < 1)
    pupils = front & (eye_x**2 + (hy - 0.10) ** 2 / 0.6 < 0.008)
    brows = front & (eye_x.abs() < 0.22) & ((hy - 0.24).abs() < 0.035)
    mouth = front & (hx.abs() < 0.30) & ((hy + 0.52).abs() < 0.05)
    beard = front & (n["beard"] > 0) & (hy < -0.35)
    glasses = front & (n["glasses"] > 0) & ((eye_x**2 + (hy - 0.10) ** 2 - 0.06).abs() < 0.028)
    ones = torch.ones_like(color)
    for where, paint_with in (
        (beard, tint(1)),
        (mouth, tint(8)),
        (eyes, ones * 0.9),
        (pupils, ones * 0.06),
        (brows, tint(1) * 0.7),
        (hair, tint(1)),
        (glasses, ones * 0.05),
    ):
        color = torch.where(where[:, None], paint_with, color)
    return color


@dataclass(frozen=True)
class Lights:
    """Light of N images, in their camera frames."""

    direction: Tensor  # (N, 3) unit, towards the lamp
    up: Tensor  # (N, 3) unit, towards the sky
    strength: Tensor  # (N, 3) of the lamp's colour
    ambient: Tensor  # (N, 3)
    gloss: Tensor  # (N,)


def sample_lights(dice: Dice, up: Tensor) -> Lights:
    """A lamp from somewhere above or beside, a sky, for images whose up directions are given (N, 3)."""
    count = len(up)
    direction = F.normalize(
        dice.normal(count, 3) + up * dice.uniform(0.2, 2, count, 1) + torch.tensor([0, 0, -0.6], device=dice.device), dim=1
    )
    warm = 1 + dice.normal(count, 1, sigma=0.10) * torch.tensor([1.0, 0.2, -1.0], device=dice.device)
    level = dice.uniform(0.75, 1.25, count, 1)
    share = dice.uniform(0.25, 0.8, count, 1)
    return Lights(direction, up, level * (1.2 - share) * warm, level * share * (2 - warm), dice.uniform(0, 0.25, count))


def shade(
    color: Tensor, normal: Tensor, lights: Lights, image_index: Tensor, attributes: Tensor, outfits: Outfits, mesh: Tensor
) -> Tensor:
    """Light on points of colour (K, 3), normals (K, 3) in the camera frame of `image_index` (K,): (K, 3), about 0 .. 1."""
    rest = attributes[:, :3]
    wrinkle, wx, wy = outfits.numbers[:, _WRINKLES][mesh].unbind(1)
    covered = (attributes[:, 6] < 0.3).to(normal.dtype) * wrinkle
    fold = torch.sin(wx * rest[:, 1] + 3 * torch.sin(wy * rest[:, 0] + 11 * rest[:, 2])) * covered
    bent = torch.stack([torch.cos(wx * rest[:, 1]), torch.sin(wy * rest[:, 0]), torch.zeros_like(fold)], 1)
    normal = F.normalize(normal, dim=1) + fold[:, None] * 0.6 * bent
    normal = F.normalize(normal, dim=1)
    direction, up = lights.direction[image_index], lights.up[image_index]
    facing = (normal * direction).sum(1)
    lamp = (facing.clamp(min=0) * 0.85 + 0.15 * (facing * 0.5 + 0.5))[:, None] * lights.strength[image_index]
    sky = (0.75 + 0.25 * (normal * up).sum(1))[:, None] * lights.ambient[image_index]
    half = F.normalize(direction + torch.tensor([0, 0, -1.0], device=normal.device), dim=1)
    shine = (normal * half).sum(1).clamp(min=0).pow(24) * lights.gloss[image_index]
    return color * (lamp + sky) + shine[:, None]
