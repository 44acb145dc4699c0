"""What image decoders write to stderr by themselves is taken away: a broken stream would fill the log without end."""

from __future__ import annotations

import os
import re
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager

# libjpeg, libpng and OpenCV's own loader; what other threads write meanwhile is passed on.
_DECODERS = re.compile(
    rb"^(invalid sos|unsupported marker|inconsistent progression|warning: unknown jfif|libpng|libjpeg"
    rb"|imdecode_|\[ ?(warn|error)[^\]]*\].*(jpeg|png|imgcodecs)|application transferred too|bogus "
    rb"|.*\bjpeg\b)",
    re.IGNORECASE,
)
_STDERR = 2
_lock = threading.Lock()
_file = None
swallowed = 0  # lines, in all


@contextmanager
def decoders_silenced() -> Iterator[None]:
    """Within it, stderr goes to memory; afterwards what did not come from a decoder is written where it belongs."""
    global swallowed
    with _lock:
        try:
            real = os.dup(_STDERR)
        except OSError:  # stderr is closed: there is nothing to silence
            yield
            return
        try:
            memory = _memory()
            sys.stderr.flush()
            os.dup2(memory, _STDERR)
            try:
                yield
            finally:
                os.dup2(real, _STDERR)
                end = os.lseek(memory, 0, os.SEEK_CUR)
                if end:
                    kept, count = _sorted_out(os.pread(memory, end, 0))
                    swallowed += count
                    os.ftruncate(memory, 0)
                    os.lseek(memory, 0, os.SEEK_SET)
                    if kept:
                        os.write(real, kept)
        finally:
            os.close(real)


def _memory() -> int:
    global _file
    if _file is None:
        _file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - kept for the life of the process
    return _file.fileno()


def _sorted_out(written: bytes) -> tuple[bytes, int]:
    """What is to be passed on, and how many lines are not."""
    lines = written.splitlines(keepends=True)
    kept = [line for line in lines if not _DECODERS.match(line)]
    return b"".join(kept), len(lines) - len(kept)
