"""What `configure` loads: the body, the network and the estimator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from refit_ros import interrupt

if TYPE_CHECKING:
    from refit_ros.core.body import Body
    from refit_ros.estimation.settings import Settings
    from refit_ros.node.parameters import NodeParameters

UNTRAINED = "the weights are untrained: what is published means nothing, though shapes, frames and stamps are right"
EMBEDDED = (
    "the embedded network that looks at features was trained on drawn people only: for real cameras get the models that "
    "find landmarks (`python -m refit_ros models get`), which evidence 'auto' takes where they are, or set `weights` and "
    "`body_model` to the published ReFit checkpoint and an SMPL file"
)


@dataclass(frozen=True)
class Model:
    """An estimator with what the node has to know about it."""

    estimator: Any  # refit_ros.estimation.estimator.Estimator
    body: Any  # refit_ros.core.body.Body, on the estimator's device
    device: str
    weights: str
    note: str = ""  # said once, at the first image
    predict_to_now: bool = False  # publish people where they will be by then
    note_on_real_cameras: str = ""  # likewise, unless all cameras are synthetic


def load_model(parameters: NodeParameters, settings: Settings) -> Model:
    """Load everything that the parameters name.

    Raises FileNotFoundError or ValueError with one sentence that names the path or device and the way to mend it, and
    KeyboardInterrupt between two steps where a signal came.
    """
    from refit_ros.core.body import load_body

    interrupt.check()
    from refit_ros.core.checkpoint import load_network
    from refit_ros.core.device import device_named
    from refit_ros.core.inference import prepare
    from refit_ros.detection.hog import without_hog_note
    from refit_ros.estimation.estimator import Estimator
    from refit_ros.estimation.keypoint_choice import takes_keypoints
    from refit_ros.node.threads import all_for_the_engine, one_for_the_rest

    interrupt.check()
    device = device_named(parameters.device)
    body = load_body(parameters.body_model) if parameters.body_model else None  # None: the weights name one
    interrupt.check()
    if takes_keypoints(settings.evidence, parameters.weights, source=settings.keypoint_source):
        return _with_keypoints(parameters, settings, body, device)
    network = load_network(parameters.weights or None, body=body, device=device)
    interrupt.check()
    all_for_the_engine()
    prepared = prepare(network, parameters.precision, parameters.engine, parameters.max_batch)
    interrupt.check()
    one_for_the_rest(prepared.engine)
    notes = [
        EMBEDDED if network.trained and network.embedded else "",
        without_hog_note() if settings.detector == "builtin" else "",
    ]
    return Model(
        Estimator(prepared, settings),
        prepared.body,
        f"{device}, {prepared.precision} with {prepared.engine}",
        network.weights_name,
        note="" if network.trained else UNTRAINED,
        predict_to_now=parameters.predict_to_now,
        note_on_real_cameras="; ".join(note for note in notes if note),
    )


def _with_keypoints(parameters: NodeParameters, settings: Settings, body: Body | None, device: str) -> Model:
    """Keypoint networks are small: they run in float32 by torch, whatever `precision` and `engine` say; those are of the
    network that looks at images beside them, if one does."""
    from refit_ros.detection.landmark_sources import landmarks_said
    from refit_ros.estimation.keypoint_choice import keypoint_estimators, with_usual_detector
    from refit_ros.node.threads import all_for_the_engine, one_for_the_rest

    settings = with_usual_detector(settings)
    all_for_the_engine()
    said = {name: getattr(parameters, name) for name in ("precision", "engine", "max_batch")}
    network, estimators = keypoint_estimators([settings], parameters.weights or None, body, device, **said)
    interrupt.check()
    features = estimators[0].features
    one_for_the_rest("openvino")  # which computes the landmarks on a CPU; on a GPU no thread does
    looking = network if features is None else features
    beside = "" if features is None else f" and features, {features.precision} with {features.engine}"
    return Model(
        estimators[0],
        network.body,
        f"{device}, keypoints{landmarks_said(settings, device)}{beside}",
        looking.weights_name,
        note="" if looking.trained else UNTRAINED,
        predict_to_now=parameters.predict_to_now,
    )
