"""What comes from the edges is checked and counted: images that have come there go into sets, answers to who has asked."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from refit_ros.estimation.view_evidence import Expectation, Search, ViewEvidence
from refit_ros.node.evidence_messages import Answer, Kind, answer_in, calibration_hash, evidence_in
from refit_ros.node.host_clocks import HostClocks
from refit_ros.node.intake import Intake, never_raises
from refit_ros.node.rejections import Rejected, Rejections
from refit_ros.node.remote_eyes import RemoteEyes
from refit_ros.node.sets import Frame, FrameSet

if TYPE_CHECKING:
    from refit_ros.node.parameters import NodeParameters


@dataclass(frozen=True)
class Told:
    """What an edge has said of an image unasked, in place of the image."""

    header: Any
    searched: Search
    seen: ViewEvidence


class EvidenceIntake(Intake):
    """As `Intake`, of images that are elsewhere."""

    def __init__(
        self,
        parameters: NodeParameters,
        rejections: Rejections,
        kind: Kind,
        eyes: RemoteEyes,
        take_boxes: bool,
        clock_offset_s: float,
        now_ns: Callable[[], int],
        host_now_ns: Callable[[], int],
    ) -> None:
        """take_boxes: the edges' boxes come from a topic, and are taken in place of a detector's.

        now_ns: of the stamps' clock; host_now_ns: of this host's, which the edges' hosts are compared with.
        """
        super().__init__(parameters, "", rejections)
        self.rectified = set()  # edges tell of the camera as they have understood it
        self.clocks = HostClocks()
        self.newest_ns: dict[str, int] = {}  # stamp of the last image of each camera
        self.others_asked_s = -math.inf  # when an answer to another fusion node last came
        self._kind, self._eyes, self._take_boxes, self._clock_offset_s = kind, eyes, take_boxes, clock_offset_s
        self._now_ns, self._host_now_ns = now_ns, host_now_ns

    @never_raises
    def evidence(self, camera: str, message: Any, now_s: float) -> list[FrameSet]:
        answer = answer_in(message, camera, self._kind, self._now_ns())
        if answer.asker:
            if answer.asker == self._eyes.asker:
                self._answered(answer, message)
            else:
                self.others_asked_s = now_s
            return []
        self.newest_ns[camera] = answer.stamp_ns
        self._check_clock(camera)
        frame = self._frame(answer, message)
        self.images[camera] += 1
        return self._hand_on([frame], now_s)

    def _answered(self, answer: Answer, message: Any) -> None:
        self.clocks.add(answer.camera, answer.asked_ns, answer.received_ns, answer.sent_ns, self._host_now_ns())
        question = self._eyes.answered(answer.number)
        if question is None or not question.is_about(answer.stamp_ns):
            return  # too late, or twice
        if (question.camera, question.calibration) != (answer.camera, answer.calibration):
            raise Rejected("another calibration", "an answer is by another camera or calibration than was asked about")
        self._eyes.take(answer.number, answer.stamp_ns, evidence_in(message, self._kind, question.wanted))

    def _check_clock(self, camera: str) -> None:
        if self.clock_is_refused(camera):
            ahead_ms = self.clocks.of(camera).ahead_s * 1e3
            raise Rejected(
                "clock",
                f"the clock of its host is {ahead_ms:+.1f} ms off this one's, and clock_offset_s allows "
                f"{self._clock_offset_s * 1e3:g} ms: run chrony or PTP on both (docs/several_machines.md)",
            )

    def clock_is_refused(self, camera: str) -> bool:
        offset = self.clocks.of(camera)
        return bool(self._clock_offset_s) and offset is not None and offset.beyond(self._clock_offset_s)

    def _frame(self, answer: Answer, message: Any) -> Frame:
        known = self._calibrations.get(answer.camera)
        if known is None:
            raise Rejected("no CameraInfo", "evidence comes, but no usable CameraInfo")
        if calibration_hash(known[1]) != answer.calibration:
            raise Rejected(
                "another calibration", "evidence was made by another calibration than the edge's CameraInfo holds"
            )
        seen = evidence_in(message, self._kind, Expectation())
        return Frame(
            answer.camera,
            answer.stamp_ns,
            answer.frame_id or known[1].frame_id or answer.camera,
            Told(message.header, answer.searched, seen),
            known[1],
            seen.boxes if self._take_boxes else None,
        )

    def clock_values(self, camera: str) -> dict[str, str]:
        """For the diagnostics."""
        offset = self.clocks.of(camera)
        if offset is None:
            return {"clock of its host": "not known yet"}
        return {"clock of its host [ms ahead]": f"{offset.ahead_s * 1e3:+.2f} +- {offset.unsure_s * 1e3:.2f}"}
