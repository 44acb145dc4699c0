"""`evaluate --suite photographs`: people found in annotated photographs, and where their joints are put."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from refit_ros.camera.boxes import Boxes
from refit_ros.camera.calibration import Calibration
from refit_ros.camera.geometry import covered, overlap
from refit_ros.camera.image_bytes import read_image_file, write_image_file
from refit_ros.camera.views import View
from refit_ros.core.body import Body
from refit_ros.core.camera import default_focal_px
from refit_ros.core.errors import InputError
from refit_ros.core.joints import JOINT_INDEX
from refit_ros.core.landmarks import COCO_17
from refit_ros.core.plain_files import read_text
from refit_ros.estimation.overlay import draw_overlay
from refit_ros.estimation.types import Person

PERSON = "person"  # the name of COCO's category; a file without categories is of people alone
IN_CROWD = 0.5  # share of somebody's box in a region of people whom nobody annotated one by one, as COCO measures
SAME_BOX = 0.5  # intersection over union
IN_ITS_BOX = 0.2  # likewise, of who was looked for in a true box and that box
NEAR_TORSO = 0.2  # PCK: a joint is right within this share of the torso, middle of the shoulders to middle of the hips
_LIMBS = [index for index, name in enumerate(COCO_17) if name in JOINT_INDEX]


def read_annotations(folder: Path) -> list[tuple[Path, list[dict]]]:
    """(image, its people's annotations) of the folder's only .json in COCO's layout. Raises InputError with a sentence.

    An annotation: bbox (4,) left, top, width, height px; keypoints (17, 3); crowd: a region of people, not a person.
    """
    files = sorted(folder.glob("*.json"))
    if len(files) != 1:
        raise InputError(f"{folder}: {len(files)} .json files; photographs have one, with COCO's 'images' and 'annotations'")
    try:
        data = json.loads(read_text(files[0]))
        images = {image["id"]: folder / image["file_name"] for image in data["images"]}
        kinds = {kind["id"] for kind in data.get("categories") or [] if str(kind["name"]).lower() == PERSON}
        people: dict = {number: [] for number in images}
        for annotation in data["annotations"]:
            if kinds and annotation["category_id"] not in kinds:
                continue
            box, points = annotation["bbox"], np.array(annotation.get("keypoints") or [0] * 51, float).reshape(17, 3)
            if len(box) != 4 or not (np.isfinite(box).all() and np.isfinite(points).all() and min(box[2:]) >= 0):
                raise ValueError(f"a bbox of {box} or a keypoint that is no number")
            people[annotation["image_id"]].append(
                {"bbox": np.array(box, float), "keypoints": points, "crowd": bool(annotation.get("iscrowd"))}
            )
    except InputError:
        raise
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise InputError(f"{files[0]} is not in COCO's layout of 'images' and 'annotations' ({error!r})") from None
    return [(path, people[number]) for number, path in images.items()]


def evaluate_photographs(
    folder: Path, estimator, body: Body, overlays: Path | None = None, say: Callable[[str], None] = lambda _: None
) -> dict:
    """Recall at IoU 0.5, boxes of nobody for each image, PCK and the median error in torsos of those found.

    Then everybody's box is given, and the figures are of all annotated joints: of who is not published, none is right.
    """
    photographs = read_annotations(folder)
    people = found = false = empty = false_in_empty = 0
    shares: list[float] = []
    given: list[float] = []
    drawn_names: set[str] = set()
    for path, everything in photographs:
        annotated = [one for one in everything if not one["crowd"]]
        try:
            image = read_image_file(path).image
        except InputError as error:
            raise InputError(f"{path} is named in the annotations and cannot be read: {error}") from None
        height, width = image.shape[:2]
        focal = default_focal_px(height, width)
        K = np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]])
        calibration = Calibration("camera", "camera", width, height, K, D=np.zeros(0))
        estimator.reset()
        seen = estimator.estimate([View(image, calibration, 0.0)]).people
        true = _corners(annotated)
        seen_px = np.array([one.views[0].box_xyxy_px for one in seen]).reshape(-1, 4)
        pairs = matched(true, seen_px)
        crowds = _corners([one for one in everything if one["crowd"]])
        in_crowd = (covered(seen_px, crowds) > IN_CROWD).any(1)
        in_crowd[[other for _, other in pairs]] = False
        others = len(seen) - len(pairs) - int(in_crowd.sum())
        people, found, false = people + len(true), found + len(pairs), false + others
        if not everything:
            empty, false_in_empty = empty + 1, false_in_empty + others
        for one, other in pairs:
            shares += torso_errors(annotated[one]["keypoints"], calibration.project(seen[other].joints))
        if len(true):
            estimator.reset()
            boxes = Boxes(true, np.ones(len(true)))
            own = estimator.estimate([View(image, calibration, 0.0, boxes=boxes)]).people
            given += _with_boxes(annotated, true, own, calibration)
        say(f"{os.path.relpath(path, folder)}: {len(pairs)} of {len(true)} people, {others} others")
        if overlays:
            drawn = draw_overlay(image, calibration, np.eye(4), seen, body)
            name = _name_of_overlay(path, folder, drawn_names)
            write_image_file(overlays / f"{name}_overlay.jpg", drawn)
    return {
        "images": len(photographs),
        "people": people,
        "recall": round(found / max(people, 1), 4),
        "others_per_image": round(false / max(len(photographs), 1), 4),
        "images_without_people": empty,
        "others_per_image_without_people": round(false_in_empty / max(empty, 1), 4),
        "joints": len(shares),
        "pck": round(float(np.mean(np.array(shares) < NEAR_TORSO)), 4) if shares else 0.0,
        "median_torsos": round(float(np.median(shares)), 4) if shares else 0.0,
        "joints_with_true_boxes": len(given),
        "pck_with_true_boxes": round(float(np.mean(np.array(given) < NEAR_TORSO)), 4) if given else 0.0,
    }


def _name_of_overlay(path: Path, folder: Path, taken: set[str]) -> str:
    """Without the ending; one that no other image has, which the folders between belong to: left/one.jpg -> left_one."""
    inside = Path(os.path.relpath(path, folder)).with_suffix("")
    name = whole = "_".join(part for part in inside.parts if part != os.pardir)
    count = 1
    while name in taken:
        count += 1
        name = f"{whole}_{count}"
    taken.add(name)
    return name


def _corners(annotated: list[dict]) -> np.ndarray:
    """(N, 4) px: left, top, right, bottom."""
    boxes = np.array([one["bbox"] for one in annotated]).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    return boxes


def _with_boxes(annotated: list[dict], true: np.ndarray, people: Sequence[Person], calibration: Calibration) -> list[float]:
    """Errors of everybody's limbs in torsos, infinite of who is not among `people`."""
    seen = np.array([one.views[0].box_xyxy_px for one in people]).reshape(-1, 4)
    whose = dict(matched(true, seen, IN_ITS_BOX))
    nowhere = np.full((len(JOINT_INDEX), 2), np.inf)
    errors: list[float] = []
    for index, one in enumerate(annotated):
        joints_px = calibration.project(people[whose[index]].joints) if index in whose else nowhere
        errors += torso_errors(one["keypoints"], joints_px)
    return errors


def matched(true: np.ndarray, seen: np.ndarray, least: float = SAME_BOX) -> list[tuple[int, int]]:
    """Pairs of boxes (N, 4), (M, 4) that overlap enough, the best first, each used once."""
    pairs, shares = [], overlap(true, seen)
    while shares.size and shares.max() >= least:
        row, column = divmod(int(shares.argmax()), shares.shape[1])
        pairs.append((row, column))
        shares[row], shares[:, column] = 0, 0
    return pairs


def torso_errors(keypoints: np.ndarray, joints_px: np.ndarray) -> list[float]:
    """keypoints (17, 3) x, y, annotated or not; joints_px (24, 2) -> errors of the limbs in torsos, if there is one."""
    shoulders, hips = ([COCO_17.index(f"{side}_{part}") for side in ("left", "right")] for part in ("shoulder", "hip"))
    if not keypoints[shoulders + hips, 2].all():
        return []
    torso_px = np.linalg.norm(keypoints[shoulders, :2].mean(0) - keypoints[hips, :2].mean(0))
    if torso_px < 1:
        return []
    own = [index for index in _LIMBS if keypoints[index, 2] > 0]
    off = keypoints[own, :2] - joints_px[[JOINT_INDEX[COCO_17[index]] for index in own]]
    return (np.linalg.norm(off, axis=1) / torso_px).tolist()


def table(result: dict) -> str:
    """Markdown."""
    return "\n".join(
        ["| measured | |", "|---|---|", *(f"| {name.replace('_', ' ')} | {value} |" for name, value in result.items())]
    )
