"""refit.launch.py with a namespace, a parameters file and nothing to configure with: brought up by hand.

Run by test_launch.py, or by hand: launch_test test/launch/arguments_launch_test.py
"""

import sys
import tempfile
import unittest
from pathlib import Path

import launch_testing
import launch_testing.actions
import launch_testing.asserts
from ament_index_python.packages import get_package_share_directory
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource

from launch import LaunchDescription

sys.path.insert(0, str(Path(__file__).parent))  # listener
from listener import Listener  # noqa: E402

NODE = "/robot1/refit"
NOWHERE = "/nowhere/refit.pt"
FILE = "/**:\n  ros__parameters:\n    smoothing: 0.25\n    max_people: 3\n    device: cuda\n"


def generate_test_description():
    launch_file = Path(get_package_share_directory("refit_ros")) / "launch" / "refit.launch.py"
    with tempfile.NamedTemporaryFile("w", suffix=".yaml", delete=False) as file:
        file.write(FILE)
    arguments = {"namespace": "robot1", "params_file": file.name, "autostart": "false", "weights": NOWHERE, "device": "cpu"}
    return LaunchDescription(
        [
            IncludeLaunchDescription(PythonLaunchDescriptionSource(str(launch_file)), launch_arguments=arguments.items()),
            launch_testing.actions.ReadyToTest(),
        ]
    )


class TestByHand(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.listener = Listener({})

    @classmethod
    def tearDownClass(cls):
        cls.listener.close()

    def test_the_file_counts_and_arguments_count_more(self):
        self.assertEqual(
            self.listener.parameters(NODE, "smoothing", "max_people", "device", "weights", "cameras"),
            {"smoothing": 0.25, "max_people": 3, "device": "cpu", "weights": NOWHERE, "cameras": ["camera"]},
        )

    def test_weights_that_are_not_there_are_said_and_the_node_lives(self, proc_output):
        from lifecycle_msgs.msg import Transition

        self.assertEqual(self.listener.state(NODE), "unconfigured")
        self.assertFalse(self.listener.change_state(NODE, Transition.TRANSITION_CONFIGURE))
        proc_output.assertWaitFor(NOWHERE, timeout=10.0)
        self.assertEqual(self.listener.state(NODE), "unconfigured")

    def test_a_transition_that_is_not_possible_is_refused(self):
        from lifecycle_msgs.msg import Transition

        self.assertFalse(self.listener.change_state(NODE, Transition.TRANSITION_ACTIVATE))
        self.assertEqual(self.listener.state(NODE), "unconfigured")


@launch_testing.post_shutdown_test()
class TestHowItEnds(unittest.TestCase):
    def test_with_exit_code_0_and_no_traceback(self, proc_info, proc_output):
        launch_testing.asserts.assertExitCodes(proc_info)
        self.assertNotIn("Traceback", "".join(output.text.decode(errors="replace") for output in proc_output))
