"""A keypoint model of the user's is taken wherever landmarks are looked for, and refused in a sentence where none are."""

from __future__ import annotations

import argparse

import numpy as np
import pytest

from refit_ros.__main__ import main
from refit_ros.calibration import sources
from refit_ros.commands.calibrate import _lookers, add_arguments
from refit_ros.core.landmarks import BLAZEPOSE_33
from refit_ros.detection import landmark_sources
from refit_ros.estimation.settings import Settings
from refit_ros.evaluation import people_suite

PEOPLE = ["evaluate", "--suite", "people", "--scenes", "one_walking", "--rates", "3", "--variants", "full"]


class OwnModel:
    """What stands for a file's network."""

    def __init__(self, path) -> None:
        self.path = path


@pytest.fixture
def own_models(monkeypatch):
    monkeypatch.setattr(landmark_sources, "OnnxKeypoints", OwnModel)


def test_evaluate_takes_it_for_drawn_scenes(own_models):
    people_suite._landmarks_of.cache_clear()
    source = people_suite._landmarks(Settings(keypoint_source="onnx", keypoint_model="mine.onnx"), "cpu")
    assert isinstance(source, OwnModel) and source.path == "mine.onnx"
    settings = Settings(keypoint_source="onnx", keypoint_model="mine.onnx", max_people=3)
    assert people_suite._landmarks(settings, "cpu") is source
    people_suite._landmarks_of.cache_clear()


@pytest.mark.parametrize(
    "more, says",
    [
        (["--evidence", "keypoints", "--keypoint-model", "none.onnx"], "none.onnx"),
        (["--keypoint-model", "none.onnx"], "--keypoint-model is about landmarks"),
        (["--landmarks", "heavy"], "--landmarks is about landmarks, and people are known by features here: add --evidence"),
    ],
)
def test_what_evaluate_cannot_use_is_told_before_anything_is_drawn(more, says, capsys, monkeypatch):
    monkeypatch.setattr(people_suite, "render_sequence", lambda *_: pytest.fail("it was drawn"))
    assert main([*PEOPLE, *more]) == 2
    assert says in capsys.readouterr().err


def lookers(*options):
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return _lookers(parser.parse_args(["drawn", "--output", "rig.toml", *options]), sources.drawn(1.0, 1.0, 0))


def test_calibrate_takes_it_for_drawn_people_too(own_models):
    found = lookers("--keypoint-model", "mine.onnx")
    assert {looker.names for looker in found} == {BLAZEPOSE_33}
    assert {looker._noted._source.path for looker in found} == {"mine.onnx"}
    assert len({id(looker._noted._source) for looker in found}) == 1, "one network for all cameras"
    assert lookers()[0].names != BLAZEPOSE_33, "drawn people are looked at by features, if nothing else is said"


def test_calibrate_refuses_it_beside_features(own_models):
    with pytest.raises(ValueError, match="--keypoint-model is about landmarks"):
        lookers("--keypoint-model", "mine.onnx", "--evidence", "features")


@pytest.mark.needs_models("pose_detection", "pose_landmark_full")
def test_calibrate_looks_at_drawn_people_by_landmarks_where_that_is_said():
    assert lookers("--evidence", "keypoints")[0].names == BLAZEPOSE_33


@pytest.mark.parametrize("option", [["--landmarks", "heavy"], ["--keypoint-model", "mine.onnx"]])
def test_fit_refuses_it_beside_features(option, own_models, tmp_path, capsys):
    import cv2

    cv2.imwrite(str(tmp_path / "image.png"), np.zeros((48, 64, 3), np.uint8))
    command = ["fit", str(tmp_path / "image.png"), "--output", str(tmp_path / "out"), "--evidence", "features"]
    assert main([*command, *option]) == 2
    assert f"{option[0]} is about landmarks" in capsys.readouterr().err
