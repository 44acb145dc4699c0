"""`synthetic_cameras`: the node in place of cameras. Its options are the node's parameters."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--scene", help="scene by name: walking, crossing, three_people, half_out, standing")
    parser.add_argument("--cameras", type=int, metavar="N", help="how many cameras watch it, 1 to 4")
    parser.add_argument("--people", type=int, metavar="N", help="how many people walk there")
    parser.add_argument("--width", type=int, metavar="PX")
    parser.add_argument("--height", type=int, metavar="PX")
    parser.add_argument("--rate", type=float, metavar="HZ", help="sets of images a second")
    parser.add_argument("--seed", type=int, help="another seed, other people")
    parser.add_argument(
        "--distortion", type=float, nargs="+", metavar="K", help="plumb_bob coefficients k1 k2 p1 p2 k3 of the lenses"
    )
    parser.add_argument("--compressed", action="store_true", default=None, help="publish JPEG instead of raw images")
    parser.add_argument(
        "--detections",
        action="store_true",
        default=None,
        help="publish the people's true boxes too, as a perfect detector would",
    )
    parser.add_argument("--length", type=float, metavar="S", help="seconds of the scene, played back and forth")
    parser.add_argument("--patience", type=float, metavar="S", help="render no longer than this beforehand")


def run(args: argparse.Namespace) -> int:
    from refit_ros.node.synthetic_cameras import run_synthetic_cameras

    ros_arguments = args.ros_arguments
    overrides = {name: value for name, value in vars(args).items() if name != "ros_arguments" and value is not None}
    return run_synthetic_cameras(overrides, ros_arguments)
