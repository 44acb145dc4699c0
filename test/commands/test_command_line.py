"""The command line itself: what it says, what it imports, how it ends."""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import subprocess
import sys
import types

import pytest

from refit_ros import __main__ as command_line
from refit_ros.commands import COMMANDS, EXIT_BAD_INPUT, EXIT_OK

HEAVY = ("torch", "numpy", "cv2", "rclpy", "smplx", "numba", "scipy", "skimage", "onnxruntime", "rosbags")
SHOWN = [name for name, command in COMMANDS.items() if not command.hidden]


def modules_after(arguments: list[str]) -> tuple[str, set[str]]:
    """Run the command line in a fresh Python; what it printed, and the names of all modules it had imported."""
    code = (
        "import sys\nfrom refit_ros.__main__ import main\n"
        f"try:\n    main({arguments!r})\nexcept SystemExit:\n    pass\n"
        "print('MODULES', *sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    text, modules = done.stdout.rsplit("MODULES", 1)
    return text, set(modules.split())


def test_help_names_every_command_and_imports_nothing_heavy():
    text, modules = modules_after(["--help"])
    assert all(f"\n  {name} " in text for name in SHOWN)
    assert "synthetic_cameras" not in text
    assert not modules.intersection(HEAVY)
    assert not any(name.startswith("refit_ros.commands.") for name in modules)


def test_a_name_that_is_no_text_can_be_printed():
    code = (
        "from refit_ros.__main__ import main\n"
        "try:\n    main(['--version'])\nexcept SystemExit:\n    print('caf' + chr(0xdce9))\n"
    )
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8:strict"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=600, env=environment)
    assert done.returncode == 0 and done.stdout.endswith("caf\\udce9\n"), done.stderr


@pytest.mark.parametrize("name", list(COMMANDS))
def test_each_commands_help_imports_nothing_heavy(name):
    text, modules = modules_after([name, "--help"])
    assert text.startswith(f"usage: python -m refit_ros {name}")
    assert not modules.intersection(HEAVY)


@pytest.mark.parametrize("arguments", [["fly"], ["fit", "--no-such-option"], ["fit"], ["fit", "a.png", "--ros-args"]])
def test_a_mistake_gets_one_line(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        command_line.main(arguments)
    assert ended.value.code == EXIT_BAD_INPUT
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and said.startswith("python -m refit_ros")


@pytest.mark.parametrize(
    "arguments", [["motion", "in", "--output", "out", "--fps"], ["calibrate", "drawn", "--output", "out.toml", "--rate"]]
)
def test_a_rate_that_would_take_all_memory_gets_one_line(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        command_line.main([*arguments, "1e9"])
    assert ended.value.code == EXIT_BAD_INPUT
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and f"{arguments[-1]}: must be at most 1,000 Hz, not 1e9" in said


@pytest.mark.parametrize("share", ["7", "-0.5", "nan"])
def test_a_share_that_is_none_gets_one_line(share, capsys):
    with pytest.raises(SystemExit) as ended:
        command_line.main(["train", "--output", "nowhere", "--multi-view-share", share])
    assert ended.value.code == EXIT_BAD_INPUT
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and f"--multi-view-share: must be 0 to 1, not {share}" in said


@pytest.mark.parametrize("arguments", [["fit", "a.png", "--output"], ["fit"], ["bag"], ["motion", "in", "--output"]])
def test_an_empty_path_is_not_the_current_folder(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        command_line.main([*arguments, ""])
    assert ended.value.code == EXIT_BAD_INPUT
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "a path is empty (an unset variable?)" in said


@pytest.mark.parametrize("name", list(COMMANDS))
def test_no_command_takes_an_empty_path(name):
    parser = argparse.ArgumentParser()
    importlib.import_module(f"refit_ros.commands.{name}").add_arguments(parser)
    for action in parser._actions:
        if action.metavar in ("DIR", "FILE", "PATH", "IN", "OUT", "BAG", "FILE.json", "FILE.md"):
            with pytest.raises(argparse.ArgumentError, match="a path is empty"):
                parser._get_values(action, [""])


def use(monkeypatch, run):
    """Let the command `doctor` be `run`."""
    module = types.SimpleNamespace(add_arguments=lambda parser: None, run=run)
    monkeypatch.setattr(command_line.importlib, "import_module", lambda name: module)


@pytest.mark.parametrize(
    "error, sentence",
    [
        (ValueError("the image is empty"), "the image is empty"),
        (FileNotFoundError(2, "No such file or directory", "a.pkl"), "a.pkl: no such file or directory"),
        (OSError(28, "No space left on device"), "no space left on device: make room, or write to another disk ("),
        (OSError(5, "Input/output error"), "input/output error (REFIT_TRACEBACK=1 shows where)"),
        (OSError("the sentence of whoever raised it"), "the sentence of whoever raised it"),
        (ModuleNotFoundError("No module named 'rclpy'", name="rclpy"), "rclpy cannot be imported: source a ROS 2"),
    ],
)
def test_what_a_user_can_mend_is_one_sentence(monkeypatch, capsys, error, sentence):
    def run(args):
        raise error

    use(monkeypatch, run)
    monkeypatch.delenv(command_line.TRACEBACK_VARIABLE, raising=False)
    assert command_line.main(["doctor"]) == EXIT_BAD_INPUT
    said = capsys.readouterr().err
    assert sentence in said and "Traceback" not in said and said.count("\n") == 1


def test_a_mistake_of_the_program_keeps_its_traceback(monkeypatch):
    def run(args):
        raise RuntimeError("a bug")

    use(monkeypatch, run)
    with pytest.raises(RuntimeError, match="a bug"):
        command_line.main(["doctor"])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_a_command_cleanly(number):
    code = (
        "import sys, types, time\nfrom refit_ros import __main__ as c\n"
        "def run(args):\n    print('ready', flush=True)\n    time.sleep(600)\n    return 1\n"
        "m = types.SimpleNamespace(add_arguments=lambda p: None, run=run)\n"
        "c.importlib.import_module = lambda name: m\nsys.exit(c.main(['doctor']))"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        assert child.stdout.readline() == "ready\n"
        child.send_signal(number)
        _, said = child.communicate(timeout=300)
    assert child.returncode == EXIT_OK and said == ""


def test_ros_arguments_are_parted_from_the_commands_own():
    own, ros = command_line.split_ros_arguments(["--a", "1", "--ros-args", "-p", "x:=1", "--", "b"])
    assert own == ["--a", "1", "b"] and ros == ["--ros-args", "-p", "x:=1", "--"]
