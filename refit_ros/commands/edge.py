"""`edge`: as `node`, the part of it that is beside the cameras (docs/several_machines.md)."""

from __future__ import annotations

import argparse

from refit_ros.commands.node import add_arguments as add_arguments


def run(args: argparse.Namespace) -> int:
    from refit_ros.node.program import run_node

    return run_node(args.ros_arguments, "edge")
