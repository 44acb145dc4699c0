"""The node as a program: start, spin, end well."""
from __future__ import annotations

import signal
import threading

EXIT_BAD_INPUT = 2


def run_node(ros_arguments: list[str]) -> int:
    """Run the node until SIGINT or SIGTERM, or until its context is shut down. Returns the exit code."""
    import rclpy
    # Before anything heavy is imported, so that a signal finds somebody who listens.
    rclpy.init(args=ros_arguments)
    try:
        return _run()
    finally:
        _ignore_signals()
        rclpy.try_shutdown()


def _run() -> int:
    from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
    from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor

    from refit_ros.node.refit_node import RefitNode
    node = None
    try:
        node = RefitNode()
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        node.start()
        _spin(executor, node)
    except (InvalidParameterTypeException, InvalidParameterValueException) as error:
        raise ValueError(str(error)) from None
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        _ignore_signals()
        if node is not None:
            node.close()
    return 0


def _spin(executor, node) -> None:
    """Like `executor.spin()`, but a callback that raises ends neither the node nor the others."""
    import traceback

    from rclpy.executors import ExternalShutdownException
    while executor.context.ok():
        try:
            executor.spin_once()
        except ExternalShutdownException:
            return
        except Exception:
            if executor.context.ok():
                node.get_logger().error(f"a callback failed:\n{traceback.format_exc()}")


def _ignore_signals() -> None:
    """The tidying up is short and must not be cut off by an impatient second Ctrl-C."""
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
