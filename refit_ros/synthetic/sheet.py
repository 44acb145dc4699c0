"""A sheet of crops to look at.

python -m refit_ros.synthetic.sheet --output samples.png
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np


def sheet(
    rows: int = 4,
    columns: int = 8,
    size: int = 112,
    split: str = "train",
    seed: int = 0,
    views: int = 4,
    photographs: str | None = None,
) -> np.ndarray:
    """(H, W, 3) uint8 RGB: single crops, and in the last row people seen by `views` cameras each."""
    from refit_ros.core.body import load_body
    from refit_ros.synthetic.samples import SampleSource

    source = SampleSource(load_body(), size, split, seed, photographs=photographs)
    parts = [source.batch(columns * (rows - 1)), source.batch(max(1, columns // views), views=views)]
    tiles = []
    for part in parts:
        images = (part.crops.images * source.deviation + source.mean).clamp(0, 1)
        tiles += [(255 * image).byte().permute(1, 2, 0).numpy() for image in images]
    tiles += [np.zeros_like(tiles[0])] * (rows * columns - len(tiles))
    return np.concatenate([np.concatenate(tiles[row * columns : (row + 1) * columns], axis=1) for row in range(rows)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, required=True, help="the image to write")
    parser.add_argument("--split", default="train", choices=("train", "test"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rows", type=int, default=4)
    parser.add_argument("--columns", type=int, default=8)
    parser.add_argument("--size", type=int, default=112, help="of a crop, px; a multiple of 8")
    parser.add_argument("--photographs", help="folder of images without people, for half of the backgrounds")
    arguments = parser.parse_args()
    drawn = sheet(
        arguments.rows, arguments.columns, arguments.size, arguments.split, arguments.seed, photographs=arguments.photographs
    )
    from PIL import Image

    # 256 colours: noise does not compress, and a document should stay small
    Image.fromarray(drawn).quantize(256, dither=Image.Dither.NONE).save(arguments.output, optimize=True)
    print(f"{arguments.output}: {drawn.shape[1]} x {drawn.shape[0]} px, {arguments.output.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
