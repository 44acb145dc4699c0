"""Many bags, several at a time, each by a `bag` command of its own: one that fails takes no other with it."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from refit_ros.commands.bag_runs import Outcome, Run, outcomes_here
from refit_ros.core.only_run import only_run_in
from refit_ros.core.plain_files import is_regular, natural_order, open_regular, shown
from refit_ros.node.bag_files import STORAGE

_LEFTOVERS = ".refit_*"  # what a run that was killed has begun: recording.fit_bag writes into such folders


@dataclass(frozen=True)
class Task:
    bag: Path
    output: Path
    name: str  # of the bag, as told


def fit_many(bags: list[Path], output: Path, options: dict[str, object], jobs: int, ray: str | None) -> int:
    """Fit bodies to all bags, telling how far it is. Returns 0, or 1 where one failed; what is done is not done again.

    Raises ValueError or FileNotFoundError with a sentence where there is nothing to do or two bags would have one name.
    """
    from tqdm import tqdm

    tasks = tasks_for(bags, output)
    runs = [Run(task.name, _command(task, options), task.output.resolve()) for task in tasks]
    failed: list[Outcome] = []
    with _only_run_in(output), tqdm(total=len(runs), unit="bag", disable=None) as bar:
        for done, outcome in enumerate(_outcomes(runs, jobs, ray, options), 1):
            failed += [] if outcome.is_well else [outcome]
            tqdm.write(f"{done}/{len(runs)} {outcome.name}: {'' if outcome.is_well else 'FAILED: '}{outcome.said}")
            sys.stdout.flush()
            bar.update()
    print(f"{len(runs)} bags, {len(runs) - len(failed)} of them done, {len(failed)} failed -> {output}")
    if failed:
        width = max(len(outcome.name) for outcome in failed)
        print("failed:\n" + "\n".join(f"  {outcome.name:<{width}}  {outcome.said}" for outcome in failed))
    return 1 if failed else 0


def tasks_for(bags: list[Path], output: Path) -> list[Task]:
    """One for each bag, its output named as it lies below the folder that was given."""
    tasks = []
    for given in bags:
        if not given.exists():
            raise FileNotFoundError(f"there is no bag or folder '{shown(given)}'")
        found = bags_in(given, output) if given.is_dir() else [given]
        if not found:
            raise ValueError(f"'{shown(given)}' holds no bag (no folder with a metadata.yaml, no .mcap, no .db3)")
        for bag in found:
            below = bag.relative_to(given) if bag != given else Path(given.resolve().name)
            place = below if bag.is_dir() else below.with_suffix("")
            tasks.append(Task(bag, output / place, shown(below)))
    taken: dict[Path, Task] = {}
    for task in sorted(tasks, key=lambda task: len(task.output.parts)):
        for place in (task.output, *task.output.parents):
            if place in taken:
                raise ValueError(
                    f"'{shown(taken[place].bag)}' and '{shown(task.bag)}' would both be written to '{shown(place)}': "
                    "give them in runs of their own, each with another --output"
                )
        taken[task.output] = task
    return tasks


def bags_in(folder: Path, but_not: Path) -> list[Path]:
    """Every bag at or below a folder, in natural order: folders with a recording's metadata, and storage files elsewhere.

    ROS 1 bags are among them (what opens one says what to do); hidden folders and what lies in `but_not` are not. Links to
    folders are not followed, so that there is an end.
    """
    if _has_metadata(folder):
        return [folder]
    found = []
    for each in sorted(folder.iterdir(), key=natural_order):
        if each.name.startswith(".") or each.resolve() == but_not.resolve():
            continue
        if each.is_dir() and not each.is_symlink():
            found += bags_in(each, but_not)
        elif each.suffix.lower() in (*STORAGE, ".bag"):
            found.append(each)
    return found


def _has_metadata(folder: Path) -> bool:
    """Whether a recorder has left its metadata there; other tools have files of that name too."""
    if not is_regular(folder / "metadata.yaml"):
        return False
    with open_regular(folder / "metadata.yaml") as file:
        return b"rosbag2_bagfile_information" in file.read(4096)


def _outcomes(runs: list[Run], jobs: int, ray: str | None, options: dict[str, object]) -> Iterator[Outcome]:
    if ray is None:
        return outcomes_here(runs, jobs)
    from refit_ros.commands.bag_ray import outcomes_on_ray

    return outcomes_on_ray(runs, ray, on_gpu=str(options.get("device", "")).startswith("cuda"))


def _command(task: Task, options: dict[str, object]) -> tuple[str, ...]:
    """What is typed for one bag. Whole paths, for programs that start elsewhere."""
    said = [str(task.bag.resolve()), "--output", str(task.output.resolve()), "--resume"]
    for name, value in options.items():
        flag = "--" + name.replace("_", "-")
        if isinstance(value, (list, tuple)):
            said += [flag, *map(str, value)]
        else:
            said += [flag] if value is True else [f"{flag}={_whole(value)}"]
    return ("bag", *said)


def _whole(value: object) -> str:
    """A file's whole path, and everything else as it was said."""
    return os.path.abspath(value) if isinstance(value, (str, Path)) and os.path.exists(value) else str(value)


@contextlib.contextmanager
def _only_run_in(output: Path) -> Iterator[None]:
    """What a run that was killed has left half made goes."""
    with only_run_in(output) as held:
        for leftover in output.rglob(_LEFTOVERS) if held else ():
            shutil.rmtree(leftover, ignore_errors=True)
        yield
