"""`demo`: synthetic cameras and the node as real processes over real topics for some seconds, compared with the truth."""

from __future__ import annotations

import argparse
import errno
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from refit_ros.commands import EXIT_NOT_WELL, EXIT_OK
from refit_ros.commands.common import add_network_arguments, path_text, positive_float, positive_int

if TYPE_CHECKING:
    from refit_ros.node.harness import Measured, Setup

OVERLAYS_AT = (0.1, 0.45, 0.8)  # of the time: early enough that the last one is through before the end
SHEET_WIDTH_PX = 1600


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seconds", type=positive_float, default=20.0, help="how long to run after the first message")
    parser.add_argument("--cameras", type=positive_int, default=2, metavar="N", help="synthetic cameras, 1 to 4")
    parser.add_argument(
        "--people", type=positive_int, metavar="N", help="people before them; without it, as many as the scene is made for"
    )
    parser.add_argument(
        "--scene",
        default="walking",
        help="walking, crossing, three_people, "
        "half_out, standing, mingling, circling, leaving, poster, desk, crowd, corridor or hugging",
    )
    parser.add_argument("--rate", type=positive_float, default=30.0, metavar="HZ", help="images a second of each camera")
    parser.add_argument("--width", type=positive_int, default=640, metavar="PX")
    parser.add_argument("--height", type=positive_int, default=480, metavar="PX")
    parser.add_argument("--seed", type=int, default=0, help="another seed, other people")
    parser.add_argument("--compressed", action="store_true", help="send the images as JPEG")
    parser.add_argument(
        "--detector",
        choices=["builtin", "photographs", "topic", "full_image"],
        help="how people are found; topic: by their true boxes; without it, builtin",
    )
    parser.add_argument("--domain", type=int, metavar="ID", help="ROS_DOMAIN_ID; without it, one of its own")
    parser.add_argument(
        "--output", default="demo_output", type=path_text, metavar="DIR", help="where report, images and logs go"
    )
    add_network_arguments(parser)


def run(args: argparse.Namespace) -> int:
    from refit_ros.node.harness import NotWell, run_system
    from refit_ros.node.processes import ChildEnded

    output = Path(args.output)
    output.mkdir(parents=True, exist_ok=True)
    for old in ("report.json", *(path.name for suffix in ("*.png", "*.log") for path in output.glob(suffix))):
        (output / old).unlink(missing_ok=True)  # nothing of an earlier run may be taken for this one's
    setup = setup_from(args, output)
    print(f"scene: {args.scene}, cameras: {args.cameras}, {args.seconds:g} s, ROS_DOMAIN_ID={setup.domain_id}", flush=True)
    try:
        measured = run_system(setup, progress=lambda line: print(line, flush=True))
    except (NotWell, ChildEnded) as error:
        print(f"refit_ros: {error}", file=sys.stderr)
        return EXIT_NOT_WELL
    trained = weights_are_trained(measured)
    report = report_from(measured, args, trained)
    (output / "report.json").write_text(json.dumps(report, indent=2, allow_nan=False) + "\n")
    write_images(measured, output)
    print(summary(report, output))
    if note := note_on_others(measured.others_share):
        print(note, file=sys.stderr)
    if not trained:
        print("note: these weights are untrained, the poses mean nothing", file=sys.stderr)
    for name, code in measured.exit_codes.items():
        if code != EXIT_OK:
            print(f"note: {name} ended with exit code {code} when told to stop; see {output / name}.log", file=sys.stderr)
    problem = what_is_not_well(measured, args.cameras, trained)
    if problem:
        print(f"refit_ros: {problem}", file=sys.stderr)
    return EXIT_NOT_WELL if problem else EXIT_OK


def default_detector() -> str:
    """builtin, or in a checkout without its weights the true boxes, which is then said."""
    from refit_ros.detection.builtin import embedded_weights

    if embedded_weights().is_file():
        return "builtin"
    print(f"note: {embedded_weights().name} is not there; people are found by their true boxes instead", file=sys.stderr)
    return "topic"


def setup_from(args: argparse.Namespace, output: Path) -> Setup:
    from refit_ros.core.body_files import EMBEDDED_BODIES
    from refit_ros.node.harness import Setup, own_domain_id

    for path in filter(None, (args.weights, None if args.body in EMBEDDED_BODIES else args.body)):
        if not path.startswith("untrained") and not Path(path).expanduser().exists():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
    args.detector = args.detector or default_detector()
    said = {
        "weights": args.weights,
        "body_model": args.body,
        "device": args.device,
        "precision": args.precision,
        "engine": args.engine,
        "iterations": args.iterations,
        "detector": args.detector,
    }
    node_parameters = {name: value for name, value in said.items() if value is not None}
    if args.cameras > 1:
        node_parameters["fixed_frame"] = "world"
    if args.compressed:
        node_parameters["image_transport"] = "compressed"
    camera_options = {
        "scene": args.scene,
        "cameras": args.cameras,
        "people": args.people or 0,
        "rate": args.rate,
        "width": args.width,
        "height": args.height,
        "seed": args.seed,
        "compressed": args.compressed,
        "detections": args.detector == "topic",
    }
    from refit_ros.node.synthetic_options import CameraOptions

    CameraOptions(**camera_options)  # says now what the other process would only say in its log
    return Setup(
        seconds=args.seconds,
        log_folder=output,
        camera_options=camera_options,
        node_parameters=node_parameters,
        domain_id=own_domain_id() if args.domain is None else args.domain,
        overlays_at=OVERLAYS_AT,
    )


def report_from(measured: Measured, args: argparse.Namespace, trained: bool) -> dict:
    """All figures, rounded; null where nothing could be measured."""
    import numpy as np

    from refit_ros.commands.machine import machine_and_versions

    found, latency_ms, arrival_ms = measured.comparison, measured.latency_ms, measured.arrival_ms
    figures = {
        "fps": measured.fps,
        "latency_ms_p50": np.percentile(latency_ms, 50),
        "latency_ms_p95": np.percentile(latency_ms, 95),
        "mpjpe_mm": found.mpjpe_mm,
        "pa_mpjpe_mm": found.pa_mpjpe_mm,
        "pelvis_error_mm": found.pelvis_error_mm,
        "arrival_ms_p50": np.percentile(arrival_ms, 50),
        "arrival_ms_p95": np.percentile(arrival_ms, 95),
        "start_s": measured.start_s,
        "seconds": measured.seconds,
        "people_seen": measured.people_seen,
        "node_cpu_s": measured.node_cpu_s,
        "cameras_cpu_s": measured.cameras_cpu_s,
    }
    others = measured.others_share
    return {
        "cameras": args.cameras,
        "people": measured.true_people,
        "others_share_of_processor": None if others is None else round(others, 3),
        "frames_in": measured.frames_in,
        "frames_out": measured.frames_out,
        **{name: round(float(value), 3) if np.isfinite(value) else None for name, value in figures.items()},
        "pairs_compared": found.pairs,
        "missed": found.missed,
        "extra": found.extra,
        "id_switches": found.id_switches,
        "marker_messages": measured.markers,
        "tf_messages": measured.tf,
        "frame_id": measured.frame_id,
        "weights_trained": trained,
        "detector": args.detector,
        "scene": args.scene,
        "rate": args.rate,
        "image_px": [args.width, args.height],
        "seed": args.seed,
        "exit_codes": measured.exit_codes,
        **machine_and_versions(),
        "diagnostics": measured.diagnostics,
    }


def weights_are_trained(measured: Measured) -> bool:
    """By the node's own word in its diagnostics."""
    return not any(
        "untrained" in text
        for status in measured.diagnostics.values()
        for text in (status["message"], *map(str, status["values"].values()))
    )


def note_on_others(share: float | None) -> str:
    """What the reader of the figures has to know about the machine, or nothing."""
    from refit_ros.node.other_work import BUSY_SHARE

    if share is None or share <= BUSY_SHARE:
        return ""
    return (
        f"note: the machine was busy: other programs took {100 * share:.0f} % of its processor meanwhile; "
        "these are not the figures of a quiet machine"
    )


def what_is_not_well(measured: Measured, cameras: int, trained: bool) -> str | None:
    """One sentence, or None."""
    if trained and measured.comparison.pairs == 0:
        return "nobody was found where somebody walks"
    if measured.frames_out < 0.1 * measured.frames_in:
        return f"only {measured.frames_out} of {measured.frames_in} sets of images were answered"
    if (measured.latency_ms > measured.arrival_ms + 5).any():
        return "a message says it took longer than it did"
    if any(len(overlays) < cameras for overlays in measured.overlays):
        return "an overlay image did not come"
    if not measured.tf or not measured.markers:
        return "neither TF nor markers may be missing, and one is"
    if not measured.diagnostics:
        return "/diagnostics is silent"
    return None


def write_images(measured: Measured, output: Path) -> None:
    """Each overlay by itself, and all on one sheet: a row for each time, a column for each camera."""
    import cv2
    import numpy as np

    from refit_ros.camera.image_bytes import write_image_file

    rows = []
    for number, overlays in enumerate(measured.overlays):
        for camera, image in sorted(overlays.items()):
            write_image_file(output / f"overlay_{number}_{camera}.png", image)
        if overlays:
            rows.append(np.hstack([image for _, image in sorted(overlays.items())]))
    if rows:
        width_px = max(row.shape[1] for row in rows)
        rows = [np.pad(row, ((0, 0), (0, width_px - row.shape[1]), (0, 0))) for row in rows]
        sheet = np.vstack(rows)
        shrunk = min(1.0, SHEET_WIDTH_PX / sheet.shape[1])
        sheet = cv2.resize(sheet, None, fx=shrunk, fy=shrunk, interpolation=cv2.INTER_AREA)
        write_image_file(output / "overlays.png", sheet)


def summary(report: dict, output: Path) -> str:
    def mm(name: str) -> str:
        return "-" if report[name] is None else f"{report[name]:.0f} mm"

    return (
        f"{report['frames_in']} sets in, {report['frames_out']} answered, {report['fps']:.1f} a second; "
        f"latency p50 {report['latency_ms_p50']:.0f} ms, p95 {report['latency_ms_p95']:.0f} ms\n"
        f"against the truth: MPJPE {mm('mpjpe_mm')}, PA-MPJPE {mm('pa_mpjpe_mm')}, pelvis {mm('pelvis_error_mm')}, "
        f"id switches {report['id_switches']}\n"
        f"-> {output / 'report.json'}, {output / 'overlays.png'}"
    )
