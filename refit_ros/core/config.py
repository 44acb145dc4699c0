"""What a network is built from; it travels in the weights file's metadata."""
from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass

BACKBONES = ("hrnet_w48", "hrnet_w32", "small")


@dataclass(frozen=True)
class NetworkConfig:
    """Sizes of the network. The defaults are those of the published ReFit with HRNet-W48."""
    backbone: str = "hrnet_w48"     # one of BACKBONES
    image_size: int = 256           # px, the crop's side; the feature map is a quarter of it
    markers: int = 67               # points of the body's surface that look at the picture
    head_convolutions: int = 2      # 3 x 3 convolutions between the backbone's map and the markers' channels
    head_channels: int = 256
    decoder_layers: int = 1         # hidden layers between a hidden state and its update
    window_radius: int = 3          # of the square read around each marker: 7 x 7 map pixels
    window_features: int = 5        # numbers kept of each window
    feedback_features: int = 256    # numbers kept of all windows together
    feedback_dropout: float = 0.25  # share of markers hidden in training
    hidden: int = 32                # of each of the 26 GRUs
    iterations: int = 5             # unless a call asks for another number

    def __post_init__(self) -> None:
        if self.backbone not in BACKBONES:
            raise ValueError(f"backbone '{self.backbone}' is unknown; there are {', '.join(BACKBONES)}")
        if self.image_size % 32 or self.image_size <= 0:
            raise ValueError(f"image_size {self.image_size} is not a multiple of 32")
        for name in ("markers", "window_features", "feedback_features", "hidden", "head_channels"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} {getattr(self, name)} is not positive")

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self), sort_keys=True)

    @staticmethod
    def from_json(text: str) -> NetworkConfig:
        """Raises ValueError where `text` is no JSON object or holds a key that this version does not know."""
        values = json.loads(text)
        known = {field.name for field in dataclasses.fields(NetworkConfig)}
        if not isinstance(values, dict) or set(values) - known:
            unknown = sorted(set(values) - known) if isinstance(values, dict) else values
            raise ValueError(f"the network's description holds unknown entries: {unknown}")
        return NetworkConfig(**values)


SMALL = NetworkConfig(backbone="small", image_size=128, head_convolutions=1, head_channels=96)
"""The embedded default's sizes."""
