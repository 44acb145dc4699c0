"""`evaluate --suite recording`: what is published of one person in a real recording, against another tool's joints."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from pathlib import Path

import numpy as np
import torch

from refit_ros.camera.image_bytes import write_image_file
from refit_ros.camera.views import View
from refit_ros.core.body import Body
from refit_ros.core.errors import InputError
from refit_ros.estimation.overlay import draw_overlay
from refit_ros.evaluation.metrics import similarity_aligned
from refit_ros.evaluation.recording_files import CameraFile, common_rate_hz, read_cameras, read_frames, read_truth
from refit_ros.evaluation.truth import Truth

OWN_M = 1.0  # an estimate whose limbs are on average nearer to the truth is of that person; any other is of nobody
OVERLAYS = 4  # images drawn of each way to run
MOST_CUT_PX = 16  # a macroblock of video encoders


@dataclass
class Run:
    """What was published with some of the cameras."""

    cameras: tuple[str, ...]
    sets: int = 0
    published: int = 0
    others: int = 0  # estimates of nobody, or of people whom the truth does not know
    switches: int = 0
    errors_m: list[np.ndarray] = field(default_factory=list)  # (n,) of a set
    aligned_m: list[np.ndarray] = field(default_factory=list)
    sigmas: list[np.ndarray] = field(default_factory=list)  # error over joint_stddev, the distance within which 68 % lie
    doubt: str = ""  # a sentence where the cameras cannot stand or see as their calibration says
    _number: int | None = None

    def add(self, people, truth: np.ndarray, joints: list[int]) -> None:
        """truth (n, 3) m, NaN where there is none; a set of which nothing is known is not counted."""
        known = np.isfinite(truth).all(1)
        if not known.any():
            return
        self.sets += 1
        off = [np.linalg.norm(one.joints[joints] - truth, axis=1)[known].mean() for one in people]
        best = int(np.argmin(off)) if off and min(off) < OWN_M else None
        self.others += len(off) - (best is not None)
        if best is None:
            return
        own = people[best]
        self.published += 1
        self.switches += self._number is not None and self._number != own.id
        self._number = own.id
        points = own.joints[joints][known]
        error = np.linalg.norm(points - truth[known], axis=1)
        both = (torch.from_numpy(value)[None] for value in (points, truth[known]))
        first, second = both
        self.errors_m.append(error)
        self.aligned_m.append((similarity_aligned(first, second) - second).norm(dim=-1)[0].numpy())
        self.sigmas.append(error / own.joint_stddev[joints][known])

    def figures(self) -> dict[str, float | str]:
        result: dict[str, float | str] = {
            "cameras": "+".join(self.cameras),
            "sets": self.sets,
            "published_share": round(self.published / max(self.sets, 1), 4),
            "others": self.others,
            "id_switches": self.switches,
        }
        if self.errors_m:
            error, aligned, sigma = (np.concatenate(value) for value in (self.errors_m, self.aligned_m, self.sigmas))
            result |= {
                "median_mm": round(1000 * float(np.median(error)), 1),
                "mean_mm": round(1000 * float(error.mean()), 1),
                "pa_mm": round(1000 * float(aligned.mean()), 1),
                "within_1_sigma": round(float((sigma < 1).mean()), 3),
                "within_2_sigma": round(float((sigma < 2).mean()), 3),
            }
        return result


@dataclass(frozen=True)
class Recording:
    """What the cameras saw at some moments, and another tool's joints."""

    cameras: list[CameraFile]
    truth: Truth
    images: dict[str, dict[int, np.ndarray]]  # RGB, by the camera's name and the frame's number
    numbers: list[int]  # of the frames that all cameras have
    rate_hz: float  # of the frames


def read_recording(folder: Path, every: int, say: Callable[[str], None] = lambda _: None) -> Recording:
    """One frame in so many. Raises InputError with a sentence."""
    cameras, truth = read_cameras(folder), read_truth(folder)
    lost = [camera.calibration.name for camera in cameras if camera.world_from_camera is None]
    if lost:
        raise InputError(f"{folder}: camera '{lost[0]}' has no rotation and translation; `calibrate` finds them")
    rate_hz = common_rate_hz(folder, cameras)
    truth.check_rate(rate_hz)
    if truth.doubt:
        say(truth.doubt)
    numbers = list(range(0, len(truth.points), every))
    images = {camera.calibration.name: read_frames(camera.video, set(numbers)) for camera in cameras}
    numbers = [number for number in numbers if all(number in each for each in images.values())]
    if not numbers:
        raise InputError(f"{folder}: no frame is in all videos")
    cameras = [as_filmed(camera, images[camera.calibration.name][numbers[0]], say) for camera in cameras]
    return Recording(cameras, truth, images, numbers, rate_hz)


def evaluate_recording(
    folder: Path,
    make_estimator: Callable[[], object],
    body: Body,
    every: int = 3,
    overlays: Path | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> list[dict]:
    """Figures of each camera by itself, of every two, of all together, and of all that are one and two taken as one.

    Raises InputError with a sentence.

    make_estimator: gives a new one each time. every: one frame in so many. overlays: a folder for some images.
    """
    filmed = read_recording(folder, every, say)
    cameras = filmed.cameras
    groups = [[camera] for camera in cameras]
    groups += [list(pair) for pair in combinations(cameras, 2)]
    groups += [cameras] if len(cameras) > 2 else []
    runs: list[Run] = []
    for group in groups:
        runs.append(_played(group, filmed, make_estimator(), body, overlays))
        say(str(runs[-1].figures()))
        if runs[-1].doubt:
            say(f"{'+'.join(runs[-1].cameras)}: {runs[-1].doubt}")
    for count, name in ((1, "each by itself"), (2, "every two")):
        some = [run for run in runs if len(run.cameras) == count]
        if len(some) > 1:
            runs.append(_joined(name, some))
    return [run.figures() for run in runs]


def _joined(name: str, runs: Sequence[Run]) -> Run:
    """What several groups of cameras have seen, as one: medians are of all their joints."""
    whole = Run((name,))
    for run in runs:
        whole.sets, whole.published = whole.sets + run.sets, whole.published + run.published
        whole.others, whole.switches = whole.others + run.others, whole.switches + run.switches
        for mine, theirs in ((whole.errors_m, run.errors_m), (whole.aligned_m, run.aligned_m), (whole.sigmas, run.sigmas)):
            mine += theirs
    return whole


def as_filmed(camera: CameraFile, image: np.ndarray, say: Callable[[str], None]) -> CameraFile:
    """The camera with its video's size: encoders cut a few columns off, and the first pixel stays the first."""
    height, width = image.shape[:2]
    own = camera.calibration
    if (width, height) == (own.width_px, own.height_px):
        return camera
    told = f"{camera.video.name} has {width} x {height} px and is calibrated for {own.width_px} x {own.height_px}"
    if max(abs(width - own.width_px), abs(height - own.height_px)) > MOST_CUT_PX:
        raise InputError(f"{told}: it was scaled or is another camera's")
    say(f"{told}: taken as cut at its right and lower edge")
    return replace(camera, calibration=replace(own, width_px=width, height_px=height))


def _played(group: list[CameraFile], filmed: Recording, estimator, body: Body, overlays: Path | None) -> Run:
    images, numbers, truth = filmed.images, filmed.numbers, filmed.truth
    run = Run(tuple(camera.calibration.name for camera in group))
    drawn = set(numbers[:: max(1, len(numbers) // OVERLAYS)][1 : OVERLAYS + 1]) if overlays else set()
    for number in numbers:
        stamp_s = number / filmed.rate_hz
        views = [View(images[c.calibration.name][number], c.calibration, stamp_s, c.world_from_camera) for c in group]
        found = estimator.estimate(views)
        people, run.doubt = found.people, found.doubt or run.doubt
        run.add(people, truth.points[number], truth.joints)
        for camera in group if number in drawn else []:
            image = images[camera.calibration.name][number]
            pose = np.linalg.inv(camera.world_from_camera)
            overlay = draw_overlay(image, camera.calibration, pose, people, body)
            path = overlays / f"{'+'.join(run.cameras)}_{camera.calibration.name}_{number:06d}.jpg"
            write_image_file(path, overlay)
    return run


def table(rows: list[dict]) -> str:
    """Markdown."""
    head = "| cameras | sets | published | others | id switches | median | mean | PA (mm) | within 1, 2 sigma |"
    lines = [head, "|" + "---|" * 9]
    for row in rows:
        errors = [f"{row[key]:.0f}" if key in row else "-" for key in ("median_mm", "mean_mm", "pa_mm")]
        shares = ", ".join(f"{row[key]:.0%}" for key in ("within_1_sigma", "within_2_sigma") if key in row) or "-"
        lines.append(
            f"| {row['cameras']} | {row['sets']} | {row['published_share']:.0%} | {row['others']} | "
            f"{row['id_switches']} | {' | '.join(errors)} | {shares} |"
        )
    return "\n".join(lines)
