"""From sightings to bodies in the fixed frame, with a network that says the truth."""

import dataclasses

import numpy as np
import pytest
import torch

from refit_ros.camera.views import Camera
from refit_ros.core.body import load_body
from refit_ros.core.camera import weak_perspective_from_transl
from refit_ros.core.checkpoint import untrained_network
from refit_ros.core.keypoints import LANDMARKS, about_hips
from refit_ros.core.landmarks import layout_indices
from refit_ros.core.rotations import rotmat_from_axis_angle
from refit_ros.core.types import Estimate, Fit
from refit_ros.estimation.keypoint_sightings import Sighting, camera_from_ray
from refit_ros.estimation.keypoints import MOST_VIEWS, KeypointSolver
from refit_ros.estimation.smooth import Shape
from refit_ros.synthetic.cameras import ring_of_cameras
from refit_ros.synthetic.pose_prior import sample_poses


class Truth:
    """A posed body before cameras, its perfect sightings, and a network that knows it."""

    def __init__(self, cameras=3, layout="blazepose"):
        self.network = untrained_network(LANDMARKS, load_body())
        self.rotmats = rotmat_from_axis_angle(sample_poses(torch.Generator().manual_seed(4), 1, "test"))
        upright = torch.tensor([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
        self.rotmats[:, 0] = upright @ self.rotmats[:, 0]
        self.betas, self.transl = torch.linspace(-1, 1, 10)[None], torch.tensor([[0.2, -0.1, 1.1]])
        landmarks, joints = self.network.landmark_body(self.betas, self.rotmats, self.transl)
        self.landmarks, self.joints = landmarks[0].double().numpy(), joints[0].double().numpy()
        self.cameras = [
            Camera(np.zeros((480, 640, 3), np.uint8), calibration, 0.0, pose, None)
            for calibration, pose in ring_of_cameras(cameras)
        ]
        self.which = layout_indices(layout)
        self.sightings = [
            Sighting(
                camera,
                camera.calibration.project(camera.to_camera(self.landmarks))[self.which],
                np.ones(len(self.which)),
                layout,
            )
            for camera in self.cameras
        ]
        self.asked = None
        self.network.fit = self.fit

    def fit(self, evidence, crops, views=None, betas=None, start=None, iterations=None):
        self.asked = evidence
        turned = views.camera_from_world
        rotmats = self.rotmats.repeat(len(crops), 1, 1, 1)
        rotmats[:, 0] = turned @ rotmats[:, 0]
        root = self.network.body.rest_joints(self.betas)
        asked = [c for c in self.cameras if (np.abs(turned.numpy() - c.rotation).max((1, 2)) < 1e-5).any()]
        inside = np.concatenate([camera.to_camera(self.joints[:1]) for camera in asked])
        transl = torch.from_numpy(inside).float() - root[:, 0]
        estimate = Estimate(rotmats, self.betas.repeat(len(crops), 1), weak_perspective_from_transl(transl, crops), transl)
        return Fit(estimate, (estimate,))


def asked_for(network, sightings):
    """The evidence that the solver's copy of the network was given."""
    solver = KeypointSolver(network)
    solver.fit([sightings])
    return solver.network.fit.__self__.asked


@pytest.mark.parametrize("cameras", [1, 2, 3])
@pytest.mark.parametrize("layout", ["blazepose", "coco", "halpe"])
def test_a_body_comes_to_stand_where_its_landmarks_are(cameras, layout):
    truth = Truth(cameras, layout)
    (body,) = KeypointSolver(truth.network).fit([truth.sightings])
    assert np.abs(body.joints - truth.joints).max() < 2e-3 and np.abs(body.transl - truth.transl[0].numpy()).max() < 2e-3
    assert np.abs(body.rotmats - truth.rotmats[0].numpy()).max() < 1e-5
    assert body.weak_perspective.shape == (cameras, 3) and body.residual_px.max() < 0.5
    for box, sighting in zip(body.box_px, truth.sightings):
        assert (sighting.place_px >= box[:2]).all() and (sighting.place_px <= box[2:]).all()


def test_evidence_is_what_was_seen_and_nothing_else():
    truth = Truth(3, "coco")
    evidence, absent = asked_for(truth.network, truth.sightings), np.setdiff1d(np.arange(LANDMARKS.markers), truth.which)
    assert (evidence.visibility[:, truth.which] == 1).all() and (evidence.visibility[:, absent] == 0).all()
    turned = torch.from_numpy(np.stack([camera.rotation for camera in truth.cameras])).float()
    offset_m = about_hips(torch.from_numpy(truth.landmarks).float()) @ turned.mT
    assert (evidence.offset_m - offset_m)[:, truth.which].abs().max() < 2e-3
    assert (evidence.quality[:, absent] == 0).all()


def test_a_wild_landmark_in_one_camera_moves_nobody():
    truth = Truth(3)
    wild = truth.sightings[1].place_px.copy()
    wild[[15, 27]] += 90
    truth.sightings[1] = dataclasses.replace(truth.sightings[1], place_px=wild)
    (body,) = KeypointSolver(truth.network).fit([truth.sightings])
    assert np.abs(body.joints - truth.joints).max() < 0.04


def test_places_in_3d_of_one_image_are_turned_onto_the_ray():
    direction = np.array([0.4, -0.2])
    turned = camera_from_ray(direction[None])[0]
    ray = np.array([0.4, -0.2, 1.0])
    assert np.allclose(turned @ [0, 0, 1], ray / np.linalg.norm(ray)) and np.allclose(turned @ turned.T, np.eye(3))
    truth = Truth(1)
    offset_m = np.zeros((33, 3))
    offset_m[:, 2] = 1.0
    asked = asked_for(truth.network, [dataclasses.replace(truth.sightings[0], offset_m=offset_m)])
    assert torch.allclose(asked.offset_m[0, :33].norm(dim=-1), torch.ones(33), atol=1e-5)
    assert torch.allclose(asked.quality[0, :33], torch.full((33,), 0.4))


def test_several_people_with_different_numbers_of_cameras_are_one_batch():
    network = untrained_network(LANDMARKS, load_body())
    truth = Truth(3)
    bodies = KeypointSolver(network).fit([truth.sightings, truth.sightings[:1], truth.sightings[1:]])
    alone = KeypointSolver(network).fit([truth.sightings[:1]])[0]
    assert [len(body.residual_px) for body in bodies] == [3, 1, 2]
    assert np.abs(bodies[1].betas - alone.betas).max() < 1e-4 and np.isfinite(bodies[2].joints).all()
    assert KeypointSolver(network).fit([]) == []


def test_of_many_cameras_the_network_looks_at_the_clearest_and_the_rest_count_all_the_same():
    truth = Truth(MOST_VIEWS + 3)
    poor = {1, 4, 5}
    dim = [dataclasses.replace(each, visibility=each.visibility * 0.9) for each in truth.sightings]
    sightings = [dim[index] if index in poor else each for index, each in enumerate(truth.sightings)]
    asked = asked_for(truth.network, sightings)
    assert len(asked) == MOST_VIEWS and asked.visibility[:, truth.which].min() == 1, "those in which most is seen"
    (body,) = KeypointSolver(truth.network).fit([sightings])
    assert np.abs(body.joints - truth.joints).max() < 2e-3
    assert body.residual_px.shape == (MOST_VIEWS + 3,) and body.residual_px.max() < 0.5
    assert body.weak_perspective.shape == (MOST_VIEWS + 3, 3) and len(body.box_px) == MOST_VIEWS + 3
    wrong = [
        dataclasses.replace(each, visibility=each.visibility * 0.9, place_px=each.place_px + [8, 0])
        for each in truth.sightings
    ]
    mixed = [wrong[index] if index in poor else each for index, each in enumerate(sightings)]
    (moved,) = KeypointSolver(truth.network).fit([mixed])
    assert 2e-3 < np.abs(moved.joints - truth.joints).max() < 0.1, "views that the network does not see are heard"


def test_crops_cameras_are_told_of_the_body_that_is_given():
    truth = Truth(2)
    (body,) = KeypointSolver(truth.network).fit([truth.sightings])
    for view, (camera, box) in enumerate(zip(truth.cameras, body.box_px)):
        scale, x_m, y_m = body.weak_perspective[view]
        lens, root = camera.calibration, body.joints[0] - body.transl
        depth_m = 2 * lens.focal_px / (scale * (box[2] - box[0]))
        off_m = (box[:2] + box[2:] - 2 * lens.principal_px) / (scale * (box[2] - box[0]))
        assert np.allclose(root + [x_m + off_m[0], y_m + off_m[1], depth_m], camera.to_camera(body.joints[0]), atol=2e-3)


def test_bad_sightings_are_told():
    truth = Truth(1)
    good, solver = truth.sightings[0], KeypointSolver(truth.network)
    for change, told in (
        ({"layout": "coco"}, "layout 'coco' means"),
        ({"layout": "mpii"}, "'mpii' is unknown"),
        ({"place_px": np.full((33, 2), np.nan)}, "not finite"),
        ({"visibility": np.zeros(33)}, "no landmark"),
        ({"offset_m": np.zeros((33, 2))}, "offset_m has shape"),
    ):
        with pytest.raises(ValueError, match=told):
            solver.fit([[dataclasses.replace(good, **change)]])
    with pytest.raises(ValueError, match="no sighting"):
        solver.fit([[good], []])


def test_what_was_learned_of_a_shape_is_the_mean_with_what_is_seen():
    network = untrained_network(LANDMARKS, load_body())
    truth, solver = Truth(2), KeypointSolver(network)
    (alone,) = solver.fit([truth.sightings])
    learned = Shape(np.full(10, 2.0), weight=6.0)
    (body,) = solver.fit([truth.sightings], shapes=[learned])
    assert np.allclose(body.betas, learned.mean_with(alone.betas, 2.0)) and np.allclose(
        body.own_betas, alone.betas, atol=1e-4
    )
    joints_m = network.body.joints(*(torch.from_numpy(value[None]).float() for value in (body.betas, body.rotmats)))
    assert np.abs(joints_m[0].numpy() + body.transl - body.joints).max() < 1e-4, (
        "the body is that of the shape it is given with"
    )
