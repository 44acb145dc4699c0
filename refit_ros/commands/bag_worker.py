"""A program that does one bag after the other: starting Python and loading the network take longer than a small bag.

    python -m refit_ros.commands.bag_worker FILE_DESCRIPTOR

reads a line of JSON for each bag, the words of its command, and answers there with the exit code, once all is written.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import traceback
from collections.abc import Callable

from refit_ros import interrupt


def serve(command: Callable[[list[str]], int]) -> None:
    """Until standard input ends, or a signal came. What fails is told on standard error, and the next one is taken."""
    interrupt.end_with_parent()
    with open(int(sys.argv[-1]), "w", buffering=1) as answers:
        for line in sys.stdin:
            code = _code_of(command, json.loads(line))
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
            answers.write(json.dumps(code) + "\n")
            if interrupt.came():
                return


def _code_of(command: Callable[[list[str]], int], words: list[str]) -> int:
    try:
        return command(words)
    except SystemExit as ended:
        if not isinstance(ended.code, int | None):
            print(ended.code, file=sys.stderr)
            return 1
        return ended.code or 0
    except Exception:
        traceback.print_exc()
        return 1


def main() -> None:
    from refit_ros.__main__ import main as command

    interrupt.listen()
    with contextlib.suppress(KeyboardInterrupt):
        serve(command)
    interrupt.ignore()


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    os._exit(0)  # what compiled libraries take down at the end has nothing to say about bags that are done
