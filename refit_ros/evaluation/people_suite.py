"""The people suite: python -m refit_ros evaluate --suite people. Scenes with known truth, and each part switched off."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from refit_ros.core.keypoints import KeypointRefit
from refit_ros.detection.landmark_sources import landmark_source
from refit_ros.detection.registry import is_thorough, make_detector
from refit_ros.estimation.closer_look import CloserLook
from refit_ros.estimation.estimator import Estimator
from refit_ros.estimation.keypoint_choice import BOTH, keypoint_network
from refit_ros.estimation.keypoint_estimator import KeypointEstimator
from refit_ros.estimation.settings import Settings
from refit_ros.evaluation.ablations import WITHOUT, rules_of, switched_off
from refit_ros.evaluation.player import played
from refit_ros.evaluation.seeds import REPORTING_SEEDS
from refit_ros.evaluation.sequences import OLD_PLANS, RATE_HZ, Plan, SyntheticSequence, key_of, render_sequence
from refit_ros.evaluation.tracking_metrics import TrackingMetrics

BEST_SINGLE_CAMERA = "best single camera"


@dataclass(frozen=True)
class Selection:
    """What of the suite is run: every combination of these."""

    plans: Sequence[Plan] = OLD_PLANS
    seeds: Sequence[int] = (REPORTING_SEEDS[0],)
    rates_hz: Sequence[float] = (RATE_HZ,)
    variants: Sequence[str] = ()  # empty: all but those without a rule
    cameras: int | None = None  # None: as many as each scene is made for
    images: Path | None = None  # folder in which rendered images are kept for other runs


def variants(settings: Settings) -> dict[str, Settings]:
    """Everything on, and each part switched off."""
    return {
        "full": settings,
        "no warm start": replace(settings, warm_start=False),
        "2 iterations cold": replace(settings, warm_start=False, iterations=settings.tracked_iterations),
        "no fusion": replace(settings, fuse_views=False),
        "no smoothing": replace(settings, smoothing=0.0),
        "detector always": replace(settings, detector_interval=1),
    }


def variants_named(names: Sequence[str], settings: Settings) -> dict[str, Settings]:
    """Of names with spaces or underscores; none for all but those without a rule; "rules" for these and the full one.

    Raises ValueError for another name.
    """
    parts = {**variants(settings), BEST_SINGLE_CAMERA: settings}
    rules = {WITHOUT + rule: settings for rule in rules_of(settings.evidence)}
    known = parts | rules
    by_key = {key_of(name): (name,) for name in known} | {"rules": ("full", *rules)}
    unknown = [name for name in names if key_of(name) not in by_key]
    if unknown:
        raise ValueError(f"there is no variant '{unknown[0]}'; there are {', '.join(by_key)}")
    return {name: known[name] for key in names for name in by_key[key_of(key)]} if names else parts


def play_variant(network, name: str, settings: Settings, sequence: SyntheticSequence) -> dict:
    """One variant's figures: `settings` are the variant's own."""
    if name == BEST_SINGLE_CAMERA:
        return best_single_camera(network, settings, sequence)
    without = name.startswith(WITHOUT)
    with switched_off(name.removeprefix(WITHOUT), settings.evidence) if without else nullcontext():
        return play(network, settings, sequence)


def play(network, settings: Settings, sequence: SyntheticSequence, cameras: list[int] | None = None) -> dict:
    """Runs one estimator over a rendered scene and measures it."""
    metrics = TrackingMetrics(sequence)
    for time_s, people, truth in played(_estimator(network, settings), sequence, cameras):
        metrics.take(time_s, people, truth)
    return metrics.figures()


def _estimator(network, settings: Settings) -> Estimator | KeypointEstimator:
    """By features, or by landmarks where that is what the network takes, or by both."""
    if settings.evidence == BOTH:
        landmarks = keypoint_network(None, network.body, str(network.device))
        closer = CloserLook(network, settings.iterations)
        return KeypointEstimator(landmarks, *_of_landmarks(settings, landmarks), closer=closer)
    if not isinstance(network, KeypointRefit):
        return Estimator(network, settings)
    return KeypointEstimator(network, *_of_landmarks(settings, network))


def _of_landmarks(settings: Settings, network: KeypointRefit):
    """Who finds landmarks, the settings, and who finds people."""
    device = str(network.init_pose.device)
    return _landmarks(settings, device), settings, _detector(settings, device)


def _landmarks(settings: Settings, device: str):
    """Raises what `landmark_source` raises."""
    return _landmarks_of(
        settings.keypoint_source, settings.keypoint_model, settings.landmarks, is_thorough(settings), device
    )


@cache
def _landmarks_of(source: str, model: str, landmarks: str, thorough: bool, device: str):
    """Once for all scenes and variants: it takes seconds."""
    return landmark_source(Settings(keypoint_source=source, keypoint_model=model, landmarks=landmarks), thorough, device)


@cache
def _detector(settings: Settings, device: str):
    """Likewise."""
    return make_detector(settings, device)


def best_single_camera(network, settings: Settings, sequence: SyntheticSequence) -> dict:
    """The camera that alone gives the smallest error of the pelvis."""
    alone = [play(network, settings, sequence, [camera]) for camera in range(len(sequence.calibrations))]
    return min(alone, key=lambda figures: math.inf if math.isnan(figures["pelvis_m"]) else figures["pelvis_m"])


def sequences(selection: Selection) -> Iterator[tuple[int, SyntheticSequence]]:
    """Each seed's and scene's sequence at each rate; the images of one seed are rendered once and then forgotten."""
    for seed in selection.seeds:
        stores: dict = {}
        for plan in selection.plans:
            plan = plan if selection.cameras is None else replace(plan, cameras=selection.cameras)
            for rate_hz in selection.rates_hz:
                yield seed, render_sequence(plan, seed, rate_hz, stores, selection.images)


def evaluate(
    network, settings: Settings, selection: Selection = Selection(), progress: Callable[[str], None] = lambda line: None
) -> list[dict]:
    """One row for each seed, scene, rate and variant: those four, the number of cameras, and the figures."""
    chosen = variants_named(selection.variants, settings)
    if isinstance(network, KeypointRefit) or settings.evidence == BOTH:
        of_network = network.init_pose.device if isinstance(network, KeypointRefit) else network.device
        _landmarks(settings, str(of_network))  # what cannot be had is told before anything is rendered
    rows = []
    for seed, sequence in sequences(selection):
        for name, changed in chosen.items():
            figures = play_variant(network, name, changed, sequence)
            scene, cameras = sequence.plan.title, len(sequence.calibrations)
            row = {"scene": scene, "seed": seed, "rate_hz": sequence.rate_hz, "cameras": cameras, "variant": name, **figures}
            rows.append(row)
            progress(
                f"{scene}, seed {seed}, {sequence.rate_hz:g}/s, {name}: {row['id_switches']} id switches, "
                f"IDF1 {row['idf1']:.2f}, pelvis {row['pelvis_m']:.3f} m"
            )
    return rows
