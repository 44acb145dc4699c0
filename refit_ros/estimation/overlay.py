"""People drawn over the image they were seen in: shaded mesh, skeleton, number."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from refit_ros.camera.calibration import Calibration
from refit_ros.core.body import Body
from refit_ros.core.joints import PARENTS
from refit_ros.estimation.mesh import people_vertices
from refit_ros.estimation.palette import rgb8_of
from refit_ros.estimation.types import People, Person

OPACITY = 0.65
LIGHT = np.array([0.3, -0.6, -0.74])  # from the upper left behind the camera, in its frame
AMBIENT = 0.45
NEAREST_M = 0.1
BONES_OF_PERSON = 120  # a person's height in the image over the width of a bone ...
THICKEST_BONES = 0.008  # ... which is at most this share of the image's height
TEXT_OF_PERSON_PX = 500.0  # a person so tall gets letters of OpenCV's scale 1 (22 px) ...
SMALLEST_TEXT, LARGEST_TEXT, SMALLEST_READABLE = 0.0006, 0.0015, 0.3  # ... within these shares of the image's height
FRACTION_BITS = 3  # corners of triangles are drawn at eighths of a pixel


def draw_overlay(
    image: np.ndarray,
    calibration: Calibration,
    camera_from_fixed: np.ndarray,
    people: People | Sequence[Person],
    body: Body,
    mesh: bool = True,
) -> np.ndarray:
    """A copy of a raw image (H, W, 3) uint8 RGB with everybody drawn on it.

    camera_from_fixed (4, 4) m is the inverse of the view's `fixed_from_camera`. Without `mesh` only skeletons are drawn.
    """
    persons = list(people.people if isinstance(people, People) else people)
    drawn = np.ascontiguousarray(image).copy()
    if not persons:
        return drawn
    R, t = camera_from_fixed[:3, :3], camera_from_fixed[:3, 3]
    if mesh:
        meshes = people_vertices(body, persons) @ R.T + t
        painted = drawn.copy()
        order = np.argsort([-vertices[:, 2].mean() for vertices in meshes])  # the nearest last
        for index in order:
            _paint(painted, meshes[index], np.asarray(body.faces, np.int64), rgb8_of(persons[index].id), calibration)
        drawn = cv2.addWeighted(drawn, 1 - OPACITY, painted, OPACITY, 0)
    for person in persons:
        _skeleton(drawn, person.joints @ R.T + t, rgb8_of(person.id), calibration)
        _label(drawn, person, person.joints @ R.T + t, calibration)
    return drawn


def _paint(image: np.ndarray, vertices: np.ndarray, faces: np.ndarray, color, calibration: Calibration) -> None:
    """Triangles that face the camera, from far to near."""
    if vertices[:, 2].max() < NEAREST_M:
        return
    pixels = calibration.project(vertices)
    corners = vertices[faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    length = np.maximum(np.linalg.norm(normals, axis=1), 1e-12)
    height, width = image.shape[:2]
    flat = pixels[faces]
    low, high = flat.min(1), flat.max(1)
    # Faces turned away would be painted over by those in front of them.
    shown = ((normals * corners[:, 0]).sum(1) < 0) & (corners[:, :, 2].min(1) > NEAREST_M)
    shown &= (high[:, 0] >= 0) & (high[:, 1] >= 0) & (low[:, 0] < width) & (low[:, 1] < height)
    shown &= (high - low).max(1) < max(width, height)
    chosen = np.flatnonzero(shown)
    chosen = chosen[np.argsort(-corners[chosen, :, 2].mean(1), kind="stable")]
    shade = AMBIENT + (1 - AMBIENT) * np.clip((normals[chosen] / length[chosen, None]) @ LIGHT, 0, 1)
    colors = (shade[:, None] * np.array(color)).tolist()
    triangles = np.round(flat[chosen] * (1 << FRACTION_BITS)).astype(np.int32)
    for triangle, tone in zip(triangles, colors):
        cv2.fillConvexPoly(image, triangle, tone, cv2.LINE_8, FRACTION_BITS)


def _skeleton(image: np.ndarray, joints_camera_m: np.ndarray, color, calibration: Calibration) -> None:
    pixels = calibration.project(joints_camera_m)
    height, width = image.shape[:2]
    near = (joints_camera_m[:, 2] > NEAREST_M) & (np.abs(pixels) < 4 * max(height, width)).all(1)
    tall = np.ptp(pixels[near, 1]) if near.any() else 0.0
    thick = max(1, round(float(np.clip(tall / BONES_OF_PERSON, 0, THICKEST_BONES * height))))
    points = [tuple(int(v) for v in pixel) for pixel in np.where(near[:, None], pixels, 0)]
    for joint, parent in enumerate(PARENTS):
        if parent >= 0 and near[joint] and near[parent]:
            cv2.line(image, points[parent], points[joint], (30, 30, 30), thick + max(1, thick // 2), cv2.LINE_AA)
    for joint, parent in enumerate(PARENTS):
        if parent >= 0 and near[joint] and near[parent]:
            cv2.line(image, points[parent], points[joint], color, thick, cv2.LINE_AA)
    for joint in np.flatnonzero(near).tolist():
        cv2.circle(image, points[joint], max(1, thick), (255, 255, 255), -1, cv2.LINE_AA)


def _label(image: np.ndarray, person: Person, joints_camera_m: np.ndarray, calibration: Calibration) -> None:
    if joints_camera_m[:, 2].min() < NEAREST_M:
        return
    pixels = calibration.project(joints_camera_m)
    text = f"{person.id}  {joints_camera_m[0, 2]:.1f} m"
    height_px = np.ptp(pixels[:, 1])
    scale = float(np.clip(height_px / TEXT_OF_PERSON_PX, SMALLEST_TEXT * image.shape[0], LARGEST_TEXT * image.shape[0]))
    scale = max(scale, SMALLEST_READABLE)
    thick = max(1, round(scale))
    (wide, tall), base = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, thick)
    x = int(np.clip(pixels[:, 0].mean() - wide / 2, 2, max(2, image.shape[1] - wide - 2)))
    y = int(np.clip(pixels[:, 1].min() - 0.12 * np.ptp(pixels[:, 1]), tall + 4, image.shape[0] - base - 2))
    cv2.rectangle(image, (x - 3, y - tall - 3), (x + wide + 3, y + base), (30, 30, 30), -1)
    cv2.putText(image, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, scale, rgb8_of(person.id), thick, cv2.LINE_AA)
