"""The door for programs: what the README's three lines do, on images with known people, and what bad input gets."""

from __future__ import annotations

import copy
import json
import logging
import re
from dataclasses import replace
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

import refit_ros
from refit_ros.camera.calibration import Calibration
from refit_ros.estimation.settings import Settings
from refit_ros.estimation.types import People
from refit_ros.synthetic.scenes import named_scene

TIMES_S = (0.0, 0.1, 0.2)


@pytest.fixture(scope="module")
def model():
    return refit_ros.load(device="cpu", precision="float32")


@pytest.fixture(scope="module")
def scene():
    return named_scene("walking", cameras=2, seed=3, width_px=320, height_px=240, names=["left", "right"])


@pytest.fixture(scope="module")
def sets(scene):
    """{camera: image} at each of the times."""
    return [
        {calibration.name: scene.render(time_s, index) for index, (calibration, _) in enumerate(scene.cameras)}
        for time_s in TIMES_S
    ]


@pytest.fixture(scope="module")
def cameras(scene):
    return {calibration.name: refit_ros.Camera(calibration.K, fixed_from_camera=pose) for calibration, pose in scene.cameras}


@pytest.fixture(scope="module")
def boxes(scene):
    """{camera: (1, 4) px} at the first time, around the true joints."""
    (person,) = scene.truth(0.0)
    found = {}
    for calibration, pose in scene.cameras:
        seen = calibration.project((person.joints - pose[:3, 3]) @ pose[:3, :3])
        found[calibration.name] = np.concatenate([seen.min(0) - 8, seen.max(0) + 8])[None]
    return found


def test_one_image(model, scene, sets):
    calibration, pose = scene.cameras[0]
    people = model(sets[0]["left"], calibration.K)
    (true,) = scene.truth(0.0)
    true_in_camera = (true.joints - pose[:3, 3]) @ pose[:3, :3]
    assert len(people) == 1 and [person.id for person in people] == [1]
    about_pelvis = people[0].joints - people[0].joints[0] - (true_in_camera - true_in_camera[0])
    assert np.linalg.norm(about_pelvis, axis=1).mean() < 0.2
    assert people[0].betas.shape == (10,) and people[0].transl.shape == (3,)
    vertices = people[0].vertices()
    assert vertices.shape == (model.body.vertex_count, 3)
    assert np.linalg.norm(np.asarray(model.body.J_regressor) @ vertices - people[0].joints, axis=1).max() < 0.1
    assert model(sets[0]["left"], calibration.K)[0].id == 1  # nothing is remembered


def test_a_camera_is_guessed_and_that_is_said(sets, caplog):
    model = refit_ros.load(device="cpu")
    with caplog.at_level(logging.WARNING, logger="refit_ros"):
        for image in (sets[0]["left"], sets[1]["left"]):
            people = model(image)
    assert any("focal length of 400 px" in note for note in people.notes)
    assert sum("focal length of 400 px" in record.getMessage() for record in caplog.records) == 1
    focal_px = people.lenses["camera"][0].K[0, 0]
    assert focal_px == pytest.approx(np.hypot(320, 240))
    known = model(sets[0]["left"], np.array([[2 * focal_px, 0, 160], [0, 2 * focal_px, 120], [0, 0, 1]]))
    assert not any("focal length" in note for note in known.notes)
    assert known[0].joints[0, 2] == pytest.approx(2 * model(sets[0]["left"])[0].joints[0, 2], rel=0.15)


def test_a_matrix_a_calibration_and_a_camera_are_the_same(model, scene, sets):
    calibration, image = scene.cameras[0][0], sets[0]["left"]
    found = [model(image, each)[0].joints for each in (calibration.K, calibration, refit_ros.Camera(calibration.K))]
    assert np.array_equal(found[0], found[1]) and np.array_equal(found[0], found[2])


def test_a_file_is_an_image(model, sets, tmp_path):
    cv2.imwrite(str(tmp_path / "image.png"), sets[0]["left"][..., ::-1])
    assert np.array_equal(model(tmp_path / "image.png")[0].joints, model(sets[0]["left"])[0].joints)
    with pytest.raises(FileNotFoundError, match="none.png"):
        model(tmp_path / "none.png")
    (tmp_path / "text.png").write_text("no image")
    with pytest.raises(ValueError, match="text.png"):
        model(tmp_path / "text.png")


def test_several_cameras_are_followed_together(model, scene, sets, cameras):
    model.reset()
    history = [model.track(images, cameras, time_s) for images, time_s in zip(sets, TIMES_S)]
    people = history[-1]
    assert people.cameras == ("left", "right") and [person.id for person in people] == [1]
    (true,) = scene.truth(TIMES_S[-1])
    assert np.linalg.norm(people[0].joints[0] - true.joints[0]) < 0.1
    drawn = people.draw(sets[-1])
    assert set(drawn) == {"left", "right"}
    for name, image in sets[-1].items():
        changed = (drawn[name] != image).any(-1)
        x, y = np.round(
            people.lenses[name][0].project(people[0].joints[0] @ scene_rotation(scene, name) + scene_shift(scene, name))
        ).astype(int)
        assert changed[y, x] and 0.005 < changed.mean() < 0.5
    with pytest.raises(ValueError, match="left, right"):
        people.draw(sets[-1]["left"])


def scene_rotation(scene, name):
    return next(pose[:3, :3] for calibration, pose in scene.cameras if calibration.name == name)


def scene_shift(scene, name):
    pose = next(pose for calibration, pose in scene.cameras if calibration.name == name)
    return -pose[:3, 3] @ pose[:3, :3]


def test_all_of_it_as_json(model, sets):
    people = model(sets[0]["left"])
    told = json.loads(json.dumps(people.to_dict(), allow_nan=False))
    assert told["body_model"] == model.body.name and told["cameras"] == ["camera"] and len(told["people"]) == 1
    assert np.allclose(told["people"][0]["joints"], people[0].joints)
    assert np.shape(told["people"][0]["body_pose"]) == (23, 3) and told["people"][0]["views"][0]["camera"] == "camera"


def test_drawing_wants_the_same_image(model, sets):
    people = model(sets[0]["left"])
    assert (people.draw(sets[0]["left"]) != sets[0]["left"]).any()
    with pytest.raises(ValueError, match="100 x 50 px"):
        people.draw(np.zeros((50, 100, 3), np.uint8))


def test_own_boxes_and_own_detectors(model, sets, boxes):
    asked = []

    def find(image):
        asked.append(image.shape)
        return boxes["left"]

    own = refit_ros.load(device="cpu", precision="float32", detector=find)
    by_detector, by_boxes = own(sets[0]["left"]), own(sets[0]["left"], boxes=boxes["left"])
    assert asked == [(240, 320, 3)] and len(by_detector) == len(by_boxes) == 1
    assert np.array_equal(by_detector[0].joints, by_boxes[0].joints)
    assert len(own(sets[0]["left"], boxes=[])) == 0


def test_people_can_be_copied(model, sets):
    people = model(sets[0]["left"])
    assert np.array_equal(copy.deepcopy(people)[0].joints, people[0].joints)
    assert repr(people) == "<People 1 at 0.000 s, seen by camera>"


def test_a_stream_whose_images_change_their_size_or_stand_still(model, sets, cameras):
    model.reset()
    small = {"left": sets[1]["left"][:100], "right": sets[1]["right"]}
    assert model.track(sets[0], cameras, 5.0).left_out == {}
    people = model.track(small, cameras, 5.1)
    assert people.cameras == ("right",) and "320 x 100 px, and was 320 x 240 px" in people.left_out["left"]
    people = model.track(sets[1], cameras, 5.1)  # the right one gives an image of the same moment again
    assert people.cameras == ("left",) and "not after the one before" in people.left_out["right"]
    people = model.track(sets[1], cameras, 4.9)
    assert people.cameras == () and set(people.left_out) == {"left", "right"} and len(people) == 0
    assert model.track(sets[2], cameras, 5.2).cameras == ("left", "right")
    assert set(model.track(sets[2], cameras, float("nan")).left_out) == {"left", "right"}
    assert model.track(sets[0], cameras, 0.0).cameras == ("left", "right")  # it plays again


def test_cameras_that_are_new_gone_unknown_or_nowhere(model, sets, cameras):
    model.reset()
    images = sets[0]
    assert model.track({"left": images["left"]}, cameras, 0.0).cameras == ("left",)
    assert model.track(images, cameras, 0.1).cameras == ("left", "right")
    people = model.track({**images, "door": images["left"]}, cameras, 0.2)
    assert people.cameras == ("left", "right") and "no camera 'door' is described" in people.left_out["door"]
    nowhere = {**cameras, "right": refit_ros.Camera(cameras["right"].K, fixed_from_camera=np.full((4, 4), np.nan))}
    people = model.track(images, nowhere, 0.3)
    assert people.cameras == ("left",) and "not a finite 4 x 4" in people.left_out["right"]
    people = model.track(images, {**cameras, "left": cameras["left"].K}, 0.4)
    assert people.cameras == ("right",) and "is unknown" in people.left_out["left"]
    people = model.track({**images, "left": None}, cameras, 0.5)
    assert people.cameras == ("right",) and "there is no image" in people.left_out["left"]


def spoilt(camera, **fields):
    return replace(camera, **fields)


FAR, SHEARED = np.eye(4), np.eye(4)
FAR[0, 3], SHEARED[3] = 1e15, [1, 2, 3, 4]


@pytest.mark.parametrize(
    "spoil, says",
    [
        (lambda camera: spoilt(camera, K=camera.K * np.nan), "K is not"),
        (lambda camera: None, "unknown|no camera"),
        (lambda camera: "foo", "could not convert|a camera is"),
        (lambda camera: spoilt(camera, D=(np.nan,) * 5), "coefficients"),
        (lambda camera: spoilt(camera, K=np.eye(4)[:2]), "K has shape"),
        (lambda camera: spoilt(camera, fixed_from_camera=FAR), "are its numbers metres"),
        (lambda camera: spoilt(camera, fixed_from_camera=SHEARED), "no rigid motion"),
    ],
)
def test_one_camera_of_which_nothing_is_right_costs_the_others_nothing(model, sets, cameras, spoil, says):
    for follow in (model.track, model):
        model.reset()
        try:
            bad = {**cameras, "right": spoil(cameras["right"])}
        except ValueError as error:  # told when it was described
            assert re.search(says, str(error))
            return
        people = follow(sets[0], bad)
        assert people.cameras == ("left",) and re.search(says, people.left_out["right"])
    good = model(sets[0], cameras, boxes={"right": [[1, 2, 3]]})
    assert good.cameras == ("left",) and "boxes" in good.left_out["right"]


def test_a_first_image_of_another_size_does_not_shut_a_camera_out(model, scene, sets, cameras):
    model.reset()
    small, calibration = sets[0]["left"][:10, :10], scene.cameras[0][0]
    assert "calibrated for" in model.track(small, calibration, 0.0).left_out["camera"]
    assert model.track(sets[0]["left"], calibration, 0.1).cameras == ("camera",)
    model.reset()
    model.track({**sets[0], "left": sets[0]["left"][:100]}, cameras, 0.0)
    used = [model.track(sets[0], cameras, 0.1 * index).cameras for index in range(1, 13)]
    assert used[8] == ("right",) and used[9:] == [("left", "right")] * 3, "that is what it gives now"


def test_cameras_may_be_called_by_numbers(model, sets, cameras):
    numbered = {number: cameras[name] for number, name in enumerate(("left", "right"))}
    people = model({number: sets[0][name] for number, name in enumerate(("left", "right"))}, numbered)
    assert people.cameras == (0, 1) and "seen by 0, 1" in repr(people)
    assert "there are: 0, 1" in model({"front": sets[0]["left"]}, numbered).left_out["front"]
    with pytest.raises(ValueError, match="0, 1"):
        people.draw(sets[0]["left"])


def test_after_several_cameras_one_image_is_one_camera_s(model, sets, cameras):
    assert model(sets[0], cameras).cameras == ("left", "right")
    assert model(sets[0]["left"]).cameras == ("camera",)
    model.track(sets[0], cameras, 0.0)
    model.reset()
    assert model.track(sets[0]["left"]).cameras == ("camera",)


def test_stamps_are_counted_on_after_one_that_is_none(model, sets):
    model.reset()
    stamps_s = [model.track(sets[0]["left"], stamp_s=stamp_s) for stamp_s in (4.0, float("nan"), None)]
    assert stamps_s[1].left_out and stamps_s[2].stamp_s == pytest.approx(4 + 1 / 30) and not stamps_s[2].left_out


def test_stamps_are_counted_where_none_are_given(model, sets):
    model.reset()
    assert [model.track(images["left"]).stamp_s for images in sets] == pytest.approx([0, 1 / 30, 2 / 30])


@pytest.mark.parametrize(
    "call, says",
    [
        (lambda model, image: model(image.astype(float)), "float64, expected uint8"),
        (lambda model, image: model(None), "None, which OpenCV gives where a file or a video's frame cannot be read"),
        (lambda model, image: model(image[..., :2]), r"\(240, 320, 2\), expected \(height"),
        (lambda model, image: model({"a": image}), "need their cameras"),
        (lambda model, image: model(image, np.eye(4)), r"K has shape \(4, 4\)"),
        (lambda model, image: model(image, np.full((3, 3), np.nan)), "finite"),
        (lambda model, image: model(image, "front"), "could not convert|a camera is"),
        (lambda model, image: model(image, boxes="person"), "holds no boxes"),
        (lambda model, image: refit_ros.load(settings={"smothing": 1}), "no setting 'smothing'"),
        (lambda model, image: refit_ros.load(settings={"smoothing": 7}), "smoothing is 7"),
        (lambda model, image: refit_ros.load(settings={"max_people": 1.5}), "max_people is 1.5; it must be a whole number"),
        (lambda model, image: refit_ros.load(settings={"smoothing": "0.3"}), "smoothing is '0.3'; it must be a number"),
        (lambda model, image: refit_ros.load(settings={"warm_start": 0.5}), "it must be True or False"),
        (lambda model, image: refit_ros.load(settings={"max_people": True}), "max_people is True"),
        (lambda model, image: model({"a": image}, {"a": np.eye(3)}, boxes=[[0, 0, 9, 9]]), "boxes by their names"),
        (lambda model, image: refit_ros.load(device="toaster"), "no device 'toaster'"),
        (lambda model, image: refit_ros.load(precision="foo"), "precision 'foo' is unknown; there are auto, float32"),
        (lambda model, image: refit_ros.load(device="cpu", detector=3), "int is no detector"),
        (lambda model, image: refit_ros.Camera(np.eye(3), fixed_from_camera=np.eye(3)), r"fixed_from_camera has shape"),
    ],
)
def test_mistakes_of_a_program_are_one_sentence(model, sets, call, says):
    with pytest.raises(ValueError, match=says):
        call(model, sets[0]["left"])


def test_a_calibration_for_another_size_is_left_out(model, scene, sets):
    other = Calibration("left", "left", 640, 480, scene.cameras[0][0].K)
    assert "calibrated for 640 x 480" in model(sets[0]["left"], other).left_out["camera"]


def test_settings_and_detectors_by_name(tmp_path):
    model = refit_ros.load(device="cpu", detector="full_image", settings=Settings(max_people=3))
    assert model.settings == Settings(max_people=3, detector="full_image")
    with pytest.raises(FileNotFoundError, match=r"nobody.onnx"):
        refit_ros.load(device="cpu", detector=tmp_path / "nobody.onnx")


def test_a_doubt_about_the_cameras_is_among_the_notes_and_logged_once(sets, cameras, caplog):
    model = refit_ros.load(device="cpu")
    found = People(0.0, (), ("left", "right"), doubt="the cameras' poses seem to be inverted")
    model._tracking = SimpleNamespace(estimate=lambda views: found)
    for images in sets[:2]:
        assert model.track(images, camera=cameras).notes[-1] == found.doubt
    assert caplog.text.count(found.doubt) == 1
