"""Times, taken alternately so that a disturbance of the machine meets everything that is compared."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch
from torch.utils.benchmark import Timer
from torch.utils.benchmark.utils.timer import timer

CLOCKS = {"wall": timer, "processor": time.process_time}
LONG_S = 0.1  # of one call: then a turn is that one call
_clock = ["wall"]


def use_clock(name: str) -> None:
    """ "wall", or "processor": the time that the processor spent on this program, which others on the machine do not
    disturb. The latter counts all threads together and means most with one."""
    _clock[0] = name


def measured_s(call: Callable[[], object], device: torch.device, number: int = 1) -> float:
    """Seconds a call, mean over `number` calls, by torch's own timer, which runs twice before and waits for a GPU."""
    return (
        Timer(stmt="call()", globals={"call": call}, timer=CLOCKS[_clock[0]], num_threads=torch.get_num_threads())
        .timeit(number)
        .mean
    )


def measured_once_s(call: Callable[[], object]) -> float:
    """Seconds of a single call, for those so long that another just before would change nothing."""
    begin = CLOCKS[_clock[0]]()
    call()
    return CLOCKS[_clock[0]]() - begin


def alternately(
    calls: dict[str, Callable[[], object]],
    device: torch.device,
    rounds: int,
    seconds_each: float = 0.0,
    most_s: float = float("inf"),
) -> dict[str, dict[str, float]]:
    """Median, lowest and quartiles in ms of each call over `rounds`, in each of which every call has its turn.

    seconds_each: a short call is repeated within its turn for about so long. Ends early after `most_s`.
    """
    begin = time.monotonic()
    times: dict[str, list[float]] = {name: [] for name in calls}
    numbers = {}
    for name, call in calls.items():
        call()
        once = measured_once_s(call)
        numbers[name] = max(1, min(200, int(seconds_each / max(once, 1e-6)))) if once < LONG_S else 0
    for turn in range(rounds):
        if turn >= 3 and time.monotonic() - begin > most_s:
            break
        for name, call in calls.items():
            number = numbers[name]
            times[name].append(measured_s(call, device, number) if number else measured_once_s(call))
    return {name: spread_ms(values) for name, values in times.items()}


def spread_ms(values_s: list[float]) -> dict[str, float]:
    quarter = statistics.quantiles(values_s, n=4) if len(values_s) > 1 else [values_s[0]] * 3
    return {
        "median_ms": round(statistics.median(values_s) * 1e3, 4),
        "lowest_ms": round(min(values_s) * 1e3, 4),
        "quartiles_ms": [round(quarter[0] * 1e3, 4), round(quarter[2] * 1e3, 4)],
        "rounds": len(values_s),
    }
