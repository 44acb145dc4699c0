"""The detector for photographs: what it finds, and how seldom it is asked."""

from __future__ import annotations

import numpy as np
import pytest

from refit_ros.camera.boxes import Boxes
from refit_ros.camera.geometry import overlap
from refit_ros.detection import hog as detector_hog
from refit_ros.detection import registry as detectors
from refit_ros.detection.builtin import embedded_weights
from refit_ros.detection.hog import LONGEST_REST, HogDetector, WithFallback
from refit_ros.detection.protocol import nobody
from refit_ros.estimation.settings import Settings

needs_hog = pytest.mark.skipif(not detector_hog.hog_is_there(), reason="OpenCV 5 has no HOG detector")
SOMEBODY = Boxes(np.array([[10.0, 10, 50, 90]]), np.array([0.9]))
UNSURE = Boxes(np.array([[10.0, 10, 50, 90]]), np.array([0.2]))


class Scripted:
    """Answers as told, for all images of a call alike, and counts the calls."""

    def __init__(self, answer=None):
        self.answer, self.calls = answer or nobody(), 0

    def find(self, images):
        self.calls += 1
        return [self.answer for _ in images]


def images(count: int) -> list[np.ndarray]:
    return [np.zeros((480, 640, 3), np.uint8) for _ in range(count)]


@needs_hog
def test_upright_people_in_a_rendered_room_are_found_and_nobody_else():
    from refit_ros.evaluation.sequences import Plan, render_sequence
    from refit_ros.synthetic.room import render_room

    sequence = render_sequence(Plan("three people", "three_people", length_s=0.1))
    boxes = HogDetector().find(sequence.images[0])
    true_count = found_count = 0
    for camera, found in enumerate(boxes):
        true = sequence.true_boxes(sequence.truth[0], camera).xyxy_px
        sure = found.xyxy_px[found.confidence >= Settings().detector_confidence]
        shares = overlap(true, sure)
        assert (shares.max(0, initial=0) > 0.3).all()
        true_count, found_count = true_count + len(true), found_count + int((shares.max(1, initial=0) > 0.5).sum())
    assert found_count >= true_count / 2
    rooms = [(255 * render_room(c, pose, seed=4)).astype(np.uint8) for c, pose in zip(sequence.calibrations, sequence.poses)]
    assert not any((found.confidence >= Settings().detector_confidence).any() for found in HogDetector().find(rooms))


@needs_hog
def test_boxes_are_in_the_pixels_of_an_image_of_any_size():
    from refit_ros.evaluation.sequences import Plan, render_sequence

    image = render_sequence(Plan("one standing", "standing", cameras=1, length_s=0.1)).images[0][0]
    large = np.repeat(np.repeat(image, 3, 0), 3, 1)
    (small_box,), (large_box,) = (HogDetector().find([image])[0].xyxy_px for image in (image, large))
    assert np.abs(3 * small_box - large_box).max() < 40
    assert not len(HogDetector().find([image[:100, :50]])[0].confidence)  # smaller than what it was trained with


@needs_hog
def test_photographs_without_anybody_upright_give_nobody():
    data = pytest.importorskip("skimage.data", reason="scikit-image is not installed")
    for photograph in (data.astronaut(), data.rocket(), data.coffee(), data.chelsea()):
        (found,) = HogDetector().find([photograph])
        assert (found.confidence < Settings().detector_confidence).all()


def test_the_other_detector_is_asked_only_where_nobody_is_found_in_a_whole_set():
    first, other = Scripted(SOMEBODY), Scripted(SOMEBODY)
    both = WithFallback(first, other, 0.3)
    both.find(images(2))
    assert other.calls == 0
    first.answer = UNSURE
    assert [len(boxes.confidence) for boxes in both.find(images(2))] == [1, 1] and other.calls == 1
    for _ in range(5):  # as long as it finds somebody it is asked each time
        assert both.find(images(2))[0].confidence[0] == 0.9
    assert other.calls == 6


@pytest.mark.parametrize("cameras", [1, 4])
def test_an_empty_room_is_looked_at_more_and_more_seldom(cameras):
    other = Scripted()
    both = WithFallback(Scripted(), other, 0.3)
    asked = []
    for call in range(40 * LONGEST_REST * cameras):
        before = other.calls
        both.find(images(cameras))
        if other.calls > before:
            asked.append(call)
    steps = np.diff(asked)
    assert list(steps[:4]) == [cameras, 2 * cameras, 4 * cameras, 8 * cameras]
    assert set(steps[5:]) == {LONGEST_REST * cameras}  # one image in LONGEST_REST calls
    other.answer = SOMEBODY
    for _ in range(LONGEST_REST * cameras):
        both.find(images(cameras))
    before = other.calls
    both.find(images(cameras))
    assert other.calls == before + 1, "whoever was found is looked for again at once"


def test_images_that_stand_alone_are_each_worth_a_look():
    other = Scripted()
    both = WithFallback(Scripted(), other, 0.3, rests=False)
    for _ in range(5):
        both.find(images(1))
    assert other.calls == 5


@pytest.mark.skipif(not embedded_weights().is_file(), reason="no trained detector in this checkout")
def test_without_hog_the_builtin_detector_stands_alone_and_says_so(monkeypatch):
    monkeypatch.delattr(detector_hog.cv2, "HOGDescriptor", raising=False)
    assert type(detectors.make_detector(Settings())).__name__ == "BuiltinDetector"
    with pytest.raises(ValueError, match="no HOG detector"):
        HogDetector()
    assert "use OpenCV 4" in detector_hog.without_hog_note() and "\n" not in detector_hog.without_hog_note()


@needs_hog
def test_with_hog_there_is_nothing_to_say():
    assert detector_hog.without_hog_note() == ""
    assert isinstance(detectors.make_detector(Settings()), WithFallback)
