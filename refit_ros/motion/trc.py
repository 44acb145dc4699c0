"""A motion as TRC (Track Row Column): joints as markers, y up, metres, as OpenSim reads it."""

from __future__ import annotations

from pathlib import Path

from refit_ros.core.joints import JOINT_NAMES
from refit_ros.core.plain_files import whole_file
from refit_ros.motion.skeleton import Y_UP_FROM_Z_UP
from refit_ros.motion.types import Motion


def write_trc(motion: Motion, path: Path) -> None:
    with whole_file(path) as file:
        file.write(trc_text(motion, path.name).encode())


def trc_text(motion: Motion, file_name: str) -> str:
    """The file's text: the joints as they were estimated, by SMPL's names, the first frame at time 0."""
    joints = motion.joints @ Y_UP_FROM_Z_UP.T
    frames, rate = len(joints), f"{motion.rate_hz:.6f}"
    lines = [
        f"PathFileType\t4\t(X/Y/Z)\t{file_name}",
        "DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\tOrigDataRate\tOrigDataStartFrame\tOrigNumFrames",
        f"{rate}\t{rate}\t{frames}\t{len(JOINT_NAMES)}\tm\t{rate}\t1\t{frames}",
        "Frame#\tTime\t" + "\t\t\t".join(JOINT_NAMES) + "\t\t",
        "\t\t" + "\t".join(f"X{index}\tY{index}\tZ{index}" for index in range(1, len(JOINT_NAMES) + 1)),
        "",
    ]
    for index, row in enumerate(joints.reshape(frames, -1)):
        numbers = "\t".join(f"{value:.6f}" for value in row)
        lines.append(f"{index + 1}\t{index / motion.rate_hz:.6f}\t{numbers}")
    return "\n".join(lines) + "\n"
