"""`--suite soak`: the node with its network for a long time, and whether anything grows.

People come and go, a camera is lost and found, parameters are changed, the node is taken through its lifecycle; every
few seconds its memory, threads, open files, latency, rate and log are looked at from outside.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

import numpy as np

from refit_ros import interrupt
from refit_ros.benchmarking.soak_cameras import EMPTY, NAMES, SHOWS, SoakCameras, draw
from refit_ros.benchmarking.soak_samples import MOST_LOG_LINES_PER_MIN, Sample, as_rows, program_size, verdicts
from refit_ros.node.harness import NODE, NotWell, Setup, as_arguments, own_domain_id, surroundings
from refit_ros.node.other_work import machine_used_s, others_share

ROUND_S, ROUNDS = 120.0, 2  # everything happens once a round; a short run has this many rounds
SAMPLE_S, SAMPLES = 5.0, 60  # between two looks; a short run has about this many
FILM_S, FILM_S_PER_MIN = 5.0, 5.0  # drawn beforehand; a short run draws less
WIDTH_PX, HEIGHT_PX = 640, 480
START_PATIENCE_S = 300.0
ANSWER_PATIENCE_S = 300.0  # of the node, to a change that was asked for
SETTINGS = ({"smoothing": 0.2, "tracked_iterations": 1, "predict_to_now": True}, {"smoothing": 0.5, "tracked_iterations": 2})
FIRST, SECOND = SHOWS
# Share of a round -> what happens then.
SCRIPT = (
    (0.00, "show", FIRST),
    (0.20, "show", EMPTY),
    (0.30, "show", SECOND),
    (0.45, "lose", NAMES[1:]),
    (0.60, "lose", ()),
    (0.75, "change", None),
    (0.80, "restart", None),
)


def run_soak_suite(device, minutes: float, say: Callable[[str], None], plot_to: Path) -> dict:
    """Samples, verdicts, what happened; the node's log lies beside the plot. Raises NotWell where it did not do its work."""
    with tempfile.TemporaryDirectory() as folder:
        setup = Setup(
            seconds=60 * minutes,
            log_folder=Path(folder),
            camera_options={"cameras": len(NAMES), "width": WIDTH_PX, "height": HEIGHT_PX},
            node_parameters={"cameras": NAMES, "fixed_frame": "world", "device": str(device), "evidence": "features"},
            domain_id=own_domain_id(),
        )
        films = draw(min(FILM_S, FILM_S_PER_MIN * minutes), WIDTH_PX, HEIGHT_PX, say)
        with surroundings(setup) as (context, children):
            children.start(NODE, ["node", "--ros-args", *as_arguments(setup.node_parameters)])
            soak = Soak(context, children, setup, films, say)
            try:
                result = soak.run()
            finally:
                soak.close()
                shutil.copy(children.log(NODE), plot_to.with_suffix(".log"))
            code = children.end()[NODE]
        log = children.log(NODE).read_text(errors="replace")
        plot_to.with_suffix(".log").write_text(log)
    return finished(result, code, log, plot_to, say)


def finished(result: dict, code: int, log: str, plot_to: Path, say: Callable[[str], None]) -> dict:
    """The result with its verdicts and its plot."""
    samples: list[Sample] = result.pop("samples")
    found = verdicts(samples)
    lines_per_min = log.count("\n") / max(samples[-1].minutes if samples else 0.0, 1.0)
    bad = [verdict.sentence() for verdict in found.values() if verdict.flat is False]
    bad += [f"the node ended with exit code {code}"] if code else []
    bad += [f"{log.count('Traceback')} tracebacks in the log"] if "Traceback" in log else []
    bad += [f"{lines_per_min:.0f} log lines a minute"] if lines_per_min > MOST_LOG_LINES_PER_MIN else []
    unsure = any(verdict.flat is None for verdict in found.values())
    result |= {
        "verdict": "not flat: " + "; ".join(bad) if bad else "too short to say" if unsure else "flat",
        "sentences": [verdict.sentence() for verdict in found.values()],
        "log lines a minute": lines_per_min,
        "others": float(np.mean([sample.others_share for sample in samples])) if samples else 0.0,
        "rows": [
            [v.bound.figure, v.bound.unit, v.first, v.median, v.growth, v.most, {True: "yes", False: "NO"}.get(v.flat, "?")]
            for v in found.values()
        ],
        "samples": as_rows(samples),
    }
    try:
        from refit_ros.benchmarking.soak_plot import plot

        plot(samples, found, result["events"], plot_to)
    except ImportError as error:
        say(f"no plot: {error.name} is missing; pip install {error.name}")
    return result


class Soak:
    """The cameras, a listener and who disturbs, all in one thread."""

    def __init__(self, context, children, setup: Setup, films: dict, say: Callable[[str], None]) -> None:
        from lifecycle_msgs.srv import ChangeState
        from rcl_interfaces.srv import SetParameters
        from rclpy.executors import SingleThreadedExecutor
        from rclpy.node import Node
        from rclpy.qos import qos_profile_sensor_data

        from refit_ros.msg import SmplArray
        from refit_ros.node.refit_node import SYNTHETIC_CAMERAS

        self._children, self._setup, self._say = children, setup, say
        self._node = Node(SYNTHETIC_CAMERAS, context=context)
        self._executor = SingleThreadedExecutor(context=context)
        self._executor.add_node(self._node)
        self._cameras = SoakCameras(self._node, films)
        self._node.create_subscription(SmplArray, "/human/smpl", self._on_smpl, qos_profile_sensor_data)
        self._change = self._node.create_client(ChangeState, "/refit/change_state")
        self._set = self._node.create_client(SetParameters, "/refit/set_parameters")
        self._asked: deque[tuple[str, object, object]] = deque()  # what to ask next: name, client, request
        self._waiting: tuple[str, object, float] | None = None  # name, future, since when
        self._latency_ms: list[float] = []
        self._messages = self._most_people = self._restarts = self._changes = 0
        self._events: list[tuple[float, str]] = []

    def close(self) -> None:
        self._executor.shutdown(timeout_sec=1.0)
        self._node.destroy_node()

    def run(self) -> dict:
        began_s = time.monotonic()
        while not self._messages:
            if time.monotonic() - began_s > START_PATIENCE_S:
                raise NotWell(f"no message on /human/smpl within {START_PATIENCE_S:.0f} s")
            self._step()
        self._say("the first message came; the time begins")
        seconds, samples = self._setup.seconds, []
        round_s = min(ROUND_S, seconds / ROUNDS)
        every_s = min(SAMPLE_S, seconds / SAMPLES)
        began_s = last_s = time.monotonic()
        done, look = 0, _Look(self)
        # On a machine that stands still for a while too, everything happens once, and is waited for.
        while (now_s := time.monotonic() - began_s) < seconds or done < len(SCRIPT) or self._asked or self._waiting:
            self._step()
            while now_s < seconds or done < len(SCRIPT):
                share, what, argument = SCRIPT[done % len(SCRIPT)]
                if now_s < (done // len(SCRIPT) + share) * round_s:
                    break
                self._do(what, argument, now_s / 60)
                done += 1
            if time.monotonic() - last_s >= every_s:
                last_s = time.monotonic()
                samples.append(look.sample((last_s - began_s) / 60))
                if len(samples) % 12 == 0:
                    self._say(_line(samples[-1]))
        return {
            "samples": samples,
            "minutes": seconds / 60,
            "events": self._events,
            "messages": self._messages,
            "sets published": self._cameras.sets,
            "most people in a message": self._most_people,
            "lifecycles": self._restarts,
            "parameters changed": self._changes,
            "cameras": f"{len(NAMES)} of {WIDTH_PX} x {HEIGHT_PX}",
        }

    def _step(self) -> None:
        interrupt.check()
        self._executor.spin_once(timeout_sec=0.05)
        self._children.check()
        self._ask()

    def _on_smpl(self, message) -> None:
        self._messages += 1
        self._most_people = max(self._most_people, len(message.people))
        self._latency_ms.append(message.latency.sec * 1e3 + message.latency.nanosec / 1e6)

    def _do(self, what: str, argument, minute: float) -> None:
        """One line of the script."""
        if what == "show":
            self._cameras.show = argument
        elif what == "lose":
            self._cameras.lost = frozenset(argument)
        elif what == "change":
            self._ask_for_settings(SETTINGS[self._changes % len(SETTINGS)])
        else:
            self._ask_for_restart()
        shown = {"show": argument, "lose": "a camera lost" if argument else "found", "change": "parameters"}.get(what, what)
        self._events.append((round(minute, 3), shown))

    def _ask_for_settings(self, settings: dict) -> None:
        from rcl_interfaces.srv import SetParameters
        from rclpy.parameter import Parameter

        request = SetParameters.Request()
        request.parameters = [Parameter(name, value=value).to_parameter_msg() for name, value in settings.items()]
        self._asked.append(("set_parameters", self._set, request))

    def _ask_for_restart(self) -> None:
        from lifecycle_msgs.msg import Transition
        from lifecycle_msgs.srv import ChangeState

        for name in ("deactivate", "cleanup", "configure", "activate"):
            number = getattr(Transition, f"TRANSITION_{name.upper()}")
            self._asked.append((name, self._change, ChangeState.Request(transition=Transition(id=number))))

    def _ask(self) -> None:
        """The next thing that is to be asked of the node, once it has answered the one before."""
        if self._waiting is not None:
            name, future, since_s = self._waiting
            if not future.done():
                if time.monotonic() - since_s > ANSWER_PATIENCE_S:
                    raise NotWell(f"the node did not answer '{name}' within {ANSWER_PATIENCE_S:.0f} s")
                return
            answer = future.result()
            results = getattr(answer, "results", None)
            if not (all(each.successful for each in results) if results is not None else answer.success):
                raise NotWell(
                    f"the node refused '{name}': {self._children.complaint(NODE, 'failed') or 'it does not say why'}"
                )
            self._changes += name == "set_parameters"
            self._restarts += name == "activate"
            self._waiting = None
        if self._asked and self._asked[0][1].service_is_ready():
            name, client, request = self._asked.popleft()
            self._waiting = name, client.call_async(request), time.monotonic()


class _Look:
    """What happened since the last sample."""

    def __init__(self, soak: Soak) -> None:
        self._soak, self._log = soak, soak._children.log(NODE)
        self._process = soak._children.process_id(NODE)
        self._last = self._counts()

    def _counts(self) -> tuple:
        soak = self._soak
        own_s = time.process_time() + soak._children.cpu_s(NODE)
        lines = self._log.read_bytes().count(b"\n")
        return time.monotonic(), soak._messages, soak._cameras.sets, lines, own_s, machine_used_s()

    def sample(self, minutes: float) -> Sample:
        before, self._last = self._last, self._counts()
        seconds, messages, sets, lines, own_s = (now - then for now, then in zip(self._last[:5], before[:5], strict=True))
        latency_ms, self._soak._latency_ms = self._soak._latency_ms, []
        others = others_share(before[5], self._last[5], own_s, seconds)
        return Sample(
            minutes,
            *program_size(self._process),
            latency_ms=float(np.median(latency_ms)) if latency_ms else float("nan"),
            sets_per_s=messages / seconds,
            log_lines_per_min=60 * lines / seconds,
            sets_in_per_s=sets / seconds,
            others_share=float("nan") if others is None else others,
        )


def _line(sample: Sample) -> str:
    return (
        f"{sample.minutes:.1f} min: {sample.rss_mib:.0f} MiB, {sample.threads} threads, {sample.files} files, "
        f"{sample.latency_ms:.0f} ms, {sample.sets_per_s:.1f} of {sample.sets_in_per_s:.1f} sets/s"
    )
