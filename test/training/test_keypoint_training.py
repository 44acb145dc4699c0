"""`train --preset keypoints`: goes on where it was stopped, and learns."""

import dataclasses
import json

import numpy as np
import pytest
import torch

from refit_ros.core.body import load_body
from refit_ros.core.checkpoint import load_network
from refit_ros.core.errors import InputError
from refit_ros.core.keypoints import KeypointRefit
from refit_ros.core.rotations import rotmat_from_axis_angle
from refit_ros.training.keypoint_data import BATCHES, KeypointBatch, KeypointSource, held_out_evidence, keypoint_errors
from refit_ros.training.loop import Plan
from refit_ros.training.presets import preset_named
from refit_ros.training.setup import Options, make_loop

PRESET = dataclasses.replace(preset_named("keypoints"), batch=16)


def train(folder, steps, stop_after=None, batch=16):
    plan = Plan(folder, steps, None, measure_every=steps, save_every_s=1e9, stop_after=stop_after)
    loop, _ = make_loop(dataclasses.replace(PRESET, batch=batch), plan, Options(held_out=4))
    loop.run()
    return load_network(folder / "refit.safetensors")


def test_a_batch_holds_single_crops_and_sets_of_views():
    source = KeypointSource(load_body(), 16, 0.5, 4, 0, torch.device("cpu"))
    sizes = set()
    for _ in range(12 * BATCHES):
        batch = source.batch()
        assert isinstance(batch, KeypointBatch) and len(batch) == 16
        assert len(batch.rows(slice(0, 3)).visibility) == 3
        sizes |= set(batch.person.bincount()[batch.person].tolist())
    assert sizes == {1, 2, 3, 4}


def test_a_source_goes_on_in_the_middle_of_what_it_has_drawn():
    first, second = (KeypointSource(load_body(), 16, 0.5, 4, 0, torch.device("cpu")) for _ in range(2))
    for _ in range(3):
        first.batch()
    second.load_state_dict(first.state_dict())
    for _ in range(BATCHES):
        assert torch.equal(first.batch().place, second.batch().place)


def test_the_held_out_people_do_not_depend_on_how_many_are_asked_for():
    body = load_body()
    few, more = held_out_evidence(body, 3, 2), held_out_evidence(body, 60, 2)
    assert len(few) == 6 and torch.equal(few.place, more.place[:6])


def test_training_goes_on_where_it_was_stopped(tmp_path):
    whole = train(tmp_path / "whole", 4)
    train(tmp_path / "halves", 4, stop_after=2)
    halves = train(tmp_path / "halves", 4)
    assert isinstance(whole, KeypointRefit)
    assert all(torch.equal(value, halves.state_dict()[name]) for name, value in whole.state_dict().items())


def test_a_few_steps_make_the_first_guess_better(tmp_path):
    batch = held_out_evidence(load_body(), 100, 1)
    begun, taught = train(tmp_path / "begun", 1, batch=32), train(tmp_path / "taught", 40, batch=32)
    assert keypoint_errors(taught, batch)[1][0] < 0.9 * keypoint_errors(begun, batch)[1][0]


def test_captured_poses_are_drawn_too_and_measured_apart(tmp_path):
    clip = np.repeat(np.arange(5), 4)
    turned = np.random.default_rng(0).normal(0, 0.3, (20, 24, 3))
    np.savez(tmp_path / "poses.npz", poses=turned, clip=clip, kind=np.zeros(20))
    poses, device = str(tmp_path / "poses.npz"), torch.device("cpu")
    plain, both = (KeypointSource(load_body(), 64, 0.0, 1, 0, device, each).batch() for each in (None, poses))
    apart = torch.cdist(
        both.rotmats[:, 1:].flatten(1), rotmat_from_axis_angle(torch.tensor(turned[:, 1:])).float().flatten(1)
    )
    assert (apart.amin(1) < 1.5).float().mean() > 0.1 and not torch.equal(plain.rotmats, both.rotmats)
    loop, _ = make_loop(PRESET, Plan(tmp_path / "run", 1, None, measure_every=1), Options(held_out=4, poses=poses))
    loop.run()
    measured = json.loads((tmp_path / "run" / "curve.jsonl").read_text().splitlines()[-1])
    assert measured["refit/held_out/mpjpe_mm_captured"] > 0 and "refit/held_out/pa_mpjpe_mm_4_views_captured" in measured


def test_options_that_mean_nothing_here_are_refused(tmp_path):
    plan = Plan(tmp_path, 1, None)
    for options in (Options(variants=("refit", "no_memory")), Options(data=(("folder", 1.0),))):
        with pytest.raises(ValueError, match="leave out --variants and --data"):
            make_loop(PRESET, plan, options)
    with pytest.raises(ValueError, match="--poses is for --preset keypoints"):
        make_loop(preset_named("small"), plan, Options(poses="poses.npz"))
    with pytest.raises(InputError, match="poses.npz"):
        make_loop(PRESET, plan, Options(poses=str(tmp_path / "poses.npz")))
