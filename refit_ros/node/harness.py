"""The whole system as it would run on a robot, measured from outside: synthetic cameras and the node as processes of
their own, over real topics, and a listener. The demo and the benchmark of the node are made of this."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from refit_ros import interrupt
from refit_ros.node.comparison import Comparison, bodies_from, compare, world_from_message_frame
from refit_ros.node.conversions import stamp_ns
from refit_ros.node.large_messages import PROFILE_VARIABLES, segment_bytes, write_profile
from refit_ros.node.other_work import machine_used_s, others_share
from refit_ros.node.processes import SIGINT_PATIENCE_S, Children

if TYPE_CHECKING:
    import rclpy

NODE, CAMERAS = "node", "cameras"
OVERLAY_PATIENCE_S = 3.0
LAST_RESORT_WITH_CHILDREN_S = SIGINT_PATIENCE_S + 6.0  # where signals are only noted: children are ended first


class NotWell(RuntimeError):
    """The system ran and did not do what it should; the message says what."""


@dataclass(frozen=True)
class Setup:
    """What is run, and for how long."""

    seconds: float  # measured, after the first message
    log_folder: Path  # each program's output
    camera_options: Mapping[str, object]  # parameters of the synthetic cameras
    node_parameters: Mapping[str, object]  # parameters of the refit node, or of its parts
    domain_id: int  # ROS_DOMAIN_ID
    start_patience_s: float = 300.0  # for the first message; the first run ever compiles, and machines are busy
    settle_s: float = 1.0  # after the first message, before anything is counted
    overlays_at: tuple[float, ...] = ()  # fractions of the time at which images are taken
    environment: Mapping[str, str] = field(default_factory=dict)
    programs: Mapping[str, str] = field(default_factory=lambda: {NODE: "node"})  # command of NODE, and of what it needs
    beside_node: Callable[[int], AbstractContextManager] = nullcontext  # of its process id; around the time that counts


@dataclass(frozen=True)
class Measured:
    """What came out of it."""

    start_s: float  # from starting the node to its first message
    seconds: float  # the time that counts
    frames_in: int  # sets of images published
    frames_out: int  # messages on /human/smpl that answer one of them
    latency_ms: np.ndarray  # (frames_out,) capture to publish, as the messages say
    arrival_ms: np.ndarray  # (frames_out,) capture to arrival at the listener
    true_people: int  # in the scene
    people_seen: float  # estimates a message, mean
    node_cpu_s: float
    cameras_cpu_s: float
    markers: int  # messages
    tf: int  # messages
    frame_id: str
    comparison: Comparison
    diagnostics: Mapping[str, dict]
    overlays: tuple[Mapping[str, np.ndarray], ...]  # camera -> (H, W, 3) RGB, at each of `overlays_at`
    others_share: float | None = None  # of all cores, taken by other programs meanwhile; None: not known
    exit_codes: Mapping[str, int] = field(default_factory=dict)  # of each program, told to stop by SIGINT

    @property
    def fps(self) -> float:
        """Answers a second."""
        return self.frames_out / self.seconds


@dataclass(frozen=True)
class Answer:
    """A message on /human/smpl that answers a set of images."""

    stamp_ns: int
    arrival_ns: int
    message: object


def own_domain_id() -> int:
    """A ROS domain that nobody on this machine uses, below the limit of 101 of DDS's port numbers.

    Whoever is in a domain first has taken the port of its participant 0 (DDSI-RTPS 9.6.1.1: 7400 + 250 d + 10). Two who ask
    at the same moment begin at different ones.
    """
    candidates = [40 + (os.getpid() + step) % 60 for step in range(60)]
    return next((domain_id for domain_id in candidates if _is_free(7410 + 250 * domain_id)), candidates[0])


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("", port))
        except OSError:
            return False
        return True


def environment_for(setup: Setup) -> dict[str, str]:
    """The children's: this machine only, their own domain."""
    environment = {**os.environ, **setup.environment}
    environment.pop("ROS_LOCALHOST_ONLY", None)  # older than the next one, and overrides it
    environment |= {
        "ROS_DOMAIN_ID": str(setup.domain_id),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
        "PYTHONUNBUFFERED": "1",
    }
    if not any(name in environment for name in PROFILE_VARIABLES):  # else the user has one that they want
        size_bytes = segment_bytes(
            *(
                int(setup.camera_options.get(name, least))
                for name, least in (("cameras", 1), ("width", 640), ("height", 480))
            )
        )
        environment |= write_profile(setup.log_folder / "fast_dds.xml", size_bytes)
    return environment


def run_system(setup: Setup, progress: Callable[[str], None] = lambda line: None) -> Measured:
    """Start everything, listen, end everything. Call from the main thread.

    `progress` gets a line about each second. Raises ChildEnded when a program ends by itself, NotWell when it runs and
    does not do its work, and ValueError when what is asked for cannot be done. No child outlives this call.
    """
    with surroundings(setup) as (context, children):
        from refit_ros.node.monitor import Monitor

        monitor = Monitor(context=context)
        try:
            measured = _measure(setup, children, monitor, progress)
        finally:
            monitor.close()
        return replace(measured, exit_codes=children.end())


@contextmanager
def surroundings(setup: Setup) -> Iterator[tuple[rclpy.Context, Children]]:
    """Where programs are started and listened to: a context in their domain, and none of them yet. None outlives it."""
    import rclpy
    from rclpy.signals import SignalHandlerOptions

    setup.log_folder.mkdir(parents=True, exist_ok=True)
    environment, before = environment_for(setup), dict(os.environ)
    os.environ.pop("ROS_LOCALHOST_ONLY", None)
    os.environ |= {
        name: environment[name] for name in ("ROS_AUTOMATIC_DISCOVERY_RANGE", *PROFILE_VARIABLES) if name in environment
    }
    interrupt.check()
    interrupt.allow(LAST_RESORT_WITH_CHILDREN_S)
    context = rclpy.Context()
    # Python's own handlers stay: Ctrl-C must come out of here as KeyboardInterrupt, children ended on the way.
    rclpy.init(context=context, domain_id=setup.domain_id, signal_handler_options=SignalHandlerOptions.NO)
    try:
        with Children(setup.log_folder, environment) as children:
            yield context, children
    finally:
        context.try_shutdown()
        os.environ.clear()  # what comes after this has other files
        os.environ |= before


def _measure(setup: Setup, children: Children, monitor, progress: Callable[[str], None]) -> Measured:
    from refit_ros.node.synthetic_options import camera_names

    names = camera_names(int(setup.camera_options.get("cameras", 1)))
    children.start(CAMERAS, ["synthetic_cameras", "--ros-args", *as_arguments(setup.camera_options)])
    _await("first images", lambda: bool(monitor.heard.truth), setup, children, monitor, progress)
    # Only now: the node's start is measured, and it would share the cores with the rendering.
    given = {"cameras": names, "evidence": "features", **setup.node_parameters}  # the people are drawn
    for name, command in setup.programs.items():
        children.start(name, [command, "--ros-args", *as_arguments(given)])
    start_s = _await("first message on /human/smpl", lambda: bool(monitor.heard.smpl), setup, children, monitor, progress)
    monitor.listen(setup.settle_s)
    monitor.forget()
    cpu_before_s = {name: children.cpu_s(name) for name in (*setup.programs, CAMERAS)}
    own_before_s, all_before_s = time.process_time(), machine_used_s()
    began_s = time.monotonic()
    with setup.beside_node(children.process_id(NODE)):
        overlays = _listen(setup, children, monitor, names, began_s, progress)
        seconds = time.monotonic() - began_s
    cpu_s = {name: children.cpu_s(name) - before_s for name, before_s in cpu_before_s.items()}
    own_s = time.process_time() - own_before_s + sum(cpu_s.values())
    others = others_share(all_before_s, machine_used_s(), own_s, seconds)
    heard, frames_in = monitor.heard, len(monitor.heard.truth)
    monitor.listen(0.3)  # the answers to the last sets are still on their way
    children.check()
    return _evaluate(
        heard,
        frames_in,
        start_s=start_s,
        seconds=seconds,
        node_cpu_s=sum(cpu_s[name] for name in setup.programs),
        cameras_cpu_s=cpu_s[CAMERAS],
        overlays=tuple(overlays),
        others_share=others,
    )


def as_arguments(parameters: Mapping[str, object]) -> list[str]:
    import json

    # JSON is YAML, which is what ROS reads parameters as; and keeps text text.
    return [part for name, value in parameters.items() for part in ("-p", f"{name}:={json.dumps(value)}")]


def _await(what: str, came: Callable[[], bool], setup: Setup, children: Children, monitor, progress) -> float:
    """Listen until it came; the seconds that took. Raises NotWell where it does not, ChildEnded where it cannot."""
    began_s = time.monotonic()
    while not came():
        waited_s = time.monotonic() - began_s
        if waited_s > setup.start_patience_s:
            raise NotWell(f"no {what} within {setup.start_patience_s:.0f} s; see {setup.log_folder}/*.log")
        monitor.listen(0.2)
        children.check()
        for transition in ("configure failed", "activate failed"):  # the node stays alive then, and silent
            if reason := children.complaint(NODE, transition):
                raise NotWell(reason)
        if int(waited_s + 0.2) > int(waited_s):
            progress(f"{waited_s + 0.2:5.1f} s  waiting for the {what}")
    return time.monotonic() - began_s


def _listen(setup: Setup, children: Children, monitor, names: list[str], began_s: float, progress) -> list[dict]:
    """Until the time is over; the overlays asked for."""
    overlays, to_take = [], sorted(setup.overlays_at)
    while (done_s := time.monotonic() - began_s) < setup.seconds:
        if to_take and done_s >= to_take[0] * setup.seconds:
            to_take.pop(0)
            overlays.append(monitor.take_overlays(names, OVERLAY_PATIENCE_S))
            continue
        monitor.listen(min(1.0, setup.seconds - done_s, *(t * setup.seconds - done_s for t in to_take[:1])))
        children.check()
        progress(_progress_line(time.monotonic() - began_s, monitor.heard))
    return overlays


def _progress_line(seconds: float, heard) -> str:
    from refit_ros.node.monitor import read_smpl

    line = f"{seconds:5.1f} s  in {len(heard.truth):4d}  out {len(heard.smpl):4d}"
    if heard.smpl:
        last = read_smpl(heard.smpl[-1][1])
        line += (
            f"  people {len(last.people)}  {len(heard.smpl) / seconds:5.1f} fps"
            f"  latency {_duration_ms(last.latency):6.1f} ms"
        )
    return line


def _duration_ms(duration) -> float:
    return duration.sec * 1e3 + duration.nanosec / 1e6


def _evaluate(heard, frames_in: int, **measured) -> Measured:
    """Read all messages, check them and compare them with the truth of the same stamp."""
    from refit_ros.node.monitor import read_smpl
    from refit_ros.node.synthetic_cameras import WORLD

    truth = {stamp_ns(message.header.stamp): message for message in map(read_smpl, heard.truth[:frames_in])}
    came = [(arrival_ns, read_smpl(content)) for arrival_ns, content in heard.smpl]
    answers = [
        Answer(stamp, arrival_ns, message)
        for arrival_ns, message in came
        if (stamp := stamp_ns(message.header.stamp)) in truth
    ]
    if not answers:
        raise NotWell(f"{len(heard.smpl)} messages on /human/smpl, and none has the stamp of an image")
    check_finite(answer.message for answer in answers)
    frame_id = answers[-1].message.header.frame_id
    fixed_from_world = np.linalg.inv(world_from_message_frame(frame_id, WORLD, heard.world_from_frame))
    comparison = compare(
        (bodies_from(answer.message, np.eye(4)), bodies_from(truth[answer.stamp_ns], fixed_from_world)) for answer in answers
    )
    return Measured(
        frames_in=frames_in,
        frames_out=len(answers),
        latency_ms=np.array([_duration_ms(answer.message.latency) for answer in answers]),
        arrival_ms=np.array([(answer.arrival_ns - answer.stamp_ns) / 1e6 for answer in answers]),
        true_people=max(len(message.people) for message in truth.values()),
        people_seen=float(np.mean([len(answer.message.people) for answer in answers])),
        markers=heard.markers,
        tf=heard.tf,
        frame_id=frame_id,
        comparison=comparison,
        diagnostics=heard.diagnostics,
        **measured,
    )


def check_finite(messages) -> None:
    """Raises NotWell on the first number that is none."""
    for message in messages:
        for person in message.people:
            place = person.transl
            numbers = np.concatenate(
                [
                    person.betas,
                    person.global_orient,
                    person.body_pose,
                    person.joint_stddev,
                    [place.x, place.y, place.z, person.confidence],
                    *([joint.x, joint.y, joint.z] for joint in person.joints),
                ]
            )
            if not np.isfinite(numbers).all():
                raise NotWell(
                    f"person {person.id} in the message of {stamp_ns(message.header.stamp) / 1e9:.3f} s "
                    "holds a number that is not finite"
                )
