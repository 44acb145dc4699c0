"""Trains the builtin detector on synthetic images.

    python -m refit_ros.training.train_detector --device cuda --minutes 2 --output DIR

Time-boxed; the same command again resumes where the last one stopped. Leaves DIR/detector_small.safetensors.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from refit_ros.camera.geometry import overlap
from refit_ros.detection.network import DetectorNetwork, boxes_from_maps, loss, normalised
from refit_ros.estimation.settings import Settings

RATE = 2e-3
WARM_UP = 100
NORM = 5.0
AVERAGE_MEMORY = 0.998
CONFIDENT = Settings().detector_confidence
CHECKPOINT, SAVE_EVERY_S = "detector_checkpoint.pt", 60.0
MADE_AT_ONCE, USES = 4, 2
HIT = 0.5  # overlap from which a box found counts as the true one


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--output", type=Path, required=True, help="folder for the weights and the checkpoint")
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")
    parser.add_argument("--minutes", type=float, default=2.0, help="time for training (default: 2)")
    parser.add_argument("--batch", type=int, default=64, help="images in a step (default: 64)")
    parser.add_argument("--seed", type=int, default=0, help="of the images (default: 0)")
    parser.add_argument("--images", type=int, default=256, help="held-out images to measure with (default: 256)")
    parser.add_argument("--steps", type=int, default=0, help="stop after so many steps (default: time alone)")


def run(args: argparse.Namespace) -> int:
    """Trains, writes the weights, prints what they find on held-out images; returns the exit code."""
    from refit_ros.training.detector_data import make_source

    args.output.mkdir(parents=True, exist_ok=True)
    device = torch.device(args.device)
    torch.manual_seed(args.seed)
    source = make_source(device, "train", args.seed)
    network = DetectorNetwork().to(device, memory_format=torch.channels_last)
    average = torch.optim.swa_utils.AveragedModel(
        network, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(AVERAGE_MEMORY), use_buffers=True
    )
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=1e-2)
    step = _resumed(args.output / CHECKPOINT, network, average, optimizer)
    started, seconds = time.monotonic(), args.minutes * 60
    report_s = saved_s = started
    batches = _batches(source, args.batch)
    while (share := (time.monotonic() - started) / max(seconds, 1e-3)) < 1 and not (args.steps and step >= args.steps):
        rate = RATE * min(1.0, (step + 1) / WARM_UP) * (0.5 + 0.5 * math.cos(math.pi * share))
        for group in optimizer.param_groups:
            group["lr"] = rate
        value = _step(network, optimizer, *next(batches), device)
        average.update_parameters(network)
        step += 1
        if time.monotonic() - report_s > 5:
            report_s = time.monotonic()
            print(f"detector: step {step}, {share:.0%} of the time, loss {value.item():.3f}", flush=True)
        if time.monotonic() - saved_s > SAVE_EVERY_S:
            saved_s = time.monotonic()
            _save(args.output, network, average, optimizer, step)
    final = _save(args.output, network, average, optimizer, step)
    found = measure(final.eval(), make_source(device, "test", 1), device, args.images)
    _write(args.output, final, step, {"measured": json.dumps(found)})
    print(f"detector: {step} steps; held-out images: {json.dumps(found)}", flush=True)
    return 0


def _save(folder: Path, network, average, optimizer, step: int) -> DetectorNetwork:
    """Writes the checkpoint to resume from and the weights as they are now; returns the network they are of."""
    state = {"network": network.state_dict(), "average": average.state_dict(), "optimizer": optimizer.state_dict()}
    torch.save({**state, "step": step}, folder / CHECKPOINT)
    # An average over fewer steps than it remembers is still mostly the start.
    final = average.module if step > 3 / (1 - AVERAGE_MEMORY) else network
    _write(folder, final, step, {})
    return final


def _write(folder: Path, network: DetectorNetwork, step: int, more: dict[str, str]) -> None:
    weights = {name: tensor.detach().float().cpu().contiguous() for name, tensor in network.state_dict().items()}
    save_file(weights, folder / "detector_small.safetensors", {"trained": "on synthetic people", "steps": str(step), **more})


def _resumed(checkpoint: Path, network, average, optimizer) -> int:
    if not checkpoint.is_file():
        return 0
    state = torch.load(checkpoint, weights_only=True, map_location="cpu")
    network.load_state_dict(state["network"])
    average.load_state_dict(state["average"])
    optimizer.load_state_dict(state["optimizer"])
    return int(state["step"])


def _batches(source, count: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Batches without end: images are made by the hundred, which costs little more than by the dozen, and used twice."""
    while True:
        images, boxes, valid = source.batch(count * MADE_AT_ONCE)
        for _ in range(USES):
            order = torch.randperm(len(images), device=images.device)
            for start in range(0, len(order), count):
                chosen = order[start : start + count]
                yield _mirrored(images[chosen], boxes[chosen], valid[chosen])


def _mirrored(images: Tensor, boxes: Tensor, valid: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Half of the images, with their boxes, left to right."""
    swap = torch.rand(len(images), device=images.device) < 0.5
    images = torch.where(swap[:, None, None, None], images.flip(3), images)
    left, top, right, bottom = boxes.unbind(2)
    mirrored = torch.stack([images.shape[3] - right, top, images.shape[3] - left, bottom], 2)
    return images, torch.where(swap[:, None, None], mirrored, boxes), valid


def _step(network, optimizer, images: Tensor, boxes: Tensor, valid: Tensor, device: torch.device) -> Tensor:
    images = normalised(images).contiguous(memory_format=torch.channels_last)
    half = device.type == "cuda" or torch.cpu._is_avx512_bf16_supported()
    with torch.autocast(device.type, torch.bfloat16, enabled=half):
        heat, sides = network(images)
    value = loss(heat, sides, boxes, valid)
    optimizer.zero_grad(set_to_none=True)
    value.backward()
    torch.nn.utils.clip_grad_norm_(network.parameters(), NORM)
    optimizer.step()
    return value.detach()


@torch.inference_mode()
def measure(network: DetectorNetwork, source, device: torch.device, count: int = 256) -> dict[str, float]:
    """Recall and precision at overlap 0.5 and the settings' usual confidence, and the mean overlap of the hits."""
    people = found = right = 0
    shared = 0.0
    for _ in range(max(1, count // 32)):
        images, boxes, valid = source.batch(min(32, count))
        best, confidence = boxes_from_maps(*network(normalised(images)))
        for row in range(len(images)):
            true, sure = boxes[row][valid[row] > 0], best[row][confidence[row] > CONFIDENT]
            people, found = people + len(true), found + len(sure)
            shares = overlap(true.cpu().numpy(), sure.cpu().numpy())
            while shares.size and shares.max() > HIT:
                i, j = divmod(int(shares.argmax()), shares.shape[1])
                right, shared = right + 1, shared + float(shares[i, j])
                shares[i], shares[:, j] = 0, 0
    return {
        "recall": round(right / max(people, 1), 4),
        "precision": round(right / max(found, 1), 4),
        "overlap": round(shared / max(right, 1), 4),
    }


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    add_arguments(options)
    raise SystemExit(run(options.parse_args()))
