"""/diagnostics once a second: rates, latency, drops, each camera's state, device and weights."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

from refit_ros.node.conversions import set_stamp
from refit_ros.node.tally import Rate

if TYPE_CHECKING:
    from refit_ros.node.inputs import Inputs
    from refit_ros.node.intake import Intake
    from refit_ros.node.model import Model
    from refit_ros.node.tally import Tally
    from refit_ros.node.tf_intake import TransformIntake

PERIOD_S = 1.0
COMPLETE = 0.6  # sets with less than this share of the live cameras on average are worth a warning
OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR


class Diagnostics:
    """Makes the messages; every stamp is the capture time of the newest set."""

    def __init__(
        self, name: str, model: Model, intake: Intake, tally: Tally, inputs: Inputs, transforms: TransformIntake
    ) -> None:
        self._transforms = transforms
        self.no_clock = ""  # a sentence where the node knows no time
        self._name, self._model, self._intake, self._tally, self._inputs = name, model, intake, tally, inputs
        self._sets_rate, self._used_rate, self._replaced_rate = Rate(), Rate(), Rate()
        self._image_rates = {camera: Rate() for camera in intake.cameras}

    def message(self, replaced: int) -> DiagnosticArray:
        """`replaced`: sets that were overtaken by a newer one before they were computed."""
        message = DiagnosticArray()
        set_stamp(message.header.stamp, self._tally.newest_stamp_ns)
        message.status = [self._pipeline(replaced), *map(self._camera, self._intake.cameras)]
        if self.no_clock:
            whole = message.status[0]
            whole.level, whole.message = WARN, f"{self.no_clock}; {whole.message}"
        return message

    def _pipeline(self, replaced: int) -> DiagnosticStatus:
        tally, rate = self._tally, self._sets_rate.of(self._tally.sets)
        used_rate = self._used_rate.of(tally.images)
        level, text = OK, f"{rate:.1f} sets/s"
        a_set = used_rate / rate if rate else 0.0
        live = self._live()
        if live > 1 and rate and a_set < COMPLETE * live:
            level, text = (
                WARN,
                (
                    f"{text} of {a_set:.1f} images on average, though {live} cameras are live: are they "
                    "triggered together, and is sync_slop_s wide enough?"
                ),
            )
        if tally.nonfinite_dropped or tally.failed:
            level, text = WARN, f"{text}; {tally.failed} sets failed, {tally.nonfinite_dropped} people were not finite"
        replaced_rate = self._replaced_rate.of(replaced)
        if replaced_rate > rate > 0:
            level, text = WARN, f"{text}; {replaced_rate:.1f} more were replaced by newer ones: too many for this machine"
        if tally.doubt:
            level, text = WARN, f"{text}; {tally.doubt}"
        if rate == 0:
            level, text = WARN, "nothing is computed: no set of images came within the last second"
        values = {
            "sets computed": tally.sets,
            "sets per second": f"{rate:.2f}",
            "images a set": f"{a_set:.2f}",
            "sets replaced by newer ones": replaced,
            "sets failed": tally.failed,
            "people": tally.people,
            "people not finite": tally.nonfinite_dropped,
            "iterations": tally.iterations,
            "detector calls": tally.detector_calls,
            "boxes dropped": tally.boxes_dropped,
            "clock set back": self._intake.builder.restarts,
            "transforms: came": self._transforms.came,
            "transforms: used": self._transforms.used,
        }
        for title, percentiles in (("latency", tally.latency_ms), ("computing", tally.compute_ms)):
            found = percentiles.at(0.5, 0.95)
            if found:
                values |= {f"{title} p50 [ms]": f"{found[0]:.1f}", f"{title} p95 [ms]": f"{found[1]:.1f}"}
        values |= {"device": self._model.device, "weights": self._model.weights, "body": self._model.body.name}
        return self._status("pipeline", level, text, values)

    def _live(self) -> int:
        now_s = time.monotonic()
        return sum(self._intake.builder.state(camera, now_s) == "live" for camera in self._intake.cameras)

    def _camera(self, camera: str) -> DiagnosticStatus:
        builder, now_s = self._intake.builder, time.monotonic()
        images = self._intake.images[camera]
        state, rate = builder.state(camera, now_s), self._image_rates[camera].of(images)
        rejected = self._intake.rejections.of(camera)
        level, text = self._judge(camera, state, rate, now_s)
        values = {
            "state": state,
            "images": images,
            "images per second": f"{rate:.2f}",
            "rejected": sum(rejected.values()),
        }
        values |= {f"rejected: {reason}": count for reason, count in sorted(rejected.items())}
        return self._status(f"camera {camera}", level, text, values | builder.counts(camera) | self._inputs.values(camera))

    def _judge(self, camera: str, state: str, rate: float, now_s: float) -> tuple[bytes, str]:
        if state == "waiting":
            why = self._inputs.why_nothing(camera)
            return WARN, f"no usable image has come yet{': ' if why else ''}{why}"
        if state == "silent":
            if why := self._inputs.why_unused(camera, now_s):
                return ERROR, f"left out: {why}"
            return ERROR, f"silent for {self._intake.builder.silent_s(camera, now_s):.1f} s, left out until it returns"
        if state == "out of step":
            return WARN, "its images fit into no set: stamps too far from the others' (clocks? sync_slop_s?)"
        if camera in self._tally.left_out:
            return ERROR, self._tally.left_out[camera]
        if camera in self._tally.moved_cameras:
            return WARN, "its view disagrees with the others' for seconds: has it been moved since its calibration?"
        if why := self._inputs.why_nothing(camera):
            return WARN, f"{rate:.1f} images/s; {why}"
        return OK, f"{rate:.1f} images/s"

    def _status(self, part: str, level: bytes, text: str, values: dict[str, Any]) -> DiagnosticStatus:
        return DiagnosticStatus(
            level=level,
            name=f"{self._name}: {part}",
            message=text,
            hardware_id=self._name,
            values=[KeyValue(key=key, value=str(value)) for key, value in values.items()],
        )
