"""Makes the embedded body: a licence-free human in SMPL's format.

    python -m refit_ros.synthetic.body_maker --output refit_ros/data/body.npz

No data goes in but the numbers in this package's sources; the same numbers come out at every run.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from refit_ros.core.joints import JOINT_NAMES, MIRRORED, PARENTS
from refit_ros.synthetic.body_skin import (
    SHAPE_NAMES,
    joint_limits_rad,
    joint_regressor,
    pick_markers,
    shape_directions,
    skin_weights,
)
from refit_ros.synthetic.body_surface import make_surface

VERTEX_COUNT = 4400  # asked of the decimation; merging what is too small for a crop's pixels leaves about 2,800


def make_body(vertex_count: int = VERTEX_COUNT) -> dict[str, np.ndarray]:
    """The arrays of an SMPL file (metres; y up, face to +z), and markers, shape_names, joint_limits (rad).

    Raises RuntimeError when the surface is not closed or the joints do not follow the shape.
    """
    vertices, faces, mirror = make_surface(vertex_count)
    edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
    if (np.unique(edges, axis=0, return_counts=True)[1] != 2).any():
        raise RuntimeError("the body's surface is not closed; choose another vertex count")
    weights = skin_weights(vertices, faces)
    weights = (weights + weights[mirror][:, list(MIRRORED)]) / 2
    shapedirs, joint_shapes = shape_directions(vertices, weights)
    regressor, miss_m = joint_regressor(vertices, shapedirs, joint_shapes, mirror)
    if miss_m > 0.008:
        raise RuntimeError(f"the joint regressor misses a joint by {1000 * miss_m:.1f} mm at 3 sigma")
    kintree = np.array([(2**32 - 1,) + PARENTS[1:], range(24)], np.int64)
    return {
        "v_template": vertices.astype(np.float32),
        "f": faces.astype(np.uint32),
        "shapedirs": shapedirs.astype(np.float32),
        "posedirs": np.zeros((len(vertices), 3, 207), np.float32),
        "J_regressor": regressor.astype(np.float32),
        "weights": weights.astype(np.float32),
        "kintree_table": kintree,
        "markers": pick_markers(vertices, weights, mirror),
        "shape_names": np.array(SHAPE_NAMES),
        "joint_limits": joint_limits_rad().astype(np.float32),
    }


def write_body(body: dict[str, np.ndarray], path: Path) -> None:
    """Write a body's arrays as .npz, in a folder that is made where it is missing, and print what was written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **body)
    counts = f"{len(body['v_template'])} vertices, {len(body['f'])} faces, {len(JOINT_NAMES)} joints"
    print(f"{path}: {counts}, {path.stat().st_size / 1e6:.2f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, required=True, help="the .npz to write")
    arguments = parser.parse_args()
    write_body(make_body(), arguments.output)


if __name__ == "__main__":
    main()
