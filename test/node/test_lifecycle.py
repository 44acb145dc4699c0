"""The node's transitions, what they open and close, and what stops them."""

from __future__ import annotations

import gc
import threading

import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed")

from node_fakes import fake_model, start_kind  # noqa: E402
from rclpy.lifecycle import TransitionCallbackReturn  # noqa: E402

STAMP_NS = 1_700_000_000_000_000_000


def state_of(bench) -> str:
    from lifecycle_msgs.srv import GetState

    return bench.call(GetState, "/refit/get_state", GetState.Request()).current_state.label


def change(bench, transition: str) -> bool:
    from lifecycle_msgs.srv import ChangeState

    request = ChangeState.Request()
    request.transition.label = transition
    return bench.call(ChangeState, "/refit/change_state", request).success


def change_by_id(bench, number: int) -> bool:
    from lifecycle_msgs.srv import ChangeState

    request = ChangeState.Request()
    request.transition.id = number
    return bench.call(ChangeState, "/refit/change_state", request).success


def subscribed(bench, topic: str = "/camera/image_raw") -> int:
    return bench.helper.count_subscribers(topic)


def test_it_starts_by_itself(bench):
    bench.start(fake_model())
    assert bench.started and state_of(bench) == "active"


def test_through_all_states_and_back_twice(bench):
    from refit_ros.msg import SmplArray

    messages = bench.listen(SmplArray, "/human/smpl")
    bench.start(fake_model(), activate=False)
    assert state_of(bench) == "unconfigured"
    for stamp_ns in (STAMP_NS, STAMP_NS + 10**9):
        messages.clear()
        assert change(bench, "configure") and state_of(bench) == "inactive"
        bench.wait(lambda: not subscribed(bench), "no stream to be open while inactive")
        assert change(bench, "activate") and state_of(bench) == "active"
        bench.connected("/human/smpl")
        bench.wait(lambda: subscribed(bench), "the camera's subscription")
        bench.wait(
            lambda: not bench._publishers or all(p.get_subscription_count() for p in bench._publishers.values()),
            "the helper to find the node",
        )
        bench.camera(stamp_ns)
        bench.wait(lambda: messages, "a message")
        assert change(bench, "deactivate") and state_of(bench) == "inactive"
        bench.wait(lambda: not subscribed(bench), "the camera's subscription to end")
        assert change(bench, "cleanup") and state_of(bench) == "unconfigured"
        bench.wait(lambda: not bench.helper.count_publishers("/human/smpl"), "the publisher to end")
    assert bench.model.estimator.resets == 2


def test_active_again_after_deactivate(bench):
    bench.start(fake_model())
    for _ in range(3):
        assert change(bench, "deactivate") and change(bench, "activate")
    assert state_of(bench) == "active"


@pytest.mark.parametrize("anew", [False, True])
def test_while_the_last_set_is_computed_the_node_is_not_activated_again_and_then_begins_anew(
    bench, capfd, monkeypatch, anew
):
    from refit_ros.node import worker

    monkeypatch.setattr(worker, "STOP_WAIT_S", 0.1)
    model = fake_model()
    estimator, gate, inside = model.estimator, threading.Event(), threading.Event()
    estimate = estimator.estimate

    def slowly(views):
        inside.set()
        assert gate.wait(20)
        return estimate(views)

    estimator.estimate = slowly
    node = bench.start(model)
    bench.camera(STAMP_NS)
    assert inside.wait(120)
    assert change(bench, "deactivate")
    assert "forgotten once the last set is computed" in capfd.readouterr().err
    if anew:
        assert change(bench, "cleanup") and change(bench, "configure")
    assert not change(bench, "activate") and state_of(bench) == "inactive"
    assert "activate failed: the last set is still being computed: try again" in capfd.readouterr().err
    assert estimator.resets == 0
    gate.set()
    bench.wait(lambda: node._last.ended, "the last set to be computed")
    assert change(bench, "activate") and state_of(bench) == "active"
    assert anew or estimator.resets == 1, "a model that was loaded anew knows nobody"


def test_an_edge_is_not_activated_again_while_its_eyes_still_look(bench, capfd, monkeypatch):
    from types import SimpleNamespace

    from refit_ros.node import edge_work

    monkeypatch.setattr(edge_work, "STOP_WAIT_S", 0.1)
    gate, inside = threading.Event(), threading.Event()

    def look(cameras, wanted):
        inside.set()
        assert gate.wait(20)
        return {}

    node = start_kind(bench, "edge", SimpleNamespace(searches=lambda search: True, look=look))
    bench.camera(STAMP_NS)
    assert inside.wait(120)
    assert bench.within_spin(node.trigger_deactivate) == TransitionCallbackReturn.SUCCESS
    assert bench.within_spin(node.trigger_activate) == TransitionCallbackReturn.FAILURE
    assert "activate failed: the last set is still being computed: try again" in capfd.readouterr().err
    gate.set()
    bench.wait(lambda: node._last.ended, "the last image to be looked at")
    assert bench.within_spin(node.trigger_activate) == TransitionCallbackReturn.SUCCESS


def test_shutdown_while_active(bench):
    bench.start(fake_model())
    assert change_by_id(bench, 7) and state_of(bench) == "finalized"
    bench.wait(lambda: not subscribed(bench), "the subscription to end")


def test_a_node_that_was_destroyed_is_gone_for_others_at_once(bench):
    """Not only when Python collects it: with half of its services gone nobody could ask the next one of that name."""
    kept = bench.start(fake_model())
    bench.wait(lambda: "refit" in bench.helper.get_node_names(), "the node to be seen")
    gc.collect()
    gc.disable()
    try:
        bench.stop()
        bench.wait(lambda: "refit" not in bench.helper.get_node_names(), "the node to be gone", timeout_s=20)
    finally:
        gc.enable()
    assert kept is not bench.node  # until here


def test_an_illegal_transition_is_refused_and_survived(bench):
    bench.start(fake_model(), activate=False)
    assert not change(bench, "activate")
    assert not change_by_id(bench, 4)
    assert not change_by_id(bench, 99)
    assert state_of(bench) == "unconfigured"
    assert change(bench, "configure")


def test_configure_fails_with_the_reason_and_works_once_it_is_mended(bench, capfd):
    broken = [True]

    def load(*_):
        if broken:
            raise FileNotFoundError("weights '/nowhere/refit.pt' do not exist: set the parameter weights")
        return fake_model()

    bench.start(load=load)
    assert not bench.started and state_of(bench) == "unconfigured"
    assert "configure failed: weights '/nowhere/refit.pt' do not exist" in capfd.readouterr().err
    broken.clear()
    assert change(bench, "configure") and change(bench, "activate") and state_of(bench) == "active"


def test_a_mistake_in_configure_is_not_silent(bench, capfd):
    bench.start(load=lambda *_: {}["mistake"])
    assert state_of(bench) == "unconfigured"
    assert "KeyError" in capfd.readouterr().err


@pytest.mark.parametrize(
    "parameters, reason",
    [
        ({"cameras": ["left", "left"], "fixed_frame": "map"}, "two cameras are called 'left'"),
        ({"cameras": ["left", "/left"], "fixed_frame": "map"}, "two cameras are called 'left'"),
        ({"cameras": ["left", "right"]}, "2 cameras need a fixed_frame"),
        ({"cameras": ["the left one"]}, "camera 'the left one' is no ROS name"),
        ({"cameras": [""]}, "camera '' is no ROS name"),
        ({"cameras": ["left", "right"], "fixed_frame": "map", "image_topic": "image"}, "the same topic for all 2 cameras"),
        ({"image_topic": "{name}/image"}, "only {camera} can stand in braces"),
        ({"image_transport": "theora"}, "image_transport"),
        ({"detector": "psychic"}, "detector"),
        ({"weights": "/nowhere/refit.pt"}, "/nowhere/refit.pt"),
        ({"body_model": "/nowhere/smpl"}, "/nowhere/smpl"),
        ({"device": "cuda:77"}, "cuda:77"),
        ({"device": "toaster"}, "toaster"),
    ],
)
def test_what_cannot_work_fails_in_configure_with_the_reason(bench, capfd, parameters, reason):
    from refit_ros.node.model import load_model

    bench.start(load=load_model, **parameters)
    assert not bench.started and state_of(bench) == "unconfigured"
    said = capfd.readouterr().err
    assert "configure failed" in said and reason in said and "Traceback" not in said


def test_parameters_carry_description_and_range(bench):
    from rcl_interfaces.srv import DescribeParameters, ListParameters

    from refit_ros.node.parameters import table

    bench.start(fake_model(), activate=False)
    names = [entry.name for entry in table()]
    assert len(names) == len(set(names))
    assert {
        "cameras",
        "image_topic",
        "camera_info_topic",
        "image_transport",
        "sync_slop_s",
        "camera_timeout_s",
        "fixed_frame",
        "weights",
        "body_model",
        "device",
        "precision",
        "iterations",
        "latency_budget_ms",
        "warm_start",
        "detector",
        "max_people",
        "smoothing",
        "publish_mesh",
        "autostart",
    } <= set(names)
    answer = bench.call(DescribeParameters, "/refit/describe_parameters", DescribeParameters.Request(names=names))
    for entry, descriptor in zip(table(), answer.descriptors):
        assert descriptor.name == entry.name and descriptor.description
        ranges = [*descriptor.floating_point_range, *descriptor.integer_range]
        assert bool(ranges) == (entry.metadata["minimum"] is not None)
    listed = bench.call(ListParameters, "/refit/list_parameters", ListParameters.Request())
    assert set(names) <= set(listed.result.names)


def test_a_choice_that_does_not_exist_is_refused_when_set(bench):
    from rclpy.parameter import Parameter

    bench.start(fake_model(), activate=False)
    result = bench.node.set_parameters([Parameter("detector", value="psychic")])[0]
    assert not result.successful and "builtin" in result.reason
    assert bench.node.set_parameters([Parameter("detector", value="full_image")])[0].successful
    assert not bench.node.set_parameters([Parameter("sync_slop_s", value=-1.0)])[0].successful


def test_activate_that_fails_opens_nothing_and_can_be_tried_again(bench, capfd, monkeypatch):
    node = bench.start(fake_model(), activate=False)
    create = node.create_subscription

    def once_not(kind, topic, *rest, **options):
        if topic.endswith("camera_info"):
            monkeypatch.undo()
            raise RuntimeError("there is no memory for it")
        return create(kind, topic, *rest, **options)

    monkeypatch.setattr(node, "create_subscription", once_not)
    assert change(bench, "configure") and not change(bench, "activate")
    assert state_of(bench) == "inactive" and "activate failed" in capfd.readouterr().err
    bench.wait(lambda: not subscribed(bench), "everything to be closed again")
    assert change(bench, "activate")


def test_a_parameter_set_too_late_is_said_to_wait_for_configure(bench, capfd):
    from rclpy.parameter import Parameter

    node = bench.start(fake_model(), activate=False)
    assert node.set_parameters([Parameter("smoothing", value=0.25)])[0].successful
    assert "configured anew" not in capfd.readouterr().err
    bench.within_spin(node.trigger_configure)
    assert node.set_parameters([Parameter("smoothing", value=0.75)])[0].successful
    assert "smoothing: takes effect when the node is configured anew" in capfd.readouterr().err


def test_rclpy_is_mended_only_where_it_needs_it():
    """As its `__change_state` is before and after pull request 1319 of ros2/rclpy."""
    from refit_ros.node.transitions import refuses_illegal_transitions

    def raises(self):
        self.trigger()

    def catches(self):
        try:
            self.trigger()
        except self.implementation.RCLError:
            return None

    before, after = (type("Mixin", (), {"_LifecycleNodeMixin__change_state": change}) for change in (raises, catches))
    assert not refuses_illegal_transitions(before) and refuses_illegal_transitions(after)
    assert not refuses_illegal_transitions(object)  # another rclpy: better guarded twice than not at all
