"""The lifecycle node `refit_edge`, beside the cameras: images in, evidence out (docs/several_machines.md)."""

from __future__ import annotations

import time
from contextlib import ExitStack
from functools import partial
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn

from refit_ros.node import conversions, diagnostics, parameters
from refit_ros.node.alone import EachAlone
from refit_ros.node.cameras import Cameras
from refit_ros.node.diagnostics import OK, WARN, Diagnostics
from refit_ros.node.edge_work import EdgeWork
from refit_ros.node.evidence_kind import load_edge, settings_of
from refit_ros.node.evidence_messages import Answer, answer_message, question_in
from refit_ros.node.evidence_topics import BEST_EFFORT, LATCHED, calibration_topic, evidence_topic, expectation_topic
from refit_ros.node.inputs import Inputs, others_find
from refit_ros.node.intake import Intake
from refit_ros.node.message_types import RosTypes
from refit_ros.node.refit_node import RefitNode
from refit_ros.node.rejections import Rejected, Rejections
from refit_ros.node.sets import FrameSet
from refit_ros.node.tally import Rate, Tally
from refit_ros.node.transitions import SUCCESS, explains_failure

NAME = "refit_edge"


class EdgeNode(RefitNode):
    """`load` makes (eyes, kind, device in words) from (NodeParameters, Settings); tests put their own in its place."""

    def __init__(self, load=load_edge, **node_options: Any) -> None:
        super().__init__(load, NAME, **node_options)
        self._eyes = None

    @explains_failure
    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._release()
        self._options, settings = parameters.read(self, fixed_frame="edges_need_none")
        settings = settings_of(self._options, settings)
        self._eyes, self._kind, device = self._load(self._options, settings)
        self._found = others_find(settings)
        self.get_logger().info(f"configured: looks for {self._kind.network} on {device}")
        return SUCCESS

    def _release(self) -> None:
        self._eyes = None

    def _open_streams(self, opened: ExitStack) -> None:
        from diagnostic_msgs.msg import DiagnosticArray
        from sensor_msgs.msg import CameraInfo

        from refit_ros.msg import Expectation, ViewEvidence

        self._types, self._tally, self._rejections = RosTypes(), Tally(), Rejections(self.get_logger().warning)
        names = list(self._options.cameras)
        builder = EachAlone(names, self._options.camera_timeout_s)
        self._intake = Intake(self._options, self._found, self._rejections, builder)
        self._evidence, self._calibrations, self._sent = {}, {}, {}
        for name in names:
            self._evidence[name] = self.create_publisher(ViewEvidence, evidence_topic(name), BEST_EFFORT)
            self._calibrations[name] = self.create_publisher(CameraInfo, calibration_topic(name), LATCHED)
            opened.callback(self.destroy_publisher, self._evidence[name])
            opened.callback(self.destroy_publisher, self._calibrations[name])
        self._work = EdgeWork(self._eyes, names, self._publish, self._rejections, self._count_failure)
        opened.callback(self._stop_work)
        for name in names:
            asked = self.create_subscription(
                Expectation, expectation_topic(name), partial(self._on_question, name), BEST_EFFORT
            )
            opened.callback(self.destroy_subscription, asked)
        self._inputs = Inputs.of(self, self._intake, self._tally)
        self._cameras = Cameras(self, self._options, self._intake, self._found, self._deliver, self._inputs)
        opened.callback(self._cameras.close)
        self._diagnostics = EdgeDiagnostics(self.get_fully_qualified_name(), self._intake, self._inputs, self._work)
        self._diagnostics_publisher = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        opened.callback(self.destroy_publisher, self._diagnostics_publisher)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        opened.callback(self.destroy_timer, self.create_timer(diagnostics.PERIOD_S, self._diagnose, clock=steady))

    def _deliver(self, taken: FrameSet) -> None:
        self._tally.newest_stamp_ns = taken.stamp_ns
        for frame in taken.frames:  # the fusion must know the camera before it hears of an image
            if frame.calibration is not self._sent.get(frame.camera):
                self._sent[frame.camera] = frame.calibration
                message = conversions.camera_info(self._types, frame.calibration, frame.stamp_ns)
                self._calibrations[frame.camera].publish(message)
        self._work.take(taken)

    def _on_question(self, camera: str, message: Any) -> None:
        try:
            question = question_in(message, self._kind)
            if question.camera == camera:
                self._work.ask(question)
        except Rejected as rejected:
            self._rejections.add(camera, rejected.reason, str(rejected))
        except Exception as error:
            self._rejections.add(camera, "internal error", f"{type(error).__name__}: {error}")

    def _publish(self, answer: Answer) -> None:
        self._evidence[answer.camera].publish(answer_message(self._types, answer, self._kind.network))

    def _stop_work(self) -> None:
        self._idle, self._last = self._work.stop(), self._work

    def _diagnose(self) -> None:
        self._cameras.look_for_latched()
        now_s = time.monotonic()
        self._inputs.look(now_s, 0)
        self._diagnostics.no_clock = self._sim_clock.amiss(now_s)
        self._diagnostics_publisher.publish(self._diagnostics.message(self._tally.newest_stamp_ns))


class EdgeDiagnostics(Diagnostics):
    """What an edge has done, in place of a pipeline's figures."""

    def __init__(self, name: str, intake: Intake, inputs: Inputs, work: EdgeWork) -> None:
        super().__init__(name, None, intake, Tally(), inputs, None)
        self._work, self._image_rate, self._answer_rate = work, Rate(), Rate()

    def message(self, stamp_ns: int):
        self._tally.newest_stamp_ns = stamp_ns
        return super().message(0)

    def _pipeline(self, replaced: int) -> DiagnosticStatus:
        counts = self._work.counts
        rate, asked = self._image_rate.of(counts["images"]), self._answer_rate.of(counts["questions answered"])
        level, text = OK, f"{rate:.1f} images/s, {asked:.1f} questions/s answered"
        if rate == 0:
            level, text = WARN, "no image came within the last second"
        elif asked == 0:
            level, text = (
                WARN,
                f"{rate:.1f} images/s, and no fusion node asks about them: does one run, in this ROS_DOMAIN_ID?",
            )
        return self._status("edge", level, text, dict(counts))
