"""`--suite landmarks`: the networks that find people and their landmarks, by OpenVINO on the CPU and by torch on the device.

What is measured goes from images in the computer's memory to numbers there, so with the way to a GPU and back. Torch is
measured with both layouts of an image in memory, of which a node takes the quicker one on a GPU. The images are noise: how
long a network takes does not depend on what it sees.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch

from refit_ros.benchmarking.timing import alternately
from refit_ros.core.openvino_compiler import Source
from refit_ros.core.torch_engine import LAYOUTS, TorchNetwork, graph_of
from refit_ros.detection.landmarks import OUTLINE
from refit_ros.detection.movenet import LIGHTNING, MULTIPOSE, THUNDER
from refit_ros.detection.tfjs_network import tfjs_network
from refit_ros.detection.tflite import tflite_network
from refit_ros.models.files import command, missing

Network = Callable[[np.ndarray], tuple[np.ndarray, ...]]

COUNTS = (1, 2, 4, 8)  # people, or images in which they are looked for
FULL, DETECTION = "pose_landmark_full", "pose_detection"
SIDES_PX = {FULL: 256, LIGHTNING: 192, THUNDER: 256, MULTIPOSE: 256, DETECTION: 224}


def run_landmark_suite(device: torch.device, rounds: int, seconds: float, say: Callable[[str], None]) -> dict:
    """ms a call of each network by each way and number of images; the ways of one number take turns.

    Raises ValueError with a sentence where none of the networks is there.
    """
    absent = [each for name in SIDES_PX for each in missing(name)]
    there = [name for name in SIDES_PX if not missing(name)]
    if not there:
        raise ValueError(f"none of the networks is there: `{command(*absent)}` gets them")
    networks = {}
    for name in there:
        say(name)
        networks[name] = _one_network(name, device, rounds, seconds)
    return {
        "networks": networks,
        "not_measured": [each.name for each in absent],
        "gpu": "measured" if device.type == "cuda" else "not measured: there is none, or it was not asked for",
    }


def _one_network(name: str, device: torch.device, rounds: int, seconds: float) -> dict:
    side_px = SIDES_PX[name]
    of_bytes = name.startswith("movenet")
    images = np.random.default_rng(0).integers(0, 256, (max(COUNTS), side_px, side_px, 3), np.uint8)
    images = images if of_bytes else images.astype(np.float32) / 255
    with _on_cpu(name) as (openvino, source):
        graph = graph_of(source, images[:1].shape, device, [OUTLINE])
    ways: dict[str, Network] = {"OpenVINO on cpu": openvino}
    ways |= {f"torch on {device}, {label}": TorchNetwork(graph, device, layout) for label, layout in LAYOUTS.items()}
    expected = tuple(output for output in openvino(images) if output.shape[1:] != OUTLINE)
    return {
        "times": {
            count: alternately(
                {label: lambda way=way, count=count: way(images[:count]) for label, way in ways.items()},
                device,
                rounds,
                seconds_each=0.05,
                most_s=seconds,
            )
            for count in COUNTS
        },
        "difference": {label: _difference(way(images), expected) for label, way in ways.items() if way is not openvino},
    }


@contextmanager
def _on_cpu(name: str) -> Iterator[tuple[Network, Source]]:
    """The network by OpenVINO, and what torch reads it from meanwhile."""
    if name.startswith("movenet"):
        network = tfjs_network(name, alone=name == MULTIPOSE)
        with network.source() as source:
            yield lambda squares: (network(squares),), source
    else:
        of_file = tflite_network(name, one_by_one=name == DETECTION)
        yield of_file, of_file.source


def _difference(found: tuple[np.ndarray, ...], expected: tuple[np.ndarray, ...]) -> float:
    """The largest one of any output, by that output's largest number."""
    return max(float(np.abs(one - other).max() / np.abs(other).max()) for one, other in zip(found, expected))
