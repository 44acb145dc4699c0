"""The surface of a human in the rest pose, as the zero level of a smooth union of simple solids.

Metres; y up, face towards +z, left hand towards +x; the pelvis joint near (0, -0.24, 0.03), as in SMPL's files.
Only the left half is described; the right half is its mirror image, so the body is exactly symmetric.
"""

from __future__ import annotations

import numpy as np

# The 24 joints of SMPL's tree, of an adult 1.72 m tall, in the order of refit_ros.core.joints.JOINT_NAMES.
REST_JOINTS_M = np.array(
    [
        [0, -0.24, 0.02],
        [0.075, -0.325, 0.01],
        [-0.075, -0.325, 0.01],
        [0, -0.12, 0],
        [0.1, -0.7, 0],
        [-0.1, -0.7, 0],
        [0, 0.02, 0.01],
        [0.09, -1.1, -0.04],
        [-0.09, -1.1, -0.04],
        [0, 0.08, 0.01],
        [0.115, -1.16, 0.08],
        [-0.115, -1.16, 0.08],
        [0, 0.28, -0.015],
        [0.075, 0.2, -0.005],
        [-0.075, 0.2, -0.005],
        [0, 0.35, 0.03],
        [0.17, 0.215, -0.02],
        [-0.17, 0.215, -0.02],
        [0.43, 0.21, -0.04],
        [-0.43, 0.21, -0.04],
        [0.68, 0.22, -0.05],
        [-0.68, 0.22, -0.05],
        [0.76, 0.215, -0.055],
        [-0.76, 0.215, -0.055],
    ]
)

SOLE_Y_M = -1.19

# Trunk: height y, half width, half depth, centre z.
_TRUNK = np.array(
    [
        [-0.390, 0.060, 0.050, 0.000],
        [-0.355, 0.115, 0.085, -0.002],
        [-0.300, 0.162, 0.108, -0.005],
        [-0.230, 0.160, 0.108, 0.000],
        [-0.150, 0.143, 0.100, 0.008],
        [-0.070, 0.132, 0.094, 0.010],
        [0.010, 0.140, 0.100, 0.008],
        [0.090, 0.158, 0.110, 0.004],
        [0.160, 0.168, 0.105, -0.006],
        [0.210, 0.150, 0.085, -0.014],
        [0.250, 0.095, 0.062, -0.018],
        [0.275, 0.050, 0.045, -0.018],
    ]
)

# Tapered capsules: end, radius, other end, radius, blend radius with what came before.
_CAPSULES = [
    ((0, 0.235, -0.022), 0.062, (0, 0.36, 0.010), 0.056, 0.03),  # neck
    ((0.02, 0.262, -0.028), 0.040, (0.155, 0.222, -0.024), 0.048, 0.04),  # trapezius
    ((0.150, 0.205, -0.018), 0.066, (0.290, 0.212, -0.030), 0.050, 0.04),  # shoulder and upper arm
    ((0.290, 0.212, -0.030), 0.050, (0.430, 0.210, -0.040), 0.040, 0.02),
    ((0.430, 0.210, -0.040), 0.040, (0.510, 0.212, -0.042), 0.043, 0.02),  # forearm
    ((0.510, 0.212, -0.042), 0.043, (0.680, 0.219, -0.050), 0.026, 0.02),
    ((0.690, 0.212, -0.025), 0.016, (0.772, 0.203, 0.018), 0.0115, 0.012),  # thumb
    ((0.092, -0.335, -0.005), 0.091, (0.098, -0.520, 0.002), 0.073, 0.03),  # thigh
    ((0.098, -0.520, 0.002), 0.073, (0.100, -0.700, 0.004), 0.053, 0.03),
    ((0.100, -0.700, 0.000), 0.052, (0.097, -0.830, -0.020), 0.056, 0.02),  # calf
    ((0.097, -0.830, -0.020), 0.056, (0.090, -1.095, -0.045), 0.036, 0.02),
    ((0.090, -1.150, -0.065), 0.038, (0.112, -1.158, 0.075), 0.034, 0.025),  # foot
    ((0, 0.452, 0.118), 0.010, (0, 0.420, 0.141), 0.0155, 0.010),  # nose
]

# Ellipsoids: centre, half axes, blend radius.
_ELLIPSOIDS = [
    ((0.078, -0.300, -0.062), (0.085, 0.085, 0.066), 0.03),  # buttock
    ((0.072, 0.105, 0.070), (0.078, 0.060, 0.052), 0.03),  # chest
    ((0, 0.450, 0.022), (0.077, 0.110, 0.098), 0.03),  # skull
    ((0, 0.375, 0.068), (0.052, 0.048, 0.050), 0.03),  # jaw
    ((0, 0.348, 0.098), (0.022, 0.018, 0.018), 0.015),  # chin
    ((0.026, 0.478, 0.098), (0.026, 0.012, 0.016), 0.012),  # brow
    ((0.079, 0.435, 0.012), (0.010, 0.032, 0.019), 0.008),  # ear
    ((0.738, 0.217, -0.054), (0.062, 0.018, 0.044), 0.015),  # palm
    ((0.812, 0.214, -0.055), (0.068, 0.013, 0.038), 0.012),  # fingers, as in a mitten
    ((0.118, -1.168, 0.115), (0.046, 0.022, 0.050), 0.02),  # toes
]


def _smooth_min(a: np.ndarray, b: np.ndarray, blend: float) -> np.ndarray:
    """Quadratic smooth minimum, https://iquilezles.org/articles/smin/ ."""
    h = np.maximum(blend - np.abs(a - b), 0.0) / blend
    return np.minimum(a, b) - h * h * blend * 0.25


def _capsule(p: np.ndarray, a, ra: float, b, rb: float) -> np.ndarray:
    a, b = np.asarray(a), np.asarray(b)
    axis = b - a
    t = np.clip((p - a) @ axis / (axis @ axis), 0, 1)
    return np.linalg.norm(p - a - t[..., None] * axis, axis=-1) - (ra + t * (rb - ra))


def _ellipsoid(p: np.ndarray, centre, half) -> np.ndarray:
    """Approximate distance: exact on the surface, of the right sign everywhere."""
    q, half = p - np.asarray(centre), np.asarray(half)
    k0 = np.linalg.norm(q / half, axis=-1)
    k1 = np.linalg.norm(q / half**2, axis=-1)
    return k0 * (k0 - 1) / np.maximum(k1, 1e-6)


def _trunk(p: np.ndarray) -> np.ndarray:
    y = np.clip(p[..., 1], _TRUNK[0, 0], _TRUNK[-1, 0])
    width, depth, centre = (np.interp(y, _TRUNK[:, 0], _TRUNK[:, k]) for k in (1, 2, 3))
    radius = np.sqrt((p[..., 0] / width) ** 2 + ((p[..., 2] - centre) / depth) ** 2)
    side = (radius - 1) * np.minimum(width, depth)
    return np.maximum(side, np.abs(p[..., 1] - y) + np.where(p[..., 1] == y, -1.0, 0.0) * 0.05)


def signed_distance(points_m: np.ndarray) -> np.ndarray:
    """About the signed distance in m (negative inside) of points (..., 3) with x >= 0 to the body."""
    value = _trunk(points_m)
    for a, ra, b, rb, blend in _CAPSULES:
        value = _smooth_min(value, _capsule(points_m, a, ra, b, rb), blend)
    for centre, half, blend in _ELLIPSOIDS:
        value = _smooth_min(value, _ellipsoid(points_m, centre, half), blend)
    sole = SOLE_Y_M - points_m[..., 1]
    return -_smooth_min(-value, -sole, 0.012)


def _half_solid(spacing_m: float) -> tuple[np.ndarray, np.ndarray]:
    """Closed triangle mesh of the part with x >= 0, capped by the plane x = 0."""
    from skimage.measure import marching_cubes

    low, high = np.array([-2 * spacing_m, -1.24, -0.22]), np.array([0.92, 0.60, 0.24])
    axes = [np.arange(a, b, spacing_m) for a, b in zip(low, high)]
    volume = np.empty([len(a) for a in axes], np.float32)
    yz = np.stack(np.meshgrid(axes[1], axes[2], indexing="ij"), -1)
    for i, x in enumerate(axes[0]):  # one slice at a time keeps the memory small
        points = np.concatenate([np.full(yz.shape[:2] + (1,), max(x, 0.0)), yz], -1)
        volume[i] = np.maximum(signed_distance(points), -x)
    vertices, faces, _, _ = marching_cubes(volume, 0.0, spacing=(spacing_m,) * 3)
    return vertices + low, faces.astype(np.int64)


def _relax(vertices: np.ndarray, faces: np.ndarray, rounds: int) -> np.ndarray:
    """Evens out the triangles: each vertex towards its neighbours' mean, then back onto the surface."""
    from scipy.sparse import coo_matrix

    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    edges = np.unique(np.concatenate([edges, edges[:, ::-1]]), axis=0)
    near = coo_matrix((np.ones(len(edges)), edges.T), shape=(len(vertices),) * 2).tocsr()
    near = near.multiply(1 / near.sum(1)).tocsr()
    middle = vertices[:, 0] == 0
    for _ in range(rounds):
        vertices = vertices + 0.4 * (near @ vertices - vertices)
        vertices[middle, 0] = 0
        vertices = _onto_surface(vertices)
        vertices[middle, 0] = 0
    return vertices


def _onto_surface(vertices: np.ndarray, step_m: float = 1e-3) -> np.ndarray:
    """Newton's steps along the gradient of the field."""
    left = np.abs(vertices[:, 0])
    side = np.where(vertices[:, 0] < 0, -1.0, 1.0)
    p = np.stack([left, vertices[:, 1], vertices[:, 2]], -1)
    for _ in range(3):
        gradient = np.stack(
            [
                signed_distance(np.abs(p + step_m * e) * [1, 0, 0] + (p + step_m * e) * [0, 1, 1])
                - signed_distance(np.abs(p - step_m * e) * [1, 0, 0] + (p - step_m * e) * [0, 1, 1])
                for e in np.eye(3)
            ],
            -1,
        ) / (2 * step_m)
        length2 = np.maximum((gradient**2).sum(-1), 0.25)
        p = p - np.clip(signed_distance(p) / length2, -0.004, 0.004)[:, None] * gradient
        p[:, 0] = np.maximum(p[:, 0], 0)
    return np.stack([p[:, 0] * side, p[:, 1], p[:, 2]], -1)


def _merge_short_edges(vertices: np.ndarray, faces: np.ndarray, shortest_m: float) -> tuple[np.ndarray, np.ndarray]:
    """Contracts edges below `shortest_m`, one after the other; vertices with x = 0 stay where they are."""
    while True:
        edges = np.unique(np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1), axis=0)
        length = np.linalg.norm(vertices[edges[:, 0]] - vertices[edges[:, 1]], axis=1)
        if length.min() >= shortest_m:
            break
        keep, drop = edges[length.argmin()]
        if vertices[drop, 0] == 0:
            keep, drop = drop, keep
        faces = np.where(faces == drop, keep, faces)
        faces = faces[(faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 2] != faces[:, 0])]
    used, faces = np.unique(faces, return_inverse=True)
    return vertices[used], faces.reshape(-1, 3)


def make_surface(vertex_count: int, spacing_m: float = 0.005) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Closed, symmetric body surface with about `vertex_count` vertices.

    Returns vertices (V, 3) m, faces (F, 3) seen counter-clockwise from outside, and mirror (V,), the
    index of each vertex's mirror image.
    """
    import fast_simplification

    vertices, faces = _half_solid(spacing_m)
    target = vertex_count  # a half has half the vertices, and twice as many faces as vertices
    vertices, faces = fast_simplification.simplify(
        vertices.astype(np.float32), faces.astype(np.int32), target_count=int(target * 1.02), agg=3
    )
    vertices, faces = np.asarray(vertices, np.float64), np.asarray(faces, np.int64)

    corner_x = vertices[faces][:, :, 0]
    cap = (corner_x < 1.5e-3).all(1)
    vertices[np.unique(faces[cap]), 0] = 0.0
    faces = faces[~cap]
    used = np.unique(faces)
    renumber = np.full(len(vertices), -1)
    renumber[used] = np.arange(len(used))
    vertices, faces = vertices[used], renumber[faces]

    vertices, faces = _merge_short_edges(vertices, faces, 0.003)
    middle = vertices[:, 0] == 0
    count = len(vertices)
    other = np.where(middle, np.arange(count), count + np.cumsum(~middle) - 1)
    mirrored = vertices[~middle] * [-1, 1, 1]
    faces = np.concatenate([faces, other[faces][:, ::-1]])
    vertices = np.concatenate([vertices, mirrored])
    mirror = np.concatenate([other, np.flatnonzero(~middle)])
    vertices = _relax(vertices, faces, rounds=8)
    vertices[count:] = vertices[:count][~middle] * [-1, 1, 1]
    return vertices, faces, mirror
