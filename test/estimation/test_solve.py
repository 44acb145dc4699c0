"""The solver keeps nothing between calls: what was encoded can be solved whenever, whatever was encoded since."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from oracle import Actor, Oracle, Stage, encoded, ring

from refit_ros.camera.crops import square_around
from refit_ros.camera.views import usable
from refit_ros.detection.protocol import FullImage
from refit_ros.estimation.eyes import LocalEyes
from refit_ros.estimation.solve import Crop, Prior, Solver
from refit_ros.estimation.view_evidence import Expectation, Search


def test_two_sets_at_once_do_not_mix():
    stage = Stage([Actor((0, 0), seed=1)], ring(2))
    cameras, _ = usable(stage.views(0.0), several=True)
    solver = Solver(Oracle(stage, 0, 0, 0))
    planned = [Crop(index, square_around(camera.boxes.xyxy_px[0])) for index, camera in enumerate(cameras)]
    first = encoded(solver, cameras, planned)
    solver.network.rng = np.random.default_rng(0)  # the same noise both times
    (before,) = solver.together(first, [[0, 1]], [Prior()], 2)
    encoded(solver, cameras, [Crop(1, planned[1].square)])
    solver.network.rng = np.random.default_rng(0)
    (after,) = solver.together(first, [[0, 1]], [Prior()], 2)
    np.testing.assert_array_equal(before[0].joints_m, after[0].joints_m)
    assert [view.crop.camera for view in after] == [0, 1]
    assert encoded(solver, cameras, []).features is None and solver.alone(first, [], 2) == []


def test_what_is_not_there_is_refused_by_name():
    stage = Stage([Actor((0, 0), seed=1)], ring(1))
    (camera,), _ = usable(stage.views(0.0), several=True)
    solver = Solver(Oracle(stage, 0, 0, 0))
    with pytest.raises(ValueError, match="1 crops were planned"):
        solver.encoded([camera], [Crop(0, square_around(camera.boxes.xyxy_px[0]))], None)
    empty = solver.encoded([camera], [], None)
    with pytest.raises(IndexError, match="no crops"):
        empty.of([0])


def test_an_image_that_is_elsewhere_is_not_looked_at_here():
    (view,) = Stage([Actor((0, 0), seed=1)], ring(1)).views(0.0)
    cameras, _ = usable([replace(view, image=None)], several=True)
    eyes = LocalEyes({Search.DETECTOR: FullImage()})
    with pytest.raises(ValueError, match="cam0 is on another machine"):
        eyes.look(cameras, {0: Expectation(Search.DETECTOR)})
