import dataclasses
import json

import pytest
import torch
from dot_people import DotSource

from refit_ros.core.checkpoint import load_network, read_metadata
from refit_ros.core.only_run import only_run_in
from refit_ros.training import checkpoints
from refit_ros.training.data import batch_of_samples
from refit_ros.training.loop import NotFinite, Plan
from refit_ros.training.setup import Options, _learner, make_loop
from refit_ros.training.variants import VARIANTS


def run(folder, preset, body_path, steps=4, stop_after=None, **options):
    plan = Plan(folder, steps, None, log_every=1, measure_every=2, save_every_s=1e9, stop_after=stop_after)
    loop, _ = make_loop(preset, plan, Options(body=str(body_path), held_out=8, **options))
    loop.run()
    return loop


def same(first, second):
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(same(first[key], second[key]) for key in first)
    if isinstance(first, (list, tuple)):
        return len(first) == len(second) and all(map(same, first, second))
    if isinstance(first, torch.Tensor):
        return torch.equal(first, second)
    return first == second


@pytest.mark.slow
def test_interrupted_and_resumed_is_the_same_as_uninterrupted(tmp_path, preset, body_path, dots):
    run(tmp_path / "whole", preset, body_path)
    run(tmp_path / "parts", preset, body_path, stop_after=1)
    run(tmp_path / "parts", preset, body_path)
    whole, parts = (torch.load(tmp_path / name / "state.pt", weights_only=True) for name in ("whole", "parts"))
    assert whole["step"] == parts["step"] == 4
    assert same(whole["learners"], parts["learners"]) and same(whole["source"], parts["source"])
    losses = [
        [json.loads(line).get("refit/loss") for line in (tmp_path / name / "curve.jsonl").read_text().splitlines()]
        for name in ("whole", "parts")
    ]
    assert losses[0] == losses[1] and len(losses[0]) == 4


def test_training_leaves_weights_that_load(tmp_path, preset, body_path, body, dots):
    run(tmp_path, preset, body_path, steps=2)
    facts = read_metadata(tmp_path / "refit.safetensors")
    assert facts["steps"] == "2" and facts["crops"] == "16"
    network = load_network(tmp_path / "refit.safetensors", body=body)
    assert network.trained
    fit = network(DotSource(body, 64, "test", 0).batch(2).crops)
    assert torch.isfinite(fit.estimate.transl).all()


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_learns_a_batch(preset, body, variant):
    learner = _learner(variant, dataclasses.replace(preset, learning_rate=1e-3), Options(), body, torch.device("cpu"), False)
    batch = batch_of_samples(DotSource(body, 64, "train", 0).batch(2, views=2))
    losses = []
    for step in range(8):
        learner.set_progress(1e-3, step, 0.1)
        losses.append(learner.step(batch).loss.item())
    assert losses[-1] < 0.7 * losses[0]


class Broken(DotSource):
    """Its third batch has a NaN."""

    made = 0

    def batch(self, count, views=1):
        samples = super().batch(count, views)
        Broken.made += 1
        if Broken.made > 6:
            samples.crops.images[0, 0, 0, 0] = float("nan")
        return samples


def test_a_nan_stops_it_and_saves_the_batch(tmp_path, preset, body_path, monkeypatch):
    import refit_ros.synthetic.samples

    Broken.made = 0
    monkeypatch.setattr(refit_ros.synthetic.samples, "SampleSource", Broken)
    with pytest.raises(NotFinite, match="bad_batch.pt") as told:
        run(tmp_path, preset, body_path, steps=30)
    assert "step" in str(told.value)
    bad = torch.load(tmp_path / "bad_batch.pt", weights_only=True)
    assert bad["images"].isnan().any() and bad["images"].shape == (8, 3, 64, 64)


def test_a_gradient_that_is_not_finite_changes_nothing(preset, body_path, body, dots):
    learner = _learner("refit", preset, Options(), body, torch.device("cpu"), False)
    batch = batch_of_samples(DotSource(body, 64, "train", 0).batch(2))
    learner.set_progress(1e-3, 0, 0.0)
    learner.step(batch)
    before = {name: value.clone() for name, value in learner.network.named_parameters()}
    handle = learner.network.decoder.last_weight.register_hook(lambda gradient: gradient * float("inf"))
    outcome = learner.step(batch)
    handle.remove()
    assert not torch.isfinite(outcome.gradient_norm) and torch.isfinite(outcome.loss)
    assert all(torch.equal(before[name], value) for name, value in learner.network.named_parameters())
    learner.step(batch)
    assert not torch.equal(before["init_layer.weight"], learner.network.init_layer.weight)


def test_a_checkpoint_that_cannot_be_written_is_told_and_training_goes_on(
    tmp_path, preset, body_path, dots, monkeypatch, capsys
):
    plan = Plan(tmp_path, 3, None, measure_every=10, save_every_s=0)
    loop, _ = make_loop(preset, plan, Options(body=str(body_path), held_out=4))
    full = {"left": 1}

    def save(state, path, real=checkpoints.save_state):
        if full["left"]:
            full["left"] -= 1
            raise OSError(28, "No space left on device")
        real(state, path)

    monkeypatch.setattr("refit_ros.training.loop.save_state", save)
    assert loop.run() == 3
    assert "no checkpoint at step 1" in capsys.readouterr().err


def test_two_trainings_at_once_do_not_write_into_one_folder(tmp_path, preset, body_path, dots):
    """They wrote over one another's state by turns, and the curve held the lines of both."""
    with only_run_in(tmp_path), pytest.raises(ValueError, match="another run is writing into .*give another --output"):
        run(tmp_path, preset, body_path, steps=1)
    assert not any(tmp_path.iterdir())
    run(tmp_path, preset, body_path, steps=1)


def test_another_trainings_folder_is_refused(tmp_path, preset, body_path, dots):
    run(tmp_path, preset, body_path, steps=1)
    with pytest.raises(ValueError, match="name another --output"):
        run(tmp_path, preset, body_path, steps=2, variants=("regression",))


@pytest.mark.parametrize(
    "options, words",
    [
        ({"variants": ("nothing",)}, "no variant 'nothing'"),
        ({"graph": True}, "CUDA"),
        ({"precision": "int3"}, "not in 'int3'"),
    ],
)
def test_options_that_cannot_be_are_told(tmp_path, preset, body_path, options, words):
    with pytest.raises(ValueError, match=words):
        run(tmp_path, preset, body_path, **options)
