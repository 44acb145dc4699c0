"""What a listener heard, held against the truth: error of the pelvis, changes of ids, latency, gaps."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.optimize import linear_sum_assignment

MATCHED_M = 1.0  # a person farther from every true one is nobody


@dataclass(frozen=True)
class Said:
    """One message: who is where at a moment."""

    stamp_s: float
    came_s: float
    cameras: tuple[str, ...]
    ids: tuple[int, ...]
    pelvis_m: np.ndarray  # (P, 3)


def heard(file: Path) -> dict[str, list[Said]]:
    """What a listener has written so far, by kind: "people", "truth"."""
    found: dict[str, list[Said]] = {"people": [], "truth": []}
    for line in file.read_text().splitlines(keepends=True) if file.is_file() else ():
        if line.endswith("\n"):
            said = json.loads(line)
            people = said["people"]
            found[said["what"]].append(
                Said(
                    said["stamp_ns"] * 1e-9,
                    said["came_ns"] * 1e-9,
                    tuple(said["cameras"]),
                    tuple(one[0] for one in people),
                    np.array([one[1:] for one in people], float).reshape(-1, 3),
                )
            )
    return found


def figures(said: Sequence[Said], truth: Callable[[float], np.ndarray]) -> dict[str, float | None]:
    """Of the messages of a while; truth: (P, 3) m of a stamp."""
    errors_m: list[float] = []
    owners: dict[int, int] = {}
    switches = missed = true = false = 0
    for one in said:
        places = truth(one.stamp_s)
        pairs = matched(one.pelvis_m, places)
        true, missed, false = true + len(places), missed + len(places) - len(pairs), false + len(one.ids) - len(pairs)
        for row, person, off_m in pairs:
            errors_m.append(off_m)
            switches += owners.setdefault(person, one.ids[row]) != one.ids[row]
            owners[person] = one.ids[row]
    late_ms = [1e3 * (one.came_s - one.stamp_s) for one in said]
    stamps = sorted(one.stamp_s for one in said)
    span_s = stamps[-1] - stamps[0] if len(stamps) > 1 else 0.0
    return {
        "sets/s": (len(said) - 1) / span_s if span_s else 0.0,
        "cameras a set": float(np.mean([len(one.cameras) for one in said])) if said else 0.0,
        "latency p50 [ms]": _percentile(late_ms, 50),
        "latency p95 [ms]": _percentile(late_ms, 95),
        "pelvis error, mean [mm]": 1e3 * float(np.mean(errors_m)) if errors_m else None,
        "people missed [%]": 100 * missed / true if true else None,
        "false people": false,
        "id switches": switches,
        "longest gap [s]": float(np.max(np.diff(stamps))) if len(stamps) > 1 else None,
    }


def matched(found_m: np.ndarray, true_m: np.ndarray) -> list[tuple[int, int, float]]:
    """Rows of the found (N, 3) and the true (M, 3) that belong together, and their distance (m)."""
    away = np.linalg.norm(found_m[:, None] - true_m[None], axis=2)
    rows, columns = linear_sum_assignment(np.minimum(away, 10 * MATCHED_M))
    return [(int(r), int(c), float(away[r, c])) for r, c in zip(rows, columns) if away[r, c] < MATCHED_M]


def between(said: Iterable[Said], begin_s: float, end_s: float) -> list[Said]:
    """Those of images of a while."""
    return [one for one in said if begin_s <= one.stamp_s < end_s]


def _percentile(values: Sequence[float], which: float) -> float | None:
    return float(np.percentile(values, which)) if values else None
