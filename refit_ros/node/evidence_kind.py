"""What edges and fusion load, each its part of the estimator, and how they know that the parts belong together."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from refit_ros import interrupt
from refit_ros.node.evidence_messages import Kind

if TYPE_CHECKING:
    from refit_ros.core.body import Body
    from refit_ros.estimation.eyes import Eyes
    from refit_ros.estimation.settings import Settings
    from refit_ros.node.model import Model
    from refit_ros.node.parameters import NodeParameters

_OF_LANDMARKS = Kind("keypoints", "keypoints/blazepose-full")  # whoever finds them: what is sent is these 33


def settings_of(parameters: NodeParameters, settings: Settings, fusion: bool = False) -> Settings:
    """With the kind of evidence decided, and the detector that goes with it.

    Raises ValueError with a sentence. A fusion node looks at no image: what finds landmarks need not be there.
    """
    from refit_ros.estimation.keypoint_choice import BOTH, takes_keypoints, with_usual_detector

    if settings.evidence == BOTH:
        raise ValueError(
            "evidence 'both' needs the images where people are fused, which edges do not send: take refit.launch.py on one "
            "machine, or evidence keypoints or features"
        )
    source = settings.keypoint_source
    if not takes_keypoints(settings.evidence, parameters.weights, sees_images=not fusion, source=source):
        return replace(settings, evidence="features")
    settings = replace(settings, evidence="keypoints")
    if fusion and settings.detector == "builtin":
        return replace(settings, detector="photographs")
    return with_usual_detector(settings)


def kind_of(network: Any, body_name: str) -> Kind:
    """`network`: a `Refit` as it was loaded, or a `KeypointRefit`, whose evidence depends on neither weights nor body."""
    config = network.config
    if config.backbone == "keypoints":
        return _OF_LANDMARKS
    side = config.image_size // 4
    return Kind("features", f"features/{_fingerprint(network)}/{body_name}", config.image_size, (config.markers, side, side))


def load_edge(parameters: NodeParameters, settings: Settings) -> tuple[Eyes, Kind, str]:
    """Eyes, their kind, and the device in words. Raises as `load_model`."""
    from refit_ros.core.checkpoint import load_network
    from refit_ros.core.device import device_named
    from refit_ros.core.inference import prepare
    from refit_ros.detection.landmark_sources import landmark_source, landmarks_said
    from refit_ros.detection.registry import is_thorough
    from refit_ros.estimation.eyes import FeatureEyes, LandmarkEyes
    from refit_ros.estimation.search import detectors
    from refit_ros.node.threads import all_for_the_engine, one_for_the_rest

    interrupt.check()
    device = device_named(parameters.device)
    if settings.evidence == "keypoints":
        if settings.keypoint_source == "topic":
            raise ValueError("keypoint_source 'topic' is taken by refit.launch.py alone: an edge looks at its images itself")
        all_for_the_engine()
        source = landmark_source(settings, is_thorough(settings), device)
        landmark_eyes = LandmarkEyes(source, detectors(settings, device))
        one_for_the_rest("openvino")
        return landmark_eyes, _OF_LANDMARKS, f"{device}, keypoints{landmarks_said(settings, device)}"
    body = _body_given(parameters)
    interrupt.check()
    network = load_network(parameters.weights or None, body=body, device=device)
    kind = kind_of(network, network.body.name)
    interrupt.check()
    all_for_the_engine()
    prepared = prepare(network, parameters.precision, parameters.engine, parameters.max_batch)
    interrupt.check()
    one_for_the_rest(prepared.engine)
    eyes = FeatureEyes(prepared, detectors(settings, prepared.device))
    return eyes, kind, f"{device}, {prepared.precision} with {prepared.engine}"


def load_fusion(parameters: NodeParameters, settings: Settings, eyes: Eyes) -> tuple[Model, Kind]:
    """An estimator over eyes that are elsewhere. Raises as `load_model`."""
    from refit_ros.core.checkpoint import embedded_keypoint_weights, load_network
    from refit_ros.core.device import device_named
    from refit_ros.core.inference import prepare
    from refit_ros.core.keypoints import KeypointRefit
    from refit_ros.estimation.estimator import Estimator
    from refit_ros.estimation.keypoint_estimator import KeypointEstimator
    from refit_ros.node.model import EMBEDDED, UNTRAINED, Model
    from refit_ros.node.threads import one_for_the_rest

    interrupt.check()
    body, device = _body_given(parameters), device_named(parameters.device)
    keypoints = settings.evidence == "keypoints"
    weights = parameters.weights or (embedded_keypoint_weights(body) if keypoints else None)
    network = load_network(weights, body=body, device=device)
    interrupt.check()
    if keypoints != isinstance(network, KeypointRefit):
        raise ValueError(f"{parameters.weights} holds a network of another kind than evidence '{settings.evidence}'")
    kind = kind_of(network, network.body.name)
    one_for_the_rest("")  # small operations only: the convolutions are computed by the edges
    if keypoints:
        estimator: Any = KeypointEstimator(network, None, settings, eyes=eyes)
    else:
        estimator = Estimator(prepare(network, "float32", "torch", parameters.max_batch), settings, eyes=eyes)
    model = Model(
        estimator,
        network.body,
        f"{device}, fusion of {kind.name}",
        network.weights_name,
        note="" if network.trained else UNTRAINED,
        predict_to_now=parameters.predict_to_now,
        note_on_real_cameras=EMBEDDED if network.embedded and network.trained and not keypoints else "",
    )
    return model, kind


def _body_given(parameters: NodeParameters) -> Body | None:
    """None: the one that the weights were trained on."""
    from refit_ros.core.body import load_body

    return load_body(parameters.body_model) if parameters.body_model else None


def _fingerprint(network: Any) -> str:
    """Of the weights, as they were loaded."""
    digest = hashlib.blake2b(digest_size=6)
    for name, values in sorted(network.state_dict().items()):
        digest.update(name.encode())
        digest.update(values.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
