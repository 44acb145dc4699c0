"""`--suite hosts`: edges and fusion over a network that loses, delays, limits, and of which hosts die.

Four hosts with two cameras each, a host for the fusion, one for a standby, and a robot that listens to /human/smpl: network
namespaces of this machine (`host_network`). Eyes are drawn (`drawn_evidence`): messages, DDS, fusion and network are real.
Then one host with two synthetic cameras and the embedded network's own eyes, and a fusion host.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from refit_ros.benchmarking.drawn_evidence import pelvis_m
from refit_ros.benchmarking.host_figures import Said, between, figures, heard
from refit_ros.benchmarking.host_network import HostNetwork, why_not
from refit_ros.benchmarking.spoiled_link import Fault

FUSION, STANDBY, ROBOT = "fusion", "standby", "robot"
START_WAIT_S = 240.0  # until all is seen by all: machines are busy
SETTLE_S = 2.0  # after a link was spoiled, before anything is counted
LOOK_S = 0.2
DOMAIN = 77  # within the namespaces: it meets nobody
PATIENCE = {"camera_timeout_s": 2.0, "evidence_wait_s": 1.0}  # where networks look at images, on however busy a machine
REAL_EVIDENCE = "features"  # of the edge and the fusion: what either would choose depends on which models lie there
PLAIN = "nothing lost"
LINKS = {
    "10 % lost on one of the links": Fault(loss=0.1),
    "0 .. 100 ms delay on one (50 ms jitter)": Fault(delay_s=0.05, jitter_s=0.05),
    "10 Mbit/s on one": Fault(rate_bit_s=1e7),
}
HOST_KILLED, FUSION_KILLED = "one host killed and back", "the fusion host killed, a standby goes on"


@dataclass(frozen=True)
class Plan:
    hosts: int = 4
    cameras_each: int = 2
    people: int = 2
    rate_hz: float = 10.0
    seconds: float = 20.0  # for each scenario

    @property
    def cameras(self) -> list[str]:
        return [f"camera{number + 1}" for number in range(self.hosts * self.cameras_each)]

    def cameras_of(self, host: int) -> list[str]:
        return self.cameras[host * self.cameras_each : (host + 1) * self.cameras_each]


class Hosts:
    """The network with its programs. `drawn`: eyes are; else host 1 has the synthetic cameras and the embedded network."""

    def __init__(self, plan: Plan, folder: Path, drawn: bool, opened: ExitStack) -> None:
        from refit_ros.node.processes import Children

        self.plan, self._folder, self._drawn = plan, folder, drawn
        names = [f"host{number + 1}" for number in range(plan.hosts)]
        self.network = opened.enter_context(HostNetwork([FUSION, STANDBY, ROBOT, *names], ["host1"]))
        environment = {
            **os.environ,
            # Namespaces share the machine's memory: without this Fast DDS would not use the network at all.
            "FASTDDS_BUILTIN_TRANSPORTS": "UDPv4",
            "OMP_NUM_THREADS": "1",
            "ROS_DOMAIN_ID": str(DOMAIN),
            "ROS_AUTOMATIC_DISCOVERY_RANGE": "SUBNET",
        }
        for name in ("ROS_LOCALHOST_ONLY", "FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE"):
            environment.pop(name, None)
        self._children = opened.enter_context(Children(folder, environment, ("ip", "netns", "exec")))
        self._file = folder / "heard.jsonl"
        own = "refit_ros.benchmarking.host_programs"
        self._start("listener", ROBOT, own, "listen", "--output", str(self._file))
        for number in range(plan.hosts):
            self.start_edge(number)
        self.start_fusion(FUSION)

    def start_edge(self, number: int) -> None:
        host, plan = f"host{number + 1}", self.plan
        if self._drawn:
            options = ["--of", str(len(plan.cameras)), "--people", str(plan.people), "--rate", str(plan.rate_hz)]
            program = "refit_ros.benchmarking.host_programs"
            self._start(f"edge{number + 1}", host, program, "edge", "--cameras", *plan.cameras_of(number), *options)
            return
        parameters = {"cameras": len(plan.cameras), "rate": plan.rate_hz, "people": plan.people, "length": 4.0}
        self._start("cameras", host, "refit_ros", "synthetic_cameras", "--ros-args", *_given(parameters))
        own = {"cameras": plan.cameras, "evidence": REAL_EVIDENCE, **PATIENCE}
        self._start("edge1", host, "refit_ros", "edge", "--ros-args", *_given(own))

    def start_fusion(self, host: str) -> None:
        evidence, frame = ("keypoints", "map") if self._drawn else (REAL_EVIDENCE, "world")
        parameters = {"cameras": self.plan.cameras, "fixed_frame": frame, "evidence": evidence}
        parameters |= {} if self._drawn else PATIENCE
        self._start(host, host, "refit_ros", "fusion", "--ros-args", *_given(parameters))

    def _start(self, name: str, host: str, module: str, *words: str) -> None:
        self._children.start(name, [self.network.space(host), sys.executable, "-m", module, *words])

    def kill(self, name: str) -> None:
        self._children.kill(name)

    def heard(self) -> dict[str, list[Said]]:
        return heard(self._file)

    def wait(self, what: str, came: Callable[[], bool], patience_s: float = START_WAIT_S) -> None:
        """Raises RuntimeError when it does not come, ChildEnded when it cannot."""
        end_s = time.monotonic() + patience_s
        while not came():
            if time.monotonic() > end_s:
                raise RuntimeError(f"no {what} within {patience_s:.0f} s; see {self._folder}/*.log")
            self._children.check()
            time.sleep(LOOK_S)

    def says(self, name: str, words: str) -> bool:
        return self._children.complaint(name, words) is not None

    def truth(self) -> Callable[[float], np.ndarray]:
        if self._drawn:
            return lambda stamp_s: pelvis_m(self.plan.people, stamp_s)
        known = {one.stamp_s: one.pelvis_m for one in self.heard()["truth"]}
        return lambda stamp_s: known.get(stamp_s, np.zeros((0, 3)))

    def all_seen(self) -> bool:
        """Everybody by all cameras, in the last message."""
        last = self.heard()["people"][-1:]
        return bool(last and len(last[0].ids) == self.plan.people and len(last[0].cameras) == len(self.plan.cameras))


def run_hosts_suite(seconds: float, say: Callable[[str], None], plan: Plan | None = None) -> dict:
    """Raises ValueError with a sentence where hosts cannot be made here."""
    if reason := why_not():
        raise ValueError(reason)
    plan = plan or Plan(seconds=seconds)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as opened:
        hosts = Hosts(plan, Path(folder), True, opened)
        rows = drawn_rows(hosts, say)
        how = hosts.network.how()
    real = Plan(hosts=1, people=1, rate_hz=3.0, seconds=seconds)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as opened:
        hosts = Hosts(real, Path(folder), False, opened)
        say("real eyes: until everybody is seen")
        hosts.wait("people that all cameras see", hosts.all_seen)
        encoded = {PLAIN: measured(hosts, lambda: None), **link_rows(hosts, say)}
    return {
        "links": how,
        "networks": {
            "Keypoints, eyes drawn": {"plan": asdict(plan), "rows": rows},
            "Features of rendered images, by the embedded network": {"plan": asdict(real), "rows": encoded},
        },
    }


def drawn_rows(hosts: Hosts, say: Callable[[str], None]) -> dict[str, dict]:
    """Scenario -> figures; one after the other, links whole again in between."""
    say(f"{hosts.plan.hosts} hosts, until everybody is seen")
    hosts.wait("people that all cameras see", hosts.all_seen)
    say(PLAIN)
    rows = {PLAIN: measured(hosts, lambda: None), **link_rows(hosts, say)}
    say(HOST_KILLED)
    rows[HOST_KILLED] = measured(hosts, lambda: _kill_and_start(hosts))
    hosts.wait("people that all cameras see", hosts.all_seen)
    say(FUSION_KILLED)
    hosts.start_fusion(STANDBY)
    hosts.wait("standby", lambda: hosts.says(STANDBY, "active: waiting"))
    time.sleep(2 * SETTLE_S)
    rows[FUSION_KILLED] = measured(hosts, lambda: _kill_fusion(hosts))
    return rows


def link_rows(hosts: Hosts, say: Callable[[str], None]) -> dict[str, dict]:
    rows = {}
    for title, fault in LINKS.items():
        say(title)
        hosts.network.spoil("host1", fault)
        rows[title] = measured(hosts, lambda: None)
        hosts.network.spoil("host1", Fault())
        hosts.wait("people that all cameras see", hosts.all_seen)
    return rows


def measured(hosts: Hosts, happens: Callable[[], None]) -> dict[str, float | None]:
    """Figures of a while in which something happens, and bytes a second from and to hosts."""
    time.sleep(SETTLE_S)
    begin_s, watched = time.time(), ("host1", FUSION)
    before = {host: hosts.network.bytes_of(host) for host in watched}
    happens()
    time.sleep(max(0.0, begin_s + hosts.plan.seconds - time.time()))
    after, end_s = {host: hosts.network.bytes_of(host) for host in watched}, time.time()
    time.sleep(SETTLE_S)  # what is still on its way
    found = figures(between(hosts.heard()["people"], begin_s, end_s), hosts.truth())
    for host in watched:
        for which, way in enumerate(("sends", "gets")):
            found[f"{host} {way} [kB/s]"] = 1e-3 * (after[host][which] - before[host][which]) / (end_s - begin_s)
    return found


def _kill_and_start(hosts: Hosts) -> None:
    time.sleep(hosts.plan.seconds / 4)
    hosts.kill("edge1")
    time.sleep(hosts.plan.seconds / 4)
    hosts.start_edge(0)


def _kill_fusion(hosts: Hosts) -> None:
    time.sleep(hosts.plan.seconds / 3)
    hosts.kill(FUSION)


def _given(parameters: dict[str, object]) -> Sequence[str]:
    import json

    return [word for name, value in parameters.items() for word in ("-p", f"{name}:={json.dumps(value)}")]
