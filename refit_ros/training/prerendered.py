"""Synthetic crops kept in files: rendered once, read as often as wanted."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from refit_ros.core.body import load_body
from refit_ros.core.camera import IMAGENET_MEAN, IMAGENET_STD
from refit_ros.training.checkpoints import write_whole
from refit_ros.training.data import Batch, batch_of_samples
from refit_ros.training.presets import Preset

CROPS_A_FILE = 2000


def prerender(folder: Path, crops: int, preset: Preset, device: str, seed: int, body_path: str | None = None) -> None:
    """Write files of up to CROPS_A_FILE single crops; files that are already there are kept, so that it can go on."""
    from refit_ros.synthetic.samples import SampleSource

    body = load_body(body_path).to(device)
    for number, start in enumerate(range(0, crops, CROPS_A_FILE)):
        path = folder / f"crops_{number:05d}.safetensors"
        if path.exists():
            continue
        source = SampleSource(body, preset.image_size, "train", seed * 100_003 + number, torch.device(device))
        parts, left = [], min(CROPS_A_FILE, crops - start)
        while left > 0:
            parts.append(batch_of_samples(source.batch(min(left, 100))).to("cpu"))
            left -= len(parts[-1])
        joined = {name: torch.cat([getattr(part, name) for part in parts]).contiguous() for name in parts[0].tensors()}
        joined["images"] = _bytes(joined["images"])
        write_whole(path, lambda temporary, joined=joined: save_file(joined, temporary))
        print(f"{path}: {len(joined['betas'])} crops", flush=True)


def _statistics(like: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return (
        torch.tensor(IMAGENET_MEAN, device=like.device)[:, None, None],
        torch.tensor(IMAGENET_STD, device=like.device)[:, None, None],
    )


def _bytes(images: torch.Tensor) -> torch.Tensor:
    mean, deviation = _statistics(images)
    return ((images * deviation + mean) * 255).round().clamp(0, 255).to(torch.uint8)


class PrerenderedSource:
    """Draws rows at random, from one file after another, each file read once a pass."""

    def __init__(self, folder: Path, count: int, seed: int, device: torch.device | str):
        self._files = sorted(folder.glob("crops_*.safetensors"))
        if not self._files:
            raise ValueError(
                f"{folder} holds no crops_*.safetensors: render some with "
                f"`python -m refit_ros train --prerender 20000 --output {folder}`"
            )
        self._count, self._device = count, device
        self._generator = torch.Generator().manual_seed(seed)
        self._files_left: list[int] = []
        self._rows_left = torch.empty(0, dtype=torch.int64)
        self._file = -1
        self._loaded: tuple[int, dict[str, torch.Tensor]] = (-1, {})

    def batch(self) -> Batch:
        pieces: list[dict[str, torch.Tensor]] = []
        missing = self._count
        while missing:
            if not len(self._rows_left):
                self._turn_to_next_file()
            rows, self._rows_left = self._rows_left[:missing], self._rows_left[missing:]
            pieces.append({name: value[rows] for name, value in self._content().items()})
            missing -= len(rows)
        joined = {name: torch.cat([piece[name] for piece in pieces]).to(self._device) for name in pieces[0]}
        mean, deviation = _statistics(joined["images"])
        joined["images"] = (joined["images"].float() / 255 - mean) / deviation
        joined["person"] = torch.arange(self._count, device=self._device)
        return Batch(**joined)

    def _turn_to_next_file(self) -> None:
        if not self._files_left:
            self._files_left = torch.randperm(len(self._files), generator=self._generator).tolist()
        self._file = self._files_left.pop()
        self._rows_left = torch.randperm(len(self._content()["betas"]), generator=self._generator)

    def _content(self) -> dict[str, torch.Tensor]:
        if self._loaded[0] != self._file:
            path = self._files[self._file]
            try:
                with safe_open(path, framework="pt") as file:
                    self._loaded = (self._file, {name: file.get_tensor(name) for name in file.keys()})
            except (SafetensorError, OSError) as error:
                raise ValueError(f"{path} is damaged ({error}): remove it and render it again with --prerender") from error
        return self._loaded[1]

    def state_dict(self) -> dict:
        return {
            "generator": self._generator.get_state(),
            "files": self._files_left,
            "rows": self._rows_left,
            "file": self._file,
        }

    def load_state_dict(self, state: dict) -> None:
        self._generator.set_state(state["generator"])
        self._files_left, self._rows_left, self._file = list(state["files"]), state["rows"], state["file"]
