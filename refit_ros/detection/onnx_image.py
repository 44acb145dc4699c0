"""An ONNX model of the user's that looks at an image, through onnxruntime."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from refit_ros.detection.onnx_trial import try_model


class OnnxImage:
    """Its file, what it takes, and running it."""

    def __init__(self, path: str | Path, setting: str, what: str, tried: bool, side_px: int) -> None:
        """setting: where the file is named; what: it is ("a detector"); side_px: where it leaves its input's size open.

        tried: it is known to load and to answer; without it, that is found out in another process first.
        Raises FileNotFoundError, ImportError or ValueError with a sentence that names the file and the way to mend it.
        """
        self.path = path = Path(path).expanduser()
        if not path.exists():
            raise FileNotFoundError(f"no model of {what} at {path}: set {setting} to an existing .onnx file")
        try:
            import onnxruntime
        except ImportError as error:
            raise ImportError(f"{setting} {path} needs onnxruntime: pip install onnxruntime") from error
        if not tried:
            try_model(path, setting)
        onnxruntime.set_default_logger_severity(3)
        there = onnxruntime.get_available_providers()
        providers = [name for name in ("CUDAExecutionProvider", "CPUExecutionProvider") if name in there]
        try:
            self._session = onnxruntime.InferenceSession(str(path), providers=providers)
        except Exception as error:  # onnxruntime raises its own unrelated types, one for each fault
            raise ValueError(
                f"{path} is no usable ONNX model (damaged, or newer than this onnxruntime can read): export it again"
            ) from error
        inputs = {entry.name: entry for entry in self._session.get_inputs()}
        images = [entry for entry in inputs.values() if len(entry.shape) == 4]
        if len(images) != 1:
            raise ValueError(
                f"{path} has no single image as input (1, 3, H, W): it takes "
                f"{', '.join(f'{e.name} {e.shape}' for e in inputs.values())}"
            )
        self._image, self._sizes = images[0], [entry for entry in inputs.values() if len(entry.shape) == 2]
        self._half = self._image.type == "tensor(float16)"
        many, _, height, width = self._image.shape
        self.at_once: int | None = many if isinstance(many, int) and many > 0 else None
        """Images that it takes in one run; None: any number."""
        self.height_px, self.width_px = (side if isinstance(side, int) and side > 0 else side_px for side in (height, width))

    def run(self, values: np.ndarray, size_px: tuple[int, int]) -> list[np.ndarray]:
        """Its outputs for (N, 3, H, W) float32. size_px: the original image's width and height, for models that ask."""
        feed: dict[str, np.ndarray] = {self._image.name: values.astype(np.float16) if self._half else values}
        for entry in self._sizes:  # (1, 2)
            feed[entry.name] = np.array([size_px], np.int64 if "int64" in entry.type else np.float32)
        return self._session.run(None, feed)
