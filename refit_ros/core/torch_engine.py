"""A network that OpenVINO reads, computed by torch: for a GPU, which OpenVINO's CPU plugin does not use.

The graph is written for one image. `torch.vmap` makes of it what computes any number at once, whatever the graph does with
its first dimension. All that is the same for every image is computed once, beforehand. On a GPU the whole is recorded as a
CUDA graph for each number of images, so that its hundreds of small operations cost no call each; images go there once, and
only what is read comes back.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from refit_ros.core.graphs import Recorded
from refit_ros.core.openvino_compiler import Source, openvino_module
from refit_ros.core.openvino_engine import Compiled, measured
from refit_ros.core.torch_operations import TYPES, Node, Outputs, Step, UnknownOperation, step_of

log = logging.getLogger(__name__)

MOST_AT_ONCE = 8  # images: more gain little, and each number that is recorded keeps memory
LAYOUTS = {"rows of channels": torch.channels_last, "channels of rows": torch.contiguous_format}
_TRIED_WITH = 4  # images
# What is recorded must meet no other thread's work, and a recording's inputs are one place for all who ask.
_one_at_a_time = threading.RLock()


def compiled_by_torch(
    source: Source, example: np.ndarray, device: str, unread: Collection[tuple[int, ...]] = ()
) -> Compiled:
    """As `openvino_engine.compiled_by_openvino`, in float32, on this device of torch's.

    unread: shapes (without the first dimension) of outputs that nobody reads; they are left out of what comes.
    Of the two layouts of an image in memory the one that is quicker here is taken. Raises UnknownOperation for a network
    with one, and RuntimeError where the device cannot compute it.
    """
    where = torch.device(device)
    with torch.inference_mode(), _one_at_a_time:
        graph = graph_of(source, example.shape, where, unread)
        ways: list[Compiled] = [TorchNetwork(graph, where, layout) for layout in LAYOUTS.values()]
        if where.type != "cuda":
            return ways[0]
        chosen = measured(ways, example, [_TRIED_WITH])[_TRIED_WITH]
        for count in range(1, _TRIED_WITH):  # recorded now, so that the first people do not wait for it
            chosen(np.repeat(example, count, axis=0))
        return chosen


@dataclass(frozen=True)
class _Operation:
    step: Step
    takes: tuple[int, ...]  # places of its inputs
    gives: tuple[int, ...]  # of its outputs
    done_with: tuple[int, ...]  # places that nobody reads after it
    weight: int | None  # place of a convolution's weights


@dataclass(frozen=True)
class Graph:
    """What is to be done for one image, in order."""

    constants: dict[int, Tensor]  # by place
    operations: tuple[_Operation, ...]
    image: int  # the place of the image
    image_type: torch.dtype
    outputs: tuple[int, ...]


class TorchNetwork:
    """Images (N, S, S, 3) -> outputs (N, ...), float32; for several threads at a time, one after the other."""

    def __init__(self, graph: Graph, device: torch.device, layout: torch.memory_format) -> None:
        self._graph, self._device, self._layout = graph, device, layout
        weights = {each.weight for each in graph.operations if each.weight is not None}
        self._constants = {
            place: values.contiguous(memory_format=layout) if place in weights and values.dim() == 4 else values
            for place, values in graph.constants.items()
        }
        self._each: Callable[[Tensor], Outputs] = torch.vmap(self._one)
        self._recorded: Recorded[str] | None = None
        if _is_recorded(device):
            self._recorded = Recorded(lambda _, images: self._together(*images))

    def __call__(self, images: np.ndarray) -> tuple[np.ndarray, ...]:
        with torch.inference_mode(), _one_at_a_time, _on(self._device):
            parts = [
                self._some(torch.from_numpy(np.ascontiguousarray(images[begin : begin + MOST_AT_ONCE])))
                for begin in range(0, len(images), MOST_AT_ONCE)
            ]
        return tuple(np.concatenate(each) if len(parts) > 1 else each[0] for each in zip(*parts))

    def _some(self, images: Tensor) -> list[np.ndarray]:
        # As they are to the device, where their numbers become float: bytes are a quarter of that.
        rows = images.to(self._device, non_blocking=True).to(torch.float32)[:, None]
        return [output.flatten(0, 1).cpu().numpy() for output in self._computed(rows)]

    def _computed(self, rows: Tensor) -> Outputs:
        # Float32 is float32, not TF32. Ways of so many small convolutions are not tried out, which would take a start long.
        with torch.backends.cudnn.flags(enabled=True, benchmark=False, allow_tf32=False):
            if self._recorded is None:
                return self._together(rows)
            try:
                return self._recorded("", (rows,))
            except torch.OutOfMemoryError:
                raise
            except RuntimeError as error:
                log.warning("landmarks go on without CUDA graphs: %s", str(error).splitlines()[0])
                self._recorded = None
                return self._together(rows)

    def _together(self, images: Tensor) -> Outputs:
        """Images (N, 1, S, S, 3). Whatever follows has the layout of these and of the convolutions' weights."""
        if self._layout == torch.contiguous_format:
            images = images.movedim(-1, 2).contiguous().movedim(2, -1)
        return self._each(images)

    def _one(self, image: Tensor) -> Outputs:
        """Of one image (1, S, S, 3)."""
        places = dict(self._constants)
        places[self._graph.image] = image.to(self._graph.image_type)
        for each in self._graph.operations:
            places.update(zip(each.gives, each.step(*(places[place] for place in each.takes))))
            for place in each.done_with:
                places.pop(place, None)  # MaxPool gives indices too, which nobody has asked for
        return tuple(places[place].float() for place in self._graph.outputs)


def graph_of(source: Source, shape: Sequence[int], device: torch.device, unread: Collection[tuple[int, ...]] = ()) -> Graph:
    """Of the network for an image of this shape (1, S, S, 3), its constants on the device. Raises UnknownOperation."""
    openvino = openvino_module()
    model = source.read().clone()  # what is folded for one image is of no use for another number of them
    model.reshape(openvino.PartialShape(list(shape)))
    from openvino.passes import ConstantFolding, Manager  # not a part of the module until it is imported

    simpler = Manager()
    simpler.register_pass(ConstantFolding())  # whatever shapes decide
    simpler.run_passes(model)
    results = [each for each in model.get_results() if tuple(each.get_output_shape(0))[1:] not in unread]
    return _Builder(device).built(model, results)


class _Builder:
    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._places: dict[tuple[str, int], int] = {}  # of each output of each node
        self._constants: dict[int, Tensor] = {}

    def built(self, model, results) -> Graph:
        """model: an openvino.Model; results: of its outputs, those that are read."""
        nodes, read = model.get_ordered_ops(), {each.get_name() for each in results}
        for node in reversed(nodes):  # whatever is read, and what that is made of
            if node.get_name() in read:
                read.update(each.get_node().get_name() for each in node.input_values())
        operations = [each for node in nodes if node.get_name() in read for each in self._added(node)]
        outputs = tuple(self._takes(each)[0] for each in results)
        (image,) = model.get_parameters()
        return Graph(
            {place: self._constants[place] for place in self._constants if self._is_used(place, operations, outputs)},
            tuple(_with_ends(operations, outputs)),
            self._place(image, 0),
            _type_of(image.get_element_type().get_type_name()),
            outputs,
        )

    def _is_used(self, place: int, operations: Sequence[_Operation], outputs: tuple[int, ...]) -> bool:
        return place in outputs or any(place in each.takes for each in operations)

    def _added(self, node) -> list[_Operation]:
        """What is to be done for each image: nothing for what is the same for all."""
        kind = node.get_type_name()
        if kind in ("Parameter", "Result"):
            return []
        if kind == "Constant":
            kept = _type_of(node.get_element_type().get_type_name())
            self._constants[self._place(node, 0)] = torch.from_numpy(np.array(node.data)).to(self._device, kept)
            return []
        takes = self._takes(node)
        fixed = {index: self._constants[place] for index, place in enumerate(takes) if place in self._constants}
        numbers = {index: values.tolist() for index, values in fixed.items() if values.dim() < 2}
        shape, kept = tuple(node.get_output_shape(0)), node.get_output_element_type(0).get_type_name()
        step = step_of(Node(kind, node.get_attributes(), shape, numbers, kept))
        gives = tuple(self._place(node, index) for index in range(node.get_output_size()))
        if len(fixed) == len(takes):
            self._constants.update(zip(gives, step(*fixed.values())))
            return []
        weight = takes[1] if kind in ("Convolution", "GroupConvolution") else None
        return [_Operation(step, takes, gives, (), weight)]

    def _takes(self, node) -> tuple[int, ...]:
        return tuple(self._place(each.get_node(), each.get_index()) for each in node.input_values())

    def _place(self, node, index: int) -> int:
        return self._places.setdefault((node.get_name(), index), len(self._places))


def _with_ends(operations: Sequence[_Operation], outputs: tuple[int, ...]) -> list[_Operation]:
    """The same, each with what nobody reads after it: it need not be kept."""
    read, result = set(outputs), []
    for each in reversed(operations):
        touched = dict.fromkeys((*each.takes, *each.gives))
        result.append(replace(each, done_with=tuple(place for place in touched if place not in read)))
        read.update(each.takes)
    return result[::-1]


def _type_of(name: str) -> torch.dtype:
    if name not in TYPES:
        raise UnknownOperation(f"numbers of the type {name}")
    return TYPES[name]


def _is_recorded(device: torch.device) -> bool:
    return device.type == "cuda"


def _on(device: torch.device) -> AbstractContextManager:
    """Recordings are made on the current GPU, which need not be this one."""
    return torch.cuda.device(device) if device.type == "cuda" else nullcontext()
