"""What a person sees of a running training: one line, and TensorBoard's curves."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path


class Progress:
    """One line with the step, the loss, the rate and the time left, rewritten in place on a terminal."""

    def __init__(self, every_s: float = 5.0, stream=sys.stderr):
        self._every_s, self._stream = every_s, stream
        self._told_s = time.monotonic()
        self._crops = 0

    def step(self, step: int, done: float, crops: int, loss: float | None, error_mm: float | None) -> None:
        """done: share of the training, 0 .. 1; crops: seen in this step; None: not known yet."""
        self._crops += crops
        now_s = time.monotonic()
        if now_s - self._told_s < self._every_s and done < 1:
            return
        rate = self._crops / max(now_s - self._told_s, 1e-9)
        self._told_s, self._crops = now_s, 0
        if not hasattr(self, "_done_before"):
            self._done_before, self._since_s = done, now_s
        gained, spent_s = done - self._done_before, now_s - self._since_s
        left = f"{_clock((1 - done) * spent_s / gained)} left" if gained > 0 else "time left not known yet"
        error = "" if error_mm is None else f"  held-out {error_mm:.1f} mm"
        end = "\r" if self._stream.isatty() and done < 1 else "\n"
        shown = "" if loss is None else f"  loss {loss:.3f}"
        print(
            f"step {step}  {100 * done:.0f} %{shown}{error}  {rate:.0f} crops/s  {left}   ",
            end=end,
            file=self._stream,
            flush=True,
        )


def _clock(seconds: float) -> str:
    seconds = int(seconds)
    return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


class Curves:
    """Numbers over training: `curve.jsonl`, and TensorBoard's file where it is installed."""

    def __init__(self, folder: Path, step: int):
        """step: where the training stands; lines of later steps, from before a kill, are dropped."""
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / "curve.jsonl"
        kept = [line for line in self._lines() if json.loads(line)["step"] <= step]
        self._path.write_text("".join(kept))
        self._board = _tensorboard(folder, step)

    def _lines(self) -> list[str]:
        if not self._path.exists():
            return []
        return [line for line in self._path.read_text().splitlines(keepends=True) if line.endswith("}\n")]

    def add(self, step: int, values: dict[str, float]) -> None:
        with self._path.open("a") as file:
            file.write(json.dumps({"step": step, **values}) + "\n")
        if self._board:
            for name, value in values.items():
                self._board.add_scalar(name, value, step)
            self._board.flush()

    def close(self) -> None:
        if self._board:
            self._board.close()


def _tensorboard(folder: Path, step: int):
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        print("note: tensorboard is not installed; the curves are in curve.jsonl only", file=sys.stderr)
        return None
    return SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1)
