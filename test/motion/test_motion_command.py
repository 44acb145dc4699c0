"""`motion` from what `bag` and `fit` leave behind, and what it says to bad input."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from motion_truth import joints_of, moving, people_bag, people_message, person

from refit_ros.__main__ import main
from refit_ros.camera.calibration import Calibration
from refit_ros.commands.fit import write_people
from refit_ros.commands.frames import Frame
from refit_ros.estimation.types import People
from refit_ros.motion.from_messages import sightings_of

CAMERA = Calibration("camera", "camera", 640, 480, np.array([[500.0, 0, 320], [0, 500, 240], [0, 0, 1]]), np.zeros(0))


def test_a_bag(tmp_path, capsys):
    bag = people_bag(tmp_path / "bag")
    assert main(["motion", str(bag), "--output", str(tmp_path / "out")]) == 0
    names = {f"person_{number}.{ending}" for number in (4, 9) for ending in ("npz", "bvh", "glb", "trc")}
    assert {path.name for path in (tmp_path / "out").iterdir()} == names
    assert "person_9: 12 frames at 30 Hz" in capsys.readouterr().out
    with np.load(tmp_path / "out" / "person_4.npz") as read:
        np.testing.assert_allclose(read["joints"], joints_of(*moving()), atol=1e-5)
        np.testing.assert_allclose(read["smpl_poses"].reshape(12, 24, 3), moving()[1], atol=1e-5)
        assert str(read["frame_id"]) == "map" and read["start_s"] == pytest.approx(1.7e9)


def test_what_an_earlier_run_has_left_in_the_folder_is_told(tmp_path, capsys):
    """A motion that was cut into parts then, or a person who is nobody now, is taken for part of this one."""
    bag, out = people_bag(tmp_path / "bag"), tmp_path / "out"
    out.mkdir()
    for name in ("person_4_part_2.bvh", "sequence_1_person_4.npz", "person_4.txt", "my_person_4.bvh"):
        (out / name).touch()
    assert main(["motion", str(bag), "--output", str(out), "--formats", "bvh"]) == 0
    assert f"{out / 'person_4_part_2.bvh'} is of an earlier run, as are 1 more: remove" in capsys.readouterr().err
    for name in ("person_4_part_2.bvh", "sequence_1_person_4.npz"):
        (out / name).unlink()
    assert main(["motion", str(bag), "--output", str(out), "--formats", "bvh"]) == 0
    assert not capsys.readouterr().err, "what this run has written over is its own"


def test_a_rate_of_which_only_one_frame_is_left_writes_none(tmp_path, capsys):
    bag, out = people_bag(tmp_path / "bag"), tmp_path / "out"  # 12 frames at 30 Hz
    assert main(["motion", str(bag), "--output", str(out), "--fps", "0.1"]) == 1
    said = capsys.readouterr()
    assert "person_4 is shorter than the 10 s between two frames at --fps 0.1, as are 1 more: not written" in said.err
    assert not said.out and not out.exists()
    assert main(["motion", str(bag), "--output", str(out), "--fps", "3", "--formats", "npz"]) == 0
    assert "person_4: 2 frames at 3 Hz" in capsys.readouterr().out


def test_a_bag_in_a_cameras_frame_is_turned_upright(tmp_path):
    """Where the frame is that of a view, it is an optical one."""
    bag = people_bag(tmp_path / "bag", "left_optical")
    assert main(["motion", str(bag), "--output", str(tmp_path / "out"), "--formats", "npz", "--people", "4"]) == 0
    with np.load(tmp_path / "out" / "person_4.npz") as read:
        x, y, z = np.moveaxis(joints_of(*moving()), -1, 0)  # right, down, forward
        np.testing.assert_allclose(read["joints"], np.stack([z, -x, -y], axis=-1), atol=1e-5)


def test_who_is_out_of_sight_for_a_moment_is_in_the_same_frame():
    """Whom no camera sees just now is published without views."""
    pytest.importorskip("rosbags", reason="rosbags is not installed")
    from refit_ros.node.bag_types import make_store
    from refit_ros.node.message_types import BagTypes

    types, optical_frames = BagTypes(make_store()), set()
    told = [
        sightings_of(people_message(types, [replace(person(0), views=views)], frame_id="left_optical"), optical_frames)
        for views in (person(0).views, ())
    ]
    assert [each.optical for (each,) in told] == [True, True]
    (in_the_map,) = sightings_of(people_message(types, [person(0)]), optical_frames)
    assert not in_the_map.optical


def test_numbers_of_a_message_that_are_none_reach_no_file():
    pytest.importorskip("rosbags", reason="rosbags is not installed")
    from refit_ros.node.bag_types import make_store
    from refit_ros.node.message_types import BagTypes

    message = people_message(BagTypes(make_store()), [person(0), person(0, 9), person(0, 11)])
    message.people[0].transl.x, message.people[1].body_pose[3] = float("nan"), float("inf")
    assert [each.id for each in sightings_of(message, set())] == [11]


def write_fit(folder: Path, timed: bool = True, period_s: float = 1 / 25) -> Path:
    folder.mkdir()
    for index in range(12):
        frame = Frame(f"walk_{index:06d}", np.zeros((4, 4, 3), np.uint8), index * period_s, index == 0)
        path = folder / f"{frame.name}.npz"
        write_people(path, People(index * period_s, (person(index),), ("camera",)), CAMERA, "refit_ros", frame)
        if not timed:
            with np.load(path) as read:
                values = {key: read[key] for key in read.files if key not in ("time_s", "starts_sequence")}
            np.savez(path, **values)
    return folder


def test_what_fit_wrote(tmp_path):
    folder = write_fit(tmp_path / "fit")
    assert main(["motion", str(folder), "--output", str(tmp_path / "out"), "--formats", "npz"]) == 0
    with np.load(tmp_path / "out" / "person_4.npz") as read:
        x, y, z = np.moveaxis(joints_of(*moving()), -1, 0)
        np.testing.assert_allclose(read["joints"], np.stack([z, -x, -y], axis=-1), atol=1e-5)
        assert float(read["mocap_framerate"]) == pytest.approx(25)


def test_files_without_times_need_a_rate(tmp_path, capsys):
    folder = write_fit(tmp_path / "fit", timed=False)
    arguments = ["motion", str(folder), "--output", str(tmp_path / "out"), "--formats", "trc"]
    assert main(arguments) == 2
    assert "--fps" in capsys.readouterr().err
    assert main([*arguments, "--fps", "10"]) == 0
    assert "\t1.100000\t" in (tmp_path / "out" / "person_4.trc").read_text().splitlines()[-1]


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--people", "7"], "nobody with id 7.*there are 4, 9"),
        (["--topic", "/people"], r"no people on /people: give --topic /human/smpl"),
        (["--body", "/nowhere"], "/nowhere does not exist"),
    ],
)
def test_bad_input_gets_a_sentence(tmp_path, capsys, arguments, words):
    import re

    bag = people_bag(tmp_path / "bag")
    assert main(["motion", str(bag), "--output", str(tmp_path / "out"), *arguments]) == 2
    said = capsys.readouterr().err
    assert re.search(words, said) and said.count("\n") == 1


def test_a_bag_that_is_damaged_within_is_a_sentence(tmp_path, capsys):
    bag = people_bag(tmp_path / "bag", cut=5)
    assert main(["motion", str(bag), "--output", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert "damaged within" in said and "a message on /human/smpl cannot be read" in said and said.count("\n") == 1


def test_what_cannot_be_made_leaves_no_half_of_the_files(tmp_path, capsys):
    """Of people of a body whose file is not here only the mesh cannot be made; it is the third of four formats."""
    bag = people_bag(tmp_path / "bag", body_model="SMPL_NEUTRAL")
    assert main(["motion", str(bag), "--output", str(tmp_path / "out")]) == 2
    assert "'SMPL_NEUTRAL'" in capsys.readouterr().err and not (tmp_path / "out").exists()
    assert main(["motion", str(bag), "--output", str(tmp_path / "out"), "--formats", "npz", "bvh", "trc"]) == 0
    assert len(list((tmp_path / "out").iterdir())) == 6


def test_somebody_who_is_wanted_where_nobody_is(tmp_path, capsys):
    folder = write_fit(tmp_path / "still")
    for path in sorted(folder.iterdir())[1:]:
        path.unlink()
    assert main(["motion", str(folder), "--output", str(tmp_path / "out"), "--people", "4"]) == 1
    assert "nobody was seen in two frames" in capsys.readouterr().out


def test_frames_that_are_rare_need_another_longest_gap(tmp_path, capsys):
    """Whom a camera of one image a second saw in twelve that follow one another."""
    folder = write_fit(tmp_path / "rare", period_s=1.0)
    arguments = ["motion", str(folder), "--output", str(tmp_path / "out"), "--formats", "npz"]
    assert main(arguments) == 1
    assert "within 0.5 s (--longest-gap;" in capsys.readouterr().out
    assert main([*arguments, "--longest-gap", "1.5"]) == 0
    assert "person_4: 12 frames at 1 Hz" in capsys.readouterr().out


def test_folders_that_hold_no_motion(tmp_path, capsys):
    (tmp_path / "bad").mkdir()
    np.savez(tmp_path / "bad" / "one.npz", joints=np.ones(3))
    assert main(["motion", str(tmp_path / "bad"), "--output", str(tmp_path / "out")]) == 2
    assert "is no frame that" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert main(["motion", str(tmp_path / "empty"), "--output", str(tmp_path / "out")]) == 2
    assert "cannot be read as a ROS 2 bag" in capsys.readouterr().err
    folder = write_fit(tmp_path / "still")
    for path in sorted(folder.iterdir())[1:]:
        path.unlink()
    assert main(["motion", str(folder), "--output", str(tmp_path / "out")]) == 1
    assert "nobody was seen in two frames" in capsys.readouterr().out


def test_a_file_of_a_folder_that_is_no_frame_is_named(tmp_path, capsys):
    whole = dict(np.load(sorted(write_fit(tmp_path / "whole").glob("*.npz"))[0]))
    folder = tmp_path / "people"
    folder.mkdir()

    def said_of(name: str, content: bytes | dict) -> str:
        path = folder / name
        np.savez(path, **content) if isinstance(content, dict) else path.write_bytes(content)
        assert main(["motion", str(folder), "--output", str(tmp_path / "out")]) == 2
        said = capsys.readouterr().err
        path.unlink()
        assert str(path) in said and said.count("\n") == 1 and "Traceback" not in said
        return said

    assert "is no frame" in said_of("cut.npz", b"PK\x03\x04" + bytes(50))
    assert "a web page" in said_of("page.npz", b"<html></html>")
    assert "'id' is none" in said_of("one.npz", whole | {"id": np.int32(3)})
    assert "'betas' is none" in said_of("text.npz", whole | {"betas": np.array(["a"])})
    assert "'time_s' is none" in said_of("times.npz", whole | {"time_s": np.zeros(3)})
