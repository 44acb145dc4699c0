"""TensorFlow.js graph models: a .json of the graph and a .bin of its weights, as the GraphDef that OpenVINO reads.

The .json is TensorFlow's GraphDef in protobuf's mapping to JSON, apart from the constants, which lie in the .bin, and from
operations that the converter to TensorFlow.js has joined ("fused"): these are taken apart again. Field numbers are those of
tensorflow/core/framework/{graph,node_def,attr_value,tensor,tensor_shape,types}.proto; the encoding is protobuf's own.
"""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Iterator, Mapping, Sequence
from math import prod

import numpy as np

# The joined operation, and the one that it begins with; what follows stands in its attribute `fused_ops`.
_JOINED = {"_FusedConv2D": "Conv2D", "FusedDepthwiseConv2dNative": "DepthwiseConv2dNative"}
_OF_CONVOLUTIONS = ("T", "strides", "padding", "data_format", "dilations", "explicit_paddings")
_TYPES = {"DT_FLOAT": 1, "DT_INT32": 3, "DT_STRING": 7, "DT_INT64": 9, "DT_BOOL": 10}
_STORED = {"float32": np.float32, "int32": np.int32, "float16": np.float16}
_PRODUCER = 808  # of a graph that does not say which version of TensorFlow made it

Attributes = Mapping[str, Mapping]


def graph_def(topology: bytes, weights: bytes) -> bytes:
    """The GraphDef of a model's .json and .bin. Raises ValueError with a sentence for what is no such model."""
    try:
        model = json.loads(topology)
        graph, constants = model["modelTopology"], _constants(model["weightsManifest"], weights)
        nodes = b"".join(_field(1, node) for each in graph["node"] for node in _nodes(each, constants))
        producer = int(graph.get("versions", {}).get("producer", _PRODUCER))
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise ValueError(f"this is no graph model of TensorFlow.js that can be read ({error!r})") from None
    return nodes + _field(4, _number(1, producer))


def _constants(manifest: Sequence[Mapping], weights: bytes) -> dict[str, np.ndarray]:
    """By the nodes' names."""
    found, begin = {}, 0
    for each in (each for group in manifest for each in group["weights"]):
        stored = np.dtype(_STORED[each.get("quantization", {}).get("dtype", each["dtype"])])
        values = np.frombuffer(weights, stored, prod(each["shape"]), begin)
        found[each["name"]] = values.astype(_STORED[each["dtype"]]).reshape(each["shape"])
        begin += values.nbytes
    if begin != len(weights):
        raise ValueError(f"{len(weights)} bytes of weights where the graph has {begin}")
    return found


def _nodes(node: Mapping, constants: Mapping[str, np.ndarray]) -> Iterator[bytes]:
    """The NodeDefs of a node: one, or those that were joined in it, the last one under its name."""
    name, operation, inputs, attributes = node["name"], node["op"], node.get("input", []), node.get("attr", {})
    if operation == "Const":
        yield _node(name, operation, inputs, {"dtype": attributes["dtype"]}, _tensor(constants[name]))
    elif operation in _JOINED:
        convolution = {key: value for key, value in attributes.items() if key in _OF_CONVOLUTIONS}
        steps = [(_JOINED[operation], inputs[:2], convolution)]
        for each in attributes["fused_ops"]["list"]["s"]:
            kind = base64.b64decode(each).decode()
            more = inputs[2:3] if kind == "BiasAdd" else []
            own = {key: attributes[key] for key in ("T", *(["data_format"] if more else []))}
            steps.append((kind, more, own))
        names = [*(f"{name}/step_{index}" for index in range(len(steps) - 1)), name]
        for index, (kind, more, own) in enumerate(steps):
            yield _node(names[index], kind, [*([names[index - 1]] if index else []), *more], own)
    else:
        yield _node(name, operation, inputs, attributes)


def _node(name: str, operation: str, inputs: Sequence[str], attributes: Attributes, value: bytes | None = None) -> bytes:
    own = {key: _attribute(each) for key, each in attributes.items()}
    if value is not None:
        own["value"] = _field(8, value)
    return b"".join(
        [
            _field(1, name.encode()),
            _field(2, operation.encode()),
            *(_field(3, each.encode()) for each in inputs),
            *(_field(5, _field(1, key.encode()) + _field(2, each)) for key, each in own.items()),
        ]
    )


def _attribute(value: Mapping) -> bytes:
    """An AttrValue, of which exactly one kind is set."""
    ((kind, content),) = value.items()
    if kind == "list":
        return _field(1, b"".join(_single(each, one) for each, some in content.items() for one in some))
    return _single(kind, content)


def _single(kind: str, content) -> bytes:
    if kind == "s":
        return _field(2, base64.b64decode(content))
    if kind == "i":
        return _number(3, int(content))
    if kind == "f":
        return _varint(4 << 3 | 5) + struct.pack("<f", float(content))
    if kind == "b":
        return _number(5, int(bool(content)))
    if kind == "type":
        return _number(6, _TYPES[content])
    if kind == "shape":
        return _field(7, _shape([int(each.get("size", 0)) for each in content.get("dim", [])]))
    raise ValueError(f"an attribute of the kind '{kind}'")


def _tensor(values: np.ndarray) -> bytes:
    kind = _TYPES["DT_FLOAT" if values.dtype == np.float32 else "DT_INT32"]
    return _number(1, kind) + _field(2, _shape(values.shape)) + _field(4, values.tobytes())


def _shape(sizes: Sequence[int]) -> bytes:
    return b"".join(_field(2, _number(1, size)) for size in sizes)


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _number(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _varint(value: int) -> bytes:
    value &= (1 << 64) - 1  # a negative one is written as its two's complement
    written = bytearray()
    while value > 127:
        written.append(value & 127 | 128)
        value >>= 7
    return bytes([*written, value])
