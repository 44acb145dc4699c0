"""Which seeds of the synthetic scenes may be looked at while something is tuned, and which are kept for the report."""

from __future__ import annotations

from collections.abc import Iterable

TUNING_SEEDS = range(0, 20)  # rules and constants of the people part were chosen on these
CALIBRATION_SEEDS = range(1000, 1015)  # constants of joint_stddev were fitted on these, but for every third
REPORTING_SEEDS = range(100, 110)  # nothing was ever chosen by what came out of these


def seeds_from(text: str) -> list[int]:
    """Seeds of "0-3", "5", or "0-3,100": growing, each once. Raises ValueError for anything else."""
    found: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdigit() or (dash and not last.isdigit()) or (dash and int(last) < int(first)):
            raise ValueError(f"seeds are '{text}': write them as 0-3 or 0,2,100-101")
        found |= set(range(int(first), int(last or first) + 1))
    return sorted(found)


def described(seeds: Iterable[int]) -> str:
    """What a table says about its seeds."""
    kinds = (("tuned on", TUNING_SEEDS), ("calibrated on", CALIBRATION_SEEDS), ("held out", REPORTING_SEEDS))
    return ", ".join(f"{seed} ({next((word for word, seeds in kinds if seed in seeds), 'neither')})" for seed in seeds)
