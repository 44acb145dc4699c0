"""The plot of a long run: each figure over time, with the slope of the second half."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from refit_ros.benchmarking.soak_samples import Sample, column
from refit_ros.benchmarking.soak_verdict import Verdict


def plot(samples: list[Sample], verdicts: dict[str, Verdict], events: Sequence[tuple[float, str]], path: Path) -> None:
    """One panel a figure, into a PNG. Raises ImportError without matplotlib."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    minutes = column(samples, "minutes")
    figure, panels = pyplot.subplots(len(verdicts), 1, figsize=(9, 1.55 * len(verdicts)), sharex=True, layout="constrained")
    for panel, (name, verdict) in zip(panels, verdicts.items(), strict=True):
        values = column(samples, name)
        panel.plot(minutes, values, linewidth=0.8, color="tab:blue")
        for at in (minute for minute, what in events if what == "restart"):
            panel.axvline(at, color="0.8", linewidth=0.7, zorder=0)
        if verdict.flat is not None:
            begin, end = (minutes[0] + minutes[-1]) / 2, minutes[-1]
            half = verdict.growth / 2
            panel.plot([begin, end], [verdict.median - half, verdict.median + half], color="tab:red", linewidth=1.6)
        unit = f" ({verdict.bound.unit})" if verdict.bound.unit else ""
        told = {True: "flat", False: "NOT FLAT", None: "too short to say"}[verdict.flat]
        panel.set_title(f"{verdict.bound.figure}{unit}: {told}", fontsize=9, loc="left", pad=3)
        panel.margins(x=0.01)
        panel.grid(True, alpha=0.3)
        panel.tick_params(labelsize=8)
    panels[-1].set_xlabel("minutes; grey: the node went through its lifecycle; red: slope of the second half", fontsize=8)
    figure.savefig(path, dpi=90)
    pyplot.close(figure)
