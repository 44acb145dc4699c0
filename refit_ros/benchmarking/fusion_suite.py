"""`--suite fusion`: what looking at images costs on an edge, and what joining the evidence costs on the fusion node's core.

The estimators themselves over eyes whose answers go through the messages, bytes included (needs ROS, not DDS). Of this
program's processor time on one thread, so that what else runs does not count. Features: people of a rendered room, looked at
by the embedded network. Keypoints: drawn evidence, so that only the fusion has a cost.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from refit_ros.camera.views import Camera, View
from refit_ros.estimation.view_evidence import Expectation, Search, ViewEvidence

CAMERAS, PEOPLE = (1, 2, 4, 8, 16), (1, 2)
BEFORE = 12  # sets that do not count: people are found, and seen often enough
RATE_HZ = 30.0
FILM = 6  # images of each camera, shown to and fro
FIRST_S = 100.0


class SplitEyes:
    """Others' eyes whose questions and answers become messages and back; keeps what each side took."""

    sends = True

    def __init__(self, eyes, kind) -> None:
        from refit_ros.node.message_types import RosTypes

        self._eyes, self._kind, self._types = eyes, kind, RosTypes()
        self.edge_s: list[float] = []  # of each look into one image

    def searches(self, search: Search) -> bool:
        return self._eyes.searches(search)

    def look(self, cameras: Sequence[Camera], wanted: Mapping[int, Expectation]) -> dict[int, ViewEvidence]:
        return {index: self._one(cameras, index, one) for index, one in wanted.items()}

    def expect(self, cameras: Sequence[Camera], wanted: Mapping[int, Expectation], in_s: float) -> None:
        """What is drawn is there at once."""

    def _one(self, cameras: Sequence[Camera], index: int, one: Expectation) -> ViewEvidence:
        from rclpy.serialization import deserialize_message, serialize_message

        from refit_ros.msg import Expectation as QuestionMessage
        from refit_ros.msg import ViewEvidence as AnswerMessage
        from refit_ros.node import evidence_messages as messages

        camera, network = cameras[index], self._kind.network
        stamp_ns = round(camera.stamp_s * 1e9)
        question = messages.Question(camera.name, stamp_ns, one, "asker", 1, 0)
        sent = serialize_message(messages.question_message(self._types, question, network))
        began_s = time.process_time()
        asked = messages.question_in(deserialize_message(sent, QuestionMessage), self._kind)
        seen = self._eyes.look(cameras, {index: asked.wanted})[index]
        answer = messages.Answer(camera.name, stamp_ns, "optical", 0, seen, one.search, "asker", 1, wanted=asked.wanted)
        back = serialize_message(messages.answer_message(self._types, answer, network))
        self.edge_s.append(time.process_time() - began_s)
        message = deserialize_message(back, AnswerMessage)
        messages.answer_in(message, camera.name, self._kind, stamp_ns)
        return messages.evidence_in(message, self._kind, one)


def run_fusion_suite(sets: int, say: Callable[[str], None]) -> dict:
    """Tables: what fusing keypoints costs, and of features one process, edges and fusion. `sets` of each are measured."""
    import torch

    from refit_ros.node.memory import keep_freed_memory

    keep_freed_memory()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return {
            "tables": {
                "Fusion alone, keypoints (drawn evidence)": [
                    _keypoints(cameras, people, sets, say) for people in PEOPLE for cameras in CAMERAS
                ],
                "Features of a rendered room, 640 x 480, two people, embedded network": _features(sets, say),
            },
            "fits": [
                "Times are processor time of one thread, in ms: the median, and after it the 95th percentile.",
                "Sets a second: 1000 through the median; of edges and fusion, through the larger of the two.",
            ],
        }
    finally:
        torch.set_num_threads(threads)


def _keypoints(cameras: int, people: int, sets: int, say: Callable[[str], None]) -> dict:
    from refit_ros.benchmarking.drawn_evidence import DrawnEyes, drawn_room
    from refit_ros.estimation.keypoint_estimator import KeypointEstimator
    from refit_ros.estimation.settings import Settings
    from refit_ros.node.evidence_kind import kind_of

    room, network = drawn_room(cameras, people)
    eyes = SplitEyes(DrawnEyes(room), kind_of(network, network.body.name))
    estimator = KeypointEstimator(network, None, Settings(evidence="keypoints"), eyes=eyes)

    def views(number: int) -> list[View]:
        stamp_s = FIRST_S + number / RATE_HZ
        return [View(None, room.calibrations[name], stamp_s, room.poses[name]) for name in room.names]

    whole_s, edges_s, found = _measured(estimator, views, sets, eyes)
    fusion_ms = 1e3 * (whole_s - edges_s)
    say(f"keypoints, {cameras} cameras, {people} people: {np.median(fusion_ms):.1f} ms")
    return {
        "cameras": cameras,
        "people": people,
        "ms a set": _spread(fusion_ms),
        "sets a second": 1e3 / float(np.median(fusion_ms)),
        "people found": f"{100 * found / people:.0f} %",
    }


def _features(sets: int, say: Callable[[str], None]) -> list[dict]:
    from refit_ros.core.checkpoint import load_network
    from refit_ros.core.inference import prepare
    from refit_ros.estimation.estimator import Estimator
    from refit_ros.estimation.eyes import FeatureEyes
    from refit_ros.estimation.search import detectors
    from refit_ros.estimation.settings import Settings
    from refit_ros.node.evidence_kind import kind_of
    from refit_ros.node.film import shoot
    from refit_ros.synthetic.scenes import named_scene

    say("rendering")
    film = shoot(named_scene("walking", cameras=max(CAMERAS), people=2), RATE_HZ, FILM / RATE_HZ, 3600.0)
    network, settings = load_network(None), Settings(detector="builtin")
    prepared, fusing = prepare(network), prepare(network, "float32", "torch")
    rows = []
    for cameras in CAMERAS:
        shown = range(0, max(CAMERAS), max(CAMERAS) // cameras)

        def views(number: int, shown=shown) -> list[View]:
            index, stamp_s = film.index(number), FIRST_S + number / RATE_HZ
            return [
                View(film.images[c][index], film.cameras[c].calibration, stamp_s, film.cameras[c].world_from_camera)
                for c in shown
            ]

        whole_s, _, _ = _measured(Estimator(prepared, settings), views, sets)
        eyes = SplitEyes(FeatureEyes(prepared, detectors(settings, prepared.device)), kind_of(network, network.body.name))
        split_s, edges_s, found = _measured(Estimator(fusing, settings, eyes=eyes), views, sets, eyes)
        whole_ms, edge_ms, fusion_ms = 1e3 * whole_s, 1e3 * edges_s / cameras, 1e3 * (split_s - edges_s)
        say(f"features, {cameras} cameras: {np.median(whole_ms):.0f} ms in one process")
        rows.append(
            {
                "cameras": cameras,
                "one process: ms a set": _spread(whole_ms),
                "sets/s": 1e3 / float(np.median(whole_ms)),
                "an edge for each camera: ms an image": _spread(edge_ms),
                "fusion: ms a set": _spread(fusion_ms),
                "sets/s of edges and fusion": 1e3 / float(max(np.median(edge_ms), np.median(fusion_ms))),
                "ms from image to people": float(np.median(edge_ms + fusion_ms)),
                "people found": f"{found:.1f}",
            }
        )
    return rows


def _measured(
    estimator, views: Callable[[int], list[View]], sets: int, eyes: SplitEyes | None = None
) -> tuple[np.ndarray, np.ndarray, float]:
    """(sets,) s of the whole of each set and of its looks into images; how many people a set were found."""
    whole_s, edges_s, found = [], [], []
    for number in range(BEFORE + sets):
        given = views(number)
        if eyes is not None:
            eyes.edge_s.clear()
        began_s = time.process_time()
        people = estimator.estimate(given).people
        if eyes is not None:
            estimator.look_ahead()
        if number >= BEFORE:
            whole_s.append(time.process_time() - began_s)
            edges_s.append(sum(eyes.edge_s) if eyes is not None else 0.0)
            found.append(len(people))
    return np.array(whole_s), np.array(edges_s), float(np.mean(found))


def _spread(times_ms: np.ndarray) -> str:
    return f"{np.median(times_ms):.1f} ({np.percentile(times_ms, 95):.1f})"
