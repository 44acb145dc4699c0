"""Malformed messages by the hundred thousand, into the node's own intake and, fewer, to a running node over DDS:
    python test/fuzz/messages.py [--count 200000] [--dds 20000] [--seed 0]

Sound messages with fields set to extremes, and over DDS also bytes that are no message. Between them good ones come. Prints
how many were turned away and why, how much memory grew after the first tenth, log lines a minute; ends with 1 where anything
raised, memory grew by 10 MiB, the log had over 100 lines a minute, or a good message was not used.
"""

from __future__ import annotations

import argparse
import array
import os
import random
import sys
import time
from collections import Counter
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "node")]
MOST_GROWN_MIB, MOST_LINES_PER_MIN = 10.0, 100.0
GOOD_EVERY = 500  # one sound pair of calibration and image among so many others
STAMP_NS = 1_700_000_000_000_000_000
STEP_NS = 1_000_000
NUMBERS = (0.0, -0.0, -1.0, 1e-308, 1e308, -1e308, float("nan"), float("inf"), -float("inf"), 1e9, 5e-324)
WHOLE = (0, 1, 2, 3, 7, 255, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1)
WORDS = (
    "",
    "/",
    "//",
    "camera",
    "\x00",
    "\x1b[31mred",
    "ä" * 3,
    "a\nb\rc",
    "x" * 5000,
    "rgb8",
    "mono16",
    "bayer_rggb8",
    "32FC1",
)


class Malformed:
    """Makes messages, the same for the same seed."""

    def __init__(self, seed: int) -> None:
        from node_fakes import image_message, info_message

        self.chance, self._image, self._info, self.count = random.Random(seed), image_message, info_message, 0

    def good(self):
        self.count += 1
        stamp_ns = STAMP_NS + self.count * STEP_NS
        return self._info(stamp_ns), self._image(stamp_ns)

    def next(self) -> tuple[str, object]:
        """Topic's kind, message."""
        self.count += 1
        kind = self.chance.choice(("image", "image", "compressed", "info", "info", "tf", "tf_static"))
        return kind, getattr(self, f"_{kind}_of")(STAMP_NS + self.count * STEP_NS)

    def _head(self, header) -> None:
        if self.chance.random() < 0.3:
            header.stamp.sec = self.chance.choice((-(2**31), -1, 0, 2**31 - 1, 1_700_000_000 + 10**7))
            header.stamp.nanosec = self.chance.choice((0, 10**9, 2**32 - 1))
        if self.chance.random() < 0.3:
            header.frame_id = self.chance.choice(WORDS)

    def _image_of(self, stamp_ns: int):
        chance, message = self.chance, self._image(stamp_ns)
        self._head(message.header)
        for _ in range(chance.choice((1, 1, 2, 3))):
            name = chance.choice(("width", "height", "step", "encoding", "data", "is_bigendian"))
            if name == "encoding":
                message.encoding = chance.choice(WORDS)
            elif name == "data":
                message.data = array.array("B", chance.randbytes(chance.choice((0, 1, 7, 100, 9215, 9217))))
            else:
                setattr(message, name, chance.choice(WHOLE) % (256 if name == "is_bigendian" else 2**32))
        return message

    def _compressed_of(self, stamp_ns: int):
        import cv2
        import numpy as np
        from sensor_msgs.msg import CompressedImage

        chance, message = self.chance, CompressedImage(format=self.chance.choice(("jpeg", "png", *WORDS)))
        message.header = self._image(stamp_ns).header
        self._head(message.header)
        image = np.full((48, 64, 3), chance.randrange(256), np.uint8)
        content = bytearray(cv2.imencode(chance.choice((".jpg", ".png")), image)[1].tobytes())
        for _ in range(chance.choice((1, 4, 16))):
            at = chance.randrange(len(content))
            at = chance.choice((at, at % 64))
            content[at : at + 2] = chance.randbytes(2)
        if chance.random() < 0.3:
            del content[chance.randrange(len(content)) :]
        message.data = array.array("B", content)
        return message

    def _info_of(self, stamp_ns: int):
        chance, message = self.chance, self._info(stamp_ns)
        self._head(message.header)
        for _ in range(chance.choice((1, 1, 2, 4))):
            name = chance.choice(("k", "d", "p", "r", "distortion_model", "width", "height", "binning_x", "roi"))
            if name in "kpr":
                values = list(getattr(message, name))
                values[chance.randrange(len(values))] = chance.choice(NUMBERS)
                setattr(message, name, values)
            elif name == "d":
                message.d = [chance.choice(NUMBERS) for _ in range(chance.choice((0, 1, 3, 4, 5, 8, 12, 14, 100)))]
            elif name == "distortion_model":
                message.distortion_model = chance.choice((*WORDS, "equidistant", "rational_polynomial", "fisheye"))
            elif name == "roi":
                message.roi.width, message.roi.x_offset = chance.choice(WHOLE), chance.choice(WHOLE)
            else:
                setattr(message, name, chance.choice(WHOLE))
        return message

    def _tf_of(self, stamp_ns: int):
        from geometry_msgs.msg import TransformStamped
        from tf2_msgs.msg import TFMessage

        chance, transforms = self.chance, []
        for _ in range(chance.choice((0, 1, 2, 10))):
            message = TransformStamped(child_frame_id=chance.choice((*WORDS, f"frame{chance.randrange(10**6)}")))
            message.header = self._image(stamp_ns).header
            self._head(message.header)
            place, turn = message.transform.translation, message.transform.rotation
            place.x, place.y, turn.x, turn.w = (chance.choice((*NUMBERS, 1.0)) for _ in range(4))
            transforms.append(message)
        return TFMessage(transforms=transforms)

    _tf_static_of = _tf_of


def rss_mib() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def report(
    title: str, count: int, seconds: float, grown_mib: float, lines: int, why: Counter, faults: list[str], most_mib: float
) -> int:
    per_minute = lines / max(seconds / 60, 1.0)
    print(
        f"{title}: {count} messages in {seconds:.0f} s, {sum(why.values())} turned away; memory grew by "
        f"{grown_mib:.1f} MiB after the first tenth; {lines} log lines ({per_minute:.0f} a minute)"
    )
    print("  " + ", ".join(f"{reason} {number}" for reason, number in why.most_common()))
    if grown_mib > most_mib:
        faults.append(f"memory grew by {grown_mib:.1f} MiB")
    if per_minute > MOST_LINES_PER_MIN:
        faults.append(f"{per_minute:.0f} log lines a minute")
    for fault in faults:
        print(f"  WRONG: {fault}")
    return len(faults)


def in_process(count: int, seed: int, most_mib: float = MOST_GROWN_MIB) -> int:
    """How much was wrong."""
    import rclpy.duration

    from refit_ros.node import images
    from refit_ros.node.compat import tf2_ros
    from refit_ros.node.intake import Intake
    from refit_ros.node.parameters import NodeParameters
    from refit_ros.node.rejections import Rejected, Rejections
    from refit_ros.node.tf_intake import TransformIntake

    lines: list[str] = []
    rejections = Rejections(lines.append)
    intakes = {
        kind: Intake(NodeParameters(cameras=("camera",), image_transport=transport, camera_timeout_s=60.0), "", rejections)
        for kind, transport in (("image", "raw"), ("compressed", "compressed"))
    }
    transforms = TransformIntake(
        tf2_ros.Buffer(cache_time=rclpy.duration.Duration(seconds=10)), rejections, "human_", lambda _: False
    )
    made, faults, used = Malformed(seed), [], 0
    begun_s, before_mib = time.monotonic(), rss_mib()

    def look(sets) -> int:
        decoded = 0
        for found in sets:
            for frame in found.frames:
                try:
                    images.decoded(frame)
                    decoded += 1
                except Rejected as rejected:
                    rejections.add(frame.camera, rejected.reason, str(rejected))
        return decoded

    for index in range(count):
        now_s = time.monotonic()
        try:
            if index % GOOD_EVERY == 0:
                info, image = made.good()
                intakes["image"].camera_info("camera", info, now_s)
                # The stamps between were nonsense: a new intake would do, but the same one must go on as well.
                used += look(intakes["image"].image("camera", image, now_s)) > 0
            kind, message = made.next()
            if kind == "info":
                for intake in intakes.values():
                    look(intake.camera_info("camera", message, now_s))
            elif kind in intakes:
                look(intakes[kind].image("camera", message, now_s))
            elif kind == "tf":
                transforms.take(message)
            else:
                transforms.take_static(message)
        except Exception as error:
            faults.append(f"message {index}: {type(error).__name__}: {error}")
        if index == count // 10:
            before_mib = rss_mib()
    why = Counter(rejections.of("camera")) + Counter(rejections.of("/tf"))
    internal = why.get("internal error", 0)
    faults += [f"{internal} internal errors"] if internal else []
    good = -(-count // GOOD_EVERY)
    print(f"  {used} of {good} sound images were used")
    faults += [f"only {used} of {good} sound images were used"] if used < good / 2 else []
    return report(
        "in this process", count, time.monotonic() - begun_s, rss_mib() - before_mib, len(lines), why, faults, most_mib
    )


def over_dds(count: int, seed: int) -> int:
    """To a node that spins in a thread of its own, with a fake network; how much was wrong."""
    import tempfile

    import rclpy
    from conftest import Bench
    from node_fakes import fake_model
    from rclpy.qos import qos_profile_sensor_data
    from rclpy.serialization import serialize_message
    from sensor_msgs.msg import CameraInfo, CompressedImage, Image
    from tf2_msgs.msg import TFMessage

    made, faults, why, before_mib = Malformed(seed), [], Counter(), rss_mib()
    topics = {
        "image": (Image, "/camera/image_raw"),
        "compressed": (CompressedImage, "/camera/image_raw/compressed"),
        "info": (CameraInfo, "/camera/camera_info"),
        "tf": (TFMessage, "/tf"),
        "tf_static": (TFMessage, "/tf_static"),
    }
    context = rclpy.Context()
    rclpy.init(context=context)
    with tempfile.TemporaryFile() as log:
        kept = os.dup(2)
        os.dup2(log.fileno(), 2)  # what the node logs
        begun_s = time.monotonic()
        try:
            bench = Bench(context)
            bench.start(fake_model(), camera_timeout_s=60.0)
            publishers = {
                kind: bench.helper.create_publisher(message, topic, qos_profile_sensor_data)
                for kind, (message, topic) in topics.items()
            }
            for index in range(count):
                kind, message = made.next()
                content = bytearray(serialize_message(message))
                if made.chance.random() < 0.3:
                    content[made.chance.randrange(len(content))] = made.chance.randrange(256)
                if made.chance.random() < 0.2:
                    del content[made.chance.randrange(4, len(content) + 1) :]
                publishers[kind].publish(bytes(content))
                if index % 50 == 0:
                    time.sleep(0.01)  # what is sent faster than it is taken is dropped by the middleware
                if index == count // 10:
                    before_mib = rss_mib()
            rejections = bench.node._rejections
            # Still alive: a sound image goes through.
            seen = bench.model.estimator.seen
            before = len(seen)
            bench.wait(lambda: _sound(publishers) or len(seen) > before, "a sound image", 120.0)
            why = Counter(rejections.of("camera")) + Counter(rejections.of("/tf"))
            bench.close()
        finally:
            os.dup2(kept, 2)
            context.try_shutdown()
        seconds = time.monotonic() - begun_s
        log.seek(0)
        said = log.read()
    if b"Traceback" in said:
        at = said.find(b"Traceback")
        faults.append(f"{said.count(b'Traceback')} tracebacks: {said[max(0, at - 300) : at + 900].decode(errors='replace')}")
    lines = said.splitlines()
    # What is no message at all, Fast DDS tells stderr itself, line by line; nothing above it hears of that.
    own = sum(line.startswith(b"[") for line in lines)
    print(f"  {len(lines) - own} more lines are the middleware's own, on bytes that are no message")
    return report("over DDS", count, seconds, rss_mib() - before_mib, own, why, faults, MOST_GROWN_MIB)


def _sound(publishers) -> None:
    from node_fakes import image_message, info_message

    now_ns = time.time_ns()
    publishers["info"].publish(info_message(now_ns))
    publishers["image"].publish(image_message(now_ns))
    time.sleep(0.02)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=200_000, help="messages in this process")
    parser.add_argument("--dds", type=int, default=20_000, help="messages to a running node")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    wrong = in_process(args.count, args.seed) if args.count else 0
    return 1 if wrong + (over_dds(args.dds, args.seed) if args.dds else 0) else 0


if __name__ == "__main__":
    sys.exit(main())
