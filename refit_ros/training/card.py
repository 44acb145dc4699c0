"""Writes the embedded weights' card from what was measured.

python -m refit_ros.training.card --measured docs/measured --output refit_ros/data/MODEL_CARD.md
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from refit_ros.training.report import TARGETS, at, read_curve, table


def main(arguments: list[str] | None = None) -> int:
    """Read MEASURED/{results.json,training.json,main_curve.jsonl}, write the card. Returns an exit code.

    training.json: the command, device, seed and versions of the run that made the weights.
    """
    parser = argparse.ArgumentParser(prog="python -m refit_ros.training.card", description=__doc__.splitlines()[0])
    parser.add_argument("--measured", type=Path, required=True, metavar="DIR")
    parser.add_argument("--output", type=Path, required=True, metavar="FILE")
    args = parser.parse_args(arguments)
    results, training = (json.loads((args.measured / f"{name}.json").read_text()) for name in ("results", "training"))
    args.output.write_text(text(results["default"], training, read_curve(args.measured / "main_curve.jsonl")[-1]))
    return 0


def text(default: dict, training: dict, end: dict) -> str:
    """The card, in Markdown. end: the curve's last line."""
    rows = [
        ["device", training["device"]],
        ["seed", str(training["seed"])],
        ["steps", f"{end['step']:,}"],
        ["crops drawn", f"{end['crops'] / 1e6:.1f} M"],
        ["time", f"{end['seconds'] / 60:.1f} min"],
        ["software", training["software"]],
    ]
    metrics = [
        [what, f"{at(default, path) * (100 if unit == '%' else 1):.{2 if unit == '%' else 1}f} {unit}"]
        for what, path, unit, _ in TARGETS
    ]
    return _CARD.format(
        command=training["command"],
        facts=table(["", ""], rows),
        metrics=table(["held out", ""], metrics),
        note=training.get("note", "").strip() and "\n" + training["note"].strip() + "\n",
    )


_CARD = """# refit_small.safetensors

The embedded default of refit_ros: ReFit (Wang and Daniilidis, ICCV 2023) with a small backbone at 128 px, 5.3 M parameters,
trained on synthetic people only. Matrices and kernels are stored in float16, the rest in float32; it is run in float32 or in
the precision that is asked for. Configuration and facts stand in the file's own metadata.

## What it is for
Trying the whole system, tests, and a start for training. It has never seen a photograph of a person: on real images expect
rough poses, and wrong ones. For real use bring SMPL and published ReFit weights, or train on data of your own.
Its body is this project's own (`body.npz`); betas mean what that body's shape directions mean, not SMPL's.

## How it was made
```
{command}
```

{facts}
{note}
Data: rendered by `refit_ros.synthetic` while training, split "train"; no photograph, scan or licensed body went into it.

## What it reaches
{metrics}

On {{the}} synthetic test split (other bodies, textures and motions), 24 joints. All figures: `docs/results.md`.
""".replace("{{the}}", "the")


if __name__ == "__main__":
    sys.exit(main())
