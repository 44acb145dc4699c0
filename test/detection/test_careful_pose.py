"""Points of people who are looked at twice, and of those whom a network for one person takes for somebody else."""

from types import SimpleNamespace

import numpy as np
from test_checked_landmarks import BlazePose

from refit_ros.core.landmarks import COCO_17
from refit_ros.detection.careful_pose import SIDE_PX, WIDER, CarefulPose, of_two_looks
from refit_ros.detection.checked_landmarks import CheckedLandmarks
from refit_ros.detection.movenet import AROUND, MIRRORED, POINTS, SinglePose, Skeletons, points_of
from refit_ros.detection.regions import from_boxes

IMAGE = np.zeros((400, 600, 3), np.uint8)
SHAPE = np.random.default_rng(3).uniform(0, 1, (POINTS, 2))
SHAPE[:2] = 0, 1  # the points reach to the box's corners


def body(box):
    return box[:2] + SHAPE * (np.array(box[2:]) - box[:2])


def test_a_mirror_image_is_told_in_the_image_s_own_places_and_sides():
    marked = np.zeros((100, 100, 3), np.uint8)
    marked[20:24, 70:74] = 255
    network = SinglePose.__new__(SinglePose)
    network._name, network._side_px = "movenet_thunder", 100
    wrist = COCO_17.index("left_wrist")

    def where_it_is_bright(squares):
        """Everybody's left wrist is where a crop is bright, all else in its corner."""
        rows = np.zeros((len(squares), POINTS, 3))
        for row, square in zip(rows, squares):
            row[wrist, :2] = np.argwhere(square[..., 0] > 128).mean(0) / 100
            row[wrist, 2] = 0.9
        return rows

    network._network = where_it_is_bright
    region = [np.array([[50.0, 50, 100, 0]])]
    (plain,), (mirrored,) = network.in_regions([marked], region), network.in_regions([marked], region, mirrored=True)
    other = COCO_17.index("right_wrist")
    assert MIRRORED[wrist] == other and mirrored.score[0].argmax() == other
    assert np.allclose(plain.place_px[0, wrist], [71.5, 21.5])
    assert np.allclose(mirrored.place_px[0, other], [71.5, 21.5], atol=1.01), (
        "as the left one of a mirror image is the right"
    )


def test_two_looks_that_agree_are_averaged_and_of_two_that_do_not_the_surer_is_taken():
    place = np.zeros((1, POINTS, 2))
    one, other = points_of(place, np.full((1, POINTS), 0.8)), points_of(place + [2.0, 0], np.full((1, POINTS), 0.8))
    both = of_two_looks(one, other, np.array([200.0]))
    assert np.allclose(both.place_px[..., 0], 0.9, atol=0.11) and (both.trust > 0.9 * one.trust).all()
    far = points_of(place + [100.0, 0], np.full((1, POINTS), 0.4))
    for first, second in ((one, far), (far, one)):
        both = of_two_looks(first, second, np.array([200.0]))
        assert np.abs(both.place_px).max() < 1 and (both.trust > 0.9 * one.trust).all()
    elsewhere = points_of(place + [100.0, 0], np.full((1, POINTS), 0.8))
    assert (of_two_looks(one, elsewhere, np.array([200.0])).trust < 0.5).all(), "not both can be right"


class Thunder:
    """Sees the same person whatever it is asked about."""

    def __init__(self, place):
        self.place, self.mirrored = place, []

    def in_regions(self, images, regions, mirrored=False):
        self.mirrored.append(mirrored)
        counts = [len(each) for each in regions]
        return [points_of(np.repeat(self.place[None], n, 0), np.full((n, POINTS), 0.8)) for n in counts]


def careful(thunder, seen):
    """With a network for several that sees people in these boxes of the image."""
    asked = []

    def find(crops, sides_px):
        asked.append(sides_px)
        x, y, side, _ = from_boxes(HIDDEN, WIDER)[0]
        to_crop = (np.array(seen, float).reshape(-1, 2, 2) - [x - side / 2, y - side / 2]) * SIDE_PX / side
        boxes = to_crop.reshape(-1, 4)
        places = np.array([body(box) for box in boxes]).reshape(-1, POINTS, 2)
        count = len(boxes)
        return [Skeletons(places, np.full((count, POINTS), 0.5), boxes, np.full(count, 0.4))]

    return CarefulPose(thunder, SimpleNamespace(find=find)), asked


FRONT, HIDDEN = np.array([100.0, 50, 200, 350]), np.array([150.0, 40, 240, 330])


def test_who_is_taken_for_the_one_before_them_is_told_by_the_network_that_tells_people_apart():
    thunder = Thunder(body(FRONT))
    looker, asked = careful(thunder, [FRONT, HIDDEN + 5])
    (points,) = looker.in_boxes([IMAGE], [np.stack([FRONT, HIDDEN])])
    assert thunder.mirrored == [False, True] and asked == [(SIDE_PX,)]
    assert np.allclose(points.place_px[0], body(FRONT)) and np.allclose(points.place_px[1], body(HIDDEN + 5), atol=1e-6)
    assert points.trust[1].max() < points.trust[0].min(), "as sure as that network is"


def test_where_nobody_else_is_seen_both_boxes_are_of_the_same_person():
    looker, asked = careful(Thunder(body(FRONT)), [FRONT])
    (points,) = looker.in_boxes([IMAGE], [np.stack([FRONT, HIDDEN])])
    assert asked and np.allclose(points.place_px, body(FRONT))
    looker, asked = careful(Thunder(body(FRONT)), [FRONT, HIDDEN])
    (points,) = looker.in_boxes([IMAGE], [FRONT[None]])
    assert not asked and len(points) == 1
    assert [len(each) for each in looker.in_boxes([IMAGE], [np.zeros((0, 4))])] == [0]


def test_only_those_of_whom_nothing_is_known_are_looked_at_with_care():
    class Careful:
        def in_boxes(self, images, boxes):
            self.asked = [each.tolist() for each in boxes]
            return [points_of(np.full((len(each), POINTS, 2), 7.0), np.full((len(each), POINTS), 0.8)) for each in boxes]

    thunder, known = Thunder(np.full((POINTS, 2), 3.0)), Thunder(np.full((POINTS, 2), 5.0))
    looker = Careful()
    source = CheckedLandmarks(BlazePose(), thunder, known, looker)
    boxes = np.stack([FRONT, HIDDEN, FRONT + 200])
    (found,) = source.in_turned_boxes([IMAGE], [boxes], [np.array([0.1, np.nan, 0.0])])
    assert looker.asked == [[HIDDEN.tolist()]] and AROUND > 1
    assert np.allclose(found.place_px[:, 0, 0], [5, 7, 5])
    assert source.with_care() is source
