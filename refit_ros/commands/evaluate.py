"""`python -m refit_ros evaluate`: how far the estimates lie from the truth."""
from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from refit_ros.commands.common import add_network_arguments, positive_int
    parser.add_argument("--suite", default="synthetic",
                        help="synthetic: held-out crops and four-view sets; real: a data set in the published layout "
                             "(--data); people: tracks and fused people of synthetic scenes")
    parser.add_argument("--output", metavar="FILE", help="JSON with every figure; without it, to stdout")
    parser.add_argument("--crops", type=positive_int, default=2000, help="held-out single crops (synthetic)")
    parser.add_argument("--sets", type=positive_int, default=500, help="held-out four-view sets (synthetic)")
    parser.add_argument("--scenes", type=int, default=50, help="moving people for warm against cold starts (synthetic)")
    parser.add_argument("--seed", type=int, default=0, help="other people and rooms (people)")
    parser.add_argument("--variant", action="append", metavar="NAME=FILE",
                        help="also measure an ablation's weights (synthetic); may be given several times")
    parser.add_argument("--data", metavar="FILE", help=".npz in the published layout (real)")
    parser.add_argument("--images", metavar="DIR", help="the folder that its image names are in (real)")
    parser.add_argument("--joint-regressor", metavar="FILE",
                        help=".npy (17 or 14 joints x vertices) for the 14-joint protocol; without it, the body's 24 "
                             "joints (real)")
    add_network_arguments(parser)


def run(args: argparse.Namespace) -> int:
    from refit_ros.training.suites import run_suite
    return run_suite(args)
