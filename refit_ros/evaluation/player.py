"""Plays a sequence to an estimator: the one loop under everything that is measured over time."""

from __future__ import annotations

from collections.abc import Iterator

from refit_ros.estimation.types import People
from refit_ros.evaluation.sequences import SyntheticSequence


def played(
    estimator, sequence: SyntheticSequence, cameras: list[int] | None = None
) -> Iterator[tuple[float, People, tuple]]:
    """Each set's time (s), what the estimator makes of it, and the true people. `cameras`: of these alone.

    An estimator whose settings take boxes from a topic is given the true ones.
    """
    for time_s, views, truth in sequence.sets(cameras, true_boxes=estimator.settings.detector == "topic"):
        yield time_s, estimator.estimate(views), truth
