"""`node`: the lifecycle node without launch; parameters come after --ros-args, as in `--ros-args -p cameras:=[front]`."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = (
        "Parameters, remappings and the like are ROS's own: --ros-args -p NAME:=VALUE --params-file FILE -r __ns:=/robot"
    )


def run(args: argparse.Namespace) -> int:
    from refit_ros.node.program import run_node

    return run_node(args.ros_arguments)
