"""The same update, cheaper to train: what all 26 GRUs see alike is multiplied once, not copied for each."""

from __future__ import annotations

import torch
from torch import Tensor

from refit_ros.core.update import STREAMS, State, Update


class SharedUpdate(Update):
    """`Update` with the same parameters and, to rounding, the same results: W [h, x] = W_h h + W_x x."""

    def forward(self, hidden: Tensor, feedback: Tensor, box: Tensor, state: State) -> Tensor:
        x = torch.cat((feedback, box, state.pose, state.betas, state.camera), dim=1)
        width = hidden.shape[2]
        gates = [self._stacked(name) for name in ("lz", "lr", "lq")]  # (26, H, H + I), (26, H) each
        from_x = torch.cat([weight[..., width:].flatten(0, 1) for weight, _ in gates])
        bias = torch.cat([bias.flatten() for _, bias in gates])
        seen = torch.addmm(bias, x, from_x.T).unflatten(1, (3, STREAMS, width))
        h = hidden.transpose(0, 1)  # (26, B, H)
        zr = torch.cat([weight[..., :width] for weight, _ in gates[:2]], dim=1)
        z, r = torch.bmm(h, zr.mT).transpose(0, 1).unflatten(2, (2, width)).unbind(2)
        z, r = torch.sigmoid(z + seen[:, 0]), torch.sigmoid(r + seen[:, 1])
        fresh = torch.bmm((r * hidden).transpose(0, 1), gates[2][0][..., :width].mT).transpose(0, 1)
        return torch.lerp(hidden, torch.tanh(fresh + seen[:, 2]), z)

    def _stacked(self, gate: str) -> tuple[Tensor, Tensor]:
        """Weights and biases of one gate of all streams, in the order of the hidden states."""
        joints, shape, camera = (getattr(gru, gate) for gru in (self.pose_gru, self.shape_gru, self.cam_gru))
        return (
            torch.cat((joints.weight, shape.weight[None], camera.weight[None])),
            torch.cat((joints.bias, shape.bias[None], camera.bias[None])),
        )
