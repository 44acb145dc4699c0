"""What a program gives with its images cannot always be right: stamps in other units, cameras that come no more."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

import refit_ros
from refit_ros.estimation.settings import Settings
from refit_ros.estimation.types import People
from refit_ros.library.model import Model
from refit_ros.library.stamps import TrackStamps

IMAGE = np.zeros((48, 64, 3), np.uint8)
K = np.array([[60.0, 0, 32], [0, 60, 24], [0, 0, 1]])


class NobodyIsThere:
    """An estimator that uses every image."""

    def begin_anew(self):
        pass

    def estimate(self, views):
        return People(max((view.stamp_s for view in views), default=0.0), (), tuple(v.calibration.name for v in views))


@pytest.fixture
def model():
    network = SimpleNamespace(trained=True, embedded=False, body=None)
    return Model(network, Settings(death_s=1.0), NobodyIsThere(), NobodyIsThere())


@pytest.mark.parametrize(
    "stamp, unit",
    [(1.7e18, "nanoseconds; divide by 1e9"), (1.7e15, "microseconds; .* 1e6"), (1.7e12, "milliseconds; .* 1e3")],
)
def test_a_stamp_of_another_unit_is_refused_by_name(model, stamp, unit):
    with pytest.raises(ValueError, match=f"in seconds, and these must be {unit}"):
        model.track(IMAGE, stamp_s=stamp)
    assert model.track(IMAGE, stamp_s=1.7e9).cameras == ("camera",), "the time since 1970 in seconds is one"


def test_images_too_far_apart_to_follow_anybody_are_told(model, caplog):
    notes = [model.track(IMAGE, camera=K, stamp_s=stamp).notes for stamp in (0, 33, 67, 100, 133)]
    assert notes[:3] == [(), (), ()] and "33 s apart" in notes[3][0] and "were these milliseconds?" in notes[4][0]
    assert caplog.text.count("were these milliseconds?") == 1
    assert model.track(IMAGE, camera=K, stamp_s=133.1).notes == ()


def test_pauses_and_slow_cameras_are_no_other_unit():
    stamps = TrackStamps(1.0)
    for stamp_s in (0.0, 0.9, 5.0, 5.9, 9.0, 9.9, 30.0, 60.0):
        assert stamps.taken(stamp_s) == stamp_s and not stamps.note
    stamps.taken(90.0)
    assert stamps.note
    stamps.taken(None)
    assert not stamps.note


def test_a_camera_of_which_no_image_comes_is_named(model):
    cameras = {name: refit_ros.Camera(K, fixed_from_camera=np.eye(4)) for name in ("left", "right")}
    both = {"left": IMAGE, "right": IMAGE}
    assert not model.track(both, cameras, stamp_s=0.0).left_out
    for described in (cameras, {"left": cameras["left"]}):
        people = model.track({"left": IMAGE}, described)
        assert people.cameras == ("left",) and "no image of it was given" in people.left_out["right"]
    assert not model.track(both, cameras).left_out
    model.reset()
    assert not model.track({"left": IMAGE}, {"left": cameras["left"]}).left_out
    assert not model.track(IMAGE).left_out, "a single image is one camera's"
