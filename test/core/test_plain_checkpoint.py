"""A checkpoint's tensors lie within what is stored of them, whatever its pickle says."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from refit_ros.core.errors import InputError
from refit_ros.core.plain_checkpoint import open_checkpoint

CORPUS = Path(__file__).resolve().parents[1] / "fuzz" / "corpus" / "weights"


@pytest.mark.parametrize(
    "name", ["stride_beyond_its_storage.pt", "offset_beyond_its_storage.pt", "expanded_to_a_terabyte.pt"]
)
def test_a_tensor_beyond_its_storage_is_refused(name):
    with (
        pytest.raises(InputError, match="larger than what is stored of it"),
        open(CORPUS / name, "rb") as file,
        open_checkpoint(CORPUS / name, file),
    ):
        pass


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.int64, torch.bool])
def test_tensors_come_back_as_they_were(tmp_path, dtype):
    whole = torch.arange(24).reshape(4, 6).to(dtype)
    values = {
        "whole": whole,
        "turned": whole.t(),
        "part": whole[1:3, 2:4],
        "one": whole[0, 1],
        "none": whole[:0],
        "parameter": torch.nn.Parameter(whole, requires_grad=False),
    }
    torch.save(values, tmp_path / "x.pt")
    with open(tmp_path / "x.pt", "rb") as file, open_checkpoint(tmp_path / "x.pt", file) as read:
        for name, value in values.items():
            assert torch.equal(read[name].read(), value) and read[name].shape == tuple(value.shape), name
