"""The parameters of the synthetic cameras, each with its default and what it means."""

from __future__ import annotations

from dataclasses import dataclass, field

MOST_CAMERAS = 4


def _option(default, description: str):
    return field(default=default, metadata={"description": description})


@dataclass(frozen=True)
class CameraOptions:
    """Every parameter of the node; the command line's options are made from these too."""

    scene: str = _option("walking", "Scene by name: walking, crossing, three_people, half_out, standing")
    cameras: int = _option(1, "How many cameras watch it, 1 to 4")
    people: int = _option(0, "How many people walk there; 0: as many as the scene is made for")
    width: int = _option(640, "Width of the images, px")
    height: int = _option(480, "Height of the images, px")
    rate: float = _option(30.0, "Sets of images a second")
    seed: int = _option(0, "Another seed, other people")
    distortion: tuple[float, ...] = _option((0.0,), "plumb_bob coefficients k1 k2 p1 p2 k3 of the lenses; 0: none")
    compressed: bool = _option(False, "Publish JPEG (sensor_msgs/CompressedImage) instead of raw images")
    detections: bool = _option(False, "Publish the people's true boxes on /<camera>/detections, as a perfect detector would")
    length: float = _option(6.0, "Seconds of the scene, played back and forth")
    patience: float = _option(20.0, "Render no longer than this many seconds beforehand: the scene gets shorter instead")

    def __post_init__(self) -> None:
        for name, low, high in (
            ("cameras", 1, MOST_CAMERAS),
            ("people", 0, 8),
            ("width", 16, 7680),
            ("height", 16, 4320),
            ("rate", 0.1, 240.0),
            ("length", 0.0, 60.0),
            ("patience", 0.0, 3600.0),
        ):
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"{name} is {getattr(self, name)}; it must lie between {low} and {high}")


def camera_names(count: int) -> list[str]:
    return ["camera"] if count == 1 else [f"camera{number}" for number in range(1, count + 1)]
