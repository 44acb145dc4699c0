"""The z-buffer for CPUs, compiled on first use and kept beside this file."""

from __future__ import annotations

import math

import numba


@numba.njit(cache=True, nogil=True, fastmath=False)
def draw(points, faces, image_index, nearest, triangle, first_image, end_image):
    """Draws meshes of images first .. end - 1; `nearest` (N, H, W) m and `triangle` (N, H, W) are written."""
    height, width = nearest.shape[1], nearest.shape[2]
    count = faces.shape[0]
    for mesh in range(points.shape[0]):
        n = image_index[mesh]
        if n < first_image or n >= end_image:
            continue
        for face in range(count):
            i, j, k = faces[face, 0], faces[face, 1], faces[face, 2]
            x0, y0, z0 = points[mesh, i, 0], points[mesh, i, 1], points[mesh, i, 2]
            x1, y1, z1 = points[mesh, j, 0], points[mesh, j, 1], points[mesh, j, 2]
            x2, y2, z2 = points[mesh, k, 0], points[mesh, k, 1], points[mesh, k, 2]
            doubled = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
            if not doubled < 0 or min(z0, z1, z2) <= 0.1:  # NEAREST_M
                continue
            left = max(math.ceil(min(x0, x1, x2)), 0)
            right = min(math.floor(max(x0, x1, x2)), width - 1)
            top = max(math.ceil(min(y0, y1, y2)), 0)
            bottom = min(math.floor(max(y0, y1, y2)), height - 1)
            if left > right or top > bottom:
                continue
            scale = 1.0 / doubled
            iz0, iz1, iz2 = 1.0 / z0, 1.0 / z1, 1.0 / z2
            for y in range(top, bottom + 1):
                for x in range(left, right + 1):
                    l0 = ((x1 - x) * (y2 - y) - (x2 - x) * (y1 - y)) * scale
                    l1 = ((x2 - x) * (y0 - y) - (x0 - x) * (y2 - y)) * scale
                    l2 = 1.0 - l0 - l1
                    if l0 >= 0 and l1 >= 0 and l2 >= 0:
                        depth = 1.0 / (l0 * iz0 + l1 * iz1 + l2 * iz2)
                        if depth < nearest[n, y, x]:
                            nearest[n, y, x] = depth
                            triangle[n, y, x] = mesh * count + face
