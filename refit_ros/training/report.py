"""Writes docs/results.md and its plot from what `evaluate` and `train` measured; no figure in it is typed by hand.

python -m refit_ros.training.report --measured docs/measured --output docs
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from refit_ros.core.joints import JOINT_NAMES

TARGETS = (  # what, where in the results, unit, target
    ("single view, iteration 5, MPJPE", ("single", "5", "mpjpe_mm"), "mm", 75.0),
    ("single view, PA-MPJPE", ("single", "5", "pa_mpjpe_mm"), "mm", 58.0),
    ("four views, multi-view ReFit, MPJPE", ("views", "4", "multi_view", "mpjpe_mm"), "mm", 40.0),
    ("four views, known shape, MPJPE", ("four_views_known_shape", "mpjpe_mm"), "mm", 36.0),
    ("front-back flips", ("single", "5", "flips"), "%", 0.5),
    ("depth error, single view", ("single", "5", "depth_error"), "%", 4.0),
)
NAMES = {
    "refit": "ReFit",
    "regression": "regression from the global feature (HMR, 3 iterations)",
    "no_feedback": "no feedback (global feature in every iteration)",
    "shared_gru": "one shared GRU",
    "no_memory": "no memory between iterations",
}


def main(arguments: list[str] | None = None) -> int:
    """Read the three files of --measured, write results.md and its image into --output. Returns an exit code."""
    parser = argparse.ArgumentParser(prog="python -m refit_ros.training.report", description=__doc__.splitlines()[0])
    parser.add_argument("--measured", type=Path, required=True, metavar="DIR")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR")
    args = parser.parse_args(arguments)
    results = json.loads((args.measured / "results.json").read_text())
    main_curve, ablation_curve = (read_curve(args.measured / f"{name}_curve.jsonl") for name in ("main", "ablation"))
    (args.output / "images").mkdir(parents=True, exist_ok=True)
    plot(main_curve, ablation_curve, args.output / "images" / "training_curves.png")
    (args.output / "results.md").write_text(text(results, main_curve, ablation_curve))
    return 0


def read_curve(path: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def text(results: dict, main_curve: list[dict], ablation_curve: list[dict]) -> str:
    """The whole page, in Markdown."""
    default = results["default"]
    parts = [
        _HEAD.format(
            crops=default["crops"],
            sets=default["sets"],
            seen=main_curve[-1]["crops"] / 1e6,
            minutes=main_curve[-1]["seconds"] / 60,
            steps=main_curve[-1]["step"],
        ),
        "## Targets\n\n" + _targets(default),
        "## Single view\n\n" + _iterations(default),
        "## Several views of one person\n\n" + _views(default),
        "## Known shape\n\n" + _known_shape(default),
    ]
    if "warm_start" in results:
        parts.append("## Warm start\n\n" + _warm(results["warm_start"]))
    parts += [
        "## What each idea is worth\n\n" + _ablation(results["variants"], ablation_curve, main_curve[-1]["crops"]),
        "## Error against training steps\n\n" + _speed(ablation_curve),
        "## Each joint\n\n" + _joints(default),
    ]
    return "\n\n".join(parts) + "\n"


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def verdict(holds: bool) -> str:
    return "holds" if holds else "**does not hold here**"


def at(results: dict, path: tuple[str, ...]) -> float:
    for key in path:
        results = results[key]
    return results


def _targets(default: dict) -> str:
    rows = []
    for what, path, unit, target in TARGETS:
        value = at(default, path) * (100 if unit == "%" else 1)
        rows.append(
            [
                what,
                f"{value:.2f} {unit}" if unit == "%" else f"{value:.1f} {unit}",
                f"{target:g} {unit}",
                "reached" if value <= target else f"**missed by {value - target:.1f} {unit}**",
            ]
        )
    four = default["views"]["4"]
    apart = 100 * (1 - four["multi_view"]["mpjpe_mm"] / four["averaged"]["mpjpe_mm"])
    rows.append(
        [
            "four views, multi-view ReFit below plain averaging",
            f"{apart:.1f} %",
            "at least 20 %",
            "reached" if apart >= 20 else f"**missed by {20 - apart:.1f} %**",
        ]
    )
    trivial = default["trivial"]["mpjpe_mm"]
    rows.append(
        [
            "trivial answer (mean pose; true orientation and shape), MPJPE",
            f"{trivial:.1f} mm",
            "at least 150 mm",
            "hard enough" if trivial >= 150 else "**test set too easy**",
        ]
    )
    return table(["", "measured", "target", ""], rows)


def _row(name: str, errors: dict) -> list[str]:
    return [
        name,
        *(f"{errors[key]:.1f}" for key in ("mpjpe_mm", "pa_mpjpe_mm", "pve_mm") if key in errors),
        f"{100 * errors['flips']:.2f}",
        f"{100 * errors['depth_error']:.2f}",
    ]


def _iterations(default: dict) -> str:
    rows = [_row("trivial answer", default["trivial"])]
    rows[0][-1] = "(given)"
    rows += [_row(f"iteration {step}", errors) for step, errors in default["single"].items()]
    return (
        table(["", "MPJPE mm", "PA-MPJPE mm", "PVE mm", "flips %", "depth error %"], rows)
        + "\n\nIteration 0 is the first guess, before any feedback. The network is trained with five iterations. "
        + f"More iterations are better: from 0 to 5 {verdict(_better(default, '5', '0'))}, "
        + f"from 5 to 10 {verdict(_better(default, '10', '5'))}."
    )


def _better(default: dict, after: str, before: str) -> bool:
    return default["single"][after]["mpjpe_mm"] < default["single"][before]["mpjpe_mm"] - 0.05


def _views(default: dict) -> str:
    rows = []
    for count, errors in default["views"].items():
        alone, mean, together, twice = (
            errors[key]["mpjpe_mm"] for key in ("single", "averaged", "multi_view", "multi_view_twice_the_iterations")
        )
        rows.append(
            [
                count,
                f"{alone:.1f}",
                f"{mean:.1f}",
                f"{together:.1f}",
                f"{twice:.1f}",
                f"{100 * (1 - together / mean):.1f} %",
                "" if count == "1" else verdict(together < mean),
            ]
        )
    return (
        table(
            [
                "views",
                "each alone",
                "averaged afterwards",
                "multi-view ReFit, 5 iterations",
                "10 iterations",
                "multi-view below averaging",
                "multi-view is better",
            ],
            rows,
        )
        + "\n\nMPJPE in mm."
    )


def _known_shape(default: dict) -> str:
    usual = str(default["iterations"])
    pairs = [
        ("single view", default["single"][usual], default["single_known_shape"]),
        ("four views", default["views"]["4"]["multi_view"], default["four_views_known_shape"]),
    ]
    rows = [
        [name, f"{free['mpjpe_mm']:.1f}", f"{known['mpjpe_mm']:.1f}", verdict(known["mpjpe_mm"] < free["mpjpe_mm"])]
        for name, free, known in pairs
    ]
    return table(["", "shape estimated, MPJPE mm", "shape known, MPJPE mm", "knowing it is better"], rows)


def _warm(warm: dict) -> str:
    rows = [
        [
            step,
            f"{warm['cold'][step]['mpjpe_mm']:.1f}",
            f"{warm['warm'][step]['mpjpe_mm']:.1f}",
            verdict(warm["warm"][step]["mpjpe_mm"] < warm["cold"][step]["mpjpe_mm"]),
        ]
        for step in warm["cold"]
    ]
    return (
        table(["iterations", "cold, MPJPE mm", "warm, MPJPE mm", "warm is better"], rows)
        + f"\n\nOn {warm['pairs']} held-out people seen twice, {1000 * warm['apart_s']:.0f} ms apart; warm starts from "
        "what five cold iterations found in the earlier image."
    )


def _ablation(variants: dict, curve: list[dict], default_crops: float) -> str:
    def last(name: str) -> dict:
        return list(variants[name]["single"].values())[-1]

    ours = last("refit")["mpjpe_mm"]
    rows = []
    for name, measured in variants.items():
        errors = last(name)
        apart_mm = errors["mpjpe_mm"] - ours
        claim = "" if name == "refit" else verdict(apart_mm > 0) if abs(apart_mm) >= 1 else "no difference"
        rows.append(
            [
                NAMES[name],
                f"{errors['mpjpe_mm']:.1f}",
                f"{errors['pa_mpjpe_mm']:.1f}",
                f"{measured['four_views']['mpjpe_mm']:.1f}",
                claim,
            ]
        )
    return (
        table(["", "single view, MPJPE mm", "PA-MPJPE mm", "four views together, MPJPE mm", "ReFit is better"], rows)
        + f"\n\nAll five trained side by side on the same {curve[-1]['crops'] / 1e6:.2f} M crops in {curve[-1]['step']} "
        "steps, with the same backbone, losses and rate, from one seed; less than a millimetre counts as "
        + f"no difference. The embedded default drew {default_crops / curve[-1]['crops']:.0f} times as many: this "
        "compares the beginning of training, not its end."
    )


def _speed(curve: list[dict]) -> str:
    points = {name: _points(curve, f"{name}/held_out/mpjpe_mm") for name in ("refit", "regression")}
    steps = [step for step, _ in points["refit"]]
    chosen = [steps[round(i * (len(steps) - 1) / 7)] for i in range(8)] if len(steps) > 8 else steps
    errors = {name: dict(values) for name, values in points.items()}
    rows = [[str(step), f"{errors['refit'][step]:.1f}", f"{errors['regression'][step]:.1f}"] for step in chosen]
    final = errors["regression"][steps[-1]]
    reached = next((step for step, error in points["refit"] if error <= final), None)
    told = (
        f"ReFit is at regression's last error ({final:.1f} mm) after {reached} of {steps[-1]} steps: that it trains "
        f"faster {verdict(reached < steps[-1])}."
        if reached
        else f"ReFit does not reach regression's last error ({final:.1f} mm): that it trains faster {verdict(False)}."
    )
    return (
        "![error against steps](images/training_curves.png)\n\n"
        + told
        + "\n\n"
        + table(["step", "ReFit, MPJPE mm", "regression, MPJPE mm"], rows)
    )


def _points(curve: list[dict], key: str) -> list[tuple[int, float]]:
    return [(line["step"], line[key]) for line in curve if key in line]


def _joints(default: dict) -> str:
    pairs = sorted(zip(JOINT_NAMES, default["single_joints_mm"]), key=lambda pair: pair[1])
    return "Mean distance in mm, single view: " + ", ".join(f"{name} {value:.0f}" for name, value in pairs) + "."


def plot(main_curve: list[dict], ablation_curve: list[dict], path: Path) -> None:
    """Held-out MPJPE: the variants against steps, the default's training against crops."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    for name, label in NAMES.items():
        points = _points(ablation_curve, f"{name}/held_out/mpjpe_mm")
        if points:
            left.plot(*zip(*points), label=label.split(" (")[0], linewidth=2 if name in ("refit", "regression") else 1)
    left.set(title="same data, backbone and steps", xlabel="step", ylabel="held-out MPJPE (mm)", yscale="log")
    crops = {line["step"]: line["crops"] / 1e6 for line in main_curve}
    for key, label in (("mpjpe_mm_0", "iteration 0"), ("mpjpe_mm", "iteration 5"), ("pa_mpjpe_mm", "iteration 5, PA-MPJPE")):
        points = _points(main_curve, f"refit/held_out/{key}")
        right.plot([crops[step] for step, _ in points], [error for _, error in points], label=label)
    right.set(title="the embedded default", xlabel="crops seen (millions)", ylabel="held-out error (mm)", yscale="log")
    for axes in (left, right):
        axes.grid(True, which="both", alpha=0.3)
        axes.yaxis.set_major_formatter("{x:.0f}")
        axes.yaxis.set_minor_formatter("{x:.0f}")
        axes.legend()
    figure.savefig(path, dpi=90)
    pyplot.close(figure)


_HEAD = """# Results

Everything here is measured on synthetic people by `python -m refit_ros evaluate`, on {crops} held-out crops and {sets}
held-out four-view sets of other bodies, textures and motions than in training; errors are means over 24 joints, the
pelvis at the origin.
Nothing here says how well the embedded default does on photographs.

The embedded default drew {seen:.1f} M crops in {steps} steps, {minutes:.1f} minutes of training (the card
beside the weights has the commands). Its curve is still falling slowly; `train --start` goes on from it.
This page is written by
`python -m refit_ros.training.report` from the files in [measured](measured)."""


if __name__ == "__main__":
    sys.exit(main())
