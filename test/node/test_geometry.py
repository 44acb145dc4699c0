"""The numbers in messages and TF agree with each other, with the camera's and with smplx."""

from __future__ import annotations

import numpy as np
import pytest
import smplx
import torch
from node_fakes import fake_model, vertices
from scipy.spatial.transform import Rotation

from refit_ros.core.joints import JOINT_NAMES, PARENTS

STAMP_NS = 1_700_000_000_123_456_789


def test_messages_feed_smplx_unchanged(bench, tmp_path):
    from refit_ros.msg import SmplArray

    messages = bench.listen(SmplArray, "/human/smpl")
    bench.start(fake_model(vertices=6890))  # smplx picks some vertices by their number
    bench.connected("/human/smpl")
    bench.camera(STAMP_NS)
    person = bench.wait(lambda: messages, "a message")[0].people[0]
    body, expected = bench.model.body, bench.model.estimator.people[0]
    layer = smplx.SMPL(_smpl_file(body, tmp_path), batch_size=1)
    transl = [person.transl.x, person.transl.y, person.transl.z]
    result = layer(
        betas=torch.tensor(person.betas[None]),
        global_orient=torch.tensor(person.global_orient[None]),
        body_pose=torch.tensor(person.body_pose[None]),
        transl=torch.tensor([transl], dtype=torch.float32),
    )
    np.testing.assert_allclose(result.joints[0, :24].detach(), expected.joints, atol=1e-5)
    np.testing.assert_allclose([(p.x, p.y, p.z) for p in person.joints], result.joints[0, :24].detach(), atol=1e-5)


def _smpl_file(body, folder) -> str:
    """The body as an SMPL pickle, the form that smplx reads."""
    import pickle

    arrays = body.arrays
    kintree = np.array([[2**32 - 1, *(int(p) for p in PARENTS[1:])], range(24)], dtype=np.int64)
    content = {
        "v_template": arrays.v_template,
        "f": arrays.faces,
        "shapedirs": arrays.shapedirs,
        "posedirs": arrays.posedirs,
        "J_regressor": arrays.J_regressor,
        "weights": arrays.weights,
        "kintree_table": kintree,
    }
    path = folder / "SMPL_NEUTRAL.pkl"
    path.write_bytes(pickle.dumps(content))
    return str(path)


@pytest.mark.parametrize("seed", range(3))
def test_a_person_in_the_fixed_frame_is_the_person_in_the_camera_carried_over_by_tf(bench, seed):
    """Vertices from the message's parameters equal the camera's vertices carried by TF; TF's joints equal the message's."""
    from refit_ros.msg import SmplArray
    from tf2_msgs.msg import TFMessage

    rng = np.random.default_rng(seed)
    messages, tf = bench.listen(SmplArray, "/human/smpl"), bench.listen(TFMessage, "/tf")
    bench.start(fake_model(), fixed_frame="map")
    bench.connected("/human/smpl", "/tf")
    fixed_from_camera = np.eye(4)
    fixed_from_camera[:3, :3] = Rotation.random(random_state=rng).as_matrix()
    fixed_from_camera[:3, 3] = rng.uniform(-5, 5, 3)
    bench.stand("camera_optical", fixed_from_camera, "map")
    bench.camera(STAMP_NS)
    message = bench.wait(lambda: messages, "a message")[0]
    transforms = bench.wait(lambda: [t for each in tf for t in each.transforms], "transforms")
    assert message.header.frame_id == "map"
    body, in_camera = bench.model.body, bench.model.estimator.people[0]
    camera_vertices = vertices(body, in_camera.betas, in_camera.global_orient, in_camera.body_pose, in_camera.transl)
    person = message.people[0]
    place = [person.transl.x, person.transl.y, person.transl.z]
    fixed_vertices = vertices(body, person.betas, person.global_orient, person.body_pose.reshape(23, 3), place)
    carried = camera_vertices @ fixed_from_camera[:3, :3].T + fixed_from_camera[:3, 3]
    np.testing.assert_allclose(fixed_vertices, carried, atol=1e-5)
    assert {t.header.stamp.nanosec for t in transforms} == {message.header.stamp.nanosec}
    places = chained(transforms, "map")
    for joint, name in enumerate(JOINT_NAMES):
        point = message.people[0].joints[joint]
        np.testing.assert_allclose(places[f"human_1/{name}"][:3, 3], (point.x, point.y, point.z), atol=1e-6)
        np.testing.assert_allclose(
            places[f"human_1/{name}"][:3, :3], fixed_from_camera[:3, :3] @ in_camera.joint_rotmats[joint], atol=1e-6
        )


def chained(transforms, root: str) -> dict[str, np.ndarray]:
    """Each child frame in the root's, following the messages' own parents."""
    from refit_ros.node.frames import matrix

    local = {
        t.child_frame_id: (
            t.header.frame_id,
            matrix(
                (t.transform.translation.x, t.transform.translation.y, t.transform.translation.z),
                (t.transform.rotation.x, t.transform.rotation.y, t.transform.rotation.z, t.transform.rotation.w),
            ),
        )
        for t in transforms
    }

    def place(frame: str) -> np.ndarray:
        if frame == root:
            return np.eye(4)
        parent, step = local[frame]
        return place(parent) @ step

    return {frame: place(frame) for frame in local}
