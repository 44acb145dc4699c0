"""BlazePose as this project decodes it, against figures of the original (blazepose/make_reference.py)."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from refit_ros.core import openvino_engine
from refit_ros.detection.blazepose import SIDE_PX, BlazePoseDetector, anchors, merged
from refit_ros.detection.landmarks import COUNT, LandmarkNetwork, Landmarks, refined
from refit_ros.detection.regions import beyond_edge, crops, from_boxes, from_points, to_image, turned
from refit_ros.detection.tflite import in_use

HERE = Path(__file__).parent / "blazepose"
needs_detector = pytest.mark.needs_models("pose_detection")
needs_landmarks = pytest.mark.needs_models("pose_landmark_full")


@pytest.fixture(scope="module")
def reference() -> dict:
    return json.loads((HERE / "reference.json").read_text())


@pytest.fixture(scope="module")
def images() -> dict[str, np.ndarray]:
    import importlib.util

    spec = importlib.util.spec_from_file_location("blazepose_images", HERE / "images.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.images()


@needs_detector
def test_the_detector_says_what_the_original_says(reference, images):
    detector = BlazePoseDetector()
    squares = {
        name: np.array([[image.shape[1] / 2, image.shape[0] / 2, max(image.shape), 0]]) for name, image in images.items()
    }
    pixels = [crops(images[name], squares[name], SIDE_PX, cv2.BORDER_CONSTANT)[0] for name in images]
    for name, found in zip(images, detector.find(np.stack(pixels))):
        (wanted,) = reference[name]["detections"]
        assert len(found.confidence) == 1 and abs(found.confidence[0] - wanted["confidence"]) < 1e-4
        points = to_image(found.points_px / SIDE_PX, squares[name])
        assert np.abs(points[0] - wanted["points_px"]).max() < 0.01
        face = to_image(found.face_px.reshape(1, 2, 2) / SIDE_PX, squares[name])
        assert np.abs(face.ravel() - wanted["face_px"]).max() < 0.01
        region = from_points(points[:, 0], points[:, 1])
        assert np.abs(region[0] - reference[name]["landmarks"]["region"]).max() < 0.01


@needs_detector
@needs_landmarks
@pytest.mark.parametrize("way", [0, 1], ids=["a stream for each", "one stream for all"])
def test_images_do_not_mix_whichever_way_the_engine_takes_them(images, monkeypatch, way):
    """Which is the quicker one is measured anew on each machine, so what comes out must not depend on it."""
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    monkeypatch.setattr(openvino_engine, "measured", lambda ways, example, counts: {1: ways[way]})
    in_use.forget()  # another test's was measured
    detector, landmarks = BlazePoseDetector(), LandmarkNetwork("full")
    image = images["drawn"]
    regions = np.array([[160.0, 120, 300, 0], [170, 130, 340, 0.1], [150, 110, 280, -0.1]])
    pixels = crops(image, regions, SIDE_PX, cv2.BORDER_CONSTANT)
    for many in (2, 3):
        for found, row in zip(detector.find(pixels[:many]), pixels):
            (alone,) = detector.find(row[None])
            assert len(alone.confidence) == len(found.confidence) > 0
            assert np.abs(found.points_px - alone.points_px).max() < 0.1
        (together,) = landmarks.in_regions([image], [regions[:many]])
        for index in range(many):
            (own,) = landmarks.in_regions([image], [regions[[index]]])
            assert np.abs(together.place_px[index] - own.place_px[0]).max() < 0.5


@needs_landmarks
def test_a_network_is_prepared_once_for_all_who_ask():
    assert LandmarkNetwork("full")._network is LandmarkNetwork("full")._network


@needs_landmarks
def test_the_landmarks_are_the_originals(reference, images):
    """Places to 2, the next region to 6 thousandths of the side, metres to 3 mm, visibility to 0.01.

    Both compute in float32, differently; where a heat lies at the least that refines a landmark, one moves it.
    """
    network = LandmarkNetwork("full")
    wanted = {name: {key: np.array(value) for key, value in reference[name]["landmarks"].items()} for name in images}
    found = network.in_regions(list(images.values()), [wanted[name]["region"][None] for name in images])
    for name, mine in zip(images, found):
        theirs, side = wanted[name], wanted[name]["region"][2]
        assert len(mine) == 1 and mine.flag[0] > 0.9
        assert np.abs(mine.place_px[0] - theirs["place_px"]).max() < 2e-3 * side
        assert np.abs(mine.place_m[0] - theirs["place_m"]).max() < 3e-3
        assert np.abs(mine.visibility[0] - theirs["visibility"]).max() < 0.01
        assert np.abs(mine.next_region[0, :3] - theirs["next_region"][:3]).max() < 6e-3 * side
        assert abs(mine.next_region[0, 3] - theirs["next_region"][3]) < 5e-3


@needs_landmarks
def test_many_people_at_once_are_the_same_as_one_by_one(images):
    network = LandmarkNetwork("full")
    image = images["drawn"]
    boxes = np.array([[5.0 * i, 10, 5.0 * i + 120, 230] for i in range(11)])
    together = network.in_boxes(image, boxes, passes=1)
    for index in (0, 10):
        alone = network.in_boxes(image, boxes[index : index + 1], passes=1)
        assert np.abs(together.place_px[index] - alone.place_px[0]).max() < 0.5
        assert np.abs(together.flag[index] - alone.flag[0]).max() < 1e-2
    nobody = network.in_boxes(image, np.zeros((0, 4)))
    assert len(nobody) == 0 and nobody.place_px.shape == (0, COUNT, 2) and nobody.place_m.shape == (0, COUNT, 3)


@needs_landmarks
def test_a_box_gives_the_person_in_it_and_an_empty_wall_nobody(images):
    network = LandmarkNetwork("full")
    person = network.in_boxes(images["astronaut"], np.array([[40.0, 0, 400, 512]]))
    assert person.flag[0] > 0.5
    nose, left_shoulder, right_shoulder = person.place_px[0, [0, 11, 12]]
    assert 180 < nose[0] < 260 and 80 < nose[1] < 180 and left_shoulder[0] > nose[0] > right_shoulder[0]
    assert person.visibility[0, 25:].mean() < 0.5 < person.visibility[0, :13].min(), "knees and feet are not in the image"
    assert left_shoulder[0] - right_shoulder[0] > 170, "the body goes on below the image, and was not squeezed into it"
    assert (person.place_px[0, 23:25, 1] > 420).all(), "nor were its hips"
    wall = network.in_boxes(np.full((400, 400, 3), 127, np.uint8), np.array([[50.0, 50, 350, 350]]))
    assert wall.flag[0] < 0.5


def test_a_box_at_the_images_edge_is_looked_into_beyond_it():
    assert len(beyond_edge(np.array([100.0, 50, 200, 250]), 640, 480)) == 0, "all of them is in the image"
    below = beyond_edge(np.array([100.0, 50, 200, 470]), 640, 480)
    larger = below[:2]
    assert np.allclose(larger[:, 1] - larger[:, 2] / 2, 50 - 0.125 * 420), "the head stays where it is"
    assert (larger[:, 1] + larger[:, 2] / 2 > 480).all() and (below[:, 0] == 150).all()
    assert len(below) == 8 and sorted({*below[:, 3]}) == [-0.6, 0.0, 0.6], "each of them leaning either way too"
    for box, x in ([2.0, 50, 102, 250], 26.0), ([538.0, 50, 638, 250], (588 + 640) / 2):
        beside = beyond_edge(np.array(box), 640, 480)
        assert len(beside) == 5 and beside[0, 0] == x and beside[0, 1] == 150
    assert len(beyond_edge(np.array([0.0, 50, 640, 250]), 640, 480)) == 0, (
        "who fills the image's width may go on on either side"
    )


def test_regions_follow_a_turned_person():
    """A person who leans by an angle has a region turned by it, as large as one who stands."""
    middle = np.array([[100.0, 200.0]])
    for angle in (-2.0, 0.0, 0.5, 3.0):
        up = turned(np.array([[[0.0, -80.0]]]), np.array([angle]))[0]
        region = from_points(middle, middle + up)
        assert np.allclose(region, [[100, 200, 200, angle]])
        assert np.allclose(to_image(np.array([[[0.5, 0.5], [0.5, 0.1]]]), region)[0], [middle[0], middle[0] + up[0]])


@pytest.mark.parametrize(("side", "angle"), [(64, 0.0), (64, 0.6), (300, -1.0), (600, 0.3)])
def test_a_crop_shows_what_lies_in_the_region(side, angle):
    """The same smooth function of place, read in the crop and at the place in the image that the crop's pixel stands for."""
    y, x = np.mgrid[:600, :800].astype(float)

    def colour(x, y):
        return 127 + 60 * np.sin(x / 97) + 60 * np.cos(y / 83)

    image = np.repeat(colour(x, y)[..., None], 3, 2).round().astype(np.uint8)
    region = np.array([[390.0, 310.0, side, angle]])
    cut = crops(image, region, 64)[0, ..., 0].astype(float)
    row, column = np.mgrid[:64, :64]
    place = to_image(np.stack([column.ravel(), row.ravel()], 1)[None] / 64, region)[0]
    inside = ((place > 5) & (place < [794, 594])).all(1)
    # A pixel that is the mean of many by many stands between them.
    assert np.abs(cut.ravel() - colour(*place.T))[inside].max() < 2.5


def test_boxes_become_squares_around_them():
    assert np.allclose(from_boxes(np.array([[10, 20, 50, 120]])), [[30, 70, 125, 0]])
    assert from_boxes(np.zeros((0, 4))).shape == (0, 4)


def test_there_are_as_many_anchors_as_rows():
    assert len(anchors()) == 28 * 28 * 2 + 14 * 14 * 2 + 7 * 7 * 6 == 2254


def test_doubles_are_averaged_by_their_scores():
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [50, 50, 60, 60]], float)
    points = np.repeat(boxes[:, None, :2], 4, 1)
    found = merged(np.array([0.6, 0.3, 0.9]), boxes, points)
    assert np.allclose(found.confidence, [0.9, 0.6])
    assert np.allclose(found.face_px, [[50, 50, 60, 60], [1 / 3, 0, 10 + 1 / 3, 10]])
    assert np.allclose(found.points_px[1, 0], [1 / 3, 0])
    assert merged(np.zeros(0), np.zeros((0, 4)), np.zeros((0, 4, 2))).region.shape == (0, 4)


def test_heat_moves_a_landmark_only_where_there_is_some():
    heat = np.full((1, 64, 64, 2), -20.0)
    heat[0, 30, 34, 0] = 20
    share = np.array([[[32.4 / 64, 31.0 / 64], [32.4 / 64, 31.0 / 64]]])
    better = refined(share, heat)
    assert np.allclose(better[0, 0], [34 / 64, 30 / 64], atol=1e-4) and np.array_equal(better[0, 1], share[0, 1])
    outside = np.array([[[-0.1, 0.5], [0.5, 1.0]]])
    assert np.array_equal(refined(outside, heat + 40), outside)


def test_landmarks_can_be_chosen_among():
    rows = np.arange(3.0)
    some = Landmarks(*(np.broadcast_to(rows[:, None, None], (3, COUNT, size)) for size in (2,)), *([rows] * 7))[rows > 0]
    assert len(some) == 2 and some.place_px.shape == (2, COUNT, 2)


def test_a_kind_that_is_not_there_is_told():
    with pytest.raises(ValueError, match="'huge' landmarks; choose from lite, full, heavy"):
        LandmarkNetwork("huge")


def test_missing_and_damaged_models_are_told(tmp_path, monkeypatch):
    monkeypatch.setenv("REFIT_MODELS", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="`python -m refit_ros models get pose_landmark_lite`"):
        LandmarkNetwork("lite")
    (tmp_path / "pose_detection.tflite").write_bytes(b"cut")
    with pytest.raises(ValueError, match="`python -m refit_ros models get pose_detection`"):
        BlazePoseDetector()
