"""People in photographs: proposals of two detectors, confirmed by landmarks."""

from dataclasses import replace
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from refit_ros.camera.boxes import Boxes
from refit_ros.camera.geometry import overlap
from refit_ros.commands.fit import usual_detector
from refit_ros.detection import photographs
from refit_ros.detection.crowds import CrowdDetector, crowds_can_be_seen
from refit_ros.detection.landmarks import COUNT, Landmarks
from refit_ros.detection.photographs import (
    PhotographDetector,
    apart,
    boxes_of,
    plausible,
    squares,
    without_photographs_note,
)
from refit_ros.detection.protocol import cleaned
from refit_ros.detection.registry import make_detector
from refit_ros.estimation.settings import Settings

needs_models = pytest.mark.needs_models(*photographs.MODELS)


@pytest.fixture(scope="module")
def detector():
    return PhotographDetector()


@needs_models
def test_a_person_is_found_wherever_they_are_in_the_image(detector):
    """Near, far, at the edge and cut by it."""
    from skimage import data

    astronaut = data.astronaut()
    far = np.full((480, 640, 3), 90, np.uint8)
    far[40:240, 400:600] = cv2.resize(astronaut, (200, 200), interpolation=cv2.INTER_AREA)
    person = np.array([65.0, 5, 400, 512])
    cases = {
        "near": (astronaut, person),
        "far": (far, person * 200 / 512 + [400, 40, 400, 40]),
        "cut": (astronaut[:, 180:], person - [180, 0, 180, 0]),
    }
    found = detector.find([np.ascontiguousarray(image) for image, _ in cases.values()])
    for (name, (image, truth)), boxes in zip(cases.items(), found):
        boxes, _ = cleaned(boxes, image.shape[1], image.shape[0], 0.4, 10)
        assert len(boxes.confidence) == 1, name
        assert overlap(boxes.xyxy_px, np.maximum(truth, 0)[None]).max() > 0.5, name


@needs_models
def test_animals_and_things_are_nobody(detector):
    from skimage import data

    images = [data.chelsea(), data.coffee(), data.rocket(), np.full((300, 400, 3), 127, np.uint8)]
    assert [len(boxes.confidence) for boxes in detector.find(images)] == [0, 0, 0, 0]


@needs_models
def test_what_another_detector_proposes_is_confirmed_or_dropped():
    """On an image in which the squares alone show nothing: nobody looks at them."""
    from skimage import data

    astronaut = data.astronaut()

    class Other:
        def find(self, images):
            return [Boxes(np.array([[60.0, 20, 380, 500], [400, 10, 500, 300]]), np.array([0.9, 0.9])) for _ in images]

    finder = PhotographDetector(Other(), thorough=False)
    finder._detector = SimpleNamespace(find=lambda pixels, least: [empty_candidates() for _ in pixels])
    (boxes,) = finder.find([astronaut])
    assert len(boxes.confidence) == 1 and overlap(boxes.xyxy_px, np.array([[65.0, 5, 400, 512]]))[0, 0] > 0.5
    assert finder.find([]) == []
    asked, look = [], finder._landmarks.in_regions
    finder._landmarks = SimpleNamespace(
        in_regions=lambda images, regions: asked.append(len(regions[0])) or look(images, regions)
    )
    (boxes,) = finder.find_beside([astronaut], [np.array([[75.0, 30, 370, 480]])])
    assert len(boxes.confidence) == 0 and asked[0] == 1, "who is followed is not looked at again"
    assert len(finder.find_beside([astronaut], [np.array([[400.0, 30, 480, 200]])])[0].confidence) == 1


def empty_candidates():
    from refit_ros.detection.blazepose import merged

    return merged(np.zeros(0), np.zeros((0, 4)), np.zeros((0, 4, 2)))


@pytest.mark.parametrize(("width", "height"), [(640, 480), (1080, 1920), (500, 500), (200, 3000)])
def test_squares_cover_the_image_and_overlap(width, height):
    whole, *parts = squares(width, height)
    assert whole[2] == max(width, height) and len(squares(width, height, parts=False)) == 1
    covered = np.zeros((height, width), int)
    for x, y, side, _ in parts:
        assert side <= min(width, height) and x - side / 2 >= -1e-6 and x + side / 2 <= width + 1e-6
        covered[round(y - side / 2) : round(y + side / 2), round(x - side / 2) : round(x + side / 2)] += 1
    assert covered.min() >= 1
    small = min(part[2] for part in parts)
    xs = sorted({part[0] for part in parts if part[2] == small})
    assert all(b - a <= small / 2 + 1 for a, b in zip(xs, xs[1:])), "one of half a square's size is whole in one of them"


def people(*offsets_px: float, heat=0.9, flag=0.9) -> Landmarks:
    """Upright figures of 100 px, so far along x."""
    rng = np.random.default_rng(3)
    shape = np.column_stack([rng.uniform(30, 70, COUNT), np.linspace(20, 120, COUNT)])
    n = len(offsets_px)
    place = shape[None] + np.array(offsets_px)[:, None, None] * [1, 0]
    region = np.column_stack([place.mean(1), np.full(n, 125.0), np.zeros(n)])
    one = np.ones((n, COUNT))
    return Landmarks(place, one, one, np.zeros((n, COUNT, 3)), np.full(n, flag), heat * one, region, region)


def test_the_same_person_counts_once_and_the_clearest_view_stays():
    some = people(0, 3, 200)
    some = replace(some, heat=some.heat * np.array([0.8, 1, 0.9])[:, None])
    kept = apart(some)
    assert np.allclose(kept.place_px[:, 0, 0] - people(0).place_px[0, 0, 0], [3, 200])
    assert len(apart(people())) == 0


def test_nobody_is_believed_who_is_not_seen_clearly_or_inside():
    shape = (200, 300, 3)
    assert plausible(people(0, 100), shape).all()
    assert not plausible(people(0, heat=0.5), shape).any()
    assert not plausible(people(0, flag=0.4), shape).any()
    assert not plausible(people(-65, 290), shape).any()


def test_a_box_holds_what_is_seen_and_the_crown():
    some = people(50)
    box = boxes_of(some, (200, 300, 3))
    low, high = some.place_px[0].min(0), some.place_px[0].max(0)
    assert (box.xyxy_px[0, :2] < low).all() and (box.xyxy_px[0, 2:] > high).all()
    assert np.allclose(box.confidence, 0.9)
    hidden = replace(some, visibility=np.where(np.arange(COUNT) < 20, 1.0, 0.1)[None])
    assert boxes_of(hidden, (200, 300, 3)).xyxy_px[0, 3] < some.place_px[0, 22, 1] + 8


def test_without_the_models_the_old_detector_looks_and_a_sentence_says_what_is_missing(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("REFIT_MODELS", str(tmp_path))
    note = without_photographs_note()
    assert "`python -m refit_ros models get pose_detection pose_landmark_full`" in note and "\n" not in note
    assert usual_detector() == "builtin" and note in capsys.readouterr().err
    with pytest.raises(FileNotFoundError, match="models get pose_detection"):
        make_detector(Settings(detector="photographs"))


@needs_models
def test_fit_uses_the_models_and_images_that_stand_alone_are_looked_at_in_parts(capsys):
    assert usual_detector() == "photographs"
    assert ("MoveNet is not there" in capsys.readouterr().err) is not crowds_can_be_seen()
    alone, live = (make_detector(Settings(detector="photographs", birth_hits=hits)) for hits in (1, 2))
    assert isinstance(alone, PhotographDetector) and alone._thorough
    assert isinstance(live, CrowdDetector if crowds_can_be_seen() else PhotographDetector) and not live._thorough
