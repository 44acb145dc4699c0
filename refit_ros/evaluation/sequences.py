"""Synthetic scenes as views with their truth: what the people suite and the calibration of uncertainty run on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from refit_ros.camera.boxes import Boxes
from refit_ros.camera.geometry import matrix_from_axis_angle
from refit_ros.camera.views import View
from refit_ros.evaluation import true_boxes as boxes_of
from refit_ros.evaluation.frames import BASE_RATE_HZ, FrameStore, Thinned

RATE_HZ = 10.0  # unless another is asked for
BUMP_RAD, BUMP_M = 0.14, 0.05  # about 8 degrees
BUMPED, LOST = 1, 2  # which camera is bumped, which one is lost


@dataclass(frozen=True)
class Plan:
    """A scene of the suite."""

    title: str
    scene: str  # as refit_ros.synthetic names it
    cameras: int = 4
    length_s: float = 5.0
    lost_s: tuple[float, float] | None = None  # a camera gives nothing in this time
    bumped_s: float | None = None  # from here on a camera stands elsewhere than it says


@dataclass(frozen=True)
class SyntheticSequence:
    """A rendered scene: images[set][camera], truth[set] people."""

    plan: Plan
    calibrations: tuple
    poses: tuple[np.ndarray, ...]  # fixed_from_camera in truth
    images: Sequence[Sequence[np.ndarray]]
    truth: Sequence[tuple]
    rate_hz: float = RATE_HZ

    @property
    def period_s(self) -> float:
        """From one set to the next."""
        return 1 / self.rate_hz

    def sets(self, cameras: list[int] | None = None, true_boxes: bool = False) -> Iterator[tuple[float, list[View], tuple]]:
        """Each set: its time, the views that came (of `cameras` only), and the true people."""
        for number, people in enumerate(self.truth):
            time_s = number * self.period_s
            views = []
            for index, calibration in enumerate(self.calibrations):
                lost = self.plan.lost_s and index == LOST and self.plan.lost_s[0] <= time_s < self.plan.lost_s[1]
                if lost or (cameras is not None and index not in cameras):
                    continue
                boxes = self.true_boxes(people, index) if true_boxes else None
                image = self.images[number][index]
                views.append(View(image, calibration, time_s, self.believed(index, time_s), boxes))
            yield time_s, views, people

    def believed(self, camera: int, time_s: float) -> np.ndarray:
        """Where the camera is said to stand: after a bump it still says the old place."""
        if self.plan.bumped_s is None or camera != BUMPED or time_s < self.plan.bumped_s:
            return self.poses[camera]
        moved = self.poses[camera].copy()
        moved[:3, :3] = matrix_from_axis_angle(np.array([0, 0, BUMP_RAD])) @ moved[:3, :3]
        moved[:3, 3] += [BUMP_M, 0, 0]
        return moved

    def true_box(self, person, camera: int) -> np.ndarray | None:
        """(4,) px in the true camera, not cut down to its image; None where most of the person is out of it."""
        return boxes_of.true_box(person.joints, self.calibrations[camera], self.poses[camera])

    def true_boxes(self, people, camera: int) -> Boxes:
        """As a perfect detector would give them."""
        return boxes_of.true_boxes(people, self.calibrations[camera], self.poses[camera])


OLD_PLANS = (
    Plan("one walking", "walking"),
    Plan("two crossing", "crossing"),
    Plan("three people", "three_people"),
    Plan("a camera lost and back", "walking", lost_s=(1.5, 3.0)),
    Plan("a bumped camera", "three_people", length_s=6.0, bumped_s=1.5),
    Plan("a person half out", "half_out"),
    Plan("one standing", "standing", length_s=3.0),
)
# Made after the rules and constants of the people part, which were not chosen by any of them.
NEW_PLANS = (
    Plan("four mingling", "mingling"),
    Plan("one circling another", "circling", length_s=6.0),
    Plan("leaving and back elsewhere", "leaving", length_s=9.0),
    Plan("carrying a poster", "poster"),
    Plan("behind a desk", "desk"),
    Plan("a crowd of ten", "crowd", length_s=4.0),
    Plan("views that barely overlap", "corridor", cameras=3, length_s=6.0),
    Plan("hugging in the same clothes", "hugging", length_s=7.0),
)
PLANS = OLD_PLANS + NEW_PLANS


def key_of(title: str) -> str:
    """A title as it is written on a command line."""
    return title.replace(" ", "_")


def plans_named(names: Sequence[str]) -> tuple[Plan, ...]:
    """Of titles, with spaces or underscores, or old, new, all. Raises ValueError for another name."""
    groups = {"old": OLD_PLANS, "new": NEW_PLANS, "all": PLANS} | {key_of(plan.title): (plan,) for plan in PLANS}
    unknown = [name for name in names if key_of(name) not in groups]
    if unknown:
        raise ValueError(f"there is no scene '{unknown[0]}'; there are {', '.join(groups)}")
    return tuple(dict.fromkeys(plan for name in names for plan in groups[key_of(name)]))


def render_sequence(
    plan: Plan,
    seed: int = 0,
    rate_hz: float = RATE_HZ,
    stores: dict | None = None,
    folder: Path | None = None,
) -> SyntheticSequence:
    """A plan's scene at a rate. `stores` keeps what was rendered, for other rates and for plans that share a scene.

    Raises ValueError where 30 is no multiple of the rate: every rate thins the same images.
    """
    step = round(BASE_RATE_HZ / rate_hz) if rate_hz > 0 else 0
    if step < 1 or abs(step * rate_hz - BASE_RATE_HZ) > 1e-6:
        raise ValueError(f"the rate is {rate_hz:g} sets a second; it must divide {BASE_RATE_HZ}, as 3, 10 and 30 do")
    key = (plan.scene, plan.cameras, seed)
    stores = {} if stores is None else stores
    if key not in stores:
        stores[key] = FrameStore(*key, folder)
    store = stores[key]
    moments = range(0, round(plan.length_s * BASE_RATE_HZ), step)
    calibrations, poses = zip(*store.scene.cameras)
    poses = tuple(np.asarray(pose, float) for pose in poses)
    truth = tuple(store.truth(moment) for moment in moments)
    return SyntheticSequence(plan, calibrations, poses, Thinned(store, moments), truth, rate_hz)
