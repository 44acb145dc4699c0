"""Expectations and evidence as messages and back. What is malformed or cannot be used here raises `Rejected`."""

from __future__ import annotations

import array
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from refit_ros.detection.landmarks import COUNT
from refit_ros.estimation.evidence_arrays import (
    arrays_of_evidence,
    arrays_of_expectation,
    evidence_of,
    expectation_of,
)
from refit_ros.estimation.map_windows import window_side
from refit_ros.estimation.stamps import JITTER_S
from refit_ros.estimation.view_evidence import MASK_PX, Expectation, Search, ViewEvidence
from refit_ros.node.conversions import set_stamp, stamp_ns
from refit_ros.node.rejections import Rejected

if TYPE_CHECKING:
    from refit_ros.camera.calibration import Calibration
    from refit_ros.node.message_types import RosTypes

VERSION = 3
FUTURE_NS = 500_000_000  # a capture time beyond this is none
JITTER_NS = round(JITTER_S * 1e9)

# How each field of an array is sent: its type code, and the shape of one row (None: known from elsewhere).
_OF_EVIDENCE = {
    "boxes": ("d", (5,)),
    "landmarks_px": ("f", (COUNT, 2)),
    "landmarks_mm": ("h", (COUNT, 3)),
    "visibility": ("B", (COUNT,)),
    "flag": ("f", ()),
}


@dataclass(frozen=True)
class Kind:
    """Of evidence: what both sides have to agree on."""

    name: str  # "features" or "keypoints"
    network: str  # kind, fingerprint of the network, body: as it stands in the messages
    crop_size: int = MASK_PX  # px, of masks: of features' crops, or of regions in which landmarks are looked for
    maps_shape: tuple[int, int, int] = (0, 0, 0)


@dataclass(frozen=True)
class Question:
    """An expectation on its way."""

    camera: str
    stamp_ns: int  # of the image it is about
    wanted: Expectation
    asker: str
    number: int
    calibration: int
    search_next: bool = False
    sent_ns: int = 0  # by the clock of the fusion node's host
    ahead: bool = False  # of an image that was not taken yet: `stamp_ns` is when it should be

    def is_about(self, stamp_ns: int) -> bool:
        """Whether it asks about the image that was taken then."""
        return abs(stamp_ns - self.stamp_ns) <= (JITTER_NS if self.ahead else 0)


@dataclass(frozen=True)
class Answer:
    """Evidence on its way. Without a question (`asker` empty) it tells that an image has come."""

    camera: str
    stamp_ns: int
    frame_id: str
    calibration: int
    seen: ViewEvidence | None = None  # None: not read yet, see `evidence_in`
    searched: Search = Search.NOBODY
    asker: str = ""
    number: int = 0
    asked_ns: int = 0
    received_ns: int = 0  # by the clock of the edge node's host, as `sent_ns`
    sent_ns: int = 0
    wanted: Expectation | None = None  # what was asked, on the edge: of which regions parts will do


def calibration_hash(calibration: Calibration) -> int:
    """64 bits that differ where two calibrations do."""
    numbers = [calibration.width_px, calibration.height_px, *np.ravel(calibration.K), *calibration.coefficients]
    text = calibration.distortion_model.encode() + np.array(numbers, np.float64).tobytes()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")


def question_message(types: RosTypes, question: Question, network: str) -> Any:
    message = types.new("refit_ros/msg/Expectation")
    set_stamp(message.header.stamp, question.stamp_ns)
    arrays = arrays_of_expectation(question.wanted)
    message.version, message.camera, message.network = VERSION, question.camera, network
    message.asker, message.number, message.calibration = question.asker, question.number, question.calibration
    message.search, message.search_next, message.ahead = int(arrays["search"]), question.search_next, question.ahead
    message.regions = _sent("d", arrays["regions_px"])
    message.turned = _sent("d", arrays["turned_rad"])
    message.masked = _sent("I", arrays["masked"])
    message.mask_side = arrays["masks"].shape[1]
    message.masks = _sent("B", arrays["masks"])
    message.windowed, message.windows = _sent("I", arrays["windowed"]), _sent("H", arrays["windows"])
    set_stamp(message.sent, question.sent_ns)
    return message


def question_in(message: Any, kind: Kind) -> Question:
    """Raises Rejected."""
    _check(message, kind)
    side = message.mask_side
    try:
        arrays = {
            "search": np.uint8(message.search),
            "regions_px": _rows(message.regions, "d", (4,)),
            "turned_rad": np.asarray(message.turned, np.float64),
            "masked": np.asarray(message.masked),
            "masks": _rows(message.masks, "B", (side, side // 8)) if side else np.zeros((0, 0, 0), np.uint8),
            "windowed": np.asarray(message.windowed),
            "windows": _rows(message.windows, "H", (kind.maps_shape[0], 2)),
        }
        wanted = expectation_of(arrays, kind.crop_size, kind.maps_shape[0])
    except ValueError as error:
        raise Rejected("malformed expectation", str(error)) from error
    return Question(
        message.camera,
        stamp_ns(message.header.stamp),
        wanted,
        message.asker,
        message.number,
        message.calibration,
        message.search_next,
        stamp_ns(message.sent),
        message.ahead,
    )


def answer_message(types: RosTypes, answer: Answer, network: str) -> Any:
    message = types.new("refit_ros/msg/ViewEvidence")
    set_stamp(message.header.stamp, answer.stamp_ns)
    message.header.frame_id = answer.frame_id
    message.version, message.camera, message.network = VERSION, answer.camera, network
    message.calibration, message.asker, message.number = answer.calibration, answer.asker, answer.number
    message.searched = int(answer.searched)
    arrays = arrays_of_evidence(answer.seen, answer.wanted)
    for name, (code, _) in _OF_EVIDENCE.items():
        if arrays[name].size:
            setattr(message, name, _sent(code, arrays[name]))
    if answer.seen.features is not None:
        message.regions, message.half = len(arrays["pooled"]), int(arrays["half"])
        message.maps_shape = np.array(answer.seen.features.maps.shape[1:], np.uint16)
        for name in ("maps", "parts", "pooled"):
            setattr(message, name, _sent("H", arrays[name]))
    for name in ("asked", "received", "sent"):
        set_stamp(getattr(message, name), getattr(answer, f"{name}_ns"))
    return message


def answer_in(message: Any, camera: str, kind: Kind, now_ns: int) -> Answer:
    """Everything but what regions show, which `evidence_in` reads. Raises Rejected. now_ns 0: nobody knows the time."""
    _check(message, kind)
    if message.camera != camera:
        raise Rejected("another camera", f"evidence of camera '{message.camera[:60]}' came on the topic of {camera}")
    stamp = stamp_ns(message.header.stamp)
    if stamp <= 0:
        raise Rejected("no stamp", "evidence has no capture time (stamp 0)")
    if now_ns and stamp > now_ns + FUTURE_NS:
        ahead_s = (stamp - now_ns) * 1e-9
        raise Rejected("from the future", f"an image taken {ahead_s:.1f} s from now: set the hosts' clocks (chrony, PTP)")
    if message.searched not in list(Search):
        raise Rejected("malformed evidence", f"a search of kind {message.searched} is unknown")
    return Answer(
        camera,
        stamp,
        message.header.frame_id.removeprefix("/"),
        message.calibration,
        None,
        Search(message.searched),
        message.asker,
        message.number,
        stamp_ns(message.asked),
        stamp_ns(message.received),
        stamp_ns(message.sent),
    )


def evidence_in(message: Any, kind: Kind, wanted: Expectation) -> ViewEvidence:
    """What the regions show that were asked about, and the boxes. Raises Rejected."""
    try:
        arrays = {name: _rows(getattr(message, name), code, shape) for name, (code, shape) in _OF_EVIDENCE.items()}
        arrays["searched"], arrays["half"] = np.bool_(message.searched), np.uint8(message.half)
        shape = tuple(int(each) for each in message.maps_shape)
        count, window = int(message.regions), window_side(shape[-1])
        arrays["maps"] = _rows(message.maps, "H", shape)
        arrays["parts"] = _rows(message.parts, "H", (shape[0], window, window))
        arrays["pooled"] = _rows(message.pooled, "H", (len(message.pooled) // max(count, 1),))
        return evidence_of(arrays, kind.name, wanted, kind.maps_shape)
    except ValueError as error:
        raise Rejected("malformed evidence", str(error)) from error


def _check(message: Any, kind: Kind) -> None:
    if message.version != VERSION:
        raise Rejected(
            "another version", f"version {message.version} of the messages came, and this is {VERSION}: use one release"
        )
    if message.network != kind.network:
        raise Rejected(
            "another network or body",
            f"it is of '{message.network[:60]}', and here is '{kind.network}': give edges and fusion the same evidence, "
            "weights and body_model",
        )


def _sent(code: str, values: np.ndarray) -> array.array:
    """rclpy takes an array.array as it is; anything else would be checked number by number."""
    data = array.array(code)
    data.frombytes(np.ascontiguousarray(values, np.dtype(code)).tobytes())
    return data


def _rows(values: Any, code: str, row: tuple[int, ...]) -> np.ndarray:
    """Raises ValueError where the numbers are no whole rows."""
    flat, size = np.asarray(values, np.dtype(code)).reshape(-1), int(np.prod(row))
    if size == 0:
        return np.zeros((0, *row), np.dtype(code))
    if len(flat) % size:
        raise ValueError(f"{len(flat)} numbers are no rows of {' x '.join(map(str, row))}")
    return flat.reshape(-1, *row)
