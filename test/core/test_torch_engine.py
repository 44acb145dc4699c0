"""Graphs that OpenVINO reads, computed by torch: each operation against OpenVINO, and any number of images at once."""

import logging

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from refit_ros.core import torch_engine
from refit_ros.core.openvino_compiler import Source, openvino_module
from refit_ros.core.torch_engine import LAYOUTS, MOST_AT_ONCE, Graph, TorchNetwork, compiled_by_torch, graph_of
from refit_ros.core.torch_operations import UnknownOperation

pytest.importorskip("openvino", reason="openvino is not installed")
from openvino import opset13 as ops  # noqa: E402

CPU = torch.device("cpu")
SHAPE = 1, 8, 6, 4


def numbers(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


def whole(x):
    """Whole numbers of both signs."""
    return ops.convert(ops.multiply(x, np.float32(9)), "i32")


def towards_zero(one, other):
    quotient = ops.divide(one, other)
    quotient.set_attribute("m_pythondiv", False)
    return quotient


def channels_first(x):
    return ops.transpose(x, [0, 3, 1, 2])


def convolved(strides, begin, end, dilations=(1, 1)):
    return lambda x: ops.convolution(channels_first(x), numbers(5, 4, 3, 3), strides, begin, end, dilations)


def grouped(begin, end):
    return lambda x: ops.group_convolution(channels_first(x), numbers(2, 3, 2, 3, 3), [2, 1], begin, end, [1, 1])


def pooled(begin, end):
    return lambda x: ops.max_pool(channels_first(x), [2, 1], [1, 1], begin, end, [3, 3]).output(0)


def larger(mode, axes):
    return lambda x: ops.interpolate(x, [11, 13], mode, "sizes", axes=axes, coordinate_transformation_mode="half_pixel")


def highest(x):
    """Of numbers of which many are equal, where the first of them counts."""
    found = ops.topk(ops.floor_mod(whole(x), np.int32(3)), np.int32(7), 1, "max", "value", stable=True)
    return ops.concat([found.output(0), found.output(1)], 3)


def gathered(x):
    rows = ops.floor_mod(whole(x), np.int32(4))  # (1, 8, 6, 4) indices into (4, 4, 4, 4)
    return ops.gather_nd(numbers(4, 4, 4, 4), rows)


OPERATIONS = {
    "sums and products": lambda x: ops.subtract(ops.multiply(ops.add(x, numbers(4)), np.float32(3)), ops.abs(x)),
    "powers": lambda x: ops.power(ops.sqrt(ops.exp(x)), ops.squared_difference(x, np.float32(1))),
    "curves": lambda x: ops.concat([ops.sigmoid(x), ops.tanh(x), ops.relu(x), ops.clamp(x, -0.5, 0.7)], -1),
    "larger and smaller": lambda x: ops.maximum(ops.minimum(x, np.float32(0.5)), numbers(6, 4)),
    "quotients": lambda x: ops.divide(x, np.float32(3)),
    "whole quotients": lambda x: towards_zero(whole(x), np.int32(4)),
    "remainders": lambda x: ops.mod(whole(x), np.int32(5)),
    "choices": lambda x: ops.select(
        ops.logical_and(
            ops.logical_xor(ops.greater(x, np.float32(0)), ops.less_equal(x, np.float32(1))),
            ops.logical_or(ops.not_equal(x, np.float32(0)), ops.logical_not(ops.less(x, np.float32(2)))),
        ),
        x,
        np.float32(7),
    ),
    "equal ones": lambda x: ops.select(
        ops.logical_or(ops.equal(whole(x), np.int32(2)), ops.greater_equal(whole(x), np.int32(9))), x, np.float32(0)
    ),
    "a convolution": convolved([1, 1], [1, 1], [1, 1]),
    "a convolution, padded on one side": convolved([2, 2], [0, 1], [1, 2]),
    "a convolution with gaps": convolved([1, 1], [2, 2], [2, 2], [2, 2]),
    "a grouped convolution": grouped([1, 1], [1, 1]),
    "a grouped convolution, padded on one side": grouped([0, 0], [1, 1]),
    "a pool": pooled([1, 1], [1, 1]),
    "a pool, padded on one side": pooled([0, 0], [1, 1]),
    "a frame": lambda x: ops.pad(x, [0, 1, 0, 2], [0, 0, 3, 1], "constant", np.float32(-2)),
    "an image's size": larger("linear_onnx", [1, 2]),
    "an image's size, channels first": larger("linear_onnx", [2, 3]),
    "depth to space": lambda x: ops.depth_to_space(channels_first(x), "blocks_first", 2),
    "shapes": lambda x: ops.unsqueeze(ops.squeeze(ops.reshape(x, [1, 48, 1, -1], False), [2]), [1]),
    "a shape of an image's own": lambda x: ops.reshape(
        x, ops.concat([[1], ops.gather(ops.shape_of(x), [3, 1], 0), [-1]], 0), False
    ),
    "parts": lambda x: ops.concat(ops.split(x, 2, 2).outputs()[::-1], 1),
    "tiles": lambda x: ops.tile(x, [1, 2, 1, 3]),
    "sums": lambda x: ops.reduce_sum(x, [1, 2], False),
    "peaks": lambda x: ops.reduce_max(x, [3], True),
    "the highest": highest,
    "rows by their numbers": gathered,
    "slices": lambda x: ops.strided_slice(
        x, [0, 1, 0, 2], [0, 7, 0, 3], [1, 2, 1, 1], [1, 0, 1, 0], [1, 0, 1, 0], [0, 0, 0, 0], [0, 0, 0, 1], [0, 0, 0, 0]
    ),
    "new axes": lambda x: ops.strided_slice(
        x, [0, 0, 0], [0, 0, 0], [1, 1, 1], [1, 1, 1], [1, 1, 1], [0, 1, 0], [0, 0, 0], [0, 0, 1]
    ),
}


def source_of(make) -> Source:
    """make: of the input (1, ...) the outputs, one or a list."""

    def read():
        x = ops.parameter(SHAPE, np.float32)
        made = make(x)
        return openvino_module().Model(made if isinstance(made, list) else [made], [x], "a graph")

    return Source(read)


def by_openvino(source: Source):
    request = (
        openvino_module()
        .Core()
        .compile_model(source.read(), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        .create_infer_request()
    )
    return lambda images: [np.concatenate([request.infer([image[None]])[0] for image in images])]


@pytest.mark.parametrize(
    ("name", "layout"),
    [(name, layout) for layout in LAYOUTS for name in OPERATIONS if layout == "rows of channels" or "convolution" in name],
)
def test_an_operation_gives_what_openvino_gives(name, layout):
    source, images = source_of(OPERATIONS[name]), 2 * numbers(3, *SHAPE[1:])
    network = TorchNetwork(graph_of(source, SHAPE, CPU), CPU, LAYOUTS[layout])
    (mine,), (theirs,) = network(images), by_openvino(source)(images)
    assert mine.shape == theirs.shape and mine.dtype == np.float32
    assert np.abs(theirs).max() > 0.1, "there is something to compare"
    assert np.abs(mine - theirs).max() <= 1e-5 * np.abs(theirs).max()


def two_layers(x):
    inner = ops.relu(ops.convolution(channels_first(x), numbers(5, 4, 3, 3), [1, 1], [1, 1], [1, 1], [1, 1]))
    return [ops.reduce_max(inner, [2, 3], False), ops.sigmoid(ops.multiply(inner, np.float32(2)))]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_image_keeps_its_layout_through_convolutions_padded_on_any_side(layout, monkeypatch):
    """Else each of them turns what it gets, which a GPU takes as long for as for the convolution."""
    seen, convolve = [], F.conv2d
    monkeypatch.setattr(F, "conv2d", lambda x, *others: seen.append(x.stride(1) == 1) or convolve(x, *others))

    def make(x):
        rows = ops.convolution(channels_first(x), numbers(6, 4, 3, 3), [1, 1], [0, 1], [1, 2], [1, 1])
        rows = ops.pad(ops.clamp(rows, 0, 6), [0, 0, 1, 1], [0, 0, 2, 1], "constant", np.float32(0))
        rows = ops.group_convolution(rows, numbers(6, 1, 1, 3, 3), [2, 2], [0, 0], [1, 1], [1, 1])
        return ops.convolution(
            ops.max_pool(rows, [1, 1], [1, 1], [0, 1], [1, 0], [2, 2]).output(0),
            numbers(5, 6, 1, 1),
            [1, 1],
            [0, 0],
            [0, 0],
            [1, 1],
        )

    source = source_of(make)
    (mine,) = TorchNetwork(graph_of(source, SHAPE, CPU), CPU, LAYOUTS[layout])(numbers(3, *SHAPE[1:]))
    assert seen == [layout == "rows of channels"] * 3
    (theirs,) = by_openvino(source)(numbers(3, *SHAPE[1:]))
    assert np.abs(mine - theirs).max() <= 1e-5 * np.abs(theirs).max()


def test_more_images_than_go_through_at_once_come_back_in_order():
    source, count = source_of(two_layers), 2 * MOST_AT_ONCE + 3
    images = numbers(count, *SHAPE[1:])
    network = compiled_by_torch(source, images[:1], "cpu")
    together, alone = network(images), [network(image[None]) for image in images]
    for output, others in zip(together, zip(*alone)):
        assert len(output) == count and np.abs(output - np.concatenate(others)).max() < 1e-5


def test_what_nobody_reads_is_not_computed():
    source, images = source_of(two_layers), numbers(2, *SHAPE[1:])
    every, some = (graph_of(source, SHAPE, CPU, unread) for unread in ((), [(5, 8, 6)]))
    assert len(every.operations) - len(some.operations) == 2 and len(every.outputs) == 2
    (only,) = compiled_by_torch(source, images[:1], "cpu", [(5, 8, 6)])(images)
    assert np.array_equal(only, compiled_by_torch(source, images[:1], "cpu")(images)[0])


def test_what_was_compiled_for_one_image_still_serves_openvino_for_many():
    """Shapes are folded for one image, in a copy: a GPU that fails hands the same network over."""
    x = ops.parameter(SHAPE, np.float32)
    reshaped = ops.reshape(x, ops.concat([ops.gather(ops.shape_of(x), [0], 0), [-1]], 0), False)
    model = openvino_module().Model([reshaped], [x], "a graph")
    compiled_by_torch(Source(lambda: model), numbers(*SHAPE), "cpu")
    model.reshape([-1, *SHAPE[1:]])
    assert not model.outputs[0].get_partial_shape()[0].is_static


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda x: ops.erf(x), "Erf"),
        (lambda x: ops.pad(x, [0, 1, 1, 0], [0, 1, 1, 0], "reflect"), "Pad with pad_mode reflect"),
        (lambda x: ops.interpolate(x, [4, 4], "nearest", "sizes", axes=[1, 2]), "Interpolate with mode nearest"),
        (lambda x: ops.topk(x, np.int32(2), 1, "min", "value").output(0), "TopK with mode min"),
        (lambda x: ops.divide(whole(x), np.int32(4)), "Divide with m_pythondiv True"),
        (lambda x: ops.convert(ops.convert(x, "f64"), "f32"), "Convert in the type f64"),
    ],
)
def test_an_operation_that_is_not_known_is_named(make, says):
    with pytest.raises(UnknownOperation, match=says):
        compiled_by_torch(source_of(make), numbers(*SHAPE), "cpu")


def test_numbers_of_an_image_decide_nothing_on_the_way():
    """Torch's meta device has no numbers: whatever asks for one, as a recording for a GPU must not, ends there."""
    for name, make in OPERATIONS.items():
        graph = graph_of(source_of(make), SHAPE, CPU)
        unknown = Graph(
            {place: values.to("meta") for place, values in graph.constants.items()},
            graph.operations,
            graph.image,
            graph.image_type,
            graph.outputs,
        )
        network = TorchNetwork(unknown, torch.device("meta"), torch.contiguous_format)
        (output,) = torch.vmap(network._one)(torch.zeros(3, *SHAPE, device="meta"))
        assert output.shape[0] == 3, name
    with pytest.raises(RuntimeError):
        torch.vmap(lambda image: image * float(image.sum()))(torch.zeros(3, *SHAPE, device="meta"))


@pytest.fixture
def recorded(monkeypatch):
    """A network on the CPU that records its calls as on a GPU, and what is done with it."""
    calls = []

    class Recorded:
        def __init__(self, compute):
            self.compute = compute

        def __call__(self, kind, tensors):
            calls.append(len(tensors[0]))
            if len(calls) == 2:
                raise RuntimeError("operation not permitted when stream is capturing\nmore")
            return self.compute(kind, tensors)

    monkeypatch.setattr(torch_engine, "Recorded", Recorded)
    monkeypatch.setattr(torch_engine, "_is_recorded", lambda device: True)
    return calls


def test_a_gpu_that_cannot_record_computes_all_the_same(recorded, caplog):
    images = numbers(3, *SHAPE[1:])
    graph = graph_of(source_of(two_layers), SHAPE, CPU)
    network = TorchNetwork(graph, CPU, torch.channels_last)
    with caplog.at_level(logging.WARNING):
        first, second, third = (network(images) for _ in range(3))
    assert recorded == [3, 3], "after the second nothing is recorded any more"
    for one, other, another in zip(first, second, third):
        assert np.array_equal(one, other) and np.array_equal(one, another)
    (said,) = [each.getMessage() for each in caplog.records]
    assert said == "landmarks go on without CUDA graphs: operation not permitted when stream is capturing"
