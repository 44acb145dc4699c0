"""Scenes rendered beforehand."""

from __future__ import annotations

import numpy as np
import pytest

from refit_ros.camera.calibration import Calibration
from refit_ros.node.film import Lens, shoot


class Stripes:
    """A scene whose image tells its time and camera."""

    def __init__(self, cameras: int = 2, width: int = 64, height: int = 48) -> None:
        K = np.array([[60.0, 0, width / 2], [0, 60.0, height / 2], [0, 0, 1]])
        self.cameras = [
            (Calibration(f"camera{n}", f"camera{n}_optical_frame", width, height, K), np.eye(4)) for n in range(cameras)
        ]
        self.shape = (height, width, 3)

    def render(self, time_s: float, camera_index: int) -> np.ndarray:
        return np.full(self.shape, round(10 * time_s) + 100 * camera_index, np.uint8)

    def truth(self, time_s: float) -> list:
        return [time_s]


def test_images_and_truth_belong_together():
    film = shoot(Stripes(), rate_hz=10, length_s=0.8, at_most_s=60)
    assert len(film) == 8 and [len(taken) for taken in film.images] == [8, 8]
    for index in range(8):
        assert film.truth[index] == (index / 10,)
        assert [int(taken[index][0, 0, 0]) for taken in film.images] == [index, index + 100]


@pytest.mark.parametrize("count", [1, 2, 5])
def test_it_plays_back_and_forth_without_a_jump(count):
    film = shoot(Stripes(1), rate_hz=10, length_s=count / 10, at_most_s=60)
    shown = [film.index(tick) for tick in range(4 * count + 3)]
    assert set(shown) == set(range(count))
    assert max(abs(a - b) for a, b in zip(shown, shown[1:])) <= 1
    assert count == 1 or all(a != b for a, b in zip(shown, shown[1:]))


def test_it_gets_shorter_where_patience_ends():
    film = shoot(Stripes(), rate_hz=10, length_s=30, at_most_s=0.0)
    assert len(film) == 1


def test_told_to_stop_before_the_first_image():
    with pytest.raises(ValueError, match="before its first image"):
        shoot(Stripes(), rate_hz=10, length_s=1, at_most_s=60, go_on=lambda: False)


def test_a_lens_bends_the_image_as_its_calibration_says():
    """A dot of the pinhole image is found where the calibration projects its ray to."""
    K = np.array([[200.0, 0, 160], [0, 200.0, 120], [0, 0, 1]])
    calibration = Calibration("camera", "camera", 320, 240, K, "plumb_bob", np.array([-0.25, 0.05, 0.001, -0.002, 0.0]))
    for dot in ((160, 120), (250, 60), (60, 180)):
        image = np.zeros((240, 320, 3), np.uint8)
        image[dot[1] - 2 : dot[1] + 3, dot[0] - 2 : dot[0] + 3] = 255
        seen = Lens(calibration).look(image)[..., 0].astype(float)
        rows, columns = np.mgrid[:240, :320]
        found = np.array([(columns * seen).sum(), (rows * seen).sum()]) / seen.sum()
        ray = np.linalg.inv(K) @ (*dot, 1.0)
        assert np.abs(found - calibration.project(ray)).max() < 0.3
