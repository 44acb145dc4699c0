"""Networks that were compiled at an earlier start: the same numbers, and nothing that is kept can do harm."""

from __future__ import annotations

import os
import threading
import time

import numpy as np
import pytest
import torch
from torch import nn

from refit_ros.core import openvino_compiler
from refit_ros.core.openvino_compiler import Source
from refit_ros.core.openvino_engine import compiled_by_openvino, converted, one_by_one_by_openvino
from refit_ros.detection import kept_networks, tfjs
from refit_ros.detection.kept_networks import UNUSED_S, KeptNetworks, kept_folder, name_of
from refit_ros.detection.tfjs_network import in_use, tfjs_network
from refit_ros.models.files import VARIABLE

pytest.importorskip("openvino")
LIGHTNING = "movenet_lightning"


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(tmp_path / "models"))
    (tmp_path / "models").mkdir()


@pytest.fixture
def source():
    """A network, and how often it was read."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 2, 3)).eval()
    read = []

    def model():
        read.append(1)
        return converted(network, torch.zeros(1, 3, 16, 16))

    return Source(model, "a network", KeptNetworks()), read


@pytest.mark.parametrize("make", [compiled_by_openvino, one_by_one_by_openvino])
def test_the_second_start_reads_nothing_and_computes_the_same(source, make):
    source, read = source
    rows = np.random.default_rng(0).standard_normal((3, 3, 16, 16)).astype(np.float32)
    first, second = (make(source, rows[:1])(rows)[0] for _ in range(2))
    assert len(read) == 1
    assert np.array_equal(first, second)


def test_other_rows_other_names_and_other_types_are_compiled_for_themselves(source):
    source, read = source
    for row in (
        np.zeros((1, 3, 16, 16), np.float32),
        np.zeros((1, 3, 18, 18), np.float32),
        np.zeros((1, 3, 16, 16), np.uint8),
    ):
        one_by_one_by_openvino(source, row)(row)
    one_by_one_by_openvino(Source(source.read, "another", source.kept), row)
    assert len(read) == 4


@pytest.mark.parametrize("spoil", [lambda kept: kept[:-9], lambda kept: kept[:50] + b"?" + kept[51:], lambda kept: b""])
def test_what_was_spoilt_is_compiled_anew(source, spoil):
    source, read = source
    row = np.ones((1, 3, 16, 16), np.float32)
    right = compiled_by_openvino(source, row)(row)[0]
    for path in kept_folder().iterdir():
        path.write_bytes(spoil(path.read_bytes()))
    assert np.array_equal(compiled_by_openvino(source, row)(row)[0], right)
    assert np.array_equal(compiled_by_openvino(source, row)(row)[0], right)
    assert len(read) == 2, "it was not kept again"


def test_what_openvino_does_not_take_is_compiled_anew(source):
    source, read = source
    row = np.ones((1, 3, 16, 16), np.float32)
    right = compiled_by_openvino(source, row)(row)[0]
    assert len(read) == 1
    source.kept.get = lambda key: b"of some other version"
    assert np.array_equal(compiled_by_openvino(source, row)(row)[0], right)


def test_what_openvino_cannot_give_out_is_computed_all_the_same(source, monkeypatch):
    import openvino

    def refuses(_compiled):
        raise RuntimeError("this network cannot be exported")

    source, read = source
    row = np.ones((1, 3, 16, 16), np.float32)
    monkeypatch.setattr(openvino.CompiledModel, "export_model", refuses)
    assert compiled_by_openvino(source, row)(row)[0].shape == (1, 2, 14, 14)
    assert not kept_folder().exists()


def test_a_folder_that_cannot_be_written_costs_nothing_but_time(source):
    source, read = source
    kept_folder().write_text("a file where the folder should be")
    row = np.ones((1, 3, 16, 16), np.float32)
    for _ in range(2):
        compiled_by_openvino(source, row)(row)
    assert len(read) == 2


def test_what_is_kept_in_a_folder_that_can_only_be_read_is_taken(source, monkeypatch):
    """As in an image of a container, or where another user has put it."""
    source, read = source
    row = np.ones((1, 3, 16, 16), np.float32)
    compiled_by_openvino(source, row)

    def refuses(*_args, **_more):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(os, "utime", refuses)
    compiled_by_openvino(source, row)
    assert len(read) == 1


def test_what_another_user_has_put_there_is_neither_taken_nor_replaced(source, monkeypatch):
    """A model is known by its digest in the table, a compiled network only by who made it."""
    source, read = source
    row = np.ones((1, 3, 16, 16), np.float32)
    they = os.geteuid()
    compiled_by_openvino(source, row)
    (theirs,) = kept_folder().iterdir()
    monkeypatch.setattr(os, "geteuid", lambda: they + 1)
    monkeypatch.setattr(kept_networks, "ADMINISTRATOR", they + 2)
    compiled_by_openvino(source, row)
    assert len(read) == 2
    (mine,) = set(kept_folder().iterdir()) - {theirs}
    os.replace(theirs, mine)
    compiled_by_openvino(source, row)
    assert len(read) == 3, "it has the name of this user's, and is not theirs"


def test_what_the_administrator_has_put_there_is_taken(source, monkeypatch):
    source, read = source
    row = np.ones((1, 3, 16, 16), np.float32)
    administrator = os.geteuid()
    compiled_by_openvino(source, row)
    monkeypatch.setattr(os, "geteuid", lambda: administrator + 1)
    monkeypatch.setattr(kept_networks, "ADMINISTRATOR", administrator)
    compiled_by_openvino(source, row)
    assert len(read) == 1


def test_a_pipe_that_lies_there_is_not_waited_for(source):
    source, read = source
    row = np.ones((1, 3, 16, 16), np.float32)
    compiled_by_openvino(source, row)
    (kept,) = kept_folder().iterdir()
    kept.unlink()
    os.mkfifo(kept)
    asked = threading.Thread(target=compiled_by_openvino, args=(source, row), daemon=True)
    asked.start()
    asked.join(30)
    assert not asked.is_alive() and len(read) == 2


def test_what_nobody_used_for_long_goes(source):
    source, _ = source
    row = np.ones((1, 3, 16, 16), np.float32)
    compiled_by_openvino(source, row)
    (old,) = kept_folder().iterdir()
    os.utime(old, (0, time.time() - UNUSED_S - 60))
    compiled_by_openvino(source, row)
    assert old.exists(), "it was used just now"
    os.utime(old, (0, time.time() - UNUSED_S - 60))
    compiled_by_openvino(Source(source.read, "another", source.kept), row)
    assert not old.exists() and len(list(kept_folder().iterdir())) == 1


def test_all_together_stay_below_a_size_and_what_was_used_last_stays(source, monkeypatch):
    source, _ = source
    row = np.ones((1, 3, 16, 16), np.float32)
    compiled_by_openvino(source, row)
    (first,) = kept_folder().iterdir()
    monkeypatch.setattr(kept_networks, "MOST_BYTES", int(2.5 * first.stat().st_size))
    for number in range(4):
        os.utime(first)
        compiled_by_openvino(Source(source.read, f"another {number}", source.kept), row)
        for each in set(kept_folder().iterdir()) - {first}:
            os.utime(each, (0, time.time() - 60))
    assert first.exists() and len(list(kept_folder().iterdir())) == 2


@pytest.mark.parametrize("wrong", ["a folder", "a link to nothing"])
def test_what_does_not_belong_there_keeps_nothing_from_going(source, wrong):
    source, _ = source
    row = np.ones((1, 3, 16, 16), np.float32)
    kept_folder().mkdir()
    strange = kept_folder() / "0"
    strange.mkdir() if wrong == "a folder" else strange.symlink_to("nowhere")
    old = kept_folder() / "1"
    old.write_bytes(b"of last year")
    for each in (strange, old):
        os.utime(each, (0, 0), follow_symlinks=False)
    compiled_by_openvino(source, row)
    assert not old.exists()


@pytest.mark.needs_models(LIGHTNING)
def test_a_model_of_the_table_is_read_at_the_first_start_only(own_folder, tmp_path, monkeypatch):
    monkeypatch.delenv(VARIABLE)
    from refit_ros.models.files import folder

    for path in folder().glob(f"{LIGHTNING}.*"):
        (tmp_path / "models" / path.name).symlink_to(path)
    monkeypatch.setenv(VARIABLE, str(tmp_path / "models"))
    graphs, graph_def = [], tfjs.graph_def
    monkeypatch.setattr(tfjs, "graph_def", lambda *files: graphs.append(1) or graph_def(*files))
    image = np.random.default_rng(0).integers(0, 255, (1, 192, 192, 3), np.uint8)
    answers = []
    for _ in range(2):
        in_use.forget()
        answers.append(tfjs_network(LIGHTNING)(image))
    in_use.forget()
    assert len(graphs) == 1
    assert np.array_equal(*answers)


@pytest.mark.parametrize("command", [["models"], ["doctor", "--without-ros"]])
def test_what_is_kept_is_told_and_where_nothing_can_be(source, capsys, command):
    from refit_ros.__main__ import main

    main(command)
    assert f"compiled networks: none yet in {kept_folder()}" in capsys.readouterr().out
    kept_folder().mkdir()
    (kept_folder() / "one").write_bytes(bytes(1_500_000))
    (kept_folder() / "two").write_bytes(bytes(600_000))
    main(command)
    said = capsys.readouterr().out
    assert f"compiled networks: 2, 2.1 MB in {kept_folder()}" in said and "cannot be written" not in said
    for each in kept_folder().iterdir():
        each.unlink()
    kept_folder().rmdir()
    kept_folder().write_text("a file where the folder should be")
    main(command)
    assert f"none yet in {kept_folder()}, which cannot be written" in capsys.readouterr().out


def test_other_code_that_reads_a_model_gives_it_another_name():
    assert name_of(LIGHTNING) != name_of(LIGHTNING, tfjs)
    assert name_of(LIGHTNING) != name_of("movenet_thunder")


def test_other_code_that_compiles_gives_every_model_another_name(tmp_path, monkeypatch):
    before = name_of(LIGHTNING)
    (tmp_path / "newer.py").write_text("# takes images of other types")
    monkeypatch.setattr(openvino_compiler, "__file__", str(tmp_path / "newer.py"))
    assert name_of(LIGHTNING) != before
