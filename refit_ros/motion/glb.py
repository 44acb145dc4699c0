"""A motion as GLB (glTF 2.0 in one file): a skinned, animated mesh, y up, metres, for browsers, Blender and games."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.spatial.transform import Rotation

from refit_ros.core.errors import InputError
from refit_ros.core.joints import JOINT_NAMES, PARENTS
from refit_ros.core.plain_files import whole_file
from refit_ros.estimation.palette import color_of
from refit_ros.motion.skeleton import Y_UP_FROM_Z_UP, bones_of, turned
from refit_ros.motion.types import Motion

if TYPE_CHECKING:
    from refit_ros.core.body_files import BodyArrays

INFLUENCES = 4  # joints a vertex follows: what every reader of glTF must know
FLOAT, UBYTE, UINT = 5126, 5121, 5125  # glTF's component types
VERTICES, INDICES = 34962, 34963  # glTF's buffer targets
_TYPES = {(): "SCALAR", (3,): "VEC3", (4,): "VEC4", (4, 4): "MAT4"}
_COMPONENTS = {np.dtype(np.float32): FLOAT, np.dtype(np.uint8): UBYTE, np.dtype(np.uint32): UINT}


def write_glb(motion: Motion, path: Path, body: BodyArrays) -> None:
    """Raises InputError where `body` is not the one that the motion's shape belongs to."""
    content = glb_bytes(motion, body)
    with whole_file(path) as file:
        file.write(content)


def glb_bytes(motion: Motion, body: BodyArrays) -> bytes:
    """The file. Its mesh is the body of the motion's mean shape, moved by linear blend skinning alone.

    What SMPL adds to that in bent joints (its pose blend shapes) a skin cannot say. Raises InputError as `write_glb`.
    """
    check_body(motion, body)
    parts = _Parts()
    vertices = (body.v_template + body.shapedirs @ motion.betas).astype(np.float32)
    joints, weights = strongest_influences(body.weights)
    attributes = {
        "POSITION": parts.add(vertices, VERTICES, bounds=True),
        "NORMAL": parts.add(_normals(vertices, body.faces), VERTICES),
        "JOINTS_0": parts.add(joints, VERTICES),
        "WEIGHTS_0": parts.add(weights, VERTICES),
    }
    faces = parts.add(body.faces.astype(np.uint32).reshape(-1), INDICES)
    inverse = np.tile(np.eye(4, dtype=np.float32), (len(JOINT_NAMES), 1, 1))
    inverse[:, 3, :3] = -motion.rest_joints  # by columns, as glTF has matrices
    mesh_node = len(JOINT_NAMES)
    document = {
        "asset": {"version": "2.0", "generator": "refit_ros"},
        "scene": 0,
        "scenes": [{"nodes": [0, mesh_node]}],
        "nodes": [*_joint_nodes(motion), {"name": motion.name, "mesh": 0, "skin": 0}],
        "meshes": [{"name": motion.name, "primitives": [{"attributes": attributes, "indices": faces, "material": 0}]}],
        "materials": [_material(motion.id)],
        "skins": [{"joints": list(range(len(JOINT_NAMES))), "skeleton": 0, "inverseBindMatrices": parts.add(inverse)}],
        "animations": [_animation(motion, parts)],
    }
    return _container(document | parts.tables(), parts.content)


def check_body(motion: Motion, body: BodyArrays) -> None:
    """Raises InputError where the motion's shape means nothing to this body."""
    if motion.body_model != body.name:
        raise InputError(
            f"this motion's shape belongs to the body '{motion.body_model}', not to '{body.name}': give its file by --body."
        )


def strongest_influences(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(V, 24) -> joints (V, 4) uint8 and their weights (V, 4) float32, which sum to 1."""
    order = np.argsort(-weights, axis=1, kind="stable")[:, :INFLUENCES]
    kept = np.take_along_axis(weights, order, axis=1)
    kept = (kept / kept.sum(axis=1, keepdims=True)).astype(np.float32)
    return np.where(kept > 0, order, 0).astype(np.uint8), kept


def _joint_nodes(motion: Motion) -> list[dict[str, Any]]:
    """The tree in the rest pose."""
    places = bones_of(motion.rest_joints)
    places[0] = motion.rest_joints[0]
    nodes = []
    for joint, name in enumerate(JOINT_NAMES):
        node: dict[str, Any] = {"name": name, "translation": places[joint].tolist()}
        children = [child for child, parent in enumerate(PARENTS) if parent == joint]
        nodes.append(node | ({"children": children} if children else {}))
    return nodes


def _animation(motion: Motion, parts: _Parts) -> dict[str, Any]:
    """The pelvis' place and every joint's rotation."""
    poses, pelvis = turned(motion.poses, motion.pelvis, Y_UP_FROM_Z_UP)
    times = parts.add((np.arange(len(poses)) / motion.rate_hz).astype(np.float32), bounds=True)
    samplers = [{"input": times, "output": parts.add(pelvis.astype(np.float32)), "interpolation": "LINEAR"}]
    channels = [{"sampler": 0, "target": {"node": 0, "path": "translation"}}]
    for joint in range(len(JOINT_NAMES)):
        turn = Rotation.from_rotvec(poses[:, joint]).as_quat()
        turn[1:] *= np.cumprod(np.where((turn[1:] * turn[:-1]).sum(axis=1) < 0, -1.0, 1.0))[:, None]  # the short way round
        channels.append({"sampler": len(samplers), "target": {"node": joint, "path": "rotation"}})
        samplers.append({"input": times, "output": parts.add(turn.astype(np.float32)), "interpolation": "LINEAR"})
    return {"name": motion.name, "samplers": samplers, "channels": channels}


def _material(person: int) -> dict[str, Any]:
    """In the colour of the id; glTF's colours are linear, the palette's are sRGB."""
    linear = [((value + 0.055) / 1.055) ** 2.4 if value > 0.04045 else value / 12.92 for value in color_of(person)]
    surface = {"baseColorFactor": [*linear, 1.0], "metallicFactor": 0.0, "roughnessFactor": 0.9}
    return {"name": f"person {person}", "pbrMetallicRoughness": surface, "doubleSided": True}


def _normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(V, 3) unit, each the mean of its triangles' weighted by their areas; up where a vertex has none."""
    corners = vertices[faces]
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    total = np.zeros_like(vertices)
    for corner in range(3):
        np.add.at(total, faces[:, corner], across)
    length = np.linalg.norm(total, axis=1, keepdims=True)
    return np.where(length > 0, total / np.maximum(length, 1e-20), [0.0, 1.0, 0.0]).astype(np.float32)


@dataclass
class _Parts:
    """The binary part and the tables that say what lies where in it."""

    content: bytes = b""
    views: list[dict[str, Any]] = field(default_factory=list)
    accessors: list[dict[str, Any]] = field(default_factory=list)

    def add(self, values: np.ndarray, target: int | None = None, bounds: bool = False) -> int:
        """The index of the accessor to an array, its first dimension the count."""
        self.content += b"\0" * (-len(self.content) % 4)
        data = np.ascontiguousarray(values).tobytes()
        view = {"buffer": 0, "byteOffset": len(self.content), "byteLength": len(data)}
        self.views.append(view | ({"target": target} if target else {}))
        self.content += data
        accessor: dict[str, Any] = {
            "bufferView": len(self.views) - 1,
            "componentType": _COMPONENTS[values.dtype],
            "count": len(values),
            "type": _TYPES[values.shape[1:]],
        }
        if bounds:
            accessor |= {
                "min": np.atleast_1d(values.min(axis=0)).tolist(),
                "max": np.atleast_1d(values.max(axis=0)).tolist(),
            }
        self.accessors.append(accessor)
        return len(self.accessors) - 1

    def tables(self) -> dict[str, Any]:
        return {"buffers": [{"byteLength": len(self.content)}], "bufferViews": self.views, "accessors": self.accessors}


def _container(document: dict[str, Any], content: bytes) -> bytes:
    """Header, JSON and binary part, each filled up to a multiple of four."""
    text = json.dumps(document, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    content += b"\0" * (-len(content) % 4)
    chunks = struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(content), b"BIN\0") + content
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks
