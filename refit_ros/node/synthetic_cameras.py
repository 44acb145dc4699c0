"""A ROS node in place of one to four calibrated cameras that watch synthetic people, and who know the truth.

Publishes, for each camera, `/<camera>/image_raw` (or `/<camera>/image_raw/compressed`) and `/<camera>/camera_info`;
`/tf_static` from `world` to each camera's optical frame; and on `/synthetic/truth` what the people really look like.
One camera is called `camera`, several are `camera1`, `camera2` ...
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Point, TransformStamped
from rcl_interfaces.msg import ParameterDescriptor
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, RegionOfInterest

from refit_ros import interrupt
from refit_ros.node.conversions import image_message
from refit_ros.node.film import Film, FilmCamera, shoot
from refit_ros.node.large_messages import PROFILE_VARIABLES, segment_bytes, write_profile
from refit_ros.node.message_types import RosTypes
from refit_ros.node.synthetic_options import MOST_CAMERAS, CameraOptions, camera_names

if TYPE_CHECKING:
    from refit_ros.camera.calibration import Calibration
    from refit_ros.synthetic.scenes import TruePerson

LOOK_S = 0.2  # how often the main thread looks whether it is told to stop
WORLD = "world"
TRUTH_TOPIC = "/synthetic/truth"


def film_for(options: CameraOptions, go_on: Callable[[], bool] = lambda: True) -> Film:
    """Shoot the scene that the options describe. Raises ValueError on a scene that does not exist."""
    from refit_ros.synthetic.scenes import named_scene

    names = camera_names(options.cameras)
    scene = named_scene(
        options.scene,
        cameras=options.cameras,
        people=options.people or None,
        seed=options.seed,
        width_px=options.width,
        height_px=options.height,
        names=names,
    )
    return shoot(scene, options.rate, options.length, options.patience, options.distortion, go_on)


class SyntheticCameras(Node):
    """Plays a film as cameras would."""

    def __init__(self, overrides: dict | None = None, **node_options) -> None:
        given = [Parameter(name, value=_plain(value)) for name, value in (overrides or {}).items()]
        super().__init__("synthetic_cameras", parameter_overrides=given, **node_options)
        self.options = CameraOptions(**{entry.name: self._declare(entry) for entry in fields(CameraOptions)})
        self.tick = 0

    def _declare(self, entry):
        descriptor = ParameterDescriptor(description=entry.metadata["description"], read_only=True)
        return self.declare_parameter(entry.name, _plain(entry.default), descriptor).value

    def play(self, film: Film, body_name: str) -> None:
        """Begin to publish `film`, over and over, from now on."""
        from refit_ros.msg import SmplArray
        from refit_ros.node.compat import tf2_ros

        self.film = film
        self._shots = [
            Shots(self, camera, images, self.options.compressed)
            for camera, images in zip(film.cameras, film.images, strict=True)
        ]
        if self.options.detections:
            self._shots += [_Detections(self, camera, film.truth) for camera in film.cameras]
        self._truth = [truth_message(people, film.cameras, body_name) for people in film.truth]
        self._truth_publisher = self.create_publisher(SmplArray, TRUTH_TOPIC, 10)
        self._static = tf2_ros.StaticTransformBroadcaster(self)
        stamp = self.get_clock().now().to_msg()
        self._static.sendTransform([transform_message(camera, stamp) for camera in film.cameras])
        # A steady clock: cameras go on taking images when somebody sets the wall clock.
        self._timer = self.create_timer(1.0 / film.rate_hz, self._take, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def _take(self) -> None:
        stamp = self.get_clock().now().to_msg()
        index = self.film.index(self.tick)
        for shots in self._shots:
            shots.publish(index, stamp)
        truth = self._truth[index]
        truth.header.stamp = stamp
        self._truth_publisher.publish(truth)
        self.tick += 1


class _Detections:
    """The true boxes in one camera's images."""

    def __init__(self, node: Node, camera: FilmCamera, truth: tuple[tuple[TruePerson, ...], ...]) -> None:
        from refit_ros.evaluation.true_boxes import true_boxes
        from refit_ros.node.cameras import detection_type
        from refit_ros.node.true_boxes import detections_message

        kind = detection_type()
        self._publisher = node.create_publisher(kind, f"/{camera.calibration.name}/detections", qos_profile_sensor_data)
        boxes = [true_boxes(people, camera.calibration, camera.world_from_camera) for people in truth]
        self._messages = [detections_message(kind, each.xyxy_px) for each in boxes]

    def publish(self, index: int, stamp: Time) -> None:
        self._messages[index].header.stamp = stamp
        self._publisher.publish(self._messages[index])


class Shots:
    """One camera's messages, made beforehand: at its time each only gets its stamp."""

    def __init__(self, node: Node, camera: FilmCamera, images: tuple[np.ndarray, ...], compressed: bool) -> None:
        topic = f"/{camera.calibration.name}/image_raw"
        if compressed:
            self._publisher = node.create_publisher(CompressedImage, f"{topic}/compressed", qos_profile_sensor_data)
        else:
            self._publisher = node.create_publisher(Image, topic, qos_profile_sensor_data)
        self._info_publisher = node.create_publisher(
            CameraInfo, f"/{camera.calibration.name}/camera_info", qos_profile_sensor_data
        )
        self._info = camera_info_message(camera.calibration)
        frame_id, types = camera.calibration.frame_id, RosTypes()
        self._messages = [
            compressed_message(image, frame_id) if compressed else image_message(types, image, 0, frame_id)
            for image in images
        ]

    def publish(self, index: int, stamp: Time) -> None:
        message = self._messages[index]
        message.header.stamp = self._info.header.stamp = stamp
        self._info_publisher.publish(self._info)
        self._publisher.publish(message)


def compressed_message(image: np.ndarray, frame_id: str) -> CompressedImage:
    """(H, W, 3) uint8 RGB as JPEG."""
    import cv2

    done, content = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 90])
    if not done:
        raise ValueError(f"an image of {image.shape} could not be encoded as JPEG")
    message = CompressedImage(format="rgb8; jpeg compressed bgr8")
    message.header.frame_id = frame_id
    message.data = RosTypes.octets(content)
    return message


def camera_info_message(calibration: Calibration) -> CameraInfo:
    K = calibration.K
    message = CameraInfo(
        height=calibration.height_px,
        width=calibration.width_px,
        distortion_model=calibration.distortion_model,
        d=[float(d) for d in calibration.coefficients],
        k=K.reshape(-1).astype(float).tolist(),
        r=np.eye(3).reshape(-1).tolist(),
        p=np.hstack([K, np.zeros((3, 1))]).reshape(-1).astype(float).tolist(),
    )
    message.header.frame_id = calibration.frame_id
    return message


def transform_message(camera: FilmCamera, stamp: Time) -> TransformStamped:
    from scipy.spatial.transform import Rotation

    message = TransformStamped(child_frame_id=camera.calibration.frame_id)
    message.header.frame_id, message.header.stamp = WORLD, stamp
    place, turn = message.transform.translation, message.transform.rotation
    place.x, place.y, place.z = camera.world_from_camera[:3, 3].tolist()
    turn.x, turn.y, turn.z, turn.w = Rotation.from_matrix(camera.world_from_camera[:3, :3]).as_quat().tolist()
    return message


def truth_message(people: tuple[TruePerson, ...], cameras: tuple[FilmCamera, ...], body_name: str):
    """The people as a refit_ros/SmplArray in the world, without a stamp yet."""
    from refit_ros.msg import SmplArray

    message = SmplArray(
        cameras=[camera.calibration.name for camera in cameras],
        people=[_person_message(person, cameras, body_name) for person in people],
    )
    message.header.frame_id = WORLD
    return message


def _person_message(person: TruePerson, cameras: tuple[FilmCamera, ...], body_name: str):
    from refit_ros.msg import Smpl

    message = Smpl(id=int(person.id), confidence=1.0, body_model=body_name)
    message.betas = np.asarray(person.betas, dtype=np.float32)
    message.global_orient = np.asarray(person.global_orient, dtype=np.float32).reshape(3)
    message.body_pose = np.asarray(person.body_pose, dtype=np.float32).reshape(69)
    joints = np.asarray(person.joints, dtype=np.float64)
    message.transl.x, message.transl.y, message.transl.z = np.asarray(person.transl, dtype=np.float64).reshape(3).tolist()
    message.joints = [Point(x=x, y=y, z=z) for x, y, z in joints.tolist()]
    seen = [in_camera(camera, joints) for camera in cameras]
    message.joint_in_image = np.any([inside for _, inside in seen], axis=0).tolist()
    message.views = [_view_message(camera, *at) for camera, at in zip(cameras, seen, strict=True) if at[1].any()]
    return message


def in_camera(camera: FilmCamera, world_m: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points (N, 3) of the world as raw pixels (N, 2), and whether they lie in the image (N,)."""
    points = (world_m - camera.world_from_camera[:3, 3]) @ camera.world_from_camera[:3, :3]
    return camera.calibration.project(points), camera.calibration.sees(points)


def _view_message(camera: FilmCamera, pixels: np.ndarray, inside: np.ndarray):
    from refit_ros.msg import SmplView

    calibration = camera.calibration
    size = np.array([calibration.width_px, calibration.height_px])
    low = np.clip(pixels[inside].min(0), 0, size - 1).astype(int)
    high = np.clip(pixels[inside].max(0) + 1, 1, size).astype(int)
    (left, top), (width, height) = low.tolist(), (high - low).tolist()
    return SmplView(
        camera=calibration.name,
        frame_id=calibration.frame_id,
        box=RegionOfInterest(x_offset=left, y_offset=top, width=width, height=height),
    )


def _plain(value):
    return list(value) if isinstance(value, tuple) else value


def run_synthetic_cameras(overrides: dict, ros_arguments: list[str]) -> int:
    """The whole program: render, publish until a signal was noted. Raises ValueError on options that cannot be used.

    The rendering, or a compilation for it, may still be at work afterwards: nobody waits for that, and the program is to
    be left with the exit code at once (`interrupt.leave`).
    """
    import rclpy
    from rclpy.signals import SignalHandlerOptions

    # One thread: the other cores belong to the node, which starts at the same time and loses more than is won here.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("NUMBA_NUM_THREADS", "1")
    renderer, node = ThreadPoolExecutor(1), None
    try:
        with _large_messages():
            rclpy.init(args=ros_arguments, signal_handler_options=SignalHandlerOptions.NO)
            node = SyntheticCameras(overrides)
        _render_and_play(node, renderer)
    except KeyboardInterrupt:
        pass
    finally:
        renderer.shutdown(wait=False, cancel_futures=True)
        if node is not None:
            node.destroy_node()
        rclpy.try_shutdown()
    return 0


@contextmanager
def _large_messages() -> Iterator[None]:
    """Fast DDS's settings for images, unless the user has their own. It reads them once, with the first node."""
    if any(name in os.environ for name in PROFILE_VARIABLES):
        yield
        return
    # A folder of its own: a name that others can guess in a folder that all share could be a link of theirs.
    with tempfile.TemporaryDirectory(prefix="refit_ros_") as profiles:
        os.environ |= write_profile(Path(profiles) / "fast_dds.xml", segment_bytes(MOST_CAMERAS, 640, 480))
        yield


def _render_and_play(node: SyntheticCameras, renderer: ThreadPoolExecutor) -> None:
    """Until KeyboardInterrupt. Rendering is another thread's: what it calls loses exceptions that signals raise."""
    from rclpy.executors import SingleThreadedExecutor

    began_s = time.monotonic()
    filming = renderer.submit(film_for, node.options, lambda: not interrupt.came())
    while not wait([filming], LOOK_S).done:
        interrupt.check()
    film = filming.result()
    node.get_logger().info(
        f"{len(film)} sets of images from {len(film.cameras)} camera(s) ready after {time.monotonic() - began_s:.1f} s"
    )
    node.play(film, body_name=body_name())
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    while True:
        interrupt.check()
        executor.spin_once(timeout_sec=LOOK_S)


def body_name() -> str:
    from refit_ros.core.body import load_body

    return load_body().name
