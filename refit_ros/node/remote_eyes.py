"""The eyes of a fusion node: they ask the edges that hold the images, and wait for them no longer than is worth it.

No ROS in here: who sends questions, and which clock is read, is given.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from refit_ros.camera.views import Camera
from refit_ros.estimation.view_evidence import Expectation, Search, ViewEvidence
from refit_ros.node.evidence_messages import Question
from refit_ros.node.sets import FrameSet
from refit_ros.node.threads import give_way

RESEND_S = 0.02  # after so long without an answer a question is asked once more: it may have been lost
TIMES = 3  # that a question is sent at most
GRACE = 2.0  # when half have answered, the others get so many times as long as these took ...
LEAST_GRACE_S = 0.01  # ... but at least so much
MISSES = 5  # a camera that did not answer in so many sets one after the other is not asked ...
RETRY = 15  # ... but tried again after so many


@dataclass
class _Camera:
    misses: int = 0
    answered: int = 0
    late: int = 0


class RemoteEyes:
    """`look` is called by the computing thread, `answered` by the executor's."""

    sends = True

    def __init__(
        self,
        send: Callable[[Question], None],
        searches: Sequence[Search],
        interval: int,
        wait_s: float,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        """interval: in every so many-th set everybody is looked for. wait_s: for answers, at most."""
        self._send, self._searches, self._interval, self._wait_s, self._clock_ns = send, searches, interval, wait_s, clock_ns
        self.asker = uuid.uuid4().hex[:8]
        self._changed = threading.Condition()
        self._asked: dict[int, Question] = {}  # of the look at hand
        self._answers: dict[int, ViewEvidence] = {}
        self._ahead: dict[str, Question] = {}  # of each camera, about its next image
        self._early: dict[int, tuple[int, ViewEvidence]] = {}  # answers to these, with the stamps of their images
        self._number = self._sets = 0
        self._searched = False  # in this set
        self._cameras: dict[str, _Camera] = {}
        self._taken: FrameSet | None = None
        self._told: dict[str, tuple[Search, ViewEvidence]] = {}

    def begin(
        self, taken: FrameSet, calibrations: Mapping[str, int], told: Mapping[str, tuple[Search, ViewEvidence]]
    ) -> None:
        """A set is about to be looked at, with what its cameras have told unasked."""
        self._taken, self._calibrations, self._told = taken, calibrations, told
        self._sets, self._searched = self._sets + 1, False

    def searches(self, search: Search) -> bool:
        return search in self._searches

    def look(self, cameras: Sequence[Camera], wanted: Mapping[int, Expectation]) -> dict[int, ViewEvidence]:
        answers: dict[int, ViewEvidence] = {}
        questions: dict[int, Question] = {}  # number -> question
        owners: dict[int, int] = {}  # number -> index of the camera
        stamps_ns = {frame.camera: frame.stamp_ns for frame in self._taken.frames}
        self._searched |= any(one.search != Search.NOBODY for one in wanted.values())
        for index, one in wanted.items():
            name = cameras[index].name
            told = self._told.get(name)
            if told is not None and told[0] == one.search != Search.NOBODY and not len(one.regions_px):
                answers[index] = told[1]
            elif self._worth_asking(name):
                question = self._question(name, stamps_ns[name], one)
                owners[question.number], questions[question.number] = index, question
        for number, seen in self._ask(questions).items():
            answers[owners[number]] = seen
        return answers

    def expect(self, cameras: Sequence[Camera], wanted: Mapping[int, Expectation], in_s: float) -> None:
        """Asks about images before they are taken, so that they are looked at as soon as they are."""
        stamps_ns = {frame.camera: frame.stamp_ns + round(in_s * 1e9) for frame in self._taken.frames}
        questions = {}
        for index, one in wanted.items():
            name = cameras[index].name
            if self._cameras.setdefault(name, _Camera()).misses < MISSES:
                self._number += 1
                questions[name] = Question(
                    name,
                    stamps_ns[name],
                    one,
                    self.asker,
                    self._number,
                    self._calibrations[name],
                    (self._sets + 1) % self._interval == 0,
                    ahead=True,
                )
        with self._changed:
            self._ahead, self._early = questions, {}
        for question in questions.values():
            self._send(replace(question, sent_ns=self._clock_ns()))

    def answered(self, number: int) -> Question | None:
        """The question that an answer is to, if somebody still waits for it."""
        with self._changed:
            if number in self._asked:
                return self._asked[number] if number not in self._answers else None
            early = [one for one in self._ahead.values() if one.number == number and number not in self._early]
            return early[0] if early else None

    def take(self, number: int, stamp_ns: int, seen: ViewEvidence) -> None:
        """The answer to a question, about the image that was taken then."""
        with self._changed:
            if number in self._asked:
                self._answers[number] = seen
                self._changed.notify_all()
            elif any(one.number == number for one in self._ahead.values()):
                self._early[number] = stamp_ns, seen
        give_way()

    def _question(self, name: str, stamp_ns: int, wanted: Expectation) -> Question:
        """The one that was sent ahead, if it was the same."""
        with self._changed:
            known = self._ahead.get(name)
        if known is not None and known.is_about(stamp_ns) and known.calibration == self._calibrations[name]:
            if known.wanted.asks_as(wanted):
                return replace(known, stamp_ns=stamp_ns, search_next=self._search_next())
        self._number += 1
        return Question(name, stamp_ns, wanted, self.asker, self._number, self._calibrations[name], self._search_next())

    def values(self, camera: str) -> dict[str, int]:
        """For the diagnostics."""
        found = self._cameras.get(camera, _Camera())
        return {"evidence: answers used": found.answered, "evidence: answers that did not come in time": found.late}

    def _ask(self, questions: Mapping[int, Question]) -> dict[int, ViewEvidence]:
        if not questions:
            return {}
        with self._changed:
            self._asked, self._answers = dict(questions), {}
            for number, (stamp_ns, seen) in self._early.items():
                if number in questions and questions[number].stamp_ns == stamp_ns:
                    self._answers[number] = seen
            # What was asked ahead of the others counts in a later look at the same set.
            self._ahead = {name: one for name, one in self._ahead.items() if one.number not in questions}
        began_s = time.monotonic()
        deadline_s = began_s + self._wait_s
        for turn in range(TIMES):
            with self._changed:
                missing = [question for number, question in questions.items() if number not in self._answers]
            for question in missing:
                if turn or not question.ahead:
                    self._send(replace(question, sent_ns=self._clock_ns(), ahead=False))
            last = turn == TIMES - 1
            if self._wait(len(questions), began_s, deadline_s, deadline_s if last else time.monotonic() + RESEND_S):
                break
        with self._changed:
            answers, self._asked, self._answers = self._answers, {}, {}
        for number, question in questions.items():
            self._note(question.camera, number in answers)
        return answers

    def _wait(self, count: int, began_s: float, deadline_s: float, until_s: float) -> bool:
        """Whether all is over: everybody has answered, or it is not worth while to wait for the rest."""
        with self._changed:
            while True:
                now_s = time.monotonic()
                if len(self._answers) == count or now_s >= deadline_s:
                    return True
                if now_s >= until_s:
                    return False
                if 2 * len(self._answers) >= count and count > 1:
                    grace_s = max(GRACE * (now_s - began_s), LEAST_GRACE_S)
                    deadline_s, count_at = min(deadline_s, now_s + grace_s), len(self._answers)
                    self._changed.wait_for(lambda had=count_at: len(self._answers) > had, min(deadline_s, until_s) - now_s)
                else:
                    had = len(self._answers)
                    self._changed.wait_for(lambda had=had: len(self._answers) > had, until_s - now_s)

    def _worth_asking(self, name: str) -> bool:
        camera = self._cameras.setdefault(name, _Camera())
        if camera.misses < MISSES:
            return True
        camera.misses += 1
        return camera.misses % RETRY == 0

    def _note(self, name: str, in_time: bool) -> None:
        camera = self._cameras[name]
        if in_time:
            camera.misses, camera.answered = 0, camera.answered + 1
        else:
            camera.misses, camera.late = camera.misses + 1, camera.late + 1

    def _search_next(self) -> bool:
        """Where somebody was looked for out of turn, somebody is missing, and will probably be looked for again."""
        own_turn = (self._sets - 1) % self._interval == 0
        return self._sets % self._interval == 0 or (self._searched and not own_turn)
