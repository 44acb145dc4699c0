"""Where images come from: a folder of videos, a bag, a scene that is drawn; each as sets for the cameras' lookers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from refit_ros.camera.calibration import Calibration
from refit_ros.camera.rig import Rig
from refit_ros.camera.videos import open_video
from refit_ros.core.errors import InputError
from refit_ros.core.plain_files import shown
from refit_ros.evaluation.recording_files import USUAL_RATE_HZ, CameraFile, common_rate_hz, read_cameras
from refit_ros.evaluation.recording_suite import as_filmed

DRAWN = "drawn"  # in place of a file's name
LENS_SAME_WITHIN = 0.01  # of the focal length: what focusing changes, image by image, is less


@dataclass(frozen=True)
class Source:
    """Cameras, their images in the order of time, and where they are said to stand if somebody says so."""

    calibrations: tuple[Calibration, ...]
    images: Callable[[], Iterator[tuple[int, int, float, np.ndarray]]]  # moment, camera, s, (H, W, 3) uint8 RGB
    said: Rig | None = None


def videos(folder: Path, rate_hz: float, say: Callable[[str], None]) -> Source:
    """As `evaluate --suite recording` reads them; frames of the same index were taken at the same time.

    Raises InputError with a sentence.
    """
    cameras = [_as_filmed(camera, say) for camera in read_cameras(folder)]
    video_hz = common_rate_hz(folder, cameras)
    step = max(1, round(video_hz / rate_hz))

    def images() -> Iterator[tuple[int, int, float, np.ndarray]]:
        for index, camera in enumerate(cameras):
            for frame, image in _frames(camera.video, step, say):
                yield frame // step, index, frame / video_hz, image

    calibrations = tuple(camera.calibration for camera in cameras)
    poses = [camera.world_from_camera for camera in cameras]
    said = None if any(pose is None for pose in poses) else Rig(calibrations, "world", np.array(poses))
    return Source(calibrations, images, said)


def _as_filmed(camera: CameraFile, say: Callable[[str], None]) -> CameraFile:
    for _, image in _frames(camera.video, 1):
        return as_filmed(camera, image, say)
    raise InputError(f"{camera.video} holds no frame that can be read")


def _frames(path: Path, step: int, say: Callable[[str], None] = lambda _: None) -> Iterator[tuple[int, np.ndarray]]:
    """Every step-th frame, RGB. `say` gets a sentence, after the last, where frames are missing."""
    with open_video(path, USUAL_RATE_HZ) as video:
        for number, image in video.numbered():
            if number % step == 0:
                yield number, cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
        if video.missing:
            say(f"{shown(path)}: {video.missing}")


def drawn(seconds: float, rate_hz: float, seed: int, scene_name: str = "walking") -> Source:
    """Four cameras that watch a drawn person walk, and where they really stand."""
    from refit_ros.synthetic.scenes import named_scene

    scene = named_scene(scene_name, cameras=4, seed=seed)
    calibrations = tuple(calibration for calibration, _ in scene.cameras)

    def images() -> Iterator[tuple[int, int, float, np.ndarray]]:
        for moment in range(round(seconds * rate_hz)):
            for index in range(len(calibrations)):
                yield moment, index, moment / rate_hz, scene.render(moment / rate_hz, index)

    return Source(calibrations, images, Rig(calibrations, "world", np.array([pose for _, pose in scene.cameras])))


def bag(path: Path, rate_hz: float, image_topic: str | None, camera_info_topic: str | None, say: Callable) -> Source:
    """A ROS 2 bag with images and calibrations. Raises ValueError or FileNotFoundError with a sentence."""
    from refit_ros.node.bag_cameras import cameras_in
    from refit_ros.node.parameters import NodeParameters
    from refit_ros.node.recording import open_bag

    said = {"image_topic": image_topic, "camera_info_topic": camera_info_topic}
    said = {name: value for name, value in said.items() if value}
    templates = NodeParameters(**said)
    with open_bag(path) as reader:
        names, transport = cameras_in(reader, templates.image_topic, templates.camera_info_topic, say)
    parameters = replace(templates, cameras=tuple(names), image_transport=transport, fixed_frame="unknown")
    lenses = _first_calibrations(path, parameters, say)
    return Source(lenses, lambda: _of_bag(path, parameters, lenses, rate_hz, say))


def _first_calibrations(path: Path, parameters, say: Callable) -> tuple[Calibration, ...]:
    found: dict[str, Calibration] = {}
    for frames in _sets(path, parameters, say):
        for frame in frames:
            found.setdefault(frame.camera, replace(frame.calibration, frame_id=frame.frame_id))
        if len(found) == len(parameters.cameras):
            return tuple(found[name] for name in parameters.cameras)
    lost = [name for name in parameters.cameras if name not in found]
    raise InputError(f"{path}: camera {lost[0]} has no image with a calibration that can be used")


def _check_same(lens: Calibration, first: Calibration, at_s: float) -> None:
    """Raises InputError where a camera has another lens than in the beginning, by which all its images are looked at."""
    off_px = np.abs(lens.K - first.K).max()
    if (lens.width_px, lens.height_px) != (first.width_px, first.height_px) or off_px > LENS_SAME_WITHIN * first.focal_px:
        raise InputError(
            f"camera {first.name} has another CameraInfo at {at_s:.3f} s than in the beginning (zoom, or another size of "
            "its images): record with one that stays, or cut the recording there"
        )


def _of_bag(
    path: Path, parameters, lenses: tuple[Calibration, ...], rate_hz: float, say: Callable
) -> Iterator[tuple[int, int, float, np.ndarray]]:
    from refit_ros.node.images import rgb_image
    from refit_ros.node.rejections import Rejected

    index = {name: number for number, name in enumerate(parameters.cameras)}
    last_s, moment = -np.inf, 0
    for frames in _sets(path, parameters, say):
        stamp_s = min(frame.stamp_ns for frame in frames) * 1e-9
        if stamp_s - last_s < 0.999 / rate_hz:
            continue
        last_s, moment = stamp_s, moment + 1
        for frame in frames:
            _check_same(frame.calibration, lenses[index[frame.camera]], frame.stamp_ns * 1e-9)
            try:
                yield moment, index[frame.camera], frame.stamp_ns * 1e-9, rgb_image(frame.message, frame.calibration)
            except Rejected as rejected:
                say(f"camera {frame.camera}: {rejected}")


def _sets(path: Path, parameters, say: Callable) -> Iterator[tuple]:
    from refit_ros.node.intake import Intake
    from refit_ros.node.recording import open_bag, sets_in
    from refit_ros.node.rejections import Rejections

    with open_bag(path) as reader:
        for _, found in sets_in(reader, parameters, Intake(parameters, "", Rejections(say))):
            yield found.frames
