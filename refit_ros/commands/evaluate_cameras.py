"""`evaluate --suite recording` and `--suite photographs`: what real cameras saw, against what others say of it."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from refit_ros.core.body import Body


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from refit_ros.commands.common import add_landmark_arguments, path_text, positive_int

    group = parser.add_argument_group("suites recording and photographs")
    group.add_argument(
        "--folder",
        type=path_text,
        metavar="DIR",
        help="videos, a .toml calibration (Pose2Sim, anipose) and a .trc or .c3d of joints; or images with a "
        ".json of COCO's layout",
    )
    group.add_argument(
        "--every", type=positive_int, default=3, metavar="N", help="of the videos, one frame in N (recording)"
    )
    group.add_argument(
        "--cut",
        choices=["none", "knees", "waist", "side"],
        help="cut each image there first, so that people go on beyond its edge, and tell what is seen from what is "
        "not; every frame then stands for itself (recording)",
    )
    group.add_argument("--overlays", type=path_text, metavar="DIR", help="write images with the people drawn over them")
    group.add_argument(
        "--film",
        type=path_text,
        metavar="FILE",
        help="instead of measuring, write what all cameras see with people drawn over it, .gif (recording)",
    )
    group.add_argument(
        "--evidence",
        choices=["auto", "keypoints", "features", "both"],
        default="auto",
        help="as of `fit`; without it, auto (people: features)",
    )
    add_landmark_arguments(group)


def run_recording(args: argparse.Namespace) -> int:
    """Raises ValueError, FileNotFoundError or ImportError with a sentence."""
    from refit_ros.evaluation import recording_cuts, recording_suite

    folder, overlays = _folders(args)
    estimator, body = _estimator(args, birth_hits=1 if args.cut else None)

    def again():
        estimator.reset()
        return estimator

    if args.film:
        from refit_ros.evaluation.recording_film import film_recording

        film_recording(Path(args.film), folder, again(), body, args.every, _say)
        return 0
    if args.cut:
        rows = recording_cuts.evaluate_cuts(folder, again, body, args.cut, args.every, overlays, _say)
        return _told(args, rows, recording_cuts.table(rows))
    rows = recording_suite.evaluate_recording(folder, again, body, args.every, overlays, _say)
    return _told(args, rows, recording_suite.table(rows))


def run_photographs(args: argparse.Namespace) -> int:
    """As `run_recording`."""
    from refit_ros.evaluation.photograph_suite import evaluate_photographs, table

    folder, overlays = _folders(args)
    estimator, body = _estimator(args, birth_hits=1)
    result = evaluate_photographs(folder, estimator, body, overlays, _say)
    return _told(args, result, table(result))


def _folders(args: argparse.Namespace) -> tuple[Path, Path | None]:
    if not args.folder:
        raise ValueError(f"the suite '{args.suite}' needs --folder DIR")
    folder = Path(args.folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is no folder")
    overlays = Path(args.overlays) if args.overlays else None
    if overlays:
        overlays.mkdir(parents=True, exist_ok=True)
    return folder, overlays


def _estimator(args: argparse.Namespace, birth_hits: int | None) -> tuple[object, Body]:
    from refit_ros.commands.common import (
        by_landmarks,
        device_named,
        load_network_from,
        of_landmarks,
        say_what_weights_mean,
        settings_from,
    )
    from refit_ros.commands.fit import usual_detector
    from refit_ros.core.body import load_body
    from refit_ros.estimation.estimator import Estimator
    from refit_ros.estimation.keypoint_choice import keypoint_estimators

    settings = settings_from(
        args,
        evidence=args.evidence,
        **of_landmarks(args),
        detector=usual_detector(),
        birth_hits=birth_hits,
        smoothing=0.0,
        detector_effort="thorough",
    )
    if by_landmarks(args):
        body = load_body(args.body) if args.body else None
        network, estimators = keypoint_estimators([settings], args.weights, body, device_named(args.device))
        return estimators[0], network.body
    network = load_network_from(args)
    say_what_weights_mean(network, real_images=True)
    return Estimator(network, settings), network.body


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _told(args: argparse.Namespace, result: list | dict, text: str) -> int:
    if args.output:
        from refit_ros.core.plain_files import whole_file

        with whole_file(Path(args.output)) as file:
            file.write((json.dumps(result, indent=1) + "\n").encode())
    print(text)
    return 0
