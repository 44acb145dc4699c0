"""`bag`: a recorded ROS 2 bag in, its people as another bag out; or many, several at a time. No ROS needed."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from refit_ros.commands import EXIT_NOT_WELL, EXIT_OK
from refit_ros.commands.common import a_path, add_landmark_arguments, add_network_arguments, path_text, positive_int

if TYPE_CHECKING:
    from refit_ros.estimation.settings import Settings
    from refit_ros.node.model import Model
    from refit_ros.node.parameters import NodeParameters
    from refit_ros.node.recording import Outcome

SAY_EVERY_S = 2.0
OF_THE_RUN = ("bags", "output", "jobs", "ray", "resume", "ros_arguments")  # change nothing in what is written
FILES = ("weights", "body", "detector_model", "keypoint_model")
_loaded: dict[object, Model] = {}  # the last one: a program that does many bags loads it once


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "bags",
        type=a_path,
        nargs="+",
        metavar="IN",
        help="the bag's folder, or its .mcap or .db3 file; several of them, or with --jobs or --ray folders that hold bags",
    )
    parser.add_argument(
        "--output",
        type=a_path,
        required=True,
        metavar="OUT",
        help="folder of the new bag, which must not exist yet; of many bags the folder that gets one for each",
    )
    many = parser.add_mutually_exclusive_group()
    many.add_argument("--jobs", type=positive_int, metavar="N", help="so many bags at a time on this machine")
    many.add_argument("--ray", metavar="ADDRESS", help="on a Ray cluster: HOST:PORT, auto (one that runs here) or local")
    parser.add_argument(
        "--resume",
        action="store_true",
        help="where OUT was made from the same recording with the same options, it is done; always so with many bags",
    )
    parser.add_argument("--cameras", nargs="+", metavar="NAME", help="which cameras; without it, all that are found")
    parser.add_argument(
        "--image-topic", metavar="TOPIC", help="with {camera} for a camera's name; without it, as in the node"
    )
    parser.add_argument("--camera-info-topic", metavar="TOPIC", help="likewise")
    parser.add_argument("--fixed-frame", metavar="FRAME", help="TF frame of the outcome; not needed with one camera")
    parser.add_argument("--sync-slop", type=float, metavar="S", help="images of one set were taken within this time")
    parser.add_argument(
        "--detector",
        choices=["builtin", "photographs", "onnx", "full_image", "topic"],
        help="how people are found; without it, as in the node",
    )
    parser.add_argument("--detector-model", type=path_text, metavar="FILE", help="the ONNX file of --detector onnx")
    add_landmark_arguments(parser)
    parser.add_argument("--detection-topic", metavar="TOPIC", help="where the boxes of --detector topic are, with {camera}")
    parser.add_argument(
        "--keypoint-topic",
        metavar="TOPIC",
        help="people's keypoints (refit_ros/Keypoints) are there, with {camera}: nobody looks at the images",
    )
    parser.add_argument("--max-people", type=int, metavar="N")
    parser.add_argument("--smoothing", type=float, metavar="S", help="0 (raw) to 1 (the steadiest)")
    parser.add_argument("--mesh", action="store_true", help="put the meshes into /human/markers")
    parser.add_argument("--storage", choices=["sqlite3", "mcap"], help="format of the new bag; without it, that of IN")
    add_network_arguments(parser)


def run(args: argparse.Namespace) -> int:
    said = {name: value for name, value in vars(args).items() if value is not None and value is not False}
    options = {name: value for name, value in said.items() if name not in OF_THE_RUN}
    if len(args.bags) == 1 and not args.jobs and not args.ray:
        return _fit_one(args, args.bags[0], options)
    from refit_ros.commands.bag_batch import fit_many

    return fit_many(args.bags, args.output, options, args.jobs or 1, args.ray)


def _fit_one(args: argparse.Namespace, bag: Path, options: dict[str, object]) -> int:
    from refit_ros.commands.common import of_landmarks, settings_from
    from refit_ros.core.plain_files import shown
    from refit_ros.node.bag_origin import doubt_of, lost_of, made_from, made_from_of
    from refit_ros.node.inputs import others_find
    from refit_ros.node.recording import fit_bag, open_bag

    files = [options.get(name) for name in FILES]
    by_content = {name: value for name, value in options.items() if name not in FILES or not Path(str(value)).exists()}
    origin = made_from(bag, by_content, files)
    if args.output.exists():
        if args.resume and made_from_of(args.output) == origin:
            lost, doubt = lost_of(args.output), doubt_of(args.output)
            but = f"; {lost} messages of the recording were lost: copy it again, or mend it, and remove this one"
            but = (but if lost else "") + (f"; {shown(doubt)}" if doubt else "")
            print(f"{args.output} is there already, made from this recording with these options{but}")
            return EXIT_NOT_WELL if lost else EXIT_OK
        other = " and was made from another recording or with other options" if args.resume else ""
        raise FileExistsError(f"'{args.output}' exists already{other}: remove it, or give another --output")
    with open_bag(bag) as reader:
        parameters = _parameters(args, reader)
        settings = settings_from(
            args,
            detector=args.detector,
            detector_model=args.detector_model,
            **of_landmarks(args),
            max_people=args.max_people,
            smoothing=args.smoothing,
        )
        model = _model(parameters, settings, [Path(str(file)) for file in files if file])
        for note in filter(None, (model.note, model.note_on_real_cameras)):
            _say(note)
        print(f"{bag}: {reader.duration * 1e-9:.1f} s, cameras {', '.join(parameters.cameras)}", flush=True)
        outcome = fit_bag(
            reader,
            args.output,
            model,
            parameters,
            others_find(settings),
            args.storage == "mcap" if args.storage else _is_mcap(bag),
            _say,
            _Progress(reader.duration * 1e-9),
            origin,
        )
    counts = f"{outcome.sets} sets of images, {outcome.with_people} with people, {outcome.rejected} messages rejected"
    counts += f" ({outcome.why})" if outcome.why else ""
    if outcome.left_out:
        counts += f", {outcome.left_out} of {outcome.images} images in no set"
        _say(why_left_out(outcome))
    counts += f", {outcome.lost} messages lost" if outcome.lost else ""
    doubt = f"; {outcome.doubt}" if outcome.doubt else ""
    print(f"{counts} -> {args.output}{doubt}" if outcome.usable else f"{counts}; nothing was written")
    return EXIT_OK if outcome.usable and not outcome.lost else EXIT_NOT_WELL


def why_left_out(outcome: Outcome) -> str:
    """The sentence about images that are in no set."""
    rest = outcome.left_out - outcome.late - outcome.unmatched
    reasons = (
        (
            outcome.late,
            "came after their set, or with a stamp no later than the one before (whole seconds, clocks that differ?)",
        ),
        (outcome.unmatched, "had none of another camera at their time (a larger --sync-slop?)"),
        (rest, "had a time that cannot be, or had to wait for too long"),
    )
    told = "; ".join(f"{count} {why}" for count, why in reasons if count > 0)
    return f"{outcome.left_out} of {outcome.images} images are in no set: {told}"


def _model(parameters: NodeParameters, settings: Settings, files: list[Path]) -> Model:
    """As `load_model`, whose last outcome is used again where all that it was made from is the same."""
    from dataclasses import replace

    from refit_ros.node.model import load_model

    contents = [(file, file.stat().st_mtime_ns, file.stat().st_size) for file in files if file.exists()]
    made_of = replace(parameters, cameras=("any",), image_transport="raw"), settings, tuple(contents)
    if made_of not in _loaded:
        _loaded.clear()
        _loaded[made_of] = load_model(parameters, settings)
    _loaded[made_of].estimator.begin_anew()
    return _loaded[made_of]


def _parameters(args: argparse.Namespace, reader):
    from refit_ros.node.bag_cameras import cameras_in
    from refit_ros.node.parameters import NodeParameters

    said = {
        "image_topic": args.image_topic,
        "camera_info_topic": args.camera_info_topic,
        "fixed_frame": args.fixed_frame,
        "sync_slop_s": args.sync_slop,
        "detection_topic": args.detection_topic,
        "keypoint_topic": args.keypoint_topic,
        "weights": args.weights,
        "body_model": args.body,
        "device": args.device,
        "precision": args.precision,
        "engine": args.engine,
        "publish_mesh": args.mesh or None,
    }
    said = {name: value for name, value in said.items() if value is not None}
    templates = NodeParameters(**{name: said[name] for name in ("image_topic", "camera_info_topic") if name in said})
    found, transport = cameras_in(reader, templates.image_topic, templates.camera_info_topic, _say)
    cameras = args.cameras or found
    unknown = sorted(set(cameras) - set(found))
    if unknown:
        raise ValueError(f"there is no camera '{unknown[0]}' in this bag; there are {', '.join(found)}")
    return NodeParameters(cameras=tuple(cameras), image_transport=transport, **said)


def _is_mcap(path: Path) -> bool:
    from refit_ros.node.bag_files import is_mcap

    return any(path.glob("*.[mM][cC][aA][pP]")) if path.is_dir() else is_mcap(path)


def _say(sentence: str) -> None:
    print(f"refit_ros: {sentence}", file=sys.stderr, flush=True)


class _Progress:
    """A line now and then."""

    def __init__(self, length_s: float) -> None:
        self._length_s, self._said_s = length_s, time.monotonic()

    def __call__(self, sets: int, at_s: float) -> None:
        if time.monotonic() - self._said_s >= SAY_EVERY_S:
            self._said_s = time.monotonic()
            print(f"{sets} sets, {at_s:.1f} of {self._length_s:.1f} s", flush=True)
