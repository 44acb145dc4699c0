"""How large what comes from outside may be: each limit once, looked at before anything is decoded, unpacked or allocated.

Every limit can be set for a run by an environment variable, REFIT_LIMIT_ and its name in capitals:
`REFIT_LIMIT_IMAGE_MEGAPIXELS=200 python -m refit_ros fit panorama.tif --output out`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from refit_ros.core.errors import InputError

MEGABYTE = 2**20


@dataclass(frozen=True)
class Limit:
    """A limit's default and what it bounds."""

    default: int
    meaning: str


LIMITS: dict[str, Limit] = {
    "image_megapixels": Limit(64, "pixels of an image or video frame in a file, in millions; those of 16 bits count twice"),
    "image_file_megabytes": Limit(256, "an image file"),
    "image_scans": Limit(100, "scans of a progressive JPEG"),
    "body_file_megabytes": Limit(400, "a body file (SMPL's largest has some 250)"),
    "body_numbers": Limit(32_000_000, "numbers in the arrays that are used of a body (SMPL with 300 betas: 11 million)"),
    "weights_file_megabytes": Limit(4096, "a checkpoint; of it only the network's entries are read"),
    "parameters": Limit(160_000_000, "numbers in a network (the published ones have some 66 million)"),
    "pickle_megabytes": Limit(64, "the list of contents of a PyTorch checkpoint"),
    "pickle_steps": Limit(500_000, "steps of a pickle's program (SMPL's have thousands)"),
    "zip_directory_kilobytes": Limit(4096, "the directory of a .npz or PyTorch file"),
    "detector_file_megabytes": Limit(1024, "an ONNX detector"),
    "detector_memory_megabytes": Limit(8192, "addresses that an ONNX detector may take where it is tried"),
    "detector_seconds": Limit(120, "until an ONNX detector has loaded and answered once where it is tried"),
    "cameras_file_kilobytes": Limit(1024, "a file of cameras (`calibrate`, Pose2Sim)"),
    "parameters_file_kilobytes": Limit(1024, "a file of the node's parameters"),
    "text_file_megabytes": Limit(256, "annotations (COCO's .json) and markers (.trc)"),
    "c3d_file_megabytes": Limit(1024, "markers in C3D, with whatever analog channels were recorded beside them"),
    "safetensors_header_kilobytes": Limit(4096, "the header of a .safetensors file"),
}


def limit(name: str) -> int:
    """The limit as it holds now. Raises InputError where the environment sets it to what is no whole number above 0."""
    variable = variable_of(name)
    text = os.environ.get(variable)
    if text is None:
        return LIMITS[name].default
    if not (text.isascii() and text.isdigit() and 0 < len(text) < 16 and int(text) > 0):
        raise InputError(f"{variable} is {text[:40]!r}: set it to a whole number above 0, or not at all.")
    return int(text)


def variable_of(name: str) -> str:
    """The environment variable that sets a limit."""
    return f"REFIT_LIMIT_{name.upper()}"


def check(value: int, name: str, what: str, unit: int = 1) -> None:
    """Raises InputError where `value` (in units of `unit`) is above the limit; `what` begins the sentence."""
    most = limit(name)
    if value > most * unit:
        raise InputError(f"{what}, more than the limit of {most}; if it is meant so, set {variable_of(name)} higher.")
