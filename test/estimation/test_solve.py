"""The solver keeps nothing between calls: what was encoded can be solved whenever, whatever was encoded since."""

from __future__ import annotations

import numpy as np
from oracle import Actor, Oracle, Stage, encoded, ring

from refit_ros.camera.crops import square_around
from refit_ros.camera.views import usable
from refit_ros.estimation.solve import Crop, Prior, Solver


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
