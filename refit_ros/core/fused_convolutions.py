"""The backbone and the markers' head for inference: batch norms folded, sums and ReLUs done by the convolutions.

What is fused depends on where it runs: oneDNN's fused convolutions with weights laid out beforehand on a CPU,
cuDNN's on a GPU. Everything else stays an ordinary module, so the same pass serves every backbone.
"""
from __future__ import annotations

import copy
import operator

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn
from torch.fx.experimental.optimization import fuse as fold_batch_norms

from refit_ros.core.feedback import MarkerHead
from refit_ros.core.winograd import Winograd, suits

KINDS = ("plain", "onednn", "cudnn")


class Encoder(nn.Module):
    """Images -> the markers' maps and the pooled vector: all of the network that is convolution."""

    def __init__(self, backbone: nn.Module, head: MarkerHead) -> None:
        super().__init__()
        self.backbone, self.head = backbone, head

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        maps, pooled = self.backbone(images)
        return self.head(maps), pooled


def folded_encoder(backbone: nn.Module, head: MarkerHead) -> fx.GraphModule:
    """A copy in evaluation mode whose batch norms are part of the convolutions before them."""
    return fold_batch_norms(Encoder(copy.deepcopy(backbone), copy.deepcopy(head)).eval())


def fused_encoder(backbone: nn.Module, head: MarkerHead, kind: str, dtype: torch.dtype, example: Tensor) -> nn.Module:
    """`folded_encoder` in `dtype`, channels last, its sums and ReLUs fused as `kind` allows.

    example: one crop as the backbone takes it in, of the size that is going to come, on the device to run on.
    """
    if kind not in KINDS:
        raise ValueError(f"kind '{kind}' is unknown; there are {', '.join(KINDS)}")
    encoder = folded_encoder(backbone, head).to(device=example.device, dtype=dtype, memory_format=torch.channels_last)
    if kind == "plain":
        return encoder
    make = _one_dnn if kind == "onednn" else _CuDnn
    if kind == "onednn":
        _note_sizes(encoder, example.to(dtype))
    _fuse(encoder, make, sums_alone=kind == "onednn")
    if kind == "onednn":
        for node in [n for n in encoder.graph.nodes if _is_convolution(encoder, n)]:
            _replace(encoder, node, node, make(encoder.get_submodule(node.target), relu=False, beside=False), node.args)
    encoder.graph.lint()
    encoder.delete_all_unused_submodules()
    encoder.recompile()
    return encoder


def _note_sizes(encoder: fx.GraphModule, example: Tensor) -> None:
    """Every convolution learns what it takes in, by which oneDNN chooses how to lay out its weights."""
    hooks = [module.register_forward_pre_hook(lambda module, inputs: setattr(module, "input_size", list(inputs[0].shape)))
             for module in encoder.modules() if isinstance(module, nn.Conv2d)]
    with torch.inference_mode():
        encoder(example.to(memory_format=torch.channels_last))
    for hook in hooks:
        hook.remove()


def _one_dnn(convolution: nn.Conv2d, relu: bool, beside: bool) -> nn.Module:
    suitable = not beside and suits(convolution, *convolution.input_size[2:])
    return Winograd(convolution, relu) if suitable else _OneDnn(convolution, relu)


class _OneDnn(nn.Module):
    """relu(convolution(x) + beside) in one pass over memory; the weights are reordered once, here."""

    def __init__(self, convolution: nn.Conv2d, relu: bool) -> None:
        super().__init__()
        self.geometry = (list(convolution.padding), list(convolution.stride), list(convolution.dilation))
        self.groups, self.relu = convolution.groups, "relu" if relu else None
        weight = convolution.weight.detach().to(memory_format=torch.channels_last)
        self.weight = torch.ops.mkldnn._reorder_convolution_weight(
            weight, *self.geometry, self.groups, convolution.input_size)
        self.bias = None if convolution.bias is None else convolution.bias.detach()

    def forward(self, x: Tensor, beside: Tensor | None = None) -> Tensor:
        if beside is None:
            return torch.ops.mkldnn._convolution_pointwise(
                x, self.weight, self.bias, *self.geometry, self.groups, self.relu or "none", [], "")
        return torch.ops.mkldnn._convolution_pointwise.binary(
            x, beside, self.weight, self.bias, *self.geometry, self.groups, "add", 1.0, self.relu, [], "")


class _CuDnn(nn.Module):
    """relu(convolution(x) + beside) as one cuDNN operation."""

    def __init__(self, convolution: nn.Conv2d, relu: bool, beside: bool) -> None:
        super().__init__()
        self.geometry = (convolution.stride, convolution.padding, convolution.dilation, convolution.groups)
        bias = convolution.bias
        self.weight = nn.Parameter(convolution.weight.detach(), requires_grad=False)
        zeros = torch.zeros(convolution.out_channels, dtype=self.weight.dtype, device=self.weight.device)
        self.bias = nn.Parameter(zeros if bias is None else bias.detach(), requires_grad=False)

    def forward(self, x: Tensor, beside: Tensor | None = None) -> Tensor:
        if beside is None:
            return torch.cudnn_convolution_relu(x, self.weight, self.bias, *self.geometry)
        return torch.cudnn_convolution_add_relu(x, self.weight, beside, 1.0, self.bias, *self.geometry)


def _is_convolution(module: fx.GraphModule, node) -> bool:
    return isinstance(node, fx.Node) and node.op == "call_module" and isinstance(
        module.get_submodule(node.target), nn.Conv2d)


def _is_relu(module: fx.GraphModule, node: fx.Node) -> bool:
    if node.op == "call_module":
        return isinstance(module.get_submodule(node.target), nn.ReLU)
    return node.op == "call_function" and node.target in (F.relu, torch.relu)


def _is_sum(node) -> bool:
    return isinstance(node, fx.Node) and node.op == "call_function" and node.target is operator.add


def _own(node: fx.Node) -> bool:
    """Nobody but the next operation reads it, so it need not be kept."""
    return len(node.users) == 1


def _fuse(module: fx.GraphModule, make, sums_alone: bool) -> None:
    """relu(conv), relu(conv + x) and, where `sums_alone`, conv + x: each to one operation, at the last one's place."""
    for node in list(module.graph.nodes):
        relu = _is_relu(module, node)
        inner = node.args[0] if relu else node
        if relu and _is_convolution(module, inner) and _own(inner):
            _replace(module, node, inner, make(module.get_submodule(inner.target), relu=True, beside=False), inner.args)
        elif _is_sum(inner) and ((relu and _own(inner)) or (sums_alone and not relu and not _read_by_relu(module, inner))):
            for convolution, beside in (inner.args, inner.args[::-1]):
                if _is_convolution(module, convolution) and _own(convolution):
                    fused = make(module.get_submodule(convolution.target), relu=relu, beside=True)
                    _replace(module, node, convolution, fused, (*convolution.args, beside))
                    break


def _read_by_relu(module: fx.GraphModule, node: fx.Node) -> bool:
    return _own(node) and _is_relu(module, next(iter(node.users)))


def _replace(module: fx.GraphModule, node: fx.Node, convolution: fx.Node, fused: nn.Module, args) -> None:
    """`node`, and what it took in, becomes one call of `fused`."""
    name = f"fused_{convolution.name}"
    module.add_submodule(name, fused)
    with module.graph.inserting_before(node):
        new = module.graph.call_module(name, tuple(args))
    node.replace_all_uses_with(new)
    _erase(module.graph, node)


def _erase(graph: fx.Graph, node: fx.Node) -> None:
    """With what nobody reads any more; `eliminate_dead_code` looks at the whole graph, too slow to call each time."""
    inputs = node.all_input_nodes
    graph.erase_node(node)
    for unread in inputs:
        if not unread.users and unread.op != "placeholder":
            _erase(graph, unread)
