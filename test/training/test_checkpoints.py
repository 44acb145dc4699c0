import errno
import os
import signal
import subprocess
import sys
import textwrap

import pytest
import torch

from refit_ros.training.checkpoints import load_state, save_state, write_whole


def test_what_was_saved_comes_back(tmp_path):
    save_state({"a": torch.arange(3), "b": {"c": 1.5}}, tmp_path / "state.pt")
    assert load_state(tmp_path / "state.pt")["a"].tolist() == [0, 1, 2]


def test_a_full_disk_leaves_the_last_good_one(tmp_path):
    path = tmp_path / "state.pt"
    save_state({"step": 1}, path)

    def half(temporary):
        temporary.write_bytes(b"half of it")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(OSError, match="No space"):
        write_whole(path, half)
    assert load_state(path) == {"step": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["state.pt"]


def test_a_kill_while_writing_leaves_the_last_good_one(tmp_path):
    path = tmp_path / "state.pt"
    save_state({"step": 1}, path)
    program = textwrap.dedent(f"""
        import os, signal
        from pathlib import Path
        from refit_ros.training.checkpoints import write_whole
        def killed(temporary):
            temporary.write_bytes(b"half of it")
            os.kill(os.getpid(), signal.SIGKILL)
        write_whole(Path({str(path)!r}), killed)
    """)
    ended = subprocess.run([sys.executable, "-c", program], timeout=60)
    assert ended.returncode == -signal.SIGKILL
    assert load_state(path) == {"step": 1}


def test_a_damaged_state_is_named(tmp_path):
    path = tmp_path / "state.pt"
    path.write_bytes(b"no such thing")
    with pytest.raises(ValueError, match="state.pt is not a training state"):
        load_state(path)
