"""A photograph through the real network, untrained: numbers without meaning, in the right shape, place and time."""

from __future__ import annotations

import array
from dataclasses import replace

import numpy as np
import pytest
from node_fakes import info_message, stamp_of

from refit_ros.core.body_files import EMBEDDED_BODY
from refit_ros.core.checkpoint import EMBEDDED_KEYPOINT_WEIGHTS
from refit_ros.detection.photographs import MODELS

STAMP_NS = 1_700_000_000_123_456_789


@pytest.mark.skipif(not EMBEDDED_BODY.is_file(), reason="the embedded body is not there")
def test_a_photograph_through_the_whole_path(bench, capfd):
    from refit_ros.msg import SmplArray
    from sensor_msgs.msg import Image
    from tf2_msgs.msg import TFMessage
    from visualization_msgs.msg import MarkerArray

    from refit_ros.node.model import load_model

    data = pytest.importorskip("skimage.data", reason="scikit-image is not installed")
    photograph = np.ascontiguousarray(data.astronaut())
    height, width = photograph.shape[:2]
    messages, overlays = bench.listen(SmplArray, "/human/smpl"), bench.listen(Image, "/human/camera/overlay")
    markers, tf = bench.listen(MarkerArray, "/human/markers"), bench.listen(TFMessage, "/tf")
    bench.start(load=load_model, weights="untrained", detector="full_image", device="cpu", birth_hits=1, publish_mesh=True)
    bench.connected("/human/smpl", "/human/camera/overlay", "/human/markers", "/tf")
    image = Image(width=width, height=height, encoding="rgb8", step=3 * width)
    image.header.stamp, image.header.frame_id = stamp_of(STAMP_NS), "camera_optical"
    image.data = array.array("B", photograph.tobytes())
    bench.publish("/camera/camera_info", info_message(STAMP_NS, width, height, focal_px=float(np.hypot(width, height))))
    bench.publish("/camera/image_raw", image)

    message = bench.wait(lambda: messages, "a message", 60)[0]
    assert message.header.stamp == stamp_of(STAMP_NS) and message.header.frame_id == "camera_optical"
    (person,) = message.people
    numbers = np.concatenate(
        [
            person.betas,
            person.global_orient,
            person.body_pose,
            person.joint_stddev,
            [person.transl.x, person.transl.y, person.transl.z],
            np.array([(p.x, p.y, p.z) for p in person.joints]).ravel(),
        ]
    )
    assert np.isfinite(numbers).all() and person.transl.z > 0
    assert 0 < person.views[0].box.width <= width and 0 < person.views[0].box.height <= height
    transforms = bench.wait(lambda: tf, "transforms")[0].transforms
    assert len(transforms) == 24 and transforms[0].child_frame_id == f"human_{person.id}/pelvis"
    mesh = next(m for m in bench.wait(lambda: markers, "markers")[0].markers if m.ns == "mesh")
    assert len(mesh.points) == bench.node._model.body.faces.size
    overlay = bench.wait(lambda: overlays, "an overlay")[0]
    assert overlay.header.stamp == stamp_of(STAMP_NS)  # where the body is drawn, if it is in the image at all, is chance
    assert (overlay.height, overlay.width, len(overlay.data)) == (height, width, 3 * width * height)
    assert capfd.readouterr().err.count("untrained: what is published means nothing") == 1


@pytest.mark.needs_models(*MODELS)
@pytest.mark.skipif(not EMBEDDED_KEYPOINT_WEIGHTS.is_file(), reason="the embedded weights are not there")
def test_what_is_loaded_for_both_kinds_of_evidence():
    from refit_ros.estimation.settings import Settings
    from refit_ros.node.model import load_model
    from refit_ros.node.parameters import NodeParameters

    parameters = NodeParameters(cameras=("camera",), device="cpu", engine="torch", precision="float32")
    model = load_model(parameters, Settings(evidence="both"))
    assert model.device == "cpu, keypoints and features, float32 with torch" and model.weights == "embedded"
    assert model.body.name == "refit_ros" and not model.note
    assert "untrained" in load_model(replace(parameters, weights="untrained"), Settings(evidence="both")).note
