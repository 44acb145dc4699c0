"""A ROS domain of its own for each process of the suite, held as long as the process lives."""

from __future__ import annotations

import fcntl
import os
import tempfile
from pathlib import Path

# Not those of `refit_ros.node.harness.own_domain_id`, which programs under test take for themselves.
DOMAINS = range(1, 40)
_held: list[int] = []


def own_domain() -> int:
    """The first that no other process of this user's suites holds. Its number is free again when this process ends."""
    folder = Path(tempfile.gettempdir()) / f"refit_test_domains_{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    for number in sorted(DOMAINS, key=lambda each: (each - os.getpid()) % len(DOMAINS)):
        file = os.open(folder / str(number), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            continue
        _held.append(file)
        return number
    raise RuntimeError(f"{len(DOMAINS)} processes run this suite already: let some of them end")
