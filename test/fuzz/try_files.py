"""Read each file given as KIND:PATH in this one process and print a JSON line on how it went; test_corpus.py starts it."""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path


def reader(kind: str):
    if kind == "bodies":
        from refit_ros.core.body_files import read_body

        return read_body
    if kind == "weights":
        from refit_ros.core.body import load_body
        from refit_ros.core.checkpoint import load_network

        body = load_body()
        return lambda path: load_network(path, body)
    raise SystemExit(f"no reader of {kind}")


def main() -> None:
    from refit_ros.core.errors import InputError

    readers: dict = {}
    for argument in sys.argv[1:]:
        kind, _, path = argument.partition(":")
        if kind not in readers:
            readers[kind] = reader(kind)
        read = readers[kind]
        before_mb, begun_s = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, time.process_time()
        try:
            read(Path(path))
            outcome, sentence = "taken", ""
        except InputError as error:
            outcome, sentence = "refused", str(error)
        except Exception as error:
            outcome, sentence = "raised", f"{type(error).__name__}: {error}"
        print(
            json.dumps(
                {
                    "file": path,
                    "outcome": outcome,
                    "sentence": sentence,
                    "seconds": time.process_time() - begun_s,
                    "grown_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - before_mb,
                }
            ),
            flush=True,
        )


if __name__ == "__main__":
    main()
