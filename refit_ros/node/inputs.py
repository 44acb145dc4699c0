"""What comes on each topic that is subscribed to; and a sentence, once, about each from which nothing is used."""

from __future__ import annotations

import difflib
import re
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from refit_ros.node.logged import shortened
from refit_ros.node.tally import Rate

if TYPE_CHECKING:
    from rclpy.node import Node

    from refit_ros.estimation.settings import Settings
    from refit_ros.node.intake import Intake
    from refit_ros.node.tally import Tally

IMAGES, CALIBRATIONS, BOXES, KEYPOINTS = "images", "calibrations", "boxes", "keypoints"
PATIENCE_S = 5.0  # before a topic on which nothing came is told; discovery takes its time
NEVER = (0, 0, False, -float("inf"))  # a camera of which nothing was noted
STILL_S = 3.0  # so long after one was turned away a camera's messages are taken as still coming
SILENT_EVERY_S = 15.0  # how often at most it is said of a camera that it is silent, and that it comes again
UNUSED_S, UNUSED_LEAST = 10.0, 5  # of so many messages in so long not one was used: that is told
NOT_NEW = "its stamps stand still or go back"
# What this package's nodes publish themselves: no camera, but for a fusion node, which wants just that.
OWN_OUTPUT = re.compile(r"(^|/)human/.+/(overlay|camera_info|evidence|expectation)$|^/humans/bodies/")
NEAR, MOST_NAMED = 0.6, 4  # how alike a name must be to be meant, and how many are listed
SLOW_EVERY_S = 30.0  # how often at most it is said that sets are replaced ...
SLOW_SHARE, SLOW_LEAST = 0.5, 10  # ... if more than this share was, of at least so many


def others_find(settings: Settings) -> str:
    """What comes of the images besides them: KEYPOINTS, BOXES or nothing."""
    if settings.keypoint_source == "topic":
        return KEYPOINTS
    return BOXES if settings.detector == "topic" else ""


@dataclass(frozen=True)
class Topic:
    camera: str
    what: str
    name: str  # in full
    kind: str  # as in sensor_msgs/msg/Image


@dataclass(frozen=True)
class _Window:
    """What had come and been used, and why not, when somebody began to count."""

    began_s: float
    came: int
    used: int
    reasons: Counter[str]


class Inputs:
    """`publishers(topic)`: how many there are; `topics()`: (name, types) of all that exist; `say`: into the log."""

    def __init__(
        self,
        intake: Intake,
        tally: Tally,
        publishers: Callable[[str], int],
        topics: Callable[[], list[tuple[str, list[str]]]],
        say: Callable[[str], None],
        now_s: float,
    ) -> None:
        self._intake, self._tally, self._publishers, self._topics, self._say = intake, tally, publishers, topics, say
        self._began_s = self._slow_s = now_s
        self._wanted: list[Topic] = []
        self._came: Counter[tuple[str, str]] = Counter()
        self._why: dict[tuple[str, str], str] = {}
        self._windows: dict[tuple[str, str], _Window] = {}
        self._rates: dict[tuple[str, str], Rate] = {}
        self._told: set[tuple[tuple[str, str], str]] = set()  # topic and main reason, until one is used again
        self._silent: set[str] = set()
        self._silent_told_s: dict[str, float] = {}
        # camera -> images come, turned away, whether some came since the look before, when some were last turned away
        self._turned_away: dict[str, tuple[int, int, bool, float]] = {}
        self._before = 0, 0

    @classmethod
    def of(cls, node: Node, intake: Intake, tally: Tally) -> Inputs:
        """What comes to a node, from now on."""
        say = node.get_logger().warning
        return cls(intake, tally, node.count_publishers, node.get_topic_names_and_types, say, time.monotonic())

    def expect(self, topic: Topic) -> None:
        """It is subscribed to from now on."""
        self._wanted.append(topic)

    def note(self, camera: str, what: str) -> None:
        """A message came."""
        self._came[camera, what] += 1

    def why_nothing(self, camera: str) -> str:
        """What is known of why nothing of a topic of this camera is used; "" where something of each is."""
        return "; ".join(self._why[key] for key in self._why if key[0] == camera)

    def why_unused(self, camera: str, now_s: float) -> str:
        """Why none of a camera's images is used though they come; "" where none come."""
        topic = next((each for each in self._wanted if (each.camera, each.what) == (camera, IMAGES)), None)
        *_, comes, last_s = self._turned_away.get(camera, NEVER)
        if topic is None or now_s - last_s > STILL_S:
            return ""
        key, window = (camera, IMAGES), self._windows.get((camera, IMAGES))
        anyhow = f"messages come on {topic.name}, and none is used"
        if key in self._why or window is None:
            return self.why_nothing(camera) or anyhow
        if self._came[key] == window.came:  # nothing since some were used: what was turned away came beside these
            return anyhow if comes else ""
        return "; ".join(filter(None, (shortened(self._nothing_used(topic, window, now_s)), self.why_nothing(camera))))

    def values(self, camera: str) -> dict[str, object]:
        """For the diagnostics: each topic, how many messages came, how many a second, and how many of them were used."""
        found: dict[str, object] = {}
        for topic in self._wanted:
            if topic.camera == camera:
                key = camera, topic.what
                rate = self._rates.setdefault(key, Rate()).of(self._came[key])
                found |= {
                    f"{topic.what}: topic": topic.name,
                    f"{topic.what}: came": self._came[key],
                    f"{topic.what}: per second": f"{rate:.2f}",
                    f"{topic.what}: used": self._intake.used[key],
                }
        return found

    def look(self, now_s: float, replaced: int) -> None:
        """Once a second. `replaced`: sets that a newer one overtook, so far."""
        if now_s - self._began_s >= PATIENCE_S:
            for topic in self._wanted:
                self._judge(topic, now_s)
        for camera in self._intake.cameras:
            self._note_turned_away(camera, now_s)
            self._look_at_state(camera, now_s)
        self._look_at_speed(now_s, replaced)

    def _judge(self, topic: Topic, now_s: float) -> None:
        key = topic.camera, topic.what
        if not self._came[key]:
            if key not in self._why:
                self._why[key] = shortened(self._nothing_came(topic))
                self._say(f"{topic.camera}: {self._why[key]}")
            return
        if key not in self._windows:
            self._why.pop(key, None)  # that nothing came
            self._windows[key] = _Window(now_s, self._came[key], self._intake.used[key], self._reasons(topic))
        window, used = self._windows[key], self._intake.used[key]
        if used > window.used:
            self._why.pop(key, None)
            self._told = {each for each in self._told if each[0] != key}
        elif now_s - window.began_s < UNUSED_S or self._came[key] - window.came < UNUSED_LEAST:
            return
        else:
            self._why[key] = shortened(self._nothing_used(topic, window, now_s))
            main = next(iter((self._reasons(topic) - window.reasons).most_common(1)), ("", 0))[0]
            if (key, main) not in self._told:
                self._told.add((key, main))
                self._say(f"{topic.camera}: {self._why[key]}")
        self._windows[key] = _Window(now_s, self._came[key], used, self._reasons(topic))

    def _reasons(self, topic: Topic) -> Counter[str]:
        """Why messages of a camera's topic were not used so far, and how often each."""
        rejected = Counter(self._intake.rejections.of(topic.camera))
        of_calibrations = {reason: rejected.pop(reason, 0) for reason in ("bad CameraInfo",)}
        if topic.what == CALIBRATIONS:
            return Counter(of_calibrations)
        return rejected + self._passed_by(topic.camera) if topic.what == IMAGES else rejected

    def _passed_by(self, camera: str) -> Counter[str]:
        """Good images that went into no set."""
        counts, not_new = Counter(self._intake.builder.counts(camera)), self._intake.builder.stamps_not_new(camera)
        counts["late"] -= not_new
        return counts + Counter({NOT_NEW: not_new})

    def _note_turned_away(self, camera: str, now_s: float) -> None:
        came = self._came[camera, IMAGES]
        turned_away = sum(self._intake.rejections.of(camera).values()) + self._passed_by(camera).total()
        before = self._turned_away.get(camera, NEVER)
        comes = came > before[0]
        last_s = now_s if comes and turned_away > before[1] else before[3]
        self._turned_away[camera] = came, turned_away, comes, last_s

    def _nothing_used(self, topic: Topic, window: _Window, now_s: float) -> str:
        count, seconds = self._came[topic.camera, topic.what] - window.came, now_s - window.began_s
        reasons = [f"{reason} ({times})" for reason, times in (self._reasons(topic) - window.reasons).most_common(3)]
        if topic.what in (BOXES, KEYPOINTS) and not reasons:
            ahead = self._ahead(topic.camera)
            reasons = [f"no image has their stamps{ahead}, or they come after detection_wait_s: copy the image's"]
        why = f": {', '.join(reasons)}" if reasons else ""
        return f"of {count} messages on {topic.name} in {seconds:.0f} s none was used{why}"

    def _ahead(self, camera: str) -> str:
        ahead_s = self._intake.ahead_s(camera)
        side = "after" if (ahead_s or 0.0) > 0 else "before"
        return "" if not ahead_s else f" (the last lies {abs(ahead_s):.3f} s {side} the last image's)"

    def _nothing_came(self, topic: Topic) -> str:
        count = self._publishers(topic.name)
        if count:
            return (
                f"nothing comes on {topic.name}, though {count} publish it: is its driver running, and does its QoS fit "
                "(`ros2 topic info -v`)?"
            )
        there = sorted(name for name, kinds in self._topics() if topic.kind in kinds and self._publishers(name))
        if not OWN_OUTPUT.search(topic.name):
            there = [name for name in there if not OWN_OUTPUT.search(name)]
        begin = f"nobody publishes {topic.name}"
        if not there:
            return f"{begin}, nor any other topic of {topic.kind}: is the camera's driver running, in this ROS_DOMAIN_ID?"
        near = difflib.get_close_matches(topic.name, there, MOST_NAMED, NEAR)
        if near:
            return f"{begin}; did you mean {' or '.join(near)}?"
        more = " ..." if len(there) > MOST_NAMED else ""
        return f"{begin}; topics of its kind are {', '.join(there[:MOST_NAMED])}{more}: see `cameras` and `image_topic`"

    def _look_at_state(self, camera: str, now_s: float) -> None:
        state = self._intake.builder.state(camera, now_s)
        if state == "silent" and camera not in self._silent:
            told_s = self._silent_told_s.get(camera, -float("inf"))
            if now_s - told_s < SILENT_EVERY_S or self.why_unused(camera, now_s):  # that is told as such
                return
            self._silent.add(camera)
            self._silent_told_s[camera] = now_s
            since_s = self._intake.builder.silent_s(camera, now_s)
            self._say(f"{camera}: silent for {since_s:.1f} s, left out until it returns")
        elif state in ("live", "out of step") and camera in self._silent:
            self._silent.discard(camera)
            self._say(f"{camera}: its images come again")

    def _look_at_speed(self, now_s: float, replaced: int) -> None:
        sets, lost = self._tally.sets - self._before[0], replaced - self._before[1]
        if now_s - self._slow_s < SLOW_EVERY_S and self._before != (0, 0):
            return
        if sets + lost < SLOW_LEAST:
            return
        self._before, self._slow_s = (self._tally.sets, replaced), now_s
        if lost > SLOW_SHARE * (sets + lost):
            took_ms = self._tally.compute_ms.at(0.5)
            each = f": computing one takes {took_ms[0]:.0f} ms" if took_ms else ""
            self._say(
                f"{lost} of the last {sets + lost} sets of images were replaced by newer ones before they were "
                f"computed{each}"
            )
