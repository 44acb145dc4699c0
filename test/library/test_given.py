"""What programs have at hand goes in as it is: Pillow's images, tensors, lenses by other tools' names."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import refit_ros
from refit_ros.library.images import rgb_image

K = np.array([[600.0, 0, 320], [0, 600, 240], [0, 0, 1]])
COLOURS = np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def pillow():
    return pytest.importorskip("PIL.Image", reason="Pillow is not installed")


@pytest.mark.parametrize("mode", ["P", "CMYK", "RGBA", "L", "LA", "1"])
def test_an_image_of_pillow_is_in_colours_whatever_it_holds(pillow, mode):
    image = pillow.fromarray(COLOURS).convert(mode)
    assert np.array_equal(rgb_image(image), np.asarray(image.convert("RGB")))


def test_an_image_of_pillow_is_turned_as_its_file_is(pillow, tmp_path):
    exif = pillow.Exif()
    exif[0x0112] = 6
    pillow.fromarray(COLOURS).save(tmp_path / "held.png", exif=exif)
    with pillow.open(tmp_path / "held.png") as image:
        assert np.array_equal(rgb_image(image), rgb_image(tmp_path / "held.png"))
    assert np.array_equal(rgb_image(image), np.rot90(COLOURS, 3))


@pytest.mark.parametrize("mode", ["I", "F", "I;16"])
def test_what_pillow_holds_in_other_numbers_is_refused_as_an_array_is(pillow, mode):
    with pytest.raises(ValueError, match="expected uint8"):
        rgb_image(pillow.fromarray(COLOURS).convert("L").convert(mode))


def test_tensors():
    tensor = torch.from_numpy(COLOURS.copy())
    assert np.array_equal(rgb_image(tensor), COLOURS)
    with pytest.raises(ValueError, match="float32, expected uint8"):
        rgb_image((tensor / 255).requires_grad_())
    with pytest.raises(ValueError, match="holds no image"):
        rgb_image(tensor.to("meta"))


@pytest.mark.parametrize(
    "model, D, understood, count",
    [
        ("plumb_bob", None, "plumb_bob", 0),
        ("fisheye", np.full((4, 1), 0.01), "equidistant", 4),
        ("radtan", (0.1, -0.05, 0, 0), "plumb_bob", 4),
        ("plumb_bob", np.full((1, 8), 0.01), "rational_polynomial", 8),
        ("plumb_bob", np.r_[np.full(12, 0.01), 0, 0], "rational_polynomial", 12),
        ("equidistant", (0.1, 0.01, 0, 0, 0), "equidistant", 4),
    ],
)
def test_lenses_as_other_tools_describe_them(model, D, understood, count):
    lens = refit_ros.Camera(K, D, model).calibration("front", 480, 640)
    assert lens.distortion_model == understood and lens.coefficients.size == count


def test_a_lens_that_is_not_understood_is_told_with_its_camera():
    with pytest.raises(ValueError, match="camera front: distortion model 'omnidirectional' is unknown"):
        refit_ros.Camera(K, (0.1, 0, 0, 0), "omnidirectional").calibration("front", 480, 640)
