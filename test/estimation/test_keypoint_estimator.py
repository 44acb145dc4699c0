"""One image -> people through landmarks: who is one, who is there twice, what is said of what is not seen."""

import dataclasses

import numpy as np
import pytest
from told_landmarks import Said, Watching, estimator, following, view

from refit_ros.camera.boxes import Boxes
from refit_ros.core.body import load_body
from refit_ros.core.checkpoint import untrained_network
from refit_ros.core.joints import JOINT_INDEX
from refit_ros.core.keypoints import LANDMARKS
from refit_ros.core.landmarks import LANDMARK_INDEX
from refit_ros.estimation.eyes import LandmarkEyes
from refit_ros.estimation.keypoint_estimator import KeypointEstimator
from refit_ros.estimation.keypoint_sightings import Sighting
from refit_ros.estimation.keypoint_tracks import Seen, misfit_m, sides_exchanged
from refit_ros.estimation.settings import Settings
from refit_ros.estimation.view_evidence import Search


@pytest.fixture(scope="module")
def network():
    return untrained_network(LANDMARKS, load_body())


def test_only_people_are_given_and_each_once(network):
    said = Said([0.9, 0.2, 0.95], [0, 150, 4])  # a person, none, the first person again
    people = estimator(network, said, 1).estimate([view()])
    assert len(said.asked) == 3 and len(people.people) == 1
    assert len(estimator(network, Said([0.9, 0.9, 0.9], [0, 150, -180]), 1).estimate([view()]).people) == 3


def test_nobody_gives_nobody(network):
    assert estimator(network, Said([0.9], [0]), 1).estimate([view(boxes=())]).people == ()
    assert estimator(network, Said([0.1], [0]), 1).estimate([view(boxes=((200, 100, 300, 400),))]).people == ()


def test_a_person_is_whole_and_finite(network):
    (person,) = estimator(network, Said([0.9], [0]), 1).estimate([view(boxes=((200, 100, 300, 400),))]).people
    assert person.joints.shape == person.joint_rotmats.shape[:2] == (24, 3) and person.body_pose.shape == (23, 3)
    for value in (person.joints, person.joint_stddev, person.betas, person.transl, person.global_orient):
        assert np.isfinite(value).all()
    assert 0 < person.confidence <= 1 and person.views[0].camera == "camera"


def test_what_is_not_seen_is_less_certain(network):
    visibility = np.full((1, 33), 0.9)
    visibility[0, [LANDMARK_INDEX["left_ankle"], LANDMARK_INDEX["left_index"]]] = 0.1
    (person,) = estimator(network, Said([0.9], [0], visibility), 1).estimate([view(boxes=((200, 100, 300, 400),))]).people
    sigma = person.joint_stddev
    assert sigma[JOINT_INDEX["left_ankle"]] > sigma[JOINT_INDEX["right_ankle"]] == sigma[JOINT_INDEX["pelvis"]]
    assert sigma[JOINT_INDEX["left_hand"]] > sigma[JOINT_INDEX["right_hand"]]


def test_several_cameras_give_each_person_once_and_where_they_stand(network):
    watching = Watching(network, [[-1.0, 0, 5], [1.0, 0, 5.5]])
    watching.clear = 0.6
    tracker = following(network, watching)
    assert tracker.estimate(watching.views(0.0)[:1]).people == ()  # nobody was seen twice yet
    people = tracker.estimate(watching.views(0.1)).people
    assert [one.id for one in people] == [1, 2] and all(len(one.views) == 2 for one in people)
    middles = sorted(one.joints[0][0] for one in people)
    assert abs(middles[0] + 1) < 0.3 and abs(middles[1] - 1) < 0.01
    assert all(np.isfinite(one.joint_stddev).all() and one.joint_in_image.shape == (24,) for one in people)


def test_people_keep_their_ids_while_they_walk_and_without_boxes(network):
    watching = Watching(network, [[-1.0, 0, 5], [1.0, 0, 5.5]])
    tracker = following(network, watching)
    ids = []
    for step in range(6):
        watching.places_m[:, 0] += [0.05, -0.05]
        nothing = [[], []] if step > 1 else None  # they are looked for where they are expected
        people = tracker.estimate(watching.views(0.1 * step, nothing)).people
        ids.append({one.id: round(one.joints[0][0], 1) for one in people})
    assert all(set(each) == {1, 2} for each in ids[1:])
    assert abs(ids[-1][1] - ids[1][1]) < 0.5 and abs(ids[-1][2] - ids[1][2]) < 0.5


def test_who_is_gone_is_forgotten_and_a_clock_set_back_forgets_all(network):
    watching = Watching(network, [[0.0, 0, 5]])
    tracker = following(network, watching)
    for stamp_s in (0.0, 0.1):
        people = tracker.estimate(watching.views(stamp_s)).people
    assert [one.id for one in people] == [1]
    assert tracker.estimate(watching.views(8.0, [[], []])).people == ()
    tracker.estimate(watching.views(8.1))
    assert [one.id for one in tracker.estimate(watching.views(8.2)).people] == [2]
    assert [one.id for one in tracker.estimate(watching.views(1.0)).people] == [1]


def test_who_comes_back_soon_and_near_keeps_their_number(network):
    watching = Watching(network, [[0.0, 0, 5]])
    tracker = following(network, watching)
    for stamp_s in (0.0, 0.1):
        tracker.estimate(watching.views(stamp_s))
    assert tracker.estimate(watching.views(2.0, [[], []])).people == () and not tracker._followed
    watching.places_m[:, 0] += 0.6
    assert [one.id for one in tracker.estimate(watching.views(2.5)).people] == [1]
    watching.places_m = np.array([[0.6, 0, 5], [-1.4, 0, 5]])
    people = tracker.estimate(watching.views(2.6)).people
    assert [one.id for one in people] == [1, 2]  # who came is another one


def test_two_cameras_at_once_are_as_good_as_two_sets_of_one(network):
    watching = Watching(network, [[0.0, 0, 5]])
    watching.clear = 0.6
    assert len(following(network, watching).estimate(watching.views(0.0)).people) == 1
    tracker = following(network, watching)
    assert [len(tracker.estimate(watching.views(stamp_s)[:1]).people) for stamp_s in (0.0, 0.1)] == [0, 1]


def test_who_is_seen_plainly_by_the_only_camera_counts_one_image_sooner(network):
    watching = Watching(network, [[0.0, 0, 5]])

    def published(birth_hits, views):
        tracker = estimator(network, watching, birth_hits)
        tracker._solver = watching
        return [len(tracker.estimate(watching.views(stamp_s, *views[1:])[: views[0]]).people) for stamp_s in (0.0, 0.1, 0.2)]

    assert published(2, (1,)) == [1, 1, 1] and published(3, (1,)) == [0, 1, 1] and published(1, (1,)) == [1, 1, 1]
    assert published(2, (2, [[0], []]))[0] == 0, "there is another camera, and it has not seen them"


def test_views_without_a_place_are_left_out_of_several(network):
    watching = Watching(network, [[0.0, 0, 5]])
    first, second = watching.views(0.0)
    people = following(network, watching).estimate([first, dataclasses.replace(second, fixed_from_camera=None)])
    assert people.cameras == ("camera0",) and "unknown" in people.left_out["camera1"]


def told(watching, change):
    """Landmarks of camera 1 as `change` makes them."""
    plain = watching.in_boxes
    watching.in_boxes = lambda image, boxes: change(plain(image, boxes)) if image[0, 0, 0] == 1 else plain(image, boxes)


def test_sides_that_one_camera_exchanges_are_put_right(network):
    watching = Watching(network, [[0.0, 0, 5]])
    tracker = following(network, watching)
    for stamp_s in (0.0, 0.1):
        tracker.estimate(watching.views(stamp_s))
    asked = []
    watching.fit = lambda people, **how: asked.append(people) or Watching.fit(watching, people, **how)
    told(watching, sides_exchanged)
    assert len(tracker.estimate(watching.views(0.2)).people[0].views) == 2
    ((first, second),) = asked[-1]
    for sighting in (first, second):
        expected = watching._px(sighting.camera, watching.places_m[0])
        assert np.abs(sighting.place_px - expected).max() < 1.0 and sighting.visibility.min() > 0.9


def test_landmarks_far_from_where_they_were_expected_are_hardly_believed(network):
    watching = Watching(network, [[0.0, 0, 5]])
    tracker = following(network, watching)
    for stamp_s in (0.0, 0.1):
        tracker.estimate(watching.views(stamp_s))
    asked = []
    watching.fit = lambda people, **how: asked.append(people) or Watching.fit(watching, people, **how)
    arm = [LANDMARK_INDEX[name] for name in ("left_elbow", "left_wrist")]

    def elsewhere(found):
        place = found.place_px.copy()
        place[:, arm] += [0, 300]
        return dataclasses.replace(found, place_px=place)

    told(watching, elsewhere)
    assert len(tracker.estimate(watching.views(0.2)).people[0].views) == 2
    visibility = asked[-1][0][1].visibility
    assert visibility[arm].max() < 0.2 and np.delete(visibility, arm).min() > 0.9


def test_who_is_not_as_expected_is_still_the_same(network):
    """A fit that went wrong must not hide the person whom it was of."""
    watching = Watching(network, [[0.0, 0, 5]])
    tracker = following(network, watching)
    for stamp_s in (0.0, 0.1):
        tracker.estimate(watching.views(stamp_s))
    (someone,) = tracker._followed
    upside_down = someone.body.joints[0] - (someone.body.landmarks - someone.body.joints[0])
    someone.body = dataclasses.replace(someone.body, landmarks=upside_down)
    (person,) = tracker.estimate(watching.views(0.2)).people
    assert person.id == 1 and len(person.views) == 2 and len(tracker._followed) == 1


def test_who_lies_is_looked_for_in_a_region_turned_as_they_are(network):
    watching = Watching(network, [[0.0, 0, 5]])
    tracker = following(network, watching)
    tracker.estimate(watching.views(0.0))
    assert len(watching.turned_rad) == 2 and np.isnan(watching.turned_rad).all()
    (someone,) = tracker._followed
    lying = np.tile(someone.body.joints[0], (len(someone.body.landmarks), 1))
    lying[[LANDMARK_INDEX[f"{side}_shoulder"] for side in ("left", "right")], 0] += 0.5  # the head to the right
    lying[[LANDMARK_INDEX[f"{side}_ankle"] for side in ("left", "right")], 0] -= 0.8
    someone.body = dataclasses.replace(someone.body, landmarks=lying)
    watching.turned_rad.clear()
    tracker.estimate(watching.views(0.1, [[], []]))
    assert len(watching.turned_rad) == 2 and np.abs(np.array(watching.turned_rad) - np.pi / 2).max() < 0.05


def published(network, settings, place_at, sets=20):
    """Everybody published of one who is at place_at(set) (3,) m before two cameras, ten sets a second."""
    watching = Watching(network, [place_at(0)])
    tracker = KeypointEstimator(network, watching, settings)
    tracker._solver = watching
    people = []
    for number in range(sets):
        watching.places_m = [place_at(number)]
        people += tracker.estimate(watching.views(0.1 * number)).people
    return people


def test_velocity_and_covariance_of_the_root_are_published(network):
    person = published(network, Settings(detector="topic"), lambda number: np.array([0.1 * number, 0, 5]))[-1]
    assert np.abs(person.root_velocity - [1, 0, 0]).max() < 0.15
    assert np.linalg.eigvalsh(person.root_covariance).min() > 1e-6
    assert np.sqrt(np.trace(person.root_covariance)) < 4 * person.joint_stddev[0]


def test_who_trembles_is_steadied_unless_raw_estimates_are_asked_for(network):
    tremble_m = 0.004 * np.random.default_rng(0).normal(size=(40, 3))

    def step_m(smoothing):
        settings = Settings(detector="topic", smoothing=smoothing)
        people = published(network, settings, lambda number: np.array([0, 0, 5]) + tremble_m[number], 40)
        return np.diff([one.joints[0] for one in people[5:]], axis=0).std()

    assert step_m(0.5) < 0.7 * step_m(0.0)


def test_a_known_height_is_kept(network):
    solver_of = KeypointEstimator(network, Said([0.9], [0]), Settings(detector="topic", birth_hits=1, known_height_m=1.9))
    (person,) = solver_of.estimate([view(boxes=((200, 100, 300, 400),))]).people
    assert abs(solver_of._solver._height_m(person.betas) - 1.9) < 1e-3


def test_a_fit_that_went_wrong_does_not_speak_against_what_is_seen_next(network):
    """Else the next fit believes its landmarks less, and goes on being wrong."""
    watching = Watching(network, [[0.0, 0, 5]])
    tracker = following(network, watching)
    tracker.estimate(watching.views(0.0))
    arm, asked = [LANDMARK_INDEX[name] for name in ("left_elbow", "left_wrist")], []

    def spoilt(people, **how):
        asked.append(people)
        bodies = Watching.fit(watching, people, **how)
        for body in bodies:
            body.landmarks[arm, 1] += 0.6
        return bodies

    watching.fit = spoilt
    for stamp_s in (0.1, 0.2):
        tracker.estimate(watching.views(stamp_s))
    for sighting in asked[-1][0]:
        assert sighting.visibility[arm].min() > 0.7


def test_one_wrong_camera_of_three_does_not_speak_against_a_body():
    watching = Watching(untrained_network(LANDMARKS, load_body()), [[0.0, 0, 5]])
    watching.views(0.0)
    (body,) = watching.fit([[Sighting(watching.cameras[0], watching._px(watching.cameras[0], watching.places_m[0]), None)]])
    own = []
    for number, off_px in ((0, 0.0), (1, 3.0), (1, 400.0)):
        found = watching.in_boxes(np.full((1, 1, 3), number), np.array([[0.0, 0, 1, 1]]))
        place = found.place_px + off_px
        own.append(Seen(watching.cameras[number], number, dataclasses.replace(found, place_px=place)))
    assert misfit_m(body, own).max() < 0.03 < 1.0 < misfit_m(body, own[2:]).min()
    hidden = dataclasses.replace(own[0].found, visibility=np.zeros((1, 33)))
    assert (misfit_m(body, [dataclasses.replace(own[0], found=hidden)]) == 0).all()


def test_cameras_take_turns_to_search_while_everybody_is_followed(network):
    watching = Watching(network, [[0.0, 0, 5]])

    class Searched:
        calls, known = [], []

        def find(self, images):
            return self.find_beside(images, [np.zeros((0, 4))] * len(images))

        def find_beside(self, images, known_px):
            self.calls.append([int(image[0, 0, 0]) for image in images])
            self.known += [len(each) for each in known_px]
            return [Boxes(watching._box(int(image[0, 0, 0]), watching.places_m[0])[None], np.ones(1)) for image in images]

    searched = Searched()
    eyes = LandmarkEyes(watching, {Search.DETECTOR: searched})
    tracker = KeypointEstimator(network, None, Settings(detector="topic", detector_interval=4), eyes=eyes)
    tracker._solver = watching
    for number in range(9):
        views = [dataclasses.replace(view, boxes=None) for view in watching.views(0.1 * number)]
        tracker.estimate(views)
    assert searched.calls == [[0, 1], [1], [0], [1], [0]] and searched.known == [0, 0, 1, 1, 1, 1]
