"""People who move before calibrated cameras, and the truth about them at any time.

One depth buffer per image holds everybody, so that people hide one another as they should.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import pi

import numpy as np
import torch

from refit_ros.camera.calibration import Calibration
from refit_ros.core.body import Body, load_body
from refit_ros.core.rotations import axis_angle_from_rotmat
from refit_ros.synthetic.appearance import (
    Lights,
    Outfits,
    Surface,
    fragment_attributes,
    interpolate,
    paint,
    sample_outfits,
    shade,
)
from refit_ros.synthetic.cameras import ring_of_cameras
from refit_ros.synthetic.choreography import KINDS, ring_for
from refit_ros.synthetic.dice import Dice
from refit_ros.synthetic.motion import Motion, Path
from refit_ros.synthetic.props import Desk, Poster, draw_panels
from refit_ros.synthetic.raster import rasterize
from refit_ros.synthetic.relay import Relay
from refit_ros.synthetic.room import render_room

SCENES = tuple(KINDS)
PRINT_PX = (180, 408)  # width, height of what is printed on a poster


@dataclass(frozen=True)
class TruePerson:
    """One person in the world (z up, m), names and conventions as smplx's."""

    id: int
    betas: np.ndarray  # (10,)
    global_orient: np.ndarray  # (3,) axis-angle, rad
    body_pose: np.ndarray  # (23, 3) axis-angle, rad
    transl: np.ndarray  # (3,)
    joints: np.ndarray  # (24, 3)
    contact: np.ndarray  # (2,) bool: the left, the right foot stands


@dataclass(frozen=True)
class Actor:
    """Somebody in a scene."""

    id: int
    betas: np.ndarray  # (10,)
    motion: Motion | Relay


class Scene:
    """Actors before cameras; everything a pure function of the time and the seed."""

    def __init__(
        self,
        actors: Sequence[Actor],
        cameras: Sequence[tuple[Calibration, np.ndarray]],
        seed: int = 0,
        outfits: Outfits | None = None,
        props: Sequence = (),
        background_rgb: tuple[int, int, int] | None = None,
    ):
        """props: as refit_ros.synthetic.props; background_rgb: instead of a room. Raises ValueError without anybody."""
        if not actors:
            raise ValueError("a scene needs at least one actor")
        if not cameras:
            raise ValueError("a scene needs at least one camera")
        self.actors, self.cameras, self.seed = tuple(actors), tuple(cameras), seed
        self._props, self._background_rgb = tuple(props), background_rgb
        self.body = actors[0].motion.body
        self._surface = Surface(self.body)
        generator = torch.Generator().manual_seed(seed * 613 + 5)
        self._outfits = outfits if outfits is not None else sample_outfits(Dice(generator), len(actors))
        self._betas = torch.as_tensor(np.stack([a.betas for a in actors]), dtype=torch.float32)
        self._rooms: dict[int, torch.Tensor] = {}
        self._posed: tuple[float, tuple] = (float("nan"), ())

    def truth(self, time_s: float) -> list[TruePerson]:
        rotmats, transl, joints, _, contact = self._pose(time_s)
        turned = axis_angle_from_rotmat(rotmats).double().numpy()
        return [
            TruePerson(
                actor.id,
                np.asarray(actor.betas, np.float64),
                turned[i, 0],
                turned[i, 1:],
                transl[i].double().numpy(),
                joints[i].double().numpy(),
                contact[i].numpy(),
            )
            for i, actor in enumerate(self.actors)
        ]

    @torch.no_grad()
    def render(self, time_s: float, camera_index: int) -> np.ndarray:
        """(H, W, 3) uint8 RGB, as a pinhole with the camera's K sees the scene (lens distortion is not drawn)."""
        calibration, pose = self.cameras[camera_index]
        rotation = torch.as_tensor(np.asarray(pose)[:3, :3].T, dtype=torch.float32)
        place = torch.as_tensor(np.asarray(pose)[:3, 3], dtype=torch.float32)
        vertices, normals = self._pose(time_s)[3]
        seen = (vertices - place) @ rotation.T
        K = calibration.K
        depth = seen[..., 2:]
        safe = torch.where(depth > 1e-3, depth, torch.full_like(depth, 1e-3))
        pixels = seen[..., :2] / safe * torch.tensor([K[0, 0], K[1, 1]], dtype=torch.float32) + torch.tensor(
            [K[0, 2], K[1, 2]], dtype=torch.float32
        )
        height, width = calibration.height_px, calibration.width_px
        fragments = rasterize(
            torch.cat([pixels, depth], -1), self._surface.faces, torch.zeros(len(seen), dtype=torch.int64), 1, height, width
        )
        image = self._room(camera_index).clone()
        if len(fragments.pixel):
            attributes = fragment_attributes(fragments, self._surface)
            corners = self._surface.faces[fragments.face] + (fragments.mesh * normals.shape[1])[:, None]
            normal = interpolate(normals.flatten(0, 1), corners, fragments.bary) @ rotation.T
            color = paint(attributes, self._outfits, fragments.mesh)
            at = torch.zeros_like(fragments.mesh)
            lit = shade(color, normal, self._lights(rotation), at, attributes, self._outfits, fragments.mesh)
            image.view(-1, 3)[fragments.pixel] = (lit.clamp(0, 1) * 255).to(torch.uint8)
        if self._props:
            depth_m = torch.full((height * width,), torch.inf, dtype=torch.float64)
            depth_m[fragments.pixel] = fragments.depth_m.double()
            joints_m = self._pose(time_s)[2].double().numpy()
            panels = [panel for prop in self._props for panel in prop.panels(joints_m)]
            draw_panels(image.numpy(), depth_m.view(height, width).numpy(), panels, calibration, np.asarray(pose, float))
        return image.numpy()

    def with_camera(self, index: int, world_from_camera: np.ndarray) -> Scene:
        """The same scene after somebody has moved a camera (the calibration that others hold is then wrong)."""
        cameras = list(self.cameras)
        cameras[index] = (cameras[index][0], np.asarray(world_from_camera, float))
        return Scene(self.actors, cameras, self.seed, self._outfits, self._props, self._background_rgb)

    def _lights(self, rotation: torch.Tensor) -> Lights:
        rng = np.random.default_rng([53, self.seed])
        lamp = np.array([rng.uniform(-1, 1), rng.uniform(-1, 1), rng.uniform(0.8, 2)])
        direction = rotation @ torch.as_tensor(lamp / np.linalg.norm(lamp), dtype=torch.float32)
        up = rotation @ torch.tensor([0, 0, 1.0])
        return Lights(direction[None], up[None], torch.full((1, 3), 0.65), torch.full((1, 3), 0.5), torch.tensor([0.06]))

    def _room(self, camera_index: int) -> torch.Tensor:
        if self._background_rgb is not None:
            calibration = self.cameras[camera_index][0]
            plain = torch.tensor(self._background_rgb, dtype=torch.uint8)
            return plain.repeat(calibration.height_px, calibration.width_px, 1)
        if camera_index not in self._rooms:
            image = render_room(*self.cameras[camera_index], self.seed)
            self._rooms[camera_index] = torch.from_numpy((image * 255).astype(np.uint8))
        return self._rooms[camera_index]

    @torch.no_grad()
    def _pose(self, time_s: float) -> tuple:
        """Everybody at one time; kept for the next camera that asks. No two callers see it half made."""
        kept_time, kept = self._posed
        if kept_time == time_s:
            return kept
        frames = [actor.motion.at([time_s]) for actor in self.actors]
        rotmats, transl = (torch.cat([getattr(f, name) for f in frames]) for name in ("rotmats", "transl"))
        joints = self.body.joints(self._betas, rotmats, transl)
        vertices = self.body.vertices(self._betas, rotmats, transl)
        kept = (rotmats, transl, joints, (vertices, self._surface.normals(vertices)), torch.cat([f.contact for f in frames]))
        self._posed = (time_s, kept)
        return kept


def bumped(world_from_camera: np.ndarray, degrees: float, metres: float, seed: int = 0) -> np.ndarray:
    """A camera's pose (4, 4) after a knock: turned and shifted by so much in a random direction."""
    rng = np.random.default_rng([71, seed])
    axis, shift = rng.standard_normal((2, 3))
    from scipy.spatial.transform import Rotation

    pose = np.array(world_from_camera, float)
    pose[:3, :3] = Rotation.from_rotvec(np.radians(degrees) * axis / np.linalg.norm(axis)).as_matrix() @ pose[:3, :3]
    pose[:3, 3] += metres * shift / np.linalg.norm(shift)
    return pose


def named_scene(
    name: str,
    cameras: int | None = None,
    people: int | None = None,
    seed: int = 0,
    width_px: int = 640,
    height_px: int = 480,
    names: list[str] | None = None,
    body: Body | None = None,
) -> Scene:
    """One of SCENES. cameras, people: None for as many as the scene is made for. Raises ValueError for another name."""
    if name not in KINDS:
        raise ValueError(f"there is no scene '{name}'; there are {', '.join(SCENES)}")
    kind, body = KINDS[name], (body or load_body()).eval()
    people = people or kind.people
    ring = ring_for(kind, cameras or kind.cameras, width_px, height_px, names)
    generator = torch.Generator().manual_seed(seed * 101 + 7)
    betas = Dice(generator).normal(people, 10, sigma=0.8)
    actors = []
    for index in range(people):
        own_seed = seed * 17 + index
        if kind.motion is not None:
            motion = kind.motion(body, betas[index], index, own_seed)
        else:
            motion = Motion(body, betas[index], *kind.part(index, people), seed=own_seed)
        actors.append(Actor(index, betas[index].double().numpy(), motion))
    return Scene(actors, ring, seed, _clothes(people, seed) if kind.same_clothes else None, _props(kind.prop, body, seed))


def _clothes(people: int, seed: int) -> Outfits:
    """The same for everybody."""
    one = sample_outfits(Dice(torch.Generator().manual_seed(seed * 613 + 5)), 1)
    return Outfits(**{name: value.expand(people, *value.shape[1:]).contiguous() for name, value in vars(one).items()})


def _props(name: str, body: Body, seed: int) -> list:
    if name == "desk":
        return [Desk(seed)]
    return [Poster(0, _print(body, seed))] if name == "poster" else []


def _print(body: Body, seed: int) -> np.ndarray:
    """(h, w, 3) uint8 RGB: somebody who stands before a plain wall, head to foot."""
    seed = seed + 40_000
    betas = Dice(torch.Generator().manual_seed(seed)).normal(1, 10, sigma=0.8)
    motion = Motion(body, betas[0], "gesture", Path((0, 0), -pi / 2), seed, duration_s=2.0)
    actor = Actor(0, betas[0].double().numpy(), motion)
    width, height = PRINT_PX
    (camera,) = ring_of_cameras(1, 4.0, 0.95, (0, 0, 0.9), width, height, focal_px=3.9 * height / 2.0)
    return Scene([actor], [camera], seed, background_rgb=(205, 214, 218)).render(0.5, 0)
