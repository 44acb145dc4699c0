"""Whether a node that is to live in simulated time has been told any: without /clock its own clock stands at 0."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rclpy.node import Node

PATIENCE_S = 5.0  # discovery takes its time
NO_CLOCK = (
    "use_sim_time is true and no /clock has come: "
    "start the simulator or play the bag with --clock, or set use_sim_time false"
)


class SimClock:
    """Says into the node's log, once, that there is no time."""

    def __init__(self, node: Node, now_s: float) -> None:
        self._node, self._began_s, self._said = node, now_s, False

    def amiss(self, now_s: float) -> str:
        """A sentence as long as it lasts; else ""."""
        if now_s - self._began_s < PATIENCE_S or not self._node.get_parameter("use_sim_time").value:
            return ""
        if self._node.get_clock().now().nanoseconds:
            return ""
        if not self._said:
            self._said = True
            self._node.get_logger().warning(NO_CLOCK)
        return NO_CLOCK
