"""Landmarks first, then features from there: whose pose it is, in which frame, and what is masked of others."""

import dataclasses

import numpy as np
import pytest
import torch
from told_landmarks import Watching

from refit_ros.camera.camera_rows import CameraRows
from refit_ros.camera.views import View, usable
from refit_ros.core.body import load_body
from refit_ros.core.checkpoint import (
    EMBEDDED_WEIGHTS,
    embedded_keypoint_weights,
    load_network,
    untrained_network,
)
from refit_ros.core.config import SMALL
from refit_ros.core.keypoints import LANDMARKS
from refit_ros.core.rotations import rotmat_from_axis_angle
from refit_ros.estimation.closer_look import CloserLook
from refit_ros.estimation.keypoint_estimator import KeypointEstimator
from refit_ros.estimation.keypoint_refine import Bodies
from refit_ros.estimation.keypoint_sightings import Sighting
from refit_ros.estimation.keypoints import KeypointSolver
from refit_ros.estimation.settings import Settings
from refit_ros.evaluation.sequences import plans_named, render_sequence
from refit_ros.synthetic.cameras import ring_of_cameras


@pytest.fixture(scope="module")
def features():
    return untrained_network(SMALL, load_body())


def ring(count):
    image = np.full((480, 640, 3), 200, np.uint8)
    return usable([View(image, calibration, 0.0, pose) for calibration, pose in ring_of_cameras(count)], True)[0]


def bodies_at(network, places_m, seed=0):
    """People in some pose, upright in a fixed frame whose z points up."""
    generator = torch.Generator().manual_seed(seed)
    count = len(places_m)
    rotmats = rotmat_from_axis_angle(0.3 * torch.randn(count, 24, 3, generator=generator))
    rotmats[:, 0] = torch.tensor([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]]) @ rotmats[:, 0]
    betas = torch.randn(count, 10, generator=generator)
    landmarks, joints = network.landmark_body(betas, rotmats)
    transl = torch.tensor(places_m) - joints[:, 0]
    landmarks, joints = landmarks + transl[:, None], joints + transl[:, None]
    return Bodies(*(value.double().numpy() for value in (betas, rotmats, transl, landmarks, joints)))


@pytest.fixture(scope="module")
def two():
    return bodies_at(untrained_network(LANDMARKS, load_body()), [[-0.6, 0.2, 1.0], [0.7, -0.1, 0.9]])


def test_without_an_update_it_gives_back_the_bodies_in_their_own_frame(features, two):
    cameras = CameraRows.of([camera for camera in ring(3) for _ in (0, 1)])[[0, 2, 1, 3, 5]]
    person = np.array([0, 0, 1, 1, 1])
    betas, rotmats = CloserLook(features, 0)(two, cameras, person, np.full((2, 10), np.nan))
    assert np.abs(betas - two.betas).max() < 1e-5 and np.abs(rotmats - two.rotmats).max() < 1e-4


def test_a_shape_that_is_known_is_kept(features, two):
    held = np.stack([np.full(10, np.nan), np.linspace(-1, 1, 10)])
    cameras = CameraRows.of([ring(2)[0]] * 2)
    betas, _ = CloserLook(features, 3)(two, cameras, np.array([0, 1]), held)
    assert np.abs(betas[1] - held[1]).max() < 1e-6 and np.abs(betas[0] - two.betas[0]).max() > 1e-3


def test_others_are_masked_where_they_stand_and_nobody_in_another_image(features, two, monkeypatch):
    shown = []
    encode = features.encode
    monkeypatch.setattr(features, "encode", lambda images: shown.append(images.clone()) or encode(images))
    side, across = ring(4)[:2]
    look = CloserLook(features, 0)
    near = dataclasses.replace(two, **moved_together(two))
    look(near, CameraRows.of([side, side]), np.array([0, 1]), np.full((2, 10), np.nan))
    look(near, CameraRows.of([side, across]), np.array([0, 1]), np.full((2, 10), np.nan))
    grey = [(images == 0).all(1).flatten(1).any(1) for images in shown]
    assert grey[0].all() and not grey[1].any()


def moved_together(two):
    """The second one beside the first."""
    off = two.joints[0, 0] + [0.35, 0.35, 0] - two.joints[1, 0]
    moved = {}
    for name in ("transl", "landmarks", "joints"):
        moved[name] = getattr(two, name).copy()
        moved[name][1] += off
    return moved


def test_an_image_that_is_elsewhere_is_told(features, two):
    cameras = CameraRows.of([dataclasses.replace(ring(2)[0], image=None)] * 2)
    with pytest.raises(ValueError, match="another machine"):
        CloserLook(features, 1)(two, cameras, np.array([0, 1]), np.full((2, 10), np.nan))


@pytest.mark.skipif(not EMBEDDED_WEIGHTS.is_file(), reason="without embedded weights poses mean nothing")
def test_one_camera_puts_drawn_people_nearer_to_the_truth_than_by_landmarks_alone():
    body = load_body()
    network = load_network(embedded_keypoint_weights(body), body=body)
    solver = KeypointSolver(network, closer=CloserLook(load_network(), 5))
    (plan,) = plans_named(["one walking"])
    sequence = render_sequence(dataclasses.replace(plan, cameras=2, length_s=2.0), seed=3, rate_hz=3)
    errors = {False: [], True: []}
    dice = np.random.default_rng(0)
    for _, views, (person,) in sequence.sets():
        turns = np.concatenate([person.global_orient[None], person.body_pose])
        rotmats = rotmat_from_axis_angle(torch.from_numpy(turns).float())[None]
        betas, transl = (torch.from_numpy(values).float()[None] for values in (person.betas, person.transl))
        landmarks_m = network.landmark_body(betas, rotmats, transl)[0][0, :33].double().numpy()
        for camera in usable(views, True)[0]:
            px = camera.calibration.project(camera.to_camera(landmarks_m))
            off = dice.normal(0, 0.01 * np.ptp(px, axis=0).max(), px.shape)
            sighting = Sighting(camera, px + off, np.full(33, 0.9))
            for closely, each in errors.items():
                (found,) = solver.fit([[sighting]], closely=closely)
                each.append(np.linalg.norm(found.joints - person.joints, axis=1).mean())
    assert np.mean(errors[True]) < 0.85 * np.mean(errors[False])


def test_weights_that_give_no_numbers_publish_nothing():
    body = load_body()
    network, features = untrained_network(LANDMARKS, body), untrained_network(SMALL, body)
    with torch.no_grad():
        features.decoder.last_bias.fill_(float("nan"))
    watching = Watching(network, [[0.0, 0, 5]])
    settings = Settings(detector="topic", birth_hits=1)
    estimator = KeypointEstimator(network, watching, settings, closer=CloserLook(features, 2))
    people = estimator.estimate(watching.views(0.0)[:1])
    assert people.people == () and "not finite" in people.left_out["camera0"]
