"""Drawn evidence is a room of people to an estimator; what one link loses costs hardly anything, and nobody's id."""

from __future__ import annotations

import numpy as np
import pytest

from refit_ros.benchmarking.drawn_evidence import DrawnEyes, drawn_room, pelvis_m
from refit_ros.camera.views import View
from refit_ros.estimation.keypoint_estimator import KeypointEstimator
from refit_ros.estimation.settings import Settings


class Lossy:
    """Eyes of which some cameras' answers are lost, by seeded chance."""

    def __init__(self, eyes, cameras, share):
        self.eyes, self.cameras, self.share = eyes, cameras, share
        self.dice, self.lost = np.random.default_rng(5), 0

    def searches(self, search):
        return self.eyes.searches(search)

    def look(self, cameras, wanted):
        came = {}
        for index, one in wanted.items():
            if cameras[index].name in self.cameras and self.dice.random() < self.share:
                self.lost += 1
            else:
                came[index] = one
        return self.eyes.look(cameras, came)


@pytest.fixture(scope="module")
def drawn():
    return drawn_room(4, 2)


def followed(drawn, share, sets=24):
    """Mean distance of the pelvis (m), the ids of each true person, how many people were published, and answers lost."""
    room, network = drawn
    eyes = Lossy(DrawnEyes(room), ("camera1",), share)
    estimator = KeypointEstimator(network, None, Settings(evidence="keypoints"), eyes=eyes)
    errors_m, ids = [], {0: set(), 1: set()}
    for number in range(sets):
        time_s = 100 + number / 15
        views = [View(None, room.calibrations[name], time_s, room.poses[name]) for name in room.names]
        for person in estimator.estimate(views).people:
            away = np.linalg.norm(pelvis_m(2, time_s) - person.joints[0], axis=1)
            errors_m.append(away.min())
            ids[int(away.argmin())].add(person.id)
    return float(np.mean(errors_m)), ids, len(errors_m), eyes.lost


def test_what_one_of_four_links_loses_costs_less_than_a_fifth(drawn):
    whole_m, ids, count, _ = followed(drawn, 0.0)
    assert whole_m < 0.1 and count >= 44 and sorted(map(len, ids.values())) == [1, 1]
    # A tenth of the packets, of which a view needs three (told, asked, answered), and none of them sent again.
    lossy_m, ids, lossy_count, lost = followed(drawn, 1 - 0.9**3)
    assert lost > 3 and lossy_count == count
    assert lossy_m < 1.2 * whole_m and sorted(map(len, ids.values())) == [1, 1]


@pytest.mark.ros
def test_evidence_that_went_through_messages_is_the_same(drawn):
    messages = pytest.importorskip("refit_ros.msg", reason="the messages of refit_ros are not built")
    if not hasattr(messages, "ViewEvidence"):
        pytest.skip("the messages were built before there was a ViewEvidence: `make setup` builds them anew")
    from refit_ros.benchmarking.fusion_suite import SplitEyes
    from refit_ros.camera.views import Camera
    from refit_ros.estimation.view_evidence import Expectation, Search
    from refit_ros.node.evidence_kind import kind_of

    room, network = drawn
    cameras = [Camera(None, room.calibrations[name], 100.0, room.poses[name], None) for name in room.names]
    places = [room.seen(name, 100.0)[0] for name in room.names]
    regions = [np.concatenate([px.min(1) - 5, px.max(1) + 5], 1) for px in places]
    wanted = {0: Expectation(Search.DETECTOR), 2: Expectation(regions_px=regions[2])}
    eyes = SplitEyes(DrawnEyes(room), kind_of(network, network.body.name))
    own, sent = DrawnEyes(room).look(cameras, wanted), eyes.look(cameras, wanted)
    assert own.keys() == sent.keys() and len(eyes.edge_s) == 2
    np.testing.assert_array_equal(sent[0].boxes.xyxy_px, own[0].boxes.xyxy_px)
    assert len(sent[2].landmarks) == 2
    for name in ("place_px", "place_m", "visibility", "flag"):
        np.testing.assert_array_equal(getattr(sent[2].landmarks, name), getattr(own[2].landmarks, name))
