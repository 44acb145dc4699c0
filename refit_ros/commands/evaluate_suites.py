"""What `evaluate` can measure, by name. A suite takes the command's arguments and returns what goes into its JSON file."""

from __future__ import annotations

import argparse
import copy
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def run_suite(args: argparse.Namespace) -> int:
    """Measure, print the table, write the JSON. Raises ValueError for an unknown suite or unusable input."""
    if args.suite not in SUITES:
        raise ValueError(f"there is no suite '{args.suite}': choose from {', '.join(SUITES)}")
    return SUITES[args.suite](args)


def _synthetic(args: argparse.Namespace) -> int:
    from refit_ros.core.body import load_body

    if not isinstance(args.scenes, int):
        raise ValueError(f"--scenes is '{args.scenes}'; the suite 'synthetic' takes how many, and 'people' takes names")
    from refit_ros.training.evaluate import evaluate_synthetic, evaluate_variant, synthetic_sets
    from refit_ros.training.variants import load_variant
    from refit_ros.training.warm import warm_against_cold

    if args.variant and (args.precision is not None or args.engine is not None):
        raise ValueError("--variant is measured by torch in float32: leave --precision and --engine out beside it")
    device, body = _device(args), load_body(args.body)
    on_device = copy.deepcopy(body).to(device)
    network, result = _network(args, on_device, device), {}
    began_s = time.monotonic()
    singles, sets = synthetic_sets(on_device, network.config.image_size, device, args.crops, args.sets)
    result["default"] = evaluate_synthetic(network, body, singles, sets, device)
    _keep(args, result)  # what was measured is kept, whatever becomes of the rest
    if args.scenes:
        result["warm_start"] = warm_against_cold(network, body, device, args.scenes)
    for name, path in (pair.split("=", 1) for pair in args.variant or []):
        print(f"variant {name}", file=sys.stderr)
        result.setdefault("variants", {})[name] = evaluate_variant(
            load_variant(name, path, on_device, device), body, singles, sets, device
        )
    result["seconds"] = round(time.monotonic() - began_s, 1)
    return _finish(args, result)


def _real(args: argparse.Namespace) -> int:
    from refit_ros.core.body import load_body
    from refit_ros.training.real_evaluation import evaluate_real

    if not args.data:
        raise ValueError("the suite 'real' needs --data FILE.npz in the published layout")
    device, body = _device(args), load_body(args.body)
    network = _network(args, copy.deepcopy(body).to(device), device)
    return _finish(args, evaluate_real(network, body, args, device))


def _people(args: argparse.Namespace) -> int:
    from refit_ros.commands.evaluate_people import run

    return run(args)


def _recording(args: argparse.Namespace) -> int:
    from refit_ros.commands.evaluate_cameras import run_recording

    return run_recording(args)


def _photographs(args: argparse.Namespace) -> int:
    from refit_ros.commands.evaluate_cameras import run_photographs

    return run_photographs(args)


def _evidence(args: argparse.Namespace) -> int:
    from refit_ros.core.body import load_body
    from refit_ros.core.checkpoint import embedded_keypoint_weights, load_network
    from refit_ros.core.keypoints import KeypointRefit
    from refit_ros.evaluation.evidence_suite import evaluate_evidence, table
    from refit_ros.synthetic.captured_poses import load_captured_poses

    body = load_body(args.body or "anny")
    network = load_network(args.weights or embedded_keypoint_weights(body), body=body)
    if not isinstance(network, KeypointRefit):
        raise ValueError(f"{args.weights} is a network that looks at images; the suite 'evidence' is of keypoint networks")
    rows = evaluate_evidence(network.eval(), args.people, load_captured_poses(args.poses, "test") if args.poses else None)
    print(table(rows))
    _keep(args, {"people": args.people, "poses": args.poses, "rows": rows})
    return 0


SUITES: dict[str, Callable[[argparse.Namespace], int]] = {
    "synthetic": _synthetic,
    "real": _real,
    "people": _people,
    "recording": _recording,
    "photographs": _photographs,
    "evidence": _evidence,
}


def _device(args: argparse.Namespace) -> torch.device:
    import torch

    from refit_ros.core.device import device_named

    return torch.device(device_named(args.device))


def _network(args: argparse.Namespace, body, device: torch.device):
    from refit_ros.core.checkpoint import load_network
    from refit_ros.core.inference import prepare

    network = load_network(args.weights, body=body, device=device)
    if args.precision is not None or args.engine is not None:
        # What was asked for; without it these suites measure the network itself, in float32, whatever the device.
        network = prepare(network, args.precision or "float32", args.engine or "torch")
    if not network.trained:
        print("note: these weights are untrained, the figures mean nothing", file=sys.stderr)
    return network


def _finish(args: argparse.Namespace, result: dict) -> int:
    _keep(args, result)
    if not args.output:
        print(json.dumps(result, indent=1))
    return 0


def _keep(args: argparse.Namespace, result: dict) -> None:
    if args.output:
        from refit_ros.training.checkpoints import write_whole

        write_whole(Path(args.output), lambda path: path.write_text(json.dumps(result, indent=1) + "\n"))
