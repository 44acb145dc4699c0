"""Following people: numbers that stay, births after some hits, deaths after some seconds, and coming back.

A followed person's identity is carried by the prediction: the crop of the next set is cut where the body is expected,
so boxes never hand an identity over. Detections confirm that somebody is still there; what nobody explains is a
candidate for somebody new or somebody lost. Every assignment is scipy's linear_sum_assignment.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import linear_sum_assignment

from refit_ros.camera.geometry import clipped, overlap
from refit_ros.estimation.evidence import Evidence
from refit_ros.estimation.settings import Settings
from refit_ros.estimation.smooth import Place, Rotations, Shape
from refit_ros.estimation.solve import Pose

SAME_BOX = 0.2  # a detection may belong to a followed person whose box shares more than this with it
REACH_M = 0.6  # how far from the prediction a lost person may be found again ...
WALKING_M_S = 2.0  # ... and how much farther with each second
DEPTH_SIGMA = 0.2  # of somebody seen by one camera alone, relative
LONGEST_PREDICTION_S = 0.5
VELOCITY_MEMORY_S = 0.25
WANDERING_MEMORY = 0.2  # share of a new set in how often somebody wanders ...
WANDERS = 0.6  # ... above which he is nobody
REMEMBERED_S = 0.25  # somebody who was seen for a moment only is not waited for longer than he was seen, or this
DOUBLE_M = 0.3  # two people nearer than this on average over their joints are one


@dataclass(eq=False)  # a person is himself, whatever his pose
class Track:
    """One person over time; `pose` is the raw estimate of the last set in which somebody looked."""

    pose: Pose
    stamp_s: float
    seen_s: float  # when he was last seen: confirmed by a detection, or looked at
    born_s: float = 0.0  # when he was first seen
    number: int | None = None  # given once he was confirmed birth_hits times
    hits: int = 1
    caution: int = 1  # times birth_hits that must be seen of him before he gets a number
    confidence: float = 1.0
    velocity: np.ndarray = field(default_factory=lambda: np.zeros(3))
    missed: dict[str, int] = field(default_factory=dict)  # camera: calls of the detector without a box of his
    lost: bool = False  # no camera confirmed him when the detector last looked
    fresh: bool = True  # estimated from pictures in the current set
    jumps: int = 0  # sets in a row in which the estimate was too far off to be believed
    wandering: float = 0.0  # 0 .. 1: of the last sets, in how many he was not where a person would have been
    leapt: bool = False  # in this set
    misfit: float = 0.0  # residual over size, of the last set
    evidence: Evidence | None = None  # of the last look
    shape: Shape = field(default_factory=Shape)
    place: Place | None = None
    rotations: Rotations | None = None
    steady: Pose | None = None  # what is published
    steady_s: float = 0.0

    def predicted(self, stamp_s: float) -> Pose:
        """Where the person should be at a later time, walking on as before."""
        return self.pose.moved(self.velocity * np.clip(stamp_s - self.stamp_s, 0.0, LONGEST_PREDICTION_S))

    def note_steps(self, wanders: bool) -> None:
        """Whether in this set he lies farther from where he was expected than people do; a newcomer begins anew then."""
        self.wandering += WANDERING_MEMORY * (wanders - self.wandering)
        self.leapt = wanders
        if wanders and self.number is None:
            self.hits = 1

    def take(self, pose: Pose, stamp_s: float) -> None:
        """A new estimate from pictures."""
        step = stamp_s - self.stamp_s
        if self.leapt:  # a leap is a mistake, the last one or this one: no velocity is learned from it
            self.velocity = 0.5 * self.velocity
        elif 0 < step < 1.0:
            share = step / (step + VELOCITY_MEMORY_S)
            velocity = (pose.joints[0] - self.pose.joints[0]) / step
            speed = np.linalg.norm(velocity)
            velocity *= min(1.0, 2 * WALKING_M_S / max(speed, 1e-9))
            self.velocity = self.velocity + share * (velocity - self.velocity)
        elif step:
            self.velocity = np.zeros(3)
        self.pose, self.stamp_s, self.fresh = pose, stamp_s, True


class Tracks:
    """Everybody who is followed, and those who left a short while ago."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.alive: list[Track] = []
        self._gone: list[Track] = []
        self._next = 1
        # Where the whole picture is the box there is no detector whose first word could be wrong.
        self._birth_hits = 1 if settings.detector == "full_image" else settings.birth_hits

    @property
    def somebody_is_missing(self) -> bool:
        """Nobody there, somebody not yet sure, or somebody lost: the detector should look."""
        return not self.alive or any(track.number is None or track.lost for track in self.alive)

    def hit(self, track: Track, stamp_s: float) -> None:
        """A detection confirmed the person in this set."""
        if track.seen_s != stamp_s:
            track.hits += 1
        track.seen_s, track.lost = stamp_s, False

    def number_the_sure(self) -> None:
        """Numbers for those who were confirmed often enough and were looked at in this set."""
        for track in self.alive:
            if track.number is None and track.fresh and track.hits >= self._birth_hits * track.caution:
                track.number, self._next = self._next, self._next + 1

    def adopt(
        self,
        poses: list[Pose],
        confidences: list[float],
        single: list[bool],
        stamp_s: float,
        caution: list[int] | None = None,
    ) -> list[Track]:
        """New people: those lost or gone who are found again keep their number, the others are born. Returns a track each.

        single[i]: seen by one camera alone, whose depth is known to a fifth only. caution[i]: how many times birth_hits
        he must be seen before he gets a number.
        """
        known = [track for track in self.alive if track.lost or not track.fresh] + self._gone
        owner: dict[int, Track] = {}
        if known and poses:
            cost = np.array(
                [[self._distance(track, pose, one, stamp_s) for pose, one in zip(poses, single)] for track in known]
            )
            for row, column in zip(*linear_sum_assignment(np.minimum(cost, 1e3))):
                if cost[row, column] <= 1:
                    owner[int(column)] = known[row]
        tracks = []
        for index, (pose, confidence) in enumerate(zip(poses, confidences)):
            track = owner.get(index)
            if track is None:
                track = Track(pose, stamp_s, stamp_s, born_s=stamp_s, confidence=confidence, hits=0)
                track.caution = caution[index] if caution else 1
            else:
                track.steady = track.place = track.rotations = None
                track.velocity, track.wandering = np.zeros(3), 0.0
            track.pose, track.stamp_s, track.fresh, track.missed = pose, stamp_s, True, {}
            track.confidence = confidence
            track.seen_s = -np.inf  # this set counts; a small step back would be lost in stamps as large as those of today
            if track in self._gone:
                self._gone.remove(track)
            if not any(track is other for other in self.alive):
                self.alive.append(track)
            self.hit(track, stamp_s)
            tracks.append(track)
        return tracks

    def _distance(self, track: Track, pose: Pose, single: bool, stamp_s: float) -> float:
        """In units of how far the person may have come: up to 1 he may be the same."""
        away = max(0.0, stamp_s - track.stamp_s)
        reach = REACH_M + WALKING_M_S * away
        if single:
            reach += DEPTH_SIGMA * 4.0  # a fifth of some four metres, without asking which camera it was
        return float(np.linalg.norm(track.predicted(stamp_s).joints[0] - pose.joints[0]) / reach)

    def bury(self, stamp_s: float) -> None:
        """Takes out those unseen for death_s, unsure ones at once, doubles, and forgets those long gone."""
        for track in list(self.alive):
            unsure = track.number is None and track.lost
            patience_s = min(self._settings.death_s, max(track.seen_s - track.born_s, REMEMBERED_S))
            if unsure or stamp_s - track.seen_s > patience_s or stamp_s < track.seen_s - 1.0:
                self._remove(track)
        self.merge(self._doubles())
        self._gone = [track for track in self._gone if abs(stamp_s - track.seen_s) <= self._settings.reentry_s]

    def merge(self, pairs: list[tuple[Track, Track]]) -> None:
        """Of each pair the one who is known longer goes on for both."""
        for pair in pairs:
            both = [track for track in self.alive if track in pair]
            if len(both) == 2:
                self._remove(min(both, key=lambda track: (track.number is not None, track.hits)))

    def drop_wanderers(self) -> None:
        """Takes out those who are seldom where a person would be: furniture and the like."""
        for track in [track for track in self.alive if track.wandering > WANDERS]:
            self._remove(track)

    def impostors(self, poses: dict[int, Pose], tracks: list[Track], stamp_s: float) -> set[int]:
        """Whose new pose is really somebody else's: {position in tracks}, of poses by position in tracks.

        When one person hides another the network may see the front one in both crops. The pose then belongs to whoever
        was expected there; the other keeps his prediction. Two who were expected in one place are doubles, not impostors.
        """
        away = {number: _apart(tracks[number].predicted(stamp_s), pose) for number, pose in poses.items()}
        found: set[int] = set()
        numbers = sorted(poses)
        for index, first in enumerate(numbers):
            for second in numbers[index + 1 :]:
                same_now = _apart(poses[first], poses[second]) < DOUBLE_M
                same_before = _apart(tracks[first].predicted(stamp_s), tracks[second].predicted(stamp_s)) < DOUBLE_M
                if same_now and not same_before:
                    found.add(max(first, second, key=away.__getitem__))
        return found

    def _doubles(self) -> list[tuple[Track, Track]]:
        fresh = [track for track in self.alive if track.fresh]
        pairs = []
        for index, first in enumerate(fresh):
            for second in fresh[index + 1 :]:
                if _apart(first.pose, second.pose) < DOUBLE_M:
                    pairs.append((first, second))
        return pairs

    def _remove(self, track: Track) -> None:
        self.alive = [other for other in self.alive if other is not track]
        if track.number is not None:
            track.lost = True
            self._gone.append(track)

    def steady(self, track: Track, stamp_s: float) -> Pose:
        """What is published: the raw pose at smoothing 0, else the filtered one."""
        smoothing = self._settings.smoothing
        if smoothing == 0:
            return track.pose if track.fresh else track.predicted(stamp_s)
        pose = track.pose if track.fresh else track.predicted(stamp_s)
        if track.steady is None or not 0 < stamp_s - track.steady_s < 1.0:
            track.place, track.rotations = Place(smoothing), Rotations(smoothing)
        step = max(stamp_s - track.steady_s, 1e-3)
        pelvis = track.place(pose.joints[0], step)
        rotmats = track.rotations(pose.rotmats, step)
        # The joints that belong to these rotations are the caller's to compute; the pelvis stands already.
        track.steady = Pose(rotmats, pose.betas, pose.transl + pelvis - pose.joints[0], pose.joints)
        track.steady_s = stamp_s
        return track.steady


def _apart(first: Pose, second: Pose) -> float:
    """Mean distance of the joints, m."""
    return float(np.linalg.norm(first.joints - second.joints, axis=-1).mean())


def assign(expected: np.ndarray, found: np.ndarray, width_px: int, height_px: int) -> dict[int, int]:
    """Which detection (M, 4) confirms which expected box (N, 4) in one picture: {expected: found}."""
    if not len(expected) or not len(found):
        return {}
    shared = overlap(clipped(expected, width_px, height_px), found)
    rows, columns = linear_sum_assignment(-np.where(shared > SAME_BOX, shared, 0.0))
    return {int(r): int(c) for r, c in zip(rows, columns) if shared[r, c] > SAME_BOX}
