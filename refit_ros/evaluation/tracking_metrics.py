"""How far estimated people lie from the true ones, and how well ids are kept, over the sets of a scene."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch

from refit_ros.camera.geometry import overlap
from refit_ros.estimation.types import People
from refit_ros.evaluation.matching import Identities
from refit_ros.evaluation.metrics import aligned_joint_error, distances, joint_error
from refit_ros.evaluation.sequences import SyntheticSequence

SETTLED_S = 0.5  # the first moments count for identities, not for errors
WRONG_SHARE = 0.5  # a crop is of somebody else when its box shares less than this with its person's, relative to the other's


@dataclass(frozen=True)
class _Pair:
    """An estimate and its true person in one set."""

    time_s: float
    true_id: int
    id: int
    joints: np.ndarray  # (24, 3) m
    exact: np.ndarray  # (24, 3) m
    stddev: np.ndarray  # (24,) m


@dataclass
class TrackingMetrics:
    """Collects one run; `figures` sums it up."""

    sequence: SyntheticSequence
    identities: Identities = field(default_factory=Identities)
    pairs: list[_Pair] = field(default_factory=list)
    iterations: list[int] = field(default_factory=list)
    detector_calls: int = 0
    images: int = 0  # that came
    seconds: list[float] = field(default_factory=list)
    wrong_crops: int = 0
    moved: set[str] = field(default_factory=set)

    def take(self, time_s: float, people: People, truth: tuple) -> None:
        """One set's estimate beside the truth."""
        self.iterations.append(people.iterations)
        self.detector_calls += people.detector_calls
        self.images += len(people.cameras)
        self.seconds.append(people.timings_s.get("total", 0.0))
        self.moved |= set(people.moved_cameras)
        joints = [np.asarray(person.joints, float) for person in people.people]
        exact = [np.asarray(true.joints, float) for true in truth]
        in_view = [self._in_view(true, people.cameras) for true in truth]
        found = self.identities.step(
            [person.id for person in people.people],
            joints,
            [true.id for true in truth],
            exact,
            in_view,
            self.sequence.period_s,
        )
        for row, column in found:
            if in_view[column]:
                person, true = people.people[row], truth[column]
                self.pairs.append(_Pair(time_s, true.id, person.id, joints[row], exact[column], person.joint_stddev))
                self.wrong_crops += sum(self._is_somebody_else(view, true, truth) for view in person.views)

    def _in_view(self, true, cameras: tuple[str, ...]) -> bool:
        """Whether a camera that came has a good part of a person in its image, be it behind somebody."""
        return any(
            calibration.name in cameras and self.sequence.true_box(true, index) is not None
            for index, calibration in enumerate(self.sequence.calibrations)
        )

    def _is_somebody_else(self, view, true, truth) -> bool:
        camera = next(i for i, c in enumerate(self.sequence.calibrations) if c.name == view.camera)
        shares = {}
        for one in truth:
            box = self.sequence.true_box(one, camera)
            shares[one.id] = 0.0 if box is None else float(overlap(view.box_xyxy_px, box)[0, 0])
        return shares[true.id] < WRONG_SHARE * max(shares.values())

    def figures(self) -> dict:
        """mm for MPJPE, PA-MPJPE and jitter, m for the pelvis, ms for lag and time, person-seconds for *_s."""
        jitter, lag = self._motion()
        return {
            **self._errors(),
            "idf1": self.identities.idf1,
            "id_switches": self.identities.switches,
            "extra_s": round(self.identities.extra_s, 3),
            "missed_s": round(self.identities.missed_s, 3),
            "true_s": round(self.identities.true_s, 3),
            "wrong_crops": self.wrong_crops,
            "jitter_mm": jitter,
            "lag_ms": lag,
            "iterations": float(np.mean(self.iterations)),
            "detector_calls": self.detector_calls,
            "images": self.images,
            "ms": 1e3 * float(np.median(self.seconds)),
            "moved": sorted(self.moved),
        }

    def _errors(self) -> dict[str, float]:
        settled = [pair for pair in self.pairs if pair.time_s >= SETTLED_S]
        if not settled:
            return dict.fromkeys(("mpjpe_mm", "pa_mpjpe_mm", "pelvis_m", "one_sigma", "two_sigma"), float("nan"))
        joints = torch.from_numpy(np.stack([pair.joints for pair in settled]))
        exact = torch.from_numpy(np.stack([pair.exact for pair in settled]))
        off = distances(joints, exact, root=None).numpy()
        stddev = np.stack([pair.stddev for pair in settled])
        return {
            "mpjpe_mm": 1e3 * float(joint_error(joints, exact).mean()),
            "pa_mpjpe_mm": 1e3 * float(aligned_joint_error(joints, exact).mean()),
            "pelvis_m": float(off[:, 0].mean()),
            "one_sigma": float((off <= stddev).mean()),
            "two_sigma": float((off <= 2 * stddev).mean()),
        }

    def _motion(self) -> tuple[float, float]:
        """Jitter: how much the error changes from set to set, mm. Lag: how far the error points against the motion, ms.

        Of somebody who walks at one speed an offset along the path and a lag are the same thing.
        """
        paths: dict[tuple[int, int], list[_Pair]] = {}
        for pair in self.pairs:
            if pair.time_s >= SETTLED_S:
                paths.setdefault((pair.true_id, pair.id), []).append(pair)
        changes, against, speed2 = [], 0.0, 0.0
        for path in paths.values():
            if len(path) < 4:
                continue
            times = np.array([pair.time_s for pair in path])
            exact = np.array([pair.exact for pair in path])
            error = np.array([pair.joints for pair in path]) - exact
            near = np.diff(times) < 1.5 * self.sequence.period_s
            changes.append(np.linalg.norm(np.diff(error, axis=0)[near], axis=-1).ravel())
            velocity = np.gradient(exact, times, axis=0)
            against -= (error * velocity).sum()
            speed2 += (velocity * velocity).sum()
        jitter = 1e3 * float(np.concatenate(changes).mean()) if changes else float("nan")
        return jitter, 1e3 * against / speed2 if speed2 > 1.0 else float("nan")
