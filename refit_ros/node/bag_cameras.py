"""Which cameras a bag holds, by the names and types of its topics."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from refit_ros.node.images import is_colour, is_compressed

if TYPE_CHECKING:
    from rosbags.highlevel import AnyReader

IMAGE_TYPES = {"raw": "sensor_msgs/msg/Image", "compressed": "sensor_msgs/msg/CompressedImage"}
ONLY_CAMERA = "camera"  # its name where its topic holds none


def cameras_in(
    reader: AnyReader, image_topic: str, camera_info_topic: str, say: Callable[[str], None] = lambda _: None
) -> tuple[list[str], str]:
    """Names of the cameras whose topics follow the templates, and "raw" or "compressed".

    A template without {camera} is one camera's topic. Streams that are no colour or grey images (depth) are left out, and
    `say` gets a sentence why. Raises ValueError without any.
    """
    topics = {connection.topic: connection.msgtype for connection in reader.connections}
    left_out = []
    for transport, ending in (("raw", ""), ("compressed", "/compressed")):
        template = "/" + image_topic.lstrip("/") + ending
        before, placeholder, after = template.partition("{camera}")
        here = [topic for topic, kind in topics.items() if kind == IMAGE_TYPES[transport]]
        names = sorted(
            topic[len(before) : len(topic) - len(after)]
            for topic in here
            if topic.startswith(before) and topic.endswith(after) and len(topic) > len(before) + len(after)
        )
        if not placeholder:
            names = [ONLY_CAMERA] if template in here else []
        names = [name for name in names if "/" + camera_info_topic.lstrip("/").format(camera=name) in topics]
        usable = []
        for name in names:
            topic = template.format(camera=name)
            why = _no_camera(reader, topic)
            if why:
                left_out.append(f"{topic} is left out: {why}")
                say(left_out[-1])
            else:
                usable.append(name)
        if usable:
            return usable, transport
    if left_out:
        raise ValueError(f"no camera in this bag that people can be found in: {'; '.join(left_out)}")
    raise ValueError(
        f"no camera in this bag: images on {image_topic} with calibrations on {camera_info_topic} were looked for, "
        "{camera} standing for any name, and there are "
        + (", ".join(f"{topic} ({kind})" for topic, kind in sorted(topics.items())) or "no topics")
    )


def _no_camera(reader: AnyReader, topic: str) -> str:
    """Why the images on a topic are none that people can be found in, by the first of them; "" where they are."""
    try:
        connection, _, raw = next(reader.messages([each for each in reader.connections if each.topic == topic]))
        message = reader.deserialize(raw, connection.msgtype)
    except StopIteration:
        return "it holds no message"
    except Exception:  # whatever the reader makes of broken bytes: told message by message later
        return ""
    encoding = message.format if is_compressed(message) else message.encoding
    depth = "depth" in topic.lower() and "16" in encoding
    if "compressedDepth" in encoding or depth or not (is_compressed(message) or is_colour(encoding)):
        return f"its images are '{encoding[:40]}', which is depth or no colour"
    return ""
