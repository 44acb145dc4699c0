"""Sightings from SmplArray messages: a bag's, or those that come over the network."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from refit_ros.core.errors import InputError
from refit_ros.core.plain_files import shown
from refit_ros.motion.types import Sighting
from refit_ros.node.conversions import frame_id_of, stamp_ns

SMPL_ARRAY = "refit_ros/msg/SmplArray"


def sightings_of(message: Any, optical_frames: set[str]) -> list[Sighting]:
    """Everybody in an SmplArray. Its frame is a camera's where a view has the same, in this message or in one before.

    optical_frames: kept from message to message, and added to here: whom no camera sees just now has no views.
    Those of numbers that are not finite are left out: no file and no page can show them.
    """
    frame_id = frame_id_of(message)
    optical_frames.update(view.frame_id.removeprefix("/") for person in message.people for view in person.views)
    time_s = stamp_ns(message.header.stamp) * 1e-9
    found = []
    for person in message.people:
        found.append(
            Sighting(
                time_s,
                int(person.id),
                float(person.confidence),
                np.asarray(person.betas, float),
                np.asarray(person.global_orient, float),
                np.asarray(person.body_pose, float),
                np.array([person.transl.x, person.transl.y, person.transl.z]),
                np.array([(point.x, point.y, point.z) for point in person.joints]),
                frame_id=frame_id,
                optical=frame_id in optical_frames,
                body_model=person.body_model,
            )
        )
    return [each for each in found if _is_finite(each)]


def _is_finite(each: Sighting) -> bool:
    numbers = (each.betas, each.global_orient, each.body_pose, each.transl, each.joints, each.confidence)
    return bool(np.isfinite(np.concatenate([np.ravel(value) for value in numbers])).all())


def read_bag(path: Path, topic: str) -> Iterator[Sighting]:
    """Everybody in every message of a topic. Raises ValueError where the bag has none or is damaged, and as `open_bag`."""
    from refit_ros.node.recording import messages_in, open_bag, read_message

    with open_bag(path) as reader:
        wanted = [each for each in reader.connections if each.topic == topic and each.msgtype == SMPL_ARRAY]
        if not wanted:
            there = sorted({each.topic for each in reader.connections if each.msgtype == SMPL_ARRAY})
            raise InputError(
                f"{shown(path)} holds no people on {topic}: "
                + (f"give --topic {there[0]}." if there else "let `python -m refit_ros bag` make a bag of them first.")
            )
        optical_frames: set[str] = set()
        for connection, _, raw in messages_in(reader, wanted):
            yield from sightings_of(read_message(reader, connection, raw), optical_frames)
