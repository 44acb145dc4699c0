"""People who move before calibrated cameras, and the truth about them at any time.

One depth buffer per picture holds everybody, so that people hide one another as they should.
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
from refit_ros.synthetic.cameras import looking_at, ring_of_cameras
from refit_ros.synthetic.dice import Dice
from refit_ros.synthetic.motion import Motion, Path, circle
from refit_ros.synthetic.raster import rasterize
from refit_ros.synthetic.room import render_room

SCENES = ("walking", "standing", "crossing", "three_people", "half_out")
_WALKING_M_S = 1.1  # about what a stride of 1 at 0.9 cycles a second comes to


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
    motion: Motion


class Scene:
    """Actors before cameras; everything a pure function of the time and the seed."""

    def __init__(
        self,
        actors: Sequence[Actor],
        cameras: Sequence[tuple[Calibration, np.ndarray]],
        seed: int = 0,
        outfits: Outfits | None = None,
    ):
        if not actors:
            raise ValueError("a scene needs at least one actor")
        if not cameras:
            raise ValueError("a scene needs at least one camera")
        self.actors, self.cameras, self.seed = tuple(actors), tuple(cameras), seed
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
        return image.numpy()

    def with_camera(self, index: int, world_from_camera: np.ndarray) -> Scene:
        """The same scene after somebody has moved a camera (the calibration that others hold is then wrong)."""
        cameras = list(self.cameras)
        cameras[index] = (cameras[index][0], np.asarray(world_from_camera, float))
        return self._with(cameras)

    def with_cameras(self, indices: Sequence[int]) -> Scene:
        """The same scene with these of its cameras alone."""
        return self._with([self.cameras[i] for i in indices])

    def _with(self, cameras: Sequence[tuple[Calibration, np.ndarray]]) -> Scene:
        return Scene(self.actors, cameras, self.seed, self._outfits)

    def _lights(self, rotation: torch.Tensor) -> Lights:
        rng = np.random.default_rng([53, self.seed])
        lamp = np.array([rng.uniform(-1, 1), rng.uniform(-1, 1), rng.uniform(0.8, 2)])
        direction = rotation @ torch.as_tensor(lamp / np.linalg.norm(lamp), dtype=torch.float32)
        up = rotation @ torch.tensor([0, 0, 1.0])
        return Lights(direction[None], up[None], torch.full((1, 3), 0.65), torch.full((1, 3), 0.5), torch.tensor([0.06]))

    def _room(self, camera_index: int) -> torch.Tensor:
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
    if name not in SCENES:
        raise ValueError(f"there is no scene '{name}'; there are {', '.join(SCENES)}")
    body = (body or load_body()).eval()
    usual_cameras, usual_people = {"three_people": (4, 3), "crossing": (2, 2)}.get(name, (1, 1))
    cameras, people = cameras or usual_cameras, people or usual_people
    ring = ring_of_cameras(
        cameras,
        radius_m=4.3 if name in ("three_people", "crossing") else 3.8,
        width_px=width_px,
        height_px=height_px,
        names=names,
    )
    if name == "half_out":  # the first camera looks past the person
        calibration, pose = ring[0]
        ring[0] = (calibration, looking_at(pose[:3, 3], np.array([2.1, 0, 1.1])))
    generator = torch.Generator().manual_seed(seed * 101 + 7)
    betas = Dice(generator).normal(people, 10, sigma=0.8)
    actors = [
        Actor(i, betas[i].double().numpy(), Motion(body, betas[i], *_part(name, i, people), seed=seed * 17 + i))
        for i in range(people)
    ]
    return Scene(actors, ring, seed)


def _part(scene: str, index: int, people: int) -> tuple[str, Path]:
    """What the index-th of so many people does."""
    around = 2 * pi * index / people
    if scene == "walking":
        return "walk", circle(1.0 if people == 1 else 1.3, _WALKING_M_S, start_rad=around - pi / 2)
    if scene == "standing":
        place = (1.1 * np.cos(around), 1.1 * np.sin(around)) if people > 1 else (0, 0)
        return "stand", Path(place, -pi / 2 + 0.4 * (index % 3 - 1) + 0.25)
    if scene == "half_out":
        return "gesture", Path((-0.1 + 0.2 * index, 0.2 * index), -pi / 2 + 0.3)
    if scene == "crossing":  # to and fro on long thin loops, past each other with half a metre between
        side = 1 if index % 2 == 0 else -1
        return "walk", Path((-1.5 * side, (-0.28 - 0.8 * (index // 2)) * side), 0 if side > 0 else pi, 2.7, 1.4, pi)
    kinds = ("walk", "gesture", "reach", "stand", "crouch", "walk", "gesture", "sit")
    if kinds[index % 8] == "walk":
        return "walk", circle(1.5, _WALKING_M_S, start_rad=around)
    return kinds[index % 8], Path((0.75 * np.cos(around), 0.75 * np.sin(around)), around + 0.8)
