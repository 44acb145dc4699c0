"""Input that comes and is not used is told, and so is input that does not come."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest

from refit_ros.camera.calibration import Calibration
from refit_ros.node.inputs import BOXES, CALIBRATIONS, IMAGES, KEYPOINTS, UNUSED_S, Inputs, Topic
from refit_ros.node.rejections import Rejections
from refit_ros.node.sets import Frame, SetBuilder
from refit_ros.node.tally import Tally

IMAGE = "sensor_msgs/msg/Image"


class Rig:
    def __init__(self, there: dict[str, str], quiet: tuple[str, ...] = ()) -> None:
        self.said, self.tally = [], Tally()
        self.builder = SetBuilder(["front"], 10**7, 0.05, 0.5)
        self.rejections, self.used = Rejections(lambda sentence: None), Counter()
        intake = SimpleNamespace(
            cameras=["front"],
            builder=self.builder,
            used=self.used,
            rejections=self.rejections,
            images={"front": 0},
            ahead_s=lambda _: -0.0333,
        )
        self.inputs = Inputs(
            intake,
            self.tally,
            lambda topic: int(topic in there or topic in quiet),
            lambda: [(name, [kind]) for name, kind in there.items()],
            self.said.append,
            0.0,
        )
        self.inputs.expect(Topic("front", IMAGES, "/front/image_raw", IMAGE))

    def look_until(self, end_s: int, replaced=lambda now_s: 0) -> list[str]:
        for now_s in range(1, end_s + 1):
            self.inputs.look(float(now_s), replaced(now_s))
        return self.said


@pytest.mark.parametrize(
    "there, says",
    [
        ({"/frnt/image_raw": IMAGE, "/a/b": "std_msgs/msg/String"}, "did you mean /frnt/image_raw?"),
        ({"/zed/left/colour": IMAGE}, "topics of its kind are /zed/left/colour"),
        ({"/front/image_raww": "std_msgs/msg/String"}, "is the camera's driver running"),
        ({}, "nor any other topic of sensor_msgs/msg/Image"),
    ],
)
def test_a_topic_that_nobody_publishes_is_told_once_with_what_is_there(there, says):
    rig = Rig(there)
    assert not rig.look_until(4), "discovery takes its time"
    said = rig.look_until(60)
    assert len(said) == 1 and said[0].startswith("front: nobody publishes /front/image_raw") and says in said[0]
    assert rig.inputs.why_nothing("front") in said[0]


OWN = {name: IMAGE for name in ("/human/front/overlay", "/robot/human/front/overlay", "/humans/bodies/h1/cropped")}


@pytest.mark.parametrize("there, says", [({}, "nor any other topic"), ({"/frnt/image_raw": IMAGE}, "mean /frnt/image_raw?")])
def test_what_the_nodes_publish_themselves_is_not_offered_as_a_camera(there, says):
    (said,) = Rig(there | OWN).look_until(10)
    assert says in said and not any(name in said for name in OWN)


def test_a_fusion_node_is_offered_the_evidence_of_other_cameras():
    rig = Rig({"/human/frnt/evidence": "refit_ros/msg/ViewEvidence", "/front/image_raw": IMAGE})
    rig.inputs.note("front", IMAGES)
    rig.inputs.expect(Topic("front", "evidence", "/human/front/evidence", "refit_ros/msg/ViewEvidence"))
    assert "did you mean /human/frnt/evidence?" in rig.look_until(10)[0]


def test_a_publisher_from_whom_nothing_comes_is_told_as_such():
    said = Rig({}, quiet=("/front/image_raw",)).look_until(10)
    assert len(said) == 1 and "QoS" in said[0]


def test_once_something_comes_nothing_is_amiss():
    rig = Rig({})
    rig.look_until(6)
    rig.inputs.note("front", IMAGES)
    rig.look_until(8)
    assert rig.inputs.why_nothing("front") == "" and rig.inputs.values("front")["images: came"] == 1


def coming(rig: Rig, what: str, end_s: int, each) -> list[str]:
    """What is said while ten messages a second come, with each of which `each` happens."""
    if what != IMAGES:
        rig.inputs.expect(Topic("front", what, f"/front/{what}", "some/msg/Kind"))
    for now_s in range(1, end_s + 1):
        for _ in range(10):
            for topic in {IMAGES, what}:
                rig.inputs.note("front", topic)
            rig.used["front", IMAGES] += what != IMAGES
            each()
        rig.inputs.look(float(now_s), 0)
    return rig.said


def test_images_that_come_and_are_all_turned_away_are_told_once_and_as_long_as_it_lasts():
    rig = Rig({"/front/image_raw": IMAGE})
    said = coming(rig, IMAGES, 60, lambda: rig.rejections.add("front", "wrong step", "a sentence"))
    assert said == ["front: of 100 messages on /front/image_raw in 10 s none was used: wrong step (100)"]
    assert "none was used" in rig.inputs.why_nothing("front")
    rig.used["front", IMAGES] += 1
    rig.inputs.note("front", IMAGES)
    rig.inputs.look(61.0, 0)
    assert rig.inputs.why_nothing("front") == ""


@pytest.mark.parametrize(
    "what, reason, says",
    [
        (CALIBRATIONS, "bad CameraInfo", "on /front/calibrations in 10 s none was used: bad CameraInfo (100)"),
        (BOXES, "", "or they come after detection_wait_s: copy the image's"),
        (
            KEYPOINTS,
            "",
            "no image has their stamps (the last lies 0.033 s before the last image's), or they come after",
        ),
    ],
)
def test_calibrations_and_boxes_that_come_and_are_never_used_are_told_once(what, reason, says):
    rig = Rig({"/front/image_raw": IMAGE})
    said = coming(rig, what, 60, lambda: reason and rig.rejections.add("front", reason, "a sentence"))
    assert len(said) == 1 and says in said[0]
    assert rig.inputs.values("front")[f"{what}: came"] == 600 and rig.inputs.values("front")[f"{what}: used"] == 0


def test_what_is_used_now_and_then_is_not_told():
    rig = Rig({"/front/image_raw": IMAGE})
    count = iter(range(10**6))

    def each() -> None:
        rig.used["front", BOXES] += next(count) % round(5 * UNUSED_S) == 0

    assert coming(rig, BOXES, 60, each) == [] and rig.inputs.why_nothing("front") == ""


def test_boxes_with_the_stamps_of_no_image_are_told_by_the_node(bench, capfd, monkeypatch):
    from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
    from node_fakes import fake_model

    from refit_ros.node import inputs
    from refit_ros.node.cameras import detection_type

    for name, value in (("PATIENCE_S", 0.1), ("UNUSED_S", 0.5), ("UNUSED_LEAST", 2)):
        monkeypatch.setattr(inputs, name, value)
    arrays = bench.listen(DiagnosticArray, "/diagnostics")
    bench.start(fake_model(), detector="topic")

    def told():
        bench.publish("/camera/detections", detection_type()())
        return [each for array in arrays for each in array.status if "/camera/detections" in each.message]

    status = bench.wait(lambda: [each for each in told() if "none was used" in each.message], "it to be told")[0]
    assert status.level == DiagnosticStatus.WARN and status.name == "/refit: camera camera"
    values = {value.key: value.value for value in status.values}
    assert values["boxes: used"] == "0" and int(values["boxes: came"]) >= 2
    assert "on /camera/detections" in capfd.readouterr().err


def add(rig: Rig, at_s: float, stamp_s: float | None = None) -> None:
    """An image that is used, where its stamp is new."""
    calibration = Calibration("front", "o", 64, 48, np.eye(3))
    stamp_ns = 10**18 + round((at_s if stamp_s is None else stamp_s) * 1e9)
    rig.inputs.note("front", IMAGES)
    rig.used["front", IMAGES] += rig.builder.add(Frame("front", stamp_ns, "o", None, calibration), at_s) is not None


def test_a_camera_that_dies_and_one_that_comes_back_are_told_once_each():
    rig = Rig({"/front/image_raw": IMAGE})
    add(rig, 0.0)
    assert ["silent" in each for each in rig.look_until(20)] == [True]
    add(rig, 20.9)
    assert "come again" in rig.look_until(21)[-1] and len(rig.said) == 2


def test_a_camera_that_comes_and_goes_is_told_every_fifteen_seconds_at_most():
    rig = Rig({"/front/image_raw": IMAGE})
    for now_s in range(1, 61):
        for ago_s in (0.2, 0.1, 0.0) if now_s % 2 else ():
            add(rig, now_s - ago_s)
        rig.inputs.look(float(now_s), 0)
    assert ["silent" in each for each in rig.said] == [True, False] * 4


def test_a_camera_that_dies_just_after_some_of_its_images_were_not_used_is_silent():
    rig = Rig({"/front/image_raw": IMAGE})
    for tenth in range(1, 81):
        add(rig, tenth / 10)
        if tenth % 10 == 5:
            wrong_step(rig, tenth / 10)
        if tenth % 10 == 0:
            rig.inputs.look(tenth / 10, 0)
    rig.inputs.look(9.0, 0)
    assert rig.builder.state("front", 9.0) == "silent" and rig.inputs.why_unused("front", 9.0) == ""
    assert len(rig.said) == 1 and "silent for 1.0 s" in rig.said[0]


def wrong_step(rig: Rig, at_s: float) -> None:
    rig.inputs.note("front", IMAGES)
    rig.rejections.add("front", "wrong step", "a sentence")


def still_stamp(rig: Rig, at_s: float) -> None:
    add(rig, at_s, stamp_s=0.0)


@pytest.mark.parametrize(
    "spoil, says", [(wrong_step, "wrong step (100)"), (still_stamp, "its stamps stand still or go back (100)")]
)
def test_a_camera_whose_images_come_and_can_not_be_used_any_more_is_not_called_silent(spoil, says):
    rig = Rig({"/front/image_raw": IMAGE})

    def go_on(begin_s: int, end_s: int, each) -> None:
        for tenth in range(10 * begin_s + 1, 10 * end_s + 1):
            if each is not None:
                each(rig, tenth / 10)
            if tenth % 10 == 0:
                rig.inputs.look(tenth / 10, 0)

    for begin_s in (0, 100):
        go_on(begin_s, begin_s + 8, add)
        go_on(begin_s + 8, begin_s + 12, spoil)
        assert rig.builder.state("front", begin_s + 12.0) == "silent"
        assert says.split(" (")[0] in rig.inputs.why_unused("front", begin_s + 12.0)
        go_on(begin_s + 12, begin_s + 30, spoil)
        assert says in rig.inputs.why_unused("front", begin_s + 30.0)
        told = [each for each in rig.said if says in each]
        assert len(told) == len(rig.said) == 1, "and once more after it was used again"
        rig.said.clear()
        go_on(begin_s + 30, begin_s + 40, None)
        assert rig.inputs.why_unused("front", begin_s + 40.0) == "" and "silent" in rig.said.pop()
        rig.inputs._silent.clear()


def test_another_cause_is_told_though_nothing_was_used_in_between():
    rig = Rig({"/front/image_raw": IMAGE})
    coming(rig, IMAGES, 30, lambda: rig.rejections.add("front", "wrong step", "a sentence"))
    for now_s in range(31, 61):
        for _ in range(10):
            rig.inputs.note("front", IMAGES)
            rig.rejections.add("front", "no CameraInfo", "a sentence")
        rig.inputs.look(float(now_s), 0)
    assert len(rig.said) == 2 and "wrong step" in rig.said[0] and "no CameraInfo" in rig.said[1]


def test_sets_replaced_on_a_slow_machine_are_told_seldom():
    rig = Rig({})
    rig.inputs.note("front", IMAGES)

    def replaced(now_s: int) -> int:
        rig.tally.sets = 2 * now_s
        return 28 * now_s

    said = rig.look_until(120, replaced)
    assert 2 <= len(said) <= 6 and "replaced by newer ones" in said[0]


def test_few_sets_replaced_are_not_worth_a_word():
    rig = Rig({})
    rig.inputs.note("front", IMAGES)

    def replaced(now_s: int) -> int:
        rig.tally.sets = 28 * now_s
        return 2 * now_s

    assert rig.look_until(120, replaced) == []


def test_a_typo_in_a_cameras_name_is_told_in_the_log_and_in_the_diagnostics(bench, capfd, monkeypatch):
    from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
    from node_fakes import fake_model
    from sensor_msgs.msg import Image

    from refit_ros.node import inputs

    monkeypatch.setattr(inputs, "PATIENCE_S", 0.5)
    arrays = bench.listen(DiagnosticArray, "/diagnostics")
    bench.helper.create_publisher(Image, "/front/image_raw", 1)
    bench.start(fake_model(), cameras=["frnt"])

    def told():
        return [each for array in arrays for each in array.status if "did you mean /front/image_raw" in each.message]

    status = bench.wait(told, "the typo to be told")[0]
    assert status.level == DiagnosticStatus.WARN and status.name == "/refit: camera frnt"
    assert "did you mean /front/image_raw" in capfd.readouterr().err
