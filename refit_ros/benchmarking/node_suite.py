"""`--suite node`: the node as it runs on a robot, and what of a frame's time is not the network.

Images are taken from a topic one by one; then the node's own pipeline is called with an estimator that answers at once:
what is left is decoding, building and publishing. Last, the synthetic camera and the node run as programs of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import torch

from refit_ros.benchmarking.running import run_one_walking
from refit_ros.benchmarking.scenes import full_size_body
from refit_ros.benchmarking.taking import taking_ms
from refit_ros.benchmarking.timing import alternately
from refit_ros.core.body import Body
from refit_ros.core.joints import PARENTS
from refit_ros.estimation.types import People, Person, PersonView

SIZES = {"640 x 480": (640, 480), "1920 x 1080": (1920, 1080)}


def run_node_suite(device: torch.device, rounds: int, seconds: float, say: Callable[[str], None]) -> dict:
    """Figure -> value."""
    import cv2

    from refit_ros.node.memory import keep_freed_memory

    keep_freed_memory()  # both as the node does
    cv2.setNumThreads(1)
    say("an image's own bytes")
    results: dict[str, object] = {}
    for name, (width, height) in SIZES.items():
        for encoding in ("rgb8", "bgr8"):
            spent = taking_ms(width, height, encoding, max(30, rounds))
            results[f"{name}, {encoding}, taken from rclpy: ms, median"] = spent["taken"]
            results[f"{name}, {encoding}, turned into RGB: ms, median"] = spent["to RGB"]
    say("everything but the network")
    for name, (width, height) in SIZES.items():
        for listened in ("smpl, TF and skeletons", "smpl, TF, skeletons and meshes", "nothing"):
            spread = _without_network(width, height, listened, rounds)
            results[f"{name}, no network, {listened} listened to: ms a frame, median"] = spread["median_ms"]
    for rate in (30.0,):
        results.update(_running(device, rate, seconds, say))
    return results


def _running(device: torch.device, rate: float, seconds: float, say) -> dict:
    measured = run_one_walking(device, seconds, say, rate)
    low, middle, high, worst = np.percentile(measured.latency_ms, [5, 50, 95, 99])
    title = f"640 x 480 at {rate:g} frames/s, one person"
    return {
        f"{title}: frames/s in": measured.frames_in / measured.seconds,
        f"{title}: frames/s out": measured.fps,
        f"{title}: capture to publish, ms: 5 %": low,
        f"{title}: capture to publish, ms: median": middle,
        f"{title}: capture to publish, ms: 95 %": high,
        f"{title}: capture to publish, ms: 99 %": worst,
        f"{title}: the node's processor time, ms a frame": 1e3 * measured.node_cpu_s / max(measured.frames_out, 1),
        f"{title}: from start to first message, s": measured.start_s,
    }


def _without_network(width: int, height: int, listened: str, rounds: int) -> dict:
    """One frame of one camera with one person through the node's pipeline, ms."""
    from refit_ros.camera.calibration import Calibration
    from refit_ros.node.sets import Frame, FrameSet

    body = full_size_body()
    K = np.array([[height, 0, width / 2], [0, height, height / 2], [0, 0, 1.0]])
    calibration = Calibration("camera", "camera_optical", width, height, K)
    with _pipeline(body, listened) as (pipeline, types):
        from refit_ros.node.conversions import image_message

        image = np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)
        message = image_message(types, image, 10**9, "camera_optical")
        frame = Frame("camera", 10**9, "camera_optical", message, calibration)

        def process() -> None:
            process.stamp_ns += 33_000_000
            pipeline.process(FrameSet((replace(frame, stamp_ns=process.stamp_ns),)))

        process.stamp_ns = 10**9
        return alternately({"frame": process}, torch.device("cpu"), rounds, seconds_each=0.1, most_s=10)["frame"]


@contextmanager
def _pipeline(body: Body, listened: str) -> Iterator[tuple]:
    import rclpy
    from rclpy.lifecycle import LifecycleNode
    from sensor_msgs.msg import Image  # noqa: F401 - says early where ROS is missing
    from tf2_msgs.msg import TFMessage
    from visualization_msgs.msg import MarkerArray

    from refit_ros.msg import SmplArray
    from refit_ros.node.harness import own_domain_id
    from refit_ros.node.outputs import Outputs
    from refit_ros.node.pipeline import Pipeline
    from refit_ros.node.rejections import Rejections
    from refit_ros.node.tally import Tally

    context = rclpy.Context()
    rclpy.init(context=context, domain_id=own_domain_id())
    try:
        node, listener = LifecycleNode("measured", context=context), rclpy.create_node("listener", context=context)
        outputs = Outputs(node, ["camera"], "meshes" in listened, body.faces)
        node.trigger_configure()
        node.trigger_activate()
        if listened != "nothing":
            for kind, topic in ((SmplArray, "human/smpl"), (TFMessage, "/tf"), (MarkerArray, "human/markers")):
                listener.create_subscription(kind, topic, lambda message: None, 5)
            _await(outputs.smpl_wanted, outputs.tf_wanted, outputs.markers_wanted)
        people = People(1.0, (_person(),), ("camera",))
        estimator = SimpleNamespace(estimate=lambda views: people, reset=lambda: None)
        model = SimpleNamespace(estimator=estimator, body=body, device="cpu", weights="none")
        yield (
            Pipeline(
                model, outputs, None, "", Tally(), Rejections(lambda text: None), lambda: node.get_clock().now().nanoseconds
            ),
            outputs.types,
        )
    finally:
        context.try_shutdown()


def _await(*conditions: Callable[[], bool], patience_s: float = 10.0) -> None:
    import time

    end = time.monotonic() + patience_s
    while not all(condition() for condition in conditions):
        if time.monotonic() > end:
            raise RuntimeError("the listener and the publishers did not find each other within 10 s")
        time.sleep(0.02)


def _person() -> Person:
    generator = np.random.default_rng(0)
    joints = generator.normal(0, 0.5, (len(PARENTS), 3)) + (0, 0, 3)
    view = PersonView("camera", "camera_optical", np.array([100.0, 100, 300, 400]), np.array([0.9, 0, 0]), 1.0)
    return Person(
        id=1,
        confidence=0.9,
        betas=generator.normal(size=10),
        global_orient=generator.normal(size=3),
        body_pose=0.2 * generator.normal(size=(23, 3)),
        transl=np.array([0.0, 0, 3]),
        joints=joints,
        joint_rotmats=np.tile(np.eye(3), (24, 1, 1)),
        joint_stddev=np.full(24, 0.03),
        joint_in_image=np.ones(24, bool),
        views=(view,),
    )
