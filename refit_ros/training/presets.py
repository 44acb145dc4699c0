"""The two ways to train, each number once."""

from __future__ import annotations

from dataclasses import dataclass, field

from refit_ros.training.losses import LossWeights


@dataclass(frozen=True)
class Preset:
    backbone: str
    image_size: int  # px
    batch: int = 64  # crops a step
    multi_view_share: float = 0.0  # of a batch's crops, in sets of `views`
    views: int = 4
    optimizer: str = "adam"  # or "adamw"
    learning_rate: float = 1e-4
    weight_decay: float = 0.0
    warmup: float = 0.0  # share of the training in which the rate rises from 0
    schedule: str = "constant"  # or "cosine", to a hundredth
    clip_norm: float = 4.0
    ema_decay: float = 0.999  # 0: none
    steps: int = 80_000
    iterations: int = 5
    few_iterations: int | None = None  # while less than few_until of the training is done
    few_until: float = 0.0
    feedback_dropout: float = 0.25
    losses: LossWeights = field(default_factory=LossWeights)


PRESETS: dict[str, Preset] = {
    # As the paper trains: HRNet-W48 at 256 px.
    "published": Preset(backbone="hrnet_w48", image_size=256),
    # The embedded default. Markers stand for the mesh in the surface loss; joints, depth and heatmaps are added because
    # a small network on little time learns faster with them; a share of four-view sets lets the update learn to go on
    # from a state that its other views have changed.
    "small": Preset(
        backbone="small",
        image_size=128,
        multi_view_share=0.25,
        optimizer="adamw",
        learning_rate=5e-4,
        weight_decay=1e-4,
        warmup=0.03,
        schedule="cosine",
        clip_norm=20.0,
        losses=LossWeights(whole_mesh=False, shape=0.03, joints=1.0, depth=0.5, heatmaps=0.05, keypoints_px_limit=1.0),
    ),
    # The keypoint network, on drawn numbers. Half of the crops are of people seen by two to `views` cameras:
    # without them several views come out worse than one. Many crops a step, because none has to be drawn.
    "keypoints": Preset(
        backbone="keypoints",
        image_size=256,
        batch=128,
        multi_view_share=0.5,
        optimizer="adamw",
        learning_rate=7e-4,
        weight_decay=1e-4,
        warmup=0.04,
        schedule="cosine",
        clip_norm=20.0,
        ema_decay=0.998,
        steps=8_000,
        few_iterations=2,
        few_until=0.8,
        feedback_dropout=0.03,
        losses=LossWeights(whole_mesh=False, surface=0.0, shape=0.03, joints=2.0, depth=0.5, keypoints_px_limit=1.0),
    ),
}


def preset_named(name: str) -> Preset:
    """Raises ValueError for a name that is none."""
    try:
        return PRESETS[name]
    except KeyError:
        raise ValueError(f"there is no preset '{name}': choose from {', '.join(PRESETS)}") from None


def learning_rate(preset: Preset, progress: float) -> float:
    """The rate when this share (0 .. 1) of the training is done."""
    import math

    if progress < preset.warmup:
        return preset.learning_rate * max(progress / preset.warmup, 1e-3)
    if preset.schedule == "constant":
        return preset.learning_rate
    left = (1 - min(progress, 1.0)) / (1 - preset.warmup)
    return preset.learning_rate * (0.01 + 0.99 * 0.5 * (1 - math.cos(math.pi * left)))
