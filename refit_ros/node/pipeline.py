"""From a set of images to messages: convert, estimate, convert, publish."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from refit_ros.camera.views import View
from refit_ros.estimation.root import predicted
from refit_ros.estimation.types import People
from refit_ros.node import conversions, frames, images
from refit_ros.node.ids import Ids
from refit_ros.node.markers import Markers
from refit_ros.node.rejections import Rejected, Rejections
from refit_ros.node.stale import marked_stale

if TYPE_CHECKING:
    from refit_ros.node.model import Model
    from refit_ros.node.outputs import Outputs
    from refit_ros.node.sets import Frame, FrameSet
    from refit_ros.node.tally import Tally


class Pipeline:
    """Used by the one computing thread; `reset` and `set_shape` may come from another."""

    def __init__(
        self,
        model: Model,
        outputs: Outputs,
        extrinsics: frames.Extrinsics | None,
        fixed_frame: str,
        tally: Tally,
        rejections: Rejections,
        clock_ns: Callable[[], int],
        ids: Ids | None = None,
        tf_prefix: str = "",
        decode: Callable[[Frame], np.ndarray | None] = images.decoded,
    ) -> None:
        """decode: raises Rejected; None where the image is on another machine."""
        self._model, self._outputs, self._extrinsics, self._fixed_frame = model, outputs, extrinsics, fixed_frame
        self._tally, self._rejections, self._clock_ns = tally, rejections, clock_ns
        self._tf_prefix, self._decode = tf_prefix, decode
        self._ids = ids or Ids()  # given where they must outlive this pipeline
        self._markers = Markers(outputs.types)
        self._estimating = threading.Lock()
        self._last_frame_id = fixed_frame
        self._overlays: dict[str, tuple[np.ndarray, int, str]] = {}  # camera -> the last one, its stamp and frame

    def process(self, taken: FrameSet) -> None:
        """One set, from images to published messages."""
        began_s = time.monotonic()
        if taken.restarted:
            self.reset()
        views, left_out = self._views(taken)
        people = self._estimate(views, taken)
        people = self._finite(replace(people, left_out={**left_out, **people.left_out}))
        used = taken.only(people.cameras)
        self._publish(used, people, views)
        self._count(taken, used, people, began_s)

    def look_ahead(self) -> None:
        """Tells eyes that are elsewhere what will be asked of the next images, where it can be known."""
        with self._estimating:
            self._model.estimator.look_ahead()

    def _estimate(self, views: list[View], taken: FrameSet) -> People:
        if not views:
            return People(taken.stamp_ns * 1e-9, (), ())
        with self._estimating:
            found = self._model.estimator.estimate(views)
            given = self._ids.outward([person.id for person in found.people], found)
            return replace(found, people=tuple(replace(person, id=id_) for person, id_ in zip(found.people, given)))

    def reset(self) -> None:
        """Forget everybody."""
        with self._estimating:
            self._model.estimator.reset()
            self._ids.begin_anew()

    def set_shape(self, person_id: int, betas: np.ndarray | None) -> None:
        """Hold or release a shape. Raises ValueError or KeyError where there is no such person."""
        with self._estimating:
            self._model.estimator.set_shape(self._ids.inward(person_id), betas)

    def clear(self) -> None:
        """Take down the markers that are shown, and mark the overlays."""
        for camera in list(self._overlays):
            self.mark_stale(camera)
        self.show_nobody()
        if self._outputs.markers_wanted():
            self._outputs.publish_markers(self._markers.deletion(self._tally.newest_stamp_ns, self._last_frame_id))

    def show_nobody(self) -> None:
        """To planners and by REP 155, whose messages do not expire by themselves as markers do."""
        if self._outputs.obstacles is not None:
            self._outputs.obstacles.publish((), self._tally.newest_stamp_ns, self._last_frame_id)
        if self._outputs.humans is not None:
            self._outputs.humans.publish((), (), self._tally.newest_stamp_ns)

    def mark_stale(self, camera: str) -> None:
        """The last overlay once more, if there was one since the last mark, so that nobody takes it for live."""
        last = self._overlays.pop(camera, None)
        if last is not None and self._outputs.overlay_wanted(camera):
            overlay, stamp_ns, frame_id = last
            self._outputs.publish_overlay(
                camera, conversions.image_message(self._outputs.types, marked_stale(overlay), stamp_ns, frame_id)
            )

    def _views(self, taken: FrameSet) -> tuple[list[View], dict[str, str]]:
        """Decoded images with their extrinsics; and why a camera's is not among them."""
        where, left_out = self._extrinsics.of(taken) if self._extrinsics else ({}, {})
        for camera, reason in left_out.items():
            self._rejections.add(camera, "no extrinsics", reason)
        views = []
        for frame in taken.frames:
            if frame.camera in left_out:
                continue
            try:
                image = self._decode(frame)
            except Rejected as rejected:
                self._rejections.add(frame.camera, rejected.reason, str(rejected))
                left_out[frame.camera] = str(rejected)
                continue
            calibration = frame.calibration
            if calibration.frame_id != frame.frame_id:
                calibration = replace(calibration, frame_id=frame.frame_id)
            pose = where.get(frame.camera)
            views.append(View(image, calibration, frame.stamp_ns * 1e-9, pose, frame.boxes, frame.keypoints))
        return views, left_out

    def _finite(self, people: People) -> People:
        """The last guard: whoever holds a number that is none is not published, but counted."""
        finite = tuple(person for person in people.people if conversions.is_finite(person))
        bad = len(people.people) - len(finite)
        if bad:
            self._tally.nonfinite_dropped += bad
            self._rejections.add("", "not finite", "a person was not published: the estimate holds NaN or infinity")
        return replace(people, people=finite)

    def _publish(self, taken: FrameSet, people: People, views: list[View]) -> None:
        frame_id = self._last_frame_id = self._fixed_frame or taken.frames[0].frame_id
        out, stamp_ns = self._outputs, taken.stamp_ns
        latency_ns = max(self._clock_ns() - stamp_ns, 0)
        if self._model.predict_to_now:
            people = predicted(people, latency_ns * 1e-9)
        if out.smpl_wanted():
            out.publish_smpl(conversions.smpl_array(out.types, people, taken, frame_id, self._model.body.name, latency_ns))
        if people.people and out.tf_wanted():
            transforms = frames.transforms(out.types, people.people, stamp_ns, frame_id, self._tf_prefix)
            if out.humans is not None:
                transforms += out.humans.transforms(people.people, stamp_ns, frame_id)
            out.publish_tf(transforms)
        if out.humans is not None:
            taken_ns = {frame.camera: frame.stamp_ns for frame in taken.frames}
            out.humans.publish(people.people, views, stamp_ns, taken_ns)
        if out.obstacles is not None:
            out.obstacles.publish(people.people, stamp_ns, frame_id)
        if out.markers_wanted():
            meshes = self._meshes(people) if out.publish_mesh else {}
            out.publish_markers(self._markers.serialized(people.people, stamp_ns, frame_id, meshes, out.faces))
        for frame, view in (
            (frame, view) for view in views for frame in taken.frames if frame.camera == view.calibration.name
        ):
            if view.image is not None and out.overlay_wanted(frame.camera):
                image = self._overlay(view, people)
                self._overlays[frame.camera] = image, frame.stamp_ns, frame.frame_id
                out.publish_overlay(
                    frame.camera, conversions.image_message(out.types, image, frame.stamp_ns, frame.frame_id)
                )
        self._tally.latency_ms.add(latency_ns * 1e-6)

    def _meshes(self, people: People) -> dict[int, np.ndarray]:
        from refit_ros.estimation.mesh import people_vertices

        vertices_m = people_vertices(self._model.body, people.people)
        return {person.id: mesh for person, mesh in zip(people.people, vertices_m)}

    def _overlay(self, view: View, people: People) -> np.ndarray:
        from refit_ros.estimation.overlay import draw_overlay

        fixed_from_camera = np.eye(4) if view.fixed_from_camera is None else view.fixed_from_camera
        return draw_overlay(view.image, view.calibration, np.linalg.inv(fixed_from_camera), people, self._model.body)

    def _count(self, taken: FrameSet, used: FrameSet, people: People, began_s: float) -> None:
        tally = self._tally
        tally.sets += 1
        tally.images += len(taken.frames)
        tally.people, tally.iterations = len(people.people), people.iterations
        tally.detector_calls += people.detector_calls
        tally.boxes_dropped += people.boxes_dropped
        tally.moved_cameras, tally.doubt = people.moved_cameras, people.doubt
        here = {frame.camera for frame in taken.frames}
        tally.left_out = {camera: why for camera, why in tally.left_out.items() if camera not in here} | people.left_out
        tally.newest_stamp_ns = used.stamp_ns
        tally.compute_ms.add(1e3 * (time.monotonic() - began_s))
