"""One person over time, as a value, and how it changes: predicted, seen, missed, born."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from refit_ros.camera.views import Camera
from refit_ros.estimation.evidence import Evidence, evidence
from refit_ros.estimation.pose import Pose
from refit_ros.estimation.smooth import Shape
from refit_ros.estimation.solve import FusedEstimate
from refit_ros.tracking import existence, root_state
from refit_ros.tracking.config import TrackerConfig
from refit_ros.tracking.contact import predict_together
from refit_ros.tracking.depth_scale import DepthScale
from refit_ros.tracking.existence import LogOdds
from refit_ros.tracking.measurement import PredictedBody, pose_distance2
from refit_ros.tracking.root_state import RootState

IN_SIGHT = 1.0  # log odds that nothing but people stands between a camera and a person, before any look ...
MOST_IN_SIGHT = 2.0  # ... and at most, so that somebody who steps behind a cupboard is soon no longer looked for there


@dataclass(frozen=True)
class Track:
    """One person; `root` and `pose` are of the last sets in which something was seen of them."""

    key: int  # its own from birth on; ids are given later and not to everybody
    root: RootState
    pose: Pose  # the raw estimate
    pose_s: float  # when it was seen
    pose_root_m: np.ndarray  # (3,) m: where `root` was then
    seen_s: float  # when they were last seen: found by a detector, or looked at and not denied by it
    looked_s: float  # when a detector last looked where they should be
    evidence: Evidence  # of the last look at them
    id: int | None = None
    hits: int = 1  # images in which a detector found them
    log_odds: LogOdds = field(default_factory=LogOdds)  # that this is a person at all
    confidence: float = 1.0  # of the detector's boxes, averaged
    lost: bool = False  # no camera found them when the detector last looked
    fresh: bool = True  # estimated from images in the current set
    shape: Shape = field(default_factory=Shape)
    depth: DepthScale = DepthScale()  # by how much single views take them for nearer or farther
    in_sight: Mapping[str, float] = field(default_factory=dict)  # camera: log odds that it can see them where they are

    @property
    def is_sure(self) -> bool:
        """Known to be there: who is not yet, or no longer, hides nobody else."""
        return self.id is not None and not self.lost


def predicted_pose(track: Track, root: RootState) -> Pose:
    """Their last pose, where they should be by now."""
    return track.pose.moved(root.position_m - track.pose_root_m)


def predicted_bodies(tracks: Sequence[Track], stamp_s: float, config: TrackerConfig) -> list[PredictedBody]:
    """Where and how everybody should be at a time. Who has no id yet, or is lost, is in nobody's way."""
    solid = [track.id is not None and not track.lost for track in tracks]
    roots = predict_together([track.root for track in tracks], solid, stamp_s, config)
    return [
        PredictedBody(root, predicted_pose(track, root).joints, max(stamp_s - track.pose_s, 0.0), track.depth)
        for track, root in zip(tracks, roots)
    ]


def accepted(
    track: Track,
    root: RootState,
    solved: FusedEstimate,
    cameras: Sequence[Camera],
    missed: Sequence[float],
    learn_shape: bool,
    config: TrackerConfig,
) -> Track:
    """After an estimate that is theirs, at the time of `root`, their predicted state.

    `missed`: of each camera whose crop was of somebody else, the probability with which it should have shown them.
    """
    step_s = root.stamp_s - track.pose_s
    pelvis_m = solved.pose.joints[0]
    used = [cameras[view.crop.camera] for view in solved.views]
    root = root_state.update(root, pelvis_m, root_state.jitter_information(pelvis_m, used, config))
    there = existence.still_there(pose_distance2(solved.pose.joints, track.pose.joints, step_s, config), config)
    entry = (len(used) * there + sum(map(existence.missed, missed))) / (len(used) + len(missed))
    return replace(
        track,
        root=root,
        pose=solved.pose,
        pose_s=root.stamp_s,
        pose_root_m=root.position_m,
        seen_s=track.seen_s if track.lost else root.stamp_s,
        log_odds=track.log_odds.watching(existence.discount(step_s, config) * entry, config),
        fresh=True,
        shape=track.shape.learned(solved.views[0].betas, float(len(solved.views))) if learn_shape else track.shape,
        evidence=evidence(solved, cameras),
        depth=_depth_learned(track.depth, solved, cameras, config),
    )


def _depth_learned(depth: DepthScale, solved: FusedEstimate, cameras: Sequence[Camera], config: TrackerConfig) -> DepthScale:
    used = [cameras[view.crop.camera] for view in solved.views]
    seen_m = [camera.to_fixed(view.joints_m[:1])[0] for camera, view in zip(used, solved.views)]
    places_m = [camera.fixed_from_camera[:3, 3] for camera in used]
    return depth.learned(solved.pose.joints[0], seen_m, places_m, config)


def refused(track: Track, root: RootState, missed: Sequence[float], step_s: float, config: TrackerConfig) -> Track:
    """After a set, `step_s` after the last one, in which no estimate is theirs; `root` is their predicted state."""
    entry = sum(map(existence.missed, missed)) / len(missed) if missed else 0.0
    log_odds = track.log_odds.watching(existence.discount(step_s, config) * entry, config)
    return replace(track, root=root, fresh=False, log_odds=log_odds)


def born(
    key: int,
    solved: FusedEstimate,
    confidence: float,
    log_odds: float,
    cameras: Sequence[Camera],
    stamp_s: float,
    config: TrackerConfig,
) -> Track:
    """Somebody whom no track explains."""
    pelvis_m = solved.pose.joints[0]
    used = [cameras[view.crop.camera] for view in solved.views]
    information = root_state.jitter_information(pelvis_m, used, config)
    root = root_state.start(pelvis_m, np.linalg.inv(information), stamp_s, config)
    return Track(
        key,
        root,
        solved.pose,
        stamp_s,
        pelvis_m,
        stamp_s,
        stamp_s,
        evidence(solved, cameras),
        hits=len(solved.views),
        log_odds=LogOdds().hearing(log_odds, config),
        confidence=confidence,
        shape=Shape().learned(solved.views[0].betas, weight=float(len(solved.views))),
        depth=_depth_learned(DepthScale(), solved, cameras, config),
    )
