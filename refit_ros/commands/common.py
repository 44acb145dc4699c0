"""The options that several commands share, and the network they describe."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from refit_ros.core.device import device_named

if TYPE_CHECKING:
    from refit_ros.core.inference import Prepared
    from refit_ros.estimation.settings import Settings

MOST_RATE_HZ = 1000


def add_network_arguments(parser: argparse.ArgumentParser) -> None:
    """--weights, --body, --device, --precision, --engine, --iterations; None where the user said nothing."""
    group = parser.add_argument_group("network")
    group.add_argument(
        "--weights",
        type=path_text,
        metavar="FILE",
        help="checkpoint: a published ReFit file (.pt, .pth) or one trained here (.safetensors); "
        "without it, the small network that comes with this package",
    )
    group.add_argument(
        "--body",
        type=path_text,
        metavar="PATH",
        help="SMPL file (.pkl, .npz), the folder that holds it, or refit_ros or anny, the bodies of this package; "
        "without it, the one that the weights were trained on",
    )
    group.add_argument("--device", help="auto (a GPU where there is one), cpu, cuda or cuda:N; without it, auto")
    group.add_argument("--precision", help="auto, float32, bfloat16 or float16, for the backbone; without it, auto")
    group.add_argument("--engine", help="auto, torch, openvino or onnxruntime for the convolutions; without it, auto")
    group.add_argument(
        "--iterations",
        type=positive_int,
        metavar="N",
        help="updates of the loop for each image; without it, as many as the network was trained with",
    )


def quieten_decoders() -> None:
    """What OpenCV and FFmpeg say of a damaged file by themselves stands beside the sentence that names it: they are told to
    say nothing, unless the environment says otherwise.
    """
    import os

    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    import cv2

    if "OPENCV_LOG_LEVEL" not in os.environ:
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def load_network_from(args: argparse.Namespace) -> Prepared:
    """The network that the common options describe, on its device, ready to run.

    Raises ValueError or FileNotFoundError, each with a sentence, where a file or the device cannot be had.
    """
    from refit_ros.core.body import load_body
    from refit_ros.core.checkpoint import load_network
    from refit_ros.core.inference import prepare

    body = load_body(args.body) if args.body else None
    network = load_network(args.weights, body=body, device=device_named(args.device))
    said = {"precision": args.precision, "engine": args.engine}
    return prepare(network, **{name: value for name, value in said.items() if value is not None})


def settings_from(args: argparse.Namespace, **overrides) -> Settings:
    """The estimator's settings: its own defaults, but for what the user said (None: said nothing)."""
    from refit_ros.estimation.settings import Settings

    said = {"iterations": args.iterations, **overrides}
    return Settings(**{name: value for name, value in said.items() if value is not None})


def add_landmark_arguments(parser) -> None:
    """Of commands that look for landmarks."""
    from refit_ros.estimation.settings import LANDMARKS

    parser.add_argument(
        "--landmarks",
        choices=LANDMARKS,
        help="which of BlazePose's landmark networks finds those that MoveNet does not; without it, full",
    )
    parser.add_argument(
        "--keypoint-model",
        type=path_text,
        metavar="FILE",
        help="an own ONNX keypoint model that finds the landmarks: heatmaps, SimCC or YOLO pose (docs/models.md)",
    )


def of_landmarks(args: argparse.Namespace) -> dict[str, str | None]:
    """The settings that say who finds them; None: not said."""
    return {"keypoint_source": source_of(args), "keypoint_model": args.keypoint_model, "landmarks": args.landmarks}


def by_landmarks(args: argparse.Namespace, wanted: bool = True) -> bool:
    """Whether people are known by landmarks, as the options have it and where that is `wanted` at all.

    Raises ValueError where they are not and an option is about landmarks: it would do nothing. And as `takes_keypoints`.
    """
    from refit_ros.estimation.keypoint_choice import takes_keypoints

    taken = wanted and takes_keypoints(args.evidence, args.weights, source=source_of(args))
    given = [name for name in ("keypoint_model", "landmarks") if getattr(args, name)]
    if given and not taken:
        raise ValueError(
            f"--{given[0].replace('_', '-')} is about landmarks, and people are known by features here: "
            "add --evidence keypoints, or leave it out"
        )
    return taken


def source_of(args: argparse.Namespace) -> str:
    """The setting keypoint_source that the options mean."""
    if getattr(args, "keypoint_topic", None):  # of recordings
        return "topic"
    return "onnx" if args.keypoint_model else "models"


def say_what_weights_mean(network: Prepared, real_images: bool) -> None:
    """One line on stderr where the outcome must not be taken for more than it is."""
    if not network.trained:
        print("note: these weights are untrained, the poses mean nothing", file=sys.stderr)
    elif real_images and network.embedded:
        print(
            "note: these are the small embedded weights, trained on synthetic people only; on real images expect "
            "rough poses, and bring SMPL and published ReFit weights for better ones (--body, --weights)",
            file=sys.stderr,
        )


def positive_int(text: str) -> int:
    """An argparse type."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be 1 or more, not {text}")
    return number


def positive_float(text: str) -> float:
    """An argparse type."""
    number = float(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"must be above 0, not {text}")
    return number


def share(text: str) -> float:
    """An argparse type."""
    number = float(text)
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(f"must be 0 to 1, not {text}")
    return number


def rate_hz(text: str) -> float:
    """An argparse type: so many a second of what takes memory for each."""
    number = positive_float(text)
    if number > MOST_RATE_HZ:
        raise argparse.ArgumentTypeError(f"must be at most {MOST_RATE_HZ:,} Hz, not {text}")
    return number


def path_text(text: str) -> str:
    """An argparse type: of an unset variable in a shell nothing is left, and to Python that is the current folder."""
    if not text:
        raise argparse.ArgumentTypeError("a path is empty (an unset variable?)")
    return text


def a_path(text: str) -> Path:
    """As `path_text`."""
    return Path(path_text(text))
