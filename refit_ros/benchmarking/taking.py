"""What an image's own bytes cost the node: taking an Image out of rclpy, and turning it into RGB."""

from __future__ import annotations

import statistics
import time

import numpy as np

PATIENCE_S = 10.0
TOPIC = "measured/image_raw"


def taking_ms(width_px: int, height_px: int, encoding: str, rounds: int) -> dict[str, float]:
    """Medians in ms over `rounds` images: "taken" from the middleware as a Python message, and "to RGB".

    The image comes over a topic from a publisher of this process; the middleware's own threads are not in it.
    Raises RuntimeError where no image comes.
    """
    import rclpy
    from rclpy.qos import qos_profile_sensor_data
    from sensor_msgs.msg import Image

    from refit_ros.node.conversions import image_message
    from refit_ros.node.harness import own_domain_id
    from refit_ros.node.images import rgb_image
    from refit_ros.node.message_types import RosTypes

    image = np.random.default_rng(0).integers(0, 255, (height_px, width_px, 3), dtype=np.uint8)
    message = image_message(RosTypes(), image, 10**9, "camera_optical")
    message.encoding = encoding
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=own_domain_id())
    try:
        node = rclpy.create_node("measured_taking", context=context)
        publisher = node.create_publisher(Image, TOPIC, qos_profile_sensor_data)
        subscription = node.create_subscription(Image, TOPIC, lambda taken: None, qos_profile_sensor_data)
        _publish_and_take(publisher, subscription, message)
        taken_s, converted_s = [], []
        for _ in range(rounds):
            taken, spent_s = _publish_and_take(publisher, subscription, message)
            began_s = time.perf_counter()
            rgb_image(taken)
            converted_s.append(time.perf_counter() - began_s)
            taken_s.append(spent_s)
        return {"taken": 1e3 * statistics.median(taken_s), "to RGB": 1e3 * statistics.median(converted_s)}
    finally:
        context.try_shutdown()


def _publish_and_take(publisher, subscription, message) -> tuple:
    """The message that came, and the seconds that taking it took."""
    end_s, sent_s = time.monotonic() + PATIENCE_S, -np.inf
    while time.monotonic() < end_s:
        if time.monotonic() - sent_s > 1.0:  # the two may not have found each other yet, and best effort may lose it
            publisher.publish(message)
            sent_s = time.monotonic()
        began_s = time.perf_counter()
        with subscription.handle:
            taken = subscription.handle.take_message(subscription.msg_type, subscription.raw)
        spent_s = time.perf_counter() - began_s
        if taken is not None:
            return taken[0], spent_s
        time.sleep(0.001)
    raise RuntimeError(f"no image came within {PATIENCE_S:.0f} s over the topic {TOPIC} of this machine")
