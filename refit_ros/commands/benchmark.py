"""`benchmark`: how fast the network and the whole chain are here, beside the published way of computing."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from refit_ros.commands.common import a_path, positive_float, positive_int


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--suite",
        choices=("model", "scale", "node", "profile", "load", "soak", "hosts", "fusion", "split", "bags", "landmarks"),
        default="model",
        help="model: the network alone; scale: growth with people, cameras and image size; "
        "node: the running node, image in, message out; profile: where that node's time goes; "
        "load: the network beside busy programs, by number of threads; soak: the node for --minutes with everything that "
        "may happen, and whether its memory, threads or latency grow (ends with 1 where they do); "
        "hosts: edges and fusion over a network of namespaces that loses, delays and limits (Linux, root); "
        "fusion: what edges and the fusion of them cost, by number of cameras and people; "
        "split: what running the node as edge and fusion adds to the latency on one host; "
        "bags: fifty small bags one by one, several at a time and on a Ray cluster of two local nodes; "
        "landmarks: the networks that find people and their landmarks, by OpenVINO on the CPU and by torch on the device",
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument(
        "--output", type=a_path, metavar="FILE.json", default=Path("benchmark.json"), help="where the figures go"
    )
    parser.add_argument(
        "--table",
        type=a_path,
        metavar="FILE.md",
        help="put the tables into this document too, in place of the last such tables",
    )
    parser.add_argument("--backbones", default="small,hrnet_w48", help="comma-separated: small, hrnet_w32, hrnet_w48")
    parser.add_argument("--engines", default="torch,openvino", help="comma-separated: torch, openvino, onnxruntime")
    parser.add_argument("--batches", help="comma-separated numbers of crops; without it 1,2,4,8 (CPU) or 1,8,32,64 (GPU)")
    parser.add_argument("--rounds", type=positive_int, default=11, help="turns that each way of computing gets")
    parser.add_argument("--seconds", type=positive_float, default=20.0, help="at most so long for each comparison")
    parser.add_argument(
        "--clock",
        choices=("wall", "processor"),
        default="wall",
        help="processor: the processor's time for this program alone, for a machine that is not quiet; with --threads 1",
    )
    parser.add_argument("--minutes", type=positive_float, default=60.0, help="of the suite soak")
    parser.add_argument("--threads", type=positive_int, help="processor threads; without it, torch's own choice")


def run(args: argparse.Namespace) -> int:
    import torch

    from refit_ros.benchmarking.tables import tables_of, update_document
    from refit_ros.benchmarking.timing import use_clock
    from refit_ros.commands.common import device_named
    from refit_ros.commands.machine import machine_and_versions

    device = torch.device(device_named(args.device))
    if args.threads:
        torch.set_num_threads(args.threads)
    use_clock(args.clock)
    begin = time.monotonic()

    def say(text: str) -> None:
        print(f"[{time.monotonic() - begin:5.0f} s] {text}", file=sys.stderr, flush=True)

    result = {
        "suite": args.suite,
        "command": _command(args),
        "device": str(device),
        **machine_and_versions(),
        "threads": torch.get_num_threads(),
        "clock": args.clock,
    }
    if device.type == "cuda":
        result["machine"]["gpu"] = torch.cuda.get_device_name(device)
    args.output.parent.mkdir(parents=True, exist_ok=True)

    def keep(results: dict) -> None:
        whole = {**result, "took_s": round(time.monotonic() - begin, 1), "results": results}
        args.output.write_text(json.dumps(whole, indent=1) + "\n")

    result["results"] = _measure(args, device, say, keep)
    result["took_s"] = round(time.monotonic() - begin, 1)
    keep(result["results"])
    tables = tables_of(result)
    print(tables)
    if args.table:
        update_document(args.table, _kind(args, device), tables)
    say(f"figures in {args.output}")
    return 1 if result["results"].get("verdict", "flat").startswith("not flat") else 0


def _kind(args: argparse.Namespace, device) -> str:
    """What a document keeps one set of tables of: nothing that was measured otherwise takes its place."""
    import torch

    threads = torch.get_num_threads()
    backbones = ",".join(sorted(args.backbones.split(",")))
    return f"{args.suite} of {backbones} on {device.type}" + (
        f" with {threads} thread{'s' * (threads > 1)}" if device.type == "cpu" else ""
    )


def _command(args: argparse.Namespace) -> str:
    """As it was typed, but for the folders of the files it writes."""
    words = [Path(word).name if word in (str(args.output), str(args.table)) else word for word in sys.argv[1:]]
    return " ".join(["python -m refit_ros", *words])


def _measure(args: argparse.Namespace, device, say, keep) -> dict:
    if args.suite == "model":
        from refit_ros.benchmarking.model_suite import run_model_suite

        batches = args.batches or ("1,8,32,64" if device.type == "cuda" else "1,2,4,8")
        return run_model_suite(
            device,
            args.backbones.split(","),
            args.engines.split(","),
            args.rounds,
            [int(n) for n in batches.split(",")],
            args.seconds,
            say,
            keep,
        )
    if args.suite == "scale":
        from refit_ros.benchmarking.scale_suite import run_scale_suite

        return run_scale_suite(device, args.backbones.split(",")[0], args.rounds, args.seconds, say)
    if args.suite == "load":
        from refit_ros.benchmarking.load_suite import run_load_suite

        return run_load_suite(device, args.engines.split(","), args.seconds, say)
    if args.suite == "profile":
        from refit_ros.benchmarking.profile_suite import run_profile_suite

        return run_profile_suite(device, args.seconds, say)
    if args.suite == "soak":
        from refit_ros.benchmarking.soak_suite import run_soak_suite

        return run_soak_suite(device, args.minutes, say, args.output.with_suffix(".png"))
    if args.suite == "hosts":
        from refit_ros.benchmarking.hosts_suite import run_hosts_suite

        return run_hosts_suite(args.seconds, say)
    if args.suite == "fusion":
        from refit_ros.benchmarking.fusion_suite import run_fusion_suite

        return run_fusion_suite(args.rounds, say)
    if args.suite == "split":
        from refit_ros.benchmarking.split_suite import run_split_suite

        return run_split_suite(device, args.seconds, say)
    if args.suite == "bags":
        from refit_ros.benchmarking.bags_suite import run_bags_suite

        return run_bags_suite(say)
    if args.suite == "landmarks":
        from refit_ros.benchmarking.landmark_suite import run_landmark_suite

        return run_landmark_suite(device, args.rounds, args.seconds, say)
    from refit_ros.benchmarking.node_suite import run_node_suite

    return run_node_suite(device, args.rounds, args.seconds, say)
