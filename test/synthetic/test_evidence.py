"""Drawn keypoint evidence: seeded, finite, about as wrong as landmark networks are."""

import pytest
import torch

from refit_ros.core.body import load_body
from refit_ros.core.keypoints import about_hips, place_in_crop
from refit_ros.core.landmarks import LANDMARK_INDEX
from refit_ros.synthetic.evidence import EvidenceSource


@pytest.fixture(scope="module")
def body():
    return load_body()


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize("views", [1, 2, 4])
def test_evidence_is_near_the_truth(body, split, views):
    source = EvidenceSource(body, split, seed=5)
    samples = source.batch(240 // views, views)
    evidence, target = samples.evidence, samples.target
    for value in (evidence.place, evidence.visibility, evidence.offset_m, evidence.quality):
        assert torch.isfinite(value).all()
    assert 0 <= evidence.visibility.min() and evidence.visibility.max() <= 1 and evidence.quality.max() <= 1
    landmarks_m, joints_m = source.body(target.betas, target.rotmats, target.transl)
    assert (joints_m - samples.joints_m).abs().max() < 1e-4
    off = (evidence.place - place_in_crop(landmarks_m, samples.crops)).norm(dim=-1) / 2
    assert 0.008 < off[evidence.visibility > 0.7].median() < 0.025  # of the crop's side
    assert off[(evidence.visibility < 0.3) & (evidence.visibility > 0)].median() > 0.02
    known = evidence.quality > (0.6 if views > 1 else 0.2)
    off_m = (evidence.offset_m - about_hips(landmarks_m)).norm(dim=-1)[known]
    assert known.float().mean() > 0.15 and 0.02 < off_m.median() < (0.06 if views > 1 else 0.2)


def test_the_same_seed_draws_the_same_and_another_does_not(body):
    first, again, other = (EvidenceSource(body, "train", seed).batch(8, 2).evidence.place for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_a_bodys_own_people_are_drawn_children_and_all():
    anny = load_body("anny")
    drawn = {split: EvidenceSource(anny, split, 1).batch(1500).target.betas for split in ("train", "test")}
    heights = {split: anny.height_m(betas) for split, betas in drawn.items()}
    assert heights["train"].min() < 1.05 and heights["train"].max() > 1.95
    children = {split: float((each < 1.45).float().mean()) for split, each in heights.items()}
    assert 0.04 < children["train"] < 0.14, "who stands before a robot is mostly grown up"
    assert 0.15 < children["test"] < 0.4, "as many of each age as the body's people are"
    people = torch.from_numpy(anny.arrays.people).float()
    nearest = {split: torch.cdist(betas, people).argmin(1) % 5 == 0 for split, betas in drawn.items()}
    assert nearest["test"].float().mean() > 0.8 > 0.2 > nearest["train"].float().mean()  # others are held out


def test_sources_without_3d_say_so(body):
    evidence = EvidenceSource(body, "train", 3).batch(300).evidence
    has_hand = evidence.visibility[:, LANDMARK_INDEX["left_index"]] > 0
    assert 0.6 < has_hand.float().mean() < 0.95  # BlazePose's layout has it, COCO and Halpe have not
    in_3d = evidence.quality.amax(1) > 0.2
    assert not in_3d[~has_hand].any() and 0.2 < in_3d[has_hand].float().mean() < 0.5, "nor have those that were checked"


def test_the_points_of_a_second_network_err_less_and_what_it_does_not_confirm_is_not_seen(body):
    source = EvidenceSource(body, "train", 5)
    samples = source.batch(1500)
    landmarks_m, _ = source.body(samples.target.betas, samples.target.rotmats, samples.target.transl)
    off = (samples.evidence.place - place_in_crop(landmarks_m, samples.crops)).norm(dim=-1) / 2
    hand, knees = LANDMARK_INDEX["left_index"], [LANDMARK_INDEX["left_knee"], LANDMARK_INDEX["right_knee"]]
    alone = samples.evidence.quality.amax(1) > 0.2  # the first network by itself
    checked = (samples.evidence.visibility[:, hand] > 0) & ~alone  # nearly all of them
    assert off[checked][:, knees].median() < 0.93 * off[alone][:, knees].median()
    lost = [(samples.evidence.visibility[some][:, hand] < 0.05).float().mean() for some in (checked, alone)]
    assert lost[0] > 0.08 > 0.05 > lost[1]


def test_bad_requests_are_told(body):
    with pytest.raises(ValueError, match="split 'dev' is unknown"):
        EvidenceSource(body, "dev", 0)
    with pytest.raises(ValueError, match="1 to 8 views"):
        EvidenceSource(body, "train", 0).batch(2, 9)


def test_a_third_of_single_views_end_below_the_head_and_what_is_below_is_not_sure(body):
    source = EvidenceSource(body, "train", 7)
    samples = source.batch(800)
    landmarks_m, _ = source.body(samples.target.betas, samples.target.rotmats, samples.target.transl)
    off = (samples.evidence.place - place_in_crop(landmarks_m, samples.crops)).norm(dim=-1) / 2
    visibility = samples.evidence.visibility
    hips = [LANDMARK_INDEX["left_hip"], LANDMARK_INDEX["right_hip"]]
    lost = (off[:, hips] > 0.2).all(1)
    assert 0.05 < lost.float().mean() < 0.25  # of those that are cut above the hips, most
    assert visibility[lost][:, hips].median() < 0.45 < 0.7 < visibility[off < 0.02].median()
    nose = LANDMARK_INDEX["nose"]
    assert off[lost, nose].median() < 0.12  # the head is where it is, and these crops are small
