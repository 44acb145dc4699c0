import pytest
import torch
from dot_people import DotSource

from refit_ros.training.presets import PRESETS, learning_rate, preset_named
from refit_ros.training.setup import parse_data
from refit_ros.training.sources import MixedSource, SyntheticSource, shares


def source(body, seed=0, **sizes):
    return SyntheticSource(DotSource(body, 64, "train", seed), **sizes)


def test_a_batch_holds_sets_and_single_crops(body):
    batch = source(body, single=2, sets=2, views=3).batch()
    assert len(batch) == 8
    assert torch.bincount(batch.person).tolist()[:2] == [3, 3] and len(batch.person.unique()) == 4
    assert torch.equal(batch.betas[0], batch.betas[2]) and not torch.equal(batch.betas[0], batch.betas[3])


def test_its_state_brings_the_same_batches_again(body):
    mixed = MixedSource([source(body, 0, single=2), source(body, 1, single=1)])
    mixed.batch()
    state = mixed.state_dict()
    expected = [mixed.batch().betas, mixed.batch().betas]
    other = MixedSource([source(body, 5, single=2), source(body, 6, single=1)])
    other.load_state_dict(state)
    assert torch.equal(other.batch().betas, expected[0]) and torch.equal(other.batch().betas, expected[1])


@pytest.mark.parametrize(
    "batch, proportions, expected",
    [(10, [1.0], [10]), (10, [0.8, 0.2], [8, 2]), (7, [1, 1], [4, 3]), (4, [100, 1, 1], [2, 1, 1])],
)
def test_shares(batch, proportions, expected):
    assert shares(batch, proportions) == expected


@pytest.mark.parametrize("batch, proportions", [(1, [1, 1]), (4, [1, 0])])
def test_shares_that_cannot_be(batch, proportions):
    with pytest.raises(ValueError):
        shares(batch, proportions)


def test_data_options():
    assert parse_data(["synthetic=0.8", "a.npz"]) == (("synthetic", 0.8), ("a.npz", 1.0))
    with pytest.raises(ValueError, match="write a.npz=0.5"):
        parse_data(["a.npz=half"])


def test_the_published_preset_is_the_published_recipe():
    preset = preset_named("published")
    assert (preset.batch, preset.learning_rate, preset.clip_norm, preset.steps) == (64, 1e-4, 4.0, 80_000)
    assert learning_rate(preset, 0.0) == learning_rate(preset, 1.0) == 1e-4
    with pytest.raises(ValueError, match="no preset 'large'"):
        preset_named("large")


def test_the_small_presets_rate_rises_then_falls():
    preset = PRESETS["small"]
    rates = [learning_rate(preset, progress) for progress in (0.0, preset.warmup, 0.5, 1.0)]
    assert rates[0] < rates[3] < rates[2] < rates[1] == pytest.approx(preset.learning_rate)
