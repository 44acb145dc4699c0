"""The whole mesh of an estimated person."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from refit_ros.camera.geometry import matrix_from_axis_angle
from refit_ros.core.body import Body
from refit_ros.estimation.types import Person


@torch.inference_mode()
def people_vertices(body: Body, people: Sequence[Person]) -> np.ndarray:
    """Meshes (N, V, 3) m of people in the fixed frame; `body` is the network's."""
    if not people:
        return np.zeros((0, body.vertex_count, 3))
    device = body.v_template.device
    axis_angle = np.stack(
        [np.concatenate([person.global_orient.reshape(1, 3), person.body_pose.reshape(23, 3)]) for person in people]
    )
    betas = torch.tensor(np.stack([person.betas for person in people]), dtype=torch.float32, device=device)
    rotmats = torch.tensor(matrix_from_axis_angle(axis_angle), dtype=torch.float32, device=device)
    # The place is added in double precision: far from the origin single precision would cost fractions of a millimetre.
    return body.vertices(betas, rotmats).double().cpu().numpy() + np.stack([person.transl for person in people])[:, None]


def person_vertices(body: Body, person: Person) -> np.ndarray:
    """One person's mesh (V, 3) m in the fixed frame."""
    return people_vertices(body, [person])[0]
