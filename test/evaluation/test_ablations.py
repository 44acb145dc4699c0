"""Every rule can be switched off by itself, and is on again afterwards."""

from __future__ import annotations

import numpy as np
import pytest
from oracle import Oracle
from test_evaluation import TWO, staged

from refit_ros.estimation import (
    crop_plan,
    detections,
    keypoint_association,
    keypoint_estimator,
    keypoint_expected,
    keypoint_newcomers,
    keypoint_tracks,
    keypoints,
    pose_association,
    pose_estimation,
    predicted_views,
)
from refit_ros.estimation.settings import Settings
from refit_ros.evaluation.ablations import FEATURE_RULES, LANDMARK_RULES, switched_off
from refit_ros.evaluation.people_suite import Selection, play_variant, variants_named
from refit_ros.tracking import contact, depth_scale, existence, match
from refit_ros.tracking.moved_cameras import MovedCameras


def standing() -> tuple:
    """What is in force now."""
    return (
        crop_plan.occlusion_mask,
        predicted_views.beside,
        detections._corrected,
        detections._in_sight,
        pose_association._apart,
        pose_association.surprise,
        contact.kept_apart,
        pose_association._seen_there,
        pose_association._margin,
        match._pose_cost,
        pose_estimation.belief,
        existence.still_there,
        existence.missed,
        depth_scale.DepthScale.learned,
        MovedCameras.judge,
        keypoint_expected.occlusion_mask,
        keypoint_tracks.beside_others,
        keypoint_association.beside_others,
        keypoint_expected.EXCHANGED,
        keypoint_association.heard,
        keypoint_association.clearness,
        keypoint_association.believed,
        keypoint_newcomers.EXPLAINED_M,
        keypoint_estimator.KeypointEstimator._rejoined,
        keypoint_association.SIDE_BY_SIDE,
        keypoints.flatness,
    )


@pytest.mark.parametrize(
    "evidence, rule",
    [*(("features", rule) for rule in FEATURE_RULES), *(("keypoints", rule) for rule in LANDMARK_RULES)],
)
def test_a_rule_is_off_for_as_long_as_it_is_asked_to_be(evidence, rule):
    before = standing()
    with pytest.raises(KeyboardInterrupt), switched_off(rule, evidence):
        assert standing() != before
        raise KeyboardInterrupt
    assert standing() == before


def test_a_variant_without_a_rule_runs_without_it():
    sequence = staged(TWO, sets=12, bumped_s=0.5)
    settings = Settings(detector="topic", moved_camera_s=0.2)
    with_rule, without = (
        play_variant(Oracle(sequence.stage), name, settings, sequence) for name in ("full", "without moved cameras")
    )
    assert with_rule["moved"] and not without["moved"]
    assert np.isfinite(without["pelvis_m"])


def test_each_evidence_has_the_rules_that_it_goes_by():
    """A rule of the other evidence would do nothing, and its row would read as if the rule were worth nothing."""
    named = {
        evidence: list(variants_named(["rules"], Settings(evidence=evidence))) for evidence in ("auto", "keypoints", "both")
    }
    assert "without boxes' bearings" in named["auto"] and "without left for right" not in named["auto"]
    assert "without left for right" in named["keypoints"] and "without boxes' bearings" not in named["keypoints"]
    assert named["both"] == named["keypoints"]
    assert {"full", "without moved cameras"} <= set(named["auto"]) & set(named["keypoints"])


def test_rules_are_variants_that_must_be_asked_for():
    assert list(variants_named(["without_belief_in_views", "full"], Settings())) == ["without belief in views", "full"]
    assert not [name for name in variants_named(Selection().variants, Settings()) if name.startswith("without")]
    assert len(variants_named(["rules"], Settings())) == len(FEATURE_RULES) + 1
