"""Rows of the people suite as one markdown table: seeds together, errors as their mean, counts as their sum."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from refit_ros.evaluation.seeds import described

MEAN, SUM = "mean", "sum"
COLUMNS = (  # key, title, format, how seeds and scenes are taken together
    ("mpjpe_mm", "MPJPE mm", ".0f", MEAN),
    ("pa_mpjpe_mm", "PA mm", ".0f", MEAN),
    ("pelvis_m", "pelvis m", ".3f", MEAN),
    ("idf1", "IDF1", ".3f", MEAN),
    ("id_switches", "switches", "d", SUM),
    ("extra_s", "nobody s", ".1f", SUM),
    ("missed_s", "missed s", ".1f", SUM),
    ("true_s", "of s", ".0f", SUM),
    ("wrong_crops", "wrong crops", "d", SUM),
    ("jitter_mm", "jitter mm", ".0f", MEAN),
    ("lag_ms", "lag ms", ".0f", MEAN),
    ("iterations", "iterations", ".1f", MEAN),
    ("detector_calls", "detector", "d", SUM),
    ("images", "of images", "d", SUM),
    ("one_sigma", "in 1 s", ".0%", MEAN),
    ("two_sigma", "in 2 s", ".0%", MEAN),
)
ALL_SCENES = "all scenes"


def table(rows: Sequence[dict], keys: Sequence[str] = ()) -> str:
    """A line for each scene, rate and variant, then for all scenes; `keys`: of these columns alone."""
    columns = [column for column in COLUMNS if not keys or column[0] in keys]
    lines = [
        f"Seeds: {described(sorted({row['seed'] for row in rows}))}.",
        "",
        "| scene | sets/s | what | " + " | ".join(title for _, title, _, _ in columns) + " |",
        "|---|---|---|" + "---|" * len(columns),
    ]
    groups: dict[tuple, list[dict]] = {}
    for row in rows:
        groups.setdefault((row["scene"], row["rate_hz"], row["variant"]), []).append(row)
    if len({scene for scene, _, _ in groups}) > 1:
        for row in rows:
            groups.setdefault((ALL_SCENES, row["rate_hz"], row["variant"]), []).append(row)
    lines += [_line(*key, group, columns) for key, group in groups.items()]
    return "\n".join(lines) + "\n"


def _line(scene: str, rate_hz: float, variant: str, rows: list[dict], columns: Iterable[tuple]) -> str:
    moved = sorted({camera for row in rows for camera in row["moved"]})
    note = f" (moved: {', '.join(moved)})" if moved and scene != ALL_SCENES else ""
    cells = [_cell([row[key] for row in rows], form, together) for key, _, form, together in columns]
    return f"| {scene} | {rate_hz:g} | {variant}{note} | " + " | ".join(cells) + " |"


def _cell(values: list[float], form: str, together: str) -> str:
    known = [value for value in values if not math.isnan(value)]
    if not known:
        return "-"
    return format(sum(known) if together == SUM else sum(known) / len(known), form)
