"""From sightings to motions: even frames stay, uneven ones lie on the arc, gaps are cut, everybody stands upright."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from motion_truth import RATE_HZ, joints_of, moving, sightings
from scipy.spatial.transform import Rotation

from refit_ros.motion.assemble import motions_of
from refit_ros.motion.skeleton import Z_UP_FROM_OPTICAL, bones_of, posed_joints


def test_even_frames_stay_as_they_are():
    betas, poses, transl = moving()
    (motion,) = motions_of(sightings())
    assert motion.name == "person_4" and motion.rate_hz == pytest.approx(RATE_HZ) and motion.start_s == 100
    np.testing.assert_array_equal(motion.poses, poses)
    np.testing.assert_allclose(motion.transl, transl, atol=1e-6)
    np.testing.assert_allclose(motion.betas, betas)
    np.testing.assert_allclose(motion.joints, joints_of(betas, poses, transl), atol=1e-6)


def test_many_even_frames_stay_as_they_are_too():
    """Their times in seconds since 1970 are rounded, and so is each step between them."""
    one, frames = sightings(1)[0], 12_000
    confidences = np.linspace(0, 1, frames)
    seen = [
        replace(one, time_s=(1_700_000_000 * 10**9 + round(index * 1e9 / 120)) * 1e-9, confidence=confidences[index])
        for index in range(frames)
    ]
    (motion,) = motions_of(seen)
    np.testing.assert_array_equal(motion.confidence, confidences)
    assert motion.rate_hz == pytest.approx(120, rel=1e-8)
    (with_a_hole,) = motions_of(seen[:5000] + seen[5001:])
    assert len(with_a_hole.confidence) == frames and with_a_hole.rate_hz == pytest.approx(120, rel=1e-8)


def test_bones_put_the_joints_where_they_were():
    (motion,) = motions_of(sightings())
    again = posed_joints(bones_of(motion.rest_joints), motion.poses, motion.pelvis)
    np.testing.assert_allclose(again, motion.joints, atol=1e-5)


def test_uneven_frames_are_put_on_the_arc_between_them():
    """The truth turns evenly, so that what lies between two frames is known."""
    whole = sightings(25)
    _, poses, transl = moving(25)
    kept = [each for index, each in enumerate(whole) if index not in (3, 4, 9, 17)]
    (motion,) = motions_of(kept)
    assert len(motion.poses) == 25 and motion.rate_hz == pytest.approx(RATE_HZ)
    between = Rotation.from_rotvec(motion.poses.reshape(-1, 3)).inv() * Rotation.from_rotvec(poses.reshape(-1, 3))
    assert between.magnitude().max() < 1e-6
    np.testing.assert_allclose(motion.pelvis[[3, 4, 9]], motion.rest_joints[0] + transl[[3, 4, 9]], atol=1e-5)


def test_another_rate():
    (motion,) = motions_of(sightings(13), rate_hz=60.0)
    _, poses, _ = moving(13)
    assert len(motion.poses) == 25
    np.testing.assert_allclose(motion.poses[::2], poses, atol=1e-6)


def test_long_gaps_are_cut_and_not_filled():
    times_s = np.concatenate([np.arange(6), 60 + np.arange(6)]) / RATE_HZ
    motions = motions_of(sightings(12, times_s=times_s))
    assert [motion.name for motion in motions] == ["person_4_part_1", "person_4_part_2"]
    assert [len(motion.poses) for motion in motions] == [6, 6] and motions[1].start_s == pytest.approx(2.0)
    assert len(motions_of(sightings(12, times_s=times_s), longest_gap_s=3.0)) == 1


def test_what_comes_after_time_went_back_is_a_motion_of_its_own():
    """A bag played again to a node that was started anew: the same times, the same ids, and other estimates."""
    first, again = sightings(30), sightings(20, seed=8)
    motions = motions_of([*first, *again])
    assert [len(motion.poses) for motion in motions] == [30, 20]
    np.testing.assert_array_equal(motions[-1].poses, moving(20, seed=8)[1])  # the last one made is the last one
    late = [*first[:10], *first[12:14], *first[10:12], *first[14:]]  # two came a little late
    (motion,) = motions_of(late)
    np.testing.assert_array_equal(motion.poses, moving(30)[1])


def test_a_cameras_frame_becomes_z_up():
    seen = sightings()
    camera = Z_UP_FROM_OPTICAL.T
    turned = [
        replace(
            each,
            optical=True,
            frame_id="camera_optical",
            global_orient=(Rotation.from_matrix(camera) * Rotation.from_rotvec(each.global_orient)).as_rotvec(),
            joints=each.joints @ camera.T,
            transl=each.joints[0] @ camera.T - (each.joints[0] - each.transl),  # SMPL turns about its pelvis
        )
        for each in seen
    ]
    (straight,), (through_camera,) = motions_of(seen), motions_of(turned)
    np.testing.assert_allclose(through_camera.joints, straight.joints, atol=1e-6)
    np.testing.assert_allclose(through_camera.transl, straight.transl, atol=1e-6)
    np.testing.assert_allclose(through_camera.poses, straight.poses, atol=1e-6)


def test_who_is_not_seen_at_first_is_turned_upright_like_everybody():
    """Whom no camera sees just then has no views, by which an optical frame is told; it is the others' frame too."""
    (unseen,) = motions_of([*sightings(), *[replace(each, optical=True) for each in sightings(person=9)]])[:1]
    (seen,) = motions_of([replace(each, optical=True) for each in sightings()])
    np.testing.assert_array_equal(unseen.joints, seen.joints)
    np.testing.assert_array_equal(unseen.poses, seen.poses)


def test_one_shape_for_all_frames_leaves_the_pelvis_where_it_was():
    frames, rng = 8, np.random.default_rng(5)
    _, poses, transl = moving(frames)
    shapes = rng.normal(0, 1, (frames, 10))
    seen = [
        replace(each, betas=shape, joints=joints_of(shape, pose[None], place[None])[0])
        for each, shape, pose, place in zip(sightings(frames), shapes, poses, transl)
    ]
    (motion,) = motions_of(seen)
    np.testing.assert_allclose(motion.betas, shapes.mean(axis=0))
    again = joints_of(motion.betas, motion.poses, motion.transl)
    np.testing.assert_allclose(again[:, 0], [each.joints[0] for each in seen], atol=1e-5)
    np.testing.assert_allclose(again, posed_joints(bones_of(motion.rest_joints), motion.poses, motion.pelvis), atol=1e-5)


def test_people_and_sequences_are_kept_apart():
    other = [replace(each, sequence=1) for each in sightings(seed=8)]
    names = [motion.name for motion in motions_of([*sightings(), *sightings(person=9), *other])]
    assert names == ["sequence_1_person_4", "sequence_1_person_9", "sequence_2_person_4"]


def test_a_single_frame_is_no_motion():
    assert motions_of(sightings(1)) == [] and motions_of([]) == []
    assert motions_of([*sightings(1), *sightings(1)]) == []  # the same time twice
