"""Which triangle is seen at each pixel: one function, a z-buffer in numba for CPUs and one in torch for everything else.

A pixel with whole-number coordinates (x, y) is sampled exactly there, as the published crops are.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec

import torch
from torch import Tensor

NEAREST_M = 0.1  # triangles with a corner nearer than this are left out
_EMPTY = torch.iinfo(torch.int64).max
_MOST_TRIANGLES = 8_000_000  # set up at a time by the torch engine


@dataclass(frozen=True)
class Fragments:
    """The K pixels on which something is seen."""

    pixel: Tensor  # (K,) int64, in the flattened (images, height, width)
    mesh: Tensor  # (K,) int64
    face: Tensor  # (K,) int64
    bary: Tensor  # (K, 3) of the face's corners, true in space
    depth_m: Tensor  # (K,)


def rasterize(
    points: Tensor, faces: Tensor, image_index: Tensor, images: int, height: int, width: int, engine: str | None = None
) -> Fragments:
    """Draw M closed meshes into images, nearest surface first.

    points: (M, V, 3) x, y in px of its image and depth in m; faces (F, 3), counter-clockwise from outside;
    image_index (M,) which image each mesh is in. engine: "numba", "torch", or None for the quicker one.
    """
    if engine is None:
        engine = "numba" if points.device.type == "cpu" and find_spec("numba") else "torch"
    if engine not in ("numba", "torch"):
        raise ValueError(f"there is no rasterizer '{engine}'; there are numba and torch")
    draw = _draw_numba if engine == "numba" else _draw_torch
    triangle = draw(points, faces, image_index, images, height, width)
    pixel = torch.nonzero(triangle >= 0).squeeze(1)
    triangle = triangle[pixel]
    mesh = torch.div(triangle, len(faces), rounding_mode="floor")
    face = triangle - mesh * len(faces)
    corners = points.flatten(0, 1)[mesh[:, None] * points.shape[1] + faces[face]]
    inside = pixel % (height * width)
    x, y = (inside % width).to(points.dtype), torch.div(inside, width, rounding_mode="floor").to(points.dtype)
    ax, ay, z = corners[..., 0] - x[:, None], corners[..., 1] - y[:, None], corners[..., 2]
    flat = torch.stack(
        [
            ax[:, 1] * ay[:, 2] - ax[:, 2] * ay[:, 1],
            ax[:, 2] * ay[:, 0] - ax[:, 0] * ay[:, 2],
            ax[:, 0] * ay[:, 1] - ax[:, 1] * ay[:, 0],
        ],
        dim=1,
    )
    over_z = flat / z
    total = over_z.sum(1)
    total = torch.where(total.abs() < 1e-12, torch.full_like(total, 1e-12), total)
    return Fragments(pixel, mesh, face, over_z / total[:, None], flat.sum(1) / total)


def _draw_torch(points: Tensor, faces: Tensor, image_index: Tensor, images: int, height: int, width: int) -> Tensor:
    """(images * height * width,) int64: mesh * F + face, or -1."""
    nearest = torch.full((images * height * width,), _EMPTY, dtype=torch.int64, device=points.device)
    step = max(1, _MOST_TRIANGLES // len(faces))
    for start in range(0, len(points), step):
        _splat(nearest, points[start : start + step], faces, image_index[start : start + step], start, height, width)
    return torch.where(nearest == _EMPTY, -1, nearest & 0xFFFFFFFF)


def _splat(
    nearest: Tensor, points: Tensor, faces: Tensor, image_index: Tensor, first_mesh: int, height: int, width: int
) -> None:
    """Write (depth, triangle) of every sample inside every triangle into `nearest`, the nearest of each pixel staying."""
    x, y, z = (points[..., k][:, faces] for k in range(3))  # (M, F, 3)
    doubled = (x[..., 1] - x[..., 0]) * (y[..., 2] - y[..., 0]) - (x[..., 2] - x[..., 0]) * (y[..., 1] - y[..., 0])
    left, right = x.amin(-1).ceil().clamp(min=0), x.amax(-1).floor().clamp(max=width - 1)
    top, bottom = y.amin(-1).ceil().clamp(min=0), y.amax(-1).floor().clamp(max=height - 1)
    shown = (doubled < 0) & (z.amin(-1) > NEAREST_M) & (left <= right) & (top <= bottom)  # y down: outside is clockwise
    chosen = torch.nonzero(shown.flatten()).squeeze(1)
    x, y, z = (value.flatten(0, 1)[chosen] for value in (x, y, z))
    left, right, top, bottom = (value.flatten()[chosen] for value in (left, right, top, bottom))
    columns = (right - left).long() + 1
    samples = columns * ((bottom - top).long() + 1)
    ends = samples.cumsum(0)
    total = int(ends[-1]) if len(ends) else 0
    which = torch.repeat_interleave(torch.arange(len(chosen), device=points.device), samples, output_size=total)
    place = torch.arange(total, device=points.device) - (ends - samples)[which]
    row = torch.div(place, columns[which], rounding_mode="floor")
    column = place - row * columns[which]
    planes = _planes(x - left[:, None], y - top[:, None], z)[which]  # (S, 4, 3)
    value = planes[..., 0] * column[:, None] + planes[..., 1] * row[:, None] + planes[..., 2]
    inside = (value[:, :3] >= 0).all(1)
    depth_bits = (1.0 / value[:, 3].clamp(min=1e-6)).to(torch.float32).view(torch.int32).long()
    mesh = torch.div(chosen, len(faces), rounding_mode="floor")
    key = (depth_bits << 32) | (chosen + first_mesh * len(faces))[which]
    start = (image_index[mesh] * height + top.long()) * width + left.long()
    nearest.scatter_reduce_(0, start[which] + row * width + column, torch.where(inside, key, _EMPTY), "amin")


def _planes(x: Tensor, y: Tensor, z: Tensor) -> Tensor:
    """(T, 4, 3): as a x + b y + c, the three barycentric coordinates on the image, and one over depth."""
    a = torch.stack([y[:, 1] - y[:, 2], y[:, 2] - y[:, 0], y[:, 0] - y[:, 1]], 1)
    b = torch.stack([x[:, 2] - x[:, 1], x[:, 0] - x[:, 2], x[:, 1] - x[:, 0]], 1)
    c = torch.stack(
        [
            x[:, 1] * y[:, 2] - x[:, 2] * y[:, 1],
            x[:, 2] * y[:, 0] - x[:, 0] * y[:, 2],
            x[:, 0] * y[:, 1] - x[:, 1] * y[:, 0],
        ],
        1,
    )
    flat = torch.stack([a, b, c], -1) / c.sum(1)[:, None, None]
    return torch.cat([flat, (flat / z[..., None]).sum(1, keepdim=True)], 1)


def _draw_numba(points: Tensor, faces: Tensor, image_index: Tensor, images: int, height: int, width: int) -> Tensor:
    from concurrent.futures import ThreadPoolExecutor

    import numpy as np

    from refit_ros.synthetic.raster_numba import draw

    nearest = np.full((images, height, width), np.inf, np.float32)
    triangle = np.full((images, height, width), -1, np.int64)
    arrays = (points.detach().float().contiguous().numpy(), faces.long().numpy(), image_index.numpy(), nearest, triangle)
    threads = min(torch.get_num_threads(), images)
    if threads <= 1:
        draw(*arrays, 0, images)
    else:
        edges = np.linspace(0, images, threads + 1).astype(np.int64)
        with ThreadPoolExecutor(threads) as pool:  # the kernel lets go of the interpreter's lock
            list(pool.map(lambda k: draw(*arrays, edges[k], edges[k + 1]), range(threads)))
    return torch.from_numpy(triangle).flatten()
