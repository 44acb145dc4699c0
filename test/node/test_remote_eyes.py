"""Eyes that are elsewhere: what is lost is asked again, and nobody waits long for who does not answer. No ROS in here."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from refit_ros.camera.calibration import Calibration
from refit_ros.camera.views import Camera
from refit_ros.estimation.view_evidence import Expectation, Search, ViewEvidence
from refit_ros.node import remote_eyes
from refit_ros.node.evidence_messages import JITTER_NS
from refit_ros.node.host_clocks import HostClocks
from refit_ros.node.remote_eyes import RemoteEyes
from refit_ros.node.sets import Frame, FrameSet
from refit_ros.node.standby import DISCOVERY_S, LISTEN_S, SILENT_S, Standby, read_heartbeat

REGION = Expectation(regions_px=np.array([[0.0, 0, 32, 32]]))


def cameras(*names):
    K = np.array([[60.0, 0, 32], [0, 60.0, 24], [0, 0, 1]])
    return [Camera(None, Calibration(name, name, 64, 48, K), 1.0, np.eye(4), None) for name in names]


class Wire:
    """Answers at once, but for cameras that are dead and questions that are lost."""

    def __init__(self, wait_s=30.0, searches=(Search.DETECTOR,)):
        self.eyes = RemoteEyes(self.send, searches, 10, wait_s)
        self.questions, self.dead, self.lost = [], set(), 0
        self.shown, self.off_ns = ViewEvidence(), 0

    def send(self, question):
        self.questions.append(question)
        if self.lost:
            self.lost -= 1
        elif question.camera not in self.dead and self.eyes.answered(question.number) is not None:
            self.eyes.take(question.number, question.stamp_ns + self.off_ns, self.shown)

    def look(self, seen, wanted, told=None, stamp_ns=7):
        frames = tuple(Frame(one.name, stamp_ns, one.name, None, one.calibration) for one in seen)
        self.eyes.begin(FrameSet(frames), {one.name: 5 for one in seen}, told or {})
        return self.eyes.look(seen, wanted)


def test_everybody_is_asked_once_about_their_own_image():
    wire = Wire()
    assert set(wire.look(cameras("a", "b"), {0: REGION, 1: REGION})) == {0, 1}
    assert [(each.camera, each.stamp_ns, each.calibration) for each in wire.questions] == [("a", 7, 5), ("b", 7, 5)]
    assert len({each.number for each in wire.questions}) == 2


def test_a_question_that_was_lost_is_asked_again():
    wire = Wire()
    wire.lost = 2
    assert set(wire.look(cameras("a"), {0: REGION})) == {0}
    assert len(wire.questions) == 3 and len({each.number for each in wire.questions}) == 1


def test_who_does_not_answer_is_left_out_and_not_asked_for_a_while(monkeypatch):
    monkeypatch.setattr(remote_eyes, "LEAST_GRACE_S", 0.001)
    wire = Wire()
    wire.dead = {"b"}
    seen = cameras("a", "b")
    for _ in range(remote_eyes.MISSES):
        assert set(wire.look(seen, {0: REGION, 1: REGION})) == {0}
    asked = sum(each.camera == "b" for each in wire.questions)
    assert set(wire.look(seen, {0: REGION, 1: REGION})) == {0}
    assert sum(each.camera == "b" for each in wire.questions) == asked
    wire.dead = set()
    back = [set(wire.look(seen, {0: REGION, 1: REGION})) for _ in range(remote_eyes.RETRY)]
    assert {0, 1} in back and back[-1] == {0, 1}
    assert wire.eyes.values("b")["evidence: answers that did not come in time"] == remote_eyes.MISSES


def test_alone_and_dead_is_waited_for_no_longer_than_was_said():
    wire = Wire(wait_s=0.01)
    wire.dead = {"a"}
    assert wire.look(cameras("a"), {0: REGION}) == {}


def test_what_was_told_unasked_is_not_asked():
    wire = Wire()
    told = ViewEvidence()
    search = {0: Expectation(Search.DETECTOR)}
    assert wire.look(cameras("a"), search, {"a": (Search.DETECTOR, told)})[0] is told and not wire.questions
    assert set(wire.look(cameras("a"), search, {"a": (Search.NOBODY, told)})) == {0} and len(wire.questions) == 1
    assert wire.eyes.searches(Search.DETECTOR) and not wire.eyes.searches(Search.FALLBACK)


def test_edges_are_told_when_to_search_unasked():
    wire = Wire()
    hints = []
    for _ in range(12):
        wire.look(cameras("a"), {0: REGION})
        hints.append(wire.questions[-1].search_next)
    assert hints == [number == 9 for number in range(12)]
    wire.look(cameras("a"), {0: Expectation(Search.DETECTOR)})  # out of turn: somebody is missing
    assert wire.questions[-1].search_next


def test_what_was_asked_ahead_and_answered_is_not_asked_again():
    wire, seen, both = Wire(), cameras("a", "b"), {0: REGION, 1: REGION}
    wire.look(seen, both)
    wire.shown, wire.off_ns = ViewEvidence(), JITTER_NS // 2
    wire.eyes.expect(seen, both, 0.1)
    ahead = wire.questions[2:]
    assert [(one.camera, one.stamp_ns, one.ahead) for one in ahead] == [("a", 7 + 10**8, True), ("b", 7 + 10**8, True)]
    early, wire.shown = wire.shown, ViewEvidence()
    answers = wire.look(seen, both, stamp_ns=7 + 10**8 + wire.off_ns)
    assert len(wire.questions) == 4 and answers[0] is answers[1] is early
    wire.off_ns = 0
    assert wire.look(seen, both, stamp_ns=7 + 2 * 10**8)[0] is not early and len(wire.questions) == 6


def test_what_was_asked_ahead_counts_also_after_somebody_was_looked_for_in_the_same_set():
    wire, seen = Wire(), cameras("a", "b")
    wire.look(seen, {0: REGION, 1: REGION})
    wire.eyes.expect(seen, {0: REGION, 1: REGION}, 0.1)
    stamp_ns = 7 + 10**8
    wire.look(seen, {0: Expectation(Search.DETECTOR)}, stamp_ns=stamp_ns)
    assert [(one.camera, one.wanted.search) for one in wire.questions[4:]] == [("a", Search.DETECTOR)]
    assert set(wire.eyes.look(seen, {0: REGION, 1: REGION})) == {0, 1} and len(wire.questions) == 5


OTHERS = {
    "other regions": (Expectation(regions_px=np.array([[0.0, 0, 30, 30]])), 0, 5),
    "parts": (replace(REGION, windows=(np.zeros((3, 2)),)), 0, 5),
    "a mask": (replace(REGION, masks=(np.zeros((3, 2), bool),)), 0, 5),
    "an image taken at another time": (REGION, 2 * JITTER_NS, 5),
    "another calibration": (REGION, 0, 6),
}


@pytest.mark.parametrize("what", OTHERS)
def test_what_was_not_asked_ahead_is_asked(what):
    wanted, off_ns, calibration = OTHERS[what]
    wire, seen = Wire(), cameras("a")
    wire.look(seen, {0: REGION})
    wire.eyes.expect(seen, {0: REGION}, 0.1)
    early, wire.shown = wire.shown, ViewEvidence()
    frames = FrameSet((Frame("a", 7 + 10**8 + off_ns, "a", None, seen[0].calibration),))
    wire.eyes.begin(frames, {"a": calibration}, {})
    assert wire.eyes.look(seen, {0: wanted})[0] is not early
    last = wire.questions[-1]
    assert len(wire.questions) == 3 and not last.ahead and last.stamp_ns == 7 + 10**8 + off_ns and last.number == 3


def test_what_was_asked_ahead_and_lost_is_asked_again():
    wire, seen = Wire(), cameras("a")
    wire.look(seen, {0: REGION})
    wire.lost = 1
    wire.eyes.expect(seen, {0: REGION}, 0.1)
    assert set(wire.look(seen, {0: REGION}, stamp_ns=7 + 10**8)) == {0}
    assert [(one.number, one.ahead) for one in wire.questions] == [(1, False), (2, True), (2, False)]


def test_an_answer_to_nobody_is_nothing():
    wire = Wire()
    assert wire.eyes.answered(99) is None
    wire.eyes.take(99, 7, ViewEvidence())
    assert set(wire.look(cameras("a"), {0: replace(REGION)})) == {0}


def test_a_clock_is_known_as_well_as_its_quickest_answer():
    clocks = HostClocks()
    assert clocks.of("a") is None
    ahead, dice = 30_000_000, np.random.default_rng(0)
    for number in range(40):
        asked = number * 10**9
        there, back = dice.integers(100_000, 9_000_000, 2).tolist()
        received = asked + there + ahead
        clocks.add("a", asked, received, received + 5_000_000, asked + there + 5_000_000 + back)
    found = clocks.of("a")
    assert abs(found.ahead_s - 0.03) <= found.unsure_s < 0.003
    assert found.beyond(0.02) and not found.beyond(0.04)
    clocks.add("b", 100, 50, 40, 90)  # sent before it was received
    assert clocks.of("b") is None


def test_one_publishes_and_the_other_takes_over():
    first, second = Standby("first", 0.0), Standby("second", 0.2)
    assert first.look(LISTEN_S / 2, 1) is None and not first.publishes
    assert first.look(LISTEN_S, 1000) == "takes over" and second.look(LISTEN_S, 1000) is None
    second.heard(*read_heartbeat(first.heartbeat()), LISTEN_S + 0.1)
    assert second.look(LISTEN_S + 0.3, 1300) is None and second.other(LISTEN_S + 0.3) == "first"
    gone_s = LISTEN_S + 0.1 + SILENT_S + 0.01  # of the first nothing is heard any more
    assert second.look(gone_s, 2000) == "takes over" and second.heartbeat() == "2000 second"
    assert first.look(gone_s - 0.1, 1900) is None  # it beats on
    second.heard("first", 1000, gone_s)  # it was only cut off: who began first goes on
    assert second.look(gone_s, 2100) == "steps back" and second.heartbeat() == ""
    first.heard("second", 2000, gone_s)
    assert first.look(gone_s, 2100) is None and first.publishes


def test_who_was_suspended_gives_way_to_whoever_has_taken_over():
    """Else it would give the ids of whoever came meanwhile to others."""
    first, second = Standby("first", 0.0), Standby("second", 0.0)
    assert first.look(LISTEN_S, 1000) == "takes over"
    second.heard(*read_heartbeat(first.heartbeat()), LISTEN_S)
    back_s = LISTEN_S + SILENT_S + 0.5
    assert second.look(back_s - 0.1, 2400) == "takes over"
    assert first.look(back_s, 2500) is None, "it has not heard of the other yet"
    second.heard(*read_heartbeat(first.heartbeat()), back_s)
    first.heard(*read_heartbeat(second.heartbeat()), back_s)
    assert second.look(back_s + 0.1, 2600) is None and second.publishes
    assert first.look(back_s + 0.1, 2600) == "steps back" and first.other(back_s + 0.1) == "second"


def test_who_was_suspended_alone_goes_on():
    alone = Standby("alone", 0.0)
    alone.look(LISTEN_S, 1000)
    assert alone.look(LISTEN_S + 60, 61000) is None and alone.heartbeat() == "61000 alone"


def test_nobody_takes_over_while_another_is_answered_whose_heartbeat_is_not_heard_yet():
    """DDS may take seconds until a new node hears of all topics of another."""
    first, second, late = Standby("first", 0.0), Standby("second", 20.0), Standby("late", 20.0)
    first.look(LISTEN_S, 1000)
    now_s = 20.0 + LISTEN_S
    assert second.look(now_s, 2000, others_asked_s=now_s - 0.2) is None and "not heard yet" in second.other(now_s)
    assert late.look(now_s, 2000) == "takes over", "no edge was heard yet"
    assert late.look(now_s + 0.2, 2200, others_asked_s=now_s + 0.1) == "steps back" and late.heartbeat() == ""
    assert first.look(now_s + 0.2, 2200, others_asked_s=now_s + 0.1) is None, "it has been there for long"
    second.heard("first", 1000, now_s + 0.3)
    assert second.look(now_s + 0.4, 2400, others_asked_s=now_s + 0.3) is None and second.other(now_s + 0.4) == "first"
    gone_s = now_s + 0.3 + SILENT_S + 0.01
    assert second.look(gone_s, 9000, others_asked_s=now_s + 0.3) == "takes over"
    assert gone_s < 20.0 + DISCOVERY_S
    second.heard("late", 9500, gone_s)  # both are heard: who began first goes on, whomever the edges answer
    assert second.look(gone_s + 0.1, 9600, others_asked_s=gone_s) is None and second.publishes


@pytest.mark.parametrize("text", ["", "12", "x y", "12 ", "-1 a", "9" * 30 + " a", "1 " + "a" * 300])
def test_what_is_no_heartbeat_is_none(text):
    assert read_heartbeat(text) is None
