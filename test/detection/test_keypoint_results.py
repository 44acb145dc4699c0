"""Keypoints as common libraries give them, without these libraries: their attributes alone."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from refit_ros.camera.keypoints import GivenKeypoints
from refit_ros.detection.keypoint_results import keypoints_from

ROWS = np.random.default_rng(0).uniform([10, 10, 0.1], [300, 200, 0.9], (2, 17, 3))
PLACE, SCORE = ROWS[..., :2], ROWS[..., 2]


class UltralyticsKeypoints:
    """Of `Results.keypoints`: a length as its own sequence has one."""

    def __init__(self) -> None:
        self.xy, self.conf = torch.from_numpy(PLACE), torch.from_numpy(SCORE)

    def __len__(self) -> int:
        return len(self.xy)


class UltralyticsResults(SimpleNamespace):
    def __len__(self) -> int:
        return 2


RESULTS = {
    "as they are": GivenKeypoints(PLACE, SCORE, "coco"),
    "an array": ROWS,
    "a list of lists": ROWS.tolist(),
    "a tensor": torch.from_numpy(ROWS).requires_grad_(),
    "ultralytics": UltralyticsResults(keypoints=UltralyticsKeypoints(), boxes=None),
    "ultralytics, as it answers": [UltralyticsResults(keypoints=UltralyticsKeypoints(), boxes=None)],
    "supervision": SimpleNamespace(xy=PLACE, confidence=SCORE, class_id=None),
    "MMPose": SimpleNamespace(pred_instances=SimpleNamespace(keypoints=PLACE, keypoint_scores=SCORE)),
    "MMPose, as it answers": [SimpleNamespace(pred_instances=SimpleNamespace(keypoints=PLACE, keypoint_scores=SCORE))],
}


@pytest.mark.parametrize("result", RESULTS.values(), ids=RESULTS.keys())
def test_a_library_s_result(result):
    found = keypoints_from(result)
    np.testing.assert_allclose(found.place_px, PLACE)
    np.testing.assert_allclose(found.score, SCORE)
    assert found.layout == "coco"


@pytest.mark.parametrize("count, layout", [(26, "halpe"), (33, "blazepose")])
def test_the_count_of_points_tells_the_layout(count, layout):
    assert keypoints_from(np.full((1, count, 3), 0.5)).layout == layout


@pytest.mark.parametrize(
    "nobody", [None, [], np.zeros((0, 17, 3)), SimpleNamespace(xy=np.zeros((0, 2)), confidence=None)], ids=repr
)
def test_nobody(nobody):
    assert len(keypoints_from(nobody).score) == 0


def test_without_scores_points_are_certain_but_for_those_that_were_not_seen():
    place = PLACE.copy()
    place[0, 3] = 0
    score = keypoints_from(SimpleNamespace(xy=place, confidence=None)).score
    assert score[0, 3] == 0 and score.sum() == 33


@pytest.mark.parametrize(
    "result, says",
    [
        (np.zeros((2, 17, 2)), r"shape \(2, 17, 2\): expected \(N, K, 3\)"),
        (np.zeros((17, 3)), r"shape \(17, 3\)"),
        (np.zeros((1, 25, 3)), r"17 \(coco\), 26 \(halpe\), 33 \(blazepose\)"),
        (np.full((1, 17, 3), 9.0), "score is 9: scores are 0 .. 1"),
        (SimpleNamespace(keypoints=None, boxes=1), "holds no keypoints: is its model one for poses"),
        ("everybody", "str holds no keypoints that are known here"),
        (SimpleNamespace(xy=PLACE, confidence=SCORE[:1]), r"have shapes \(2, 17, 2\) and \(1, 17\)"),
    ],
)
def test_what_is_no_such_result_is_a_sentence(result, says):
    with pytest.raises(ValueError, match=says):
        keypoints_from(result)
