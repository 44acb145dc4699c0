"""`python -m refit_ros evaluate`: how far the estimates lie from the truth."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from refit_ros.commands.common import add_network_arguments, path_text, positive_int
    from refit_ros.commands.evaluate_cameras import add_arguments as add_camera_arguments
    from refit_ros.commands.evaluate_people import add_arguments as add_people_arguments

    parser.add_argument(
        "--suite",
        default="synthetic",
        help="synthetic: held-out crops and four-view sets; real: a data set in the published layout "
        "(--data); people: tracks and fused people of synthetic scenes; recording, photographs: what real "
        "cameras saw (--folder); evidence: drawn landmarks, held out, through the keypoint network and its last step",
    )
    parser.add_argument("--output", type=path_text, metavar="FILE", help="JSON with every figure; without it, to stdout")
    parser.add_argument("--people", type=positive_int, default=300, help="held-out people (evidence)")
    parser.add_argument(
        "--poses",
        type=path_text,
        metavar="FILE",
        help="captured poses, whose held-out clips are taken instead of drawn poses (evidence)",
    )
    parser.add_argument("--crops", type=positive_int, default=2000, help="held-out single crops (synthetic)")
    parser.add_argument("--sets", type=positive_int, default=500, help="held-out four-view sets (synthetic)")
    parser.add_argument(
        "--scenes",
        type=number_or_names,
        default=50,
        metavar="N or LIST",
        help="how many moving people for warm against cold starts (synthetic); or names of scenes with "
        "commas between them, or old, new, all (people)",
    )
    parser.add_argument(
        "--variant",
        action="append",
        metavar="NAME=FILE",
        help="also measure an ablation's weights (synthetic); may be given several times",
    )
    parser.add_argument("--data", type=path_text, metavar="FILE", help=".npz in the published layout (real)")
    parser.add_argument(
        "--images",
        type=path_text,
        metavar="DIR",
        help="the folder that its image names are in (real); where rendered images are kept for the next run (people)",
    )
    parser.add_argument(
        "--joint-regressor",
        type=path_text,
        metavar="FILE",
        help=".npy (17 or 14 joints x vertices) for the 14-joint protocol; without it, the body's 24 joints (real)",
    )
    add_people_arguments(parser)
    add_camera_arguments(parser)
    add_network_arguments(parser)


def number_or_names(text: str) -> int | str:
    """An argparse type."""
    return int(text) if text.isdigit() else text


def run(args: argparse.Namespace) -> int:
    from refit_ros.commands.evaluate_suites import run_suite
    from refit_ros.core.plain_files import check_writable

    for path in filter(None, (args.output, args.film)):
        check_writable(path)  # before all the computing
    return run_suite(args)
