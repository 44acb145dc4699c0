"""Each rule by which people are told apart, switched off by itself, to see what it is worth.

The rules have no settings that users see; here each is replaced, while one run lasts, by what does nothing. A rule that
leaves the estimator leaves this table.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from unittest.mock import patch

_HERE = "refit_ros.estimation."
# Name of the rule: {what stands for it: what takes its place}.
RULES: dict[str, dict[str, object]] = {
    "occlusion masks": {"looking.veil": lambda *_: None},
    "no crop behind somebody": {"attention.HIDDEN": 2.0},
    "borrowed views": {"looking.borrowed_views": lambda *_: {}},
    "doubtful views": {"looking.doubtful_view": lambda *_: None},
    "impostors": {"track.Tracks.impostors": lambda *_: set()},
    "votes and caution": {"estimator.Estimator._speaking_against": lambda *_: 0},
    "jumps": {"estimator.is_jump": lambda *_: False},
    "wanderers": {"estimator.wanders": lambda *_: False},
    "twins": {"exclusive.Twins.found": lambda *_: []},
    "doubles": {"track.Tracks._doubles": lambda *_: []},
    "newcomers explained": {"looking._is_one_of": lambda *_: False},
    "moved cameras": {"moved.MovedCameras.judge": lambda *_: None},
    "drifted crops": {"attention.DRIFTED": -1.0},
    "views unused after misses": {"attention.MISSES": 10**9},
    "warm misfit": {"looking.COLD_MISFIT": float("inf")},
}
WITHOUT = "without "


@contextmanager
def switched_off(rule: str) -> Iterator[None]:
    """One of RULES does nothing inside this, for every estimator of the process.

    Raises AttributeError where the code no longer has the rule.
    """
    with ExitStack() as stack:
        for target, value in RULES[rule].items():
            stack.enter_context(patch(_HERE + target, value))
        yield
