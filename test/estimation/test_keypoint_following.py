"""People followed by their landmarks at every rate: who is whom, and each of them once."""

import dataclasses

import numpy as np
import pytest
from told_landmarks import Watching, following

from refit_ros.camera.boxes import Boxes
from refit_ros.camera.calibration import Calibration
from refit_ros.camera.camera_rows import CameraRows
from refit_ros.camera.views import Camera, View
from refit_ros.core.body import load_body
from refit_ros.core.checkpoint import untrained_network
from refit_ros.core.keypoints import LANDMARKS
from refit_ros.core.landmarks import LANDMARK_INDEX
from refit_ros.estimation.eyes import LandmarkEyes
from refit_ros.estimation.keypoint_association import taken_for_two
from refit_ros.estimation.keypoint_expected import Expected, assign, heard, limbs_size_px, regions, surprises
from refit_ros.estimation.keypoint_tracks import SIDE_BY_SIDE, Seen, Whereabouts, predicted, sides_exchanged, where_expected
from refit_ros.estimation.occlusion import GREY
from refit_ros.estimation.view_evidence import MASK_PX
from refit_ros.tracking.config import DEFAULT
from refit_ros.tracking.root_state import predict, start


@pytest.fixture(scope="module")
def network():
    return untrained_network(LANDMARKS, load_body())


def walked(network, begin_m, velocity_m_s, rate_hz, seconds, boxes_every=1):
    """What is published of people who walk at these speeds from where they begin, set by set."""
    watching = Watching(network, begin_m)
    tracker, sets = following(network, watching), []
    for number in range(int(seconds * rate_hz)):
        watching.places_m = np.array(begin_m) + np.array(velocity_m_s) * number / rate_hz
        shown = None if number % boxes_every == 0 else [[], []]
        sets.append((watching.places_m, tracker.estimate(watching.views(number / rate_hz, shown)).people))
    return sets, tracker


@pytest.mark.parametrize("rate_hz", [2, 3, 10, 30])
def test_a_walker_is_one_person_at_every_rate(network, rate_hz):
    sets, tracker = walked(network, [[-1.5, 0, 5.0]], [[1.4, 0, 0]], rate_hz, 2)
    assert all([one.id for one in people] == [1] for _, people in sets) and len(tracker._followed) == 1
    assert all(len(people[0].views) == 2 for _, people in sets)


@pytest.mark.parametrize("rate_hz", [3, 10, 30])
def test_who_crosses_keeps_their_number_at_every_rate(network, rate_hz):
    sets, _ = walked(network, [[-1.2, 0, 5.0], [1.2, 0, 5.8]], [[1.0, 0, 0], [-1.0, 0, 0]], rate_hz, 2.4)
    of_whom = {}
    for places_m, people in sets[1:]:
        assert len(people) == 2
        for one in people:
            nearest = int(np.argmin(np.linalg.norm(places_m - one.joints[0], axis=1)))
            assert of_whom.setdefault(one.id, nearest) == nearest
    assert set(of_whom.values()) == {0, 1}


def test_a_person_taken_for_two_is_one_again(network):
    """Each of the two is what another camera sees; no camera shows both."""
    watching = Watching(network, [[0.0, 0, 5]])
    tracker = following(network, watching)
    for stamp_s in (0.0, 0.1):
        tracker.estimate(watching.views(stamp_s))
    (someone,) = tracker._followed
    double = dataclasses.replace(someone, key=99, number=2)
    double.hits = someone.hits - 1
    found = [watching.in_boxes(np.full((1, 1, 3), number), np.array([[0.0, 0, 1, 1]])) for number in (0, 1)]
    first, second = (Seen(watching.cameras[view], view, each) for view, each in enumerate(found))
    assert taken_for_two([(someone, [first]), (double, [second])]) == {99}
    beside = dataclasses.replace(second, view=0)
    for _ in range(SIDE_BY_SIDE):  # one camera shows both: they are two, wherever they stand
        last = taken_for_two([(someone, [first]), (double, [beside])])
    assert last == set() and taken_for_two([(someone, [first]), (double, [second])]) == set()


def test_where_somebody_should_be_is_the_vaguer_the_longer_ago_they_were_seen(network):
    watching = Watching(network, [[0.0, 0, 5]])
    tracker = following(network, watching)
    tracker.estimate(watching.views(0.0))
    (someone,), cameras = tracker._followed, CameraRows.of([watching.cameras[0]])
    sigmas_px = []
    for stamp_s in (0.033, 0.1, 0.333, 1.0):
        (root,) = predicted([someone], stamp_s, DEFAULT)
        ((there,),) = where_expected([someone], [root], cameras, DEFAULT)
        sigmas_px.append(there.place_sigma_px)
    assert all(np.diff(sigmas_px) > 0)
    # A newcomer's speed is nobody's guess: of a metre a second, a sixth of the size of who stands five metres away.
    assert 0.8 < (sigmas_px[2] ** 2 - sigmas_px[0] ** 2) ** 0.5 / (0.333 * 900 / 5.4) < 1.3


def test_two_whom_a_camera_has_shown_side_by_side_stay_two(network):
    sets, tracker = walked(network, [[-0.58, 0, 5.0], [0.58, 0, 5.0]], [[0.5, 0, 0], [-0.5, 0, 0]], 10, 1.1)
    assert [one.id for one in sets[-1][1]] == [1, 2]
    first, second = tracker._followed
    assert first.beside[second.key] == second.beside[first.key] > 5
    assert np.linalg.norm(first.root.position_m - second.root.position_m) < 0.2


def expected_at(x_px, place_sigma_px=2.0, pose_sigma_px=2.0) -> Expected:
    place = np.random.default_rng(0).uniform([-50, -150], [50, 150], (33, 2)) + [x_px, 240]
    return Expected(place, np.full(33, 15.0), place_sigma_px, pose_sigma_px, float(limbs_size_px(place)))


def landmarks_at(*expected: Expected):
    from told_landmarks import Said

    found = Said([0.9] * len(expected), [0] * len(expected)).found
    return dataclasses.replace(found, place_px=np.stack([each.px for each in expected]))


def test_somebody_else_is_not_who_stood_elsewhere_unless_that_is_long_ago():
    found = landmarks_at(expected_at(320))
    assert assign(found, [expected_at(200)], DEFAULT) == {}
    assert assign(found, [expected_at(200, place_sigma_px=80)], DEFAULT) == {0: (0, False)}
    # Of two whose place is as near the one who may not be anywhere else is the likelier.
    assert assign(found, [expected_at(300, 80), expected_at(340, 20)], DEFAULT) == {0: (1, False)}


def test_sides_are_exchanged_only_where_that_is_plain():
    """At a low rate a walker's legs have changed places honestly."""
    upright = expected_at(320)
    turned = sides_exchanged(landmarks_at(upright))
    _, _, exchanged = surprises(turned, [upright], DEFAULT)
    assert exchanged.all()
    legs = [LANDMARK_INDEX[f"{side}_{part}"] for part in ("knee", "ankle") for side in ("left", "right")]
    walking = landmarks_at(upright)
    walking.place_px[0, legs] = turned.place_px[0, legs]
    vague = expected_at(320, 30.0, 40.0)
    assert not surprises(walking, [vague], DEFAULT)[2].any()


def expected_of_two(network, numbers=(1, 2), apart_m=0.6, shown_beside=SIDE_BY_SIDE):
    """Where the first camera should see two who stand side by side."""
    watching = Watching(network, [[0.0, 0, 5], [apart_m, 0, 5.2]])
    tracker = following(network, watching)
    for step in range(4):
        tracker.estimate(watching.views(0.1 * step))
    first, second = tracker._followed
    first.number, second.number = numbers
    first.beside[second.key] = second.beside[first.key] = shown_beside
    cameras = CameraRows.of(list(watching.cameras.values()))
    return where_expected(tracker._followed, predicted(tracker._followed, 0.4, DEFAULT), cameras, DEFAULT)[0]


def test_others_are_masked_where_somebody_is_looked_for_and_they_themselves_are_not(network):
    both = expected_of_two(network)
    wanted = regions(both, [np.array([0.0, 0, 50, 50])])
    assert [mask is None for mask in wanted.masks] == [False, False, True]
    for own, other, mask in zip(both, both[::-1], wanted.masks):
        assert mask.shape == (MASK_PX, MASK_PX) and mask.any()
        shares = []
        for whose in (own, other):
            cell = ((whose.px - own.box[:2]) / (own.box[2] - own.box[0]) * MASK_PX).astype(int)
            inside = ((cell >= 0) & (cell < MASK_PX)).all(1)
            shares.append(mask[cell[inside, 1], cell[inside, 0]].mean())
        assert shares[0] == 0 and shares[1] > 0.2


def test_nobody_is_masked_who_may_be_nobody_or_stands_far_from_there(network):
    assert regions(expected_of_two(network, numbers=(1, None))).masks == (), "in neither's region"
    assert regions(expected_of_two(network, shown_beside=SIDE_BY_SIDE - 1)).masks == (), "they may be one"
    assert regions(expected_of_two(network, apart_m=3.0)).masks == ()
    assert regions(expected_of_two(network)[:1]).masks == ()


def test_a_landmark_network_sees_the_others_painted_over(network):
    both = expected_of_two(network)
    seen = []

    class Looks:
        def in_boxes(self, image, xyxy_px):
            seen.append((image, xyxy_px))
            return landmarks_at(*both)[: len(xyxy_px)]

    watching = Watching(network, [[0.0, 0, 5]])
    watching.views(0.0)
    camera = watching.cameras[0]
    wanted = regions(both, [np.array([0.0, 0, 50, 50])])
    LandmarkEyes(Looks(), {}).look([camera], {0: wanted})
    assert [len(boxes) for _, boxes in seen] == [1, 1, 1]
    assert seen[0][0] is camera.image and np.array_equal(seen[0][1], wanted.regions_px[2:])
    for (image, boxes), own, other in zip(seen[1:], both, both[::-1]):
        assert np.array_equal(boxes[0], own.box)
        grey = (image == GREY).all(2)
        x, y = other.px.round().astype(int).T
        assert grey[y, x].mean() > 0.2
        x, y = own.px.round().astype(int).T
        assert not grey[y, x].any()


def test_one_cameras_word_tells_across_its_ray_alone(network):
    watching = Watching(network, [[0.0, 0, 5]])
    watching.views(0.0)
    camera = watching.cameras[0]
    root = predict(start(np.array([0.0, 0, 5]), 0.01 * np.eye(3), 0.0, DEFAULT), 0.3, DEFAULT)
    there_px = watching._px(camera, [0.0, 0, 5])
    there = Expected(there_px, np.full(33, 10.0), 50.0, 10.0, float(limbs_size_px(there_px)))
    moved = heard(root, there, watching._px(camera, [0.3, 0, 5]), camera, DEFAULT)
    ray = (root.position_m - camera.fixed_from_camera[:3, 3]) / np.linalg.norm(
        root.position_m - camera.fixed_from_camera[:3, 3]
    )
    change_m = moved.position_m - root.position_m
    assert 0.15 < change_m[0] < 0.4 and abs(change_m @ ray) < 0.12
    before, after = (ray @ state.position_covariance_m2 @ ray for state in (root, moved))
    assert after > 0.9 * before and np.trace(moved.position_covariance_m2) < 0.7 * np.trace(root.position_covariance_m2)


def test_two_who_walk_up_to_each_other_are_not_expected_to_have_changed_places(network):
    _, tracker = walked(network, [[-0.8, 0, 5.0], [0.8, 0, 5.05]], [[1.0, 0, 0], [-1.0, 0, 0]], 3, 1.0)
    (first, second), stamp_s = tracker._followed, 1.0
    roots = predicted(tracker._followed, stamp_s, DEFAULT)
    order = np.sign(second.root.position_m[0] - first.root.position_m[0])
    assert np.sign(roots[1].position_m[0] - roots[0].position_m[0]) == order


class Room(Watching):
    """Four cameras round the people; of one of them the extrinsics that are told are wrong from a time on."""

    def views(self, stamp_s, shown=None, bumped_s=np.inf):
        result = []
        for number in range(4):
            angle = number * np.pi / 2
            pose = np.eye(4)
            pose[:3, :3] = [[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]]
            pose[:3, 3] = np.array([0.0, 0, 5]) - pose[:3, :3] @ [0, 0, 4.0]
            name = f"camera{number}"
            calibration = Calibration(name, name, 1280, 960, np.array([[900.0, 0, 640], [0, 900.0, 480], [0, 0, 1]]))
            image = np.full((960, 1280, 3), number, np.uint8)
            self.cameras[number] = Camera(image, calibration, stamp_s, pose, None)
            boxes = np.array([self._box(number, place) for place in self.places_m])
            told = pose.copy()
            if number == 2 and stamp_s >= bumped_s:
                turn = np.radians(8)
                told[:3, :3] = pose[:3, :3] @ [[np.cos(turn), 0, np.sin(turn)], [0, 1, 0], [-np.sin(turn), 0, np.cos(turn)]]
            result.append(View(image, calibration, stamp_s, told, Boxes(boxes, np.ones(len(boxes)))))
        return result

    def fit(self, people, betas=None, iterations=None, shapes=(), tentative=False, closely=False):
        """Where the rays through the middles of what is seen meet; a single one at four metres."""
        bodies = []
        for sightings in people:
            normal, right = np.zeros((3, 3)), np.zeros(3)
            for one in sightings:
                middle = one.place_px.mean(0) - one.camera.calibration.principal_px
                ray = one.camera.rotation.T @ np.append(middle / one.camera.calibration.focal_px, 1.0)
                ray /= np.linalg.norm(ray)
                origin, across = one.camera.fixed_from_camera[:3, 3], np.eye(3) - np.outer(ray, ray)
                normal, right = normal + across, right + across @ origin
                if len(sightings) == 1:
                    normal, right = normal + np.eye(3), right + origin + 4 * ray
            place = np.linalg.solve(normal, right) - self.landmarks.mean(0)
            (body,) = super().fit([sightings])
            move = place - body.transl
            bodies.append(
                dataclasses.replace(
                    body,
                    transl=place,
                    joints=body.joints + move,
                    landmarks=body.landmarks + move,
                )  # fmt: skip
            )
        return bodies


@pytest.mark.parametrize("rate_hz", [3, 10])
def test_a_moved_camera_is_named_and_moves_nobody(network, rate_hz):
    room = Room(network, [[-0.5, 0, 5.0], [0.6, 0, 5.4]])
    tracker = following(network, room)
    for number in range(int(6 * rate_hz)):
        stamp_s = number / rate_hz
        people = tracker.estimate(room.views(stamp_s, bumped_s=1.5))
        assert [one.id for one in people.people] == [1, 2][: len(people.people)]
        if stamp_s < 1.5:
            assert people.moved_cameras == ()
    assert people.moved_cameras == ("camera2",)
    for one, place_m in zip(people.people, room.places_m):
        assert np.linalg.norm(one.joints[0] - place_m) < 0.05
        assert all(view.camera != "camera2" for view in one.views)


def test_cameras_that_stand_right_are_not_suspected(network):
    room = Room(network, [[-0.5, 0, 5.0], [0.6, 0, 5.4]])
    tracker = following(network, room)
    for number in range(40):
        people = tracker.estimate(room.views(number / 10))
    assert people.moved_cameras == () and tracker._moved.suspected == () and len(people.people[0].views) == 4


def test_what_was_told_of_one_time_and_one_camera_holds_for_no_other():
    pose, lens = (
        np.eye(4),
        Calibration("camera", "camera", 640, 480, np.array([[600.0, 0, 320], [0, 600.0, 240], [0, 0, 1]])),
    )
    turned, moved = pose.copy(), pose.copy()
    turned[:3, :3] = [[0, -1, 0], [1, 0, 0], [0, 0, 1]]
    moved[0, 3] = 0.01

    def rows(fixed_from_camera=pose, lens=lens, count=1):
        return CameraRows.of([Camera(None, lens, 0.0, fixed_from_camera, None)] * count)

    where = Whereabouts(1.0, rows(), [], [[]])
    assert where.holds(rows(pose.copy()), 1.0)
    others = rows(moved), rows(turned), rows(lens=dataclasses.replace(lens, width_px=320)), rows(count=2)
    assert not where.holds(rows(), 1.1) and not any(where.holds(each, 1.0) for each in others)
