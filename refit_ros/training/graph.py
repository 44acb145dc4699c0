"""A step recorded once as a CUDA graph: the loop's thousands of small kernels start without Python."""

from __future__ import annotations

import torch

from refit_ros.training.data import Batch
from refit_ros.training.learner import Learner, Outcome

WARM_UP_STEPS = 3  # so that cuDNN has chosen its algorithms and the optimizer has made its state


class GraphedLearner:
    """Steps a learner by replaying a graph. Every batch must have the first one's shapes."""

    def __init__(self, learner: Learner, example: Batch):
        self._learner = learner
        self._batch = example.map(lambda value: value.clone())
        self._outcome: Outcome
        self._graph = torch.cuda.CUDAGraph()
        self._record()

    def _record(self) -> None:
        before = self._learner.state_dict()
        fresh = not before["optimizer"]["state"]
        kept = {name: {key: value.clone() for key, value in before[name].items()} for name in ("lesson", "average")}
        kept_optimizer = _cloned(before["optimizer"])
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(WARM_UP_STEPS):
                self._learner.step(self._batch)
        torch.cuda.current_stream().wait_stream(side)
        with torch.cuda.graph(self._graph, capture_error_mode="thread_local"):  # a thread may be rendering
            self._outcome = self._learner.step(self._batch)
        self._restore(kept, None if fresh else kept_optimizer)

    def _restore(self, kept: dict, optimizer: dict | None) -> None:
        """Warming up must not count as training: put back in place what it changed (the graph knows the addresses)."""
        self._learner.lesson.load_state_dict(kept["lesson"])
        self._learner.average.load_state_dict(kept["average"])
        live = self._learner.optimizer.state_dict()["state"]
        for index, values in live.items():
            for key, value in values.items():
                value.zero_() if optimizer is None else value.copy_(optimizer["state"][index][key])

    def step(self, batch: Batch) -> Outcome:
        for own, new in zip(self._batch.tensors().values(), batch.tensors().values()):
            own.copy_(new)
        self._graph.replay()
        return self._outcome


def _cloned(state: dict) -> dict:
    return {
        "state": {index: {key: value.clone() for key, value in values.items()} for index, values in state["state"].items()}
    }
