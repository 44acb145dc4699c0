"""The scenes that nothing was tuned on show what their names say."""

import numpy as np
import pytest
import torch

from refit_ros.core.body import load_body
from refit_ros.synthetic.motion import Motion, Path
from refit_ros.synthetic.relay import Relay
from refit_ros.synthetic.scenes import named_scene


@pytest.fixture(scope="module")
def body():
    return load_body().eval()


def scene(name, body, **options):
    return named_scene(name, width_px=160, height_px=120, body=body, seed=100, **options)


def pelvises(it, until_s: float, step_s: float = 0.2) -> np.ndarray:
    """(T, N, 2) m on the floor."""
    return np.array([[person.joints[0, :2] for person in it.truth(t)] for t in np.arange(0, until_s, step_s)])


def gaps(places: np.ndarray) -> np.ndarray:
    """(T,) m between the two who are nearest to each other."""
    apart = np.linalg.norm(places[:, :, None] - places[:, None], axis=-1)
    return (apart + 9 * np.eye(apart.shape[1])).min((1, 2))


def seen(it, time_s: float, actor: int) -> int:
    """In how many images a third of somebody's joints lie."""
    joints = it.truth(time_s)[actor].joints
    return sum(calibration.sees((joints - pose[:3, 3]) @ pose[:3, :3]).mean() > 0.3 for calibration, pose in it.cameras)


@pytest.mark.parametrize("name, people, least_m", [("mingling", 4, 0.3), ("circling", 2, 0.4), ("crowd", 10, 0.25)])
def test_people_come_close_and_not_into_one_another(name, people, least_m, body):
    places = pelvises(scene(name, body), 4.0)
    assert places.shape[1] == people
    assert least_m < gaps(places).min() < 1.0


def test_one_circles_the_other(body):
    places = pelvises(scene("circling", body), 5.0)
    away = places[:, 1] - places[:, 0]
    turned = np.unwrap(np.arctan2(away[:, 1], away[:, 0]))
    assert abs(turned[-1] - turned[0]) > np.pi and np.ptp(places[:, 0], axis=0).max() < 0.2


def test_one_leaves_every_image_and_comes_back_elsewhere(body):
    it = scene("leaving", body)
    times = np.arange(0, 9, 0.25)
    views = np.array([seen(it, t, 0) for t in times])
    gone = np.flatnonzero(views == 0)
    assert len(gone) and views[: gone[0]].min() > 0 and views[gone[-1] + 1 :].size and views[gone[-1] + 1 :].max() >= 1
    assert 0.5 < times[gone[-1]] - times[gone[0]] < 5  # within the time in which an id is kept
    places = pelvises(it, 9, 0.25)[:, 0]
    assert np.linalg.norm(places[gone[0]] - places[gone[-1] + 1]) > 1.0
    assert min(seen(it, t, 1) for t in times[::4]) == len(it.cameras)  # the other one stays


def test_views_of_the_corridor_barely_overlap(body):
    it = scene("corridor", body)
    views = np.array([[seen(it, t, actor) for actor in (0, 1)] for t in np.arange(0, 6, 0.2)])
    assert views.min() >= 1 and 1.0 < views.mean() < 1.5


def test_two_in_the_same_clothes_meet_hug_and_part(body):
    it = scene("hugging", body)
    apart = gaps(pelvises(it, 6.5))
    assert apart[0] > 2 and apart[-1] > 1.5 and 0.25 < apart[13:21].max() < 0.6
    colors = it._outfits.colors
    assert len(colors) == 2 and torch.equal(colors[0], colors[1])
    assert not np.array_equal(it.actors[0].betas, it.actors[1].betas)


def test_a_relay_begins_each_motion_where_the_last_one_ended(body):
    betas = torch.zeros(10)
    first = Motion(body, betas, "walk", Path(), duration_s=4.0)
    relay = Relay(first, [(1.0, lambda place: Motion(body, betas, "stand", Path(place), duration_s=4.0))])
    times = torch.arange(0, 2, 0.05)
    frames = relay.at(times)
    pelvis = body.joints(betas.expand(len(times), -1), frames.rotmats, frames.transl)[:, 0]
    assert (pelvis[1:] - pelvis[:-1]).norm(dim=-1).max() < 0.15  # 3 m/s
    assert torch.allclose(frames.transl[:10], first.at(times[:10]).transl)
    assert (pelvis[-1] - pelvis[28]).norm() < 0.02


@pytest.mark.parametrize("name", ["poster", "desk"])
def test_things_hide_people_and_are_hidden_by_them(name, body):
    it = scene(name, body)
    bare = scene(name, body)
    bare._props = ()
    changed = [(it.render(0.4, camera) != bare.render(0.4, camera)).any(-1) for camera in range(4)]
    covered = []
    for (calibration, pose), mask in zip(it.cameras, changed):
        pixels = calibration.project((it.truth(0.4)[0].joints - pose[:3, 3]) @ pose[:3, :3]).round().astype(int)
        inside = (pixels >= 0).all(1) & (pixels < [160, 120]).all(1)
        covered.append(mask[pixels[inside, 1], pixels[inside, 0]].mean())
    assert min(mask.mean() for mask in changed) > 0.001  # every camera sees the thing
    assert max(covered) > 0.35 and min(covered) < 0.3  # from one side it hides the person, from another it does not
