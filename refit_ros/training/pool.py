"""Crops rendered on the GPU by a thread while the network trains: neither waits for the other.

The pool is a ring on the device. The thread renders into it on a stream of its own; every batch draws from it at random,
so a crop is seen a few times before it is replaced. How often depends on timing: a training from a pool goes on after a
kill, but does not repeat itself to the bit.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable, Iterator

import torch

from refit_ros.training.data import Batch, batch_of_samples, join

CHUNK = 4096  # crops rendered at a time: each call costs some 50 ms of launches and waits, however few they are


class _Ring:
    """Rows of `views` crops each, newest over oldest. Images are kept in half precision."""

    def __init__(self, rows: int, example: Batch, views: int):
        self.views, self.rows, self.filled, self._next = views, rows, 0, 0
        self._values = {
            name: torch.empty(
                rows, views, *value.shape[1:], device=value.device, dtype=torch.float16 if name == "images" else value.dtype
            )
            for name, value in example.tensors().items()
        }

    def put(self, batch: Batch) -> None:
        count = len(batch) // self.views
        for name, value in batch.tensors().items():
            grouped = value.reshape(count, self.views, *value.shape[1:])
            first = min(count, self.rows - self._next)
            self._values[name][self._next : self._next + first] = grouped[:first]
            self._values[name][: count - first] = grouped[first:]
        self._next = (self._next + count) % self.rows
        self.filled = min(self.filled + count, self.rows)

    def draw(self, count: int) -> Batch:
        device = self._values["images"].device
        rows = torch.randint(self.filled, (count,), device=device)
        drawn = {name: value[rows].flatten(0, 1) for name, value in self._values.items()}
        drawn["images"] = drawn["images"].float()
        drawn["person"] = torch.arange(count, device=device).repeat_interleave(self.views)
        return Batch(**drawn)


class PooledSource:
    """make_samples: builds the sample source inside the thread. reuse: how often a crop is drawn before the thread
    renders another for it (more often where the thread is too slow)."""

    draws_ahead = True  # its batches come in no order worth keeping: the loop may ask for the next one early

    def __init__(self, make_samples: Callable[[], object], single: int, sets: int, views: int, size: int, reuse: float):
        self._make, self._single, self._sets, self._views = make_samples, single, sets, views
        self._reuse, self._stop, self._failure = reuse, threading.Event(), None
        self._lock, self._news, self._at_work = threading.Lock(), threading.Condition(), threading.Lock()
        self._written: torch.cuda.Event | None = None
        self._read: torch.cuda.Event | None = None
        self.rendered = self.drawn = 0
        share = sets * views / (single + sets * views)
        self._sizes = {1: int(size * (1 - share)), views: int(size * share) // views}
        self._rings: dict[int, _Ring] = {}
        self._wanted = [v for v, count in ((1, single), (views, sets)) if count]
        sys.setswitchinterval(0.0005)  # the thread that trains must not wait long for the one that renders
        self._thread = threading.Thread(target=self._render, name="renderer", daemon=True)
        self._thread.start()

    def batch(self) -> Batch:
        """Waits only at the beginning, until an eighth of the pool is filled."""
        with self._news:
            while not self._ready() and self._failure is None:
                self._news.wait(timeout=1.0)
        if self._failure is not None:
            raise RuntimeError("rendering the training crops failed") from self._failure
        with self._lock:
            stream = torch.cuda.current_stream()
            stream.wait_event(self._written)
            wanted = ((self._views, self._sets), (1, self._single))
            parts = [self._rings[views].draw(count) for views, count in wanted if count]
            self._read = stream.record_event()
        self.drawn += self._single + self._sets * self._views
        return join(parts)

    def _ready(self) -> bool:
        return all(v in self._rings and self._rings[v].filled * 8 >= self._rings[v].rows for v in self._wanted)

    def _render(self) -> None:
        try:
            with torch.cuda.stream(torch.cuda.Stream()), torch.no_grad():
                self._render_until_stopped(self._make())
        except BaseException as error:  # told in batch(), in the thread that trains
            self._failure = error
        with self._news:
            self._news.notify_all()

    def _render_until_stopped(self, samples) -> None:
        given = dict.fromkeys(self._wanted, 0)
        while not self._stop.is_set():
            if self._ready() and self.rendered * self._reuse > self.drawn + sum(self._sizes.values()):
                self._stop.wait(0.002)
                continue
            views = min(self._wanted, key=lambda v: given[v] / self._sizes[v])
            count = CHUNK // views
            with self._at_work:
                batch = batch_of_samples(samples.batch(count, views=views))
                given[views] += count
                self._put(batch, views)
            self.rendered += len(batch)

    def _put(self, batch: Batch, views: int) -> None:
        stream = torch.cuda.current_stream()
        with self._lock:
            if self._read is not None:
                stream.wait_event(self._read)
            if views not in self._rings:
                self._rings[views] = _Ring(self._sizes[views], batch, views)
            self._rings[views].put(batch)
            self._written = stream.record_event()
        # Behind a limit the queue would grow without end, and with it the memory held by chunks not yet written.
        stream.synchronize()
        with self._news:
            self._news.notify_all()

    def state_dict(self) -> dict:
        return {}

    def load_state_dict(self, state: dict) -> None:
        """Nothing to restore: the pool is rendered anew."""

    @contextlib.contextmanager
    def resting(self) -> Iterator[None]:
        """Nothing is rendered within: what records a CUDA graph wants the device for itself."""
        with self._at_work:
            yield

    def close(self) -> None:
        self._stop.set()
        self._thread.join(timeout=30)
