"""Synthetic scenes as views with their truth: what the people suite and the calibration of uncertainty run on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from refit_ros.camera.boxes import Boxes
from refit_ros.camera.geometry import around, matrix_from_axis_angle
from refit_ros.camera.views import View

RATE_HZ = 10.0
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
class Rehearsal:
    """A rendered scene: pictures[set][camera], truth[set] people, believed[set] poses of the cameras."""

    plan: Plan
    calibrations: tuple
    poses: tuple[np.ndarray, ...]  # fixed_from_camera in truth
    pictures: tuple[tuple[np.ndarray, ...], ...]
    truth: tuple[tuple, ...]

    def sets(self, cameras: list[int] | None = None, true_boxes: bool = False) -> Iterator[tuple[float, list[View], tuple]]:
        """Each set: its time, the views that came (of `cameras` only), and the true people."""
        for number, (pictures, people) in enumerate(zip(self.pictures, self.truth)):
            time_s = number / RATE_HZ
            views = []
            for index, picture in enumerate(pictures):
                lost = self.plan.lost_s and index == LOST and self.plan.lost_s[0] <= time_s < self.plan.lost_s[1]
                if lost or (cameras is not None and index not in cameras):
                    continue
                boxes = self.true_boxes(people, index) if true_boxes else None
                views.append(View(picture, self.calibrations[index], time_s, self.believed(index, time_s), boxes))
            yield time_s, views, people

    def believed(self, camera: int, time_s: float) -> np.ndarray:
        """Where the camera is said to stand: after a bump it still says the old place."""
        if self.plan.bumped_s is None or camera != BUMPED or time_s < self.plan.bumped_s:
            return self.poses[camera]
        moved = self.poses[camera].copy()
        moved[:3, :3] = matrix_from_axis_angle(np.array([0, 0, BUMP_RAD])) @ moved[:3, :3]
        moved[:3, 3] += [BUMP_M, 0, 0]
        return moved

    def in_camera(self, points_m: np.ndarray, camera: int) -> np.ndarray:
        """Points (..., 3) m of the fixed frame in the true camera's optical frame."""
        pose = self.poses[camera]
        return (points_m - pose[:3, 3]) @ pose[:3, :3]

    def true_box(self, person, camera: int) -> np.ndarray | None:
        """(4,) px around a true person's joints, a tenth wider; None where most of him is out of the picture."""
        points = self.in_camera(np.asarray(person.joints), camera)
        calibration = self.calibrations[camera]
        if points[:, 2].min() < 0.3 or calibration.sees(points).mean() < 0.3:
            return None
        box = around(calibration.project(points))
        margin = 0.08 * (box[2:] - box[:2]).max()
        return box + margin * np.array([-1, -1, 1, 1])

    def true_boxes(self, people, camera: int) -> Boxes:
        boxes = [box for box in (self.true_box(person, camera) for person in people) if box is not None]
        return Boxes(np.array(boxes).reshape(-1, 4), np.full(len(boxes), 0.9))


PLANS = (
    Plan("one walking", "walking"),
    Plan("two crossing", "crossing"),
    Plan("three people", "three_people"),
    Plan("a camera lost and back", "walking", lost_s=(1.5, 3.0)),
    Plan("a bumped camera", "three_people", length_s=6.0, bumped_s=1.5),
    Plan("a person half out", "half_out"),
    Plan("one standing", "standing", length_s=3.0),
)


def rehearse(plan: Plan, seed: int = 0, shot: dict | None = None) -> Rehearsal:
    """Renders a plan's scene; `shot` keeps what was rendered, for plans that share a scene."""
    from refit_ros.synthetic.scenes import named_scene

    sets = int(round(plan.length_s * RATE_HZ))
    key = (plan.scene, plan.cameras, seed)
    shot = {} if shot is None else shot
    if key not in shot or len(shot[key][2]) < sets:
        names = [f"camera{number + 1}" for number in range(plan.cameras)]
        scene = named_scene(
            plan.scene, cameras=plan.cameras, people=None, seed=seed, width_px=640, height_px=480, names=names
        )
        times = [number / RATE_HZ for number in range(sets)]
        pictures = tuple(tuple(scene.render(time_s, camera) for camera in range(plan.cameras)) for time_s in times)
        shot[key] = (scene, pictures, tuple(tuple(scene.truth(time_s)) for time_s in times))
    scene, pictures, truth = shot[key]
    calibrations, poses = zip(*scene.cameras)
    return Rehearsal(plan, calibrations, tuple(np.asarray(pose, float) for pose in poses), pictures[:sets], truth[:sets])
