"""The people suite: python -m refit_ros evaluate --suite people. Scenes with known truth, and each part switched off."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from refit_ros.estimation.estimator import Estimator
from refit_ros.estimation.settings import Settings
from refit_ros.evaluation.sequences import PLANS, Rehearsal, rehearse
from refit_ros.evaluation.tracking_metrics import Tally

COLUMNS = (
    ("mpjpe_mm", "MPJPE mm", ".0f"),
    ("pa_mpjpe_mm", "PA mm", ".0f"),
    ("pelvis_m", "pelvis m", ".3f"),
    ("idf1", "IDF1", ".2f"),
    ("id_switches", "switches", "d"),
    ("wrong_matches", "wrong", "d"),
    ("jitter_mm", "jitter mm", ".0f"),
    ("lag_ms", "lag ms", ".0f"),
    ("iterations", "iterations", ".1f"),
    ("detector_calls", "detector", "d"),
    ("one_sigma", "in 1 s", ".0%"),
    ("two_sigma", "in 2 s", ".0%"),
)


def variants(settings: Settings) -> dict[str, Settings]:
    """Everything on, and each part switched off."""
    return {
        "full": settings,
        "no warm start": replace(settings, warm_start=False),
        "2 iterations cold": replace(settings, warm_start=False, iterations=settings.tracked_iterations),
        "no fusion": replace(settings, fuse_views=False),
        "no smoothing": replace(settings, smoothing=0.0),
        "detector always": replace(settings, detector_interval=1),
    }


def play(network, settings: Settings, rehearsal: Rehearsal, cameras: list[int] | None = None) -> dict[str, float]:
    """Runs one estimator over a rendered scene and measures it."""
    estimator, tally = Estimator(network, settings), Tally(rehearsal)
    for time_s, views, truth in rehearsal.sets(cameras, true_boxes=settings.detector == "topic"):
        tally.take(time_s, estimator.estimate(views), truth)
    return {**tally.figures(), "moved": sorted(tally.moved)}


def best_single_camera(network, settings: Settings, rehearsal: Rehearsal) -> dict[str, float]:
    """The camera that alone gives the smallest error of the pelvis."""
    alone = [play(network, settings, rehearsal, [camera]) for camera in range(len(rehearsal.calibrations))]
    return min(alone, key=lambda figures: math.inf if math.isnan(figures["pelvis_m"]) else figures["pelvis_m"])


def evaluate(network, settings: Settings, plans=PLANS, seed: int = 0, say: Callable[[str], None] = print) -> dict:
    """{scene: {variant: figures}}; tells each row as it comes."""
    shot: dict = {}
    result: dict[str, dict] = {}
    say("| scene | what | " + " | ".join(title for _, title, _ in COLUMNS) + " |")
    say("|---|---|" + "---|" * len(COLUMNS))
    for plan in plans:
        rehearsal = rehearse(plan, seed, shot)
        rows = result.setdefault(plan.title, {})
        for name, changed in variants(settings).items():
            rows[name] = play(network, changed, rehearsal)
            say(row(plan.title, name, rows[name]))
        rows["best single camera"] = best_single_camera(network, settings, rehearsal)
        say(row(plan.title, "best single camera", rows["best single camera"]))
    return result


def row(scene: str, name: str, figures: dict) -> str:
    cells = []
    for key, _, form in COLUMNS:
        value = figures[key]
        cells.append("-" if isinstance(value, float) and math.isnan(value) else format(value, form))
    cells[-3] += f"/{figures['pictures']}"
    note = f" (moved: {', '.join(figures['moved'])})" if figures["moved"] else ""
    return f"| {scene} | {name}{note} | " + " | ".join(cells) + " |"


def run(args: argparse.Namespace) -> int:
    """The suite as a command: prints the table, writes JSON to args.output where one is given."""
    from refit_ros.commands.common import load_network_from, settings_from

    network = load_network_from(args)
    if not getattr(network, "trained", True):
        print("note: these weights are untrained, the figures mean nothing", file=sys.stderr)
    result = evaluate(network, settings_from(args), seed=args.seed, say=lambda line: print(line, flush=True))
    if args.output:
        Path(args.output).write_text(json.dumps(result, indent=1) + "\n")
    return 0
