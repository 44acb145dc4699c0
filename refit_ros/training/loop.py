"""The training loop: steps until the time or the steps are used up, goes on where a kill stopped it."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import torch

from refit_ros.core.checkpoint import save_network
from refit_ros.core.only_run import only_run_in
from refit_ros.training.checkpoints import load_state, save_state
from refit_ros.training.data import Batch, Source
from refit_ros.training.learner import Learner, Outcome
from refit_ros.training.presets import Preset, learning_rate
from refit_ros.training.progress import Curves, Progress

SKIPS_ALLOWED = 50  # gradients in a row that were not finite
STATE_FILE, BAD_BATCH_FILE = "state.pt", "bad_batch.pt"


class NotFinite(ValueError):
    """The loss became NaN or infinite; the message says where the batch is."""


@dataclass(frozen=True)
class Plan:
    """How long, where to, and how often to look up. Exactly one of steps and minutes ends the training."""

    output: Path
    steps: int | None
    minutes: float | None
    log_every: int = 20  # steps
    measure_every: int = 200  # steps
    save_every_s: float = 60.0
    stop_after: int | None = None  # steps in this process; for tests of resuming
    writes: bool = True  # only one of several processes writes


class _Pending:
    """A step whose losses nobody has waited for yet; a later step may overwrite `outcomes`, so they are copied."""

    def __init__(self, step: int, batch: Batch, outcomes: dict[str, Outcome]):
        self.step, self.batch, self.names = step, batch, list(outcomes)
        self.numbers = torch.stack([torch.stack((o.loss, o.gradient_norm)) for o in outcomes.values()])


class Loop:
    """Feeds the same batches to one or more learners (several: an ablation) and keeps what they become."""

    def __init__(
        self,
        learners: dict[str, Learner],
        source: Source,
        preset: Preset,
        plan: Plan,
        measure: Callable[[Learner], dict[str, float]] | None,
        step_of: Callable[[Learner, Batch], Callable[[Batch], Outcome]],
    ):
        """measure: errors of a learner's average on held-out crops. step_of: what steps a learner (a graph, or itself)."""
        self._learners, self._source, self._preset, self._plan = learners, source, preset, plan
        self._measure, self._step_of = measure, step_of
        self.step, self._crops, self._spent_s, self._skipped = 0, 0, 0.0, 0
        self._error_mm: float | None = None
        self._losses: dict[str, float] = {}

    @property
    def _state_path(self) -> Path:
        return self._plan.output / STATE_FILE

    def progress(self, spent_s: float) -> float:
        """Share of the training that is done, 0 .. 1."""
        done = self.step / self._plan.steps if self._plan.steps else spent_s / (60 * self._plan.minutes)
        return min(done, 1.0)

    def run(self) -> int:
        """Train to the end. Returns the number of the last step. Raises NotFinite, OSError from the first checkpoint, and
        ValueError where another training is writing into the same folder."""
        with only_run_in(self._plan.output) if self._plan.writes else nullcontext():
            return self._run()

    def _run(self) -> int:
        self._resume()
        curves = Curves(self._plan.output, self.step) if self._plan.writes else None
        line = Progress() if self._plan.writes else None
        began_s = time.monotonic() - self._spent_s
        saved_s, first_step, steppers, upcoming, pending = time.monotonic(), self.step, None, None, None
        while (done := _agreed(self.progress(self._spent_s))) < 1 and self._may_go_on(first_step):
            batch = upcoming or self._source.batch()
            steppers = steppers or {name: self._step_of(learner, batch) for name, learner in self._learners.items()}
            outcomes = self._step_all(steppers, batch, done)
            # While the device works on this step, the next batch is drawn and the step before is checked.
            upcoming = self._source.batch() if getattr(self._source, "draws_ahead", False) else None
            self._check(pending)
            pending = _Pending(self.step, batch, outcomes)
            self._spent_s = time.monotonic() - began_s
            if curves:
                saves = time.monotonic() - saved_s > self._plan.save_every_s
                if saves or self._looks_up():
                    pending = self._check(pending)
                self._tell(curves, line, outcomes, len(batch))
                if saves:
                    self._save()
                    saved_s = time.monotonic()
        self._check(pending)
        if self._plan.writes:
            self._finish(curves)
        return self.step

    def keep(self) -> None:
        """Write a checkpoint now, for whoever interrupts `run`."""
        if self._plan.writes and self.step:
            self._save()

    def _may_go_on(self, first_step: int) -> bool:
        return self._plan.stop_after is None or self.step - first_step < self._plan.stop_after

    def _step_all(self, steppers: dict, batch: Batch, done: float) -> dict[str, Outcome]:
        rate, outcomes = learning_rate(self._preset, done), {}
        for name, learner in self._learners.items():
            learner.set_progress(rate, self.step, done)
            try:
                outcomes[name] = steppers[name](batch)
            except torch.linalg.LinAlgError:  # what a decomposition says of a NaN on the CPU
                self._stop(self.step + 1, batch, f"the loss of {name} is not finite")
        self.step += 1
        self._crops += len(batch)
        return outcomes

    def _check(self, pending: _Pending | None) -> None:
        """Wait for a step's losses and keep them for the log. Raises NotFinite."""
        if pending is None:
            return
        numbers = dict(zip(pending.names, pending.numbers.tolist()))
        self._losses = {name: loss for name, (loss, _) in numbers.items()}
        bad = [name for name, loss in self._losses.items() if not math.isfinite(loss)]
        self._skipped = self._skipped + 1 if any(not math.isfinite(norm) for _, norm in numbers.values()) else 0
        if bad or self._skipped > SKIPS_ALLOWED:
            self._stop(
                pending.step,
                pending.batch,
                f"the loss of {bad[0]} is not finite" if bad else f"{self._skipped} gradients in a row were not finite",
            )

    def _stop(self, step: int, batch: Batch, why: str) -> NoReturn:
        path = self._plan.output / BAD_BATCH_FILE
        save_state({name: value.cpu() for name, value in batch.tensors().items()} | {"step": step}, path)
        raise NotFinite(
            f"{why} at step {step}: its batch is in {path}, the last good state in {self._state_path}; "
            "look at the batch, or go on from there with a lower --learning-rate"
        )

    def _looks_up(self) -> bool:
        """Is this a step that is logged or measured?"""
        return (
            self.step % self._plan.log_every == 0
            or self.step % self._plan.measure_every == 0
            or self.progress(self._spent_s) >= 1
        )

    def _tell(self, curves: Curves, line: Progress, outcomes: dict[str, Outcome], crops: int) -> None:
        last = self.progress(self._spent_s) >= 1
        values: dict[str, float] = {}
        if self.step % self._plan.log_every == 0 or last:
            for name, outcome in outcomes.items():
                values |= {f"{name}/loss": self._losses[name], f"{name}/gradient_norm": float(outcome.gradient_norm)}
                values |= {f"{name}/{term}": float(value) for term, value in outcome.terms.items()}
        if self.step % self._plan.measure_every == 0 or last:
            for name, learner in self._learners.items():
                values |= {f"{name}/held_out/{key}": value for key, value in self._measure(learner).items()}
            self._error_mm = values.get(f"{next(iter(self._learners))}/held_out/mpjpe_mm")
        if values:
            rendered = getattr(self._source, "rendered", self._crops)  # fewer than were seen, where a pool is drawn from
            curves.add(self.step, {"crops": self._crops, "rendered": rendered, "seconds": round(self._spent_s, 1)} | values)
        line.step(self.step, self.progress(self._spent_s), crops, next(iter(self._losses.values()), None), self._error_mm)

    def _save(self) -> None:
        """A checkpoint that cannot be written is told and left out: the training itself goes on."""
        try:
            self._write()
        except OSError as error:
            print(f"warning: no checkpoint at step {self.step}: {error}", file=sys.stderr)

    def _finish(self, curves: Curves) -> None:
        self._write()
        curves.close()

    def _write(self) -> None:
        save_state(self._state(), self._state_path)
        for name, learner in self._learners.items():
            facts = {
                "variant": name,
                "steps": str(self.step),
                "crops": str(self._crops),
                "seconds": f"{self._spent_s:.0f}",
                "trained": "true",
            }
            save_network(learner.average, self._plan.output / f"{name}.safetensors", facts, half=True)

    def _state(self) -> dict:
        devices = torch.cuda.get_rng_state() if torch.cuda.is_available() else None
        return {
            "step": self.step,
            "crops": self._crops,
            "seconds": self._spent_s,
            "source": self._source.state_dict(),
            "learners": {name: learner.state_dict() for name, learner in self._learners.items()},
            "random": {"cpu": torch.get_rng_state(), "cuda": devices},
        }

    def _resume(self) -> None:
        if not self._state_path.exists():
            return
        state = load_state(self._state_path)
        if set(state["learners"]) != set(self._learners):
            raise ValueError(
                f"{self._state_path} holds {', '.join(state['learners'])}, not {', '.join(self._learners)}: "
                "name another --output"
            )
        self.step, self._crops, self._spent_s = state["step"], state["crops"], state["seconds"]
        for name, learner in self._learners.items():
            learner.load_state_dict(state["learners"][name])
        self._source.load_state_dict(state["source"])
        torch.set_rng_state(state["random"]["cpu"])
        if state["random"]["cuda"] is not None and torch.cuda.is_available():
            torch.cuda.set_rng_state(state["random"]["cuda"])
        print(f"going on at step {self.step}", file=sys.stderr)


def _agreed(done: float) -> float:
    """The first process's progress, so that all of them end at the same step."""
    if not torch.distributed.is_available() or not torch.distributed.is_initialized():
        return done
    shared = torch.tensor(done, dtype=torch.float64, device="cuda" if torch.distributed.get_backend() == "nccl" else "cpu")
    torch.distributed.broadcast(shared, 0)
    return float(shared)
