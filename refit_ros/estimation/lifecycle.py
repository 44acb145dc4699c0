"""Who is followed: births, ids, coming back, and leaving."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from refit_ros.camera.history import CLOCK_SET_BACK_S
from refit_ros.camera.views import Camera
from refit_ros.estimation.detections import Detections
from refit_ros.estimation.held_shapes import held_shape
from refit_ros.estimation.pose_estimation import FrameEstimates, Newcomer
from refit_ros.estimation.predicted_views import Prediction, beside, predict_view
from refit_ros.estimation.settings import Settings
from refit_ros.estimation.smooth import Shape
from refit_ros.estimation.solve import FusedEstimate
from refit_ros.estimation.tracks import Track, accepted, born, predicted_bodies, refused
from refit_ros.tracking import existence
from refit_ros.tracking.association import assign
from refit_ros.tracking.config import TrackerConfig
from refit_ros.tracking.existence import LogOdds
from refit_ros.tracking.measurement import pose_distance2, surprise
from refit_ros.tracking.root_state import views_information

CHANCE_TO_RETURN = 0.5
SAME_PLACE_M = 0.2  # two people's pelvises are not nearer to each other than this


@dataclass(frozen=True)
class Everybody:
    """Who is followed, and who left a short while ago."""

    tracks: tuple[Track, ...] = ()
    gone: tuple[Track, ...] = ()
    next_key: int = 1
    next_id: int = 1

    @property
    def somebody_is_missing(self) -> bool:
        """Nobody there, somebody not yet sure, or somebody lost: the detector should look."""
        return not self.tracks or any(track.id is None or track.lost for track in self.tracks)


def brought_up(
    predictions: Sequence[Prediction],
    frame: FrameEstimates,
    cameras: Sequence[Camera],
    held: Mapping[int, np.ndarray],
    before_s: float,
    stamp_s: float,
    config: TrackerConfig,
) -> tuple[Track, ...]:
    """Everybody who was followed, after a set; the last one was at `before_s`."""
    tracks = []
    for number, one in enumerate(predictions):
        missed = [one.seen(camera, cameras) for camera in frame.missed.get(number, ())]
        if number in frame.followed:
            learn = held_shape(one.track.id, held) is None
            tracks.append(accepted(one.track, one.body.state, frame.followed[number], cameras, missed, learn, config))
        else:
            tracks.append(refused(one.track, one.body.state, missed, stamp_s - before_s, config))
    for younger in duplicates(tracks, frame.followed, cameras, config):
        entry = existence.discount(stamp_s - before_s, config) * existence.missed(config.recall)
        # That the body moves as people do speaks for the elder, whose body it is.
        before = predictions[younger].track.log_odds
        tracks[younger] = replace(tracks[younger], log_odds=before.watching(entry, config))
    return tuple(tracks)


def duplicates(
    tracks: Sequence[Track], followed: Mapping[int, FusedEstimate], cameras: Sequence[Camera], config: TrackerConfig
) -> set[int]:
    """Positions of those who may be another one seen by other cameras: in one place, and in no image both.

    In one place: nearer than two people can be, or as near as is known and in one pose. Of somebody who is half out of an
    image that camera makes another pose.
    """
    found = set()
    numbers = sorted(followed, key=lambda number: tracks[number].key)
    for index, younger in enumerate(numbers):
        for elder in numbers[:index]:
            both = [{view.crop.camera for view in followed[number].views} for number in (elder, younger)]
            first, second = (followed[number].pose.joints for number in (elder, younger))
            off = second[0] - first[0]
            if both[0] & both[1]:
                continue
            if np.linalg.norm(off) < SAME_PLACE_M:
                found.add(younger)
            elif pose_distance2(second, first, 0.0, config) < config.gate_sigma**2:
                known = [place_information(followed[number], cameras, config) for number in (elder, younger)]
                if off @ np.linalg.solve(np.linalg.inv(known).sum(0), off) < config.gate_sigma**2:
                    found.add(younger)
    return found


def place_information(estimate: FusedEstimate, cameras: Sequence[Camera], config: TrackerConfig) -> np.ndarray:
    """(3, 3) 1/m^2 that an estimate tells of where somebody is, beside those of other cameras."""
    pelvis_m = estimate.pose.joints[0]
    places_m = [cameras[view.crop.camera].fixed_from_camera[:3, 3] for view in estimate.views]
    return views_information(pelvis_m, places_m, config.bearing_sigma_m, config.depth_sigma)


def admitted(
    everybody: Everybody,
    newcomers: Sequence[tuple[Newcomer, float]],
    cameras: Sequence[Camera],
    stamp_s: float,
    config: TrackerConfig,
    followed: Sequence[FusedEstimate] = (),
) -> tuple[Everybody, dict[int, FusedEstimate]]:
    """With new people and their log odds: who was lost or had left and is back keeps the id, the others are born.

    Unless they are one of `followed`, in this set, as a camera sees them that does not see them well. And the estimate of
    each of them, by the key of their new track.
    """
    if not newcomers:
        return everybody, {}
    known = [track for track in everybody.tracks if track.lost or not track.fresh] + list(everybody.gone)
    squared = np.array(
        [[_distance2(track, new, cameras, stamp_s, config) for new, _ in newcomers] for track in known]
    ).reshape(len(known), len(newcomers))
    gate = surprise(config.gate_sigma**2, 3)
    pairs = assign(squared, np.full(len(known), CHANCE_TO_RETURN), gate, 3)
    owner = {column: known[row] for row, column in pairs.items()}
    key, tracks, gone = everybody.next_key, list(everybody.tracks), list(everybody.gone)
    estimates = {}
    for column, (new, log_odds) in enumerate(newcomers):
        back = owner.get(column)
        if back is None and (log_odds <= config.delete_log_odds or _is_of_somebody(new, followed)):
            continue
        one = born(key, new.estimate, new.confidence, log_odds, cameras, stamp_s, config)
        key += 1
        if back is not None:
            shape = back.shape.learned(new.estimate.views[0].betas, float(len(new.estimate.views)))
            one = replace(
                one,
                id=back.id,
                hits=back.hits + 1,
                shape=shape if back.shape.mean is not None else Shape(),
                log_odds=LogOdds(max(one.log_odds.heard, back.log_odds.heard), max(back.log_odds.watched, 0.0)),
            )
            tracks, gone = [[each for each in group if each is not back] for group in (tracks, gone)]
        tracks.append(one)
        estimates[one.key] = new.estimate
    return replace(everybody, tracks=tuple(tracks), gone=tuple(gone), next_key=key), estimates


def _is_of_somebody(new: Newcomer, followed: Sequence[FusedEstimate]) -> bool:
    """Whether somebody whom other cameras see stands where the newcomer does, nearer than two people can."""
    pelvis_m = new.estimate.pose.joints[0]
    return any(
        np.linalg.norm(one.pose.joints[0] - pelvis_m) < SAME_PLACE_M
        and not new.seen_in & {view.crop.camera for view in one.views}
        for one in followed
    )


def managed(everybody: Everybody, stamp_s: float, settings: Settings, config: TrackerConfig) -> Everybody:
    """Ids for the sure; those unseen for `death_s`, and those who are nobody, taken out; long gone ones forgotten."""
    # Where the whole image is the box there is no detector whose first word could be wrong.
    whole = settings.detector == "full_image"
    next_id, tracks, gone = everybody.next_id, [], list(everybody.gone)
    known = sum(track.id is not None for track in everybody.tracks)
    for track in everybody.tracks:
        unseen_s = stamp_s - track.seen_s
        if track.log_odds.total < config.delete_log_odds or not -CLOCK_SET_BACK_S <= unseen_s <= settings.death_s:
            gone += [replace(track, lost=True, fresh=False)] if track.id is not None else []
            continue
        sure = whole or (track.log_odds.total >= config.confirm_log_odds and track.hits >= settings.birth_hits)
        if track.id is None and track.fresh and sure and known < settings.max_people:
            track, next_id, known = replace(track, id=next_id), next_id + 1, known + 1
        tracks.append(track)
    gone = [track for track in gone if abs(stamp_s - track.seen_s) <= settings.reentry_s]
    return replace(everybody, tracks=tuple(tracks), gone=tuple(gone), next_id=next_id)


def newborn_log_odds(
    new: Newcomer,
    outline_m: np.ndarray,
    predictions: Sequence[Prediction],
    detections: Detections,
    cameras: Sequence[Camera],
    suspected: Collection[str],
    config: TrackerConfig,
) -> float:
    """That an unassigned body is a person: what every camera says that looked where it should be seen."""
    total = config.birth_log_odds
    others = [one.views for one in predictions if one.hides(config)]
    for index in detections.boxes:
        if index in new.seen_in:
            total += existence.seen(config.recall, config)
            continue
        view = None if cameras[index].name in suspected else predict_view(outline_m, cameras[index])
        if view is not None:
            view = beside(view, index, others, config)
            total += existence.missed(config.recall * view.visible)
    return total


def _distance2(track: Track, new: Newcomer, cameras: Sequence[Camera], stamp_s: float, config: TrackerConfig) -> float:
    """Squared, in sigmas: of the place of a newcomer from where somebody who is not seen may have got to."""
    (body,) = predicted_bodies([track], stamp_s, config)
    known = place_information(new.estimate, cameras, config)
    off = new.estimate.pose.joints[0] - body.state.position_m
    return float(off @ np.linalg.solve(body.state.position_covariance_m2 + np.linalg.inv(known), off))
