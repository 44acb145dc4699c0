"""Read each file given as KIND:PATH in this one process and print a JSON line on how it went; test_corpus.py starts it."""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from pathlib import Path

TOLD_BY_VALUE_ERROR = ("bags", "onnx")  # which have no bytes of numbers to be careful with: any sentence is one


def reader(kind: str):
    if kind == "bodies":
        from refit_ros.core.body_files import read_body

        return read_body
    if kind == "weights":
        from refit_ros.core.body import load_body
        from refit_ros.core.checkpoint import load_network

        body = load_body()
        return lambda path: load_network(path, body)
    if kind == "images":
        from refit_ros.camera.image_bytes import decode_file_image, decode_topic_image

        def read_image(path: Path) -> None:
            for decode in (decode_file_image, decode_topic_image):
                decode(path.read_bytes())

        return read_image
    if kind == "onnx":
        from refit_ros.detection.onnx_models import OnnxDetector

        return OnnxDetector
    if kind == "bags":
        return read_bag
    raise SystemExit(f"no reader of {kind}")


def read_bag(path: Path) -> None:
    """All of it, with people out of a fake network."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "node"))
    from node_fakes import fake_model

    from refit_ros.node import recording
    from refit_ros.node.bag_cameras import cameras_in
    from refit_ros.node.parameters import NodeParameters

    with recording.open_bag(path) as reader, tempfile.TemporaryDirectory() as place:
        names, transport = cameras_in(reader, "{camera}/image_raw", "{camera}/camera_info")
        options = NodeParameters(cameras=tuple(names), image_transport=transport, fixed_frame="map")
        output = Path(place) / "people"
        recording.fit_bag(reader, output, fake_model(), options, False, True, lambda _: None, lambda *_: None)


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
        except Exception as error:
            told = isinstance(error, ValueError if kind in TOLD_BY_VALUE_ERROR else InputError)
            outcome, sentence = ("refused", str(error)) if told else ("raised", f"{type(error).__name__}: {error}")
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
