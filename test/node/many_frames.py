"""A million images through intake and estimator, and whether anything grows:
    python test/node/many_frames.py [--images 1000000]

Four cameras send images, calibrations and boxes as messages; a network that knows the truth stands in for the real one, so
that all the rest is what runs: intake, sets, tracking, fusing, smoothing, the messages. In each minute of the scene one
person walks for a third of it, for some seconds a second one too, then the room is empty; a camera is lost and found; the
clock is set back once in a while. Prints memory, open objects, time a set and ids
after each hundredth; ends with 1 where memory or time grows over the second half, or an image went nowhere untold.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
import time
from pathlib import Path
from types import SimpleNamespace

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "estimation")]
STEP_NS = 100_000_000  # ten sets a second, in the scene's time
FIRST_NS = 1_700_000_000_000_000_000
ROUND = 600  # sets until everything happens again
CLOCK_BACK_EVERY = 20  # rounds
LOOKS = 100
NAMES = ("cam0", "cam1", "cam2", "cam3")


class Nobody:
    """Outputs that nobody listens to but for `/human/smpl`, whose message is made and dropped."""

    obstacles = humans = None
    publish_mesh, faces = False, None

    def __init__(self, types) -> None:
        self.types, self.messages, self.people = types, 0, 0

    def smpl_wanted(self) -> bool:
        return True

    def publish_smpl(self, message) -> None:
        self.messages += 1
        self.people += len(message.people)

    def tf_wanted(self) -> bool:
        return False

    def markers_wanted(self) -> bool:
        return False

    def overlay_wanted(self, camera: str) -> bool:
        return False


class Room:
    """Stage, cameras' messages, intake and pipeline."""

    def __init__(self) -> None:
        from node_fakes import image_message, info_message, small_body
        from oracle import Actor, Oracle, ring

        from refit_ros.estimation.estimator import Estimator
        from refit_ros.estimation.settings import Settings
        from refit_ros.node.inputs import BOXES
        from refit_ros.node.intake import Intake
        from refit_ros.node.parameters import NodeParameters
        from refit_ros.node.pipeline import Pipeline
        from refit_ros.node.rejections import Rejections
        from refit_ros.node.tally import Tally

        self.lines: list[str] = []
        rings = ring(len(NAMES))
        actors = [Actor((-1.5, -0.6), (0.05, 0), seed=1), Actor((1.5, 0.6), (-0.05, 0), seed=2)]
        self.stage = remembering_stage(actors, rings, small_body())
        parameters = NodeParameters(cameras=NAMES, fixed_frame="world", camera_timeout_s=2.0, detection_wait_s=1.0)
        self.rejections, self.tally = Rejections(self.lines.append), Tally()
        self.intake = Intake(parameters, BOXES, self.rejections)
        self.oracle = Oracle(self.stage)
        model = SimpleNamespace(
            estimator=Estimator(self.oracle, Settings(detector="topic")), body=self.stage.body, predict_to_now=False
        )
        where = {name: pose for name, (_, pose) in zip(NAMES, rings, strict=True)}
        extrinsics = SimpleNamespace(of=lambda taken: (where, {}))
        self.outputs = Nobody(message_types())
        self.pipeline = Pipeline(model, self.outputs, extrinsics, "world", self.tally, self.rejections, lambda: FIRST_NS)
        self.now_ns, self.sent, self.sets = FIRST_NS, 0, 0
        width, height = rings[0][0].width_px, rings[0][0].height_px
        # One image and one calibration a camera, sent again and again under another stamp.
        self._images = [image_message(FIRST_NS, width, height, frame_id=f"{name}_optical") for name in NAMES]
        self._infos = [info_message(FIRST_NS, width, height, 500.0 + n, f"{name}_optical") for n, name in enumerate(NAMES)]
        for info, (calibration, _) in zip(self._infos, rings, strict=True):
            info.k = calibration.K.ravel().tolist()

    def step(self, number: int) -> None:
        """One set."""
        at, in_round = number % ROUND / ROUND, number // ROUND
        self.stage.absent = {0, 1} if at > 0.35 else set() if 0.15 < at < 0.2 else {1}
        lost = {1} if 0.25 < at < 0.45 else set()
        self.now_ns += STEP_NS
        if number % ROUND == 0 and in_round % CLOCK_BACK_EVERY == CLOCK_BACK_EVERY - 1:
            self.now_ns -= 3600 * 10**9
        for view in self.stage.views(at * ROUND * STEP_NS * 1e-9, only=set(range(len(NAMES))) - lost):
            camera = NAMES.index(view.calibration.name)
            for found in self._send(camera, view.boxes, number * STEP_NS * 1e-9):
                self.pipeline.process(found)
                self.sets += 1

    def _send(self, camera: int, boxes, now_s: float):
        from geometry_msgs.msg import Point32, PolygonStamped
        from node_fakes import stamp_of

        name, stamp = NAMES[camera], stamp_of(self.now_ns)
        info, image, polygon = self._infos[camera], self._images[camera], PolygonStamped()
        info.header.stamp = image.header.stamp = polygon.header.stamp = stamp
        for x0, y0, x1, y1 in boxes.xyxy_px.tolist():
            polygon.polygon.points += [Point32(x=x0, y=y0, z=0.9), Point32(x=x1, y=y1)]
        self.sent += 1
        return [
            *self.intake.camera_info(name, info, now_s),
            *self.intake.image(name, image, now_s),
            *self.intake.boxes(name, polygon, now_s),
            *self.intake.poll(now_s),
        ]


def remembering_stage(actors, rings, body):
    """A stage that poses nobody twice for one moment: a round shows the same as the one before."""
    from oracle import Stage

    class Remembering(Stage):
        known: dict = {}

        def pose(self, actor: int):
            key = actor, round(self.time_s, 6)
            if key not in self.known:
                self.known[key] = super().pose(actor)
            return self.known[key]

    return Remembering(actors, rings, body)


def message_types():
    """As `Outputs` gives them."""
    import rclpy
    from rclpy.lifecycle import LifecycleNode

    from refit_ros.node.harness import own_domain_id
    from refit_ros.node.outputs import Outputs

    context = rclpy.Context()
    rclpy.init(context=context, domain_id=own_domain_id())
    try:
        return Outputs(LifecycleNode("many_frames", context=context), list(NAMES), False, None).types
    finally:
        context.try_shutdown()


def main() -> int:
    from refit_ros.benchmarking.soak_samples import program_size

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=1_000_000)
    parser.add_argument("--output", type=Path, help="samples, as JSON")
    args = parser.parse_args()
    room, number, rows, began_s = Room(), 0, [], time.monotonic()
    while room.sent < args.images:
        step_began_s, goal = time.process_time(), (len(rows) + 1) * args.images // LOOKS
        sets_before = room.sets
        while room.sent < goal:
            room.step(number)
            number += 1
        room.oracle.calls.clear()  # it remembers all of them, for tests that are short
        own_ms = 1e3 * (time.process_time() - step_began_s) / max(room.sets - sets_before, 1)
        gc.collect()
        rss_mib, threads, files = program_size()
        rows.append((room.sent, rss_mib, threads, files, own_ms, len(gc.get_objects())))
        if len(rows) % 10 == 0:
            print(f"{room.sent} images, {room.sets} sets: {rss_mib:.1f} MiB, {threads} threads, {files} files, "
                  f"{len(gc.get_objects())} objects, {own_ms:.2f} ms a set", flush=True)  # fmt: skip
    return told(room, rows, time.monotonic() - began_s, args.output)


def told(room: Room, rows: list, seconds: float, output: Path | None) -> int:
    from refit_ros.benchmarking.soak_samples import BOUNDS
    from refit_ros.benchmarking.soak_verdict import Bound, judged

    at = [row[0] for row in rows]
    found = [
        judged(BOUNDS["rss_mib"], at, [row[1] for row in rows]),
        judged(BOUNDS["threads"], at, [row[2] for row in rows]),
        judged(BOUNDS["files"], at, [row[3] for row in rows]),
        judged(Bound("processor time a set", "ms", 0.5, relative=True), at, [row[4] for row in rows]),
        judged(Bound("objects", "", 500.0), at, [row[5] for row in rows]),
    ]
    used = room.intake.used
    in_sets = sum(used[name, what] for name, what in used if what == "images")
    untold = room.sent - in_sets
    print(f"{room.sent} images in {room.sets} sets, {room.outputs.messages} messages with {room.outputs.people} people, "
          f"{seconds:.0f} s; {untold} images in no set; {len(room.lines)} log lines")  # fmt: skip
    for line in room.lines[:10]:
        print(f"  log: {line}")
    for verdict in found:
        per_million = 1e6 * verdict.growth / max(at[-1] - at[len(at) // 2], 1)
        word = {True: "flat", False: "NOT FLAT", None: "too few"}[verdict.flat]
        values = f"{verdict.first:.1f} then {verdict.median:.1f} {verdict.bound.unit}, {per_million:+.2f} a million images"
        print(f"  {verdict.bound.figure}: {word}, {values}")
    if output:
        output.write_text(
            json.dumps({"columns": ["images", "rss_mib", "threads", "files", "ms_a_set", "objects"], "rows": rows})
        )
    lost = untold > 0.001 * room.sent
    return int(lost or not room.outputs.people or any(verdict.flat is False for verdict in found))


if __name__ == "__main__":
    sys.exit(main())
