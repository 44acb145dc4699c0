"""What the demo reports, on bodies whose errors are known."""

from __future__ import annotations

import numpy as np
import pytest

from refit_ros.node.comparison import Body, compare, world_from_message_frame


def body(number: int, at_m=(0.0, 0.0, 0.0), seed: int = 0, in_view: bool = True) -> Body:
    joints = np.random.default_rng(seed).normal(size=(24, 3)) * 0.4
    return Body(number, joints - joints[0] + np.asarray(at_m), in_view)


def test_a_moved_body_is_wrong_in_place_only():
    found = compare([([body(7, (0.3, 0.4, 0.0))], [body(1)])])
    assert (found.pairs, found.missed, found.extra, found.id_switches) == (1, 0, 0, 0)
    assert found.pelvis_error_mm == pytest.approx(500)
    assert found.mpjpe_mm == pytest.approx(0, abs=1e-6) and found.pa_mpjpe_mm == pytest.approx(0, abs=1e-6)


def test_one_wrong_joint_counts_as_a_24th():
    estimate = body(1)
    estimate.joints_m[5] += (0.0, 0.0, 0.24)
    found = compare([([estimate], [body(1)])])
    assert found.mpjpe_mm == pytest.approx(10)
    assert 0 < found.pa_mpjpe_mm < 20


def test_a_turned_and_scaled_body_is_right_after_alignment():
    true = body(1)
    turn = np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1.0]])
    found = compare([([Body(1, 0.9 * true.joints_m @ turn.T, True)], [true])])
    assert found.mpjpe_mm > 100 and found.pa_mpjpe_mm == pytest.approx(0, abs=1e-3)


def test_swapped_numbers_are_counted_and_so_are_missing_and_extra_people():
    left, right = (0.0, 0, 0), (1.5, 0, 0)
    truth = [body(1, left), body(2, right), body(3, (50.0, 0, 0), in_view=False)]
    found = compare(
        [
            ([body(10, left), body(20, right)], truth),
            ([body(20, left), body(10, right)], truth),
            ([body(20, left), body(30, (9.0, 0, 0))], truth),
        ]
    )
    assert found.id_switches == 2
    assert found.missed == 1  # of the right one at the end; the third was never in view
    assert found.extra == 1
    assert found.pairs == 5


def test_nobody_gives_no_figures_and_does_not_fail():
    found = compare([([], [body(1)]), ([], [])])
    assert found.pairs == 0 and found.missed == 1 and np.isnan(found.mpjpe_mm)


def test_an_unknown_frame_is_named():
    with pytest.raises(ValueError, match="in the frame 'attic'"):
        world_from_message_frame("attic", "world", {"camera_optical_frame": np.eye(4)})
