"""Files that are written whole: what may be replaced by one, and who may read it."""

from __future__ import annotations

import os
import stat

import pytest

from refit_ros.__main__ import main
from refit_ros.commands import EXIT_BAD_INPUT
from refit_ros.core.errors import InputError
from refit_ros.core.plain_files import whole_file, whole_path
from refit_ros.training.checkpoints import write_whole


@pytest.fixture
def pipe(tmp_path):
    """Stands for all that is no file, devices among them."""
    os.mkfifo(tmp_path / "pipe")
    return tmp_path / "pipe"


def is_pipe_alone(pipe) -> bool:
    return stat.S_ISFIFO(os.stat(pipe).st_mode) and [each.name for each in pipe.parent.iterdir()] == [pipe.name]


def test_what_is_no_file_is_never_replaced_by_one(pipe):
    with pytest.raises(InputError, match="is a named pipe, not a file, and is left as it is"), whole_file(pipe):
        pass
    with pytest.raises(InputError, match="is a named pipe"):
        write_whole(pipe, lambda path: path.write_text("x"))
    assert is_pipe_alone(pipe)


@pytest.mark.parametrize(
    "command",
    [
        ("evaluate", "--suite", "recording", "--folder", "nowhere", "--output"),
        ("evaluate", "--suite", "synthetic", "--output"),
        ("evaluate", "--suite", "recording", "--folder", "nowhere", "--film"),
        ("calibrate", "nowhere", "--output"),
    ],
)
def test_commands_refuse_it_before_they_compute(pipe, command, capsys):
    assert main([*command, str(pipe)]) == EXIT_BAD_INPUT
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "is a named pipe, not a file" in said and is_pipe_alone(pipe)


@pytest.mark.parametrize("command", ["calibrate nowhere", "evaluate --suite recording --folder nowhere"])
def test_a_folder_that_nothing_can_be_written_into_is_told_before_they_compute(command, capsys):
    """All was computed, and lost."""
    assert main([*command.split(), "--output", "/proc/out.file"]) == EXIT_BAD_INPUT
    told = capsys.readouterr().err
    assert "/proc/out.file cannot be written" in told and "nowhere" not in told


def test_a_file_and_a_link_to_one_are_replaced(tmp_path):
    (tmp_path / "file").write_bytes(b"old")
    (tmp_path / "link").symlink_to("file")
    for name in ("file", "link", "new"):
        with whole_file(tmp_path / name) as file:
            file.write(b"new")
        assert (tmp_path / name).read_bytes() == b"new"


@pytest.mark.parametrize("umask", [0o022, 0o027, 0o077])
def test_the_users_umask_says_who_may_read_it(tmp_path, umask):
    before = os.umask(umask)
    try:
        with whole_file(tmp_path / "x") as file:
            file.write(b"x")
    finally:
        os.umask(before)
    assert stat.S_IMODE(os.stat(tmp_path / "x").st_mode) == 0o666 & ~umask


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_who_writes_under_a_name_of_its_own_changes_nothing_of_that(tmp_path, umask):
    """As safetensors does, which puts a file for its owner alone in the place of the one it was given."""
    before = os.umask(umask)
    try:
        with whole_path(tmp_path / "x") as temporary:
            (tmp_path / "own").touch(0o600)
            (tmp_path / "own").replace(temporary)
    finally:
        os.umask(before)
    assert stat.S_IMODE(os.stat(tmp_path / "x").st_mode) == 0o666 & ~umask
