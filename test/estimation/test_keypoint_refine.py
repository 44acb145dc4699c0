"""The last step of a fit to landmarks: nearer to what is seen, no farther than that from what was known."""

import numpy as np
import torch

from refit_ros.camera.views import Camera
from refit_ros.core.body import load_body
from refit_ros.core.landmark_body import LandmarkBody
from refit_ros.core.rotations import rotmat_from_axis_angle
from refit_ros.estimation.keypoint_refine import Bodies, Refiner, Watched
from refit_ros.synthetic.cameras import ring_of_cameras
from refit_ros.synthetic.pose_prior import sample_poses

BODY = LandmarkBody(load_body())


def posed(betas, rotmats):
    values = BODY(torch.from_numpy(betas).float(), torch.from_numpy(rotmats).float())
    return tuple(value.double().numpy() for value in values)


def bodies_of(betas, rotmats, transl):
    landmarks, joints = posed(betas, rotmats)
    return Bodies(betas, rotmats, transl, landmarks + transl[:, None], joints + transl[:, None])


def truth(people=2):
    rotmats = rotmat_from_axis_angle(sample_poses(torch.Generator().manual_seed(4), people, "test")).double().numpy()
    rotmats[:, 0] = [[1.0, 0, 0], [0, 0, -1], [0, 1, 0]] @ rotmats[:, 0]
    betas = np.linspace(-1, 1, 10) * np.arange(1, people + 1)[:, None] / people
    return bodies_of(betas, rotmats, np.tile([0.2, -0.1, 1.1], (people, 1)))


def watched(bodies, views):
    """views: how many cameras see each."""
    cameras = [Camera(None, lens, 0.0, pose, None) for lens, pose in ring_of_cameras(4)]
    own = [camera for count in views for camera in cameras[:count]]
    person = np.repeat(np.arange(len(views)), views)
    places = [
        camera.calibration.project_square(camera.to_camera(bodies.landmarks[number])) for camera, number in zip(own, person)
    ]
    return Watched(
        np.cumsum([0, *views])[:-1],
        np.stack(places),
        np.ones((len(own), len(places[0]))),
        np.full(len(own), 3.0),
        np.stack([camera.rotation for camera in own]),
        np.stack([camera.fixed_from_camera[:3, 3] for camera in own]),
        np.array([camera.calibration.focal_px for camera in own]),
        np.stack([camera.calibration.principal_px for camera in own]),
    )


def spoilt(true, betas=0.0):
    """The same people, elbows and knees bent by another 0.2 rad, and 10 cm beside."""
    rotmats = true.rotmats.copy()
    bent = rotmat_from_axis_angle(torch.tensor([0.2, 0.0, 0.0])).double().numpy()
    rotmats[:, [4, 5, 18, 19]] = bent @ rotmats[:, [4, 5, 18, 19]]
    return bodies_of(true.betas + betas, rotmats, true.transl + 0.1)


def off_m(bodies, true):
    return np.linalg.norm(bodies.joints - true.joints, axis=2).mean(1)


def test_a_body_goes_to_where_its_landmarks_are_seen():
    true = truth()
    guess, seen = spoilt(true), watched(true, [1, 3])
    found = Refiner(BODY, posed).refined(guess, seen, np.zeros(2, bool))
    assert (off_m(found, true) < [0.03, 0.01]).all() and (off_m(guess, true) > 0.15).all()
    assert (found.betas == guess.betas).all()
    before, after = (seen.residual_px(each.landmarks) for each in (guess, found))
    assert (after < 0.1 * before).all()
    joints = posed(found.betas, found.rotmats)[1] + found.transl[:, None]
    assert np.abs(joints - found.joints).max() < 1e-6, "what is given is one body"


def test_several_views_tell_the_shape_of_who_is_free():
    true = truth()
    guess, seen = spoilt(true, betas=0.8), watched(true, [3, 3])
    found = Refiner(BODY, posed).refined(guess, seen, np.array([True, False]))
    assert np.abs(found.betas - true.betas)[0].mean() < 0.6 and (found.betas[1] == guess.betas[1]).all()
    assert off_m(found, true)[0] < off_m(found, true)[1]


def test_what_is_not_seen_stays_as_it_was_known():
    true = truth(1)
    guess, seen = spoilt(true), watched(true, [3])
    seen.weight[:] = 0
    found = Refiner(BODY, posed).refined(guess, seen, np.ones(1, bool))
    assert np.abs(found.joints - guess.joints).max() < 1e-6


def test_a_wild_landmark_moves_nobody():
    true = truth(1)
    seen = watched(true, [3])
    plain = Refiner(BODY, posed).refined(true, seen, np.zeros(1, bool))
    seen.place_px[1, [15, 27]] += 90
    found = Refiner(BODY, posed).refined(true, seen, np.zeros(1, bool))
    assert np.abs(found.joints - plain.joints).max() < 0.01
