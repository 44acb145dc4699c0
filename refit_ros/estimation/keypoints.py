"""From landmarks that another network found to bodies: one camera or several, through the keypoint network."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import partial

import numpy as np
import torch

from refit_ros.core.camera import project
from refit_ros.core.keypoints import KeypointEvidence, KeypointRefit, crops_without_images
from refit_ros.core.numpy_body import NumpyBody
from refit_ros.core.traces import recorded_on_processor
from refit_ros.core.types import Views
from refit_ros.estimation.closer_look import CloserLook
from refit_ros.estimation.flatness import flatness
from refit_ros.estimation.fuse import fuse
from refit_ros.estimation.height import with_height
from refit_ros.estimation.keypoint_refine import LOOSE, LOOSE_ALONE, Bodies, Refiner, Watched
from refit_ros.estimation.keypoint_sightings import SeenPeople, Sighting, tensors_of
from refit_ros.estimation.smooth import Shape

MOST_VIEWS = 4
"""Views of one person that the network looks at. More tell it next to nothing (docs/several_machines.md); their landmarks
count where places are triangulated and in the last step."""
GUESSED_WEIGHT = 0.03  # of a landmark that is not seen, at the network's own place for it, when a person is put somewhere


@dataclass(frozen=True)
class KeypointBody:
    """A person in the fixed frame. Fields as in `estimation.types.Person`, angles as matrices."""

    betas: np.ndarray  # (10,)
    rotmats: np.ndarray  # (24, 3, 3): the global one in the fixed frame, then relative to the parents
    transl: np.ndarray  # (3,) m
    joints: np.ndarray  # (24, 3) m
    landmarks: np.ndarray  # (K, 3) m, in the order of LANDMARK_NAMES
    weak_perspective: np.ndarray  # (V, 3) s, tx, ty of each view's crop
    residual_px: np.ndarray  # (V,) root mean square over what is seen, in the square-pixel image
    box_px: np.ndarray  # (V, 4) of each view's crop, in the square-pixel image
    own_betas: np.ndarray | None = None  # (10,) by these sightings alone; None: the shape was given
    flatness: float = 0.0  # log likelihood ratio of a picture of somebody against somebody, see `flatness`


class KeypointSolver:
    """Fits people from sightings; all of one call in one batch."""

    def __init__(self, network: KeypointRefit, known_height_m: float = 0.0, closer: CloserLook | None = None) -> None:
        """known_height_m: everybody's standing height; 0: unknown. closer: for those who are looked at more closely."""
        self._known_height_m, self._closer = known_height_m, closer
        self.network = copy.deepcopy(network).eval().requires_grad_(False)  # a recording holds no gradients
        self.device = network.init_pose.device
        self._run = recorded_on_processor(self._fit, self.device)
        self._posed = recorded_on_processor(self._pose, self.device)
        self._posing = NumpyBody.of(self.network.body)
        self._refiner = Refiner(self.network.landmark_body, self._bodies)

    @torch.inference_mode()
    def fit(
        self,
        people: Sequence[Sequence[Sighting]],
        betas: np.ndarray | None = None,
        iterations: int | None = None,
        shapes: Sequence[Shape] = (),
        tentative: bool = False,
        closely: bool = False,
    ) -> list[KeypointBody]:
        """One body for each person, from their sightings (one a camera, at least one).

        betas (P, 10): known shapes, NaN where there is none. shapes: what was learned of the first people's betas so far;
        they are placed with the mean of that and of what this set says. tentative: other views may be of the same people.
        closely: what the images show of them counts too, where there is a `closer` look; they are the cameras' own.
        Raises ValueError for a layout that is unknown, shapes that do not fit, values that are not finite and for somebody
        without sightings.
        """
        if not people:
            return []
        if not all(people):
            raise ValueError("somebody has no sighting; leave out people whom no camera sees")
        # In double: a fixed frame may begin far away, and a ray's small angles are what counts.
        seen = SeenPeople(people)
        shown = seen.clearest(MOST_VIEWS)
        person, first = torch.from_numpy(shown.person), shown.first
        views = Views(person, shown.poses[..., :3])
        known = None if betas is None else torch.as_tensor(betas, dtype=torch.float32)[person]
        crops = shown.crops.center_px, shown.crops.side_px, shown.crops.focal_px, shown.crops.principal_px
        own_turns = shown.poses[first, :, :3].mT
        tensors = [*tensors_of(shown.evidence), *crops, *tensors_of(views), torch.from_numpy(first), own_turns]
        tensors += [] if known is None else [known]
        tensors = [tensor.float() if tensor.is_floating_point() else tensor for tensor in tensors]
        iterations = self.network.config.iterations if iterations is None else iterations
        values = self._run((known is not None, iterations), tuple(tensor.to(self.device) for tensor in tensors))
        own_betas, rotmats, guessed_px = (value.double().cpu().numpy() for value in values)
        held = np.full(own_betas.shape, np.nan) if betas is None else np.asarray(betas, float)
        watched = seen.watched
        conclude = partial(self._concluded, watched, shown, held, shapes, LOOSE if tentative else LOOSE_ALONE)
        bodies, own_betas = conclude(own_betas, rotmats, guessed_px)
        if closely and self._closer is not None:
            there_px = shown.watched.off_px(bodies.landmarks)[0] + shown.place_px.numpy()
            looked_betas, rotmats = self._closer(bodies, shown.cameras, shown.person, held)
            # Of a shape landmarks in several views say more than features, which say more than those in one.
            several = watched.views[:, None] > 1
            bodies, own_betas = conclude(np.where(several, own_betas, looked_betas), rotmats, there_px)
        residual_px = np.split(watched.residual_px(bodies.landmarks), watched.first[1:])
        weak_perspective, box_px = seen.weak_perspective(bodies.transl, bodies.joints), seen.box_px
        flat = flatness(watched, bodies.landmarks)
        return [
            KeypointBody(
                betas=bodies.betas[number],
                rotmats=bodies.rotmats[number],
                transl=bodies.transl[number],
                joints=bodies.joints[number],
                landmarks=bodies.landmarks[number],
                weak_perspective=weak_perspective[number],
                residual_px=residual_px[number],
                box_px=box_px[number],
                own_betas=own_betas[number],
                flatness=float(flat[number]),
            )
            for number in range(len(people))
        ]

    def _concluded(
        self,
        watched: Watched,
        shown: SeenPeople,
        held: np.ndarray,
        shapes: Sequence[Shape],
        loose_alone: float,
        own_betas: np.ndarray,
        rotmats: np.ndarray,
        guessed_px: np.ndarray,
    ) -> tuple[Bodies, np.ndarray]:
        """The last step from an idea of P people's shapes (P, 10) and poses (P, 24, 3, 3) -> bodies, their shapes by these
        sightings alone (P, 10). guessed_px (N, K, 2): by that idea, of the sightings that are `shown` of those
        `watched`."""
        own_betas = np.where(np.isfinite(held), held, own_betas)
        placed = partial(self._placed, shown, np.split(guessed_px, shown.first[1:]))
        guess = placed(own_betas, rotmats)
        free = ~np.isfinite(held).all(1) & (watched.views > 1)  # one view says little of a shape
        bodies = self._refiner.refined(guess, watched, free, loose_alone=loose_alone)
        own_betas = bodies.betas
        learned = [*shapes, *[Shape()] * (len(held) - len(shapes))]
        used = np.stack([self._betas(*each) for each in zip(own_betas, held, learned, watched.views)])
        if not np.array_equal(used, own_betas):  # what is known of a shape from other sets, or otherwise
            again = placed(used, bodies.rotmats)
            fixed = np.zeros(len(held), bool)  # a shape that differs little moves a body little: one step is enough
            bodies = self._refiner.refined(
                replace(guess, betas=used), watched, fixed, again, steps=1, loose_alone=loose_alone
            )
        return bodies, own_betas

    def _placed(
        self,
        seen: SeenPeople,
        guessed_px: Sequence[np.ndarray],
        betas: np.ndarray,
        rotmats: np.ndarray,
    ) -> Bodies:
        """People's bodies where their landmarks want them. guessed_px: of each person (V, K, 2), by the network."""
        landmarks_m, joints_m = self._bodies(betas, rotmats)
        rows = np.split(np.arange(len(seen.person)), seen.first[1:])
        transl = np.stack([_place(seen, *each) for each in zip(rows, landmarks_m, guessed_px)])
        return Bodies(betas, rotmats, transl, landmarks_m + transl[:, None], joints_m + transl[:, None])

    def joints(self, betas: np.ndarray, rotmats: np.ndarray) -> np.ndarray:
        """betas (P, 10), rotmats (P, 24, 3, 3) -> joints (P, 24, 3) m without translation."""
        return self._posing.joints(betas, rotmats)[0]

    def _betas(self, own: np.ndarray, held: np.ndarray, shape: Shape, views: int) -> np.ndarray:
        """The shape (10,) that somebody is placed with."""
        if np.isfinite(held).all():
            return held
        betas = shape.mean_with(own, float(views))
        return with_height(betas, self._known_height_m, self._height_m) if self._known_height_m > 0 else betas

    def _height_m(self, betas: np.ndarray) -> float:
        return float(self.network.body.height_m(self._tensor(betas[None]))[0])

    @torch.inference_mode()
    def _bodies(self, betas: np.ndarray, rotmats: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Landmarks (P, K, 3) and joints (P, 24, 3) m without translation."""
        landmarks_m, joints_m = self._posed("bodies", (self._tensor(betas), self._tensor(rotmats)))
        return landmarks_m.double().cpu().numpy(), joints_m.double().cpu().numpy()

    def _pose(self, _: str, tensors: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        return self.network.landmark_body(*tensors)

    def _tensor(self, values: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.array(values, np.float32)).to(self.device)

    def _fit(self, kind: tuple[bool, int], tensors: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        """-> betas (P, 10), rotmats (P, 24, 3, 3) in the fixed frame, guessed_px (N, K, 2).

        The count of people and sightings is read from the tensors' shapes (`Traced`).
        """
        has_betas, iterations = kind
        rest = iter(tensors)
        evidence = KeypointEvidence(*(next(rest) for _ in fields(KeypointEvidence)))
        crops = crops_without_images(*(next(rest) for _ in range(4)))
        views = Views(*(next(rest) for _ in fields(Views)))
        first, world_from_camera = next(rest), next(rest)
        betas = next(rest) if has_betas else None
        estimate = self.network.fit(evidence, crops, views, betas, iterations=iterations).estimate
        landmarks_m, _ = self.network.landmark_body(estimate.betas, estimate.rotmats, estimate.transl)
        guessed_px = project(landmarks_m, crops.focal_px, crops.principal_px)
        shape, rotmats = estimate.betas[first], estimate.rotmats[first]
        rotmats = torch.cat((world_from_camera[:, None] @ rotmats[:, :1], rotmats[:, 1:]), dim=1)
        return shape, rotmats, guessed_px


def _place(seen: SeenPeople, rows: np.ndarray, landmarks_m: np.ndarray, guessed_px: np.ndarray) -> np.ndarray:
    """(3,) m: where the landmarks of somebody's rows want a body whose own (K, 3) m are given without translation."""
    visible = seen.visibility.numpy()[rows]
    wanted_px = np.where((visible > 0.3)[..., None], seen.place_px.numpy()[rows], guessed_px)
    weight = np.maximum(visible**2, GUESSED_WEIGHT)
    return fuse(landmarks_m, list(wanted_px), [seen.cameras.cameras[row] for row in rows], joint_weights=weight).transl
