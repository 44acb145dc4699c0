"""Hostile files by the hundred, each read by a program that may die of it:
    python test/fuzz/hostile.py [--each 60] [--seed 0]

The corpus, and sound files in which bytes were changed, whole numbers blown up, and parts cut, doubled or exchanged, as
bodies, weights, images, bags and ONNX detectors. Prints a table, and each file that crashed its reader, raised anything
but a sentence, took over 1 GB or 60 s of a processor; ends with 1 where there is one, and keeps it in --keep.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
MOST_MB, MOST_S = 1024, 60
HUGE = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 2**40, 2**63 - 1, 2**64 - 1)
ENDINGS = {
    "bodies": (".pkl", ".npz"),
    "weights": (".pt", ".safetensors"),
    "images": (".jpg", ".png", ".bmp", ".webp", ".tif"),
}


def changed(content: bytes, chance: random.Random) -> bytes:
    some = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 4, 16))):
        at = chance.randrange(len(some)) if some else 0
        # Headers and directories stand at the ends.
        at = chance.choice((at, min(at, 64), max(0, len(some) - 1 - at % 256)))
        how = chance.choice(("number", "number", "bytes", "cut", "double", "swap"))
        if how == "number":
            size = chance.choice((1, 2, 4, 8))
            value = chance.choice(HUGE) % 256**size
            some[at : at + size] = value.to_bytes(size, chance.choice(("little", "big")))
        elif how == "bytes":
            some[at : at + 4] = chance.randbytes(4)
        elif how == "cut":
            del some[at : at + chance.choice((1, 8, 256, len(some)))]
        elif how == "double":
            some[at:at] = some[at : at + chance.choice((8, 256, 4096))]
        else:
            some[at : at + 16], some[:16] = some[:16], some[at : at + 16]
    return bytes(some)


def sound_files(folder: Path) -> dict[str, list[Path]]:
    """Of each kind some that are right, or once broke a reader."""
    sys.path[:0] = [str(HERE.parent / "node"), str(HERE.parent / "detection")]
    import cv2
    import numpy as np
    from test_detector_onnx import model, suppressed, yolov8
    from test_recording import write_bag

    found = {kind: sorted((HERE / "corpus" / kind).iterdir()) for kind in ("bodies", "weights")}
    data = HERE.parents[1] / "refit_ros" / "data"
    found["bodies"].append(data / "body.npz")
    found["weights"].append(data / "detector_small.safetensors")
    image = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
    found["images"] = [folder / f"image{ending}" for ending in ENDINGS["images"]]
    for path in found["images"]:
        cv2.imwrite(str(path), image)
    bags = [write_bag(folder / f"bag_{mcap}", ["camera"], sets=2, mcap=mcap) for mcap in (True, False)]
    found["bags"] = [file for bag in bags for file in bag.iterdir() if file.suffix in (".mcap", ".db3")]
    found["onnx"] = [model(folder / "a.onnx", yolov8()), model(folder / "b.onnx", suppressed())]
    return found


def tried(files: list[str]) -> list[dict]:
    """A line for each file; a program that dies of one is followed by another for the rest."""
    lines: list[dict] = []
    while len(lines) < len(files):
        done = subprocess.run(
            [sys.executable, HERE / "try_files.py", *files[len(lines) :]],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=3600,
        )
        lines += [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"file"')]
        if done.returncode:
            end = {"file": files[len(lines)].partition(":")[2], "outcome": f"died with {done.returncode}"}
            lines.append({**end, "sentence": done.stderr[-300:], "seconds": 0.0, "grown_mb": 0.0})
    return lines


def is_wrong(line: dict) -> bool:
    told = line["outcome"] == "refused" and "\n" not in line["sentence"] and len(line["sentence"]) < 1500
    return not (told or line["outcome"] == "taken") or line["grown_mb"] > MOST_MB or line["seconds"] > MOST_S


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--each", type=int, default=60, help="files of each of the five kinds")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="folder for the files that broke something")
    args = parser.parse_args()
    chance, wrong = random.Random(args.seed), 0
    print("| kind | files | refused in a sentence | taken | wrong | most MB | most s |\n|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for kind, sound in sound_files(folder).items():
            files = []
            for index in range(args.each):
                source = sound[index] if index < len(sound) and kind in ("bodies", "weights") else chance.choice(sound)
                content = source.read_bytes()
                path = folder / f"{kind}_{index}{source.suffix}"
                path.write_bytes(content if source is sound[min(index, len(sound) - 1)] else changed(content, chance))
                files.append(f"{kind}:{path}")
            lines = tried(files)
            bad = [line for line in lines if is_wrong(line)]
            wrong += len(bad)
            count = [sum(line["outcome"] == outcome for line in lines) for outcome in ("refused", "taken")]
            most = [max(line[what] for line in lines) for what in ("grown_mb", "seconds")]
            print(
                f"| {kind} | {len(lines)} | {count[0]} | {count[1]} | {len(bad)} | {most[0]:.0f} | {most[1]:.1f} |",
                flush=True,
            )
            for line in bad:
                print(f"  {line}")
                if args.keep:
                    args.keep.mkdir(parents=True, exist_ok=True)
                    shutil.copy(line["file"], args.keep)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
