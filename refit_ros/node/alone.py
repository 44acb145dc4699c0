"""Each camera's images for themselves: what an edge has in place of synchronized sets."""

from __future__ import annotations

from refit_ros.node.sets import Frame, FrameSet, SetBuilder


class EachAlone:
    """As `SetBuilder`, with a builder for each camera: every image is a set, at once."""

    def __init__(self, cameras: list[str], camera_timeout_s: float) -> None:
        self._builders = {name: SetBuilder([name], 0, 0.0, camera_timeout_s) for name in cameras}

    @property
    def restarts(self) -> int:
        return sum(each.restarts for each in self._builders.values())

    def add(self, frame: Frame, now_s: float) -> FrameSet | None:
        return self._builders[frame.camera].add(frame, now_s)

    def poll(self, now_s: float) -> FrameSet | None:
        found = (each.poll(now_s) for each in self._builders.values())
        return next((one for one in found if one is not None), None)

    def next_deadline_s(self) -> float | None:
        due = [each.next_deadline_s() for each in self._builders.values()]
        return min((at for at in due if at is not None), default=None)

    def state(self, name: str, now_s: float) -> str:
        return self._builders[name].state(name, now_s)

    def counts(self, name: str) -> dict[str, int]:
        return self._builders[name].counts(name)

    def stamps_not_new(self, name: str) -> int:
        return self._builders[name].stamps_not_new(name)

    def silent_s(self, name: str, now_s: float) -> float:
        return self._builders[name].silent_s(name, now_s)
