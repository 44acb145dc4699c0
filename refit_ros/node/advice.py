"""From what is on the graph to a few lines: which cameras would work, why the others would not, and what to type."""

from __future__ import annotations

import shlex
from collections import Counter
from dataclasses import dataclass

from refit_ros.node.images import is_colour

FIXED_FRAMES = ("map", "odom", "world", "base_link")  # whichever of them is above all cameras, in this order
LONG_AGO_S, FUTURE_S = 2.0, 0.1  # a stamp so far from this machine's clock when its image comes is worth a word
SLOW_HZ = 1.0
NOTHING = "no images: nobody publishes a sensor_msgs/Image here; are the cameras' drivers running, in this ROS_DOMAIN_ID?"
DEFAULTS = {"image_topic": "{camera}/image_raw", "camera_info_topic": "{camera}/camera_info"}


@dataclass(frozen=True)
class InfoSeen:
    """A CameraInfo."""

    frame_id: str
    size_px: tuple[int, int]
    focal_px: float
    lens: str  # distortion_model


@dataclass(frozen=True)
class ImagesSeen:
    """What came on a topic of images."""

    topic: str
    transport: str  # raw or compressed
    publishers: int
    reliable: bool
    came: int = 0
    rate_hz: float = 0.0
    encoding: str = ""
    size_px: tuple[int, int] | None = None  # None: compressed
    frame_id: str = ""
    age_s: float | None = None  # of the stamp when the image came; None: no stamp
    info_topic: str = ""
    info: InfoSeen | None = None

    @property
    def camera(self) -> str:
        """The name to give to the node: the topic without its last part. A driver without a namespace has no such name."""
        return self._namespace or "camera"

    @property
    def template(self) -> str:
        """Of `image_topic`."""
        return self._template(self.topic.removesuffix("/compressed"))

    @property
    def info_template(self) -> str:
        """Of `camera_info_topic`."""
        return self._template(self.info_topic)

    @property
    def _namespace(self) -> str:
        return self.topic.strip("/").removesuffix("/compressed").rpartition("/")[0]

    def _template(self, topic: str) -> str:
        return "{camera}/" + topic.rpartition("/")[2] if self._namespace else topic


@dataclass(frozen=True)
class Advice:
    lines: tuple[str, ...]
    launch: str = ""  # the exact line to type; "": nothing would work
    problems: int = 0


def advise(images: list[ImagesSeen], parents: dict[str, str], fixed_frame: str = "") -> Advice:
    """parents: of each frame of TF. fixed_frame: what the user wants; "": one is looked for."""
    if not images:
        return Advice((NOTHING,), problems=1)
    why = {each.topic: why_not(each) for each in images}
    lines = [line_of(each, why[each.topic]) for each in images]
    problems = sum(bool(each) for each in why.values())
    usable = _of_one_template([each for each in images if not why[each.topic]])
    left = [each.topic for each in images if not why[each.topic] and each not in usable]
    if left:
        lines.append(f"not in the line below, for their topics are called otherwise or come twice: {', '.join(left)}")
    if not usable:
        return Advice((*lines, "no camera would work: see the lines above"), problems=problems)
    frame, sentence = _frame_for(usable, parents, fixed_frame)
    lines.append(sentence)
    if frame is None:
        problems += 1
        usable, frame = usable[:1], ""
    return Advice(tuple(lines), launch_line(usable, frame), problems)


def why_not(seen: ImagesSeen) -> str:
    """Why the node could not use these images; "" where it could."""
    if not seen.publishers:
        return "nobody publishes it"
    if not seen.came:
        return "nothing came: is its driver running, and does its QoS fit?"
    if seen.transport == "raw" and not is_colour(seen.encoding):
        return f"its encoding '{seen.encoding[:40]}' is no colour or grey image"
    if seen.transport == "compressed" and "compressedDepth" in seen.encoding:
        return "it holds depth"
    if seen.info is None:
        return f"no CameraInfo came on {seen.info_topic}: the node needs K"
    if not seen.info.focal_px > 0:
        return f"CameraInfo on {seen.info_topic} is not calibrated (K is 0)"
    if seen.size_px is not None and seen.size_px != seen.info.size_px:
        return f"its CameraInfo is for {_size(seen.info.size_px)} px"
    if seen.age_s is None:
        return "its stamps are 0: the driver must set header.stamp to the capture time"
    if not seen.frame_id and not seen.info.frame_id:
        return "it has no frame_id"
    return ""


def line_of(seen: ImagesSeen, why: str) -> str:
    """What came on a topic, and what is to be said of it."""
    came = f"{seen.rate_hz:.1f} images/s" if seen.came else "no images"
    words = [came, *([_size(seen.size_px)] if seen.size_px else []), *([seen.encoding] if seen.encoding else [])]
    words.append("reliable" if seen.reliable else "best effort")
    if seen.info is not None:
        frame = seen.frame_id or seen.info.frame_id
        words.append(f"f = {seen.info.focal_px:.0f} px, lens '{seen.info.lens}', frame '{frame}'")
    remarks = []
    if why:
        remarks.append(f"WOULD NOT WORK: {why}")
    elif seen.rate_hz < SLOW_HZ:
        remarks.append("very slow")
    if seen.age_s is not None and not -FUTURE_S < seen.age_s < LONG_AGO_S:
        remarks.append(
            f"its stamps are {abs(seen.age_s):.1f} s {'behind' if seen.age_s > 0 else 'ahead of'} this machine's clock: "
            "are the clocks set by NTP or PTP, or is this a bag (use_sim_time:=true)?"
        )
    return f"{seen.topic}: {', '.join(words)}{''.join(f'; {remark}' for remark in remarks)}"


def launch_line(cameras: list[ImagesSeen], fixed_frame: str) -> str:
    """What to type, defaults left out."""
    first = cameras[0]
    words = [f"cameras:={','.join(each.camera for each in cameras)}"]
    given = {"image_topic": first.template, "camera_info_topic": first.info_template}
    words += [f"{name}:={value}" for name, value in given.items() if value != DEFAULTS[name]]
    words += ["image_transport:=compressed"] if first.transport == "compressed" else []
    words += [f"fixed_frame:={fixed_frame}"] if fixed_frame else []
    return " ".join(["ros2 launch refit_ros refit.launch.py", *map(shlex.quote, words)])


def _of_one_template(images: list[ImagesSeen]) -> list[ImagesSeen]:
    """The largest group that one image_topic and one transport describe, the usual name and raw images before others."""
    groups = Counter((each.template, each.transport) for each in images)
    if not groups:
        return []
    best = max(groups, key=lambda key: (groups[key], key[0] == DEFAULTS["image_topic"], key[1] == "raw", key[0]))
    return [each for each in images if (each.template, each.transport) == best]


def _frame_for(cameras: list[ImagesSeen], parents: dict[str, str], wanted: str) -> tuple[str | None, str]:
    """The fixed frame ("": none needed, None: there is none), and the sentence about it."""
    frames = {each.camera: each.frame_id or each.info.frame_id for each in cameras}
    above = {camera: _above(frame, parents) for camera, frame in frames.items()}
    common = [frame for frame in next(iter(above.values())) if all(frame in each for each in above.values())]
    if wanted:
        lost = [camera for camera, each in above.items() if wanted not in each]
        if lost:
            return (
                None,
                f"TF does not lead from '{wanted}' to {', '.join(lost)}: publish it on /tf_static; till then, one camera",
            )
        return wanted, f"TF leads from '{wanted}' to every camera"
    if len(cameras) == 1 and len(common) < 2:
        return "", "one camera, and nothing above its frame: people are told in it"
    chosen = next((frame for frame in FIXED_FRAMES if frame in common), None)
    if chosen is None and len(cameras) > 1 and common:
        chosen = common[0]
    if chosen is None and len(cameras) == 1:
        return "", "one camera: people are told in its frame; give --fixed-frame for another"
    if chosen is None:
        apart = ", ".join(f"{camera} ('{frame}')" for camera, frame in frames.items())
        return None, (
            f"no frame is above all cameras: {apart}; publish where they stand on /tf_static "
            "(ros2 run tf2_ros static_transform_publisher ...); till then, one camera"
        )
    return chosen, f"TF leads from '{chosen}' to every camera"


def _above(frame: str, parents: dict[str, str]) -> list[str]:
    """The frame and all above it, nearest first."""
    found = [frame]
    while found[-1] in parents and parents[found[-1]] not in found:
        found.append(parents[found[-1]])
    return found


def _size(size_px: tuple[int, int]) -> str:
    return f"{size_px[0]} x {size_px[1]}"
