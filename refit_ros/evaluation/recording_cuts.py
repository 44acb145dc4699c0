"""`evaluate --suite recording --cut`: people cut by the image's edge at a known place, against another tool's joints.

Each frame stands for itself: its images are cut before anybody is looked for, and what the whole frame shows is the truth.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch

from refit_ros.camera.image_bytes import write_image_file
from refit_ros.camera.views import View
from refit_ros.core.body import Body
from refit_ros.core.errors import InputError
from refit_ros.estimation.overlay import draw_overlay
from refit_ros.estimation.types import Person
from refit_ros.evaluation.metrics import similarity_aligned
from refit_ros.evaluation.recording_files import CameraFile
from refit_ros.evaluation.recording_suite import OVERLAYS, OWN_M, read_recording
from refit_ros.evaluation.truth import Truth

CUTS = ("none", "knees", "waist", "side")
LEAST_PX = 16  # side of what is left of an image
LEAST_SEEN = 2  # joints of somebody who counts as seen in an image


@dataclass
class CutRun:
    """Errors of the joints that some image still shows, and of those that none does."""

    cameras: str
    images: int = 0  # that show somebody
    found: int = 0  # of them, those in which they are published
    others: int = 0
    off_box: list[np.ndarray] = field(
        default_factory=list
    )  # in an image, over the longer side of the box around what is seen
    aligned_m: list[np.ndarray] = field(default_factory=list)  # after the best similarity of all joints, of those seen
    sigmas: tuple[list[np.ndarray], list[np.ndarray]] = field(default_factory=lambda: ([], []))  # seen, not seen
    stddev_m: tuple[list[np.ndarray], list[np.ndarray]] = field(default_factory=lambda: ([], []))
    in_image: list[np.ndarray] = field(default_factory=list)  # whether joint_in_image is right

    def add(self, people: tuple[Person, ...], views: list[View], truth: np.ndarray, joints: list[int]) -> None:
        """truth (n, 3) m of the joints with these numbers."""
        known = np.isfinite(truth).all(1)
        true_px = [_projected(view, truth) for view in views]
        shown = [_inside(view, px) & known for view, px in zip(views, true_px)]
        if max(each.sum() for each in shown) < LEAST_SEEN:
            return
        self.images += 1
        off_m = [np.linalg.norm(one.joints[joints] - truth, axis=1)[known].mean() for one in people]
        best = int(np.argmin(off_m)) if off_m and min(off_m) < OWN_M else None
        self.others += len(off_m) - (best is not None)
        if best is None:
            return
        self.found += 1
        own, seen = people[best], np.any(shown, axis=0)
        for view, px, inside in zip(views, true_px, shown):
            if inside.sum() >= LEAST_SEEN:
                box_px = (px[inside].max(0) - px[inside].min(0)).max()
                off = np.linalg.norm(_projected(view, own.joints[joints]) - px, axis=1)[inside]
                self.off_box.append(off / max(box_px, 1.0))
        error_m = np.linalg.norm(own.joints[joints] - truth, axis=1)
        for part, chosen in enumerate((seen, known & ~seen)):
            self.sigmas[part].append((error_m / own.joint_stddev[joints])[chosen])
            self.stddev_m[part].append(own.joint_stddev[joints][chosen])
        first, second = (torch.from_numpy(value)[None] for value in (own.joints[joints][known], truth[known]))
        aligned = (similarity_aligned(first, second) - second).norm(dim=-1)[0].numpy()
        self.aligned_m.append(aligned[seen[known]])
        self.in_image.append(own.joint_in_image[joints][known] == seen[known])

    def figures(self) -> dict[str, float | str]:
        result: dict[str, float | str] = {
            "cameras": self.cameras,
            "shown": self.images,
            "published_share": round(self.found / max(self.images, 1), 4),
            "others": self.others,
        }
        if self.off_box:
            off, aligned = np.concatenate(self.off_box), np.concatenate(self.aligned_m)
            result |= {
                "median_box": round(float(np.median(off)), 4),
                "mean_box": round(float(off.mean()), 4),
                "pa_seen_mm": round(1000 * float(aligned.mean()), 1),
                "in_image_right": round(float(np.concatenate(self.in_image).mean()), 3),
            }
        for part, name in enumerate(("seen", "unseen")):
            sigma = np.concatenate(self.sigmas[part]) if self.sigmas[part] else np.zeros(0)
            if len(sigma):
                result[f"stddev_{name}_mm"] = round(1000 * float(np.median(np.concatenate(self.stddev_m[part]))), 1)
                result[f"within_1_sigma_{name}"] = round(float((sigma < 1).mean()), 3)
                result[f"within_2_sigma_{name}"] = round(float((sigma < 2).mean()), 3)
        return result


def evaluate_cuts(
    folder: Path,
    make_estimator: Callable[[], object],
    body: Body,
    cut: str,
    every: int = 3,
    overlays: Path | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> list[dict]:
    """Figures of single cameras, all images together, and of all cameras at once. Raises InputError with a sentence.

    cut: one of CUTS: "knees" and "waist" leave what is above, "side" a half, the left and the right one by turns.
    """
    if cut not in CUTS:
        raise InputError(f"there is no cut '{cut}': choose from {', '.join(CUTS)}")
    filmed = read_recording(folder, every, say)
    one, together = CutRun("one"), CutRun("all")
    for turn, number in enumerate(filmed.numbers):
        truth, stamp_s = filmed.truth.points[number], number / filmed.rate_hz
        views = [
            cut_view(filmed.images[camera.calibration.name][number], camera, filmed.truth, number, cut, turn, stamp_s)
            for camera in filmed.cameras
        ]
        for run, group in [(one, [view]) for view in views] + ([(together, views)] if len(views) > 1 else []):
            people = make_estimator().estimate(group).people
            run.add(people, group, truth, filmed.truth.joints)
            if overlays and run is one and turn % max(1, len(filmed.numbers) // OVERLAYS) == 0:
                view = group[0]
                drawn = draw_overlay(view.image, view.calibration, np.linalg.inv(view.fixed_from_camera), people, body)
                path = overlays / f"{cut}_{view.calibration.name}_{number:06d}.jpg"
                write_image_file(path, drawn)
    rows = [run.figures() | {"cut": cut} for run in (one, together) if run.images]
    for row in rows:
        say(str(row))
    return rows


def cut_view(image: np.ndarray, camera: CameraFile, truth: Truth, number: int, cut: str, turn: int, stamp_s: float) -> View:
    """What is left of one image. Whoever has none of the joints that say where to cut is left whole."""
    height, width = image.shape[:2]
    whole = View(image, camera.calibration, stamp_s, camera.world_from_camera)
    left, right, below = 0, width, height
    place_px = dict(zip(truth.names, _projected(whole, truth.points[number])))
    if cut in ("knees", "waist"):
        part = "knee" if cut == "knees" else "hip"
        rows = [place_px[name][1] for name in (f"left_{part}", f"right_{part}") if name in place_px]
        rows = [row for row in rows if np.isfinite(row)]
        below = int(np.clip(np.mean(rows), LEAST_PX, height)) if rows else height
    elif cut == "side":
        columns = [px[0] for px in place_px.values() if np.isfinite(px[0])]
        if columns:
            middle = int(np.clip(np.mean(columns), LEAST_PX, width - LEAST_PX))
            left, right = (0, middle) if turn % 2 else (middle, width)
    K = camera.calibration.K.copy()
    K[0, 2] -= left
    part_of = replace(camera.calibration, width_px=right - left, height_px=below, K=K)
    return View(np.ascontiguousarray(image[:below, left:right]), part_of, stamp_s, camera.world_from_camera)


def _projected(view: View, points_m: np.ndarray) -> np.ndarray:
    """World (n, 3) -> (n, 2) px of the raw image."""
    camera_from_world = np.linalg.inv(view.fixed_from_camera)
    return view.calibration.project(points_m @ camera_from_world[:3, :3].T + camera_from_world[:3, 3])


def _inside(view: View, px: np.ndarray) -> np.ndarray:
    """(n,) whether the image shows that place."""
    size = [view.calibration.width_px, view.calibration.height_px]
    return ((px >= 0) & (px < size)).all(1)


def table(rows: list[dict]) -> str:
    """Markdown."""
    head = "| cut | cameras | shown | published | others | seen joints, of the box | mean | PA of seen (mm) | in image | "
    head += "seen: sigma (mm), within 1, 2 | not seen |"
    lines = [head, "|" + "---|" * 11]
    for row in rows:
        errors = [f"{row[key]:.1%}" if key in row else "-" for key in ("median_box", "mean_box")]
        said = [
            f"{row[f'stddev_{part}_mm']:.0f}: {row[f'within_1_sigma_{part}']:.0%}, {row[f'within_2_sigma_{part}']:.0%}"
            if f"stddev_{part}_mm" in row
            else "-"
            for part in ("seen", "unseen")
        ]
        cells = [row["cut"], row["cameras"], row["shown"], f"{row['published_share']:.0%}", row["others"], *errors]
        cells += [f"{row['pa_seen_mm']:.0f}" if "pa_seen_mm" in row else "-"]
        cells += [f"{row['in_image_right']:.0%}" if "in_image_right" in row else "-", *said]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines)
