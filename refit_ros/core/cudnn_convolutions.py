"""Convolutions that do the sums and ReLUs after them, for a GPU: one cuDNN operation each.

Everything else stays an ordinary module, so the same pass serves every backbone.
"""

from __future__ import annotations

import operator

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn


def with_cudnn(encoder: fx.GraphModule) -> fx.GraphModule:
    """`encoder` (`folded_encoder`, on a GPU), changed in place: relu(conv) and relu(conv + x) are one operation each."""
    _fuse(encoder)
    encoder.graph.lint()
    encoder.delete_all_unused_submodules()
    encoder.recompile()
    return encoder


class _CuDnn(nn.Module):
    """relu(convolution(x) + beside) as one cuDNN operation."""

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        if isinstance(convolution.padding, str):
            raise NotImplementedError(f"a convolution padded by '{convolution.padding}', not by numbers")
        self.geometry = (convolution.stride, convolution.padding, convolution.dilation, convolution.groups)
        bias = convolution.bias
        self.weight = nn.Parameter(convolution.weight.detach(), requires_grad=False)
        zeros = torch.zeros(convolution.out_channels, dtype=self.weight.dtype, device=self.weight.device)
        self.bias = nn.Parameter(zeros if bias is None else bias.detach(), requires_grad=False)

    def forward(self, x: Tensor, beside: Tensor | None = None) -> Tensor:
        if beside is None:
            return torch.cudnn_convolution_relu(x, self.weight, self.bias, *self.geometry)
        return torch.cudnn_convolution_add_relu(x, self.weight, beside, 1.0, self.bias, *self.geometry)


def _called(module: fx.GraphModule, node) -> nn.Module | None:
    """The module that `node` calls, if it is a call of one."""
    is_call = isinstance(node, fx.Node) and node.op == "call_module"
    return module.get_submodule(str(node.target)) if is_call else None


def _is_relu(module: fx.GraphModule, node: fx.Node) -> bool:
    if node.op == "call_module":
        return isinstance(_called(module, node), nn.ReLU)
    return node.op == "call_function" and node.target in (F.relu, torch.relu)


def _is_sum(node) -> bool:
    return isinstance(node, fx.Node) and node.op == "call_function" and node.target is operator.add


def _own(node: fx.Node) -> bool:
    """Nobody but the next operation reads it, so it need not be kept."""
    return len(node.users) == 1


def _fuse(module: fx.GraphModule) -> None:
    for node in list(module.graph.nodes):
        if not _is_relu(module, node):
            continue
        inner = node.args[0]
        layer = _called(module, inner)
        if isinstance(layer, nn.Conv2d) and _own(inner):
            _replace(module, node, inner, _CuDnn(layer), inner.args)
        elif _is_sum(inner) and _own(inner):
            for convolution, beside in (inner.args, inner.args[::-1]):
                layer = _called(module, convolution)
                if isinstance(layer, nn.Conv2d) and _own(convolution):
                    _replace(module, node, convolution, _CuDnn(layer), (*convolution.args, beside))
                    break


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
