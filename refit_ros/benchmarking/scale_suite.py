"""`--suite scale`: time and memory against the number of people, of cameras, and the images' size.

From images in memory to bodies: crops cut, one call of the network for everybody in every camera, views fused by
the multi-view loop, results back in this process's memory. Finding and following people is not part of it.
"""

from __future__ import annotations

import ctypes
import resource
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from refit_ros.benchmarking.scenes import views_of
from refit_ros.benchmarking.timing import alternately
from refit_ros.core.checkpoint import load_network
from refit_ros.core.inference import Prepared, prepare

PEOPLE, CAMERAS = (1, 2, 4, 8, 16), (1, 2, 4, 8)
SIZES = {"VGA": (640, 480), "720p": (1280, 720), "1080p": (1920, 1080)}


def run_scale_suite(device: torch.device, backbone: str, rounds: int, most_s: float, say: Callable[[str], None]) -> dict:
    network = load_network(None if backbone == "small" else f"untrained:{backbone}", device=device)
    prepared = prepare(network)
    say(prepared.describe())
    tables, fits = {}, []
    series = {
        "people (one VGA camera)": [(f"{n}", n, 1, "VGA") for n in PEOPLE],
        "cameras (VGA, one person)": [(f"{n}", 1, n, "VGA") for n in CAMERAS],
        "people in four VGA cameras": [(f"{n}", n, 4, "VGA") for n in PEOPLE[:4]],
        "image size (one person, one camera)": [(name, 1, 1, name) for name in SIZES],
    }
    for title, cases in series.items():
        say(title)
        rows = _rows(prepared, device, cases, rounds, most_s)
        tables[title] = rows
        if not title.startswith("image"):
            counts = np.array([float(row[next(iter(row))]) for row in rows])
            fits.append(_fit(title, counts, np.array([row["ms, median"] for row in rows]), "ms"))
            memory_mb = np.array([row["peak memory above rest, MB"] for row in rows])
            if (memory_mb > 0).all():  # also False where it could not be measured
                fits.append(_fit(title, counts, memory_mb, "MB"))
    return {"network": prepared.describe(), "tables": tables, "fits": fits}


def _rows(prepared: Prepared, device, cases, rounds: int, most_s: float) -> list[dict]:
    calls = {name: _call(prepared, device, people, cameras, size) for name, people, cameras, size in cases}
    times = alternately(calls, device, rounds, seconds_each=0.05, most_s=most_s)
    rows = []
    for name, people, cameras, _ in cases:
        time = times[name]
        rows.append(
            {
                "": name,
                "crops": people * cameras,
                "ms, median": time["median_ms"],
                "ms, lowest": time["lowest_ms"],
                "ms a crop": round(time["median_ms"] / (people * cameras), 3),
                "peak memory above rest, MB": _peak_mb(calls[name], device),
            }
        )
    return rows


def _call(prepared: Prepared, device, people: int, cameras: int, size: str) -> Callable[[], object]:
    from refit_ros.camera.calibration import Calibration
    from refit_ros.camera.crops import Square, cut_all

    width, height = SIZES[size]
    generator = np.random.default_rng(0)
    K = np.array([[1.1 * height, 0, width / 2], [0, 1.1 * height, height / 2], [0, 0, 1]])
    calibrations = [Calibration(f"camera{i}", f"camera{i}_optical", width, height, K) for i in range(cameras)]
    images = [generator.integers(0, 255, (height, width, 3), dtype=np.uint8) for _ in range(cameras)]
    places = generator.uniform(0.35, 0.65, (people, 2)) * (width, height)
    squares = [Square(np.round(place), float(round(0.5 * height / 2) * 2)) for place in places]
    views = views_of(people, cameras, device) if cameras > 1 else None

    def call() -> object:
        crops = cut_all(
            images * people,
            calibrations * people,
            [square for square in squares for _ in range(cameras)],
            prepared.config.image_size,
            device,
        )
        estimate = prepared(crops, views=views).estimate
        return estimate.rotmats.cpu(), estimate.betas.cpu(), estimate.transl.cpu()

    return call


def _peak_mb(call: Callable[[], object], device: torch.device) -> float:
    """Most memory that the call holds beyond what was held before it."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        call()
        return round((torch.cuda.max_memory_allocated() - before) / 1e6, 1)
    try:
        ctypes.CDLL(None).malloc_trim(0)  # what was freed goes back, so that using it again counts
        Path("/proc/self/clear_refs").write_text("5")  # the highest mark falls to what is held now
        before = _high_water_mb()
        call()
        return round(_high_water_mb() - before, 1)
    except (OSError, AttributeError):
        return float("nan")


def _high_water_mb() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return float(line.split()[1]) / 1e3
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def _fit(title: str, counts: np.ndarray, costs: np.ndarray, unit: str) -> str:
    """Least squares of a line, relative to each cost; what lies above it at the far end would be growth beyond linear."""
    design = np.stack([np.ones_like(counts), counts], axis=1)
    fixed, each = np.linalg.lstsq(design / costs[:, None], np.ones_like(counts), rcond=None)[0]
    excess = round(100 * (costs[-1] / (fixed + each * counts[-1]) - 1)) + 0
    return f"{title}: {fixed:.3g} {unit} + {each:.3g} {unit} each; at {counts[-1]:.0f}, {excess:+d} % from that line"
