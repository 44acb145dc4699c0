"""Photographs as they lie on people's disks, through `model(path)` on keypoints: fitted upright, each person once."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

import refit_ros
from refit_ros.core.checkpoint import EMBEDDED_KEYPOINT_WEIGHTS
from refit_ros.detection.photographs import MODELS

pytestmark = [
    pytest.mark.needs_models(*MODELS),
    pytest.mark.skipif(not EMBEDDED_KEYPOINT_WEIGHTS.is_file(), reason="without embedded weights poses mean nothing"),
]
HEAD, PELVIS = 15, 0
FACE_PX = np.array([223.0, 123])  # the tip of her nose
NEAR_PX = 60  # the head's joint lies behind the nose


@pytest.fixture(scope="module")
def model():
    return refit_ros.load(device="cpu", evidence="keypoints")


@pytest.fixture(scope="module")
def astronaut():
    """(512, 512, 3) RGB: Eileen Collins, NASA, in the public domain; ships with scikit-image."""
    return pytest.importorskip("skimage.data", reason="scikit-image is not installed").astronaut()


def grey(image, folder):
    return written(folder / "grey.png", cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))


def alpha(image, folder):
    return written(folder / "alpha.png", np.dstack([image[..., ::-1], np.full(image.shape[:2], 255, np.uint8)]))


def sixteen_bits(image, folder):
    return written(folder / "deep.png", image[..., ::-1].astype(np.uint16) * 257)


def cmyk(image, folder):
    pillow = pytest.importorskip("PIL.Image")
    pillow.fromarray(image).convert("CMYK").save(folder / "cmyk.jpg", quality=92)
    return folder / "cmyk.jpg"


def turned(image, folder):
    pillow = pytest.importorskip("PIL.Image")
    exif = pillow.Exif()
    exif[0x0112] = 6  # to be turned a quarter clockwise
    pillow.fromarray(np.rot90(image)).save(folder / "turned.jpg", quality=92, exif=exif)
    return folder / "turned.jpg"


def written(path, image):
    assert cv2.imwrite(str(path), image)
    return path


@pytest.mark.parametrize("kind", [grey, alpha, sixteen_bits, cmyk, turned])
def test_strange_files_are_fitted_as_any_other(model, astronaut, tmp_path, kind):
    upright(model(kind(astronaut, tmp_path)), astronaut.shape, FACE_PX, 1.0)


def test_24_megapixels_are_fitted(model, astronaut, tmp_path):
    large = cv2.resize(astronaut, (4900, 4900), interpolation=cv2.INTER_LINEAR)
    upright(model(written(tmp_path / "large.jpg", large[..., ::-1])), large.shape, FACE_PX * 4900 / 512, 4900 / 512)


def test_a_portrait_is_fitted(model, astronaut, tmp_path):
    portrait = cv2.copyMakeBorder(astronaut[:, 20:420], 300, 0, 0, 0, cv2.BORDER_REPLICATE)
    upright(model(written(tmp_path / "portrait.png", portrait[..., ::-1])), portrait.shape, FACE_PX + [-20, 300], 1.0)


def test_a_photograph_without_anybody_is_empty(model):
    data = pytest.importorskip("skimage.data", reason="scikit-image is not installed")
    for empty in (data.chelsea(), data.coffee(), data.rocket()):
        assert len(model(np.ascontiguousarray(empty))) == 0


def upright(people, shape, face_px, scale):
    """One person whose head is where the face is, above the pelvis, with the legs beyond the edge and said to be so."""
    assert len(people) == 1
    person = people[0]
    focal, middle = np.hypot(*shape[:2]), np.array(shape[1::-1]) / 2
    joints_px = person.joints[:, :2] / person.joints[:, 2:] * focal + middle
    assert np.linalg.norm(joints_px[HEAD] - face_px) < NEAR_PX * scale
    assert (
        joints_px[PELVIS, 1] - joints_px[HEAD, 1] > 200 * scale
        and abs((joints_px[PELVIS] - joints_px[HEAD])[0]) < 100 * scale
    )
    knees_and_feet = [4, 5, 7, 8, 10, 11]
    assert not person.joint_in_image[knees_and_feet[2:]].any(), "the feet are below the image"
    assert person.joint_in_image[[HEAD, 16, 17]].all()
    assert (person.joint_stddev[knees_and_feet] > person.joint_stddev[[HEAD, 16, 17]].max()).all(), (
        "what is guessed is less sure"
    )


def test_she_is_fitted_by_landmarks_and_features_together(astronaut):
    by_both = refit_ros.load(device="cpu", evidence="both")
    by_landmarks = refit_ros.load(device="cpu", evidence="keypoints", body=by_both.body)
    found = by_both(astronaut), by_landmarks(astronaut)
    for people in found:
        upright(people, astronaut.shape, FACE_PX, 1.0)
    one, other = (people[0].joint_rotmats for people in found)
    assert np.abs(one - other).max() > 0.01, "features have said something"
