"""`motion`: people's motion out of a bag or of what `fit` wrote, as files that other programs open. No ROS."""

from __future__ import annotations

import argparse
import sys

from refit_ros.commands import EXIT_NOT_WELL, EXIT_OK
from refit_ros.commands.common import a_path, path_text, positive_float, rate_hz

FORMATS = ("npz", "bvh", "glb", "trc")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "source",
        type=a_path,
        metavar="IN",
        help="a bag with /human/smpl, or the folder that `fit` wrote",
    )
    parser.add_argument("--output", type=a_path, required=True, metavar="DIR", help="where the files go")
    parser.add_argument(
        "--formats",
        nargs="+",
        choices=FORMATS,
        default=list(FORMATS),
        help="npz (AMASS's layout), bvh (skeleton), glb (skinned mesh), trc (joints as markers)",
    )
    parser.add_argument("--people", type=int, nargs="+", metavar="ID", help="who is wanted; without it, everybody")
    parser.add_argument("--fps", type=rate_hz, metavar="HZ", help="frames a second; without it, as before")
    parser.add_argument("--longest-gap", type=positive_float, metavar="S", help="longer ones cut a motion; without it, 0.5")
    parser.add_argument("--topic", default="/human/smpl", help="of the people in a bag")
    parser.add_argument(
        "--body",
        type=path_text,
        metavar="PATH",
        help="SMPL file that the people were fitted with, for glb; without it, the one of this package that they name",
    )


def run(args: argparse.Namespace) -> int:
    from refit_ros.core.plain_files import shown
    from refit_ros.motion.assemble import LONGEST_GAP_S, motions_of
    from refit_ros.motion.files import body_of, left_behind, write_motion

    longest_gap_s = args.longest_gap or LONGEST_GAP_S
    motions = motions_of(_sightings(args), args.fps, longest_gap_s)
    ids = sorted({motion.id for motion in motions})
    unknown = sorted(set(args.people or ()) - set(ids))
    if unknown and ids:
        raise ValueError(f"nobody with id {unknown[0]} moves in {shown(args.source)}; there are {', '.join(map(str, ids))}")
    wanted = [motion for motion in motions if not args.people or motion.id in args.people]
    if not wanted:
        print(
            f"{shown(args.source)}: nobody was seen in two frames that follow one another within {longest_gap_s:g} s "
            "(--longest-gap; for a folder of images `fit --sequence`)"
        )
        return EXIT_NOT_WELL
    short, wanted = [each for each in wanted if len(each.poses) < 2], [each for each in wanted if len(each.poses) > 1]
    if short:
        more = f", as are {len(short) - 1} more" if len(short) > 1 else ""
        print(
            f"refit_ros: {short[0].name} is shorter than the {1 / args.fps:g} s between two frames at --fps {args.fps:g}"
            f"{more}: not written, for one frame is no motion",
            file=sys.stderr,
        )
    if not wanted:
        return EXIT_NOT_WELL
    for motion in wanted if "glb" in args.formats else ():
        body_of(motion, args.body)  # before anything is written: what cannot be made leaves no half of the files
    args.output.mkdir(parents=True, exist_ok=True)
    written = []
    for motion in wanted:
        written += write_motion(motion, args.output, args.formats, args.body)
        frames = f"{len(motion.poses)} frames at {motion.rate_hz:.4g} Hz"
        print(f"{motion.name}: {frames} from {motion.start_s:.3f} s -> {', '.join(args.formats)}", flush=True)
    left = left_behind(args.output, written)
    if left:
        more = f", as are {len(left) - 1} more" if len(left) > 1 else ""
        print(f"refit_ros: {shown(left[0])} is of an earlier run{more}: remove what is not wanted", file=sys.stderr)
    return EXIT_OK


def _sightings(args: argparse.Namespace):
    from refit_ros.motion.from_fit import read_fit
    from refit_ros.motion.from_messages import read_bag

    if args.source.is_dir() and any(args.source.glob("*.npz")):
        return read_fit(args.source, args.fps)
    return read_bag(args.source, args.topic)
