"""The status of the pipeline says what is wrong with cameras that cannot stand as they say."""

from types import SimpleNamespace

import pytest

diagnostics = pytest.importorskip("refit_ros.node.diagnostics")
Tally = pytest.importorskip("refit_ros.node.tally").Tally


@pytest.mark.parametrize("doubt", ["", "the cameras' poses seem to be inverted"])
def test_a_doubt_is_told_as_long_as_it_lasts(doubt):
    tally = Tally()
    intake = SimpleNamespace(cameras=(), builder=SimpleNamespace(restarts=0))
    model = SimpleNamespace(device="cpu", weights="", body=SimpleNamespace(name="body"))
    told = diagnostics.Diagnostics("refit", model, intake, tally, None, SimpleNamespace(came=0, used=0))
    tally.sets, tally.images, tally.doubt = 3, 6, doubt
    (status,) = told.message(0).status
    assert status.message.endswith(f"; {doubt}" if doubt else " sets/s")
    assert status.level == (diagnostics.WARN if doubt else diagnostics.OK)
