"""`python -m refit_ros train`: teach the network, on synthetic people or on data sets you bring."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from refit_ros.commands.common import path_text, positive_float, positive_int, share

    parser.add_argument("--preset", default="small", help="small, keypoints or published")
    parser.add_argument(
        "--output",
        required=True,
        type=path_text,
        metavar="DIR",
        help="checkpoints, curves and weights; the same command goes on where it was stopped",
    )
    end = parser.add_mutually_exclusive_group()
    end.add_argument("--minutes", type=positive_float, help="train this long; without it, --steps")
    end.add_argument("--steps", type=positive_int, help="train this many steps; without it, the preset's")
    parser.add_argument(
        "--data",
        action="append",
        metavar="SOURCE[=PROPORTION]",
        help="synthetic, a folder of pre-rendered crops, or an .npz in the published layout; may be "
        "given several times; without it, synthetic",
    )
    parser.add_argument("--images", type=path_text, metavar="DIR", help="the folder that an .npz's image names are in")
    parser.add_argument(
        "--body", type=path_text, metavar="PATH", help="SMPL file or folder, refit_ros or anny; without it, refit_ros"
    )
    parser.add_argument("--start", type=path_text, metavar="FILE", help="weights to begin from")
    parser.add_argument(
        "--poses",
        type=path_text,
        metavar="FILE",
        help="captured poses for --preset keypoints, as refit_ros.synthetic.captured_motion writes them",
    )
    parser.add_argument(
        "--variants",
        default="refit",
        metavar="A,B",
        help="train these side by side on the same batches: refit, regression, no_feedback, shared_gru, no_memory",
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--precision", default="auto", help="auto, float32 or bfloat16, for the backbone")
    parser.add_argument("--batch", type=positive_int, help="crops a step; without it, the preset's")
    parser.add_argument("--image-size", type=positive_int, help="side of a crop in px; without it, the preset's")
    parser.add_argument("--learning-rate", type=positive_float, help="highest rate; without it, the preset's")
    parser.add_argument("--multi-view-share", type=share, help="share of crops in four-view sets; without it, the preset's")
    parser.add_argument("--graph", action="store_true", help="record a step as a CUDA graph (one GPU, synthetic data)")
    parser.add_argument(
        "--pool",
        type=int,
        default=0,
        metavar="CROPS",
        help="render ahead into a pool on the GPU; 0: render each crop for its step",
    )
    parser.add_argument("--reuse", type=positive_float, default=2.0, help="how often a crop of the pool is used")
    parser.add_argument("--held-out", type=positive_int, default=256, metavar="CROPS", help="measured during training")
    parser.add_argument("--measure-every", type=positive_int, default=200, metavar="STEPS")
    parser.add_argument("--save-every", type=positive_float, default=60.0, metavar="SECONDS")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--prerender",
        type=positive_int,
        metavar="CROPS",
        help="do not train: render this many crops into --output, for --data",
    )


def run(args: argparse.Namespace) -> int:
    from dataclasses import replace
    from pathlib import Path

    from refit_ros.commands import EXIT_NOT_WELL, EXIT_OK
    from refit_ros.commands.common import device_named
    from refit_ros.training.loop import NotFinite, Plan
    from refit_ros.training.presets import preset_named
    from refit_ros.training.setup import Options, make_loop, parse_data

    preset = preset_named(args.preset)
    changes = {
        "batch": args.batch,
        "image_size": args.image_size,
        "learning_rate": args.learning_rate,
        "multi_view_share": args.multi_view_share,
    }
    preset = replace(preset, **{name: value for name, value in changes.items() if value is not None})
    device = device_named(args.device)
    precision = args.precision if args.precision != "auto" else "bfloat16" if device.startswith("cuda") else "float32"
    output = Path(args.output)
    output.mkdir(parents=True, exist_ok=True)
    if args.prerender:
        from refit_ros.training.prerendered import prerender

        prerender(output, args.prerender, preset, device, args.seed, args.body)
        return EXIT_OK
    plan = Plan(
        output,
        args.steps or (None if args.minutes else preset.steps),
        args.minutes,
        measure_every=args.measure_every,
        save_every_s=args.save_every,
    )
    options = Options(
        device=device,
        precision=precision,
        seed=args.seed,
        variants=tuple(args.variants.split(",")),
        data=parse_data(args.data or ["synthetic"]),
        images=args.images,
        body=args.body,
        graph=args.graph,
        pool=args.pool,
        reuse=args.reuse,
        held_out=args.held_out,
        start=args.start,
        poses=args.poses,
    )
    loop, source = make_loop(preset, plan, options)
    try:
        loop.run()
    except NotFinite as error:
        import sys

        print(f"refit_ros: {error}", file=sys.stderr)
        return EXIT_NOT_WELL
    except KeyboardInterrupt:
        loop.keep()
        raise
    finally:
        getattr(source, "close", lambda: None)()
    return EXIT_OK
