"""Pinhole, crop and weak perspective, each against its formula and against its inverse."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from refit_ros.benchmarking.scenes import random_crops
from refit_ros.core import camera
from refit_ros.core.image_crops import ImageCrops
from refit_ros.core.joints import JOINT_INDEX, JOINT_NAMES, MIRRORED, PARENTS
from refit_ros.core.types import Crops

CPU = torch.device("cpu")


def one_crop(center=(400.0, 180.0), side=240.0, focal=700.0, principal=(320.0, 240.0)) -> Crops:
    return Crops(
        torch.zeros(1, 3, 256, 256),
        torch.tensor([center]),
        torch.tensor([side]),
        torch.tensor([focal]),
        torch.tensor([principal]),
    )


def test_projection():
    points = torch.tensor([[[0.0, 0.0, 2.0], [1.0, -0.5, 4.0]]])
    px = camera.project(points, torch.tensor([800.0]), torch.tensor([[320.0, 240.0]]))
    torch.testing.assert_close(px, torch.tensor([[[320.0, 240.0], [520.0, 140.0]]]))
    assert torch.isfinite(camera.project(torch.zeros(1, 1, 3), torch.tensor([800.0]), torch.zeros(1, 2))).all()


def test_translation_of_a_weak_perspective_camera():
    transl = camera.transl_from_weak_perspective(torch.tensor([[0.8, 0.1, -0.2]]), one_crop())
    scaled = 240 * 0.8
    expected = [0.1 + 2 * (400 - 320) / scaled, -0.2 + 2 * (180 - 240) / scaled, 2 * 700 / scaled]
    torch.testing.assert_close(transl, torch.tensor([expected]))


def test_weak_perspective_there_and_back():
    crops = random_crops(5, 128, CPU)
    weak = torch.tensor([[0.9, 0.0, 0.0], [0.3, 0.5, -1.0], [2.0, -0.1, 0.1], [0.05, 0.0, 0.4], [1.0, 1.0, 1.0]])
    back = camera.weak_perspective_from_transl(camera.transl_from_weak_perspective(weak, crops), crops)
    torch.testing.assert_close(back, weak, rtol=1e-4, atol=1e-4)


def test_the_crops_middle_shows_the_weak_perspective_offset():
    """At depth 2 f / (b s), x metres span x f / z = x b s / 2 px: the crop's half side is 1 / s metres."""
    crops = one_crop()
    transl = camera.transl_from_weak_perspective(torch.tensor([[0.8, 0.0, 0.0]]), crops)
    px = camera.project(
        transl[:, None] + torch.tensor([[[0.0, 0.0, 0.0], [1 / 0.8, 0.0, 0.0]]]), crops.focal_px, crops.principal_px
    )
    in_crop = camera.crop_from_image_px(px, crops.center_px, crops.side_px, 256)
    torch.testing.assert_close(in_crop, torch.tensor([[[128.0, 128.0], [256.0, 128.0]]]))


def test_box_feature():
    feature = camera.box_feature(one_crop())
    torch.testing.assert_close(feature, torch.tensor([[80 / 700 * 2.8, -60 / 700 * 2.8, (240 - 168) / 42]]))


def test_default_focal_length_is_the_diagonal():
    assert camera.default_focal_px(480, 640) == pytest.approx(800.0)


def test_crops_cut_on_the_device_show_the_right_place():
    y, x = np.mgrid[:480, :640]
    image = np.stack([x % 256, y % 256, np.full_like(x, 90)], axis=-1).astype(np.uint8)
    cutter = ImageCrops(64, CPU)
    crop = cutter.cut(cutter.upload(image), np.array([[100.0, 80.0]]), np.array([64.0]))
    deviation, mean = torch.tensor(camera.IMAGENET_STD)[:, None, None], torch.tensor(camera.IMAGENET_MEAN)[:, None, None]
    grey = (crop[0] * deviation + mean) * 255
    torch.testing.assert_close(grey[0], torch.arange(68.0, 132).expand(64, 64), rtol=0, atol=1e-2)
    torch.testing.assert_close(grey[1], torch.arange(48.0, 112)[:, None].expand(64, 64), rtol=0, atol=1e-2)
    outside = cutter.cut(cutter.upload(image), np.array([[-200.0, 80.0]]), np.array([64.0]))
    torch.testing.assert_close((outside[0] * deviation + mean), torch.zeros(3, 64, 64), rtol=0, atol=1e-5)


def test_joints_have_one_order():
    assert len(JOINT_NAMES) == 24 == len(set(JOINT_NAMES)) and all(JOINT_NAMES[i] == n for n, i in JOINT_INDEX.items())
    assert PARENTS == (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21)
    assert [MIRRORED[i] for i in MIRRORED] == list(range(24)) and MIRRORED[JOINT_INDEX["left_knee"]] == 5


def test_crops_out_of_several_images_are_the_same_as_one_by_one():
    generator = np.random.default_rng(0)
    first, second = (generator.integers(0, 255, (120, 160, 3), dtype=np.uint8) for _ in range(2))
    center, side = generator.uniform(40, 100, (4, 2)), generator.uniform(30, 60, 4)
    cutter = ImageCrops(64, CPU)
    together = cutter.cut_from_all([first, second, first, second], center, side)
    for i, image in enumerate((first, second, first, second)):
        alone = cutter.cut(cutter.upload(image), center[i : i + 1], side[i : i + 1])
        torch.testing.assert_close(together[i : i + 1], alone)
