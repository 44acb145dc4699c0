"""`load()` and the `Model` that it gives: images in, people out, without ROS."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from refit_ros.camera.calibration import Calibration
from refit_ros.camera.history import CameraHistory
from refit_ros.camera.views import View, fits, image_of
from refit_ros.core.body import Body, load_body
from refit_ros.core.checkpoint import load_network
from refit_ros.core.device import device_named
from refit_ros.core.inference import Prepared, check_precision, prepare
from refit_ros.core.keypoints import KeypointRefit
from refit_ros.detection.keypoint_results import keypoints_from
from refit_ros.detection.results import boxes_from
from refit_ros.estimation.estimator import Estimator
from refit_ros.estimation.keypoint_choice import keypoint_estimators, takes_keypoints, with_usual_detector
from refit_ros.estimation.keypoint_estimator import KeypointEstimator
from refit_ros.estimation.settings import DETECTORS, Settings
from refit_ros.library.cameras import Camera, camera_from
from refit_ros.library.images import rgb_image
from refit_ros.library.people import People
from refit_ros.library.stamps import TrackStamps

ALONE = "camera"  # what the only camera is called
NOT_GIVEN = "no image of it was given, though it is described or was there before; `reset` forgets it"
NO_LANDMARKS = "keypoints are for a model whose evidence is landmarks: load(evidence='keypoints')"
NO_KEYPOINTS = "this model finds no keypoints itself (keypoint_source 'topic'): give them with each image, keypoints=..."
UNTRAINED = "these weights are untrained, the poses mean nothing"
EMBEDDED = (
    "these are the small embedded weights, trained on synthetic people only; on photographs expect rough poses, and bring "
    "SMPL and published ReFit weights for better ones: load(weights=..., body=...)"
)
GUESSED = "no camera was given: a focal length of {:.0f} px, the image's diagonal, is assumed; distances go with it"

log = logging.getLogger("refit_ros")


def load(
    weights: str | os.PathLike | None = None,
    body: str | os.PathLike | Body | None = None,
    device: str = "auto",
    precision: str = "auto",
    detector: Any = None,
    settings: Settings | Mapping[str, Any] | None = None,
    evidence: str | None = None,
) -> Model:
    """A model that is ready to run: without arguments, the weights, the body and the detector that come with the package.

    weights: a published ReFit checkpoint or one trained here. body: an SMPL file, its folder, or a `Body`.
    device: "auto" (a GPU where there is one), "cpu", "cuda" or "cuda:N". precision: "auto", "float32", "bfloat16",
    "float16". detector: "builtin", "photographs", "full_image", the path of an .onnx file, an object with `find(images)`,
    or a function from an image to its boxes (`detection/results.py`). settings: `estimation.settings.Settings`, or a dict
    of its fields. evidence: "keypoints" (third-party landmarks, `python -m refit_ros models get`; detector "photographs"
    unless another is named), "features", which suit drawn people better, "both" (the network on features begins where the
    landmarks have put people), or "auto", as without it: what the weights are for, and without any keypoints where the
    models are there.

    Raises ValueError or FileNotFoundError, each with a sentence, where one of them cannot be had.
    """
    chosen = settings if isinstance(settings, Settings) else _settings(settings or {})
    if isinstance(detector, (str, os.PathLike)):
        name = os.fspath(detector)
        known = name in DETECTORS
        chosen = replace(chosen, detector=name) if known else replace(chosen, detector="onnx", detector_model=name)
        detector = None
    check_precision(precision)  # landmarks alone have no use for it, and it may be misspelt all the same
    if evidence is not None:
        chosen = replace(chosen, evidence=evidence)
    found = body if body is None or isinstance(body, Body) else load_body(os.fspath(body))
    keypoints = takes_keypoints(chosen.evidence, weights, source=chosen.keypoint_source)
    if keypoints and detector is None:
        chosen = with_usual_detector(chosen)
    still = replace(chosen, birth_hits=1)  # an image stands alone: nobody has to be seen twice before counting as a person
    if keypoints:
        network, estimators = keypoint_estimators(
            [still, chosen], weights, found, device_named(device), detector, precision=precision
        )
        return Model(network, chosen, *estimators)
    prepared = prepare(load_network(weights, body=found, device=device_named(device)), precision)
    return Model(prepared, chosen, Estimator(prepared, still, detector), Estimator(prepared, chosen, detector))


def _settings(values: Mapping[str, Any]) -> Settings:
    unknown = sorted(set(values) - set(Settings.__dataclass_fields__))
    if unknown:
        raise ValueError(f"there is no setting '{unknown[0]}': choose from {', '.join(Settings.__dataclass_fields__)}")
    return Settings(**values)


class Model:
    """Finds people in images. Made by `load`. Several threads may call one: they take turns."""

    def __init__(
        self,
        network: Prepared | KeypointRefit,
        settings: Settings,
        single: Estimator | KeypointEstimator,
        tracking: Estimator | KeypointEstimator,
    ) -> None:
        """Estimators over the network: of single images, and of images that follow one another."""
        self.network, self.settings = network, settings
        self._single, self._tracking = single, tracking
        self._said: set[str] = set()
        self._history = CameraHistory()
        self._stamps = TrackStamps(settings.death_s)
        self._turn = threading.RLock()  # estimators are for one thread at a time; a detector may call the model that asks it

    @property
    def body(self) -> Body:
        """The body that `betas` belong to; `body.faces` are the mesh's triangles."""
        return self.network.body

    def __call__(self, image: Any, camera: Any = None, boxes: Any = None, keypoints: Any = None) -> People:
        """Everybody in one image, whatever was seen before; ids count from 1 in every call.

        image: (H, W, 3) uint8 RGB, or a file's path; or {name: image} of several cameras at one moment.
        camera: a (3, 3) matrix, a `Calibration` or a `Camera`; without it, guessed from the image's size, which `notes`
        says. With several images {name: `Camera`}.
        boxes: people's boxes instead of the detector's, in any form that `detection/results.py` knows; likewise {name: ...}.
        keypoints: people's keypoints instead of those that this model would find, in any form that
        `detection/keypoint_results.py` knows; the evidence must be landmarks.

        An image that cannot be used is named in `left_out`. Raises ValueError for what is no image, camera, boxes or
        keypoints.
        """
        with self._turn:
            self._single.begin_anew()  # also forgets whether there were several cameras
            return self._run(self._single, CameraHistory(), image, camera, boxes, keypoints, 0.0)

    def track(
        self, image: Any, camera: Any = None, stamp_s: float | None = None, boxes: Any = None, keypoints: Any = None
    ) -> People:
        """The same for images that follow one another: people keep their ids, and a known person costs less time.

        stamp_s: when the image was taken, in seconds; without it, 1/30 s after the one before. The other arguments are
        those of a call. An image whose camera, size, stamp or place cannot be right is named in `left_out`, as is a camera
        of which no image came any more; the others are used. Stamps more than a second back start everything anew.

        Raises ValueError as a call does, and for a stamp that must be in milliseconds or nanoseconds.
        """
        with self._turn:
            taken_s = self._stamps.taken(stamp_s)
            return self._run(self._tracking, self._history, image, camera, boxes, keypoints, taken_s, self._stamps.note)

    def reset(self) -> None:
        """Forget everybody, and every camera, that `track` has seen."""
        with self._turn:
            self._tracking.begin_anew()
            self._history = CameraHistory()
            self._stamps = TrackStamps(self.settings.death_s)

    def _run(
        self,
        estimator: Estimator | KeypointEstimator,
        history: CameraHistory,
        images: Any,
        cameras: Any,
        boxes: Any,
        keypoints: Any,
        stamp_s: float,
        note_on_stamps: str = "",
    ) -> People:
        several = isinstance(images, Mapping)
        given = dict(images) if several else {ALONE: images}
        if several and not isinstance(cameras, Mapping):
            raise ValueError("several images need their cameras: {name: Camera(K, fixed_from_camera=...)}")
        described = dict(cameras) if several else {} if cameras is None else {ALONE: cameras}
        found = _by_name(boxes, several, "boxes")
        points = _by_name(keypoints, several, "keypoints")
        if points and not isinstance(self.network, KeypointRefit):
            raise ValueError(NO_LANDMARKS)
        views: list[View] = []
        left_out = {name: NOT_GIVEN for name in (*described, *history.names) if name not in given} if several else {}
        notes = [*self._notes(), *([note_on_stamps] if note_on_stamps else [])]
        for name, image in given.items():
            try:
                if several and name not in described:
                    raise ValueError(
                        f"no camera '{name}' is described; there are: {', '.join(map(str, described)) or 'none'}"
                    )
                if self.settings.keypoint_source == "topic" and name not in points:
                    raise ValueError(NO_KEYPOINTS)
                view, note = _view(image, described.get(name), found.get(name), points.get(name), name, stamp_s)
            except (ValueError, OSError) as error:
                if not several:
                    raise
                left_out[name] = str(error)
                continue
            fault = history.fault(name, image_of(view), stamp_s) if fits(view) else None
            if fault is not None:
                left_out[name] = fault
                continue
            notes += [note] if note else []
            views.append(view)
        estimate = estimator.estimate(views)
        lenses = {
            view.calibration.name: (view.calibration, _pose(view))
            for view in views
            if view.calibration.name in estimate.cameras
        }
        notes += [estimate.doubt] if estimate.doubt else []
        self._say(notes)
        return People(estimate, self.body, lenses, {**estimate.left_out, **left_out}, tuple(notes))

    def _notes(self) -> list[str]:
        if not self.network.trained:
            return [UNTRAINED]
        embedded = self.network.embedded and not isinstance(self.network, KeypointRefit)
        return [EMBEDDED] if embedded else []

    def _say(self, notes: list[str]) -> None:
        """Each note once, to the logger `refit_ros`."""
        for note in notes:
            if note not in self._said:
                self._said.add(note)
                log.warning("%s", note)


def _by_name(given: Any, several: bool, what: str) -> dict[Any, Any]:
    """What came with the images, by the name of each; of a single image, which has none, under `ALONE`."""
    if given is None:
        return {}
    if several and not isinstance(given, Mapping):
        raise ValueError(f"several images need their {what} by their names: {{name: {what}}}")
    return dict(given) if several else {ALONE: given}


def _view(image: Any, camera: Any, boxes: Any, keypoints: Any, name: str, stamp_s: float) -> tuple[View, str]:
    """What a program gave of one camera, and what was assumed of it. Raises ValueError or OSError with a sentence."""
    rgb = rgb_image(image)
    height, width = rgb.shape[:2]
    lens = Camera.guessed(height, width) if camera is None else camera_from(camera)
    if isinstance(camera, Calibration):  # its own size is compared with the image's by the estimator
        calibration = replace(camera, name=name)
    else:
        calibration = lens.calibration(name, height, width)
    found = None if boxes is None else boxes_from(boxes), None if keypoints is None else keypoints_from(keypoints)
    view = View(rgb, calibration, stamp_s, lens.fixed_from_camera, *found)
    return view, GUESSED.format(np.hypot(height, width)) if camera is None else ""


def _pose(view: View) -> np.ndarray:
    return np.eye(4) if view.fixed_from_camera is None else view.fixed_from_camera
