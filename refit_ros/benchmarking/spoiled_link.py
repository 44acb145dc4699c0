"""A link between two network namespaces that loses, delays and limits, where the kernel has no `tc netem` for that.

    python -m refit_ros.benchmarking.spoiled_link SPACE DEVICE OTHER_SPACE OTHER_DEVICE

makes a TAP device in each of two namespaces and hands Ethernet frames from one to the other; lines of JSON on standard
input (`{"loss": 0.1, "delay_s": 0.05, "jitter_s": 0.05, "rate_bit_s": 1e7}`) say what they meet on the way. Needs root.
"""

from __future__ import annotations

import heapq
import itertools
import json
import os
import random
import sys
import time
from dataclasses import dataclass, fields

SEED = 7
LONGEST_QUEUE_S = 0.1  # of what waits for the rate; frames beyond it are lost
_FRAME = 65536
_TUNSETIFF, _IFF_TAP, _IFF_NO_PI = 0x400454CA, 0x0002, 0x1000  # <linux/if_tun.h>
_CLONE_NEWNET = 0x40000000  # <linux/sched.h>


@dataclass(frozen=True)
class Fault:
    """Of each direction of a link."""

    loss: float = 0.0  # share of the frames
    delay_s: float = 0.0
    jitter_s: float = 0.0  # delays lie evenly within delay_s +- jitter_s: frames overtake each other
    rate_bit_s: float = 0.0  # 0: no limit

    def netem(self) -> list[str]:
        """The same in the words of tc-netem(8)."""
        words = ["loss", f"{100 * self.loss:g}%"] if self.loss else []
        if self.delay_s or self.jitter_s:
            words += ["delay", f"{1e3 * self.delay_s:g}ms", f"{1e3 * self.jitter_s:g}ms"]
        if self.rate_bit_s:
            words += ["rate", f"{self.rate_bit_s:.0f}bit"]
        return words


class Direction:
    """When each frame of one direction arrives. No sockets and no clock in here."""

    def __init__(self, seed: int) -> None:
        self._dice, self._free_s = random.Random(seed), 0.0

    def arrival_s(self, fault: Fault, size: int, now_s: float) -> float | None:
        """Of a frame of `size` bytes that is sent now; None: it is lost."""
        if self._dice.random() < fault.loss:
            return None
        begin_s = now_s
        if fault.rate_bit_s:
            begin_s = max(now_s, self._free_s)
            if begin_s - now_s > LONGEST_QUEUE_S:
                return None
            begin_s = self._free_s = begin_s + 8 * size / fault.rate_bit_s
        return begin_s + max(fault.delay_s + fault.jitter_s * self._dice.uniform(-1, 1), 0.0)


class _Relay:
    """Frames between two TAP devices."""

    def __init__(self, one: int, other: int) -> None:
        self._ways = {one: (other, Direction(SEED)), other: (one, Direction(SEED + 1))}
        self._waiting: list[tuple[float, int, int, bytes]] = []
        self._count, self._fault = itertools.count(), Fault()

    def run(self) -> None:
        """Until standard input ends."""
        import select

        while True:
            wait_s = max(self._waiting[0][0] - time.monotonic(), 0.0) if self._waiting else None
            ready, _, _ = select.select([*self._ways, 0], [], [], wait_s)
            if 0 in ready:
                line = os.read(0, 4096)
                if not line:
                    return
                self._fault = Fault(**json.loads(line.splitlines()[-1]))
            for device in ready:
                if device:
                    self._take(device)
            while self._waiting and self._waiting[0][0] <= time.monotonic():
                _, _, device, frame = heapq.heappop(self._waiting)
                _hand_on(device, frame)

    def _take(self, device: int) -> None:
        other, direction = self._ways[device]
        for _ in range(100):
            try:
                frame = os.read(device, _FRAME)
            except (BlockingIOError, OSError):
                return
            now_s = time.monotonic()
            at_s = direction.arrival_s(self._fault, len(frame), now_s)
            if at_s is not None and at_s <= now_s:
                _hand_on(other, frame)
            elif at_s is not None:
                heapq.heappush(self._waiting, (at_s, next(self._count), other, frame))


def _hand_on(device: int, frame: bytes) -> None:
    try:
        os.write(device, frame)
    except OSError:  # the device is down, or full: networks lose frames
        pass


def _tap(space: str, name: str) -> int:
    """File descriptor of a new TAP device in a namespace."""
    import ctypes
    import fcntl
    import struct

    with open(f"/run/netns/{space}") as file:
        if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"cannot enter the network namespace {space}")
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _IFF_TAP | _IFF_NO_PI))
    return device


def as_line(fault: Fault) -> str:
    """What the program takes."""
    return json.dumps({field.name: getattr(fault, field.name) for field in fields(fault)}) + "\n"


def main() -> None:
    space, device, other_space, other_device = sys.argv[1:]
    relay = _Relay(_tap(space, device), _tap(other_space, other_device))
    print("ready", flush=True)
    relay.run()


if __name__ == "__main__":
    main()
