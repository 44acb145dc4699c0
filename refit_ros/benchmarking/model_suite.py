"""`--suite model`: one crop and many, each way of computing beside the published one and the machine's limit."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from functools import partial

import torch

from refit_ros.benchmarking.outside import head_alone, outside
from refit_ros.benchmarking.rates import copy_rate, encoder_cost, matrix_rate
from refit_ros.benchmarking.reference import ReferenceRefit
from refit_ros.benchmarking.scenes import full_size_body, random_crops
from refit_ros.benchmarking.timing import alternately
from refit_ros.core.checkpoint import load_network
from refit_ros.core.image_crops import ImageCrops
from refit_ros.core.inference import Prepared, prepare
from refit_ros.core.refit import Features, Refit

REFERENCE, OUTSIDE, LOOP = "reference", "outside the backbone", "loop"
UNFUSED, NO_GRAPHS = "unfused", "no graphs"
BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}


def run_model_suite(
    device: torch.device,
    backbones: list[str],
    engines: list[str],
    rounds: int,
    batches: list[int],
    most_s: float,
    say: Callable[[str], None],
    keep: Callable[[dict], None],
) -> dict:
    """Everything about the network alone.

    `most_s` bounds the time of each comparison. `keep` gets the results as far as they are there, again and again.
    """
    torch.backends.cudnn.allow_tf32 = False  # float32 means float32
    say("the machine's own rates")
    precisions = ["float32", "bfloat16"] + (["float16"] if device.type == "cuda" else [])
    rates = {
        "matrix_flops_per_s": {p: matrix_rate(device, getattr(torch, p)) for p in precisions},
        "copy_bytes_per_s": copy_rate(device),
    }
    results: dict = {"rates": rates, "networks": {}, "crops": _crops(device, rounds)}
    body = full_size_body()
    for backbone in backbones:
        network = load_network(None if backbone == "small" else f"untrained:{backbone}", body, device)
        results["networks"][backbone] = result = {}
        for part in _one_network(
            network,
            device,
            precisions,
            engines,
            rounds,
            batches,
            rates,
            most_s,
            lambda text, backbone=backbone: say(f"{backbone}: {text}"),
        ):
            result.update(part)
            keep(results)
        gc.collect()
    return results


def _crops(device: torch.device, rounds: int) -> dict:
    """An image sent to the device and crops of 256 px cut out of it there."""
    import numpy as np

    result = {}
    for name, (width, height) in {"640 x 480": (640, 480), "1920 x 1080": (1920, 1080)}.items():
        image = np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)
        cutter = ImageCrops(256, device)
        calls = {}
        for count in (1, 32):
            center = np.random.default_rng(1).uniform(100, 400, (count, 2))
            calls[f"{name}, {count} crops"] = lambda c=center, n=count, cut=cutter, p=image: cut.cut(
                cut.upload(p), c, np.full(n, 300.0)
            )
        result.update(alternately(calls, device, rounds, seconds_each=0.02, most_s=5))
    return result


def _one_network(network: Refit, device, precisions, engines, rounds, batches, rates, most_s, say) -> Iterator[dict]:
    flops, numbers = encoder_cost(network.config)
    entries, behind, absent = _entries(network, device, precisions, engines, max(batches), say)
    yield {
        "encoder_gflop_per_crop": flops / 1e9,
        "not_measured": absent,
        "limit_ms": {p: _limit_ms(flops, numbers, p, rates) for p in precisions},
        "kinds": {label: getattr(entry.encoder, "kind", entry.engine) for label, entry in entries.items()},
    }
    with torch.inference_mode():
        yield {"one_crop": _one_crop(network, entries, behind, device, rounds, most_s, say)}
        yield {"difference": _difference(network, entries, device)}
        for table in _batches(network, entries, device, rounds, batches, most_s, say):
            yield {"batches": table}


def _limit_ms(flops: float, numbers: float, precision: str, rates: dict) -> float:
    return 1e3 * max(flops / rates["matrix_flops_per_s"][precision], numbers * BYTES[precision] / rates["copy_bytes_per_s"])


def _entries(network: Refit, device, precisions, engines, max_batch: int, say):
    """What is compared, by its label; the same without the backbone; and why something is not there."""
    wanted = {
        f"{engine} {precision}": {"precision": precision, "engine": engine}
        for engine in engines
        for precision in (precisions if engine == "torch" else precisions[:2])
    }
    if device.type == "cuda":
        wanted[f"torch float16, {UNFUSED}"] = {"precision": "float16", "fused": False}
        wanted[f"torch float16, {NO_GRAPHS}"] = {"precision": "float16", "graphs": False}
    entries: dict[str, Prepared] = {}
    behind: dict[str, Prepared] = {}
    absent: dict[str, str] = {}
    for label, options in wanted.items():
        try:
            say(f"prepares {label}")
            entry = prepare(network, max_batch=max_batch, **options)
            entry(random_crops(1, network.config.image_size, device))
            behind[label] = head_alone(network, entry, options.get("fused", True), options.get("graphs", True))
            entries[label] = entry
        except Exception as error:  # noqa: BLE001 - one way that fails must not hide the others
            absent[label] = str(error).splitlines()[0]
    return entries, behind, absent


def _one_crop(network: Refit, entries, behind, device, rounds, most_s, say) -> dict:
    """The whole call, the backbone, all that lies outside it, and of that the loop: each timed by itself."""
    crops = random_crops(1, network.config.image_size, device)
    reference = ReferenceRefit.of(network)
    backbone = network.backbone(crops.images)
    features = network.encode(crops.images)
    calls = {
        REFERENCE: lambda: reference(crops),
        f"{REFERENCE}, backbone": lambda: network.backbone(crops.images),
        f"{REFERENCE}, {OUTSIDE}": lambda: reference.loop(Features(network.head(backbone[0]), backbone[1]), crops),
        f"{REFERENCE}, {LOOP}": lambda: reference.loop(features, crops),
    }
    for label, entry in entries.items():
        calls[label] = partial(entry, crops)
        calls[f"{label}, {OUTSIDE}"] = outside(behind[label], backbone, crops)
    quick = next(iter(entries.values()), None)
    if quick is not None:
        calls[f"prepared, {LOOP}"] = lambda: quick.fit(features, crops)
    say("one crop")
    times = alternately(calls, device, rounds, seconds_each=0.05, most_s=most_s)
    say(_short(times))
    return {
        name: {
            **time,
            "of_reference": _share(time, times[REFERENCE]),
            "of_same_part": _share(time, times.get(_same_part(name))),
        }
        for name, time in times.items()
    }


def _same_part(name: str) -> str:
    part = next((part for part in (OUTSIDE, LOOP) if name.endswith(f", {part}")), None)
    return f"{REFERENCE}, {part}" if part else ""


def _share(time: dict, base: dict | None) -> float | None:
    return None if base is None else round(time["median_ms"] / base["median_ms"], 3)


def _short(times: dict) -> str:
    return "; ".join(f"{label} {time['median_ms']:.3g} ms" for label, time in times.items())


def _batches(network: Refit, entries, device, rounds, batches, most_s, say) -> Iterator[dict]:
    """The table as far as it is filled, after each size of batch."""
    table: dict[str, dict] = {}
    if device.type == "cuda":  # trying kernels out for each size takes its time: only what is worth it
        entries = {
            label: entry
            for label, entry in entries.items()
            if entry.precision != "float32" and not label.endswith((UNFUSED, NO_GRAPHS))
        }
    reference = ReferenceRefit.of(network)
    for count in batches:
        say(f"{count} crops")
        crops = random_crops(count, network.config.image_size, device)
        calls = {label: partial(entry, crops) for label, entry in entries.items()}
        if device.type == "cuda" or count in (batches[0], batches[-1]):
            calls[REFERENCE] = partial(reference, crops)
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()
        times = alternately(calls, device, max(3, rounds // 2), seconds_each=0.05, most_s=most_s)
        say(_short(times))
        for label, time in times.items():
            table.setdefault(label, {})[str(count)] = {
                **time,
                "crops_per_s": round(count / time["median_ms"] * 1e3, 1),
                "ms_per_crop": round(time["median_ms"] / count, 3),
            }
        if device.type == "cuda":
            table.setdefault("most memory, MB", {})[str(count)] = round(torch.cuda.max_memory_allocated() / 1e6)
        yield table


def _difference(network: Refit, entries, device) -> dict:
    """Mean distance of the vertices from eager float32, mm; people where the weights are trained, else noise."""
    crops, shown = _people(network, device)
    truth = network(crops).estimate
    expected = network.body.vertices(truth.betas, truth.rotmats)
    result = {"crops": len(crops), "shown": shown}
    for label, entry in entries.items():
        found = entry(crops).estimate
        vertices = network.body.vertices(found.betas, found.rotmats)
        result[label] = round(1e3 * (vertices - expected).norm(dim=-1).mean().item(), 4)
    return result


def _people(network: Refit, device):
    count = 32 if network.config.backbone == "small" or device.type == "cuda" else 2
    try:
        from refit_ros.synthetic.samples import SampleSource

        source = SampleSource(network.body, network.config.image_size, "test", 5, "cpu")
        return source.batch(count).crops.to(device), "held-out synthetic people"
    except Exception:  # noqa: BLE001 - no samples, then noise
        return random_crops(count, network.config.image_size, device), "noise"
