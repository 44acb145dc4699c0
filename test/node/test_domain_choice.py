"""A run of its own takes a ROS domain that nobody is in."""

from __future__ import annotations

import pytest

pytest.importorskip("rclpy")

import rclpy  # noqa: E402

from refit_ros.node.harness import own_domain_id  # noqa: E402


def test_a_domain_somebody_is_in_is_not_taken():
    taken = own_domain_id()
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=taken)
    try:
        node = rclpy.create_node("somebody", context=context)
        assert own_domain_id() != taken
        node.destroy_node()
    finally:
        context.try_shutdown()
