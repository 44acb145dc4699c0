"""Data sets in the published layout: one .npz with a row a person, images beside it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from refit_ros.core.body import Body
from refit_ros.core.camera import default_focal_px
from refit_ros.core.joints import JOINT_INDEX
from refit_ros.core.rotations import rotmat_from_axis_angle
from refit_ros.training.data import Batch

# Shapes of a row, for every key that is read; the first three must be there. `part` holds 24 keypoints of the image with
# their confidence, `S` the same in metres around the pelvis; trailing confidences may be left out.
ROW_SHAPES: dict[str, tuple[tuple[int, ...], ...]] = {
    "imgname": ((),),
    "center": ((2,),),
    "scale": ((),),
    "pose": ((72,), (24, 3)),
    "shape": ((10,),),
    "part": ((24, 3), (24, 2)),
    "S": ((24, 4), (24, 3)),
    "img_focal": ((),),
    "img_center": ((2,),),
    "cam_R": ((3, 3),),
    "cam_t": ((3,),),
}
REQUIRED = ("imgname", "center", "scale")
TOGETHER = (("pose", "shape"), ("img_focal", "img_center"))

# The layout's 24 keypoints that are also joints of the body; its hips, neck and head lie elsewhere and are left out.
KEYPOINT_OF_JOINT = {
    "right_ankle": 0,
    "right_knee": 1,
    "left_knee": 4,
    "left_ankle": 5,
    "right_wrist": 6,
    "right_elbow": 7,
    "right_shoulder": 8,
    "left_shoulder": 9,
    "left_elbow": 10,
    "left_wrist": 11,
    "pelvis": 14,
}
COLOUR_GAIN, SIZE_JITTER = 0.4, 0.25  # as published: channels times 1 +- 0.4, squares times 1 +- 0.25


@dataclass(frozen=True)
class RealSet:
    """A checked file: every array has one row a person and no value that is not finite."""

    path: Path
    arrays: dict[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.arrays["imgname"])


def read_set(path: Path, need: tuple[str, ...] = ()) -> RealSet:
    """Raises ValueError with the file's name, the key and, where there is one, the row."""
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"there is no data file {path}: give an .npz in the published layout")
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files if key in ROW_SHAPES}
    except (ValueError, OSError, EOFError) as error:
        raise ValueError(f"{path} cannot be read as an .npz without pickled objects ({error})") from error
    _check_keys(path, arrays, need)
    count = len(arrays["imgname"])
    for key, array in arrays.items():
        arrays[key] = _checked(path, key, array, count)
    if not count:
        raise ValueError(f"{path}: it has no rows")
    small = np.flatnonzero(arrays["scale"] <= 0)
    if len(small):
        raise ValueError(f"{path}: 'scale' is not positive in row {small[0]}")
    return RealSet(path, arrays)


def _check_keys(path: Path, arrays: dict[str, np.ndarray], need: tuple[str, ...]) -> None:
    missing = [key for key in REQUIRED + need if key not in arrays]
    for first, second in TOGETHER:
        missing += [b for a, b in ((first, second), (second, first)) if a in arrays and b not in arrays]
    if missing:
        held = ", ".join(sorted(arrays)) or "no key of the layout"
        raise ValueError(f"{path}: '{missing[0]}' is missing (it holds {held})")
    if not {"pose", "part", "S"} & set(arrays):
        raise ValueError(f"{path}: 'pose' is missing, and so are 'part' and 'S': there is nothing to learn from")


def _checked(path: Path, key: str, array: np.ndarray, count: int) -> np.ndarray:
    if array.ndim == 0 or len(array) != count:
        raise ValueError(f"{path}: '{key}' has {len(array) if array.ndim else 0} rows, 'imgname' has {count}")
    if key == "imgname":
        return np.array([name.decode() if isinstance(name, bytes) else str(name) for name in array.tolist()])
    if array.shape[1:] == (1,) and ROW_SHAPES[key] == ((),):
        array = array[:, 0]
    if array.shape[1:] not in ROW_SHAPES[key]:
        raise ValueError(
            f"{path}: '{key}' has rows of shape {array.shape[1:]}, expected "
            f"{' or '.join(str(shape) for shape in ROW_SHAPES[key])}, from row 0 on"
        )
    if array.dtype.kind not in "fiub":
        raise ValueError(f"{path}: '{key}' holds {array.dtype}, not numbers, from row 0 on")
    bad = np.flatnonzero(~np.isfinite(array.reshape(count, -1)).all(1))
    if len(bad):
        raise ValueError(f"{path}: '{key}' is not finite in row {bad[0]}")
    return array.astype(np.float32)


class RealSource:
    """Rows in an order shuffled anew for every pass. Its state is the pass's order and the place in it."""

    def __init__(
        self,
        path: Path,
        images: str | None,
        body: Body,
        count: int,
        image_size: int,
        seed: int,
        device: torch.device | str,
        augment: bool = True,
    ):
        self._set, self._body, self._count, self._size = read_set(path), body, count, image_size
        self._folder = Path(images) if images else Path(path).parent
        self._device, self._augment = device, augment
        self._generator = torch.Generator().manual_seed(seed)
        self._order, self._next = torch.empty(0, dtype=torch.int64), 0

    def batch(self) -> Batch:
        rows: list[int] = []
        while len(rows) < self._count:
            if self._next >= len(self._order):
                self._order, self._next = torch.randperm(len(self._set), generator=self._generator), 0
            taken = self._order[self._next : self._next + self._count - len(rows)].tolist()
            self._next += len(taken)
            rows += taken
        return self.rows(rows)

    def rows(self, rows: list[int]) -> Batch:
        """These rows, in this order."""
        gains = np.ones((len(rows), 3), np.float32)
        sizes = np.ones(len(rows), np.float32)
        if self._augment:
            drawn = torch.rand(len(rows), 4, generator=self._generator).numpy() * 2 - 1
            gains, sizes = 1 + COLOUR_GAIN * drawn[:, :3], 1 + SIZE_JITTER * drawn[:, 3]
        return real_batch(self._set, self._folder, rows, self._body, self._size, gains, sizes).to(self._device)

    def state_dict(self) -> dict:
        return {"generator": self._generator.get_state(), "order": self._order, "next": self._next}

    def load_state_dict(self, state: dict) -> None:
        self._generator.set_state(state["generator"])
        self._order, self._next = state["order"], state["next"]


def real_batch(
    data: RealSet, folder: Path, rows: list[int], body: Body, image_size: int, gains: np.ndarray, sizes: np.ndarray
) -> Batch:
    """The crops of some rows, and their truth, on the CPU."""
    from refit_ros.camera.crops import normalised

    center_px, side_px = data.arrays["center"][rows], data.arrays["scale"][rows] * 200 * sizes
    patches, focal_px, principal_px = [], [], []
    for index, row in enumerate(rows):
        image = _read_image(data, folder, row)
        crop, focal, principal = _cut(data, row, image, center_px[index], side_px[index], image_size)
        patches.append(np.clip(crop * gains[index], 0, 255).astype(np.uint8))
        focal_px.append(focal)
        principal_px.append(principal)
    return Batch(
        images=normalised(np.stack(patches)),
        center_px=torch.from_numpy(center_px),
        side_px=torch.from_numpy(side_px),
        focal_px=torch.tensor(focal_px, dtype=torch.float32),
        principal_px=torch.from_numpy(np.stack(principal_px)),
        person=torch.arange(len(rows)),
        camera_from_world=_rows_or(data, "cam_R", rows, torch.eye(3)),
        **_truth(data, rows, body),
    )


def _truth(data: RealSet, rows: list[int], body: Body) -> dict[str, torch.Tensor]:
    count, device = len(rows), body.v_template.device
    has_body, has_part, has_s = (key in data.arrays for key in ("pose", "part", "S"))
    rotmats = rotmat_from_axis_angle(_rows_or(data, "pose", rows, torch.zeros(72)).reshape(count, 24, 3))
    betas = _rows_or(data, "shape", rows, torch.zeros(10))
    joints_m, joints_m_weight = torch.zeros(count, 24, 3), torch.zeros(count, 24)
    joints_px, joints_px_weight = torch.zeros(count, 24, 2), torch.zeros(count, 24)
    joints = [JOINT_INDEX[name] for name in KEYPOINT_OF_JOINT]
    keypoints = list(KEYPOINT_OF_JOINT.values())
    if has_body:
        with torch.no_grad():
            joints_m = body.joints(betas.to(device), rotmats.to(device)).cpu()
        joints_m_weight = torch.ones(count, 24)
    elif has_s:
        given = torch.from_numpy(data.arrays["S"][rows])
        joints_m[:, joints] = given[:, keypoints, :3]
        joints_m_weight[:, joints] = given[:, keypoints, 3] if given.shape[2] == 4 else torch.ones(count, len(joints))
    if has_part:
        given = torch.from_numpy(data.arrays["part"][rows])
        joints_px[:, joints] = given[:, keypoints, :2]
        joints_px_weight[:, joints] = given[:, keypoints, 2] if given.shape[2] == 3 else torch.ones(count, len(joints))
    return {
        "rotmats": rotmats,
        "betas": betas,
        "transl": torch.zeros(count, 3),
        "joints_m": joints_m,
        "joints_px": joints_px,
        "body_weight": torch.full((count,), float(has_body)),
        "transl_weight": torch.zeros(count),
        "joints_m_weight": joints_m_weight,
        "joints_px_weight": joints_px_weight,
    }


def _rows_or(data: RealSet, key: str, rows: list[int], otherwise: torch.Tensor) -> torch.Tensor:
    if key in data.arrays:
        return torch.from_numpy(data.arrays[key][rows])
    return otherwise.expand(len(rows), *otherwise.shape).clone()


def _read_image(data: RealSet, folder: Path, row: int) -> np.ndarray:
    import cv2

    path = folder / str(data.arrays["imgname"][row])
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise ValueError(
            f"{data.path}: 'imgname' of row {row} names {path}, which cannot be read as an image "
            "(--images says where the images are)"
        )
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def _cut(
    data: RealSet, row: int, image: np.ndarray, center_px: np.ndarray, side_px: float, image_size: int
) -> tuple[np.ndarray, float, np.ndarray]:
    """The crop as published, focal length and principal point (the image's diagonal and middle where none is given)."""
    from refit_ros.camera.calibration import Calibration
    from refit_ros.camera.crops import Square, cut

    height, width = image.shape[:2]
    focal, principal = default_focal_px(height, width), np.array([width / 2, height / 2], np.float32)
    if "img_focal" in data.arrays:
        focal, principal = float(data.arrays["img_focal"][row]), data.arrays["img_center"][row]
    matrix = np.array([[focal, 0, principal[0]], [0, focal, principal[1]], [0, 0, 1.0]])
    camera = Calibration(str(data.path), "", width, height, matrix)
    return cut(image, camera, Square(np.asarray(center_px, np.float64), float(side_px)), image_size), focal, principal
