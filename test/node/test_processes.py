"""Children that end, that do not, and that end too early."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from refit_ros.node import processes
from refit_ros.node.processes import ChildEnded, Children

PYTHON = (sys.executable, "-c")
SLEEP = "import time; print('here', flush=True); time.sleep(600)"
STUBBORN = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); print('here', flush=True); time.sleep(600)"


def start(children: Children, name: str, code: str) -> None:
    children.start(name, [code])
    end_s = time.monotonic() + 300
    while "here" not in children.log(name).read_text():
        assert time.monotonic() < end_s, "the child never began"
        time.sleep(0.02)


def test_all_are_asked_to_end(tmp_path, monkeypatch):
    monkeypatch.setattr(processes, "SIGINT_PATIENCE_S", 300)
    children = Children(tmp_path, dict(os.environ), PYTHON)
    for name in ("one", "two"):
        start(children, name, "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n" + SLEEP)
    children.check()
    codes = children.end()
    for name in ("one", "two"):
        assert codes[name] != -signal.SIGKILL and "KeyboardInterrupt" in children.log(name).read_text()


def test_programs_end_by_themselves_before_they_are_killed_and_who_started_them_waits():
    from refit_ros.interrupt import LAST_RESORT_S
    from refit_ros.node.harness import LAST_RESORT_WITH_CHILDREN_S

    assert LAST_RESORT_S < processes.SIGINT_PATIENCE_S < LAST_RESORT_WITH_CHILDREN_S


def test_a_stubborn_one_is_killed(tmp_path, monkeypatch):
    monkeypatch.setattr(processes, "SIGINT_PATIENCE_S", 0.5)
    children = Children(tmp_path, dict(os.environ), PYTHON)
    start(children, "stubborn", STUBBORN)
    assert children.end() == {"stubborn": -signal.SIGKILL}


def test_a_child_that_ends_is_named_with_its_last_words(tmp_path):
    with Children(tmp_path, dict(os.environ), PYTHON) as children:
        children.start("node", ["import sys; print('first'); sys.exit('no such weights')"])
        end_s = time.monotonic() + 300
        with pytest.raises(ChildEnded, match="node ended with exit code 1: no such weights"):
            while time.monotonic() < end_s:
                children.check()
                time.sleep(0.02)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent has died")
def test_children_die_with_a_parent_that_is_killed(tmp_path):
    code = (
        "import os, sys, time\nfrom pathlib import Path\nfrom refit_ros.node.processes import Children\n"
        "children = Children(Path(sys.argv[1]), dict(os.environ), (sys.executable, '-c'))\n"
        f"children.start('a', ['import os; print(os.getpid(), flush=True)\\n' + {STUBBORN!r}])\ntime.sleep(600)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)])
    end_s = time.monotonic() + 300
    log = tmp_path / "a.log"
    while not (log.exists() and "here" in log.read_text()):
        assert time.monotonic() < end_s and parent.poll() is None
        time.sleep(0.02)
    child = int(log.read_text().split()[0])
    parent.kill()
    parent.wait()
    while is_alive(child):
        assert time.monotonic() < end_s, "the child outlived its parent"
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
