"""Update: 26 disentangled GRUs (24 joints, shape, camera) and what their hidden states decode to.

All streams see the same x, so its share of all gates of all streams is one product of matrices, and the shares of the
hidden states are batched products: W [h, x] = W_h h + W_x x.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from refit_ros.core.config import NetworkConfig
from refit_ros.core.joints import JOINT_NAMES
from refit_ros.core.stacked import Stacked, stack

JOINTS = len(JOINT_NAMES)
POSE, BETAS, CAMERA, BOX = 6 * JOINTS, 10, 3, 3
STREAMS = JOINTS + 2  # joints, then shape, then camera
SHAPE_STREAM, CAMERA_STREAM = JOINTS, JOINTS + 1
GATES = ("lz", "lr", "lq")


@dataclass(frozen=True)
class State:
    """What the loop improves: pose (B, 144) as 24 6D rotations, betas (B, 10), camera (B, 3) s, tx, ty."""

    pose: Tensor
    betas: Tensor
    camera: Tensor

    def __add__(self, other: State) -> State:
        return State(self.pose + other.pose, self.betas + other.betas, self.camera + other.camera)

    def detach(self) -> State:
        return State(self.pose.detach(), self.betas.detach(), self.camera.detach())


class Update(Stacked):
    """hidden (B, 26, H), feedback (B, F), box (B, 3) and the state -> hidden (B, 26, H)."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.hidden = config.hidden
        inputs = config.feedback_features + BOX + POSE + BETAS + CAMERA
        columns = STREAMS * len(GATES) * config.hidden
        self.of_x = stack(inputs, columns)
        self.of_h_zr = stack(STREAMS, config.hidden, 2 * config.hidden)
        self.of_h_q = stack(STREAMS, config.hidden, config.hidden)
        self.bias = stack(columns)
        self.draw()

    def published(self) -> dict[str, tuple[Tensor, ...]]:
        layers: dict[str, tuple[Tensor, ...]] = {}
        gates = STREAMS, len(GATES), self.hidden
        of_x, bias = self.of_x.unflatten(1, gates).movedim(0, -1), self.bias.unflatten(0, gates)
        of_h = *self.of_h_zr.chunk(2, dim=-1), self.of_h_q
        for gru, streams in (("pose_gru", slice(JOINTS)), ("shape_gru", SHAPE_STREAM), ("cam_gru", CAMERA_STREAM)):
            for index, gate in enumerate(GATES):
                layers[f"{gru}.{gate}.weight"] = of_h[index].mT[streams], of_x[streams, index]
                layers[f"{gru}.{gate}.bias"] = (bias[streams, index],)
        return layers

    def forward(self, hidden: Tensor, feedback: Tensor, box: Tensor, state: State) -> Tensor:
        """Cho et al., 2014: z, r = sigmoid(W_zr [h, x]); q = tanh(W_q [r h, x]); h = (1 - z) h + z q."""
        x = torch.cat((feedback, box, state.pose, state.betas, state.camera), dim=1)
        seen = torch.addmm(self.bias, x, self.of_x).unflatten(1, (STREAMS, len(GATES) * self.hidden)).transpose(0, 1)
        h = hidden.transpose(0, 1)  # (26, B, H)
        zr = torch.sigmoid(torch.baddbmm(seen[..., : 2 * self.hidden], h, self.of_h_zr))
        z, r = zr.chunk(2, dim=-1)
        q = torch.tanh(torch.baddbmm(seen[..., 2 * self.hidden :], r * h, self.of_h_q))
        return torch.lerp(h, q, z).transpose(0, 1)


class Decoder(Stacked):
    """hidden (B, 26, H), box (B, 3) -> what is added to the state. Each stream has its own small network.

    The last layers have 6, 10 and 3 outputs; all are filled up to 10, and nobody reads what is filled up.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.layers = config.decoder_layers
        inputs = config.hidden + BOX
        for index in range(self.layers):
            self.register_parameter(f"weight_{index}", stack(STREAMS, inputs, config.hidden))
            self.register_parameter(f"bias_{index}", stack(STREAMS, config.hidden))
            inputs = config.hidden
        self.last_weight = stack(STREAMS, inputs, BETAS)
        self.last_bias = stack(STREAMS, BETAS)
        self.draw()

    def published(self) -> dict[str, tuple[Tensor, ...]]:
        layers: dict[str, tuple[Tensor, ...]] = {}
        for index in range(self.layers):
            weight, bias = getattr(self, f"weight_{index}").mT, getattr(self, f"bias_{index}")
            for part, streams in (("p", slice(JOINTS)), ("s", SHAPE_STREAM), ("c", CAMERA_STREAM)):
                layers[f"{part}.{2 * index}.weight"] = (weight[streams],)
                layers[f"{part}.{2 * index}.bias"] = (bias[streams],)
        weight, bias = self.last_weight.mT, self.last_bias
        for name, streams, outputs in (
            ("decpose", slice(JOINTS), POSE // JOINTS),
            ("decshape", SHAPE_STREAM, BETAS),
            ("deccam", CAMERA_STREAM, CAMERA),
        ):
            layers[f"{name}.weight"] = (weight[streams, ..., :outputs, :],)
            layers[f"{name}.bias"] = (bias[streams, ..., :outputs],)
        return layers

    def forward(self, hidden: Tensor, box: Tensor) -> State:
        x = torch.cat((hidden, box[:, None].expand(-1, STREAMS, -1)), dim=-1).transpose(0, 1)  # (26, B, I)
        for index in range(self.layers):
            weight, bias = getattr(self, f"weight_{index}"), getattr(self, f"bias_{index}")
            x = torch.relu(torch.baddbmm(bias[:, None], x, weight))
        out = torch.baddbmm(self.last_bias[:, None], x, self.last_weight).transpose(0, 1)
        pose = out[:, :JOINTS, : POSE // JOINTS].flatten(1)
        return State(pose, out[:, SHAPE_STREAM], out[:, CAMERA_STREAM, :CAMERA])
