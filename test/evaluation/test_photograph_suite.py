"""Annotated photographs against estimates whose errors are known."""

import json

import numpy as np
import pytest

from refit_ros.core.body import load_body
from refit_ros.core.errors import InputError
from refit_ros.core.joints import JOINT_INDEX
from refit_ros.core.landmarks import COCO_17
from refit_ros.estimation.types import People, Person, PersonView
from refit_ros.evaluation.photograph_suite import evaluate_photographs, matched, read_annotations, table, torso_errors

cv2 = pytest.importorskip("cv2")

BODY_PX = np.random.default_rng(0).uniform([60, 30], [100, 150], (17, 2))  # of one person
BODY_PX[5:7], BODY_PX[11:13] = [[70, 50], [90, 50]], [[72, 100], [88, 100]]  # a torso of 50 px


def write(folder):
    for name in ("one.png", "none.png"):
        cv2.imwrite(str(folder / name), np.zeros((160, 200, 3), np.uint8))
    keypoints = np.c_[BODY_PX, np.full(17, 2)].flatten().tolist()
    data = {
        "images": [{"id": 1, "file_name": "one.png"}, {"id": 2, "file_name": "none.png"}],
        "annotations": [
            {"image_id": 1, "bbox": [55, 25, 50, 130], "keypoints": keypoints},
            {"image_id": 1, "bbox": [150, 25, 30, 80]},
        ],
    }  # fmt: skip
    (folder / "people.json").write_text(json.dumps(data))


class Estimates:
    """One person in each image, where the annotated one is, all joints 5 px to the right but the wrists, 20 px."""

    def reset(self):
        pass

    def estimate(self, views):
        calibration = views[0].calibration
        joints = np.tile([0, 0, 4.0], (24, 1))
        for index, name in enumerate(COCO_17):
            if name in JOINT_INDEX:
                px = BODY_PX[index] + [20 if "wrist" in name else 5, 0]
                joints[JOINT_INDEX[name], :2] = (px - calibration.K[:2, 2]) / calibration.K[0, 0] * 4
        view = PersonView("camera", "", np.array([55, 25, 105, 155.0]), np.ones(3), 0.0)
        person = Person(
            1, 0.9, np.zeros(10), np.zeros(3), np.zeros((23, 3)), np.array([0, 0, 4.0]), joints,
            np.tile(np.eye(3), (24, 1, 1)), np.ones(24), np.ones(24, bool), (view,),
        )  # fmt: skip
        return People(0.0, (person,), ("camera",))


def test_the_figures_are_those_of_known_errors(tmp_path):
    write(tmp_path)
    lines = []
    result = evaluate_photographs(tmp_path, Estimates(), load_body(), tmp_path, lines.append)
    assert result["people"] == 2 and result["recall"] == 0.5 and result["others_per_image"] == 0.5
    assert result["images_without_people"] == 1 and result["others_per_image_without_people"] == 1.0
    assert result["joints"] == 12 and result["pck"] == round(10 / 12, 4) and result["median_torsos"] == 0.1
    assert result["joints_with_true_boxes"] == 12 and result["pck_with_true_boxes"] == round(10 / 12, 4)
    assert (tmp_path / "one_overlay.jpg").exists() and lines[0] == "one.png: 1 of 2 people, 0 others"
    assert "| recall | 0.5 |" in table(result)


def test_who_is_not_published_in_a_true_box_is_wrong_and_counts(tmp_path):
    write(tmp_path)

    class Blind(Estimates):
        def estimate(self, views):
            boxes, people = views[0].boxes, super().estimate(views)
            return people if boxes is None else People(0.0, (), ("camera",))

    result = evaluate_photographs(tmp_path, Blind(), load_body())
    assert result["pck"] > 0.8 and result["joints_with_true_boxes"] == 12 and result["pck_with_true_boxes"] == 0


def test_boxes_are_used_once_and_only_where_they_overlap():
    true = np.array([[0, 0, 10, 10.0], [100, 0, 110, 10]])
    assert matched(true, np.array([[1, 0, 11, 10.0], [0, 0, 10, 10], [50, 0, 60, 10]])) == [(0, 1)]
    assert matched(true, np.zeros((0, 4))) == []


def test_who_has_no_torso_gives_no_errors():
    keypoints = np.c_[BODY_PX, np.full(17, 2.0)]
    keypoints[5, 2] = 0
    assert torso_errors(keypoints, np.zeros((24, 2))) == []


def change(folder, edit):
    data = json.loads((folder / "people.json").read_text())
    edit(data)
    (folder / "people.json").write_text(json.dumps(data))


def test_annotations_of_other_things_than_people_are_left_out(tmp_path):
    """COCO's files of objects have 80 categories."""
    write(tmp_path)

    def edit(data):
        data["categories"] = [{"id": 1, "name": "person"}, {"id": 18, "name": "dog"}]
        for annotation, kind in zip(data["annotations"], (1, 18)):
            annotation["category_id"] = kind

    change(tmp_path, edit)
    assert [len(annotated) for _, annotated in read_annotations(tmp_path)] == [1, 0]
    assert evaluate_photographs(tmp_path, Estimates(), load_body())["recall"] == 1.0


def test_a_crowd_is_no_person_and_who_is_seen_in_it_is_no_error(tmp_path):
    write(tmp_path)

    def edit(data):
        data["annotations"][1]["iscrowd"] = 1
        data["annotations"].append({"image_id": 2, "bbox": [0, 0, 200, 160], "iscrowd": 1, "keypoints": []})

    change(tmp_path, edit)
    lines = []
    result = evaluate_photographs(tmp_path, Estimates(), load_body(), say=lines.append)
    assert result["people"] == 1 and result["recall"] == 1.0 and result["others_per_image"] == 0.0
    assert result["images_without_people"] == 0 and lines[1] == "none.png: 0 of 0 people, 0 others"
    change(tmp_path, lambda data: data["annotations"][2].update(bbox=[100, 0, 100, 160]))
    assert evaluate_photographs(tmp_path, Estimates(), load_body())["others_per_image"] == 0.5, "beside the crowd"


def test_images_of_one_name_in_two_folders_have_an_overlay_each(tmp_path):
    write(tmp_path)
    for place, shade in (("left", 0), ("right", 200)):
        (tmp_path / place).mkdir()
        cv2.imwrite(str(tmp_path / place / "one.png"), np.full((160, 200, 3), shade, np.uint8))
    names = ["left/one.png", "right/one.png"]
    change(tmp_path, lambda data: [image.update(file_name=name) for image, name in zip(data["images"], names)])
    (tmp_path / "overlays").mkdir()
    lines = []
    evaluate_photographs(tmp_path, Estimates(), load_body(), tmp_path / "overlays", lines.append)
    drawn = sorted((tmp_path / "overlays").iterdir())
    assert [path.name for path in drawn] == ["left_one_overlay.jpg", "right_one_overlay.jpg"]
    dark, light = (cv2.imread(str(path))[-1, -1].mean() for path in drawn)
    assert dark < 50 < 150 < light
    assert [line.split(":")[0] for line in lines] == names


def test_images_that_differ_in_their_endings_have_an_overlay_each(tmp_path):
    write(tmp_path)
    cv2.imwrite(str(tmp_path / "one.jpg"), np.zeros((160, 200, 3), np.uint8))
    change(tmp_path, lambda data: data["images"][1].update(file_name="one.jpg"))
    evaluate_photographs(tmp_path, Estimates(), load_body(), tmp_path)
    assert sorted(path.name for path in tmp_path.glob("*_overlay.jpg")) == ["one_2_overlay.jpg", "one_overlay.jpg"]


@pytest.mark.parametrize("points", [None, [], "absent"])
def test_a_person_without_keypoints_may_be_written_in_any_way(tmp_path, points):
    write(tmp_path)
    change(tmp_path, lambda data: data["annotations"][1].update(keypoints=points) if points != "absent" else None)
    assert not read_annotations(tmp_path)[0][1][1]["keypoints"].any()


@pytest.mark.parametrize("box", [[0, 0, -5, 10], [0, 0, float("nan"), 10], [0, 0, 5]])
def test_a_box_that_is_none_is_told(tmp_path, box):
    write(tmp_path)
    change(tmp_path, lambda data: data["annotations"][1].update(bbox=box))
    with pytest.raises(InputError, match="a bbox of"):
        read_annotations(tmp_path)


@pytest.mark.parametrize("text, told", [("{", "COCO's layout"), ('{"images": []}', "COCO's layout")])
def test_bad_annotations_are_told_in_a_sentence(tmp_path, text, told):
    (tmp_path / "people.json").write_text(text)
    with pytest.raises(InputError, match=told):
        read_annotations(tmp_path)


def test_no_annotations_are_told(tmp_path):
    with pytest.raises(InputError, match="0 .json files"):
        read_annotations(tmp_path)
