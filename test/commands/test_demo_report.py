"""What the demo makes of what it measured, without running anything."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed")

from refit_ros.commands import demo  # noqa: E402
from refit_ros.node.comparison import Comparison  # noqa: E402
from refit_ros.node.harness import Measured  # noqa: E402

NAN = float("nan")
IMAGE = np.zeros((48, 64, 3), np.uint8)


def measured(**changes) -> Measured:
    whole = Measured(
        start_s=3.0,
        seconds=2.0,
        frames_in=60,
        frames_out=58,
        latency_ms=np.linspace(20, 40, 58),
        arrival_ms=np.linspace(22, 42, 58),
        true_people=1,
        people_seen=1.0,
        node_cpu_s=1.0,
        cameras_cpu_s=0.1,
        markers=58,
        tf=58,
        frame_id="world",
        comparison=Comparison(58, 0, 0, 0, 70.0, 50.0, 90.0),
        diagnostics={"/refit: pipeline": {"level": 0, "message": "", "values": {"weights": "embedded"}}},
        overlays=({"camera1": IMAGE, "camera2": IMAGE + 200},),
        exit_codes={"node": 0, "cameras": 0},
    )
    return replace(whole, **changes)


@pytest.fixture
def args():
    parser = argparse.ArgumentParser()
    demo.add_arguments(parser)
    return parser.parse_args(["--cameras", "2"])


def test_the_report_holds_the_promised_keys_as_json(args):
    report = demo.report_from(measured(), args, trained=True)
    assert {
        "cameras",
        "people",
        "frames_in",
        "frames_out",
        "fps",
        "latency_ms_p50",
        "latency_ms_p95",
        "mpjpe_mm",
        "pa_mpjpe_mm",
        "machine",
        "versions",
        "id_switches",
    } <= set(report)
    assert (report["cameras"], report["people"], report["fps"]) == (2, 1, 29.0)
    assert report["latency_ms_p50"] == pytest.approx(30) and report["latency_ms_p95"] == pytest.approx(39)
    assert json.loads(json.dumps(report, allow_nan=False)) == report


def test_a_busy_machine_is_told(args):
    report = demo.report_from(measured(others_share=0.6125), args, trained=True)
    assert report["others_share_of_processor"] == pytest.approx(0.6125, abs=1e-3)
    assert "61 %" in demo.note_on_others(0.6125) and "busy" in demo.note_on_others(0.6125)
    assert demo.note_on_others(0.05) == demo.note_on_others(None) == ""


def test_what_could_not_be_measured_is_null(args):
    report = demo.report_from(measured(comparison=Comparison(0, 58, 0, 0, NAN, NAN, NAN)), args, trained=True)
    assert report["mpjpe_mm"] is None and report["missed"] == 58
    json.dumps(report, allow_nan=False)


@pytest.mark.parametrize(
    "changes, words",
    [
        ({}, None),
        ({"comparison": Comparison(0, 58, 0, 0, NAN, NAN, NAN)}, "nobody was found"),
        ({"frames_out": 3}, "only 3 of 60"),
        ({"overlays": ({"camera1": IMAGE},)}, "an overlay image did not come"),
        ({"tf": 0}, "neither TF nor markers"),
        ({"diagnostics": {}}, "diagnostics is silent"),
        ({"latency_ms": np.full(58, 90.0)}, "longer than it did"),
    ],
)
def test_what_is_not_well_is_said(changes, words):
    problem = demo.what_is_not_well(measured(**changes), cameras=2, trained=True)
    assert problem is None if words is None else words in problem


def test_untrained_weights_are_known_by_the_nodes_own_word():
    untrained = {"/refit: pipeline": {"level": 0, "message": "", "values": {"weights": "untrained"}}}
    assert demo.weights_are_trained(measured()) and not demo.weights_are_trained(measured(diagnostics=untrained))
    nobody = measured(comparison=Comparison(0, 58, 0, 0, NAN, NAN, NAN))
    assert demo.what_is_not_well(nobody, cameras=2, trained=False) is None, "untrained weights need not find anybody"


def test_images_go_on_one_sheet(tmp_path):
    demo.write_images(measured(overlays=({"camera2": IMAGE + 200, "camera1": IMAGE},) * 3), tmp_path)
    sheet = cv2.imread(str(tmp_path / "overlays.png"))
    assert sheet.shape == (3 * 48, 2 * 64, 3)
    assert sheet[:, :64].max() == 0 and sheet[:, 64:].min() == 200
    assert len(list(tmp_path.glob("overlay_?_camera?.png"))) == 6
