"""Transitions of a lifecycle node that fail, or that its state does not allow, say so and end nothing."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE


def explains_failure(transition: Callable) -> Callable:
    """rclpy turns an exception in a transition into an error state without a word: say it, and fail instead."""

    def guarded(self: LifecycleNode, state: LifecycleState) -> TransitionCallbackReturn:
        name = transition.__name__.removeprefix("on_")
        try:
            return transition(self, state)
        except (ValueError, OSError, ModuleNotFoundError) as error:
            self.get_logger().error(f"{name} failed: {error}")
        except Exception:
            self.get_logger().error(f"{name} failed:\n{traceback.format_exc()}")
        return FAILURE

    return guarded


def refuses_illegal_transitions(mixin: type) -> bool:
    """Whether this rclpy has the mending of https://github.com/ros2/rclpy/issues/1209 (pull request 1319).

    Without it a change_state request that the present state does not allow raises out of the service's callback and ends
    the executor; with it `__change_state` catches the RCLError itself.
    """
    change = getattr(mixin, "_LifecycleNodeMixin__change_state", None)
    return change is not None and "RCLError" in change.__code__.co_names


def answer_illegal_transitions(node: LifecycleNode) -> None:
    """A change_state request that the present state does not allow is refused, also by an rclpy that would die of it."""
    from rclpy.impl.implementation_singleton import rclpy_implementation
    from rclpy.lifecycle import LifecycleNodeMixin

    service = getattr(node, "_service_change_state", None)
    if service is None or refuses_illegal_transitions(LifecycleNodeMixin):
        return
    change = service.callback

    def guarded(request: Any, response: Any) -> Any:
        try:
            return change(request, response)
        except rclpy_implementation.RCLError as error:
            node.get_logger().warning(f"this transition is not possible now: {error}")
            response.success = False
            return response

    service.callback = guarded
