"""The demo as a user starts it: real processes, real topics, a report and images at the end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import pytest

from refit_ros.commands import EXIT_BAD_INPUT, EXIT_NOT_WELL, EXIT_OK

pytest.importorskip("rclpy", reason="rclpy is not installed")
pytest.importorskip("refit_ros.msg", reason="the messages are not built")
pytestmark = [pytest.mark.ros, pytest.mark.slow]

LIMIT_S = 600  # also on a busy machine that compiles for the first time


def demo(output: Path, *arguments: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "refit_ros", "demo", "--output", str(output), "--device", "cpu", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen, within_s: float = LIMIT_S) -> tuple[str, str]:
    try:
        return process.communicate(timeout=within_s)
    except subprocess.TimeoutExpired:
        process.kill()  # its children die with it
        raise


def children_of(process: subprocess.Popen) -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit() and parent_of(entry) == process.pid]


def parent_of(entry: Path) -> int | None:
    try:
        return int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
    except OSError:
        return None


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("cameras", [1, 2])
def test_it_runs_and_reports(tmp_path, cameras):
    process = demo(tmp_path, "--seconds", "3", "--cameras", str(cameras), "--rate", "10")
    said, complained = finish(process)
    assert process.returncode == EXIT_OK, said + complained
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["cameras"] == cameras and report["people"] == 1
    assert 0 < report["frames_out"] <= report["frames_in"] <= 60
    assert report["fps"] > 0 and 0 < report["latency_ms_p50"] <= report["latency_ms_p95"]
    assert report["mpjpe_mm"] >= report["pa_mpjpe_mm"] > 0
    assert report["frame_id"] == ("camera_optical_frame" if cameras == 1 else "world")
    assert report["exit_codes"] == {"cameras": 0, "node": 0}
    sheet = cv2.imread(str(tmp_path / "overlays.png"))
    assert sheet.shape[1] == 640 * cameras and sheet.std() > 5
    assert len(list(tmp_path.glob("overlay_*_camera*.png"))) == sheet.shape[0] // 480 * cameras
    assert " fps" in said


def test_what_the_node_cannot_load_ends_it_with_the_reason(tmp_path):
    (tmp_path / "damaged.safetensors").write_bytes(b"nothing of use")
    process = demo(tmp_path, "--seconds", "3", "--weights", str(tmp_path / "damaged.safetensors"))
    _, complained = finish(process)
    assert process.returncode == EXIT_NOT_WELL
    assert "damaged.safetensors" in complained and "Traceback" not in complained
    assert not (tmp_path / "report.json").exists()


def test_what_is_not_there_is_named_at_once(tmp_path):
    process = demo(tmp_path, "--weights", "missing.safetensors")
    said, complained = finish(process)
    assert process.returncode == EXIT_BAD_INPUT and said == ""
    assert complained == "refit_ros: missing.safetensors: no such file or directory\n"


@pytest.mark.skipif(sys.platform != "linux", reason="looks for children in /proc")
def test_ctrl_c_ends_it_and_its_children(tmp_path):
    process = demo(tmp_path, "--seconds", "600")
    end_s = time.monotonic() + LIMIT_S
    children: list[int] = []
    while len(children) < 2 or "ready after" not in (tmp_path / "cameras.log").read_text():
        assert time.monotonic() < end_s and process.poll() is None
        time.sleep(0.2)
        children = children_of(process)
    os.kill(process.pid, signal.SIGINT)
    _, complained = finish(process)
    assert process.returncode == EXIT_OK and "Traceback" not in complained
    assert not any(is_running(child) for child in children)
