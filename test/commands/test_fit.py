"""`fit` from a photograph on disk to the files it writes."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from refit_ros.__main__ import main
from refit_ros.commands import EXIT_NOT_WELL, EXIT_OK
from refit_ros.commands.frames import list_sources, read_frames
from refit_ros.core.checkpoint import EMBEDDED_WEIGHTS
from refit_ros.core.joints import JOINT_INDEX
from refit_ros.detection.photographs import MODELS

HEIGHT = WIDTH = 512
needs_weights = pytest.mark.skipif(not EMBEDDED_WEIGHTS.is_file(), reason="without embedded weights poses mean nothing")
BOX = (60, 0, 470, 511)  # the astronaut, as far as the image shows her
UPPER_BODY = [JOINT_INDEX[name] for name in ("spine3", "neck", "head", "left_shoulder", "right_shoulder")]


@pytest.fixture(scope="module")
def photograph(tmp_path_factory):
    """Eileen Collins, NASA, in the public domain; ships with scikit-image."""
    data = pytest.importorskip("skimage.data", reason="scikit-image is not installed")
    path = tmp_path_factory.mktemp("photograph") / "astronaut.png"
    cv2.imwrite(str(path), data.astronaut()[..., ::-1])
    return path


@pytest.fixture(scope="module")
def fitted(photograph, tmp_path_factory):
    """The folder that comes out of the embedded default."""
    output = tmp_path_factory.mktemp("fitted")
    assert main(["fit", str(photograph), "--output", str(output), "--device", "cpu", "--box", *map(str, BOX)]) == EXIT_OK
    return output


def test_all_that_is_promised_is_there(fitted):
    with np.load(fitted / "astronaut.npz", allow_pickle=False) as people:
        shapes = {name: people[name].shape for name in people.files}
        assert all(np.isfinite(people[name]).all() for name in people.files if people[name].dtype.kind == "f")
    assert shapes == {
        "betas": (1, 10),
        "global_orient": (1, 3),
        "body_pose": (1, 69),
        "transl": (1, 3),
        "joints": (1, 24, 3),
        "joint_stddev": (1, 24),
        "boxes": (1, 4),
        "id": (1,),
        "confidence": (1,),
        "focal": (),
        "principal_point": (2,),
        "body_model": (),
        "time_s": (),
        "starts_sequence": (),
    }


@pytest.mark.needs_models(*MODELS)
@needs_weights
def test_both_kinds_of_evidence_by_their_name_alone(photograph, tmp_path):
    words = ["fit", str(photograph), "--output", str(tmp_path), "--device", "cpu", "--evidence", "both", "--no-overlay"]
    assert main(words) == EXIT_OK
    with np.load(tmp_path / "astronaut.npz", allow_pickle=False) as people:
        assert len(people["betas"]) == 1 and str(people["body_model"]) == "refit_ros"


def test_the_camera_is_the_published_guess(fitted):
    people = np.load(fitted / "astronaut.npz")
    assert people["focal"] == pytest.approx(np.hypot(HEIGHT, WIDTH))
    np.testing.assert_allclose(people["principal_point"], (WIDTH / 2, HEIGHT / 2))


def test_parameters_give_the_joints_through_smplx_conventions(fitted):
    """betas, global_orient, body_pose and transl feed the body and give `joints`, in metres in the camera's frame."""
    import torch

    from refit_ros.core.body import load_body
    from refit_ros.core.rotations import rotmat_from_axis_angle

    people = np.load(fitted / "astronaut.npz")
    axis_angle = np.concatenate([people["global_orient"], people["body_pose"]], axis=1).reshape(1, 24, 3)
    joints = load_body(str(people["body_model"])).joints(
        torch.from_numpy(people["betas"]),
        rotmat_from_axis_angle(torch.from_numpy(axis_angle)),
        torch.from_numpy(people["transl"]),
    )
    np.testing.assert_allclose(joints.numpy(), people["joints"], atol=1e-5)


@needs_weights
def test_the_body_stands_in_front_of_the_camera_and_projects_into_its_box(fitted):
    people = np.load(fitted / "astronaut.npz")
    pixels = people["joints"][..., :2] / people["joints"][..., 2:] * people["focal"] + people["principal_point"]
    left, top, right, bottom = BOX
    middle = pixels[0, UPPER_BODY].mean(0)  # what the image shows of her
    assert (people["joints"][..., 2] > 0.1).all()
    assert left < middle[0] < right and top < middle[1] < bottom


@needs_weights
def test_the_overlay_is_the_image_with_a_body_on_it(fitted, photograph):
    overlay, image = cv2.imread(str(fitted / "astronaut_overlay.jpg")), cv2.imread(str(photograph))
    assert overlay.shape == image.shape
    changed = np.abs(overlay.astype(int) - image).max(-1) > 40
    assert 0.005 < changed.mean() < 0.9


@needs_weights
def test_the_users_camera_is_used(photograph, tmp_path):
    """Principal point and focal length move the body: its box stays where it is in the image."""
    places = {}
    for focal, x in ((800, 256), (800, 0)):
        output = tmp_path / str(x)
        main(
            [
                "fit",
                str(photograph),
                "--output",
                str(output),
                "--device",
                "cpu",
                "--no-overlay",
                "--box",
                *map(str, BOX),
                "--focal",
                str(focal),
                "--principal-point",
                str(x),
                "256",
            ]
        )
        people = np.load(output / "astronaut.npz")
        assert people["focal"] == focal and people["principal_point"].tolist() == [x, 256]
        places[x] = people["joints"][0, 0]
    assert places[0][0] / places[0][2] - places[256][0] / places[256][2] == pytest.approx(256 / 800, abs=0.1)


def test_bad_files_are_named_and_the_others_go_on(photograph, tmp_path, capsys):
    text, empty = tmp_path / "notes.jpg", tmp_path / "empty.mp4"
    text.write_text("not an image")
    empty.write_bytes(b"")
    code = main(
        [
            "fit",
            str(text),
            str(tmp_path / "missing.png"),
            str(empty),
            str(photograph),
            "--output",
            str(tmp_path / "out"),
            "--weights",
            "untrained",
            "--device",
            "cpu",
            "--no-overlay",
            "--detector",
            "full_image",
        ]
    )
    said = capsys.readouterr().err.splitlines()
    assert code == EXIT_NOT_WELL
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["astronaut.npz"]
    for name in ("notes.jpg", "missing.png", "empty.mp4"):
        assert sum(name in line for line in said) == 1, said
    assert sum("untrained" in line for line in said) == 1


@pytest.mark.parametrize(
    "box, code, says",
    [
        ("1 2 nan 4", 2, "is no box"),
        ("1 2 inf 4", 2, "is no box"),
        ("50 50 10 10", 2, "is no box"),
        ("500 500 600 600", 1, "lies outside of this image, which has 80 x 60 px"),
        ("-50 0 -10 20", 1, "lies outside of this image"),
    ],
)
def test_a_box_that_holds_nothing_is_told(tmp_path, capsys, box, code, says):
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((60, 80, 3), np.uint8))
    given = ["fit", str(tmp_path / "a.png"), "--output", str(tmp_path / "out"), "--weights", "untrained", "--device", "cpu"]
    assert main([*given, "--no-overlay", "--box", *box.split()]) == code
    said = [line for line in capsys.readouterr().err.splitlines() if "--box" in line]
    assert len(said) == 1 and says in said[0], said


def make_video(path, count: int) -> None:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 25.0, (64, 48))
    for index in range(count):
        writer.write(np.full((48, 64, 3), 20 * index, np.uint8))
    writer.release()


def test_a_video_is_one_sequence_with_its_own_times(tmp_path):
    make_video(tmp_path / "walk.avi", 7)
    frames = list(read_frames(list_sources([tmp_path / "walk.avi"], False, pytest.fail), 2, pytest.fail))
    assert [frame.name for frame in frames] == ["walk_000000", "walk_000002", "walk_000004", "walk_000006"]
    np.testing.assert_allclose([frame.stamp_s for frame in frames], [0, 0.08, 0.16, 0.24])
    assert [frame.starts_sequence for frame in frames] == [True, False, False, False]
    assert frames[1].image.shape == (48, 64, 3) and abs(int(frames[1].image.mean()) - 40) < 6


@pytest.mark.parametrize("is_sequence, starts", [(False, [True, True]), (True, [True, False])])
def test_a_folder_gives_its_images_by_name_and_nothing_else(tmp_path, is_sequence, starts):
    for name, grey in (("b.png", 200), ("a.png", 100), ("a.txt", 0)):
        cv2.imwrite(str(tmp_path / name.replace("txt", "png")), np.full((8, 9), grey, np.uint8)) if grey else (
            tmp_path / name
        ).write_text("")
    frames = list(read_frames(list_sources([tmp_path], is_sequence, pytest.fail), 1, pytest.fail))
    assert [(frame.name, frame.image.shape, int(frame.image[0, 0, 0])) for frame in frames] == [
        ("a", (8, 9, 3), 100),
        ("b", (8, 9, 3), 200),
    ]
    assert [frame.starts_sequence for frame in frames] == starts


def test_files_of_one_name_do_not_overwrite_each_other(tmp_path):
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
        cv2.imwrite(str(tmp_path / folder / "a.png"), np.zeros((8, 8, 3), np.uint8))
    assert [source.name for source in list_sources([tmp_path / "x", tmp_path / "y"], False, pytest.fail)] == ["a", "a_2"]


def test_an_image_called_as_a_frame_of_a_video_overwrites_none(tmp_path):
    make_video(tmp_path / "walk.avi", 3)
    for name in ("a", "walk_000001", "walk_1"):
        cv2.imwrite(str(tmp_path / f"{name}.png"), np.zeros((8, 8, 3), np.uint8))
    frames = [frame.name for frame in read_frames(list_sources([tmp_path], False, pytest.fail), 1, pytest.fail)]
    assert sorted(set(frames)) == sorted(frames) and frames[0] == "a" and len(frames) == 6
    assert {"walk_000000", "walk_000001", "walk_000002", "walk_1"} < set(frames)


def test_a_folder_without_images_is_named(tmp_path):
    said = []
    assert list_sources([tmp_path], False, said.append) == [] and str(tmp_path) in said[0]
