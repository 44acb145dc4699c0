"""Hosts that are network namespaces of this machine, joined by a bridge, and what spoils their links. Needs root (Linux).

Each host has one device `eth0`. The link of hosts that may be spoiled goes through `tc netem` where the kernel has it, else
through a program (`spoiled_link`).
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from contextlib import ExitStack

from refit_ros.benchmarking.spoiled_link import Fault, as_line

NETWORK = "10.87.13"  # only inside the namespaces
SWITCH = "switch"


def why_not() -> str:
    """A sentence where hosts cannot be made, else "". It makes one, with a link that can be spoiled."""
    try:
        with HostNetwork(["one"], ["one"]) as network:
            network.spoil("one", Fault())
            network.bytes_of("one")
    except FileNotFoundError:
        return "there is no `ip` (package iproute2): network namespaces cannot be made"
    except (RuntimeError, OSError, ValueError, KeyError) as error:
        return f"network namespaces are not allowed here (they take Linux, root, veth pairs and TAP devices): {error}"
    return ""


def _run(*words: str) -> subprocess.CompletedProcess:
    return subprocess.run(words, capture_output=True, text=True)


def _must(*words: str) -> str:
    """Raises RuntimeError with what the program said."""
    done = _run(*words)
    if done.returncode:
        raise RuntimeError(f"`{' '.join(words)}` failed: {done.stderr.strip()}")
    return done.stdout


class HostNetwork:
    """Hosts by name, on leaving the `with` gone. `spoilable` are those whose link `spoil` may be called for."""

    def __init__(self, hosts: list[str], spoilable: list[str] = ()) -> None:
        self.hosts, self._spoilable = list(hosts), set(spoilable)
        self._links: dict[str, subprocess.Popen | None] = {}  # None: netem's
        self._opened = ExitStack()

    def space(self, host: str) -> str:
        """Name of a host's namespace."""
        return f"refit{os.getpid()}_{host}"

    def __enter__(self) -> HostNetwork:
        _remove_left_ones()
        with ExitStack() as opened:
            for host in (SWITCH, *self.hosts):
                _must("ip", "netns", "add", self.space(host))
                opened.callback(_run, "ip", "netns", "del", self.space(host))
            switch = self.space(SWITCH)
            # Without snooping: nobody here asks who wants which multicast, and what was not asked for would be lost.
            _must("ip", "-n", switch, "link", "add", "bridge0", "type", "bridge", "mcast_snooping", "0")
            _must("ip", "-n", switch, "link", "set", "bridge0", "up")
            for number, host in enumerate(self.hosts):
                self._join(number, host, opened)
            self._opened = opened.pop_all()
        return self

    def __exit__(self, *error) -> None:
        self._opened.close()

    def _join(self, number: int, host: str, opened: ExitStack) -> None:
        space, switch = self.space(host), self.space(SWITCH)
        if host in self._spoilable and not _has_netem():
            self._links[host] = self._relay(host, opened)
        else:
            _must("ip", "link", "add", "eth0", "netns", space, "type", "veth", "peer", "name", host, "netns", switch)
            if host in self._spoilable:
                self._links[host] = None
        _must("ip", "-n", switch, "link", "set", "dev", host, "master", "bridge0", "up")
        _must("ip", "-n", space, "addr", "add", f"{NETWORK}.{number + 1}/24", "dev", "eth0")
        for device in ("lo", "eth0"):
            _must("ip", "-n", space, "link", "set", "dev", device, "up")
        _must("ip", "-n", space, "route", "add", "224.0.0.0/4", "dev", "eth0")

    def _relay(self, host: str, opened: ExitStack) -> subprocess.Popen:
        words = ["refit_ros.benchmarking.spoiled_link", self.space(host), "eth0", self.space(SWITCH), host]
        relay = subprocess.Popen(
            [sys.executable, "-m", *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        opened.callback(relay.wait)
        opened.callback(relay.kill)
        if relay.stdout.readline().strip() != "ready":
            raise RuntimeError("no TAP devices can be made here (/dev/net/tun), and the kernel has no netem")
        return relay

    def how(self) -> str:
        """Who spoils links, for the report."""
        return "tc netem" if None in self._links.values() else "a program between two TAP devices (the kernel has no netem)"

    def spoil(self, host: str, fault: Fault) -> None:
        """Both directions of a host's link, from now on."""
        relay = self._links[host]
        if relay is not None:
            relay.stdin.write(as_line(fault))
            relay.stdin.flush()
            return
        for space, device in ((self.space(host), "eth0"), (self.space(SWITCH), host)):
            tc = ["ip", "netns", "exec", space, "tc", "qdisc"]
            _run(*tc, "del", "dev", device, "root")
            if fault.netem():
                _must(*tc, "add", "dev", device, "root", "netem", *fault.netem())

    def bytes_of(self, host: str) -> tuple[int, int]:
        """What a host has sent, and got, so far."""
        counts = json.loads(_must("ip", "-n", self.space(host), "-s", "-j", "link", "show", "eth0"))[0]["stats64"]
        return counts["tx"]["bytes"], counts["rx"]["bytes"]


def _remove_left_ones() -> None:
    """Namespaces of programs that were killed before they could tidy up."""
    for line in _must("ip", "netns", "list").splitlines():
        name = line.split()[0] if line.split() else ""
        owner = re.fullmatch(r"refit(\d+)_\w+", name)
        if owner and not os.path.exists(f"/proc/{owner[1]}"):
            _run("ip", "netns", "del", name)


def _has_netem() -> bool:
    """Whether this kernel has it (as a module too)."""
    space = f"refit{os.getpid()}_netem"
    _must("ip", "netns", "add", space)
    try:
        tc = _run("ip", "netns", "exec", space, "tc", "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms")
    except FileNotFoundError:
        return False
    finally:
        _run("ip", "netns", "del", space)
    return tc.returncode == 0
