"""What an edge does: tells of every image, and answers what is asked about those of the last moments. No ROS in here."""

from __future__ import annotations

import threading
import time
import traceback
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from refit_ros.camera.views import Camera
from refit_ros.estimation.eyes import Eyes
from refit_ros.estimation.view_evidence import Expectation, Search, ViewEvidence
from refit_ros.node import images
from refit_ros.node.evidence_messages import JITTER_NS, Answer, Question, calibration_hash
from refit_ros.node.rejections import Rejected, Rejections
from refit_ros.node.sets import Frame, FrameSet
from refit_ros.node.threads import give_way

KEPT = 8  # images of each camera, the newest: what is asked about an older one comes too late anyhow
STOP_WAIT_S = 3.0


@dataclass
class _Kept:
    frame: Frame
    camera: Camera | None = None  # once it was decoded


@dataclass
class _Camera:
    kept: deque[_Kept] = field(default_factory=lambda: deque(maxlen=KEPT))
    search_next: bool = True  # until somebody says otherwise
    unsearched: _Kept | None = None  # waits for the detector: the latest wins
    question: tuple[Question, int] | None = None  # with when it came, ns: the latest wins
    in_hand: tuple[str, int] | None = None  # asker and number of what is being answered
    answer: Answer | None = None  # the last, for who did not get it
    ahead: tuple[Question, int] | None = None  # likewise, about the next image


class EdgeWork:
    """`image` and `ask` are called by the executor's thread; one thread of its own looks at images."""

    def __init__(
        self,
        eyes: Eyes,
        cameras: list[str],
        publish: Callable[[Answer], None],
        rejections: Rejections,
        failed: Callable[[str], None],
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._eyes, self._publish, self._rejections, self._failed, self._clock_ns = (
            eyes,
            publish,
            rejections,
            failed,
            clock_ns,
        )
        self._cameras = {name: _Camera() for name in cameras}
        self._changed = threading.Condition()
        self._closed = False
        self.counts: Counter[str] = Counter()
        self._thread = threading.Thread(target=self._run, name="refit edge", daemon=True)
        self._thread.start()

    def stop(self) -> bool:
        """True when what was at hand is finished."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join(STOP_WAIT_S)
        return self.ended

    @property
    def ended(self) -> bool:
        return not self._thread.is_alive()

    def take(self, taken: FrameSet) -> None:
        """Images that came."""
        for frame in taken.frames:
            self._image(frame)

    def _image(self, frame: Frame) -> None:
        kept, camera = _Kept(frame), self._cameras[frame.camera]
        self.counts["images"] += 1
        with self._changed:
            camera.kept.append(kept)
            searched = frame.boxes is None and camera.search_next and self._eyes.searches(Search.DETECTOR)
            if searched:
                self.counts["images not searched: a newer one came"] += camera.unsearched is not None
                camera.unsearched = kept
            if self._asked_ahead(camera, frame) or searched:
                self._changed.notify()
        if not searched:
            came_with = Search.NOBODY if frame.boxes is None else Search.DETECTOR
            self._tell(frame, ViewEvidence(frame.boxes), came_with)

    def ask(self, question: Question) -> None:
        """Raises Rejected where it cannot be answered."""
        camera = self._cameras[question.camera]
        now_ns = self._clock_ns()
        if not len(question.wanted.regions_px) and question.wanted.search == Search.NOBODY:  # asks for the time
            self._publish(_empty(question, now_ns, self._clock_ns()))
            return
        with self._changed:
            if question.ahead:
                taken = [one.frame.stamp_ns for one in camera.kept if question.is_about(one.frame.stamp_ns)]
                if not taken:
                    camera.ahead = question, now_ns
                    return
                question = replace(question, stamp_ns=taken[-1], ahead=False)
            this = question.asker, question.number
            waiting = camera.question and (camera.question[0].asker, camera.question[0].number)
            if this in (camera.in_hand, waiting):
                return
            again = camera.answer if camera.answer and (camera.answer.asker, camera.answer.number) == this else None
            if again is None:
                self._put(camera, question, now_ns)
                self._changed.notify()
        give_way()
        if again is not None:  # it was lost on the way
            self._publish(replace(again, sent_ns=self._clock_ns()))

    def _asked_ahead(self, camera: _Camera, frame: Frame) -> bool:
        """Whether an image that has come was asked about already: then that is to be answered now."""
        if camera.ahead is None or frame.stamp_ns < camera.ahead[0].stamp_ns - JITTER_NS:
            return False
        (question, received_ns), camera.ahead = camera.ahead, None
        if not question.is_about(frame.stamp_ns):
            return False
        self._put(camera, replace(question, stamp_ns=frame.stamp_ns, ahead=False), received_ns)
        return True

    def _put(self, camera: _Camera, question: Question, received_ns: int) -> None:
        camera.search_next = question.search_next
        self.counts["questions not answered: a newer one came"] += camera.question is not None
        camera.question = question, received_ns

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._waiting())
                if self._closed:
                    return
                questions = [(camera, *camera.question) for camera in self._cameras.values() if camera.question]
                images = [] if questions else [one for one in self._cameras.values() if one.unsearched]
                for camera, question, _ in questions:
                    camera.question, camera.in_hand = None, (question.asker, question.number)
                unsearched = [camera.unsearched for camera in images]
                for camera in images:
                    camera.unsearched = None
            try:
                if questions:
                    self._answer(questions)
                else:
                    self._search(unsearched)
            except Exception:
                self._failed(traceback.format_exc())

    def _waiting(self) -> bool:
        return any(camera.question or camera.unsearched for camera in self._cameras.values())

    def _search(self, kept: list[_Kept]) -> None:
        seen = self._look([(one, Expectation(Search.DETECTOR)) for one in kept])
        for one, evidence in zip(kept, seen):
            if evidence is not None:
                self.counts["images searched"] += 1
                self._tell(one.frame, evidence, Search.DETECTOR)

    def _answer(self, questions: list[tuple[_Camera, Question, int]]) -> None:
        asked = []
        for camera, question, received_ns in questions:
            try:
                asked.append((camera, question, received_ns, self._asked_about(camera, question)))
            except Rejected as rejected:
                self._rejections.add(question.camera, rejected.reason, str(rejected))
        try:
            before = [_seen_before(camera.answer, question) for camera, question, _, _ in asked]
            new = iter(self._look([(each[3], each[1].wanted) for each, known in zip(asked, before) if known is None]))
            seen = [next(new) if known is None else known for known in before]
        finally:
            with self._changed:
                for camera, _, _ in questions:
                    camera.in_hand = None
        for (camera, question, received_ns, kept), evidence in zip(asked, seen):
            if evidence is None:
                continue
            answer = Answer(
                question.camera,
                question.stamp_ns,
                kept.frame.frame_id,
                question.calibration,
                evidence,
                question.wanted.search if evidence.boxes is not None else Search.NOBODY,
                question.asker,
                question.number,
                question.sent_ns,
                received_ns,
                self._clock_ns(),
                question.wanted,
            )
            with self._changed:
                camera.answer = answer
            self.counts["questions answered"] += 1
            self._publish(answer)

    def _asked_about(self, camera: _Camera, question: Question) -> _Kept:
        """Raises Rejected."""
        with self._changed:
            found = next((one for one in camera.kept if one.frame.stamp_ns == question.stamp_ns), None)
        if found is None:
            raise Rejected("image gone", "a fusion node asks about an image that is not kept any more, or never came here")
        if calibration_hash(found.frame.calibration) != question.calibration:
            raise Rejected("another calibration", "a fusion node asks about an image by another calibration than its own")
        return found

    def _look(self, wanted: list[tuple[_Kept, Expectation]]) -> list[ViewEvidence | None]:
        """None: the image cannot be used."""
        usable = []
        for place, (kept, one) in enumerate(wanted):
            try:
                if kept.camera is None:
                    kept.camera = _decoded(kept.frame)
                usable.append((place, kept.camera, one))
            except Rejected as rejected:
                self._rejections.add(kept.frame.camera, rejected.reason, str(rejected))
        seen: list[ViewEvidence | None] = [None] * len(wanted)
        if usable:
            answers = self._eyes.look([camera for _, camera, _ in usable], {i: one for i, (_, _, one) in enumerate(usable)})
            for index, evidence in answers.items():
                seen[usable[index][0]] = evidence
        return seen

    def _tell(self, frame: Frame, evidence: ViewEvidence, searched: Search) -> None:
        calibration = calibration_hash(frame.calibration)
        self._publish(Answer(frame.camera, frame.stamp_ns, frame.frame_id, calibration, evidence, searched))


def _seen_before(answer: Answer | None, question: Question) -> ViewEvidence | None:
    """What the same regions of the same image have shown already: the whole of what parts were asked for before."""
    if answer is None or answer.wanted is None or answer.stamp_ns != question.stamp_ns:
        return None
    then, now = answer.wanted, question.wanted
    alike = now.search == Search.NOBODY and replace(then, search=now.search, windows=now.windows).asks_as(now)
    return ViewEvidence(None, answer.seen.features) if alike and answer.seen.features is not None else None


def _empty(question: Question, received_ns: int, sent_ns: int) -> Answer:
    return Answer(
        question.camera,
        question.stamp_ns,
        "",
        question.calibration,
        ViewEvidence(),
        Search.NOBODY,
        question.asker,
        question.number,
        question.sent_ns,
        received_ns,
        sent_ns,
    )


def _decoded(frame: Frame) -> Camera:
    """Where it stands is the fusion's business."""
    return Camera(images.decoded(frame), frame.calibration, frame.stamp_ns * 1e-9, np.eye(4), None)
