"""Every tunable of the Estimator, each with its default, meaning and range in this one place."""

from __future__ import annotations

from dataclasses import Field, dataclass, field, fields
from numbers import Integral, Real

DETECTORS = ("builtin", "photographs", "topic", "onnx", "full_image")
KEYPOINT_SOURCES = ("models", "onnx", "topic")
LANDMARKS = ("lite", "full", "heavy")
EFFORTS = ("auto", "quick", "thorough")


def _setting(default, description: str, minimum=None, maximum=None, choices: tuple = ()):
    """A dataclass field whose metadata a user interface can turn into a parameter."""
    return field(
        default=default, metadata={"description": description, "minimum": minimum, "maximum": maximum, "choices": choices}
    )


@dataclass(frozen=True)
class Settings:
    """How people are found, followed, fused and smoothed.

    Every field's metadata holds `description`, `minimum`, `maximum` (inclusive, None: open) and `choices`.
    Raises ValueError, naming the field, its value and its range, on a value out of range.
    """

    evidence: str = _setting(
        "auto",
        "What the network looks at: its features of the images, or landmarks that other networks (BlazePose, MoveNet) find "
        "in them (`refit_ros models get`); both: people are found and followed by landmarks, and the network that looks at "
        "images (`weights`) begins where these have put them; auto: what the weights are for; without any, keypoints where "
        "the models are there, else features. Drawn people are better seen by features, real ones by keypoints",
        choices=("auto", "keypoints", "features", "both"),
    )
    detector: str = _setting(
        "builtin",
        "Where boxes of people come from; where landmarks are the evidence, photographs in the place of builtin",
        choices=DETECTORS,
    )
    detector_model: str = _setting("", "ONNX file of detector 'onnx': a YOLOX, YOLOv8, YOLO11 or RT-DETR export")
    keypoint_source: str = _setting(
        "models",
        "Who finds people's landmarks where these are the evidence: models: BlazePose and MoveNet (`refit_ros models get`); "
        "onnx: keypoint_model; topic: they come on keypoint_topic, and nobody looks for boxes",
        choices=KEYPOINT_SOURCES,
    )
    keypoint_model: str = _setting(
        "",
        "ONNX file of keypoint_source 'onnx': heatmaps (HRNet, ViTPose), SimCC (RTMPose) or YOLO pose, of COCO's 17 or "
        "Halpe's 26 points",
    )
    landmarks: str = _setting(
        "full",
        "With keypoint_source 'models': which of BlazePose's networks finds the landmarks that MoveNet does not, or where "
        "MoveNet is not there all of them: lite is quicker, heavy finer (`refit_ros models get pose_landmark_heavy`)",
        choices=LANDMARKS,
    )
    detector_effort: str = _setting(
        "auto",
        "How closely `photographs` looks for people who are far or small: quick: at the whole image and one part at a time; "
        "thorough: at all of it larger too, and twice at each who is new, which takes several times as long; auto: thorough "
        "where birth_hits is 1",
        choices=EFFORTS,
    )
    detector_confidence: float = _setting(0.4, "Boxes less certain than this are ignored", 0.0, 1.0)
    detector_interval: int = _setting(
        10, "Look for new people in every n-th set; the followed are boxed by their own projection in between", 1, 1000
    )
    max_people: int = _setting(20, "At most this many people are followed, and as many boxes taken from an image", 1, 100)
    iterations: int = _setting(5, "Updates of the network for a person seen for the first time", 1, 20)
    tracked_iterations: int = _setting(
        2, "Updates for a followed person, from the last state (with warm_start; evidence features)", 1, 20
    )
    warm_start: bool = _setting(
        True, "Start a followed person from the last state instead of from scratch (evidence features)"
    )
    latency_budget_ms: float = _setting(
        0.0,
        "Lower and raise the iterations to keep one set within this time (evidence features); 0: no budget",
        0.0,
        10000.0,
    )
    fuse_views: bool = _setting(
        True, "Solve a person from all cameras together; false: each set uses the best single view (evidence features)"
    )
    smoothing: float = _setting(0.5, "0: raw estimates; 1: the steadiest, with the most lag", 0.0, 1.0)
    known_height_m: float = _setting(
        0.0, "Everybody's standing height, which fixes the scale of a single camera; 0: unknown", 0.0, 3.0
    )
    birth_hits: int = _setting(
        2,
        "Images in which a person must be seen before being published; several cameras may give them at once. By landmarks: "
        "one fewer for whom the only camera sees plainly, four times as many for whom one camera sees and others should",
        1,
        100,
    )
    death_s: float = _setting(1.0, "A person not seen for this long is gone", 0.0, 60.0)
    reentry_s: float = _setting(
        5.0, "A person who comes back within this time, near where they went, keeps the id", 0.0, 600.0
    )
    moved_camera_px: float = _setting(
        25.0,
        "A view whose residual stays above this, in an image scaled to 640 px, is reported as a moved camera",
        1.0,
        1000.0,
    )
    moved_camera_s: float = _setting(2.0, "... for as long as this", 0.1, 60.0)

    def __post_init__(self) -> None:
        for entry in fields(self):
            check_field(entry, getattr(self, entry.name))
        if self.detector == "onnx" and not self.detector_model:
            raise ValueError(
                "detector 'onnx' needs a model: set detector_model to the path of a YOLOX, YOLOv8, YOLO11 "
                "or RT-DETR .onnx file"
            )
        if self.keypoint_source == "onnx" and not self.keypoint_model:
            raise ValueError(
                "keypoint_source 'onnx' needs a model: set keypoint_model to the path of an .onnx file of heatmaps, SimCC "
                "or YOLO pose"
            )


# Of a field by its default: numbers of NumPy count as well, and True is no number of people.
_KINDS: dict[type, tuple[str, type]] = {
    bool: ("True or False", bool),
    int: ("a whole number", Integral),
    float: ("a number", Real),
    str: ("a text", str),
}


def check_field(entry: Field, value) -> None:
    """Raises ValueError where it is of another kind than the field, none of its choices or out of its range."""
    what, kinds = _KINDS.get(type(entry.default), ("", type(value)))
    if not isinstance(value, kinds) or isinstance(value, bool) != (kinds is bool):
        raise ValueError(f"{entry.name} is {value!r}; it must be {what}")
    low, high, choices = (entry.metadata[key] for key in ("minimum", "maximum", "choices"))
    if choices and value not in choices:
        raise ValueError(f"{entry.name} is {value!r}; choose one of {', '.join(choices)}")
    if low is not None and not low <= value <= high:  # also refuses NaN
        told = f"{value:g}" if isinstance(value, float) else value
        raise ValueError(f"{entry.name} is {told}; it must lie between {low} and {high}")
