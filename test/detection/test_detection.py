"""Boxes: cleaned before anybody uses them, and found by the builtin detector's maps."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from refit_ros.camera.boxes import Boxes
from refit_ros.detection.builtin import BuiltinDetector, embedded_weights
from refit_ros.detection.network import STRIDE, DetectorNetwork, boxes_from_maps, loss, maps_from_boxes
from refit_ros.detection.protocol import FullImage, cleaned
from refit_ros.detection.registry import make_detector
from refit_ros.estimation.settings import Settings


def test_cleaning():
    boxes = Boxes(
        np.array(
            [
                [10, 10, 60, 200],
                [12, 11, 61, 201],
                [np.nan, 0, 5, 5],
                [700, 10, 800, 90],
                [30, 30, 30, 90],
                [-50, -50, 50, 300],
                [200, 50, 260, 200],
            ],
            float,
        ),
        np.array([0.8, 0.9, 0.9, 0.9, 0.9, 0.1, 0.5]),
    )
    kept, dropped = cleaned(boxes, 640, 480, 0.3, 10)
    assert np.array_equal(kept.confidence, [0.9, 0.5]) and np.array_equal(kept.xyxy_px[0], [12, 11, 61, 201])
    assert dropped == 4  # NaN, outside, no area, a double; the unsure one is no fault
    kept, dropped = cleaned(boxes, 640, 480, 0.0, 1)
    assert len(kept.confidence) == 1 and dropped == 6
    kept, dropped = cleaned(Boxes(np.zeros((0, 4)), np.zeros(0)), 640, 480, 0.3, 5)
    assert kept.xyxy_px.shape == (0, 4) and dropped == 0


def test_maps_and_boxes_are_inverses():
    boxes = torch.tensor([[[30.0, 40, 90, 200], [150, 20, 210, 120], [0, 0, 0, 0]]])
    heat, sides, counted = maps_from_boxes(boxes, torch.tensor([[1.0, 1, 0]]), 256, 320)
    assert heat.shape == (1, 256 // STRIDE, 320 // STRIDE) and counted.sum() > 2
    found, confidence = boxes_from_maps(torch.logit(heat.clamp(1e-6, 1 - 1e-6)), sides, most=2)
    assert (confidence > 0.99).all()
    assert (found[0][found[0, :, 0].argsort()] - boxes[0, :2]).abs().max() < 1e-3


def test_the_loss_is_least_for_the_truth_and_trains():
    torch.manual_seed(0)
    boxes, valid = torch.tensor([[[40.0, 40, 100, 160]]]), torch.ones(1, 1)
    heat, sides, _ = maps_from_boxes(boxes, valid, 192, 160)
    right = loss(torch.logit(heat.clamp(1e-4, 1 - 1e-4)), sides, boxes, valid)
    assert right < loss(torch.full_like(heat, -4.0), sides, boxes, valid)
    assert right < loss(torch.logit(heat.clamp(1e-4, 1 - 1e-4)), 2 * sides, boxes, valid)
    network, image = DetectorNetwork(), torch.randn(1, 3, 192, 160)
    optimizer = torch.optim.Adam(network.parameters(), lr=2e-3)
    values = []
    for _ in range(12):
        value = loss(*network(image), boxes, valid)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        values.append(value.item())
    assert values[-1] < 0.6 * values[0]


@pytest.mark.skipif(not embedded_weights().is_file(), reason="no trained detector in this checkout")
def test_the_builtin_detector_finds_synthetic_people():
    from refit_ros.training.detector_data import make_source
    from refit_ros.training.train_detector import measure

    detector = BuiltinDetector()
    found = measure(detector._network, make_source(torch.device("cpu"), "test", 3), torch.device("cpu"), 64)
    # Five people in heaps, half of them hidden, some of eight pixels: much harder than a room with a few people in it.
    assert found["recall"] > 0.7 and found["precision"] > 0.75 and found["overlap"] > 0.75
    images, boxes, valid = make_source(torch.device("cpu"), "test", 4).batch(6)
    small = [image.permute(1, 2, 0).numpy()[:144] for image in images]
    large = [np.repeat(np.repeat(image, 3, 0), 3, 1) for image in small]
    for a, b in zip(detector.find(small), detector.find(large)):  # any size of image, boxes in its own pixels
        sure = a.confidence > 0.5
        assert np.abs(3 * a.xyxy_px[sure] - b.xyxy_px[: len(a.xyxy_px)][sure]).max(initial=0) < 12


def test_detectors_by_settings(tmp_path):
    assert make_detector(Settings(detector="topic")) is None
    (whole,) = make_detector(Settings(detector="full_image")).find([np.zeros((48, 64, 3), np.uint8)])
    assert np.array_equal(whole.xyxy_px, [[0, 0, 64, 48]]) and isinstance(
        make_detector(Settings(detector="full_image")), FullImage
    )
    with pytest.raises(ValueError, match="detector_model"):
        Settings(detector="onnx")
    with pytest.raises(ValueError, match="nonsense"):
        Settings(detector="nonsense")
    with pytest.raises(FileNotFoundError, match="train_detector"):
        BuiltinDetector(weights=tmp_path / "none.safetensors")
    from safetensors.torch import save_file

    save_file({"other": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match="other.safetensors"):
        BuiltinDetector(weights=tmp_path / "other.safetensors")


def test_images_to_learn_from_hold_what_their_boxes_say():
    from refit_ros.training.detector_data import HEIGHT_PX, WIDTH_PX, make_source

    images, boxes, valid = make_source(torch.device("cpu"), "train", 0).batch(8)
    assert images.shape == (8, 3, 160, WIDTH_PX) and images.dtype == torch.uint8 and boxes.shape[0] == 8
    assert (images[:, :, HEIGHT_PX:] == 114).all() and images[:, :, :HEIGHT_PX].float().std() > 20
    there = boxes[valid > 0]
    assert len(there) > 5 and (there[:, 2:] - there[:, :2]).min() > 6
    assert there.min() >= 0 and there[:, 2].max() <= WIDTH_PX and there[:, 3].max() <= HEIGHT_PX
    again, same, _ = make_source(torch.device("cpu"), "train", 0).batch(8)
    assert torch.equal(images, again) and torch.equal(boxes, same)


def test_training_leaves_weights_that_can_be_used_and_resumes(tmp_path):
    from argparse import ArgumentParser

    from refit_ros.training import train_detector

    parser = ArgumentParser()
    train_detector.add_arguments(parser)
    for steps in ("1", "2"):
        args = parser.parse_args(["--output", str(tmp_path), "--minutes", "1", "--steps", steps, "--batch", "2"])
        args.images = 2
        assert train_detector.run(args) == 0
    assert torch.load(tmp_path / "detector_checkpoint.pt", weights_only=True)["step"] == 2
    (found,) = BuiltinDetector(weights=tmp_path / "detector_small.safetensors").find([np.zeros((48, 64, 3), np.uint8)])
    assert found.xyxy_px.shape[1] == 4
