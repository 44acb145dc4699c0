"""Update: 26 disentangled GRUs (24 joints, shape, camera) and what their hidden states decode to."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from refit_ros.core.config import NetworkConfig
from refit_ros.core.joints import JOINT_NAMES
from refit_ros.core.multi_linear import MultiLinear

JOINTS = len(JOINT_NAMES)
POSE, BETAS, CAMERA, BOX = 6 * JOINTS, 10, 3, 3
STREAMS = JOINTS + 2  # joints, then shape, then camera


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


def _gru(lz, lr, lq, h: Tensor, x: Tensor) -> Tensor:
    """Cho et al., 2014. lz, lr, lq take [h, x]."""
    hx = torch.cat((h, x), dim=-1)
    z, r = torch.sigmoid(lz(hx)), torch.sigmoid(lr(hx))
    q = torch.tanh(lq(torch.cat((r * h, x), dim=-1)))
    return (1 - z) * h + z * q


class Gru(nn.Module):
    """One stream: h (B, H), x (B, I) -> (B, H)."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.lz, self.lr, self.lq = (nn.Linear(hidden + inputs, hidden) for _ in range(3))

    def forward(self, h: Tensor, x: Tensor) -> Tensor:
        return _gru(self.lz, self.lr, self.lq, h, x)


class JointGrus(nn.Module):
    """One stream a joint, all seeing the same x: h (B, 24, H), x (B, I) -> (B, 24, H)."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.lz, self.lr, self.lq = (MultiLinear(JOINTS, hidden + inputs, hidden) for _ in range(3))

    def forward(self, h: Tensor, x: Tensor) -> Tensor:
        return _gru(self.lz, self.lr, self.lq, h, x[:, None].expand(-1, h.shape[1], -1))


class Update(nn.Module):
    """hidden (B, 26, H), feedback (B, F), box (B, 3) and the state -> hidden (B, 26, H)."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        inputs = config.feedback_features + BOX + POSE + BETAS + CAMERA
        self.pose_gru = JointGrus(inputs, config.hidden)
        self.shape_gru = Gru(inputs, config.hidden)
        self.cam_gru = Gru(inputs, config.hidden)

    def forward(self, hidden: Tensor, feedback: Tensor, box: Tensor, state: State) -> Tensor:
        x = torch.cat((feedback, box, state.pose, state.betas, state.camera), dim=1)
        return torch.cat(
            (
                self.pose_gru(hidden[:, :JOINTS], x),
                self.shape_gru(hidden[:, JOINTS], x)[:, None],
                self.cam_gru(hidden[:, JOINTS + 1], x)[:, None],
            ),
            dim=1,
        )


class Decoder(nn.Module):
    """hidden (B, 26, H), box (B, 3) -> what is added to the state. Each stream has its own small network."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        hidden = config.hidden
        joint_layers, shape_layers, camera_layers = [], [], []
        inputs = hidden + BOX
        for _ in range(config.decoder_layers):
            joint_layers += [MultiLinear(JOINTS, inputs, hidden), nn.ReLU()]
            shape_layers += [nn.Linear(inputs, hidden), nn.ReLU()]
            camera_layers += [nn.Linear(inputs, hidden), nn.ReLU()]
            inputs = hidden
        self.p, self.s, self.c = (nn.Sequential(*layers) for layers in (joint_layers, shape_layers, camera_layers))
        self.decpose = MultiLinear(JOINTS, inputs, 6)
        self.decshape = nn.Linear(inputs, BETAS)
        self.deccam = nn.Linear(inputs, CAMERA)

    def forward(self, hidden: Tensor, box: Tensor) -> State:
        joints = torch.cat((hidden[:, :JOINTS], box[:, None].expand(-1, JOINTS, -1)), dim=-1)
        shape, camera = (torch.cat((hidden[:, i], box), dim=-1) for i in (JOINTS, JOINTS + 1))
        return State(self.decpose(self.p(joints)).flatten(1), self.decshape(self.s(shape)), self.deccam(self.c(camera)))
