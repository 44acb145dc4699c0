"""Makes a triangle mesh smaller by moving vertices onto neighbours: what is left is a subset, with all that it carries.

The quadric error of M. Garland and P. Heckbert, "Surface simplification using quadric error metrics", SIGGRAPH 1997, with
half-edge collapses, summed over several shapes of one mesh.
"""

from __future__ import annotations

import heapq

import numpy as np

_LENGTH = 1e-4  # share of the squared edge length in the cost: flat places get even triangles
_RIM = 10.0  # how much more the planes along an open rim count


def reduce_mesh(shapes: np.ndarray, faces: np.ndarray, count: int, importance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """shapes (S, V, 3), faces (F, 3), importance (V,) -> which vertices are kept (about `count`), and their faces.

    Vertices on an open rim only move along it, so that the mesh can be joined to its mirror image.
    """
    return _Reduction(shapes, faces, importance).run(count)


class _Reduction:
    def __init__(self, shapes: np.ndarray, faces: np.ndarray, importance: np.ndarray) -> None:
        self.shapes, self.importance = shapes, importance
        self.faces = {number: tuple(face) for number, face in enumerate(faces.tolist())}
        self.of_vertex: list[set[int]] = [set() for _ in range(shapes.shape[1])]
        for number, face in self.faces.items():
            for corner in face:
                self.of_vertex[corner].add(number)
        self.rim = np.zeros(shapes.shape[1], bool)
        self.quadrics = _quadrics(shapes, faces, self.rim)
        self.version = [0] * shapes.shape[1]
        self.heap: list[tuple[float, int, int, int, int]] = []

    def run(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        left = sum(bool(faces) for faces in self.of_vertex)
        for vertex in range(len(self.of_vertex)):
            self._offer(vertex)
        while left > count and self.heap:
            _, drop, keep, at_drop, at_keep = heapq.heappop(self.heap)
            if (at_drop, at_keep) != (self.version[drop], self.version[keep]) or not self._allowed(drop, keep):
                continue
            self._collapse(drop, keep)
            left -= 1
        faces = np.array(list(self.faces.values()))
        kept, renumbered = np.unique(faces, return_inverse=True)
        return kept, renumbered.reshape(-1, 3)

    def _neighbours(self, vertex: int) -> set[int]:
        return {corner for number in self.of_vertex[vertex] for corner in self.faces[number]} - {vertex}

    def _offer(self, drop: int) -> None:
        """Puts the ways to drop a vertex onto the heap."""
        for keep in self._neighbours(drop):
            apart = self.shapes[:, keep] - self.shapes[:, drop]
            point = np.append(self.shapes[:, keep], np.ones((len(self.shapes), 1)), axis=1)
            cost = float(np.einsum("si,sij,sj->", point, self.quadrics[drop], point) + _LENGTH * (apart**2).sum() ** 2)
            cost *= float(self.importance[drop])
            heapq.heappush(self.heap, (cost, drop, keep, self.version[drop], self.version[keep]))

    def _allowed(self, drop: int, keep: int) -> bool:
        shared = self.of_vertex[drop] & self.of_vertex[keep]
        if not shared or (self.rim[drop] and (len(shared) != 1 or not self.rim[keep])):
            return False
        if len(self._neighbours(drop) & self._neighbours(keep)) != len(shared):
            return False  # the surface would touch itself
        for number in self.of_vertex[drop] - shared:
            old = self.faces[number]
            new = [keep if corner == drop else corner for corner in old]
            before, after = (_normals(self.shapes[:, list(corners)]) for corners in (old, new))
            lengths = np.linalg.norm(before, axis=1) * np.linalg.norm(after, axis=1)
            if ((before * after).sum(1) < 0.3 * lengths + 1e-14).any():
                return False  # a triangle would be turned over, or be a line
        return True

    def _collapse(self, drop: int, keep: int) -> None:
        around = self._neighbours(drop)
        for number in list(self.of_vertex[drop]):
            face = tuple(keep if corner == drop else corner for corner in self.faces[number])
            for corner in self.faces[number]:
                self.of_vertex[corner].discard(number)
            del self.faces[number]
            if len(set(face)) == 3:
                self.faces[number] = face
                for corner in face:
                    self.of_vertex[corner].add(number)
        self.quadrics[keep] += self.quadrics[drop]
        for vertex in around | {keep}:
            self.version[vertex] += 1
        for vertex in around | {keep} | self._neighbours(keep):
            self._offer(vertex)


def _normals(corners: np.ndarray) -> np.ndarray:
    """(S, 3, 3) -> (S, 3), as long as twice the area."""
    return np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])


def _quadrics(shapes: np.ndarray, faces: np.ndarray, rim: np.ndarray) -> np.ndarray:
    """(V, S, 4, 4): of the planes of each vertex's faces, weighted by area, and of planes along the rim, which is marked."""
    quadrics = np.zeros((shapes.shape[1], len(shapes), 4, 4))
    edges = np.concatenate([faces[:, [k, (k + 1) % 3]] for k in range(3)])
    owner = np.tile(np.arange(len(faces)), 3)
    _, first, times = np.unique(np.sort(edges, axis=1), axis=0, return_index=True, return_counts=True)
    open_edges = first[times == 1]
    rim[np.unique(edges[open_edges])] = True
    for number, shape in enumerate(shapes):
        normals = _normals(shape[faces])
        area = np.linalg.norm(normals, axis=1)
        normals = normals / np.maximum(area, 1e-15)[:, None]
        for k in range(3):
            np.add.at(quadrics[:, number], faces[:, k], _plane(normals, shape[faces[:, 0]], area))
        along = shape[edges[open_edges, 1]] - shape[edges[open_edges, 0]]
        out = np.cross(along, normals[owner[open_edges]])
        length = np.linalg.norm(out, axis=1)
        planes = _plane(out / np.maximum(length, 1e-15)[:, None], shape[edges[open_edges, 0]], _RIM * length**2)
        for k in range(2):
            np.add.at(quadrics[:, number], edges[open_edges, k], planes)
    return quadrics


def _plane(normals: np.ndarray, through: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """(N, 4, 4)"""
    plane = np.append(normals, -(normals * through).sum(1, keepdims=True), axis=1)
    return weight[:, None, None] * plane[:, :, None] * plane[:, None, :]
