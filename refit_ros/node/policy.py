"""What the nodes use of the graph, as an SROS2 policy: taken from running nodes, so that the two cannot drift apart."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from refit_ros.node.humans import BODIES, BODY_TOPICS
from refit_ros.node.obstacles import COLLISIONS, PEOPLE

if TYPE_CHECKING:
    from rclpy.node import Node

VERSION = "0.2.0"  # of the policies' schema
NODES = ("refit", "refit_edge", "refit_fusion")
# Every stream that there is, in two settings: a node takes raw or compressed images.
SETTINGS = tuple(
    {
        "image_transport": transport,
        "fixed_frame": "map",
        "detector": "topic",
        "obstacles": True,
        "hri": True,
        "use_sim_time": True,
    }
    for transport in ("raw", "compressed")
)
_ACTION = "/_action/"
_OF_A_BODY = re.compile(rf"{BODIES}/h\d+/")
ANY_BODY = f"{BODIES}/h*/"  # topics are named after people; SROS2's expressions are those of fnmatch


@dataclass(frozen=True)
class Used:
    """Whole names of topics and services, by what is done with them."""

    publish: frozenset[str]
    subscribe: frozenset[str]
    reply: frozenset[str]
    request: frozenset[str]

    def __or__(self, other: Used) -> Used:
        return Used(*(getattr(self, each.name) | getattr(other, each.name) for each in fields(self)))


def used_by(node: Node) -> Used:
    """Of a node at this moment; people's topics as one expression.

    Raises ValueError where it uses an action: the policy has no entries for them.
    """
    who = node.get_name(), node.get_namespace()
    ways = (
        node.get_publisher_names_and_types_by_node,
        node.get_subscriber_names_and_types_by_node,
        node.get_service_names_and_types_by_node,
        node.get_client_names_and_types_by_node,
    )
    used = Used(*(frozenset(_OF_A_BODY.sub(ANY_BODY, name) for name, _ in way(*who)) for way in ways))
    if any(_ACTION in name for each in fields(used) for name in getattr(used, each.name)):
        raise ValueError("the node uses an action: add actions to the policy")
    return used


def used_at_most(which: str, load: Callable | None = None, cameras: tuple[str, ...] = ("camera",)) -> Used:
    """Of one of NODES while it is active with all of its streams. `load`: in place of what it loads."""
    import rclpy
    from rclpy.parameter import Parameter

    kind = _node_class(which)
    used = Used(frozenset(), frozenset(), frozenset(), frozenset())
    for settings in SETTINGS:
        context = rclpy.context.Context()
        rclpy.init(context=context)
        overrides = [Parameter(name, value=value) for name, value in {**settings, "cameras": list(cameras)}.items()]
        given = {} if load is None else {"load": load}
        node = kind(context=context, parameter_overrides=overrides, **given)
        try:
            if not node.start():
                raise RuntimeError(f"{which} did not start: see its log")
            used |= used_by(node)
        finally:
            node.close()
            node.destroy_node()
            rclpy.shutdown(context=context)
    return used | (Used(frozenset(), frozenset(), frozenset(), frozenset()) if which == "refit_edge" else _of_people())


def _node_class(which: str) -> Callable[..., Any]:
    if which == "refit_edge":
        from refit_ros.node.edge_node import EdgeNode

        return EdgeNode
    if which == "refit_fusion":
        from refit_ros.node.fusion_node import FusionNode

        return FusionNode
    from refit_ros.node.refit_node import RefitNode

    return RefitNode


def _of_people() -> Used:
    """What comes with people, and what is published where its messages are installed."""
    names = {f"/{PEOPLE}", f"/{COLLISIONS}", f"{BODIES}/tracked", *(ANY_BODY + topic for topic in BODY_TOPICS)}
    return Used(frozenset(names), frozenset(), frozenset(), frozenset())


def policy(used: Mapping[str, Used], enclave: str = "", namespace: str = "/") -> str:
    """The policy as XML, for `ros2 security create_permission`: node -> what it uses, each in an enclave of its name.

    enclave: what stands before those names.
    """
    root = ElementTree.Element("policy", version=VERSION)
    enclaves = ElementTree.SubElement(root, "enclaves")
    for node, its in used.items():
        inside = ElementTree.SubElement(enclaves, "enclave", path=f"{enclave}/{node}")
        profile = ElementTree.SubElement(ElementTree.SubElement(inside, "profiles"), "profile", ns=namespace, node=node)
        for kind, ways in (("topic", ("publish", "subscribe")), ("service", ("reply", "request"))):
            for way in ways:
                names = sorted(getattr(its, way))
                if names:
                    group = ElementTree.SubElement(profile, f"{kind}s", {way: "ALLOW"})
                    for name in names:
                        ElementTree.SubElement(group, kind).text = name
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def allowed_by(text: str) -> dict[str, Used]:
    """What a policy made by `policy` allows: node -> what it may use."""
    root: Any = ElementTree.fromstring(text.encode())
    ways = (("topic", "publish"), ("topic", "subscribe"), ("service", "reply"), ("service", "request"))

    def names(profile: Any, kind: str, way: str) -> frozenset[str]:
        groups = [group for group in profile.iter(f"{kind}s") if group.get(way) == "ALLOW"]
        return frozenset(str(each.text) for group in groups for each in group)

    profiles = root.iter("profile")
    return {profile.get("node"): Used(*(names(profile, kind, way) for kind, way in ways)) for profile in profiles}
