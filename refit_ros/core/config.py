"""What a network is built from; it travels in the weights file's metadata."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass

BACKBONES = ("hrnet_w48", "hrnet_w32", "small", "keypoints")
# A description comes with a file: nothing is built of sizes that no network has.
_RANGES = {
    "image_size": (32, 1024),
    "markers": (1, 1024),
    "head_convolutions": (0, 8),
    "head_channels": (1, 2048),
    "decoder_layers": (0, 8),
    "window_radius": (0, 8),
    "window_features": (1, 64),
    "feedback_features": (1, 4096),
    "hidden": (1, 512),
    "iterations": (0, 100),
}


@dataclass(frozen=True)
class NetworkConfig:
    """Sizes of the network. The defaults are those of the published ReFit with HRNet-W48."""

    backbone: str = "hrnet_w48"  # one of BACKBONES; "keypoints": none, landmarks of another network come in
    image_size: int = 256  # px, the crop's side; the feature map is a quarter of it
    markers: int = 67  # points of the body's surface that look at the image; or its landmarks
    head_convolutions: int = 2  # 3 x 3 convolutions between the backbone's map and the markers' channels
    head_channels: int = 256
    decoder_layers: int = 1  # hidden layers between a hidden state and its update
    window_radius: int = 3  # of the square read around each marker: 7 x 7 map pixels
    window_features: int = 5  # numbers kept of each window
    feedback_features: int = 256  # numbers kept of all windows together
    feedback_dropout: float = 0.25  # share of markers hidden in training
    hidden: int = 32  # of each of the 26 GRUs
    iterations: int = 5  # unless a call asks for another number

    def __post_init__(self) -> None:
        if self.backbone not in BACKBONES:
            raise ValueError(f"backbone '{str(self.backbone)[:40]}' is unknown; there are {', '.join(BACKBONES)}")
        for name, (least, most) in _RANGES.items():
            if type(getattr(self, name)) is not int or not least <= getattr(self, name) <= most:
                raise ValueError(f"{name} is {str(getattr(self, name))[:40]} and can be {least} to {most}")
        if not isinstance(self.feedback_dropout, (int, float)) or not 0 <= self.feedback_dropout < 1:
            raise ValueError(f"feedback_dropout is {str(self.feedback_dropout)[:40]} and can be 0 to below 1")
        if self.image_size % 32:
            raise ValueError(f"image_size {self.image_size} is not a multiple of 32")

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self), sort_keys=True)

    @staticmethod
    def from_json(text: str) -> NetworkConfig:
        """Raises ValueError where `text` is no JSON object or holds a key that this version does not know."""
        values = json.loads(text)
        known = {field.name for field in dataclasses.fields(NetworkConfig)}
        if not isinstance(values, dict) or set(values) - known:
            unknown = sorted(set(values) - known) if isinstance(values, dict) else values
            raise ValueError(f"the network's description holds unknown entries: {str(unknown)[:200]}")
        return NetworkConfig(**values)


SMALL = NetworkConfig(backbone="small", image_size=128, head_convolutions=1, head_channels=96)
"""The embedded default's sizes."""
