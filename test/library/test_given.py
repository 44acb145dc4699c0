"""What programs have at hand goes in as it is: Pillow's images, tensors, lenses by other tools' names; people come out."""

from __future__ import annotations

import pickle
import threading
from dataclasses import replace

import numpy as np
import pytest
import torch

import refit_ros
from refit_ros.core.body import Body
from refit_ros.estimation import types
from refit_ros.library.images import rgb_image
from refit_ros.library.people import Person

K = np.array([[600.0, 0, 320], [0, 600, 240], [0, 0, 1]])
COLOURS = np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def pillow():
    return pytest.importorskip("PIL.Image", reason="Pillow is not installed")


@pytest.mark.parametrize("mode", ["P", "CMYK", "RGBA", "L", "LA", "1"])
def test_an_image_of_pillow_is_in_colours_whatever_it_holds(pillow, mode):
    image = pillow.fromarray(COLOURS).convert(mode)
    assert np.array_equal(rgb_image(image), np.asarray(image.convert("RGB")))


def test_an_image_of_pillow_is_turned_as_its_file_is(pillow, tmp_path):
    exif = pillow.Exif()
    exif[0x0112] = 6
    pillow.fromarray(COLOURS).save(tmp_path / "held.png", exif=exif)
    with pillow.open(tmp_path / "held.png") as image:
        assert np.array_equal(rgb_image(image), rgb_image(tmp_path / "held.png"))
    assert np.array_equal(rgb_image(image), np.rot90(COLOURS, 3))


@pytest.mark.parametrize("mode", ["I", "F", "I;16"])
def test_what_pillow_holds_in_other_numbers_is_refused_as_an_array_is(pillow, mode):
    with pytest.raises(ValueError, match="expected uint8"):
        rgb_image(pillow.fromarray(COLOURS).convert("L").convert(mode))


def test_tensors():
    tensor = torch.from_numpy(COLOURS.copy())
    assert np.array_equal(rgb_image(tensor), COLOURS)
    with pytest.raises(ValueError, match="float32, expected uint8"):
        rgb_image((tensor / 255).requires_grad_())
    with pytest.raises(ValueError, match="holds no image"):
        rgb_image(tensor.to("meta"))


@pytest.mark.parametrize(
    "model, D, understood, count",
    [
        ("plumb_bob", None, "plumb_bob", 0),
        ("fisheye", np.full((4, 1), 0.01), "equidistant", 4),
        ("radtan", (0.1, -0.05, 0, 0), "plumb_bob", 4),
        ("plumb_bob", np.full((1, 8), 0.01), "rational_polynomial", 8),
        ("plumb_bob", np.r_[np.full(12, 0.01), 0, 0], "rational_polynomial", 12),
        ("equidistant", (0.1, 0.01, 0, 0, 0), "equidistant", 4),
    ],
)
def test_lenses_as_other_tools_describe_them(model, D, understood, count):
    lens = refit_ros.Camera(K, D, model).calibration("front", 480, 640)
    assert lens.distortion_model == understood and lens.coefficients.size == count


def test_a_lens_that_is_not_understood_is_told_with_its_camera():
    with pytest.raises(ValueError, match="camera front: distortion model 'omnidirectional' is unknown"):
        refit_ros.Camera(K, (0.1, 0, 0, 0), "omnidirectional").calibration("front", 480, 640)


def test_threads_take_turns():
    entered = [threading.Event(), threading.Event()]

    def find(image):
        if not entered[0].is_set():
            entered[0].set()
            other.start()
            found_together.append(entered[1].wait(0.3))
        else:
            entered[1].set()
        return []

    found_together: list[bool] = []
    model = refit_ros.load(device="cpu", detector=find, evidence="features")
    other = threading.Thread(target=model, args=(COLOURS,), daemon=True)
    model(COLOURS)
    assert entered[1].wait(30) and found_together == [False]


def person(number: int) -> types.Person:
    shapes = dict(betas=10, global_orient=3, body_pose=(23, 3), transl=3, joints=(24, 3), joint_rotmats=(24, 3, 3))
    values = {name: np.zeros(shape) for name, shape in shapes.items()}
    return types.Person(number, 1.0, **values, joint_stddev=np.ones(24), joint_in_image=np.ones(24, bool), views=())


def test_some_of_the_people_are_people(body: Body):
    everybody = types.People(1.5, (person(1), person(2), person(3)), ("camera",))
    people = refit_ros.People(everybody, body, {}, notes=("guessed",))
    some = people[1:]
    assert isinstance(some, refit_ros.People) and [each.id for each in some] == [2, 3]
    assert some.stamp_s == 1.5 and some.notes == ("guessed",) and len(some.to_dict()["people"]) == 2
    assert people[-1].id == 3 and len(people[3:]) == 0


def test_a_person_is_found_among_people(body: Body):
    people = refit_ros.People(types.People(0.0, (person(1), person(2)), ("camera",)), body, {})
    assert people[1] in people and list(people).index(people[1]) == 1 and len({people[0], people[0], people[1]}) == 2
    assert Person(person(1), body) not in people


def test_people_are_pickled_without_the_body_that_comes_with_the_package(body: Body):
    people = refit_ros.People(types.People(0.0, (person(1),), ("camera",)), body, {})
    text = pickle.dumps(people), pickle.dumps(people[0])
    assert max(map(len, text)) < 20_000
    again = pickle.loads(text[0])
    assert again[0].id == 1 and again.to_dict() == people.to_dict()
    assert np.array_equal(pickle.loads(text[1]).vertices(), people[0].vertices())


def test_people_of_a_body_of_the_users_are_pickled_with_it(body: Body):
    own = Body(replace(body.arrays, v_template=body.arrays.v_template * 2))  # under the same name
    again = pickle.loads(pickle.dumps(refit_ros.People(types.People(0.0, (person(1),), ("camera",)), own, {})))
    assert np.array_equal(again[0].vertices(), Person(person(1), own).vertices())
    assert not np.array_equal(again[0].vertices(), Person(person(1), body).vertices())


@pytest.fixture(scope="module")
def body() -> Body:
    from refit_ros.core.body import load_body

    return load_body("refit_ros")
