"""BlazePose's landmarks and MoveNet's points of the same people: which of them is believed, and of what."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from refit_ros.camera.boxes import Boxes
from refit_ros.core.landmarks import BLAZEPOSE_33, COCO_17
from refit_ros.detection import registry
from refit_ros.detection.checked_landmarks import MODELS as CHECKING
from refit_ros.detection.checked_landmarks import CheckedLandmarks, checked, usual_landmarks
from refit_ros.detection.crowds import SURE, CrowdDetector, _cut_by, crowds_can_be_seen, parts_of, without_crowds_note
from refit_ros.detection.landmarks import COUNT, PERSON, Landmarks, as_clear_as, with_trust
from refit_ros.detection.movenet import AT_ONCE, MULTIPOSE, POINTS, THUNDER, Skeletons, points_of
from refit_ros.detection.photographs import MODELS, PhotographDetector, squares
from refit_ros.estimation.settings import Settings

OWN = [BLAZEPOSE_33.index(name) for name in COCO_17]
LEFT_HAND = [BLAZEPOSE_33.index(f"left_{name}") for name in ("pinky", "index", "thumb")]
LEFT_WRIST = COCO_17.index("left_wrist")


def landmarks(count: int = 1, flag: float = 0.9) -> Landmarks:
    rng = np.random.default_rng(0)
    place = np.repeat(rng.uniform(100, 300, (1, COUNT, 2)), count, 0)
    one = np.ones((count, COUNT))
    region = np.tile([200.0, 200, 250, 0], (count, 1))
    return Landmarks(place, one, one, np.full((count, COUNT, 3), 0.2), np.full(count, flag), 0.9 * one, region, region)


def test_the_second_networks_points_are_taken_and_the_rest_stays_where_they_agree():
    found = landmarks()
    place = found.place_px[:, OWN] + 3.0
    (score,) = scores = np.linspace(0.5, 0.9, POINTS)[None]
    both = checked(found, points_of(place, scores))
    assert np.allclose(both.place_px[:, OWN], place)
    rest = np.setdiff1d(np.arange(COUNT), OWN)
    assert np.array_equal(both.place_px[:, rest], found.place_px[:, rest])
    assert not both.place_m.any() and both.flag[0] >= found.flag[0]
    trust = with_trust(both).visibility[0]
    assert np.allclose(trust[OWN], 1 / (1 + np.exp(3.1 - 6.8 * score)), atol=1e-6), "as sure as its scores say"
    assert (trust[rest] > 0.4).all()


def test_a_hand_that_is_elsewhere_is_not_believed():
    found = landmarks()
    place = found.place_px[:, OWN].copy()
    place[0, LEFT_WRIST] += 100
    both = checked(found, points_of(place, np.full((1, POINTS), 0.8)))
    trust = with_trust(both).visibility[0]
    assert (trust[LEFT_HAND] < 0.1).all() and trust[OWN][LEFT_WRIST] > 0.8
    assert trust[BLAZEPOSE_33.index("right_index")] > 0.5


def test_who_looked_at_somebody_else_does_not_decide_who_is_a_person():
    place = landmarks().place_px[:, OWN] + 120
    elsewhere = checked(landmarks(flag=1.0), points_of(place, np.full((1, POINTS), 0.1)))
    assert elsewhere.flag[0] < PERSON
    seen = checked(landmarks(flag=0.0), points_of(place, np.full((1, POINTS), 0.7)))
    assert seen.flag[0] > PERSON and np.allclose(seen.place_px[:, OWN], place)
    assert len(checked(landmarks(0), points_of(np.zeros((0, POINTS, 2)), np.zeros((0, POINTS))))) == 0


def test_what_another_network_is_sure_of_is_told_on_blazeposes_scale():
    trust = np.array([0.03, 0.2, 0.45, 0.55, 0.8, 0.95])
    visibility, heat = as_clear_as(trust)
    some = replace(landmarks(), visibility=np.resize(visibility, (1, COUNT)), heat=np.resize(heat, (1, COUNT)))
    assert np.allclose(some.trust, np.resize(trust, (1, COUNT)), atol=2e-3)


class Seeing:
    """A network for one person that sees somebody in each region, and notes where it was asked to look."""

    def __init__(self, score: float) -> None:
        self.score, self.asked = score, []

    def in_regions(self, images, regions):
        self.asked = [each.tolist() for each in regions]
        return [
            points_of(each[:, None, :2] + np.zeros((1, POINTS, 1)), np.full((len(each), POINTS), self.score))
            for each in regions
        ]


class BlazePose:
    def in_turned_boxes(self, images, boxes, turned_rad):
        return [landmarks(len(each)) for each in boxes]


@pytest.mark.parametrize("threads", [1, 2])
def test_who_is_known_and_plain_is_seen_by_the_quick_network_and_all_others_by_the_slow_one(monkeypatch, threads):
    monkeypatch.setattr("torch.get_num_threads", lambda: threads)
    images = [np.zeros((4, 4, 3), np.uint8)] * 2
    boxes = np.array([[100.0, 100, 200, 300], [0, 0, 50, 50], [20, 0, 40, 30]])
    turned_rad = [np.array([0.4, np.nan, -0.2]), np.zeros(0)]
    for score, quick in ((0.9, [0, 2]), (0.3, [])):
        thunder, lightning = Seeing(0.8), Seeing(score)
        found = CheckedLandmarks(BlazePose(), thunder, lightning).in_turned_boxes(images, [boxes, boxes[:0]], turned_rad)
        assert [len(each) for each in found] == [3, 0]
        middles = (boxes[:, :2] + boxes[:, 2:]) / 2
        assert np.allclose(found[0].place_px[:, OWN[0]], middles), "each in their place, whoever saw them"
        regions = np.column_stack([middles, [220, 55, 33], [0.4, 0, -0.2]])
        assert np.allclose(lightning.asked[0], regions[[0, 2]])
        assert np.allclose(thunder.asked[0], regions[np.setdiff1d(np.arange(3), quick)])
    assert len(CheckedLandmarks(BlazePose(), thunder, lightning).in_boxes(images[0], boxes)) == 3


@pytest.mark.needs_models("pose_landmark_full", *CHECKING)
def test_the_usual_landmarks_see_a_person_and_nobody_on_a_wall():
    from skimage import data

    source = usual_landmarks()
    assert isinstance(source, CheckedLandmarks)
    person = source.in_boxes(data.astronaut(), np.array([[40.0, 0, 400, 512]]))
    assert person.flag[0] > 0.9
    nose, left_shoulder, right_shoulder = person.place_px[0, [0, 11, 12]]
    assert 200 < nose[0] < 250 and 100 < nose[1] < 150 and left_shoulder[0] > nose[0] > right_shoulder[0]
    trust = with_trust(person).visibility[0]
    assert trust[25:].max() < 0.3 and trust[[0, 11, 12]].min() > 0.6, "knees and feet are not in the image"
    for wall in (np.full((400, 400, 3), 127, np.uint8), data.chelsea()):
        assert source.in_boxes(wall, np.array([[50.0, 50, 280, 280]])).flag[0] < PERSON


def crowd(confidence: list[float], thunder_off_px: float = 0.0, thunder_score: float = 0.8) -> CrowdDetector:
    """A detector whose networks see people of 100 px in a row."""
    rng = np.random.default_rng(1)
    count = len(confidence)
    places = rng.uniform(0, 100, (1, POINTS, 2)) + np.arange(count)[:, None, None] * [150, 0]
    boxes = np.concatenate([places.min(1), places.max(1)], 1)
    seen = Skeletons(places, np.full((count, POINTS), 0.6), boxes, np.array(confidence))

    def in_regions(images, regions):
        which = [int(np.argmin(np.abs(boxes[:, 0] - (x - side / 2)))) for x, _, side, _ in regions[0]]
        crowd.asked.append(which)
        return [points_of(places[which] + thunder_off_px, np.full((len(which), POINTS), thunder_score))]

    detector = CrowdDetector.__new__(CrowdDetector)
    detector._multipose = SimpleNamespace(find=lambda images, sides: crowd.sides.append(sides) or [seen])
    detector._thunder, detector._thorough = SimpleNamespace(in_regions=in_regions), True
    crowd.asked, crowd.sides, crowd.boxes = [], [], boxes
    return detector


IMAGE = np.zeros((200, 600, 3), np.uint8)


def test_who_is_seen_plainly_is_believed_and_who_is_not_where_both_networks_agree():
    detector = crowd([0.6, 0.2, 0.12])
    (boxes,) = detector.find([IMAGE])
    assert np.allclose(boxes.xyxy_px, crowd.boxes[:2]) and (boxes.confidence > 0.5).all()
    assert crowd.asked == [[1]], "the surest is not asked about, the least sure is nobody"
    assert len(crowd([0.6, 0.2], thunder_off_px=40).find([IMAGE])[0].confidence) == 1
    assert len(crowd([0.6, 0.2], thunder_score=0.1).find([IMAGE])[0].confidence) == 1
    assert points_of(crowd.boxes[:1, None, :2], np.full((1, POINTS), 0.1)).person[0] < 0.1 and SURE > 0.25


def test_who_is_followed_is_not_found_again():
    detector = crowd([0.6, 0.5])
    (boxes,) = detector.find_beside([IMAGE], [crowd.boxes[:1] + 5])
    assert np.allclose(boxes.xyxy_px, crowd.boxes[1:])
    assert detector.find_beside([], []) == []


def test_small_people_are_looked_for_where_there_is_time():
    detector = crowd([0.6])
    detector.find([np.zeros((200, 250, 3), np.uint8)])
    detector.find([np.zeros((300, 400, 3), np.uint8)])
    detector.find([IMAGE])
    whole, in_parts = crowd.sides[::2], crowd.sides[1::2]
    assert whole == [(256, 320), (256, 320, 512), (256, 320, 512, 1024)] and set(in_parts) == {(320, 512)}


def test_of_more_than_can_be_told_at_once_those_left_over_are_found_in_smaller_parts():
    rows, columns = np.meshgrid(np.arange(6), np.arange(6), indexing="ij")
    everybody = np.stack([columns, rows], -1).reshape(-1, 1, 2) * 130 + 20.0
    shape = np.random.default_rng(2).uniform(0, 40, (1, POINTS, 2))

    def find(images, sides_px):
        """Tells six of those in each image, whose corner says where it is from."""
        told = []
        for image in images:
            place = everybody + shape - image[0, 0, :2] * 2.0
            inside = ((place >= 0) & (place < [image.shape[1], image.shape[0]])).all((1, 2)).nonzero()[0][:AT_ONCE]
            box = np.concatenate([place[inside].min(1), place[inside].max(1)], 1)
            count = len(inside)
            told.append(Skeletons(place[inside], np.full((count, POINTS), 0.7), box, np.full(count, 0.6)))
        return told

    image = np.zeros((800, 800, 3))
    image[..., 0], image[..., 1] = np.meshgrid(np.arange(800) / 2, np.arange(800) / 2)
    detector = CrowdDetector.__new__(CrowdDetector)
    detector._multipose, detector._thunder, detector._thorough = SimpleNamespace(find=find), None, True
    (boxes,) = detector.find([image])
    assert len(boxes.confidence) > 30, "of 36; looks at halves of the image alone tell fewer"


def test_beside_who_is_followed_one_look_must_do_at_the_whole_image_or_a_part_by_turns():
    detector, shapes = CrowdDetector.__new__(CrowdDetector), []

    def find(images, sides_px):
        shapes.append([image.shape[:2] for image in images])
        return [NOBODY for _ in images]

    detector._multipose, detector._thunder, detector._thorough = SimpleNamespace(find=find), None, False
    for moment in range(60):
        image = np.zeros((480, 640, 3), np.uint8)
        image[0, 0] = moment
        detector.find_beside([image], [np.array([[0.0, 0, 50, 100]])])
    assert all(len(each) == 1 for each in shapes) and 15 < sum(each == [(480, 640)] for each in shapes) < 45
    shapes.clear()
    detector.find_beside([image], [np.zeros((0, 4))])
    detector.find([image])
    assert [len(each) for each in shapes] == [2, 2], "while nobody is followed there is time for both"


NOBODY = Skeletons(np.zeros((0, POINTS, 2)), np.zeros((0, POINTS)), np.zeros((0, 4)), np.zeros(0))


def live(parts_looked_at: list) -> CrowdDetector:
    """Sees a person of 20 px at (400, 100), only in images that are no wider than 400 px; whole ones only."""
    shape = np.random.default_rng(2).uniform(0, 20, (1, POINTS, 2))

    def find(images, sides_px):
        whole, part = images
        corner = np.argwhere(part[..., 0] == 255)
        parts_looked_at.append(part.shape[:2])
        if not len(corner) or whole.shape[1] < 500:
            return [NOBODY, NOBODY]
        top, left = corner.min(0)
        place = shape + [left, top]
        box = np.concatenate([place.min(1), place.max(1)], 1)
        return [NOBODY, Skeletons(place, np.full((1, POINTS), 0.7), box, np.array([0.6]))]

    detector = CrowdDetector.__new__(CrowdDetector)
    detector._multipose, detector._thunder, detector._thorough = SimpleNamespace(find=find), None, False
    return detector


def test_who_is_far_is_seen_live_in_one_of_the_parts_and_in_their_place():
    looked_at = []
    detector, found = live(looked_at), []
    for moment in range(60):
        image = np.zeros((480, 640, 3), np.uint8)
        image[100:120, 400:420, 0] = 255
        image[0, 0] = moment, 0, 0  # what changes from image to image, were it noise
        (boxes,) = detector.find([image])
        again = detector.find([image, image])
        assert all(np.array_equal(boxes.xyxy_px, each.xyxy_px) for each in again), "the same image, the same people"
        found += boxes.xyxy_px.tolist()
    assert set(looked_at) == {(320, 320)} and 5 < len(found) < 55
    assert np.abs(np.array(found) - [400, 100, 420, 120]).max() < 3


@pytest.mark.parametrize(("width", "height"), [(640, 480), (1080, 1920), (500, 500), (200, 3000), (1, 1)])
def test_parts_cover_the_image_and_who_is_cut_by_one_is_left_to_another(width, height):
    covered = np.zeros((height, width), int)
    for left, top, right, bottom in parts_of((0, 0, width, height)):
        assert right - left == bottom - top and left >= 0 and top >= 0 and right <= width and bottom <= height
        covered[top:bottom, left:right] += 1
    assert covered.min() >= 1
    boxes = np.array([[100.0, 100, 150, 200], [5, 100, 60, 200], [285, 100, 320, 200], [100, 260, 150, 319]])
    assert _cut_by((0, 0, 320, 320), boxes, (480, 640)).tolist() == [False, False, True, True]
    assert _cut_by((0, 0, 320, 320), boxes, (320, 320)).tolist() == [False] * 4


@pytest.mark.parametrize(("width", "height"), [(40, 3000), (3000, 3), (1, 1000)])
def test_a_thin_strip_is_not_looked_at_in_hundreds_of_parts(width, height):
    covered = np.zeros((height, width), int)
    for left, top, right, bottom in parts_of((0, 0, width, height)):
        assert 0 <= left < right <= width and 0 <= top < bottom <= height
        covered[top:bottom, left:right] += 1
    assert covered.min() >= 1 and len(parts_of((0, 0, width, height))) < 40 and len(squares(width, height)) < 120


@pytest.mark.needs_models(*MODELS)
def test_which_detector_looks_at_photographs(monkeypatch):
    """The models that npm brings need not be there."""
    monkeypatch.setattr(registry, "crowds_can_be_seen", lambda: False)
    assert isinstance(registry.make_detector(Settings(detector="photographs")), PhotographDetector)


@pytest.mark.needs_models(*MODELS, MULTIPOSE, THUNDER)
def test_with_all_models_everybody_is_found_once_by_either_way():
    from skimage import data

    live = registry.make_detector(Settings(detector="photographs"))
    assert isinstance(live, CrowdDetector)
    thorough = registry.make_detector(Settings(detector="photographs", birth_hits=1))
    assert isinstance(thorough, PhotographDetector)
    for detector in (live, thorough):
        astronaut, cat = detector.find([data.astronaut(), data.chelsea()])
        assert isinstance(astronaut, Boxes) and len(astronaut.confidence) == 1 and not len(cat.confidence)


@pytest.mark.needs_models(*MODELS, MULTIPOSE, THUNDER)
@pytest.mark.parametrize(
    ("effort", "birth_hits", "thorough"), [("auto", 2, False), ("auto", 1, True), ("quick", 1, False), ("thorough", 2, True)]
)
def test_how_closely_is_looked_is_a_setting(effort, birth_hits, thorough):
    detector = registry.make_detector(Settings(detector="photographs", detector_effort=effort, birth_hits=birth_hits))
    assert isinstance(detector, PhotographDetector if thorough else CrowdDetector)


def test_without_movenet_one_sentence_says_what_is_missing_and_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setenv("REFIT_MODELS", str(tmp_path))
    told = without_crowds_note()
    assert "models get movenet_multipose movenet_thunder movenet_lightning`" in told and not crowds_can_be_seen()
    for name in (MULTIPOSE, *CHECKING):
        for ending in ("json", "bin"):
            (tmp_path / f"{name}.{ending}").touch()
    assert without_crowds_note() == "" and crowds_can_be_seen()
