"""The lifecycle node `refit_fusion`: the evidence of all edges in, people out, as `refit` (docs/several_machines.md)."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.clock import Clock, ClockType

from refit_ros.detection.hog import hog_is_there
from refit_ros.estimation.settings import Settings
from refit_ros.estimation.view_evidence import Expectation, Search
from refit_ros.node.diagnostics import OK, WARN, Diagnostics
from refit_ros.node.evidence_intake import EvidenceIntake
from refit_ros.node.evidence_kind import load_fusion, settings_of
from refit_ros.node.evidence_messages import Question, calibration_hash, question_message
from refit_ros.node.evidence_topics import BEST_EFFORT, EvidenceTopics, expectation_topic
from refit_ros.node.inherited_ids import InheritedIds
from refit_ros.node.inputs import BOXES
from refit_ros.node.message_types import RosTypes
from refit_ros.node.model import Model
from refit_ros.node.parameters import NodeParameters
from refit_ros.node.refit_node import RefitNode
from refit_ros.node.remote_eyes import RemoteEyes
from refit_ros.node.sets import FrameSet
from refit_ros.node.standby import HEARTBEAT_S, Standby, read_heartbeat

NAME = "refit_fusion"
HEARTBEATS = "human/fusion"


class FusionNode(RefitNode):
    """`load` makes (Model, Kind) from (NodeParameters, Settings, eyes); tests put their own in its place."""

    def __init__(self, load=load_fusion, **node_options: Any) -> None:
        super().__init__(self._load_over_eyes, NAME, **node_options)
        self._load_fusion, self._ids, self._hears = load, InheritedIds(), None

    def _load_over_eyes(self, options: NodeParameters, settings: Settings) -> Model:
        settings = settings_of(options, settings, fusion=True)
        searches = [] if settings.detector == "topic" else [Search.DETECTOR]
        searches += [Search.FALLBACK] if settings.detector == "builtin" and hog_is_there() else []
        self._types = RosTypes()
        self._eyes = RemoteEyes(self._ask, searches, settings.detector_interval, options.evidence_wait_s)
        model, self._kind = self._load_fusion(options, settings, self._eyes)
        return model

    def _open_streams(self, opened: ExitStack) -> None:
        from std_msgs.msg import String

        from refit_ros.msg import Expectation as Message

        self._questions = {}
        for name in self._options.cameras:
            self._questions[name] = self.create_publisher(Message, expectation_topic(name), BEST_EFFORT)
            opened.callback(self.destroy_publisher, self._questions[name])
        self._standby = Standby(f"{self.get_fully_qualified_name()}/{self._eyes.asker}", time.monotonic())
        self._heartbeats = self.create_publisher(String, HEARTBEATS, BEST_EFFORT)
        opened.callback(self.destroy_publisher, self._heartbeats)
        opened.callback(
            self.destroy_subscription, self.create_subscription(String, HEARTBEATS, self._on_heartbeat, BEST_EFFORT)
        )
        super()._open_streams(opened)
        self._listen_to_the_other(True)
        opened.callback(self._listen_to_the_other, False)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        opened.callback(self.destroy_timer, self.create_timer(HEARTBEAT_S, self._beat, clock=steady))
        self._diagnostics = FusionDiagnostics(self._diagnostics, self._eyes, self._intake, self._standby)

    def _make_intake(self) -> EvidenceIntake:
        simulated = self.get_parameter("use_sim_time").value
        return EvidenceIntake(
            self._options,
            self._rejections,
            self._kind,
            self._eyes,
            self._found == BOXES,
            0.0 if simulated else self._options.clock_offset_s,
            lambda: self.get_clock().now().nanoseconds,
            time.time_ns,
        )

    def _make_cameras(self) -> EvidenceTopics:
        return EvidenceTopics(self, self._options, self._intake, self._found, self._deliver, self._inputs)

    def _process(self, taken: FrameSet) -> None:
        calibrations = {frame.camera: calibration_hash(frame.calibration) for frame in taken.frames}
        told = {frame.camera: (frame.message.searched, frame.message.seen) for frame in taken.frames}
        self._eyes.begin(taken, calibrations, told)
        self._pipeline.process(taken)
        if not self._worker.mailbox.waiting:
            self._pipeline.look_ahead()

    _decode = staticmethod(lambda frame: None)  # images are with the edges

    def _deliver(self, taken: FrameSet) -> None:
        if self._standby.publishes:
            super()._deliver(taken)

    def _publishes(self) -> bool:
        return self._standby.publishes and super()._publishes()

    def _all_synthetic(self) -> bool:
        return False  # the cameras are the edges' business

    def _is_own_tf(self, stamp_ns: int) -> bool:
        """While this node waits the people are the other's, whose place it will take."""
        return not self._standby.publishes or super()._is_own_tf(stamp_ns)

    def _ask(self, question: Question) -> None:
        self._questions[question.camera].publish(question_message(self._types, question, self._kind.network))

    def _on_heartbeat(self, message: Any) -> None:
        heard = read_heartbeat(message.data)
        if heard is not None:
            self._standby.heard(*heard, time.monotonic())

    def _listen_to_the_other(self, listens: bool) -> None:
        """While this node waits it hears whom the one that publishes follows: it will go on with the same ids."""
        from refit_ros.msg import SmplArray

        if self._hears is not None:
            self.destroy_subscription(self._hears)
        self._hears = None
        if listens:
            self._hears = self.create_subscription(SmplArray, "human/smpl", self._on_people, BEST_EFFORT)

    def _on_people(self, message: Any) -> None:
        if not self._standby.publishes:
            self._ids.heard(message, self._options.fixed_frame)

    def _beat(self) -> None:
        from std_msgs.msg import String

        change = self._standby.look(time.monotonic(), time.time_ns(), self._intake.others_asked_s)
        if change is not None:
            self._listen_to_the_other(change == "steps back")
        if change == "takes over":
            self.get_logger().info("publishes people: no other fusion node is heard")
        elif change == "steps back":
            self.get_logger().warning(f"waits: {self._standby.other(time.monotonic())} publishes people already")
            self._pipeline.reset()
        if text := self._standby.heartbeat():
            self._heartbeats.publish(String(data=text))

    def _diagnose(self) -> None:
        super()._diagnose()
        if not self._standby.publishes:
            return
        for camera, stamp_ns in list(self._intake.newest_ns.items()):  # nothing is asked but what time it is there
            self._ask(Question(camera, stamp_ns, Expectation(), self._eyes.asker, 0, 0, True, time.time_ns()))


class FusionDiagnostics(Diagnostics):
    """With what is known of the edges."""

    def __init__(self, usual: Diagnostics, eyes: RemoteEyes, intake: EvidenceIntake, standby: Standby) -> None:
        self.__dict__.update(usual.__dict__)
        self._eyes, self._edges, self._standby = eyes, intake, standby

    def _pipeline(self, replaced: int) -> DiagnosticStatus:
        status = super()._pipeline(replaced)
        if other := self._standby.other(time.monotonic()):
            status.level, status.message = OK, f"stands by: {other} publishes people"
        return status

    def _camera(self, camera: str) -> DiagnosticStatus:
        status = super()._camera(camera)
        more = self._edges.clock_values(camera) | self._eyes.values(camera)
        status.values += self._status("", OK, "", more).values
        offset = self._edges.clocks.of(camera)
        if self._edges.clock_is_refused(camera):
            status.level, status.message = (
                WARN,
                f"not used: its host's clock is {offset.ahead_s * 1e3:+.1f} ms off this one's",
            )
        return status
