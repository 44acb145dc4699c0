"""`calibrate`: people walk through, and where the cameras stand comes out, as a file and as static TF."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from refit_ros.commands import EXIT_OK
from refit_ros.commands.common import (
    a_path,
    add_landmark_arguments,
    add_network_arguments,
    path_text,
    positive_float,
    quieten_decoders,
    rate_hz,
)

if TYPE_CHECKING:
    from refit_ros.calibration.look import Looker
    from refit_ros.calibration.sources import Source
    from refit_ros.camera.rig import Rig

SAY_EVERY = 20  # sets


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "source",
        type=path_text,
        metavar="IN",
        help="a folder with one video a camera and one .toml of their lenses (anipose, Pose2Sim); a bag with images and "
        "CameraInfo; a file that this command wrote, with --publish; or `drawn`, to try it on drawn people",
    )
    parser.add_argument("--output", type=a_path, metavar="FILE", help="where the cameras' places are written, .toml")
    parser.add_argument("--first", metavar="CAMERA", help="the fixed frame is its optical frame; without it, the first one")
    parser.add_argument(
        "--frame", metavar="NAME", default="", help="instead: a level frame of this name on the floor below that camera"
    )
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--height", type=positive_float, metavar="M", help="how tall everybody is who walks")
    size.add_argument(
        "--distance", nargs=3, metavar=("CAMERA", "CAMERA", "M"), help="how far apart two cameras are, measured"
    )
    parser.add_argument("--rate", type=rate_hz, default=5.0, metavar="HZ", help="sets of images a second to look at")
    parser.add_argument("--publish", action="store_true", help="publish the outcome on /tf_static until stopped")
    parser.add_argument(
        "--evidence",
        choices=["auto", "keypoints", "features"],
        default="auto",
        help="as of `fit`; without it, auto (drawn: features)",
    )
    add_landmark_arguments(parser)
    parser.add_argument("--image-topic", metavar="TOPIC", help="of a bag, with {camera}; without it, as in the node")
    parser.add_argument("--camera-info-topic", metavar="TOPIC", help="likewise")
    parser.add_argument("--seconds", type=positive_float, default=60.0, metavar="S", help="of `drawn`")
    parser.add_argument("--seed", type=int, default=0, help="of `drawn`")
    add_network_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Raises ValueError or OSError with a sentence where cameras cannot be told from what was seen."""
    if not args.output and not args.publish:
        raise ValueError("say where the outcome goes: --output FILE, --publish, or both")
    if args.output:
        from refit_ros.core.plain_files import check_writable

        check_writable(args.output)  # before all the computing
    quieten_decoders()
    rig = _known(args) or _found(args)
    if args.output:
        from refit_ros.camera.rig import write_rig

        write_rig(args.output, rig)
        print(f"-> {args.output}")
    if args.publish:
        from refit_ros.node.rig_frames import publish_until_stopped

        return publish_until_stopped(rig, args.ros_arguments)
    if args.output:
        print(f"the node takes it as extrinsics:={args.output.resolve()} fixed_frame:={rig.fixed_frame}")
    return EXIT_OK


def _known(args: argparse.Namespace) -> Rig | None:
    if not args.source.endswith(".toml"):
        return None
    if not args.publish:
        raise ValueError(f"{args.source} says where cameras stand already: add --publish, or give a folder or a bag")
    from refit_ros.camera.rig import read_rig

    return read_rig(Path(args.source))


def _found(args: argparse.Namespace) -> Rig:
    from refit_ros.calibration.solve import calibrate, check_count

    source = _source(args)
    check_count(source.calibrations)
    names = [calibration.name for calibration in source.calibrations]
    first = names.index(_one_of(args.first, names)) if args.first else 0
    distance = None
    if args.distance:
        a, b = (names.index(_one_of(name, names)) for name in args.distance[:2])
        if a == b:
            raise ValueError(f"--distance names camera {names[a]} twice: give two cameras and how many m apart they are")
        distance = a, b, _metres(args.distance[2])
    lookers = _lookers(args, source)
    _look(source, lookers)
    tracks = [track for looker in lookers for track in looker.tracks()]
    rig = calibrate(tracks, source.calibrations, lookers[0].names, first, args.frame, distance, _say)
    print(_told(rig, first))
    if source.said is not None:
        print(_compared(rig, source.said, first))
    return rig


def _source(args: argparse.Namespace) -> Source:
    from refit_ros.calibration import sources

    if args.source == sources.DRAWN:
        return sources.drawn(args.seconds, args.rate, args.seed)
    path = Path(args.source)
    if path.is_dir() and any(path.glob("*.toml")):
        return sources.videos(path, args.rate, _say)
    return sources.bag(path, args.rate, args.image_topic, args.camera_info_topic, _say)


def _one_of(name: str, names: list[str]) -> str:
    if name not in names:
        raise ValueError(f"there is no camera '{name}'; there are {', '.join(names)}")
    return name


def _metres(text: str) -> float:
    try:
        return positive_float(text)
    except (ValueError, argparse.ArgumentTypeError):
        raise ValueError(f"--distance is '{text}' m: give a number above 0") from None


def _lookers(args: argparse.Namespace, source: Source) -> list[Looker]:
    """One for each camera, all with the same network."""
    from refit_ros.calibration.look import feature_lookers, keypoint_lookers
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

    is_drawn = source.said is not None and args.source == "drawn"
    # Drawn people are better seen by features.
    asked_for = args.evidence == "keypoints" or bool(args.keypoint_model or args.landmarks)
    keypoints = by_landmarks(args, asked_for or not is_drawn)
    settings = settings_from(
        args,
        detector=usual_detector() if keypoints or not is_drawn else "builtin",
        smoothing=0.0,
        **of_landmarks(args),
    )
    if keypoints:
        body = load_body(args.body) if args.body else None
        return keypoint_lookers(source.calibrations, settings, args.weights, body, device_named(args.device), args.height)
    network = load_network_from(args)
    say_what_weights_mean(network, real_images=not is_drawn)
    return feature_lookers(source.calibrations, settings, network, args.height)


def _look(source: Source, lookers: list[Looker]) -> None:
    for looks, (moment, camera, stamp_s, image) in enumerate(source.images()):
        seen = lookers[camera].look(image, moment, stamp_s)
        if looks % (SAY_EVERY * len(lookers)) == 0:
            _say(f"{source.calibrations[camera].name} at {stamp_s:.1f} s: {seen} {'person' if seen == 1 else 'people'}")


def _told(rig: Rig, first: int) -> str:
    lines = [
        f"{rig.people} {'person' if rig.people == 1 else 'people'} in {rig.sets} sets, over {rig.walked_m:.1f} m; "
        f"places in {rig.fixed_frame}:",
        "| camera | x, y, z (m) | residual (px) | fits |",
        "|---|---|---|---|",
    ]
    for calibration, pose, residual, share in zip(rig.calibrations, rig.fixed_from_camera, rig.residual_px, rig.fitting):
        place = ", ".join(f"{value:.3f}" for value in pose[:3, 3])
        lines.append(f"| {calibration.name} | {place} | {residual:.1f} | {share:.0%} |")
    return "\n".join(lines)


def _compared(rig: Rig, said: Rig, first: int) -> str:
    """Against what somebody else says: as the first camera sees the others, and with no camera taken for right."""
    from refit_ros.camera.rig import differences, differences_laid

    lines = [
        f"from where they are said to stand, beside {rig.calibrations[first].name} and all laid onto it as well as it goes:",
        "| camera | beside (degrees, mm) | laid (degrees, mm) |",
        "|---|---|---|",
    ]
    values = *differences(rig, said, first), *differences_laid(rig, said)
    for calibration, beside_deg, beside_m, laid_deg, laid_m in zip(rig.calibrations, *values):
        lines.append(
            f"| {calibration.name} | {beside_deg:.2f}, {1000 * beside_m:.0f} | {laid_deg:.2f}, {1000 * laid_m:.0f} |"
        )
    return "\n".join(lines)


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)
