"""`fit`: bodies from images, folders and videos, one .npz and one overlay image a frame. No ROS."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from refit_ros.commands import EXIT_NOT_WELL, EXIT_OK
from refit_ros.commands.common import (
    add_landmark_arguments,
    add_network_arguments,
    load_network_from,
    path_text,
    positive_float,
    positive_int,
    quieten_decoders,
    say_what_weights_mean,
    settings_from,
)

if TYPE_CHECKING:
    import numpy as np

    from refit_ros.camera.boxes import Boxes
    from refit_ros.camera.calibration import Calibration
    from refit_ros.commands.frames import Frame
    from refit_ros.core.body import Body
    from refit_ros.core.refit import Refit
    from refit_ros.estimation.estimator import Estimator
    from refit_ros.estimation.types import People

CAMERA = "camera"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("paths", nargs="+", type=path_text, metavar="PATH", help="an image, a folder of them, or a video")
    parser.add_argument(
        "--output", required=True, type=path_text, metavar="DIR", help="where the .npz files and overlays go"
    )
    parser.add_argument(
        "--focal",
        type=positive_float,
        metavar="PX",
        help="focal length; without it, the image's diagonal sqrt(height^2 + width^2)",
    )
    parser.add_argument(
        "--principal-point", type=float, nargs=2, metavar=("X", "Y"), help="in px; without it, the image's centre"
    )
    parser.add_argument(
        "--detector",
        choices=["builtin", "photographs", "onnx", "full_image"],
        help="how people are found; without it, photographs where its models are there, else builtin",
    )
    parser.add_argument("--detector-model", type=path_text, metavar="FILE", help="the ONNX file of --detector onnx")
    add_landmark_arguments(parser)
    parser.add_argument(
        "--box",
        type=float,
        nargs=4,
        action="append",
        default=[],
        metavar=("LEFT", "TOP", "RIGHT", "BOTTOM"),
        help="a person's box in px, instead of a detector; may be given several times",
    )
    parser.add_argument(
        "--evidence",
        choices=["auto", "keypoints", "features", "both"],
        default="auto",
        help="what the network looks at: its own features of the image, or landmarks that BlazePose and MoveNet find "
        "(`python -m refit_ros models get` first); both: first these, then its features from there; without it, auto: "
        "what the weights are for; without any, keypoints where the models are there, else features",
    )
    parser.add_argument("--max-people", type=positive_int, metavar="N", help="keep the N most certain people")
    parser.add_argument("--sequence", action="store_true", help="the images of a folder follow one another in time")
    parser.add_argument("--every", type=positive_int, default=1, metavar="N", help="of a video, take one frame in N")
    parser.add_argument("--no-overlay", action="store_true", help="write no overlay images")
    add_network_arguments(parser)


def run(args: argparse.Namespace) -> int:
    from refit_ros.commands.fit_outputs import cannot_write, check_no_other_frames, check_nothing_is_lost, say_what_stayed
    from refit_ros.commands.frames import list_sources, read_frames
    from refit_ros.core.plain_files import shown

    quieten_decoders()
    problems: list[str] = []

    def complain(sentence: str) -> None:
        problems.append(sentence)
        print(f"refit_ros: {shown(sentence)}", file=sys.stderr, flush=True)

    def note(sentence: str) -> None:
        print(f"note: {shown(sentence)}", file=sys.stderr, flush=True)

    for box in args.box:
        _check_box(box)
    sources = list_sources(args.paths, args.sequence, complain)
    if not sources:
        return EXIT_NOT_WELL
    output = Path(args.output)
    output.mkdir(parents=True, exist_ok=True)
    check_nothing_is_lost(sources, args.paths, output, not args.no_overlay)
    check_no_other_frames(sources, output, args.every)
    from refit_ros.commands.fit_keypoints import make_keypoint_estimator

    with_keypoints = make_keypoint_estimator(args)
    if with_keypoints:
        network, estimator = with_keypoints
    else:
        network = load_network_from(args)
        say_what_weights_mean(network, real_images=True)
        estimator = make_estimator(network, args)
    frames_done = people_found = 0
    written: set[str] = set()
    for frame in read_frames(sources, args.every, complain, note):
        try:
            people = fit_frame(estimator, network.body, frame, args, output)
        except OSError as error:  # of writing: it would be the same with every frame that follows
            raise cannot_write(output, error, frames_done) from error
        except ValueError as error:
            complain(f"{frame.name}: {error}")
            continue
        frames_done += 1
        written.add(frame.name)
        people_found += len(people.people)
        print(f"{shown(frame.name)}: {len(people.people)} {'person' if len(people.people) == 1 else 'people'}", flush=True)
    say_what_stayed(sources, output, written, complain)
    print(f"{frames_done} frames, {people_found} fitted people -> {shown(output)}")
    return EXIT_NOT_WELL if problems or not frames_done else EXIT_OK


def usual_detector() -> str:
    """The one that sees people in photographs where its models are there, else the package's own, and what is missing."""
    from refit_ros.detection.crowds import without_crowds_note
    from refit_ros.detection.photographs import without_photographs_note

    note = without_photographs_note()
    for each in (note, "" if note else without_crowds_note()):
        if each:
            print(f"note: {each}", file=sys.stderr)
    return "builtin" if note else "photographs"


def make_estimator(network: Refit, args: argparse.Namespace) -> Estimator:
    """The estimator with what the options say. Raises ValueError or FileNotFoundError where its detector cannot be had."""
    from refit_ros.estimation.estimator import Estimator

    detector = "topic" if args.box else args.detector or usual_detector()
    # An image stands alone: nobody has to be seen twice before counting as a person.
    return Estimator(
        network,
        settings_from(args, detector=detector, detector_model=args.detector_model, max_people=args.max_people, birth_hits=1),
    )


def _check_box(box: list[float]) -> None:
    """LEFT TOP RIGHT BOTTOM, px. Raises ValueError with a sentence."""
    left, top, right, bottom = box
    if not (abs(left) + abs(top) + abs(right) + abs(bottom) < float("inf") and left < right and top < bottom):
        raise ValueError(
            f"--box {' '.join(f'{each:g}' for each in box)} is no box: give left, top, right and bottom in px, "
            "left below right and top below bottom"
        )


def _check_boxes_lie_in(image: np.ndarray, boxes: list[list[float]]) -> None:
    """Raises ValueError where one of them has nothing of the image in it."""
    height, width = image.shape[:2]
    for left, top, right, bottom in boxes:
        if right <= 0 or bottom <= 0 or left >= width or top >= height:
            raise ValueError(
                f"--box {left:g} {top:g} {right:g} {bottom:g} lies outside of this image, which has {width} x {height} px"
            )


def fit_frame(estimator: Estimator, body: Body, frame: Frame, args: argparse.Namespace, output: Path) -> People:
    """Fit one frame and write its files. Raises ValueError with a sentence where that cannot be done."""
    from refit_ros.camera.views import View
    from refit_ros.commands.fit_outputs import OVERLAY, PEOPLE

    if frame.starts_sequence:
        estimator.reset()
    _check_boxes_lie_in(frame.image, args.box)
    calibration = pinhole(frame.image.shape[0], frame.image.shape[1], args.focal, args.principal_point)
    people = estimator.estimate([View(frame.image, calibration, frame.stamp_s, boxes=boxes_from(args.box))])
    if people.left_out:
        raise ValueError(people.left_out[CAMERA])
    write_people(output / f"{frame.name}{PEOPLE}", people, calibration, body.name, frame)
    if not args.no_overlay:
        write_overlay(output / f"{frame.name}{OVERLAY}", frame.image, calibration, people, body)
    return people


def pinhole(height_px: int, width_px: int, focal_px: float | None, principal_px: tuple[float, float] | None) -> Calibration:
    """A camera without distortion; the published defaults (image's diagonal and centre) where nothing is known."""
    import numpy as np

    from refit_ros.camera.calibration import Calibration
    from refit_ros.core.camera import default_focal_px

    focal = float(default_focal_px(height_px, width_px)) if focal_px is None else focal_px
    x, y = (width_px / 2, height_px / 2) if principal_px is None else principal_px
    K = np.array([[focal, 0, x], [0, focal, y], [0, 0, 1]], dtype=np.float64)
    return Calibration(CAMERA, CAMERA, width_px, height_px, K, D=np.zeros(0))


def boxes_from(boxes: list[list[float]]) -> Boxes | None:
    """The boxes of --box; None where there are none."""
    import numpy as np

    from refit_ros.camera.boxes import Boxes

    return Boxes(np.array(boxes, dtype=np.float64), np.ones(len(boxes))) if boxes else None


def write_people(path: Path, people: People, calibration: Calibration, body_model: str, frame: Frame) -> None:
    """One frame's people: P first in every array but the camera's.

    betas (P, 10) - global_orient (P, 3), body_pose (P, 69) rad, axis-angle - transl (P, 3), joints (P, 24, 3),
    joint_stddev (P, 24) m - boxes (P, 4) px: left, top, right, bottom - id, confidence (P,) - focal () and
    principal_point (2,) px - body_model: the name of the body that betas belong to - time_s () of the frame in its
    sequence, starts_sequence () whether ids and time begin anew with it. All in the camera's optical frame: x right,
    y down, z forward. Names and conventions are smplx's.
    """
    import numpy as np

    from refit_ros.core.plain_files import whole_file

    def stack(values: list, shape: tuple[int, ...], dtype: type = np.float32) -> np.ndarray:
        return np.asarray(values, dtype=dtype).reshape(len(values), *shape)

    found = people.people
    values = dict(
        betas=stack([p.betas for p in found], (10,)),
        global_orient=stack([p.global_orient for p in found], (3,)),
        body_pose=stack([p.body_pose for p in found], (69,)),
        transl=stack([p.transl for p in found], (3,)),
        joints=stack([p.joints for p in found], (24, 3)),
        joint_stddev=stack([p.joint_stddev for p in found], (24,)),
        boxes=stack([p.views[0].box_xyxy_px if p.views else np.zeros(4) for p in found], (4,)),
        id=stack([p.id for p in found], (), np.int32),
        confidence=stack([p.confidence for p in found], ()),
        focal=np.float32(calibration.K[0, 0]),
        principal_point=calibration.K[:2, 2].astype(np.float32),
        body_model=np.array(body_model),
        time_s=np.float64(frame.stamp_s),
        starts_sequence=np.bool_(frame.starts_sequence),
    )
    with whole_file(path) as file:
        np.savez(file, **values)


def write_overlay(path: Path, image: np.ndarray, calibration: Calibration, people: People, body: Body) -> None:
    """The image with the bodies drawn over it."""
    import numpy as np

    from refit_ros.camera.image_bytes import write_image_file
    from refit_ros.estimation.overlay import draw_overlay

    write_image_file(path, draw_overlay(image, calibration, np.eye(4), people, body))
