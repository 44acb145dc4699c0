"""OpenVINO's operations in torch, as far as the landmark networks need them: on any device, without a look at a number.

OpenVINO reads .tflite, TensorFlow's graphs and ONNX into one kind of graph, whose shapes it works out for an input of a
known size. So whatever only changes a shape is one reshape here. The meaning of each is that of the operation sets in
OpenVINO's documentation (opset1 .. opset14), and tests compare with what OpenVINO computes. Nothing here may wait for the
device or decide by a number that it has computed: all of it is recorded as a CUDA graph.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

# Whole numbers are all of one type, which torch indexes with.
TYPES = {
    "f32": torch.float32,
    "f16": torch.float32,
    "i32": torch.int64,
    "i64": torch.int64,
    "u8": torch.int64,
    "boolean": torch.bool,
}


class UnknownOperation(ValueError):
    """A network has an operation that is not computed here; the message names it."""


@dataclass(frozen=True)
class Node:
    """One operation of a graph, without the numbers that flow through it."""

    kind: str
    attributes: Mapping[str, Any]
    shape: tuple[int, ...]  # of its first output
    numbers: Mapping[int, Any]  # inputs that are the same for every image and decide shapes: axes, sizes, pads
    type: str  # of its first output, as OpenVINO names it

    def only(self, **expected: object) -> None:
        """Raises UnknownOperation where an attribute is another one."""
        for name, value in expected.items():
            if self.attributes.get(name) != value:
                raise UnknownOperation(f"{self.kind} with {name} {self.attributes.get(name)}")


Outputs = tuple[Tensor, ...]
Step = Callable[..., Outputs]  # of a node's inputs


def step_of(node: Node) -> Step:
    """What computes the node's outputs of its inputs. Raises UnknownOperation."""
    if node.kind in _PLAIN:
        plain = _PLAIN[node.kind]
        return lambda *inputs: (plain(*inputs),)
    if node.kind not in _MAKERS:
        raise UnknownOperation(node.kind)
    return _MAKERS[node.kind](node)


def _squared_difference(one: Tensor, other: Tensor) -> Tensor:
    return (one - other).square()


_PLAIN: dict[str, Callable[..., Tensor]] = {
    "Abs": torch.abs,
    "Add": torch.add,
    "Equal": torch.eq,
    "Exp": torch.exp,
    "FloorMod": torch.remainder,
    "Greater": torch.gt,
    "GreaterEqual": torch.ge,
    "Less": torch.lt,
    "LessEqual": torch.le,
    "LogicalAnd": torch.logical_and,
    "LogicalNot": torch.logical_not,
    "LogicalOr": torch.logical_or,
    "LogicalXor": torch.logical_xor,
    "Maximum": torch.maximum,
    "Minimum": torch.minimum,
    "Mod": torch.fmod,  # whose sign is the dividend's, as in C
    "Multiply": torch.mul,
    "NotEqual": torch.ne,
    "Power": torch.pow,
    "Relu": torch.relu,
    "Select": torch.where,
    "Sigmoid": torch.sigmoid,
    "Sqrt": torch.sqrt,
    "SquaredDifference": _squared_difference,
    "Subtract": torch.sub,
    "Tanh": torch.tanh,
}


def _reshape(node: Node) -> Step:
    return lambda x, *_: (x.reshape(node.shape),)


def _transpose(node: Node) -> Step:
    """A view: what an image's channels are moved to and fro for costs nothing."""
    order = node.numbers[1] or list(range(len(node.shape)))[::-1]
    return lambda x, *_: (x.permute(order),)


def _convert(node: Node) -> Step:
    kind = _type(node)
    return lambda x: (x.to(kind),)


def _clamp(node: Node) -> Step:
    low, high = node.attributes["min"], node.attributes["max"]
    return lambda x: (x.clamp(low, high),)


def _convolution(node: Node) -> Step:
    strides, dilations = node.attributes["strides"], node.attributes["dilations"]
    padding, around = _padding(node)
    grouped = node.kind == "GroupConvolution"

    def convolve(x: Tensor, weight: Tensor) -> Outputs:
        groups = weight.shape[0] if grouped else 1
        weight = weight.flatten(0, 1) if grouped else weight
        return (F.conv2d(_padded(x, around), weight, None, strides, padding, dilations, groups),)

    return convolve


def _max_pool(node: Node) -> Step:
    node.only(rounding_type="floor")
    kernel, strides, dilations = (node.attributes[name] for name in ("kernel", "strides", "dilations"))
    padding, around = _padding(node)
    return lambda x: (F.max_pool2d(_padded(x, around, -torch.inf), kernel, strides, padding, dilations),)


def _padding(node: Node) -> tuple[list[int], list[int]]:
    """On both sides alike, or else what is to be put around: torch's own operations pad both sides alike."""
    begin, end = node.attributes["pads_begin"], node.attributes["pads_end"]
    if len(begin) != 2:
        raise UnknownOperation(f"{node.kind} in {len(begin)} dimensions")
    return (list(begin), []) if list(begin) == list(end) else ([0, 0], [begin[1], end[1], begin[0], end[0]])


def _padded(x: Tensor, around: list[int], value: float = 0.0) -> Tensor:
    """In the layout that x (1, C, H, W) has in memory; of images that are mapped over torch's own padding loses it."""
    if not around:
        return x
    if x.stride(1) == 1:
        return F.pad(x.movedim(1, -1), [0, 0, *around], value=value).movedim(-1, 1)
    return F.pad(x, around, value=value)


def _pad(node: Node) -> Step:
    node.only(pad_mode="constant")
    around = [each for pair in list(zip(node.numbers[1], node.numbers[2]))[::-1] for each in pair]
    value = node.numbers[3] if 3 in node.numbers else 0.0
    if len(node.shape) == 4 and not any(around[4:]):
        return lambda x, *_: (_padded(x, around[:4], value),)
    return lambda x, *_: (F.pad(x, around, value=value),)


def _interpolate(node: Node) -> Step:
    node.only(coordinate_transformation_mode="half_pixel", antialias=False)
    axes = node.numbers[max(node.numbers)]  # the last input, where it is given; an image's height and width
    if node.attributes["mode"] not in ("linear", "linear_onnx") or len(node.shape) != 4 or len(axes) != 2:
        raise UnknownOperation(f"Interpolate with mode {node.attributes['mode']} of the axes {axes}")
    if any(node.attributes["pads_begin"]) or any(node.attributes["pads_end"]):
        raise UnknownOperation("Interpolate with pads")
    size = [node.shape[axis] for axis in axes]

    def interpolate(x: Tensor, *_: Tensor) -> Outputs:
        larger = F.interpolate(x.movedim(axes, (-2, -1)), size, mode="bilinear", align_corners=False)
        return (larger.movedim((-2, -1), axes),)

    return interpolate


def _depth_to_space(node: Node) -> Step:
    node.only(mode="blocks_first")
    block = node.attributes["block_size"]

    def spread(x: Tensor) -> Outputs:
        count, channels, height, width = x.shape
        blocks = x.reshape(count, block, block, channels // block**2, height, width)
        return (blocks.permute(0, 3, 4, 1, 5, 2).reshape(node.shape),)

    return spread


def _concat(node: Node) -> Step:
    axis = node.attributes["axis"]
    return lambda *inputs: (torch.cat(inputs, axis),)


def _split(node: Node) -> Step:
    axis, count = node.numbers[1], node.attributes["num_splits"]
    return lambda x, *_: x.chunk(count, axis)


def _tile(node: Node) -> Step:
    return lambda x, *_: (x.repeat(node.numbers[1]),)


def _reduced(by: Callable[..., Tensor]) -> Callable[[Node], Step]:
    def make(node: Node) -> Step:
        axes = node.numbers[1] if isinstance(node.numbers[1], list) else [node.numbers[1]]
        keep = node.attributes["keep_dims"]
        return lambda x, *_: (by(x, axes, keep),)

    return make


def _divide(node: Node) -> Step:
    """Of whole numbers a whole one."""
    if _type(node).is_floating_point:
        return lambda one, other: (one / other,)
    # Of negative numbers Python's is another, and OpenVINO on a CPU does not heed the difference.
    node.only(m_pythondiv=False)
    return lambda one, other: (torch.div(one, other, rounding_mode="trunc"),)


def _top_k(node: Node) -> Step:
    """By a stable sort: torch's own takes any of those that are equal, and another one on each device."""
    node.only(mode="max", sort="value")
    count, axis = node.numbers[1], node.attributes["axis"]

    def highest(x: Tensor, *_: Tensor) -> Outputs:
        values, indices = torch.sort(x, dim=axis, descending=True, stable=True)
        return values.narrow(axis, 0, count), indices.narrow(axis, 0, count)

    return highest


def _gather_nd(node: Node) -> Step:
    node.only(batch_dims=0)
    return lambda x, indices: (x[indices.unbind(-1)],)


def _strided_slice(node: Node) -> Step:
    masks = {name: node.attributes[f"{name}_mask"] for name in ("begin", "end", "new_axis", "shrink_axis", "ellipsis")}
    begin, end = node.numbers[1], node.numbers[2]
    steps = node.numbers.get(3, [1] * len(begin))
    if any(step < 1 for step in steps):
        raise UnknownOperation("StridedSlice backwards")

    def at(axis: int) -> object:
        says = {name: axis < len(mask) and bool(mask[axis]) for name, mask in masks.items()}
        if says["ellipsis"]:
            return Ellipsis
        if says["new_axis"]:
            return None
        if says["shrink_axis"]:
            return begin[axis]
        return slice(None if says["begin"] else begin[axis], None if says["end"] else end[axis], steps[axis])

    index = tuple(at(axis) for axis in range(len(begin)))
    return lambda x, *_: (x[index],)


def _type(node: Node) -> torch.dtype:
    if node.type not in TYPES:
        raise UnknownOperation(f"{node.kind} in the type {node.type}")
    return TYPES[node.type]


_MAKERS: dict[str, Callable[[Node], Step]] = {
    "Clamp": _clamp,
    "Concat": _concat,
    "Convert": _convert,
    "Convolution": _convolution,
    "DepthToSpace": _depth_to_space,
    "Divide": _divide,
    "GatherND": _gather_nd,
    "GroupConvolution": _convolution,
    "Interpolate": _interpolate,
    "MaxPool": _max_pool,
    "Pad": _pad,
    "ReduceMax": _reduced(torch.amax),
    "ReduceSum": _reduced(torch.sum),
    "Reshape": _reshape,
    "Split": _split,
    "Squeeze": _reshape,
    "StridedSlice": _strided_slice,
    "Tile": _tile,
    "TopK": _top_k,
    "Transpose": _transpose,
    "Unsqueeze": _reshape,
}
