"""Try an ONNX model in a process of its own: python -m refit_ros.detection.onnx_trial FILE SETTING

A model is a program: it may loop for ever, take all memory or end the process that runs it. Here that is a child's end.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from refit_ros.core import limits
from refit_ros.core.plain_files import check_regular, open_regular, shown, what_it_is

_SAID = "refit_ros: "  # begins the sentence of a child that refuses its model


def try_model(path: Path, setting: str) -> None:
    """Load the model, which is what `setting` names, and let it answer once, elsewhere.

    Raises ValueError with a sentence where it does not.
    """
    size = check_regular(path)
    limits.check(size, "detector_file_megabytes", f"{shown(path)} has {size // limits.MEGABYTE} MB", limits.MEGABYTE)
    with open_regular(path) as file:
        kind = what_it_is(file.read(512))
    if kind and kind != "text":
        raise ValueError(f"{shown(path)} is no ONNX model: it is {kind}")
    seconds = limits.limit("detector_seconds")
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-m", "refit_ros.detection.onnx_trial", os.path.abspath(path), setting]
    try:
        done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds)
    except subprocess.TimeoutExpired as error:
        raise ValueError(
            f"{shown(path)} did not answer within {seconds} s (an endless loop?): export it again, or set "
            f"{limits.variable_of('detector_seconds')} higher if it is only slow"
        ) from error
    if done.returncode:
        said = [line for line in done.stderr.decode(errors="replace").splitlines() if line.startswith(_SAID)]
        raise ValueError(
            said[-1].removeprefix(_SAID)
            if said
            else f"{shown(path)} ended the process in which it was tried (exit {done.returncode}; more than "
            f"{limits.limit('detector_memory_megabytes')} MB, or a damaged model): export it again, or set "
            f"{limits.variable_of('detector_memory_megabytes')} higher if it is only large"
        )


def main(path: str, setting: str) -> int:
    import resource

    most = limits.limit("detector_memory_megabytes") * limits.MEGABYTE
    processor_s = limits.limit("detector_seconds") * (os.cpu_count() or 1)  # an end even where nobody waits any more
    for what, bound in ((resource.RLIMIT_AS, most), (resource.RLIMIT_CPU, processor_s), (resource.RLIMIT_CORE, 0)):
        resource.setrlimit(what, (bound, bound))
    try:
        if setting == "keypoint_model":
            from refit_ros.detection.onnx_keypoints import OnnxKeypoints

            OnnxKeypoints(path, tried=True)
        else:
            from refit_ros.detection.onnx_models import OnnxDetector

            OnnxDetector(path, tried=True)
    except (ValueError, ImportError, OSError, MemoryError) as error:
        print(_SAID + (str(error) or "there is not enough memory for it").replace("\n", " "), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
