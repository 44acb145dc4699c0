"""What an edge does with images and questions. No ROS in here; every wait is for an event."""

from __future__ import annotations

import threading
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from refit_ros.camera.boxes import Boxes
from refit_ros.camera.calibration import Calibration
from refit_ros.core.refit import Features
from refit_ros.estimation.view_evidence import Expectation, Search, ViewEvidence
from refit_ros.node.edge_work import KEPT, EdgeWork
from refit_ros.node.evidence_messages import JITTER_NS, Question, calibration_hash
from refit_ros.node.rejections import Rejections
from refit_ros.node.sets import Frame, FrameSet

CALIBRATION = Calibration("camera", "camera", 8, 6, np.array([[9.0, 0, 4], [0, 9.0, 3], [0, 0, 1]]))
REGION = Expectation(regions_px=np.array([[0.0, 0, 8, 6]]))
WAIT_S = 120.0


def frame(stamp_ns: int, camera: str = "camera", boxes=None, size=(8, 6)) -> Frame:
    message = SimpleNamespace(
        header=SimpleNamespace(stamp=SimpleNamespace(sec=1, nanosec=0)),
        width=size[0], height=size[1], encoding="rgb8", step=3 * size[0], data=bytes(3 * size[0] * size[1]),
    )  # fmt: skip
    return Frame(camera, stamp_ns, "optical", message, replace(CALIBRATION, name=camera), boxes)


class Edge:
    """An edge whose eyes see what they are told to, when the gate is open."""

    def __init__(self, searches=(Search.DETECTOR,), cameras=("camera",)) -> None:
        self.answers, self.came = [], threading.Condition()
        self.gate, self.looked, self.warned, self.failed = threading.Event(), [], [], []
        self.looking, self.said = threading.Semaphore(0), threading.Semaphore(0)
        self.gate.set()
        self.kinds, self.shown = searches, ViewEvidence()
        self.work = EdgeWork(
            self,
            list(cameras),
            self.publish,
            Rejections(self.warn),
            self.fail,
            iter(range(10**6)).__next__,
        )

    def searches(self, search):
        return search in self.kinds

    def look(self, cameras, wanted):
        self.looked.append({cameras[index].name: one for index, one in wanted.items()})
        self.looking.release()
        assert self.gate.wait(WAIT_S)
        seen = ViewEvidence(Boxes(np.zeros((1, 4)), np.ones(1)))
        return {index: seen if one.search else self.shown for index, one in wanted.items()}

    def warn(self, sentence):
        self.warned.append(sentence)
        self.said.release()

    def fail(self, trace):
        self.failed.append(trace)
        self.said.release()

    def publish(self, answer):
        with self.came:
            self.answers.append(answer)
            self.came.notify_all()

    def image(self, *stamps_ns, **more):
        for stamp_ns in stamps_ns:
            self.work.take(FrameSet((frame(stamp_ns, **more),)))

    def ask(self, stamp_ns, number=1, wanted=REGION, calibration=None, camera="camera", search_next=False, ahead=False):
        known = calibration_hash(CALIBRATION) if calibration is None else calibration
        self.work.ask(Question(camera, stamp_ns, wanted, "me", number, known, search_next, 5, ahead))

    def until(self, count):
        with self.came:
            assert self.came.wait_for(lambda: len(self.answers) >= count, WAIT_S), f"{len(self.answers)} answers came"
        return self.answers[count - 1]


@pytest.fixture
def edge():
    made = []

    def make(**options):
        made.append(Edge(**options))
        return made[-1]

    yield make
    for each in made:
        each.gate.set()
        assert each.work.stop()


def test_images_are_told_of_and_searched_as_long_as_nobody_says_otherwise(edge):
    one = edge()
    one.image(10)
    told = one.until(1)
    assert (told.stamp_ns, told.searched, told.asker, len(told.seen.boxes.confidence)) == (10, Search.DETECTOR, "", 1)
    one.ask(10)
    answer = one.until(2)
    assert (answer.asker, answer.number, answer.asked_ns) == ("me", 1, 5) and answer.received_ns < answer.sent_ns
    one.image(20)
    assert one.until(3).searched == Search.NOBODY and one.answers[2].seen.boxes is None
    one.ask(20, number=2, search_next=True)
    one.until(4)
    one.image(30)
    assert one.until(5).searched == Search.DETECTOR


def test_what_is_asked_ahead_is_answered_as_soon_as_the_image_comes(edge):
    one, step_ns = edge(), 100 * JITTER_NS
    one.image(step_ns)
    one.ask(step_ns)
    one.until(2)
    one.ask(2 * step_ns, number=2, ahead=True, search_next=True)
    one.image(2 * step_ns - JITTER_NS)
    one.until(4)
    told, answer = sorted(one.answers[2:], key=lambda each: bool(each.asker))
    assert (told.searched, told.stamp_ns) == (Search.NOBODY, answer.stamp_ns) and answer.number == 2
    assert answer.stamp_ns == 2 * step_ns - JITTER_NS and answer.received_ns < answer.sent_ns
    one.image(3 * step_ns)
    assert one.until(5).searched == Search.DETECTOR, "as the question has said of the image after that one"


def test_what_is_asked_ahead_of_an_image_that_has_come_is_answered_and_of_one_that_never_comes_forgotten(edge):
    one, step_ns = edge(searches=()), 100 * JITTER_NS
    one.image(step_ns)
    one.until(1)
    one.ask(step_ns + JITTER_NS, number=1, ahead=True)
    assert one.until(2).stamp_ns == step_ns
    one.ask(2 * step_ns, number=2, ahead=True)
    one.image(2 * step_ns + 2 * JITTER_NS, 3 * step_ns)
    one.until(4)
    one.ask(3 * step_ns, number=3)
    assert one.until(5).number == 3 and [each.number for each in one.answers if each.asker] == [1, 3]
    assert not one.work.counts["questions not answered: a newer one came"]


def test_what_was_looked_at_in_parts_is_not_looked_at_again_for_the_whole(edge):
    one, other = edge(), Expectation(regions_px=np.array([[1.0, 0, 9, 8]]))
    one.image(10)
    one.until(1)
    features = Features(torch.zeros(1, 1, 2, 2), torch.zeros(1, 1))
    one.shown = ViewEvidence(features=features)
    looks = len(one.looked)
    for number, wanted in enumerate((replace(REGION, windows=(np.zeros((1, 2)),)), REGION, other), 1):
        one.ask(10, number, wanted)
        assert one.until(1 + number).seen.features is features
    assert len(one.looked) == looks + 2, "the second question is about what the first has shown"


def test_boxes_that_came_with_an_image_are_told(edge):
    one = edge(searches=())
    one.image(10, boxes=Boxes(np.zeros((2, 4)), np.ones(2)))
    assert len(one.until(1).seen.boxes.confidence) == 2 and one.answers[0].searched == Search.DETECTOR and not one.looked


def test_a_question_that_comes_twice_is_answered_from_memory(edge):
    one = edge(searches=())
    one.image(10)
    one.gate.clear()
    one.ask(10)
    assert one.looking.acquire(timeout=WAIT_S)
    one.ask(10)
    one.gate.set()
    first = one.until(2)
    one.ask(10)
    again = one.until(3)
    assert (
        len(one.looked) == 1 and again.number == first.number and again.seen is first.seen and again.sent_ns > first.sent_ns
    )


def test_the_latest_question_and_the_latest_image_win(edge):
    one = edge(cameras=("camera", "other"))
    one.gate.clear()
    one.image(1, camera="other")
    assert one.looking.acquire(timeout=WAIT_S)
    one.image(10, 20, 30)  # while it is busy
    one.ask(10, 1)
    one.ask(20, 2)
    one.gate.set()
    one.until(3)
    assert [(each.camera, each.stamp_ns, each.number) for each in one.answers] == [
        ("other", 1, 0), ("camera", 20, 2), ("camera", 30, 0)
    ]  # fmt: skip
    assert one.work.counts["images not searched: a newer one came"] == 2
    assert one.work.counts["questions not answered: a newer one came"] == 1


def test_what_cannot_be_answered_is_counted(edge):
    one = edge(searches=())
    one.image(*range(10, 10 + KEPT + 1))
    for stamp_ns, number, calibration in ((10, 1, None), (12, 2, 99)):  # gone; by another calibration
        one.ask(stamp_ns, number, calibration=calibration)
        assert one.said.acquire(timeout=WAIT_S)
    one.ask(12, 3)
    assert one.until(KEPT + 2).number == 3
    assert one.work._rejections.of("camera") == {"image gone": 1, "another calibration": 1}
    one.image(50, size=(9, 6))
    one.ask(50, 4)
    assert one.said.acquire(timeout=WAIT_S) and "9 x 6" in one.warned[2]
    one.image(60)
    one.ask(60, 5)
    assert one.until(KEPT + 5).number == 5 and not one.failed


def test_the_time_is_told_at_once(edge):
    one = edge(searches=())
    one.ask(10, 0, Expectation())
    assert one.until(1).received_ns < one.answers[0].sent_ns and not one.looked


def test_eyes_that_fail_end_nothing(edge):
    one = edge(searches=())
    one.image(10)
    look = one.look
    one.look = lambda *_: 1 / 0
    one.ask(10, 1)
    assert one.said.acquire(timeout=WAIT_S)
    one.look = look
    one.ask(10, 2)
    assert one.until(2).number == 2 and "ZeroDivisionError" in one.failed[0]
