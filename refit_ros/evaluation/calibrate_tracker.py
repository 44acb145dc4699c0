"""Fits what the tracker takes people, the network and the detector to do, on synthetic scenes with known truth.

    python -m refit_ros.evaluation.calibrate_tracker [--seeds 4]

Prints what TrackerConfig (refit_ros/tracking/config.py) holds beside its own values as (drawn: ...), from CALIBRATION_SEEDS.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from refit_ros.camera.geometry import clipped, overlap
from refit_ros.estimation.estimator import Estimator
from refit_ros.estimation.settings import Settings
from refit_ros.evaluation.matching import distances_m, match
from refit_ros.evaluation.seeds import CALIBRATION_SEEDS
from refit_ros.evaluation.sequences import Plan, SyntheticSequence, render_sequence
from refit_ros.tracking.config import DEFAULT

SCENES = ("walking", "crossing", "three_people", "standing", "half_out")
PLANS = tuple(Plan(scene, scene, length_s=3.0) for scene in SCENES)
RATES_HZ = (3.0, 10.0)
HELD = 0.68  # one sigma holds this share
SAME_BOX = 0.3  # of a true box and one that was found
IN_THE_OPEN = 0.95


@dataclass
class Samples:
    """What was seen beside the truth; each list holds one number an observation."""

    across_m: list = field(default_factory=list)  # a view's pelvis, across the ray
    along: list = field(default_factory=list)  # likewise along it, logarithm of the depth
    across_change_m: list = field(default_factory=list)  # how much these change from one set to the next
    along_change: list = field(default_factory=list)
    pose: list = field(default_factory=list)  # (step_s, mean distance of the joints about the pelvis, m)
    velocity: list = field(default_factory=list)  # (step_s, change of the true velocity, m/s, each axis)
    box: list = field(default_factory=list)  # middle of a box, of its size
    box_height: list = field(default_factory=list)  # logarithm
    expected: int = 0  # people in the open in an image that was looked at ...
    found: int = 0  # ... and those found
    images: int = 0
    false_alarms: int = 0


class _Observed(Estimator):
    """An estimator whose stages are looked at."""

    def _concluded(self, frame, predictions, detections, cameras, *rest):
        self.seen = frame, predictions, detections, cameras
        return super()._concluded(frame, predictions, detections, cameras, *rest)


def collect(network, settings: Settings, sequence: SyntheticSequence, into: Samples) -> None:
    """Adds what one run shows."""
    estimator = _Observed(network, settings)
    errors: dict[tuple[int, str], tuple[np.ndarray, float]] = {}
    poses: dict[int, tuple[float, np.ndarray]] = {}
    for time_s, views, truth in sequence.sets():
        estimator.estimate(views)
        frame, _, detections, cameras = estimator.seen
        estimates = list(frame.followed.values())
        exact = [np.asarray(true.joints, float) for true in truth]
        for row, column in match(distances_m([each.pose.joints for each in estimates], exact)):
            person = truth[column].id
            joints = estimates[row].pose.joints
            before_s, before = poses.get(person, (time_s, joints))
            if time_s > before_s:
                into.pose.append(
                    (time_s - before_s, np.linalg.norm(joints - joints[0] - before + before[0], axis=-1).mean())
                )
            poses[person] = time_s, joints
            for view in estimates[row].views:
                _note_view(view, cameras, exact[column], errors, person, into)
        _note_boxes(detections, sequence, truth, cameras, into)
    _note_motion(sequence, into)


def _note_view(view, cameras, exact_m: np.ndarray, errors: dict, person: int, into: Samples) -> None:
    camera = cameras[view.crop.camera]
    true, seen = camera.to_camera(exact_m[0]), view.joints_m[0]
    across = (seen[:2] / seen[2] - true[:2] / true[2]) * true[2]
    along = float(np.log(seen[2] / true[2]))
    into.across_m += across.tolist()
    into.along.append(along)
    before = errors.get((person, camera.name))
    if before is not None:
        into.across_change_m += (across - before[0]).tolist()
        into.along_change.append(along - before[1])
    errors[person, camera.name] = across, along


def _note_boxes(detections, sequence: SyntheticSequence, truth, cameras, into: Samples) -> None:
    names = [calibration.name for calibration in sequence.calibrations]
    for index, boxes in detections.boxes.items():
        calibration, camera = cameras[index].calibration, names.index(cameras[index].name)
        size_px = calibration.width_px, calibration.height_px
        true = [sequence.true_box(person, camera) for person in truth]
        true = np.array([clipped(box, *size_px) for box in true if box is not None]).reshape(-1, 4)
        shared = overlap(true, boxes.xyxy_px)
        among = overlap(true, true) - np.eye(len(true))
        into.images += 1
        into.false_alarms += int((shared.max(0, initial=0.0) < SAME_BOX).sum())
        for row, box in enumerate(true):
            if len(true) > 1 and among[row].max() > 1 - IN_THE_OPEN:
                continue
            into.expected += 1
            if not len(boxes.confidence) or shared[row].max() < SAME_BOX:
                continue
            into.found += 1
            best = boxes.xyxy_px[int(shared[row].argmax())]
            into.box += (((best[:2] + best[2:]) - (box[:2] + box[2:])) / 2 / (box[2:] - box[:2]).max()).tolist()
            into.box_height.append(float(np.log((best[3] - best[1]) / (box[3] - box[1]))))


def _note_motion(sequence: SyntheticSequence, into: Samples) -> None:
    paths: dict[int, list[np.ndarray]] = {}
    for people in sequence.truth:
        for person in people:
            paths.setdefault(person.id, []).append(np.asarray(person.joints[0], float))
    for path in paths.values():
        velocity = np.diff(np.array(path), axis=0) / sequence.period_s
        for step in (1, 2, 4):
            change = (velocity[step:] - velocity[:-step])[:, :2]
            into.velocity += [(step * sequence.period_s, value) for value in change.ravel()]


def fitted(samples: Samples) -> dict[str, float]:
    """The fields of TrackerConfig that the samples decide. Sigmas are the distance that holds 68 % of what was seen."""

    def sigma(values: Sequence[float]) -> float:
        return float(np.quantile(np.abs(values), HELD)) if len(values) else float("nan")

    pose = np.array(samples.pose)
    moments = pose[:, 0].round(3)
    by_step = {step: np.quantile(pose[moments == step, 1], HELD) for step in np.unique(moments)}
    steps, sizes = np.array(list(by_step)), np.array(list(by_step.values()))
    # sigma^2 = pose_sigma^2 + (pose_change step)^2, least squares in the squares.
    still, change = np.linalg.lstsq(np.stack([np.ones_like(steps), steps**2], 1), sizes**2, rcond=None)[0]
    velocity = np.array(samples.velocity)
    memory_s = DEFAULT.velocity_memory_s
    # Of an Ornstein-Uhlenbeck velocity, the mean square of a change over a step is q memory (1 - exp(-step / memory)).
    density = (velocity[:, 1] ** 2).mean() / (memory_s * (1 - np.exp(-velocity[:, 0] / memory_s))).mean()
    return {
        "acceleration_m2_s3": float(density),
        "pose_sigma_m": float(np.sqrt(max(still, 1e-6))),
        "pose_change_m_s": float(np.sqrt(max(change, 1e-6))),
        "bearing_jitter_m": sigma(samples.across_change_m) / np.sqrt(2),
        "depth_jitter": sigma(samples.along_change) / np.sqrt(2),
        "bearing_sigma_m": sigma(samples.across_m),
        "depth_sigma": sigma(samples.along),
        "recall": samples.found / max(samples.expected, 1),
        "false_alarms": samples.false_alarms / max(samples.images, 1),
        "box_sigma": sigma(samples.box),
        "box_size_sigma": sigma(samples.box_height),
    }


def main() -> int:
    from refit_ros.core.checkpoint import load_network
    from refit_ros.core.inference import prepare

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=4, help="scenes of each kind, 15 at most (4)")
    parser.add_argument("--images", type=Path, help="folder in which rendered images are kept for other runs")
    parser.add_argument("--weights", help="other weights than the embedded ones")
    args = parser.parse_args()
    network, samples = prepare(load_network(args.weights)), Samples()
    for seed in CALIBRATION_SEEDS[: args.seeds]:
        stores: dict = {}
        for plan in PLANS:
            for rate_hz in RATES_HZ:
                # Every set is looked at by the detector, so that every image tells something of it.
                settings = Settings(detector_interval=1)
                collect(network, settings, render_sequence(plan, seed, rate_hz, stores, args.images), samples)
            print(f"seed {seed}, {plan.title}: {samples.images} images", flush=True)
    for name, value in fitted(samples).items():
        print(f"{name} = {value:.4f}   (now {getattr(DEFAULT, name):g})")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
