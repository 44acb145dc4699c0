"""The images and the truth of one synthetic scene at 30 moments a second, each rendered when it is first asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import cv2
import numpy as np

import refit_ros
from refit_ros.core.plain_files import whole_file

BASE_RATE_HZ = 30
_QUICK = [cv2.IMWRITE_PNG_COMPRESSION, 1]  # lossless, a third of the raw size, a few milliseconds


class FrameStore:
    """Moments 0, 1, 2 ... of a scene, 1/30 s apart. Keeps images as PNG: in memory, and in `folder` where one is given.

    The folder holds one sub-folder a scene, its number of cameras, its seed and the version of the code that draws.
    """

    def __init__(self, name: str, cameras: int, seed: int, folder: Path | None = None) -> None:
        """Raises ValueError for a scene that does not exist."""
        from refit_ros.synthetic.scenes import named_scene

        names = [f"camera{number + 1}" for number in range(cameras)]
        self.scene = named_scene(name, cameras=cameras, seed=seed, width_px=640, height_px=480, names=names)
        self._folder = folder and folder / f"{name}-{cameras}-{seed}-{_drawing_version()}"
        self._images: dict[tuple[int, int], np.ndarray] = {}
        self._truth: dict[int, tuple] = {}

    def truth(self, moment: int) -> tuple:
        """Everybody in the scene, as refit_ros.synthetic.scenes.TruePerson."""
        if moment not in self._truth:
            self._truth[moment] = tuple(self.scene.truth(moment / BASE_RATE_HZ))
        return self._truth[moment]

    def image(self, moment: int, camera: int) -> np.ndarray:
        """(H, W, 3) uint8 RGB."""
        key = moment, camera
        if key not in self._images:
            self._images[key] = self._from_folder(*key)
        return cv2.cvtColor(cv2.imdecode(self._images[key], cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)

    def _from_folder(self, moment: int, camera: int) -> np.ndarray:
        path = self._folder and self._folder / f"{moment:05d}-{camera}.png"
        if path and path.exists():
            return np.fromfile(path, np.uint8)
        image = self.scene.render(moment / BASE_RATE_HZ, camera)
        encoded = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), _QUICK)[1]
        if path:
            path.parent.mkdir(parents=True, exist_ok=True)
            with whole_file(path) as file:  # others may render the same at the same time
                file.write(encoded.tobytes())
        return encoded


class Moment(Sequence):
    """One moment's images, camera by camera; what nobody asks for is not rendered."""

    def __init__(self, store: FrameStore, moment: int) -> None:
        self._store, self._moment = store, moment

    def __len__(self) -> int:
        return len(self._store.scene.cameras)

    def __getitem__(self, camera: int) -> np.ndarray:
        if not 0 <= camera < len(self):
            raise IndexError(camera)
        return self._store.image(self._moment, camera)


class Thinned(Sequence):
    """Some moments of a store."""

    def __init__(self, store: FrameStore, moments: Sequence[int]) -> None:
        self._store, self._moments = store, moments

    def __len__(self) -> int:
        return len(self._moments)

    def __getitem__(self, index: int) -> Moment:
        return Moment(self._store, self._moments[index])


@cache
def _drawing_version() -> str:
    """Changes with the code that poses and draws people, so that no image of an older one is taken for today's."""
    package = Path(refit_ros.__file__).parent
    sources = sorted([*(package / "synthetic").glob("*.py"), package / "core" / "body.py"])
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:12]
