"""How far estimated people lie from the true ones, over the sets of a scene."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from refit_ros.camera.geometry import overlap
from refit_ros.estimation.types import People
from refit_ros.evaluation.sequences import RATE_HZ, Rehearsal

SAME_M = 1.0  # an estimate farther than this from a true person (mean over the joints) is not that person
SETTLED_S = 0.5  # the first moments count for identities, not for errors
WRONG_SHARE = (
    0.5  # a view's box is of somebody else when it shares less than this with its person's, relative to the other's
)


def aligned(points: np.ndarray, onto: np.ndarray) -> np.ndarray:
    """Points (N, 3) turned, scaled and moved to lie best on `onto` (Umeyama, PAMI 1991)."""
    a, b = points - points.mean(0), onto - onto.mean(0)
    u, s, vt = np.linalg.svd(b.T @ a)
    sign = np.array([1, 1, np.sign(np.linalg.det(u @ vt))])
    return (s * sign).sum() / max((a * a).sum(), 1e-12) * a @ (u * sign @ vt).T + onto.mean(0)


@dataclass
class Tally:
    """Collects one run; `figures` sums it up."""

    rehearsal: Rehearsal
    errors: dict[str, list[float]] = field(
        default_factory=lambda: {key: [] for key in ("mpjpe", "pa", "pelvis", "absolute", "one_sigma", "two_sigma")}
    )
    paths: dict[tuple[int, int], list] = field(default_factory=dict)  # (true, estimated id): (time, joints, true joints)
    iterations: list[int] = field(default_factory=list)
    detector_calls: int = 0
    looked: int = 0  # pictures that came
    seconds: list[float] = field(default_factory=list)
    wrong_matches: int = 0
    moved: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        import motmetrics

        self._tracks = motmetrics.MOTAccumulator(auto_id=True)

    def take(self, time_s: float, people: People, truth: tuple) -> None:
        """One set's estimate beside the truth."""
        self.iterations.append(people.iterations)
        self.detector_calls += people.detector_calls
        self.looked += len(people.cameras)
        self.seconds.append(people.timings_s.get("total", 0.0))
        self.moved |= set(people.moved_cameras)
        distance = np.array(
            [
                [np.linalg.norm(person.joints - np.asarray(true.joints), axis=-1).mean() for person in people.people]
                for true in truth
            ]
        ).reshape(len(truth), len(people.people))
        distance[distance > SAME_M] = np.nan
        self._tracks.update([true.id for true in truth], [person.id for person in people.people], distance)
        events = self._tracks.mot_events.loc[self._tracks.mot_events.index.get_level_values(0).max()]
        for _, event in events.iterrows():
            if event.Type in ("MATCH", "SWITCH"):
                true = next(one for one in truth if one.id == event.OId)
                person = next(one for one in people.people if one.id == event.HId)
                self._pair(time_s, person, true, truth)

    def _pair(self, time_s: float, person, true, truth) -> None:
        joints, exact = person.joints, np.asarray(true.joints, float)
        self.paths.setdefault((true.id, person.id), []).append((time_s, joints, exact))
        self.wrong_matches += sum(self._is_somebody_else(view, true, truth) for view in person.views)
        if time_s < SETTLED_S:
            return
        off = np.linalg.norm(joints - exact, axis=-1)
        self.errors["absolute"].append(off.mean())
        self.errors["mpjpe"].append(np.linalg.norm(joints - joints[0] - exact + exact[0], axis=-1).mean())
        self.errors["pa"].append(np.linalg.norm(aligned(joints, exact) - exact, axis=-1).mean())
        self.errors["pelvis"].append(off[0])
        self.errors["one_sigma"].append((off <= person.joint_stddev).mean())
        self.errors["two_sigma"].append((off <= 2 * person.joint_stddev).mean())

    def _is_somebody_else(self, view, true, truth) -> bool:
        camera = next(i for i, c in enumerate(self.rehearsal.calibrations) if c.name == view.camera)
        shares = {}
        for one in truth:
            box = self.rehearsal.true_box(one, camera)
            shares[one.id] = 0.0 if box is None else float(overlap(view.box_xyxy_px, box)[0, 0])
        return shares[true.id] < WRONG_SHARE * max(shares.values())

    def figures(self) -> dict[str, float]:
        """mm for MPJPE and PA-MPJPE and jitter, m for the pelvis, ms for lag and time."""
        import motmetrics

        found = motmetrics.metrics.create().compute(self._tracks, metrics=["idf1", "num_switches"], name="run").iloc[0]

        def mean(key: str, scale: float = 1.0) -> float:
            return float(scale * np.mean(self.errors[key])) if self.errors[key] else float("nan")

        jitter, lag = self._motion()
        return {
            "mpjpe_mm": mean("mpjpe", 1e3),
            "pa_mpjpe_mm": mean("pa", 1e3),
            "pelvis_m": mean("pelvis"),
            "idf1": float(found.idf1),
            "id_switches": int(found.num_switches),
            "wrong_matches": self.wrong_matches,
            "jitter_mm": jitter,
            "lag_ms": lag,
            "iterations": float(np.mean(self.iterations)),
            "detector_calls": self.detector_calls,
            "pictures": self.looked,
            "ms": 1e3 * float(np.median(self.seconds)),
            "one_sigma": mean("one_sigma"),
            "two_sigma": mean("two_sigma"),
        }

    def _motion(self) -> tuple[float, float]:
        """Jitter: how much the error changes from set to set, mm. Lag: how far the error points against the motion, ms.

        Of somebody who walks at one speed an offset along the path and a lag are the same thing.
        """
        changes, against, speed2 = [], 0.0, 0.0
        for path in self.paths.values():
            path = [entry for entry in path if entry[0] >= SETTLED_S]
            if len(path) < 4:
                continue
            times = np.array([entry[0] for entry in path])
            error = np.array([entry[1] - entry[2] for entry in path])
            exact = np.array([entry[2] for entry in path])
            near = np.diff(times) < 1.5 / RATE_HZ
            changes.append(np.linalg.norm(np.diff(error, axis=0)[near], axis=-1).ravel())
            velocity = np.gradient(exact, times, axis=0)
            against -= (error * velocity).sum()
            speed2 += (velocity * velocity).sum()
        jitter = 1e3 * float(np.concatenate(changes).mean()) if changes else float("nan")
        moving = speed2 > 0 and sum(len(path) for path in self.paths.values()) and speed2 > 1.0
        return jitter, 1e3 * against / speed2 if moving else float("nan")
