"""Crops: as published on a plain pinhole, the same scene through any lens."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from refit_ros.camera import crops
from refit_ros.camera.calibration import Calibration

PARITY = Path(os.environ.get("REFIT_PARITY_DIR", Path(__file__).parents[1] / "core" / "parity"))


def waves(height: int = 480, width: int = 640) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    image = [127 + 120 * np.sin(x / 17 + c) * np.cos(y / 23 + 2 * c) for c in range(3)]
    return np.stack(image, -1).clip(0, 255).astype(np.uint8)


def pinhole(fx=500.0, fy=500.0, **lens) -> Calibration:
    return Calibration("c", "c", 640, 480, np.array([[fx, 0, 320], [0, fy, 240], [0, 0, 1.0]]), **lens)


@pytest.mark.skipif(not (PARITY / "crops.npz").is_file(), reason=f"no golden crops in {PARITY}")
def test_cuts_as_published():
    golden = np.load(PARITY / "crops.npz")
    for center, scale, expected in zip(golden["centers"], golden["scales"], golden["crops"]):
        crop = crops.cut(waves(), pinhole(), crops.Square(center, 200 * scale), expected.shape[0])
        assert np.abs(crop.astype(float) - expected).mean() < 2
        square = crops.square_at(center, 200 * scale)
        assert np.abs(crops.cut(waves(), pinhole(), square, expected.shape[0]).astype(float) - expected).mean() < 4
        assert np.abs(square.center_px - center).max() <= 0.5 and abs(square.side_px - 200 * scale) <= 0.5


@pytest.mark.parametrize("center,side", [((320, 240), 150), ((100.3, 60.7), 120), ((50, 240), 580), ((300.5, 200.2), 333.3)])
@pytest.mark.parametrize("size", [64, 256])
def test_the_way_through_the_lens_agrees_with_the_plain_way(center, side, size):
    square = crops.square_at(np.array(center), side)
    plain = crops.cut(waves(), pinhole(), square, size)
    through = crops._cut_through_lens(waves(), pinhole(), square, size)
    inner = slice(4, -4)  # at the image's border the two fade differently
    assert np.abs(plain.astype(float) - through)[inner, inner].mean() < 3


@pytest.mark.parametrize(
    "camera",
    [
        pinhole(D=np.array([-0.3, 0.1, 0, 0, 0])),
        pinhole(fx=650),
        pinhole(D=np.array([-0.02, 0.01, 0, 0]), distortion_model="equidistant"),
    ],
)
def test_a_lens_is_undone(camera):
    """What a lens shows of a wall, cut through the lens, is what the square pinhole shows of that wall."""
    ideal = pinhole(fx=camera.focal_px, fy=camera.focal_px)
    y, x = np.mgrid[:480, :640]
    wall = camera.square_from_raw_px(np.stack([x, y], -1).astype(float)).astype(np.float32)
    big = waves(1200, 1600)
    seen = cv2.remap(big, wall[..., 0] + 480, wall[..., 1] + 360, cv2.INTER_LINEAR)
    truth = big[360:840, 480:1120]
    square = crops.square_at(np.array([190.0, 150.0]), 260)
    expected = crops.cut(truth, ideal, square, 128).astype(float)
    assert np.abs(crops.cut(seen, camera, square, 128) - expected).mean() < 3
    assert np.abs(crops.cut(seen, ideal, square, 128) - expected).mean() > 6  # or the test would prove nothing


@pytest.mark.parametrize(
    "camera",
    [
        pinhole(D=np.array([-0.35, 0.15, 0.001, -0.002])),
        pinhole(fx=300, fy=300, D=np.array([0.05, 0.01, 0, 0]), distortion_model="equidistant"),
    ],
)
@pytest.mark.parametrize(
    ("center", "side", "samples"), [((320, 240), 900, 512), ((60, 60), 300, 250), ((500, 400), 150, 128)]
)
def test_between_the_places_where_a_lens_is_computed_it_is_straight_enough(camera, center, side, samples):
    square = crops.square_at(np.array(center, float), side)
    step_px = square.side_px / samples
    line = (np.arange(samples) + 0.5) * step_px - 0.5 - square.side_px / 2
    exact = camera.raw_from_square_px(np.stack(np.meshgrid(*(line + middle for middle in square.center_px)), -1))
    shown = ((exact > -1) & (exact < [641, 481])).all(-1)
    off_px = np.linalg.norm(crops._raw_px(camera, square, samples) - exact, axis=-1)
    assert shown.any() and off_px[shown].max() < 0.05 * step_px


def test_boxes_go_through_the_lens_and_back():
    camera = pinhole(D=np.array([-0.3, 0.1, 0, 0, 0]))
    box = np.array([200.0, 100, 420, 400])
    there = crops.box_in_square_pixels(box, camera)
    assert there[0] < 200 and there[3] > 400
    assert np.abs(crops.box_in_raw_pixels(there, camera) - box).max() < 12
    assert np.array_equal(crops.box_in_square_pixels(box, pinhole()), box)


def test_squares_outside_or_enormous_are_black_or_small_not_errors():
    for center, side in [((-900, -900), 100), ((320, 240), 9000), ((320, 240), 0), ((1e5, 3), 20)]:
        crop = crops.cut(waves(), pinhole(), crops.square_at(np.array(center, float), side), 32)
        assert crop.shape == (32, 32, 3)


def test_batch_holds_each_camera():
    squares = [crops.square_at(np.array([300.0, 200]), 100), crops.square_at(np.array([10.0, 20]), 80)]
    batch = crops.cut_all([waves(), waves()], [pinhole(), pinhole(fx=400)], squares, 64)
    assert batch.images.shape == (2, 3, 64, 64) and len(batch) == 2
    assert batch.focal_px.tolist() == pytest.approx([500, np.sqrt(400 * 500)])
    assert batch.side_px.tolist() == [100, 80]
    gray = (np.array([[[[124, 116, 104]]]]) * np.ones((1, 2, 2, 1))).astype(np.uint8)
    assert crops.normalised(gray).abs().max() < 0.02
