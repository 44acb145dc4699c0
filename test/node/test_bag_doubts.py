"""What the images of a bag say against its cameras is told when it comes up, at the end, and when the bag is found done."""

from __future__ import annotations

from dataclasses import replace

import pytest

pytest.importorskip("rosbags.rosbag2", reason="rosbags is not installed")

from node_fakes import fake_model  # noqa: E402
from test_recording import write_bag  # noqa: E402

from refit_ros.__main__ import main  # noqa: E402
from refit_ros.commands import bag  # noqa: E402
from refit_ros.node.bag_origin import doubt_of  # noqa: E402

RIG = "the rays do not meet: °C, [a: b], 'c' " + "and so on " * 12
MOVED = "camera right: its view disagrees with the others' from 0.1 s on: has it been moved since its calibration?"


@pytest.mark.parametrize("rig, moved", [(RIG, ()), ("", ("right",)), (RIG, ("right",)), ("", ())])
def test_it_is_told_once_in_the_last_line_and_with_resume(rig, moved, tmp_path, monkeypatch, capsys):
    source, output = write_bag(tmp_path / "in", ["left", "right"]), tmp_path / "out"  # six sets, 33 ms apart
    model = fake_model()
    estimate, doubts = model.estimator.estimate, iter([("", ()), ("", ()), *[(rig, moved)] * 2, ("", ()), ("", ())])

    def doubting(views):
        doubt, moved_cameras = next(doubts)
        return replace(estimate(views), doubt=doubt, moved_cameras=moved_cameras)

    monkeypatch.setattr(model.estimator, "estimate", doubting)
    monkeypatch.setattr(bag, "_model", lambda *_: model)
    command = ["bag", str(source), "--output", str(output), "--fixed-frame", "map"]
    assert main(command) == 0
    expected = "; ".join(filter(None, (rig, *([MOVED] if moved else []))))
    told = capsys.readouterr()
    ending = f"; {expected}" if expected else ""
    assert told.out.splitlines()[-1].endswith(f"-> {output}{ending}")
    assert told.err.count("has it been moved") == bool(moved) and told.err.count("the rays do not meet") == bool(rig)
    assert doubt_of(output) == expected
    assert main([*command, "--resume"]) == 0
    assert capsys.readouterr().out.strip().endswith(f"with these options{ending}".strip())


def test_where_there_is_no_bag_nothing_is_doubted(tmp_path):
    assert doubt_of(tmp_path) is None
