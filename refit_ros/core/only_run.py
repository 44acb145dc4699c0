"""One program at a time writes into a folder: two would do everything twice, or write over what the other has done."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from refit_ros.core.plain_files import shown


@contextlib.contextmanager
def only_run_in(folder: Path) -> Iterator[bool]:
    """Holds the folder, which is made, until the end of this program at the latest. Gives whether it is held: there are
    file systems without locks. Raises ValueError with a sentence where another program has it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    handle, held = os.open(folder, os.O_RDONLY), True
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ValueError(
                f"another run is writing into '{shown(folder)}': wait for it, or give another --output"
            ) from error
        except OSError:
            held = False
        yield held
    finally:
        os.close(handle)
