"""Links of the rig of hosts do what they are told, and figures say what was heard."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict

import numpy as np
import pytest

from refit_ros.benchmarking import host_network
from refit_ros.benchmarking.host_figures import Said, between, figures, heard
from refit_ros.benchmarking.host_network import HostNetwork, why_not
from refit_ros.benchmarking.hosts_suite import Plan
from refit_ros.benchmarking.spoiled_link import LONGEST_QUEUE_S, Direction, Fault
from refit_ros.benchmarking.tables import tables_of

PORT, PATIENCE_S = 5005, 60.0


def test_a_link_loses_delays_and_limits_as_told():
    direction = Direction(1)
    assert all(direction.arrival_s(Fault(), 1500, now_s) == now_s for now_s in (0.0, 1.0, 2.0))
    came = [direction.arrival_s(Fault(loss=0.1), 100, 5.0) for _ in range(2000)]
    assert 0.08 < came.count(None) / 2000 < 0.12 and set(came) == {None, 5.0}
    late = np.array([direction.arrival_s(Fault(delay_s=0.05, jitter_s=0.05), 100, 5.0) - 5.0 for _ in range(2000)])
    assert late.min() >= 0 and late.max() <= 0.1 and 0.045 < late.mean() < 0.055 and late.std() > 0.02
    limited = Direction(1)
    came = [limited.arrival_s(Fault(rate_bit_s=1e6), 1250, 0.0) for _ in range(20)]  # 10 ms each
    assert came[:11] == pytest.approx([0.01 * (number + 1) for number in range(11)]) and came[11:] == [None] * 9
    assert LONGEST_QUEUE_S == 0.1
    assert limited.arrival_s(Fault(rate_bit_s=1e6), 1250, 1.0) == pytest.approx(1.01)  # the queue is empty again


def test_faults_in_the_words_of_netem():
    assert Fault(loss=0.1).netem() == ["loss", "10%"] and Fault().netem() == []
    assert Fault(delay_s=0.05, jitter_s=0.05).netem() == ["delay", "50ms", "50ms"]
    assert Fault(rate_bit_s=1e7).netem() == ["rate", "10000000bit"]


def test_without_namespaces_there_is_a_sentence(monkeypatch):
    def missing(*_, **__):
        raise FileNotFoundError("ip")

    monkeypatch.setattr(host_network.subprocess, "run", missing)
    assert "iproute2" in why_not()
    refused = subprocess.CompletedProcess([], 1, "", "mount --make-shared /run/netns failed: Operation not permitted")
    monkeypatch.setattr(host_network.subprocess, "run", lambda *_, **__: refused)
    assert why_not().startswith("network namespaces are not allowed here") and "not permitted" in why_not()


ECHO = f"""
import socket, sys
answers = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
answers.bind(("0.0.0.0", {PORT}))
print("ready", flush=True)
while True:
    data, whence = answers.recvfrom(2000)
    answers.sendto(data, whence)
"""

ASK = f"""
import socket, sys
asks = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
asks.settimeout(float(sys.argv[2]))
for number in range(int(sys.argv[3])):
    asks.sendto(str(number).encode() * 100, (sys.argv[1], {PORT}))
    try:
        if asks.recv(2000)[:1] == str(number).encode()[:1]:
            print("answered", flush=True)
            break
    except TimeoutError:
        pass
else:
    print("silent", flush=True)
"""


def test_hosts_hear_each_other_and_a_spoiled_link_is_spoiled():
    if reason := why_not():
        pytest.skip(reason)
    left = f"refit4194305_left{os.getpid()}"  # of a process that cannot be: the largest number is 4194304
    subprocess.run(["ip", "netns", "add", left], check=True)
    with HostNetwork(["a", "b", "c"], ["a"]) as network:
        assert left not in subprocess.run(["ip", "netns", "list"], capture_output=True, text=True).stdout

        def within(host: str, program: str, *words: str) -> subprocess.Popen:
            command = ["ip", "netns", "exec", network.space(host), sys.executable, "-S", "-c", program, *words]
            return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

        def asked(host: str, number: int, each_s: float, times: int) -> str:
            asking = within(host, ASK, f"{host_network.NETWORK}.{number}", str(each_s), str(times))
            try:
                return asking.communicate(timeout=PATIENCE_S + each_s * times)[0].strip()
            finally:
                asking.kill()

        echo = within("a", ECHO)
        try:
            assert echo.stdout.readline() == "ready\n"
            assert asked("b", 1, 1.0, 60) == "answered"
            sent, got = network.bytes_of("a")
            assert sent > 100 and got > 100 and network.bytes_of("c")[0] < sent + 10**5
            network.spoil("a", Fault(loss=1.0))
            assert asked("b", 1, 0.1, 5) == "silent"
            network.spoil("a", Fault())
            assert asked("c", 1, 1.0, 60) == "answered"
        finally:
            echo.kill()
            echo.wait()
    assert network.space("a") not in subprocess.run(["ip", "netns", "list"], capture_output=True, text=True).stdout


def said(stamp_s: float, *people: tuple[int, float]) -> Said:
    return Said(
        stamp_s, stamp_s + 0.05, ("camera1",), tuple(one for one, _ in people), np.array([[x, 0, 1] for _, x in people])
    )


def test_figures_tell_errors_switches_misses_and_gaps():
    truth = np.array([[0.0, 0, 1], [2, 0, 1]])
    heard_of = [
        said(10.0, (1, 0.01), (2, 2.03)),
        said(10.1, (2, 2.0), (1, 0.0)),
        said(10.2, (3, 0.0)),  # another number for who was 1, and nobody where 2 is
        said(11.2, (3, 0.0), (2, 2.0), (9, 7.0)),
    ]
    found = figures(heard_of, lambda stamp_s: truth)
    assert found["id switches"] == 1 and found["false people"] == 1 and found["longest gap [s]"] == pytest.approx(1.0)
    assert found["people missed [%]"] == pytest.approx(100 / 8) and found["pelvis error, mean [mm]"] == pytest.approx(40 / 7)
    assert found["latency p50 [ms]"] == pytest.approx(50) and found["sets/s"] == pytest.approx(3 / 1.2)
    assert between(heard_of, 10.1, 11.2) == heard_of[1:3]
    assert figures([], lambda stamp_s: truth)["pelvis error, mean [mm]"] is None


def test_a_half_written_line_is_not_read(tmp_path):
    file = tmp_path / "heard.jsonl"
    line = json.dumps(
        {"what": "people", "came_ns": 2 * 10**9, "stamp_ns": 10**9, "cameras": ["a"], "people": [[4, 1.0, 2.0, 3.0]]}
    )
    file.write_text(line + "\n" + line[:40])
    (one,) = heard(file)["people"]
    assert (one.stamp_s, one.came_s, one.ids) == (1.0, 2.0, (4,)) and one.pelvis_m.tolist() == [[1, 2, 3]]
    assert heard(tmp_path / "none") == {"people": [], "truth": []}


def test_the_table_holds_a_row_for_each_scenario():
    truth = np.array([[0.0, 0, 1], [2, 0, 1]])
    whole, none = (figures(heard_of, lambda stamp_s: truth) for heard_of in ([said(10.0, (1, 0.01), (2, 2.03))], []))
    networks = {"Drawn": {"plan": asdict(Plan()), "rows": {"nothing lost": whole, "all lost": none}}}
    result = {
        "suite": "hosts",
        "machine": {"processor": "one", "cores": 2, "system": "Linux", "python": "3"},
        "versions": {},
        "date": "2026-01-01",
        "threads": 1,
        "took_s": 1,
        "command": "benchmark --suite hosts",
        "results": {"links": "tc netem", "networks": networks},
    }
    lines = tables_of(result).splitlines()
    assert "### Drawn" in lines and any("4 x 2 cameras, 2 people, 10 images/s, 20 s each" in line for line in lines)
    (row,) = [line for line in lines if line.startswith("| nothing lost |")]
    assert "| 20 |" in row and "| all lost | 0 | 0 |" in "\n".join(lines)
