"""The lifecycle node `refit`: configure loads, activate opens the streams, deactivate and cleanup undo the two."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import numpy as np
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

from refit_ros.estimation.held_shapes import EVERYBODY, checked
from refit_ros.node import diagnostics, frames, images, parameters
from refit_ros.node.absence import Absence
from refit_ros.node.cameras import Cameras
from refit_ros.node.diagnostics import Diagnostics
from refit_ros.node.ids import Ids
from refit_ros.node.inputs import Inputs, others_find
from refit_ros.node.intake import Intake
from refit_ros.node.model import Model, load_model
from refit_ros.node.outputs import Outputs
from refit_ros.node.pipeline import Pipeline
from refit_ros.node.rejections import Rejections
from refit_ros.node.sets import FrameSet
from refit_ros.node.sim_clock import SimClock
from refit_ros.node.tally import Tally
from refit_ros.node.tf_intake import TransformIntake
from refit_ros.node.transitions import SUCCESS, answer_illegal_transitions, explains_failure
from refit_ros.node.worker import Worker

NAME = "refit"
SYNTHETIC_CAMERAS = "synthetic_cameras"  # the node of that name in this package
NOBODY = FrameSet(())  # in a set's place, after the last one: there are no images any more


class RefitNode(LifecycleNode):
    """`load` makes the model from (NodeParameters, Settings); tests put their own in its place."""

    def __init__(self, load: Callable[..., Model] = load_model, name: str = NAME, **node_options: Any) -> None:
        super().__init__(name, **node_options)
        self._load = load
        self._model = self._outputs = None
        self._opened, self._idle, self._ids = ExitStack(), True, Ids()
        self._last = self._uncleared = None  # the thread that was stopped last; the pipeline that it still computed in
        answer_illegal_transitions(self)
        parameters.declare(self)
        for sentence in parameters.unknown_overrides(self):
            self.get_logger().warning(sentence)
        self.add_post_set_parameters_callback(self._say_when)

    def start(self) -> bool:
        """Configure and activate, unless the parameter `autostart` says otherwise. False where one of them failed."""
        if not self.get_parameter("autostart").value:
            return True
        return self.trigger_configure() == SUCCESS and self.trigger_activate() == SUCCESS

    @explains_failure
    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._release()  # of an attempt that failed
        self._options, settings = parameters.read(self)
        self._model = self._load(self._options, settings)
        self._found = others_find(settings)
        faces = np.asarray(self._model.body.faces)
        self._tf_prefix = frames.prefix_of(self._options.tf_prefix, self.get_namespace())
        arrays, options = self._model.body.arrays, self._options
        self._outputs = Outputs(
            self,
            list(options.cameras),
            options.publish_mesh,
            faces,
            self._tf_prefix,
            arrays if options.obstacles else None,
            arrays if options.hri else None,
        )
        if self._options.extrinsics:
            self._outputs.publish_rig(self._options.extrinsics)
        self.get_logger().info(
            f"configured: {self._model.weights} weights, body {self._model.body.name}, on {self._model.device}"
        )
        return super().on_configure(state)

    @explains_failure
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        if self._last is not None and not self._last.ended:  # no estimator bears two threads
            raise ValueError("the last set is still being computed: try again")
        if self._uncleared is not None:
            self._uncleared.reset()
        self._sim_clock = SimClock(self, time.monotonic())
        with ExitStack() as opened:  # where something cannot be opened, what was open is closed again
            self._open_streams(opened)
            self._opened = opened.pop_all()
        self.get_logger().info(f"active: waiting for {', '.join(self._options.cameras)}")
        result = super().on_activate(state)
        if self._uncleared is not None:
            self._uncleared.clear()
            self._uncleared = None
        return result

    @explains_failure
    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._opened.close()
        forgotten = "everybody is forgotten" if self._idle else "everybody is forgotten once the last set is computed"
        self.get_logger().info(f"inactive: streams are closed, {forgotten}")
        return super().on_deactivate(state)

    @explains_failure
    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._release()
        self.get_logger().info("cleaned up: the network is unloaded")
        return super().on_cleanup(state)

    @explains_failure
    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._opened.close()
        self._release()
        return super().on_shutdown(state)

    @explains_failure
    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._opened.close()
        self._release()
        return SUCCESS

    def close(self) -> bool:
        """Stop all threads and streams, in whatever state, before the node is destroyed. False: a set is still computed."""
        self._opened.close()
        return self._idle

    def destroy_node(self) -> None:
        """rclpy keeps the state machine of a lifecycle node, and so the node: others would see it until it is collected."""
        super().destroy_node()
        if (machine := getattr(self, "_state_machine", None)) is not None:
            machine.destroy_when_not_in_use()

    def _open_streams(self, opened: ExitStack) -> None:
        """Each thing is closed by `opened` in the opposite order: cameras first, then the thread, then what it used."""
        from diagnostic_msgs.msg import DiagnosticArray

        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._tally, self._rejections = Tally(), Rejections(self.get_logger().warning)
        self._intake = self._make_intake()
        self._pipeline = Pipeline(
            self._model,
            self._outputs,
            self._extrinsics(opened),
            self._options.fixed_frame,
            self._tally,
            self._rejections,
            lambda: self.get_clock().now().nanoseconds,
            self._ids,
            self._tf_prefix,
            self._decode,
        )
        opened.callback(self._clear)
        self._absence = Absence(self._intake)
        self._worker = Worker(self._process_or_tell, self._count_failure)
        opened.callback(self._stop_worker)
        self._said_what_weights_mean = False
        self._inputs = Inputs.of(self, self._intake, self._tally)
        self._cameras = self._make_cameras()
        opened.callback(self._cameras.close)
        self._diagnostics = Diagnostics(
            self.get_fully_qualified_name(), self._model, self._intake, self._tally, self._inputs, self._transforms
        )
        self._diagnostics_publisher = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        opened.callback(self.destroy_publisher, self._diagnostics_publisher)
        opened.callback(self.destroy_timer, self.create_timer(diagnostics.PERIOD_S, self._diagnose, clock=steady))
        self._offer_services(opened)

    def _make_intake(self) -> Intake:
        return Intake(self._options, self._found, self._rejections)

    def _make_cameras(self) -> Cameras:
        return Cameras(self, self._options, self._intake, self._found, self._deliver, self._inputs)

    def _process_or_tell(self, taken: FrameSet) -> None:
        if taken is NOBODY:
            self._pipeline.show_nobody()
        else:
            self._process(taken)

    def _process(self, taken: FrameSet) -> None:
        self._pipeline.process(taken)

    _decode = staticmethod(images.decoded)

    def _extrinsics(self, opened: ExitStack) -> frames.Extrinsics | None:
        self._buffer = None
        if self._options.fixed_frame:
            self._buffer = frames.buffer_of(self, opened)
        self._transforms = TransformIntake(self._buffer, self._rejections, f"{self._tf_prefix}human_", self._is_own_tf)
        for subscription in self._transforms.open(self):
            opened.callback(self.destroy_subscription, subscription)
        if self._buffer is None:
            return None
        return frames.Extrinsics(frames.lookup_in(self._buffer), self._options.fixed_frame, self._options.transform_wait_s)

    def _is_own_tf(self, stamp_ns: int) -> bool:
        """Whether transforms of people, by their stamp, are this node's own, come back."""
        return self._outputs.has_published_tf(stamp_ns)

    def _offer_services(self, opened: ExitStack) -> None:
        from std_srvs.srv import Trigger

        from refit_ros.srv import SetShape

        for kind, name, answer in ((Trigger, "~/reset", self._on_reset), (SetShape, "~/set_shape", self._on_set_shape)):
            opened.callback(self.destroy_service, self.create_service(kind, name, answer))

    def _stop_worker(self) -> None:
        self._idle, self._last = self._worker.stop(), self._worker

    def _clear(self) -> None:
        """Take down the markers and forget everybody; where the last set is still being computed, when activated again."""
        if not self._idle:
            self._uncleared = self._pipeline
            return
        if self.context.ok():
            self._pipeline.clear()
        self._pipeline.reset()

    def _release(self) -> None:
        if self._outputs is not None:
            self._outputs.close()
        self._model = self._outputs = self._uncleared = None
        # A recording holds the Python function that it was made from, and so whoever holds the recording: until Python
        # looks for such rings, the network and its threads would stay.
        gc.collect()

    def _deliver(self, taken: FrameSet) -> None:
        if not self._said_what_weights_mean:
            self._said_what_weights_mean = True
            self._say_what_weights_mean()
        if not self._options.fixed_frame:
            self._outputs.level.stand_below(taken.frames[0].frame_id, taken.frames[0].message.header.stamp)
        self._worker.mailbox.put(taken)

    def _say_what_weights_mean(self) -> None:
        if self._model.note:
            self.get_logger().warning(self._model.note)
        if self._model.note_on_real_cameras and not self._all_synthetic():
            self.get_logger().warning(self._model.note_on_real_cameras)

    def _all_synthetic(self) -> bool:
        """Whether nobody but this package's own synthetic cameras publishes calibrations to this node."""
        publishers = [
            each.node_name
            for camera in self._options.cameras
            for each in self.get_publishers_info_by_topic(self._options.camera_info_topic.format(camera=camera))
        ]
        return bool(publishers) and set(publishers) == {SYNTHETIC_CAMERAS}

    def _count_failure(self, trace: str) -> None:
        if not self.context.ok():  # it could not publish because all is ending
            return
        why = trace.strip().splitlines()[-1]
        self._rejections.add("", "set failed", f"a set of images could not be computed: {why}", trace)
        self._tally.failed += 1

    def _diagnose(self) -> None:
        self._cameras.look_for_latched()
        now_s = time.monotonic()
        self._inputs.look(now_s, self._worker.mailbox.dropped)
        for camera in self._options.cameras:
            if self._intake.builder.state(camera, now_s) == "silent":
                self._pipeline.mark_stale(camera)
        # By the computing thread, since the last set may still be on its way.
        if self._absence.begins(now_s, self._publishes() and not self._worker.mailbox.waiting):
            self._worker.mailbox.put(NOBODY)
        self._diagnostics.no_clock = self._sim_clock.amiss(now_s)
        self._diagnostics_publisher.publish(self._diagnostics.message(self._worker.mailbox.dropped))

    def _publishes(self) -> bool:
        return self._tally.newest_stamp_ns > 0

    def _on_reset(self, request: Any, response: Any) -> Any:
        self._pipeline.reset()
        response.success, response.message = True, "all tracks are forgotten"
        return response

    def _on_set_shape(self, request: Any, response: Any) -> Any:
        try:
            betas = None if request.release else checked(request.betas)
            self._pipeline.set_shape(int(request.id), betas)
        except (ValueError, KeyError) as error:
            response.success, response.message = False, str(error.args[0] if error.args else error)
            return response
        who = "everybody" if request.id == EVERYBODY else f"person {request.id}"
        response.success = True
        response.message = f"the shape of {who} is " + ("estimated again" if request.release else "held")
        return response

    def _say_when(self, changed: list[Any]) -> None:
        """Parameters are read in configure: whoever sets one later would otherwise wait for its effect in vain."""
        names = {entry.name for entry in parameters.table()} & {parameter.name for parameter in changed}
        if names and self._model is not None:
            self.get_logger().warning(
                f"{', '.join(sorted(names))}: takes effect when the node is configured anew "
                "(deactivate, cleanup, configure, activate)"
            )
