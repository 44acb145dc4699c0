"""The surface of a human in the rest pose, as the zero level of a smooth union of simple solids.

Metres; y up, face towards +z, left hand towards +x; the pelvis joint near (0, -0.24, 0.03), as in SMPL's files.
Only the left half is described; the right half is its mirror image, so the body is exactly symmetric.
"""
from __future__ import annotations

import numpy as np

# The 24 joints of SMPL's tree, of an adult 1.72 m tall, in the order of refit_ros.core.joints.JOINT_NAMES.
REST_JOINTS_M = np.array([
    [0, -.24, .02], [.075, -.325, .01], [-.075, -.325, .01], [0, -.12, 0], [.1, -.7, 0], [-.1, -.7, 0],
    [0, .02, .01], [.09, -1.1, -.04], [-.09, -1.1, -.04], [0, .08, .01], [.115, -1.16, .08], [-.115, -1.16, .08],
    [0, .28, -.015], [.075, .2, -.005], [-.075, .2, -.005], [0, .35, .03], [.17, .215, -.02], [-.17, .215, -.02],
    [.43, .21, -.04], [-.43, .21, -.04], [.68, .22, -.05], [-.68, .22, -.05], [.76, .215, -.055], [-.76, .215, -.055]])

SOLE_Y_M = -1.19

# Trunk: height y, half width, half depth, centre z.
_TRUNK = np.array([
    [-.390, .060, .050, .000], [-.355, .115, .085, -.002], [-.300, .162, .108, -.005], [-.230, .160, .108, .000],
    [-.150, .143, .100, .008], [-.070, .132, .094, .010], [.010, .140, .100, .008], [.090, .158, .110, .004],
    [.160, .168, .105, -.006], [.210, .150, .085, -.014], [.250, .095, .062, -.018], [.275, .050, .045, -.018]])

# Tapered capsules: end, radius, other end, radius, blend radius with what came before.
_CAPSULES = [
    ((0, .235, -.022), .062, (0, .36, .010), .056, .03),             # neck
    ((.02, .262, -.028), .040, (.155, .222, -.024), .048, .04),      # trapezius
    ((.150, .205, -.018), .066, (.290, .212, -.030), .050, .04),     # shoulder and upper arm
    ((.290, .212, -.030), .050, (.430, .210, -.040), .040, .02),
    ((.430, .210, -.040), .040, (.510, .212, -.042), .043, .02),     # forearm
    ((.510, .212, -.042), .043, (.680, .219, -.050), .026, .02),
    ((.690, .212, -.025), .016, (.772, .203, .018), .0115, .012),    # thumb
    ((.092, -.335, -.005), .091, (.098, -.520, .002), .073, .03),    # thigh
    ((.098, -.520, .002), .073, (.100, -.700, .004), .053, .03),
    ((.100, -.700, .000), .052, (.097, -.830, -.020), .056, .02),    # calf
    ((.097, -.830, -.020), .056, (.090, -1.095, -.045), .036, .02),
    ((.090, -1.150, -.065), .038, (.112, -1.158, .075), .034, .025),  # foot
    ((0, .452, .118), .010, (0, .420, .141), .0155, .010),           # nose
]

# Ellipsoids: centre, half axes, blend radius.
_ELLIPSOIDS = [
    ((.078, -.300, -.062), (.085, .085, .066), .03),   # buttock
    ((.072, .105, .070), (.078, .060, .052), .03),     # chest
    ((0, .450, .022), (.077, .110, .098), .03),        # skull
    ((0, .375, .068), (.052, .048, .050), .03),        # jaw
    ((0, .348, .098), (.022, .018, .018), .015),       # chin
    ((.026, .478, .098), (.026, .012, .016), .012),    # brow
    ((.079, .435, .012), (.010, .032, .019), .008),    # ear
    ((.738, .217, -.054), (.062, .018, .044), .015),   # palm
    ((.812, .214, -.055), (.068, .013, .038), .012),   # fingers, as in a mitten
    ((.118, -1.168, .115), (.046, .022, .050), .02),   # toes
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

    low, high = np.array([-2 * spacing_m, -1.24, -.22]), np.array([.92, .60, .24])
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
        gradient = np.stack([signed_distance(np.abs(p + step_m * e) * [1, 0, 0] + (p + step_m * e) * [0, 1, 1])
                             - signed_distance(np.abs(p - step_m * e) * [1, 0, 0] + (p - step_m * e) * [0, 1, 1])
                             for e in np.eye(3)], -1) / (2 * step_m)
        length2 = np.maximum((gradient**2).sum(-1), 0.25)
        p = p - np.clip(signed_distance(p) / length2, -.004, .004)[:, None] * gradient
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
        vertices.astype(np.float32), faces.astype(np.int32), target_count=int(target * 1.02), agg=3)
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
