"""`python -m refit_ros doctor`: what is installed, what is missing, and one line each on how to mend it."""

from __future__ import annotations

import argparse
import importlib
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from refit_ros import __version__
from refit_ros.commands import EXIT_NOT_WELL, EXIT_OK
from refit_ros.commands.common import add_network_arguments, load_network_from, positive_float
from refit_ros.commands.missing import how_to_get

NEEDED = {
    "numpy": "numpy",
    "scipy": "scipy",
    "cv2": "opencv-python-headless",
    "torch": "torch",
    "safetensors": "safetensors",
    "smplx": "smplx",
    "threadpoolctl": "threadpoolctl",
}
OPTIONAL = {
    "onnxruntime": "detector `onnx`",
    "openvino": "a faster network on CPUs",
    "rosbags": "command `bag`",
    "viser": "command `view`",
    "c3d": "joints as C3D (`evaluate --suite recording`)",
    "numba": "training",
    "tensorboard": "training curves",
}
MESSAGES = (
    "sensor_msgs.msg",
    "visualization_msgs.msg",
    "diagnostic_msgs.msg",
    "std_srvs.srv",
    "tf2_msgs.msg",
    "refit_ros.msg",
    "refit_ros.srv",
)
WIDTH = max(map(len, NEEDED.values()))  # of the column that says what a line is about


@dataclass(frozen=True)
class Finding:
    """One line of the report; `mend` says what to do where something is wrong."""

    about: str
    found: str
    mend: str | None = None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_network_arguments(parser)
    parser.add_argument(
        "--live", action="store_true", help="look at the cameras that run now, and print what would work and how to start it"
    )
    parser.add_argument("--seconds", type=positive_float, default=5.0, help="of --live: how long it listens")
    parser.add_argument(
        "--fixed-frame", default="", metavar="FRAME", help="of --live: the frame to be used; not given: found"
    )
    parser.add_argument("--without-ros", action="store_true", help="do not ask for ROS 2: only for fitting and training")


def run(args: argparse.Namespace) -> int:
    """Print every finding; 1 where something has to be mended."""
    if args.live:
        return _live(args)
    problems = 0
    checks: list[Callable[[], Iterator[Finding]]] = [
        _program,
        _packages,
        _detector,
        _models,
        _device,
        lambda: _landmarks(args.device),
        lambda: _network(args),
    ]
    if not args.without_ros:
        checks.insert(2, _ros)
    for check in checks:
        for finding in check():
            problems += finding.mend is not None
            print(f"{'  ' if finding.mend is None else '! '}{finding.about:<{WIDTH}} {finding.found}")
            if finding.mend is not None:
                print(f"  {'':<{WIDTH}} -> {finding.mend}", flush=True)
    print("all well" if problems == 0 else f"{problems} thing{'s' if problems > 1 else ''} to mend")
    return EXIT_OK if problems == 0 else EXIT_NOT_WELL


def _live(args: argparse.Namespace) -> int:
    """What is on the graph, and the line to type; 1 where a camera would not work."""
    from refit_ros.node.advice import advise
    from refit_ros.node.graph import look

    print(f"listening for {args.seconds:g} s ...", flush=True)
    advice = advise(*look(args.seconds, args.ros_arguments), args.fixed_frame.removeprefix("/"))
    print("\n".join((*advice.lines, *_of_this_machine())))
    if advice.launch:
        print(f"\n{advice.launch}")
    return EXIT_OK if not advice.problems else EXIT_NOT_WELL


def _of_this_machine() -> Iterator[str]:
    """What it has to look at people with."""
    from refit_ros.estimation.keypoint_choice import takes_keypoints

    yield from (f"this machine: {finding.about} {finding.found}" for finding in _device())
    if takes_keypoints("auto", None):
        yield "people are looked for by landmarks (MoveNet, BlazePose), which real cameras ask for"
    else:
        yield (
            "people are looked for by features, by a network that has seen drawn people only: "
            "`python -m refit_ros models get` gets what real cameras ask for"
        )


def _program() -> Iterator[Finding]:
    import refit_ros

    yield Finding("refit_ros", f"{__version__} in {Path(refit_ros.__file__).parent}")
    old = sys.version_info < (3, 11)
    yield Finding("python", f"{platform.python_version()} ({sys.executable})", "use Python 3.11 or newer" if old else None)


def _packages() -> Iterator[Finding]:
    for module, package in NEEDED.items():
        yield _imported(module, package)
    present = {module: _version(module) for module in OPTIONAL}
    yield Finding("optional", ", ".join(f"{name} {version}" for name, version in present.items() if version) or "none")
    absent = [f"{name} ({OPTIONAL[name]})" for name, version in present.items() if not version]
    if absent:
        yield Finding("", f"not installed, needed only for this: {', '.join(absent)}")


def _imported(module: str, package: str) -> Finding:
    try:
        version = getattr(importlib.import_module(module), "__version__", None) or _version(package) or "version unknown"
        return Finding(package, version, _too_old(package, version))
    except ModuleNotFoundError as error:
        missing = package if error.name == module else error.name
        return Finding(package, "does not import: it is not installed, or what it needs is not", f"pip install {missing}")
    except Exception as error:  # built for another NumPy, a library it needs is missing, ...: all of it is worth a line
        return Finding(package, f"installed and does not import: {error}", f"install it anew: pip install -U {package}")


def _too_old(package: str, version: str) -> str | None:
    if package != "torch":
        return None
    from refit_ros.core.checkpoint import refuse_old_torch

    try:
        refuse_old_torch(version)
    except ValueError as error:
        return str(error)
    return None


def _detector() -> Iterator[Finding]:
    try:
        from refit_ros.detection.hog import without_hog_note
    except Exception:
        return  # told already
    yield Finding("detector", without_hog_note() or "builtin, and OpenCV's HOG where that finds nobody")


def _models() -> Iterator[Finding]:
    from refit_ros.detection.kept_networks import told
    from refit_ros.models.files import command, fault, folder
    from refit_ros.models.table import TABLE

    wrong = {each: sentence for each in TABLE if (sentence := fault(each))}
    absent = [each for each in wrong if not (folder() / each.name).exists()]
    yield Finding("models", f"{', '.join(each.name for each in TABLE if each not in wrong) or 'none'} in {folder()}")
    if absent:  # everything works without them, people in photographs are found less often
        yield Finding("", f"not there: {', '.join(each.name for each in absent)} (`{command(*absent)}`)")
    for each in wrong:
        if each not in absent:
            yield Finding("models", f"{each.name} is damaged", wrong[each])
    yield Finding("", told())


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _ros() -> Iterator[Finding]:
    distro = os.environ.get("ROS_DISTRO") or ("jazzy, from wheels" if _version("ros-rclpy") else "unknown distribution")
    try:
        import rclpy

        yield Finding("ROS 2", f"{distro}, rclpy in {Path(rclpy.__file__).parent}")
    except Exception as error:
        yield Finding("ROS 2", f"rclpy does not import: {error}", how_to_get("rclpy") + "; or --without-ros")
        return
    yield Finding("middleware", rclpy.get_rmw_implementation_identifier())
    for module in MESSAGES:
        try:
            importlib.import_module(module)
        except Exception as error:
            yield Finding("messages", f"{module} does not import: {error}", how_to_get(module))
            return
    yield Finding("messages", f"all {len(MESSAGES)} packages import")
    from refit_ros.node import compat

    yield Finding("stand-ins", ", ".join(compat.STAND_INS) or f"none: the real {', '.join(compat.NAMES)} are in use")


def _device() -> Iterator[Finding]:
    try:
        import torch
    except Exception:
        return  # told already
    if not torch.cuda.is_available():
        yield Finding("GPU", f"none; the CPU works with {torch.get_num_threads()} threads")
        return
    for number in range(torch.cuda.device_count()):
        device = torch.cuda.get_device_properties(number)
        yield Finding("GPU", f"cuda:{number} {device.name}, {device.total_memory / 2**30:.0f} GiB")


def _landmarks(device: str | None) -> Iterator[Finding]:
    """What computes the networks that find landmarks, on the device that is asked for."""
    try:
        from refit_ros.core.device import device_named
        from refit_ros.detection.landmark_engine import OPENVINO, engine_on

        named = device_named(device)
    except (ImportError, ValueError):
        return  # told already, or with the network
    usual = engine_on(named) == OPENVINO
    yield Finding("landmarks", "OpenVINO on cpu" if usual else f"torch on {named}; where that fails, OpenVINO on cpu")


def _network(args: argparse.Namespace) -> Iterator[Finding]:
    try:
        network = load_network_from(args)
    except ModuleNotFoundError as error:
        yield Finding("network", "not tried", f"mend the packages above first ({error})")
        return
    except Exception as error:
        yield Finding("network", "cannot be loaded", str(error) or type(error).__name__)
        return
    yield Finding("body", f"{network.body.name}, {network.body.vertex_count} vertices")
    untrained = "the embedded weights are missing: take a complete copy of the package, or give --weights"
    yield Finding("network", network.describe(), None if network.trained else untrained)
    first_s, again_s = _time_of_a_fit(network), _time_of_a_fit(network)
    yield Finding("one fit", f"{again_s * 1e3:.0f} ms (the first {first_s * 1e3:.0f} ms)")


def _time_of_a_fit(network) -> float:
    """Seconds for one grey crop."""
    import torch

    from refit_ros.core.types import Crops

    device = next(network.parameters()).device
    size = network.config.image_size
    crop = Crops(
        images=torch.zeros(1, 3, size, size),
        center_px=torch.tensor([[320.0, 240.0]]),
        side_px=torch.tensor([400.0]),
        focal_px=torch.tensor([600.0]),
        principal_px=torch.tensor([[320.0, 240.0]]),
    ).to(device)
    begun = time.monotonic()
    with torch.inference_mode():
        network(crop).estimate.transl.cpu()
    return time.monotonic() - begun
