"""From options to a loop that can run: network, data, precision, processes."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from refit_ros.core.body import Body, load_body
from refit_ros.core.config import SMALL, NetworkConfig
from refit_ros.core.keypoints import LANDMARKS, KeypointRefit
from refit_ros.core.refit import Refit
from refit_ros.core.rotations import sixd_from_rotmat
from refit_ros.training.data import Batch, Source
from refit_ros.training.graph import GraphedLearner
from refit_ros.training.held_out import HeldOutError
from refit_ros.training.keypoint_data import HeldOutKeypointError, KeypointSource
from refit_ros.training.learner import Learner, Outcome
from refit_ros.training.loop import Loop, Plan
from refit_ros.training.pool import PooledSource
from refit_ros.training.presets import Preset
from refit_ros.training.sources import MixedSource, SyntheticSource, shares
from refit_ros.training.variants import VARIANTS

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@dataclass(frozen=True)
class Options:
    """What the command line says beyond the preset and the plan."""

    device: str = "cpu"
    precision: str = "float32"
    seed: int = 0
    variants: tuple[str, ...] = ("refit",)
    data: tuple[tuple[str, float], ...] = (("synthetic", 1.0),)  # a source and its proportion
    images: str | None = None  # folder that real sets' image names are in
    body: str | None = None
    graph: bool = False  # record each step as a CUDA graph
    pool: int = 0  # crops rendered ahead on the device; 0: every crop is rendered for its step
    reuse: float = 2.0
    held_out: int = 256  # crops measured during training
    start: str | None = None  # weights to begin from
    poses: str | None = None  # a file of captured poses, for the keypoint network


def make_loop(preset: Preset, plan: Plan, options: Options) -> tuple[Loop, Source]:
    """Everything of a training, ready to run. Raises ValueError with a sentence for what cannot be.

    The source may have a `close()`, to be called when the loop has ended.
    """
    _check(preset, options)
    if options.start:  # the heatmaps' head is not kept with the weights, and an untaught one would unteach the maps
        preset = dataclasses.replace(preset, losses=dataclasses.replace(preset.losses, heatmaps=0.0))
    rank, processes = process_rank()
    device = torch.device(options.device)
    torch.manual_seed(options.seed)
    body = load_body(options.body).to(device)
    learners = {name: _learner(name, preset, options, body, device, processes > 1) for name in options.variants}
    torch.manual_seed(options.seed + 1000 * rank + 1)  # dropout differs between processes, weights do not
    source = make_source(preset, options, body, seed=options.seed + 7919 * rank)
    plan = dataclasses.replace(plan, writes=plan.writes and rank == 0)
    measure = _held_out(preset, options, body, device) if plan.writes else None
    return Loop(learners, source, preset, plan, measure, _stepper(options, source)), source


def _held_out(preset: Preset, options: Options, body: Body, device: torch.device) -> Callable[[Learner], dict[str, float]]:
    if preset.backbone == "keypoints":
        return HeldOutKeypointError(body, preset.image_size, options.held_out, device, options.poses)
    return HeldOutError(body, preset.image_size, options.held_out, device)


def _check(preset: Preset, options: Options) -> None:
    if preset.backbone == "keypoints" and (options.variants != ("refit",) or options.data != (("synthetic", 1.0),)):
        raise ValueError("--preset keypoints trains one network on drawn evidence: leave out --variants and --data")
    if options.poses and preset.backbone != "keypoints":
        raise ValueError("--poses is for --preset keypoints: the others draw their poses themselves")
    unknown = [name for name in options.variants if name not in VARIANTS]
    if unknown:
        raise ValueError(f"there is no variant '{unknown[0]}': choose from {', '.join(VARIANTS)}")
    if options.precision not in PRECISIONS:
        raise ValueError(f"training runs in {' or '.join(PRECISIONS)}, not in '{options.precision}'")
    on_gpu = torch.device(options.device).type == "cuda"
    if (options.graph or options.pool) and not on_gpu:
        raise ValueError("--graph and --pool need a CUDA device")


def network_config(preset: Preset, body: Body) -> NetworkConfig:
    if preset.backbone == "keypoints":
        return dataclasses.replace(LANDMARKS, iterations=preset.iterations, feedback_dropout=preset.feedback_dropout)
    start = SMALL if preset.backbone == "small" else NetworkConfig(backbone=preset.backbone)
    return dataclasses.replace(
        start,
        image_size=preset.image_size,
        markers=len(body.markers),
        iterations=preset.iterations,
        feedback_dropout=preset.feedback_dropout,
    )


def _learner(name: str, preset: Preset, options: Options, body: Body, device: torch.device, distributed: bool) -> Learner:
    torch.manual_seed(options.seed)  # what the variants share begins with the same weights
    make = KeypointRefit if preset.backbone == "keypoints" else VARIANTS[name]
    network = make(network_config(preset, body), body)
    _begin_upright(network)
    if options.start:
        from refit_ros.core.checkpoint import load_network

        network.load_state_dict(load_network(options.start, body=body).state_dict())
    network = network.to(device, memory_format=torch.channels_last)
    return Learner(network, preset, PRECISIONS[options.precision], distributed)


def _begin_upright(network: Refit) -> None:
    """The first guess before anything is learned: a body that stands upright in the image, and small changes to it."""
    with torch.no_grad():
        network.init_pose[:, :6] = sixd_from_rotmat(torch.diag(torch.tensor([1.0, -1.0, -1.0])))  # y up -> y down
        if not hasattr(network, "decoder"):
            return
        network.decoder.last_weight.mul_(0.1)
        network.decoder.last_bias.zero_()


def _stepper(options: Options, source: Source) -> Callable[[Learner, Batch], Callable[[Batch], Outcome]]:
    if not options.graph:
        return lambda learner, batch: learner.step
    torch.backends.cudnn.benchmark = True
    torch.backends.cuda.matmul.allow_tf32 = True  # while training only: about a millimetre of noise on a body

    def recorded(learner: Learner, batch: Batch) -> Callable[[Batch], Outcome]:
        with getattr(source, "resting", contextlib.nullcontext)():
            return GraphedLearner(learner, batch).step

    return recorded


def make_source(preset: Preset, options: Options, body: Body, seed: int) -> Source:
    """Sources by name: "synthetic", a folder of pre-rendered crops, or an .npz in the published layout."""
    names = [name for name, _ in options.data]
    counts = shares(preset.batch, [proportion for _, proportion in options.data])
    sources = [
        _source(name, count, preset, options, body, seed + 31 * number)
        for number, (name, count) in enumerate(zip(names, counts))
    ]
    return sources[0] if len(sources) == 1 else MixedSource(sources)


def _source(name: str, count: int, preset: Preset, options: Options, body: Body, seed: int) -> Source:
    device = torch.device(options.device)
    if preset.backbone == "keypoints":
        return KeypointSource(body, count, preset.multi_view_share, preset.views, seed, device, options.poses)
    if name == "synthetic":
        sets = int(count * preset.multi_view_share) // preset.views
        single = count - sets * preset.views

        def make_samples():
            from refit_ros.synthetic.samples import SampleSource

            return SampleSource(body, preset.image_size, "train", seed, device)

        if options.pool:
            return PooledSource(make_samples, single, sets, preset.views, options.pool, options.reuse)
        return SyntheticSource(make_samples(), single, sets, preset.views)
    if Path(name).is_dir():
        from refit_ros.training.prerendered import PrerenderedSource

        return PrerenderedSource(Path(name), count, seed, device)
    from refit_ros.training.real_data import RealSource

    return RealSource(Path(name), options.images, body, count, preset.image_size, seed, device)


def process_rank() -> tuple[int, int]:
    """This process's number and how many there are; joins them where torchrun started several."""
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    if processes > 1 and not torch.distributed.is_initialized():
        torch.distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    return int(os.environ.get("RANK", "0")), processes


def parse_data(texts: Sequence[str]) -> tuple[tuple[str, float], ...]:
    """["synthetic=0.8", "bedlam.npz=0.2"] -> pairs; without "=", a proportion of 1. Raises ValueError."""
    pairs = []
    for text in texts:
        name, _, proportion = text.partition("=")
        try:
            pairs.append((name, float(proportion) if proportion else 1.0))
        except ValueError:
            raise ValueError(f"--data {text}: '{proportion}' is no proportion; write {name}=0.5") from None
    return tuple(pairs)
