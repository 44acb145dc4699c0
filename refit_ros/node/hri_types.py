"""Which of the standard's messages are there: hri_msgs may be missing, or of a version that calls them otherwise."""

from __future__ import annotations

import importlib

from refit_ros.node.obstacles import installed

IDS, ROI, SKELETON, POINT = "IdsList", "NormalizedRegionOfInterest2D", "Skeleton2D", "NormalizedPointOfInterest2D"
FIELDS = {
    IDS: ("header", "ids"),
    ROI: ("header", "xmin", "ymin", "xmax", "ymax", "c"),
    POINT: ("x", "y", "c"),
    SKELETON: ("header", "skeleton"),
}
TOPICS = {IDS: "tracked", ROI: "roi", SKELETON: "skeleton2d"}
NEEDED = {SKELETON: (POINT,)}  # beside itself
NOT_INSTALLED = "hri is true, and hri_msgs is not installed: joint states, URDF and frames of people are published alone"


def hri_types() -> tuple[dict[str, type], str]:
    """The classes of the topics' messages that are as they should be, and a sentence where some are not; "" if all are."""
    found = {name: _as_it_should_be(name) for name in FIELDS}
    usable = {
        name: kind
        for name, kind in found.items()
        if name in TOPICS and kind is not None and all(found[other] is not None for other in NEEDED.get(name, ()))
    }
    lacking = [name for name in TOPICS if name not in usable]
    if not lacking:
        return usable, ""
    try:
        importlib.import_module("hri_msgs.msg")
    except ImportError:
        return {}, NOT_INSTALLED
    topics = ", ".join(TOPICS[name] for name in lacking)
    return usable, (
        f"hri is true, and the hri_msgs that is installed has no {', '.join(lacking)} with the fields of version 2: "
        f"{topics} of people are not published; install a newer one (apt install ros-jazzy-hri-msgs)"
    )


def _as_it_should_be(name: str) -> type | None:
    kind = installed("hri_msgs", name)
    if kind is None:
        return None
    made = kind()
    return kind if all(hasattr(made, field) for field in FIELDS[name]) else None
