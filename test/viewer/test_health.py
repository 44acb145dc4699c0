"""What the node says of itself as a whole stands on the page: figures, complaints, and each camera's state over time."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from refit_ros.viewer.health import Health
from refit_ros.viewer.scene import Scene

WELL, WARNING = b"\0", b"\1"
TOO_SLOW = "9.8 sets/s; 20.1 more were replaced by newer ones: too many for this machine"


def status(name: str, level: bytes, text: str, **values: str):
    return SimpleNamespace(
        name=name,
        level=level,
        message=text,
        values=[SimpleNamespace(key=key.replace("_", " "), value=value) for key, value in values.items()],
    )


def pipeline(level: bytes = WARNING, text: str = TOO_SLOW, node: str = "/refit"):
    told = status(f"{node}: pipeline", level, text, sets_computed="98", sets_per_second="9.80", device="cpu")
    told.values += [
        SimpleNamespace(key=key, value=value)
        for key, value in {"latency p50 [ms]": "101.0", "latency p95 [ms]": "140.2", "sets failed": "0"}.items()
    ]
    return told


def said(*statuses):
    return SimpleNamespace(status=list(statuses))


def test_the_pipeline_s_figures_and_complaint_are_shown_and_grow_old():
    scene = Scene(lambda target, source: None, None)
    scene.take_diagnostics(said(pipeline()), 10.0)
    state = scene.state(10.5)
    assert state.figures == "9.80 sets/s, latency 101.0 / 140.2 ms (p50 / p95), 0 failed, cpu"
    assert state.notes[0] == f"/refit: {TOO_SLOW}"
    scene.take_diagnostics(said(pipeline(WELL, "30.0 sets/s")), 11.0)
    state = scene.state(11.5)
    assert not any(note.startswith("/refit") for note in state.notes) and state.figures
    later = scene.state(14.5)
    assert not later.figures, "a node that has died says nothing of now"


def test_several_nodes_are_told_apart_and_strangers_are_not_taken():
    health = Health()
    edge = status("/edge_left: edge", WARNING, "no image came within the last second", questions_answered="3", images="9")
    stranger = status("/planner: pipeline", WARNING, "stuck", plans="3")
    assert not health.take(said(pipeline(WELL), edge, stranger), 0.0)
    paragraphs = health.figures(0.0).split("\n\n")
    assert paragraphs[0] == "/edge_left: no image came within the last second"
    assert paragraphs[1].startswith("/refit: 9.80 sets/s")
    assert health.complaints(0.0) == ["/edge_left: no image came within the last second"]


def test_a_camera_s_state_over_the_last_minute():
    health = Health()
    for now_s, level in ((0.0, WELL), (50.0, b"\2"), (100.0, 1)):
        camera = status("/refit: camera left", level, "", state="live", images_per_second="no number")
        assert [each.name for each in health.take(said(camera), now_s)] == ["left"]
    plots = health.plots(100.0)
    np.testing.assert_allclose(plots.levels["left"], [[-50, 2], [0, 1]])
    np.testing.assert_allclose(plots.rates["left"], [[-50, 0], [0, 0]])


def test_they_stand_on_the_page():
    pytest.importorskip("viser", reason="viser is not installed (pip install viser)")
    from refit_ros.viewer.program import make_viewer
    from refit_ros.viewer.server import LOCAL_HOST, start_server, stop_server

    server = start_server(LOCAL_HOST, 0)
    try:
        viewer = make_viewer(server, lambda target, source: None, None, lambda number, ending: ("", b""))
        for now_s, level in ((0.0, WELL), (1.0, b"\2")):
            camera = status("/refit: camera left", level, "", state="live", images_per_second="30")
            viewer.scene.take_diagnostics(said(pipeline(), camera), now_s)
        viewer.step(1.0, 1.0)
        panel = viewer.panel
        assert TOO_SLOW in panel._notes.content and panel._figures.content.startswith("9.80 sets/s")
        (_, levels) = panel._plots._of_cameras["State: 0 well, 1 warning, 2 error"].data
        np.testing.assert_array_equal(levels, [0, 2])
    finally:
        stop_server(server)
