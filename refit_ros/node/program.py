"""The node as a program: start, spin, end well."""

from __future__ import annotations

import threading
import traceback
from typing import TYPE_CHECKING

from refit_ros import interrupt

if TYPE_CHECKING:
    from rclpy.executors import Executor
    from rclpy.guard_condition import GuardCondition

    from refit_ros.node.parameter_files import ParameterFile
    from refit_ros.node.refit_node import RefitNode

LOOK_S = 0.5  # how often the main thread looks whether the spinning one has ended
END_WAIT_S = 1.0  # for a callback that is still at work when all ends


def run_node(ros_arguments: list[str], which: str = "refit") -> int:
    """Run a node until a signal was noted (`interrupt.only_note`). Returns the exit code, to be left with at once.

    which: "refit", or the parts of it, "edge" and "fusion".

    A thread may still be deep in a computation then: waiting for it could take longer than anybody waits for a Ctrl-C.
    rclpy's own signal handlers would take the context away before the node could tidy up: the markers on show
    could not be taken down. Raises ValueError with a sentence on arguments and parameters that cannot be used.
    """
    from refit_ros.node.memory import keep_freed_memory
    from refit_ros.node.parameter_files import files_in

    interrupt.allow(0.0)  # nothing is open yet, and what is imported now takes seconds
    keep_freed_memory()
    files = files_in(ros_arguments)
    import rclpy

    interrupt.check()
    from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
    from rclpy.impl.implementation_singleton import rclpy_implementation
    from rclpy.signals import SignalHandlerOptions

    program = _Program(which, files)
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
        if program.end():  # else a thread is still at work with what would be taken from under it
            rclpy.try_shutdown()
    return 0


def _node_class(which: str) -> type[RefitNode]:
    if which == "edge":
        from refit_ros.node.edge_node import EdgeNode

        return EdgeNode
    if which == "fusion":
        from refit_ros.node.fusion_node import FusionNode

        return FusionNode
    from refit_ros.node.refit_node import RefitNode

    return RefitNode


class _Program:
    """The main thread waits for signals, another one spins."""

    def __init__(self, which: str, files: list[ParameterFile]) -> None:
        self._which, self._files = which, files
        self._node: RefitNode | None = None
        self._executor: Executor | None = None
        self._thread: threading.Thread | None = None
        self._ending = threading.Event()
        self._spun = threading.Event()
        self._wake: GuardCondition | None = None  # ends the wait of a spinning thread that has nothing to do

    def run(self) -> None:
        import cv2

        interrupt.check()
        kind = _node_class(self._which)
        interrupt.check()
        cv2.setNumThreads(1)  # its pool spins between two images and takes more than it gives
        interrupt.allow(interrupt.LAST_RESORT_S)
        interrupt.check()
        self._node = kind()
        for sentence in filter(None, (file.not_for(self._node.get_fully_qualified_name()) for file in self._files)):
            self._node.get_logger().warning(sentence)
        self._wake = self._node.create_guard_condition(lambda: None)
        interrupt.check()
        self._node.start()
        self._thread = threading.Thread(target=self._spin, name="refit spin", daemon=True)
        self._thread.start()
        while not self._spun.wait(LOOK_S):
            interrupt.check()

    def end(self) -> bool:
        """Take down what is on show and close everything. False, and nothing is closed: a callback is still at work."""
        self._ending.set()
        if self._thread is not None:  # first of all: what it waits for must not be taken from under it
            self._wake.trigger()
            self._thread.join(END_WAIT_S)
            if self._thread.is_alive():
                return False
            self._executor.shutdown()
        if self._node is None:
            return True
        if idle := self._node.close():  # nobody publishes any more: others hear that it leaves
            self._node.destroy_node()
        return idle

    def _spin(self) -> None:
        """Like `executor.spin()`, but a callback that raises ends neither the node nor the others."""
        from rclpy.executors import SingleThreadedExecutor

        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._node)
        while self._executor.context.ok() and not self._ending.is_set():
            try:
                self._executor.spin_once()
            except KeyboardInterrupt:  # by `interrupt.check`, in a service call that configures the node
                break
            except Exception:
                if self._executor.context.ok() and not self._ending.is_set():
                    self._node.get_logger().error(f"a callback failed:\n{traceback.format_exc()}")
        self._spun.set()
