"""The 26 GRUs and their decoders for inference: the same numbers from a few large products.

All streams see the same x, so its share of all gates of all streams is one matrix product; the hidden states'
shares are batched products. Equal to `update` up to the order of the sums.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from refit_ros.core.update import BETAS, CAMERA, JOINTS, STREAMS, Decoder, State, Update


def _stacked(joints, shape, camera) -> tuple[Tensor, Tensor]:
    """Weights (26, O, I) and biases (26, O) of the three kinds of stream."""
    return (
        torch.cat((joints.weight, shape.weight[None], camera.weight[None])).detach(),
        torch.cat((joints.bias, shape.bias[None], camera.bias[None])).detach(),
    )


class FusedUpdate(nn.Module):
    """In place of `Update`."""

    of_x: Tensor
    bias: Tensor
    of_h_zr: Tensor
    of_h_q: Tensor

    def __init__(self, update: Update) -> None:
        super().__init__()
        parts = [
            _stacked(*(getattr(gru, gate) for gru in (update.pose_gru, update.shape_gru, update.cam_gru)))
            for gate in ("lz", "lr", "lq")
        ]
        weights = torch.stack([weight for weight, _ in parts], dim=1)  # (26, 3, H, H + I)
        self.hidden = weights.shape[2]
        of_x = weights[..., self.hidden :].flatten(0, 2)
        of_h = weights[..., : self.hidden]
        self.register_buffer("of_x", of_x.T.contiguous())  # (I, 26 * 3 H)
        self.register_buffer("bias", torch.stack([bias for _, bias in parts], dim=1).flatten())
        self.register_buffer("of_h_zr", of_h[:, :2].flatten(1, 2).transpose(1, 2).contiguous())  # (26, H, 2 H)
        self.register_buffer("of_h_q", of_h[:, 2].transpose(1, 2).contiguous())  # (26, H, H)

    def forward(self, hidden: Tensor, feedback: Tensor, box: Tensor, state: State) -> Tensor:
        x = torch.cat((feedback, box, state.pose, state.betas, state.camera), dim=1)
        gates = torch.addmm(self.bias, x, self.of_x).unflatten(1, (STREAMS, 3 * self.hidden)).transpose(0, 1)
        h = hidden.transpose(0, 1)  # (26, B, H)
        zr = torch.sigmoid(torch.baddbmm(gates[..., : 2 * self.hidden], h, self.of_h_zr))
        z, r = zr.chunk(2, dim=-1)
        q = torch.tanh(torch.baddbmm(gates[..., 2 * self.hidden :], r * h, self.of_h_q))
        return torch.lerp(h, q, z).transpose(0, 1)


class FusedDecoder(nn.Module):
    """In place of `Decoder`."""

    last: Tensor
    offset: Tensor

    def __init__(self, decoder: Decoder) -> None:
        super().__init__()
        self.layers = len(decoder.p) // 2
        for i in range(self.layers):
            weight, bias = _stacked(decoder.p[2 * i], decoder.s[2 * i], decoder.c[2 * i])
            self.register_buffer(f"weight_{i}", weight.transpose(1, 2).contiguous())
            self.register_buffer(f"bias_{i}", bias[:, None].clone())
        # The last layers have 6, 10 and 3 outputs: all are filled up to 10 with zeros.
        last = torch.zeros(STREAMS, BETAS, decoder.decpose.weight.shape[2])
        offset = torch.zeros(STREAMS, 1, BETAS)
        for rows, layer in (
            (slice(JOINTS), decoder.decpose),
            (slice(JOINTS, JOINTS + 1), decoder.decshape),
            (slice(JOINTS + 1, STREAMS), decoder.deccam),
        ):
            outputs = layer.weight.shape[-2]
            last[rows, :outputs] = layer.weight.detach().cpu()
            offset[rows, 0, :outputs] = layer.bias.detach().cpu()
        self.register_buffer("last", last.transpose(1, 2).contiguous())
        self.register_buffer("offset", offset)

    def forward(self, hidden: Tensor, box: Tensor) -> State:
        x = torch.cat((hidden, box[:, None].expand(-1, STREAMS, -1)), dim=-1).transpose(0, 1)
        for i in range(self.layers):
            x = torch.relu_(torch.baddbmm(getattr(self, f"bias_{i}"), x, getattr(self, f"weight_{i}")))
        out = torch.baddbmm(self.offset, x, self.last).transpose(0, 1)
        return State(out[:, :JOINTS, :6].flatten(1), out[:, JOINTS], out[:, JOINTS + 1, :CAMERA])
