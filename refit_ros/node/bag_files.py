"""What a path given as a bag is, told before any reader is let at it: unfinished recordings, ROS 1, folders of one file."""

from __future__ import annotations

from pathlib import Path

from refit_ros.core.plain_files import check_regular, is_regular, open_regular, shown, what_it_is

ADVICE = "give the folder that `ros2 bag record` made, or its .mcap or .db3 file"
STORAGE = (".mcap", ".db3")  # a bag's files, by their endings
_MCAP, _SQLITE, _ROS_1 = b"\x89MCAP0\r\n", b"SQLite format 3\0", b"#ROSBAG"
_SQLITE_HEADER_BYTES = 100
_LARGEST_METADATA_BYTES = 16 * 2**20


def find_bag(path: Path) -> Path:
    """What a reader is to open: a folder with its metadata, or one storage file.

    Raises FileNotFoundError or ValueError with a sentence that names the file and the way to mend it.
    """
    if not path.exists():
        raise FileNotFoundError(f"there is no bag '{shown(path)}': {ADVICE}")
    if not path.is_dir():
        check_storage(path)
        return path
    files = sorted(each for each in path.iterdir() if each.suffix.lower() in STORAGE)
    metadata = path / "metadata.yaml"
    if is_regular(metadata):
        if not 0 < metadata.stat().st_size <= _LARGEST_METADATA_BYTES:
            raise ValueError(f"'{shown(metadata)}' is empty or too large: {_unfinished(path, files)}")
        for file in files:
            check_storage(file)
        return path
    if any(each.suffix == ".bag" for each in path.iterdir()):
        raise ValueError(f"'{shown(path)}' holds a ROS 1 bag; convert it: rosbags-convert --src FILE.bag --dst FOLDER")
    if not files:
        raise ValueError(f"'{shown(path)}' cannot be read as a ROS 2 bag (no metadata.yaml, no .mcap, no .db3): {ADVICE}")
    if len(files) > 1:
        raise ValueError(f"'{shown(path)}' has no metadata.yaml: {_unfinished(path, files)}")
    check_storage(files[0])
    return files[0]


def is_mcap(file: Path) -> bool:
    """By its first bytes, whatever it is called."""
    with open_regular(file) as opened:
        return opened.read(len(_MCAP)) == _MCAP


def check_storage(file: Path) -> None:
    """Raises ValueError where it is no whole MCAP or SQLite file."""
    if check_regular(file) == 0:
        raise ValueError(f"'{shown(file)}' is empty: nothing was recorded into it, or it was not fully copied")
    with open_regular(file) as opened:
        beginning = opened.read(512)
        opened.seek(-min(len(_MCAP), check_regular(file)), 2)
        end = opened.read()
    if beginning.startswith(_ROS_1):
        raise ValueError(
            f"'{shown(file)}' is a ROS 1 bag; convert it: rosbags-convert --src {shown(file.name)} --dst FOLDER"
        )
    if beginning.startswith(_MCAP):
        if end != _MCAP or len(beginning) < 2 * len(_MCAP):
            raise ValueError(
                f"'{shown(file)}' is cut off: this recording was not finished; mend it with "
                f"`mcap recover {shown(file.name)} -o whole.mcap` and give that file"
            )
        return
    if not (beginning + _SQLITE[len(beginning) :]).startswith(_SQLITE):
        kind = what_it_is(beginning)
        raise ValueError(f"'{shown(file)}' cannot be read as a ROS 2 bag{f' (it is {kind})' if kind else ''}: {ADVICE}")
    page = int.from_bytes(beginning[16:18], "big")
    pages = int.from_bytes(beginning[28:32], "big")
    if len(beginning) < _SQLITE_HEADER_BYTES or pages * (65536 if page == 1 else page) > check_regular(file):
        raise ValueError(
            f"'{shown(file)}' is cut off: this recording was not finished or not fully copied; copy it again, "
            f"or save what is there with `sqlite3 {shown(file.name)} .recover`"
        )


def _unfinished(path: Path, files: list[Path]) -> str:
    storage = "mcap" if any(each.suffix == ".mcap" for each in files) else "sqlite3"
    return (
        f"this recording was not finished; mend it with `ros2 bag reindex {shown(path.name)} -s {storage}`, "
        "or give one of its files"
    )
