"""`evaluate --suite people`: its options read, its rows written as JSON, its table printed."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("suite people")
    group.add_argument(
        "--seeds",
        metavar="LIST",
        help="other people and rooms, as 0-3 or 0,100-101; without it, the first of those that nothing was tuned on",
    )
    group.add_argument("--rates", metavar="LIST", default="10", help="sets a second, as 3,10,30; each divides 30")
    group.add_argument(
        "--variants", metavar="LIST", help="as full,no_fusion; without it, all parts; rules: each rule of following off"
    )
    group.add_argument("--cameras", type=int, metavar="N", help="instead of as many as each scene is made for")


def run(args: argparse.Namespace) -> int:
    """Prints the table; writes JSON to args.output, and the table beside it as .md, where one is given.

    Raises ValueError for a scene, variant, rate or seed that does not exist.
    """
    from refit_ros.commands.common import (
        by_landmarks,
        device_named,
        load_network_from,
        of_landmarks,
        settings_from,
    )
    from refit_ros.commands.fit import usual_detector
    from refit_ros.core.body import load_body
    from refit_ros.estimation.keypoint_choice import BOTH, keypoint_network
    from refit_ros.evaluation.people_suite import evaluate, variants_named
    from refit_ros.evaluation.seeds import REPORTING_SEEDS, TUNING_SEEDS
    from refit_ros.evaluation.tables import table

    # These people are drawn: landmarks are asked for by name.
    keypoints = by_landmarks(args, args.evidence in ("keypoints", BOTH))
    more = dict(detector=usual_detector(), evidence=args.evidence, **of_landmarks(args))
    settings = settings_from(args, **(more if keypoints else {}))
    selection = selection_from(args)
    variants_named(selection.variants, settings)  # a wrong name is told before anything is rendered
    if args.evidence == "keypoints":
        body = load_body(args.body) if args.body else None
        network = keypoint_network(args.weights, body, device_named(args.device))
    else:
        network = load_network_from(args)
    if not getattr(network, "trained", True):
        print("note: these weights are untrained, the figures mean nothing", file=sys.stderr)
    rows = evaluate(network, settings, selection, lambda line: print(line, file=sys.stderr, flush=True))
    text = table(rows)
    print(text)
    if args.output:
        seeds = {"tuning": list(TUNING_SEEDS), "reporting": list(REPORTING_SEEDS)}
        path = Path(args.output)
        path.write_text(json.dumps({"seeds": seeds, "rows": rows}, indent=1) + "\n")
        path.with_suffix(".md").write_text(text)
    return 0


def selection_from(args: argparse.Namespace):
    """What the options ask for, as refit_ros.evaluation.people_suite.Selection. Raises ValueError."""
    from refit_ros.evaluation.people_suite import Selection
    from refit_ros.evaluation.seeds import seeds_from
    from refit_ros.evaluation.sequences import plans_named

    chosen = {}
    if isinstance(args.scenes, str):
        chosen["plans"] = plans_named(args.scenes.split(","))
    if args.seeds:
        chosen["seeds"] = seeds_from(args.seeds)
    if args.cameras is not None and args.cameras < 1:
        raise ValueError(f"--cameras is {args.cameras}; it must be 1 or more")
    try:
        rates = [float(rate) for rate in args.rates.split(",")]
    except ValueError:
        raise ValueError(f"--rates is '{args.rates}': write numbers with commas between them, as 3,10,30") from None
    return Selection(
        rates_hz=rates,
        variants=args.variants.split(",") if args.variants else (),
        cameras=args.cameras,
        images=Path(args.images) if args.images else None,
        **chosen,
    )
