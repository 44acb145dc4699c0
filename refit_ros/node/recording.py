"""A recorded bag goes through the node's own intake and pipeline, and what comes out goes into another bag.

No ROS runtime, no clock but the bag's, no image dropped: the same bag gives the same bytes every time.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from refit_ros.core.plain_files import shown
from refit_ros.node.bag_cameras import IMAGE_TYPES
from refit_ros.node.bag_doubts import Doubts
from refit_ros.node.bag_files import find_bag, is_mcap
from refit_ros.node.bag_origin import DOUBT_KEY, KEY, LOST_KEY, as_a_word
from refit_ros.node.bag_outputs import TF, BagOutputs
from refit_ros.node.bag_types import make_store
from refit_ros.node.compat.transform_tree import Pose, TransformException, TransformTree
from refit_ros.node.conversions import stamp_ns
from refit_ros.node.frames import Extrinsics, Lookup, NoTransform
from refit_ros.node.inputs import IMAGES
from refit_ros.node.intake import Intake
from refit_ros.node.pipeline import Pipeline
from refit_ros.node.rejections import Rejections
from refit_ros.node.tally import Tally

if TYPE_CHECKING:
    from rosbags.highlevel import AnyReader

    from refit_ros.node.model import Model
    from refit_ros.node.parameters import NodeParameters

CAMERA_INFO = "sensor_msgs/msg/CameraInfo"
KEYPOINT_TYPE = "refit_ros/msg/Keypoints"
DETECTIONS = ("vision_msgs/msg/Detection2DArray", "geometry_msgs/msg/PolygonStamped")
FILE_NAME = "refit"  # of the file in the new bag, whatever the folder is called
FOREVER_NS = 2**62


@dataclass(frozen=True)
class Outcome:
    sets: int
    with_people: int
    rejected: int
    usable: int = 0  # sets of which an image could be used; without any there is no new bag
    why: str = ""  # what was rejected, as "no CameraInfo: 11, no stamp: 1"
    doubt: str = ""  # why the cameras cannot stand or see as they say, and which of them were moved
    lost: int = 0  # messages that the bag says it holds, and that are not there
    images: int = 0  # usable ones that came ...
    left_out: int = 0  # ... and those of them that are in no set: late, unmatched or otherwise
    late: int = 0  # after their set was done, or with a stamp no later than the one before
    unmatched: int = 0  # with no images of the other cameras within the slop


@contextmanager
def open_bag(path: Path) -> Iterator[AnyReader]:
    """A reader, open. Raises FileNotFoundError or ValueError with a sentence."""
    with _called_what_it_is(find_bag(path)) as found:
        yield from _open(found, path)


@contextmanager
def _called_what_it_is(found: Path) -> Iterator[Path]:
    """rosbags tells files apart by their endings alone: one that is called otherwise gets another name for it."""
    ending = "" if found.is_dir() else ".mcap" if is_mcap(found) else ".db3"
    if not ending or found.suffix == ending:
        yield found
        return
    with tempfile.TemporaryDirectory(prefix="refit_") as folder:
        link = Path(folder) / f"{FILE_NAME}{ending}"
        link.symlink_to(found.resolve())
        yield link


def _open(found: Path, path: Path) -> Iterator[AnyReader]:
    from rosbags.highlevel import AnyReader, AnyReaderError

    try:
        reader = AnyReader([found], default_typestore=make_store())
        reader.open()
    except Exception as error:  # damaged bytes make the reader raise anything
        why = f" ({shown(' '.join(str(error).split())[:200].rstrip('.'))})" if isinstance(error, AnyReaderError) else ""
        raise ValueError(
            f"'{shown(path)}' cannot be read as a ROS 2 bag{why}: it is damaged; copy it again, or mend it "
            "with `ros2 bag reindex` or `mcap recover`"
        ) from error
    try:
        yield reader
    finally:
        reader.close()


def transforms_in(reader: AnyReader, say: Callable[[str], None] = lambda _: None) -> Lookup:
    """Every transform of the bag, read beforehand: one that was recorded after its image counts too.

    Those that are none (NaN, no unit quaternion, no name) are left out, and `say` gets a sentence about the first of them.
    """
    tree, refused = TransformTree(FOREVER_NS), []
    connections = [each for each in reader.connections if each.msgtype == TF]
    for connection, _, raw in messages_in(reader, connections):
        for each in read_message(reader, connection, raw).transforms:
            place, turn = each.transform.translation, each.transform.rotation
            taken = tree.set(
                each.header.frame_id,
                each.child_frame_id,
                stamp_ns(each.header.stamp),
                Pose((place.x, place.y, place.z), (turn.x, turn.y, turn.z, turn.w)),
                connection.topic.endswith("tf_static"),
            )
            if not taken:
                refused.append(f"from '{shown(each.child_frame_id[:60])}' to '{shown(each.header.frame_id[:60])}'")
    if refused:
        say(
            f"{len(refused)} transforms of the bag are left out: the first, {refused[0]}, holds NaN, no unit quaternion "
            "or no name of a frame; mend who publishes it"
        )

    def lookup(target: str, source: str, time_ns: int):
        try:
            pose, _ = tree.lookup(target, source, time_ns)
        except TransformException as error:
            raise NoTransform(str(error)) from error
        return pose.translation, pose.rotation

    return lookup


def messages_in(reader: AnyReader, connections: list, start_ns: int | None = None) -> Iterator[tuple[Any, int, bytes]]:
    """Of these connections; none are none, which to rosbags means all. Raises ValueError where the bag is damaged."""
    try:
        yield from reader.messages(connections, start=start_ns) if connections else ()
    except Exception as error:  # damaged bytes make the reader raise anything
        raise ValueError(f"{_damaged(reader)} ({type(error).__name__}: {shown(str(error)[:100])})") from error


def read_message(reader: AnyReader, connection: Any, raw: bytes) -> Any:
    """Raises ValueError where the message is damaged."""
    try:
        return reader.deserialize(raw, connection.msgtype)
    except Exception as error:
        raise ValueError(f"{_damaged(reader)}: a message on {shown(connection.topic[:200])} cannot be read") from error


def _damaged(reader: AnyReader) -> str:
    where = ", ".join(shown(path.resolve()) for path in reader.paths)
    return f"'{where}' is damaged within: copy it again, or mend it with `mcap recover` or `sqlite3 FILE .recover`"


def fit_bag(
    reader: AnyReader,
    output: Path,
    model: Model,
    parameters: NodeParameters,
    found_by_others: str,
    mcap: bool,
    warn: Callable[[str], None],
    progress: Callable[[int, float], None],
    made_from: str = "",
) -> Outcome:
    """Write the bag `output`, whole or not at all. `progress` gets the sets done and the seconds of the bag behind them;
    `made_from` (see bag_origin) goes into the new bag's metadata.

    Raises FileExistsError where `output` exists.
    """
    from rosbags.rosbag2 import StoragePlugin, Writer

    if output.exists():
        raise FileExistsError(f"'{output}' exists already: remove it, or give another --output")
    output.parent.mkdir(parents=True, exist_ok=True)
    rejections, tally = Rejections(warn), Tally()
    extrinsics = (
        Extrinsics(transforms_in(reader, warn), parameters.fixed_frame, wait_s=0.0) if parameters.fixed_frame else None
    )
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=".refit_") as folder:
        part = Path(folder) / FILE_NAME
        with Writer(part, version=9, storage_plugin=StoragePlugin.MCAP if mcap else StoragePlugin.SQLITE3) as writer:
            if made_from:
                writer.set_custom_data(KEY, made_from)
            outputs = BagOutputs(writer, make_store(), parameters.publish_mesh, model.body.faces)
            # Every run must write the same: the latency is told as 0, whatever this machine took.
            pipeline = Pipeline(model, outputs, extrinsics, parameters.fixed_frame, tally, rejections, clock_ns=lambda: 0)
            with_people, usable, lost = 0, 0, 0
            doubts = Doubts(lambda sentence: rejections.say_once("", sentence, sentence))

            def note_lost(count: int, announced: int) -> None:
                nonlocal lost
                lost = count
                writer.set_custom_data(LOST_KEY, f"{count} of {announced}")  # so that the next run says so too

            intake = Intake(parameters, found_by_others, rejections)
            for time_ns, found in sets_in(reader, parameters, intake, note_lost):
                outputs.time_ns = time_ns
                pipeline.process(found)
                with_people += tally.people > 0
                usable += any(frame.camera not in tally.left_out for frame in found.frames)
                at_s = (time_ns - reader.start_time) * 1e-9
                doubts.add(tally, at_s)
                progress(tally.sets, at_s)
            if doubts.sentence:
                writer.set_custom_data(DOUBT_KEY, as_a_word(doubts.sentence))
        if usable:  # a bag of which nothing was seen is no outcome
            os.rename(part, output)  # all at once; not into what came there meanwhile
    images = sum(intake.images.values())
    left_out = images - sum(intake.used[name, IMAGES] for name in intake.cameras)
    counts = [intake.builder.counts(name) for name in intake.cameras]
    late, unmatched = (sum(each[what] for each in counts) for what in ("late", "unmatched"))
    counted = tally.sets, with_people, rejections.total, usable, rejections.told, doubts.sentence
    return Outcome(*counted, lost, images, left_out, late, unmatched)


def sets_in(
    reader: AnyReader, parameters: NodeParameters, intake: Intake, lost: Callable[[int, int], None] = lambda *_: None
) -> Iterator[tuple[int, Any]]:
    """(time in the bag, set), as the node would have got them had it been fast enough. `lost` gets, at the end, how many
    messages the bag does not hold, and of how many that it should: a reader passes over a part that is damaged without a
    word.
    """
    take = _takers(parameters, intake)
    wanted = [connection for connection in reader.connections if (connection.topic, connection.msgtype) in take]
    time_ns, came = reader.start_time, 0
    for connection, time_ns, raw in messages_in(reader, wanted):
        came += 1
        yield from _overdue(intake, time_ns * 1e-9)
        camera, method = take[connection.topic, connection.msgtype]
        try:
            message = reader.deserialize(raw, connection.msgtype)
        except Exception as error:  # whatever rosbags makes of broken bytes
            intake.rejections.add(camera, "cannot be read", f"a message on {connection.topic} is broken: {error}")
            continue
        for found in method(camera, message, time_ns * 1e-9):
            yield time_ns, found
    yield from _overdue(intake, float("inf"))
    intake.give_up_waiting()
    announced = sum(connection.msgcount for connection in wanted)
    if announced > came:
        lost(announced - came, announced)
        text = f"{announced - came} of {announced} messages that it should hold are not there"
        intake.rejections.say_once("", "lost", f"{_damaged(reader)}; {text}")


def _overdue(intake: Intake, until_s: float) -> Iterator[tuple[int, Any]]:
    """The sets whose deadline lies before `until_s`, each at its own."""
    while (due_s := intake.next_deadline_s()) is not None and due_s <= until_s:
        for found in intake.poll(due_s):
            yield round(due_s * 1e9), found


def _takers(parameters: NodeParameters, intake: Intake) -> dict[tuple[str, str], tuple[str, Callable]]:
    """What is done with the messages of a (topic, type)."""
    compressed = parameters.image_transport == "compressed"
    templates = [
        (
            parameters.image_topic + ("/compressed" if compressed else ""),
            [IMAGE_TYPES[parameters.image_transport]],
            intake.image,
        ),
        (parameters.camera_info_topic, [CAMERA_INFO], intake.camera_info),
        (parameters.detection_topic, DETECTIONS, intake.boxes),
        (parameters.keypoint_topic, [KEYPOINT_TYPE], intake.keypoints),
    ]
    return {
        ("/" + template.format(camera=name).lstrip("/"), kind): (name, method)
        for name in intake.cameras
        for template, kinds, method in templates
        for kind in kinds
    }
