"""Crops and their truth: seeded, consistent, of different people in the two splits."""

from functools import partial

import pytest
import torch

from refit_ros.core.body import Body
from refit_ros.core.body_files import read_body
from refit_ros.core.camera import crop_from_image_px, project, transl_from_weak_perspective
from refit_ros.core.rotations import geodesic_angle
from refit_ros.synthetic import samples as synthetic_samples
from refit_ros.synthetic.backdrop import cut_outs, paint_bank, read_photographs
from refit_ros.synthetic.degrade import blur, jpeg
from refit_ros.synthetic.dice import Dice
from refit_ros.synthetic.samples import MOST_BETA

SampleSource = partial(synthetic_samples.SampleSource, backgrounds=8)  # made in no time


@pytest.fixture(scope="module")
def body():
    return Body(read_body()).eval()


@pytest.fixture(scope="module")
def source(body):
    return SampleSource(body, 64, "train", 7)


@pytest.fixture(scope="module")
def samples(source):
    return source.batch(24)


def test_crops_are_the_networks_input(samples):
    assert samples.crops.images.shape == (24, 3, 64, 64)
    assert samples.crops.images.isfinite().all()
    assert samples.crops.images.min() > -2.2 and samples.crops.images.max() < 2.7
    assert samples.crops.images.std() > 0.3


def test_estimate_reposed_gives_the_joints(body, samples):
    joints = body.joints(samples.target.betas, samples.target.rotmats, samples.target.transl)
    assert (joints - samples.joints_m).abs().max() < 1e-4
    identity = samples.target.rotmats.transpose(-1, -2) @ samples.target.rotmats
    assert (identity - torch.eye(3)).abs().max() < 1e-4
    assert samples.target.betas.abs().max() <= MOST_BETA


def test_pixels_are_the_joints_projection(samples):
    crops = samples.crops
    assert (project(samples.joints_m, crops.focal_px, crops.principal_px) - samples.joints_px).abs().max() < 0.01
    transl = transl_from_weak_perspective(samples.target.weak_perspective, crops)
    assert (transl - samples.target.transl).abs().max() < 1e-3


def test_person_fills_the_crop(samples):
    crops = samples.crops
    inside = crop_from_image_px(samples.joints_px, crops.center_px, crops.side_px, 64)
    seen = samples.visible
    assert ((inside > 0) & (inside < 64)).all(-1)[seen].float().mean() > 0.97
    span = (inside.amax(1) - inside.amin(1)).amax(1)
    assert span.median() > 64 * 0.5


def test_the_person_is_drawn_where_the_truth_says(body):
    """Against the same crops, same seed, but without people: what differs surrounds the joints."""
    plain, empty = (SampleSource(body, 64, "train", 9) for _ in range(2))
    empty.surface.faces = empty.surface.faces[:1]  # one triangle: nobody to be seen
    with_people, without = plain.batch(16), empty.batch(16)
    differs = (with_people.crops.images - without.crops.images).abs().sum(1) > 0.05
    joints = crop_from_image_px(with_people.joints_px, with_people.crops.center_px, with_people.crops.side_px, 64)
    trunk = joints[:, [0, 3, 6, 9]].round().long().clamp(0, 63)
    hit = differs[torch.arange(16)[:, None], trunk[..., 1], trunk[..., 0]]
    assert hit.float().mean() > 0.7


def test_batches_are_seeded_and_go_on(body):
    first, again, other = (
        SampleSource(body, 64, "train", 1),
        SampleSource(body, 64, "train", 1),
        SampleSource(body, 64, "train", 2),
    )
    a, b, c = first.batch(3), again.batch(3), other.batch(3)
    assert torch.equal(a.crops.images, b.crops.images) and torch.equal(a.target.rotmats, b.target.rotmats)
    assert not torch.equal(a.target.rotmats, c.target.rotmats)
    state = first.generator.get_state()
    a = first.batch(3)
    again.generator.set_state(state)
    assert torch.equal(a.crops.images, again.batch(3).crops.images)


def test_splits_show_other_people(body):
    train, test = SampleSource(body, 64, "train", 1), SampleSource(body, 64, "test", 1)
    a, b = train.batch(4), test.batch(4)
    assert not torch.equal(a.target.betas, b.target.betas)
    assert not torch.equal(train.bank, test.bank)
    with pytest.raises(ValueError, match="'other' is unknown"):
        SampleSource(body, 64, "other", 1)


def test_views_of_one_person_agree(source):
    samples = source.batch(3, views=4)
    assert samples.person.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    rotmats, turned = samples.target.rotmats.view(3, 4, 24, 3, 3), samples.camera_from_world.view(3, 4, 3, 3)
    assert torch.equal(rotmats[:, :1, 1:].expand(-1, 4, -1, -1, -1), rotmats[:, :, 1:])
    world = turned.mT @ rotmats[:, :, 0]
    assert (world - world[:, :1]).abs().max() < 1e-4
    assert torch.linalg.det(turned).sub(1).abs().max() < 1e-4
    from_pelvis = samples.joints_m - samples.joints_m[:, :1]
    together = (from_pelvis @ samples.camera_from_world).view(3, 4, 24, 3)
    assert (together - together[:, :1]).abs().max() < 1e-4
    assert geodesic_angle(turned[:, 0], turned[:, 1]).min() > 0.2


def test_cameras_are_as_varied_as_promised(source):
    samples = [source.batch(48) for _ in range(5)]
    focal = torch.cat([s.crops.focal_px for s in samples])
    depth = torch.cat([s.joints_m[:, 0, 2] for s in samples])
    turned = torch.cat([s.camera_from_world for s in samples])
    assert focal.min() >= 400 and focal.max() <= 2000 and focal.max() / focal.min() > 3
    assert depth.min() > 1.4 and depth.max() < 12
    pitch = torch.asin((-turned[:, 2, 2]).clamp(-1, 1)).rad2deg()
    assert pitch.abs().max() <= 20.1 and pitch.std() > 5
    facing = torch.cat([s.target.rotmats[:, 0, 2, 2] for s in samples])
    assert (facing > 0.5).any() and (facing < -0.5).any()  # fronts and backs
    visible = torch.cat([s.visible for s in samples])
    assert 0.8 < visible.float().mean() < 1 - 1e-6  # some are cut by the image's edge


def test_eight_views_and_no_ninth(source):
    assert len(source.batch(1, views=8).crops) == 8
    for count, views in ((1, 9), (0, 1), (1, 0)):
        with pytest.raises(ValueError, match="1 to 8 views"):
            source.batch(count, views=views)


def test_both_engines_draw_the_same_crops(body):
    pytest.importorskip("numba", reason="numba is not installed")
    images = [SampleSource(body, 64, "train", 5, engine=engine).batch(6).crops.images for engine in ("numba", "torch")]
    assert ((images[0] - images[1]).abs() < 0.05).float().mean() > 0.99


def test_photographs_become_backgrounds(tmp_path, body):
    cv2 = pytest.importorskip("cv2", reason="OpenCV is not installed")
    import numpy as np

    with pytest.raises(ValueError, match="holds no image"):
        read_photographs(tmp_path, 4)
    cv2.imwrite(str(tmp_path / "red.png"), np.full((40, 60, 3), (0, 0, 255), np.uint8))
    (tmp_path / "broken.jpg").write_bytes(b"no image")
    image = read_photographs(tmp_path, 4)
    assert image.shape[0] == 1 and torch.allclose(image[0, 5, 5], torch.tensor([1.0, 0, 0]))
    assert SampleSource(body, 64, "train", 1, photographs=tmp_path).batch(2).crops.images.isfinite().all()


def test_backgrounds_differ_and_stay_in_range():
    dice = Dice(torch.Generator().manual_seed(0))
    bank = paint_bank(dice, 6)
    assert bank.min() >= 0 and bank.max() <= 1 and bank.flatten(1).std(1).min() > 0.01
    cut = cut_outs(dice, bank, 5, 32, 48)
    assert cut.shape == (5, 32, 48, 3) and not torch.equal(cut[0], cut[1])


def test_blur_keeps_the_mean_and_jpeg_keeps_the_image():
    images = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    soft = blur(images, torch.tensor([0.05, 0.8, 2.0]))
    assert torch.allclose(soft[0], images[0], atol=1e-4) and soft[2].std() < soft[1].std() < images[1].std()
    assert torch.allclose(soft.mean((1, 2, 3)), images.mean((1, 2, 3)), atol=0.01)
    fine, coarse = jpeg(images, torch.full((3,), 1e-4)), jpeg(images, torch.full((3,), 0.2))
    assert (fine - images).abs().max() < 0.01 < (coarse - images).abs().mean()


def test_samples_move_to_a_device(samples):
    moved = samples.to("cpu")
    assert moved.crops.images.device.type == "cpu" and torch.equal(moved.target.betas, samples.target.betas)
