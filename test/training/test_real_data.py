import numpy as np
import pytest
import torch
from dot_people import DotSource

from refit_ros.training.data import batch_of_samples
from refit_ros.training.real_data import RealSource, read_set

cv2 = pytest.importorskip("cv2")


def arrays(rows=3):
    rng = np.random.default_rng(0)
    return {
        "imgname": np.array([f"{i}.png" for i in range(rows)]),
        "center": np.full((rows, 2), 50.0),
        "scale": np.full(rows, 0.3),
        "pose": rng.normal(0, 0.2, (rows, 72)),
        "shape": rng.normal(0, 1, (rows, 10)),
        "part": np.concatenate([rng.uniform(20, 80, (rows, 24, 2)), np.ones((rows, 24, 1))], 2),
        "S": np.concatenate([rng.normal(0, 0.3, (rows, 24, 3)), np.ones((rows, 24, 1))], 2),
        "img_focal": np.full(rows, 400.0),
        "img_center": np.full((rows, 2), 50.0),
        "cam_R": np.tile(np.eye(3), (rows, 1, 1)),
        "cam_t": np.zeros((rows, 3)),
    }


@pytest.fixture
def folder(tmp_path):
    for i in range(3):
        cv2.imwrite(str(tmp_path / f"{i}.png"), np.full((100, 100, 3), (0, 0, 60 * i + 60), np.uint8))
    return tmp_path


def write(folder, values):
    np.savez(folder / "set.npz", **values)
    return folder / "set.npz"


def source(folder, body, values=None, augment=False):
    return RealSource(write(folder, values or arrays()), None, body, 3, 64, 0, "cpu", augment)


def test_rows_become_crops_with_their_truth(folder, body):
    batch = source(folder, body).rows([2, 0])
    red = batch.images[:, 0, 32, 32] * 0.229 + 0.485
    assert red.tolist() == pytest.approx([180 / 255, 60 / 255], abs=0.01)
    assert batch.side_px.tolist() == pytest.approx([60, 60]) and batch.focal_px.tolist() == [400, 400]
    assert torch.allclose(batch.joints_m, body.joints(batch.betas, batch.rotmats))
    assert batch.body_weight.tolist() == [1, 1] and batch.transl_weight.tolist() == [0, 0]
    assert batch.joints_px_weight.sum(1).tolist() == [11, 11]


def test_without_bodies_the_keypoints_are_learned_from(folder, body):
    values = {key: value for key, value in arrays().items() if key not in ("pose", "shape", "img_focal", "img_center")}
    batch = source(folder, body, values).batch()
    assert batch.body_weight.sum() == 0 and batch.joints_m_weight.sum(1).tolist() == [11] * 3
    assert batch.focal_px.tolist() == pytest.approx([2**0.5 * 100] * 3)
    assert all(torch.isfinite(value.float()).all() for value in batch.tensors().values())


def test_a_pass_shows_every_row_once_and_its_state_is_exact(folder, body):
    first = source(folder, body, augment=True)
    assert sorted(first.batch().betas[:, 0].tolist()) == sorted(np.float32(arrays()["shape"][:, 0]).tolist())
    state = first.state_dict()
    expected = first.batch()
    again = source(folder, body, augment=True)
    again.load_state_dict(state)
    assert torch.equal(again.batch().images, expected.images)


def broken(**changes):
    values = arrays()
    for key, value in changes.items():
        if value is None:
            del values[key]
        else:
            values[key] = value(values[key])
    return values


def with_nan(array):
    array = array.copy()
    array[1].flat[0] = np.nan
    return array


@pytest.mark.parametrize(
    "values, words",
    [
        (broken(center=None), "'center' is missing"),
        (broken(shape=None), "'shape' is missing"),
        (broken(img_center=None), "'img_center' is missing"),
        (broken(pose=None, shape=None, part=None, S=None), "nothing to learn"),
        (broken(pose=lambda a: a[:, :66]), r"'pose' has rows of shape \(66,\), expected \(72,\)"),
        (broken(scale=lambda a: a[:2]), "'scale' has 2 rows, 'imgname' has 3"),
        (broken(part=with_nan), "'part' is not finite in row 1"),
        (broken(scale=lambda a: a * np.array([1, 1, 0])), "'scale' is not positive in row 2"),
    ],
)
def test_a_bad_file_is_told_with_its_name_key_and_row(folder, values, words):
    with pytest.raises(ValueError, match=words) as told:
        read_set(write(folder, values))
    assert "set.npz" in str(told.value)


def test_an_image_that_is_not_there_is_told_with_its_row(folder, body):
    (folder / "1.png").unlink()
    with pytest.raises(ValueError, match="'imgname' of row 1"):
        source(folder, body).rows([0, 1])


def test_a_file_that_is_none_is_told(folder):
    (folder / "set.npz").write_bytes(b"PK nonsense")
    with pytest.raises(ValueError, match="set.npz cannot be read"):
        read_set(folder / "set.npz")


def test_prerendered_crops_are_the_rendered_ones(tmp_path, body, body_path, dots, preset):
    from refit_ros.training.prerendered import PrerenderedSource, prerender

    prerender(tmp_path, 5, preset, "cpu", 0, str(body_path))
    expected = batch_of_samples(DotSource(body, 64, "train", 0).batch(5))
    batch = PrerenderedSource(tmp_path, 5, 0, "cpu").batch()
    order = [int((expected.betas - row).abs().sum(1).argmin()) for row in batch.betas]
    assert sorted(order) == [0, 1, 2, 3, 4]
    assert (batch.images - expected.images[order]).abs().max() < 0.05
    assert torch.allclose(batch.joints_m, expected.joints_m[order], atol=1e-5)


def test_no_prerendered_crops_is_told(tmp_path):
    from refit_ros.training.prerendered import PrerenderedSource

    with pytest.raises(ValueError, match="--prerender"):
        PrerenderedSource(tmp_path, 4, 0, "cpu")
