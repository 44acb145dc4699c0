"""Many bags at once: the bytes of one by one, what is done stays done, and one that fails takes no other with it."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

pytest.importorskip("rosbags.rosbag2", reason="rosbags is not installed")

from test_recording import write_bag  # noqa: E402

from refit_ros.commands import bag_batch, bag_runs  # noqa: E402
from refit_ros.commands.bag_runs import Run, outcomes_here  # noqa: E402
from refit_ros.node.bag_origin import made_from, made_from_of  # noqa: E402

QUICK = ("--weights", "untrained", "--detector", "full_image", "--device", "cpu")


def bag_command(*arguments: object) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "refit_ros", "bag", *map(str, arguments)], capture_output=True, text=True, timeout=600
    )


def digests(folder: Path) -> dict[str, str]:
    """Of every file at or below a folder, by its path in there."""
    files = sorted(each for each in folder.rglob("*") if each.is_file())
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def test_many_bags_give_the_bytes_of_one_by_one_and_are_not_done_again(tmp_path):
    recordings, output, alone = tmp_path / "recordings", tmp_path / "people", tmp_path / "alone"
    recordings.mkdir()
    for index in (1, 2):
        write_bag(recordings / f"run_{index}", ["camera"], sets=index, mcap=index == 1)
    (recordings / "run_10.mcap").write_bytes(b"<html>not found</html>")
    done = bag_command(recordings, "--output", output, "--jobs", 2, *QUICK)
    assert done.returncode == 1 and "3 bags, 2 of them done, 1 failed" in done.stdout, done.stdout + done.stderr
    table = done.stdout.partition("failed:\n")[2]
    assert "run_10.mcap" in table and "it is a web page" in table and "Traceback" not in done.stdout + done.stderr
    assert sorted(each.name for each in output.iterdir()) == ["run_1", "run_2"]
    alone.mkdir()
    assert bag_command(recordings / "run_2", "--output", alone / "run_2", *QUICK).returncode == 0
    assert digests(alone / "run_2") == digests(output / "run_2")

    before = {file: file.stat().st_mtime_ns for file in output.rglob("*")}
    (recordings / "run_10.mcap").unlink()
    again = bag_command(recordings, "--output", output, "--jobs", 2, *QUICK)
    assert again.returncode == 0 and again.stdout.count("is there already") == 2, again.stdout + again.stderr
    assert {file: file.stat().st_mtime_ns for file in output.rglob("*")} == before

    other = bag_command(recordings / "run_1", recordings / "run_2", "--output", output, "--smoothing", 0, *QUICK)
    assert other.returncode == 1 and other.stdout.count("with other options") >= 2
    assert {file: file.stat().st_mtime_ns for file in output.rglob("*")} == before


def test_a_recording_that_lost_messages_fails_at_every_run(tmp_path):
    source, output = write_bag(tmp_path / "in", ["camera"], sets=6, mcap=False), tmp_path / "all" / "in"
    with sqlite3.connect(next(source.glob("*.db3"))) as rows:
        rows.execute("DELETE FROM messages WHERE id IN (SELECT id FROM messages ORDER BY id DESC LIMIT 4)")
    first = bag_command(source, "--output", output, "--resume", *QUICK)
    assert first.returncode == 1 and output.exists(), first.stdout + first.stderr
    again = bag_command(source, "--output", output, "--resume", *QUICK)
    assert again.returncode == 1 and "is there already" in again.stdout, again.stdout + again.stderr
    many = bag_command(source, "--output", tmp_path / "all", "--jobs", 1, *QUICK)
    assert many.returncode == 1 and "0 of them done, 1 failed" in many.stdout, many.stdout + many.stderr
    for said in (again.stdout, many.stdout):
        assert "3 of 12 messages of the recording were lost: copy it again" in said


def test_what_a_bag_was_made_from_is_told_by_content(tmp_path, monkeypatch):
    bag, weights = write_bag(tmp_path / "in", ["camera"], sets=2), tmp_path / "weights"
    weights.write_bytes(b"weights")
    known = made_from(bag, {"smoothing": 0.5}, [weights])
    shutil.copytree(bag, tmp_path / "elsewhere")
    assert made_from(tmp_path / "elsewhere", {"smoothing": 0.5}, [weights]) == known
    assert made_from(bag, {"smoothing": 0.6}, [weights]) != known
    assert made_from(bag, {"smoothing": 0.5}, [None]) != known
    models = tmp_path / "models"
    models.mkdir()
    monkeypatch.setenv("REFIT_MODELS", str(models))
    without = made_from(bag, {"smoothing": 0.5}, [weights])
    (models / "pose_detection.tflite").write_bytes(b"")
    known = made_from(bag, {"smoothing": 0.5}, [weights])
    assert known != without, "which evidence is taken depends on what is there"
    weights.write_bytes(b"other weights")
    assert made_from(bag, {"smoothing": 0.5}, [weights]) != known
    storage = next(bag.glob("*.mcap"))
    content = bytearray(storage.read_bytes())
    content[len(content) // 2] ^= 1
    storage.write_bytes(content)
    weights.write_bytes(b"weights")
    assert made_from(bag, {"smoothing": 0.5}, [weights]) != known
    assert made_from_of(bag) == "" and made_from_of(tmp_path / "nothing") is None


def test_bags_are_found_at_any_depth_in_natural_order_and_outcomes_are_none(tmp_path):
    for name in ("run_10", "run_9", "day/deep"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "metadata.yaml").write_text("rosbag2_bagfile_information:\n  version: 9\n")
        (tmp_path / name / "part_0.mcap").touch()
    (tmp_path / "people" / "old").mkdir(parents=True)
    (tmp_path / "people" / "old" / "x.mcap").touch()
    (tmp_path / ".trash").mkdir()
    (tmp_path / ".trash" / "x.mcap").touch()
    (tmp_path / "loose.db3").touch()
    (tmp_path / "ros1.bag").touch()
    (tmp_path / "metadata.yaml").write_text("title: a data set, not a recording\n")
    os.symlink(tmp_path, tmp_path / "day" / "circle")
    tasks = bag_batch.tasks_for([tmp_path], tmp_path / "people")
    names = [str(task.output.relative_to(tmp_path / "people")) for task in tasks]
    assert names == ["day/deep", "loose", "ros1", "run_9", "run_10"]
    assert [task.name for task in tasks][1] == "loose.db3"


@pytest.mark.parametrize("names", [("a.mcap", "a.db3"), ("a.mcap", "a/b.mcap")])
def test_two_bags_of_one_name_are_refused(tmp_path, names):
    for name in names:
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).touch()
    with pytest.raises(ValueError, match="would both be written to"):
        bag_batch.tasks_for([tmp_path / "in"], tmp_path / "out")


def test_a_folder_without_bags_and_a_second_run_in_the_same_folder_are_told(tmp_path):
    (tmp_path / "in").mkdir()
    with pytest.raises(ValueError, match="holds no bag"):
        bag_batch.tasks_for([tmp_path / "in"], tmp_path / "out")
    with bag_batch._only_run_in(tmp_path / "out"):
        with pytest.raises(ValueError, match="another run is writing into"), bag_batch._only_run_in(tmp_path / "out"):
            pass


def test_what_a_killed_run_has_begun_is_taken_away(tmp_path):
    (tmp_path / "day" / ".refit_begun" / "refit").mkdir(parents=True)
    with bag_batch._only_run_in(tmp_path):
        assert [each.name for each in (tmp_path / "day").iterdir()] == []


SERVES_CODE = "from refit_ros.commands.bag_worker import serve; serve(lambda words: exec(words[0], {}) or 0)"


def program(name: str, code: str, output: Path) -> Run:
    return Run(name, (code,), output, ("-c", SERVES_CODE))


def test_a_program_that_dies_or_was_told_to_stop_is_a_failure_of_its_own_bag_alone(tmp_path):
    runs = [
        program("killed", "import os; os.kill(os.getpid(), 9)", tmp_path),
        program("stopped", "", tmp_path / "not there"),
        program("refused", "import sys; print('a'); sys.exit('refit_ros: no camera\\n')", tmp_path),
        program("crashed", "print('3 sets'); raise RuntimeError('surprise')", tmp_path),
        program("well", "print('3 sets of images')", tmp_path),
    ]
    said = {outcome.name: (outcome.is_well, outcome.said) for outcome in outcomes_here(runs, 2)}
    assert said["killed"] == (False, "its program died of signal 9 (no memory left?)")
    assert said["stopped"] == (False, "was told to stop")
    assert said["crashed"] == (False, "RuntimeError: surprise")
    assert said["well"] == (True, "3 sets of images")
    assert not said["refused"][0]


def test_one_program_does_one_bag_after_the_other_and_another_goes_on_where_it_died(tmp_path):
    who = "import os; print('by', os.getpid())"
    codes = {"first": who, "failed": "raise ValueError('no camera')", "second": who, "killed": "import os; os.abort()"}
    codes |= {"third": who}
    said = {one.name: one.said for one in outcomes_here([program(*each, tmp_path) for each in codes.items()], 1)}
    assert said["failed"] == "ValueError: no camera" and said["killed"] == "its program died of signal 6"
    assert said["first"] == said["second"] != said["third"], said


def test_a_second_bag_gives_the_same_bytes_whatever_came_before_it(tmp_path):
    """In a program of its own, and in one that has done a bag of two cameras with another fixed frame."""
    two, one = write_bag(tmp_path / "two", ["left", "right"], sets=3), write_bag(tmp_path / "one", ["camera"], sets=3)
    options = ("--weights", "untrained", "--detector", "full_image", "--device", "cpu")
    alone = Run("one", ("bag", str(one), "--output", str(tmp_path / "alone"), *options), tmp_path)
    after = Run("one", ("bag", str(one), "--output", str(tmp_path / "after"), *options), tmp_path)
    before = ("bag", str(two), "--output", str(tmp_path / "before"), "--fixed-frame", "map", *options)
    for runs in ([alone], [Run("two", before, tmp_path), after]):
        assert [outcome.said for outcome in outcomes_here(runs, 1) if not outcome.is_well] == []
    assert digests(tmp_path / "after") == digests(tmp_path / "alone")


def test_whoever_stops_the_run_stops_its_programs(tmp_path):
    """The first ends; the others would go on for long, and one of them does not listen."""
    others = set(threading.enumerate())  # other tests' and libraries' threads
    marks = [tmp_path / name for name in ("one", "two")]
    begin = "import pathlib, sys, time; pathlib.Path({0!r}).write_text(str(__import__('os').getpid()))\n"
    deaf = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
    both = f"import os, time\nwhile not all(map(os.path.exists, {[str(mark) for mark in marks]})): time.sleep(0.01)"
    runs = [
        program("one", begin.format(str(marks[0])) + "time.sleep(600)", tmp_path),
        program("two", deaf + begin.format(str(marks[1])) + "time.sleep(600)", tmp_path),
        program("first", both, tmp_path),
    ]
    outcomes = outcomes_here(runs, 3)
    assert next(outcomes).name == "first"
    patience_s, bag_runs.PATIENCE_S = bag_runs.PATIENCE_S, 0.5
    try:
        with pytest.raises(KeyboardInterrupt):
            outcomes.throw(KeyboardInterrupt)
    finally:
        bag_runs.PATIENCE_S = patience_s
    for mark in marks:
        with pytest.raises(ProcessLookupError):
            os.kill(int(mark.read_text()), signal.SIGCONT)
    assert not [one for one in threading.enumerate() if one not in others and "ThreadPoolExecutor" in one.name]
