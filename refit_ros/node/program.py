"""The node as a program: start, spin, end well."""

from __future__ import annotations

import os
import sys
import threading
import traceback
from typing import TYPE_CHECKING

from refit_ros import interrupt

if TYPE_CHECKING:
    from rclpy.executors import Executor

    from refit_ros.node.refit_node import RefitNode

LOOK_S = 0.5  # how often the main thread looks whether the spinning one has ended
END_WAIT_S = 1.0  # for a callback that is still at work when all ends


def run_node(ros_arguments: list[str]) -> int:
    """Run the node until KeyboardInterrupt (the command line makes one of SIGINT and of SIGTERM). Returns the exit code.

    rclpy's own signal handlers would take the context away before the node could tidy up: the markers on show
    could not be taken down. Raises ValueError with a sentence on arguments and parameters that cannot be used.
    """
    from refit_ros.node.memory import keep_freed_memory

    keep_freed_memory()
    import rclpy
    from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
    from rclpy.impl.implementation_singleton import rclpy_implementation
    from rclpy.signals import SignalHandlerOptions

    program = _Program()
    try:
        rclpy.init(args=ros_arguments, signal_handler_options=SignalHandlerOptions.NO)
        program.run()
    except (InvalidParameterTypeException, InvalidParameterValueException) as error:
        raise ValueError(str(error).strip()) from None
    except (rclpy_implementation.RCLError, rclpy_implementation.UnknownROSArgsError) as error:
        raise ValueError(str(error)) from None
    except KeyboardInterrupt:
        pass
    finally:
        interrupt.ignore()
        at_work = program.end()
        rclpy.try_shutdown()
    if at_work:
        # A thread is deep in a computation: waiting for it could take longer than anybody waits for a Ctrl-C.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
    return 0


class _Program:
    """The main thread waits for signals, another one spins."""

    def __init__(self) -> None:
        self._node: RefitNode | None = None
        self._executor: Executor | None = None
        self._thread: threading.Thread | None = None
        self._ending = threading.Event()
        self._spun = threading.Event()

    def run(self) -> None:
        import cv2

        from refit_ros.node.refit_node import RefitNode

        cv2.setNumThreads(1)  # its pool spins between two pictures and takes more than it gives
        self._node = RefitNode()
        interrupt.check()
        self._node.start()
        self._thread = threading.Thread(target=self._spin, name="refit spin", daemon=True)
        self._thread.start()
        # Not by `join`: interrupted by a signal, it takes the thread for ended (CPython before 3.13), and the
        # interpreter would then go away under it.
        while not self._spun.wait(LOOK_S):
            interrupt.check()

    def end(self) -> bool:
        """Close everything. True where a thread is still at work."""
        self._ending.set()
        if self._thread is not None:
            if self._executor is not None:
                self._executor.shutdown()
            self._thread.join(END_WAIT_S)
        at_work = self._thread is not None and self._thread.is_alive()
        if self._node is not None and not at_work:
            at_work = not self._node.close()
        return at_work

    def _spin(self) -> None:
        """Like `executor.spin()`, but a callback that raises ends neither the node nor the others.

        The executor is made here: a signal interrupts the main thread, and half an executor ends with a traceback.
        """
        from rclpy.executors import SingleThreadedExecutor

        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._node)
        while self._executor.context.ok() and not self._ending.is_set():
            try:
                self._executor.spin_once()
            except Exception:
                if self._executor.context.ok() and not self._ending.is_set():
                    self._node.get_logger().error(f"a callback failed:\n{traceback.format_exc()}")
        self._spun.set()
