"""MoveNet as OpenVINO computes it from the files of TensorFlow.js, against what that says itself; and who is whom."""

import importlib.util
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest

from refit_ros.camera.geometry import overlap
from refit_ros.core import openvino_engine
from refit_ros.detection.movenet import LIGHTNING, MULTIPOSE, POINTS, THUNDER, MultiPose, SinglePose, Skeletons, distinct
from refit_ros.detection.regions import turned
from refit_ros.detection.tfjs_network import TfjsNetwork, in_use, tfjs_network

HERE = Path(__file__).parent / "movenet"
needs_multipose = pytest.mark.needs_models(MULTIPOSE)


@pytest.fixture
def none_in_use():
    """What is made in a test under odd circumstances stays there."""
    in_use.forget()
    yield
    in_use.forget()


@pytest.fixture(scope="module")
def squares_of():
    """Side in px -> squares by name."""
    spec = importlib.util.spec_from_file_location("movenet_squares", HERE / "squares.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.squares


@pytest.fixture(scope="module")
def squares(squares_of) -> dict[str, np.ndarray]:
    return squares_of(256)


@pytest.mark.needs_models(MULTIPOSE, THUNDER, LIGHTNING)
@pytest.mark.parametrize("name", [MULTIPOSE, THUNDER, LIGHTNING])
@pytest.mark.parametrize("at_once", [1, 2], ids=["all cores for an image", "a core for each image"])
def test_the_networks_say_what_the_original_runtime_says(name, at_once, squares_of, none_in_use, monkeypatch):
    """Of who is there; below its least score MultiPose's six rows are noise, and may change places."""
    monkeypatch.setattr(openvino_engine.torch, "get_num_threads", lambda: 2)
    said = json.loads((HERE / "reference.json").read_text())[name]
    squares = squares_of(192 if name == LIGHTNING else 256)
    network, both = tfjs_network(name, alone=name == MULTIPOSE), np.stack(list(squares.values()))
    rows = np.concatenate([network(both[begin : begin + at_once]) for begin in range(0, 2, at_once)]).astype(float)
    assert len(rows) == 2
    for mine, image in zip(rows, squares):
        theirs = np.array(said[image]).reshape(mine.reshape(-1, mine.shape[-1]).shape)
        mine = mine.reshape(theirs.shape)
        if name == MULTIPOSE:
            mine, theirs = (each[each[:, -1] > 0.2] for each in (mine, theirs))
            assert len(mine) == len(theirs) >= 1
        assert np.abs(mine - theirs).max() < 1e-4, "a share of the image's side, or a score"


@needs_multipose
def test_everybody_in_an_image_of_any_shape_is_found_once(squares):
    two = squares["two"]
    wide = np.concatenate([np.full((256, 90, 3), 30, np.uint8), two], axis=1)
    network = MultiPose()
    for image, left in ((two, 0), (wide, 90), (np.ascontiguousarray(wide[40:240]), 90)):
        top = 0 if image.shape[0] == 256 else 40
        for sides in ((256,), (256, 512)):
            (seen,) = network.find([image], sides)
            seen = seen[seen.confidence > 0.15]
            true = np.array([[0.0, 100, 110, 220], [130, 60, 240, 186]]) + [left, -top, left, -top]
            assert (overlap(true, seen.box_px).max(1) > 0.5).all() and len(seen) == 2, (image.shape, sides)
            assert seen.place_px.shape == (2, POINTS, 2) and seen.score.shape == (2, POINTS)
    assert network.find([]) == []


@needs_multipose
def test_animals_and_things_are_nobody():
    from skimage import data

    for image in (data.chelsea(), data.coffee(), data.rocket(), np.full((300, 400, 3), 127, np.uint8)):
        assert (MultiPose().find([image], (256, 512))[0].confidence < 0.25).all()


@pytest.mark.needs_models(THUNDER, LIGHTNING)
@pytest.mark.parametrize("name", [THUNDER, LIGHTNING])
def test_a_turned_region_shows_the_same_points(name, squares):
    """The image is turned, and the region with it: the points turn too."""
    image = np.zeros((400, 400, 3), np.uint8)
    image[72:328, 72:328] = squares["astronaut"]
    upright = np.array([[200.0, 200, 280, 0.0]])
    matrix = cv2.getRotationMatrix2D((199.5, 199.5), -30, 1)  # clockwise, as an angle of a region is
    leaning = cv2.warpAffine(image, matrix, (400, 400))
    region = np.array([[200.0, 200, 280, np.pi / 6]])
    network = SinglePose(name)
    first, second = network.in_regions([image, leaning], [upright, region])
    assert first.place_px.shape == second.place_px.shape == (1, POINTS, 2) and first.score.shape == (1, POINTS)
    expected = turned(first.place_px - 200, region[:, 3]) + 200
    sure = first.score[0] > 0.5
    off_px = np.abs(expected - second.place_px)[0, sure]
    assert sure.sum() >= 6 and off_px.max() < 8, "a step of the network's map is 280 / 64 or 280 / 48 px"
    assert np.abs(first.score - second.score)[0, sure].max() < 0.25
    assert first.person[0] > 0.9 and (first.trust[0, sure] > 0.5).all()
    (nobody,) = network.in_regions([image], [np.zeros((0, 4))])
    assert len(nobody) == 0 and nobody.place_px.shape == (0, POINTS, 2) and nobody.person.shape == (0,)


def skeletons(*left_px: float, confidence=()) -> Skeletons:
    """Upright ones of 100 px."""
    rng = np.random.default_rng(0)
    shape = np.column_stack([rng.uniform(30, 70, POINTS), np.linspace(0, 100, POINTS)])
    places = shape + np.array(left_px)[:, None, None] * [1, 0]
    boxes = np.concatenate([places.min(1), places.max(1)], 1)
    return Skeletons(places, np.full(places.shape[:2], 0.8), boxes, np.array(confidence or [0.5] * len(left_px)))


def test_somebody_seen_in_two_sizes_counts_once_and_the_surer_one_stays():
    kept = distinct(skeletons(0, 4, 150, confidence=(0.4, 0.6, 0.3)))
    assert kept.confidence.tolist() == [0.6, 0.3] and kept.box_px[0, 0] == skeletons(4).box_px[0, 0]
    beside = skeletons(0, 25)
    assert len(distinct(beside)) == 2, "two who stand close are two"
    assert len(distinct(skeletons())) == 0


@pytest.mark.needs_models(LIGHTNING)
def test_what_this_processor_cannot_compute_shows_when_the_network_is_loaded(none_in_use, monkeypatch):
    def fails(self, groups):
        raise RuntimeError("Exception from somewhere\n[CPU] a node has a bad combination")

    monkeypatch.setattr("refit_ros.core.openvino_engine._Streams.run", fails)
    with pytest.raises(ValueError, match=r"OpenVINO cannot use movenet_lightning: \[CPU\] a node"):
        SinglePose(LIGHTNING)


@pytest.mark.needs_models(LIGHTNING)
def test_a_network_is_prepared_once_for_all_who_ask(none_in_use, monkeypatch):
    graphs = []
    make = TfjsNetwork._compiled_for
    monkeypatch.setattr(TfjsNetwork, "_compiled_for", lambda self, side_px: graphs.append(1) or make(self, side_px))
    first, second = SinglePose(LIGHTNING), SinglePose(LIGHTNING)
    assert len(graphs) == 1
    del first, second
    SinglePose(LIGHTNING)
    assert len(graphs) == 2, "nobody used it any more, and it lay in memory"


@pytest.mark.needs_models(LIGHTNING)
def test_a_network_that_several_threads_ask_answers_each(squares):
    network, image = SinglePose(LIGHTNING), squares["two"]
    regions = [np.array([[128.0 + 20 * index, 128, 100 + 20 * index, 0]]) for index in range(4)]
    alone = [network.in_regions([image], [each])[0].place_px for each in regions]
    with ThreadPoolExecutor(4) as pool:
        at_once = list(pool.map(lambda index: network.in_regions([image], [regions[index % 4]])[0].place_px, range(80)))
    for index, each in enumerate(at_once):
        assert np.array_equal(each, alone[index % 4])
