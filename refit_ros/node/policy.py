"""What the node uses of the graph, as an SROS2 policy: taken from a running node, so that the two cannot drift apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from refit_ros.node.obstacles import COLLISIONS, PEOPLE

if TYPE_CHECKING:
    from rclpy.node import Node

    from refit_ros.node.model import Model

VERSION = "0.2.0"  # of the policies' schema
# Every stream that there is, in two settings: a node takes raw or compressed images.
SETTINGS = tuple(
    {"image_transport": transport, "fixed_frame": "map", "detector": "topic", "obstacles": True, "use_sim_time": True}
    for transport in ("raw", "compressed")
)
WHERE_INSTALLED = frozenset({f"/{PEOPLE}", f"/{COLLISIONS}"})  # published where their messages are installed
_ACTION = "/_action/"


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
    """Of a node at this moment. Raises ValueError where it uses an action: the policy has no entries for them."""
    who = node.get_name(), node.get_namespace()
    ways = (
        node.get_publisher_names_and_types_by_node,
        node.get_subscriber_names_and_types_by_node,
        node.get_service_names_and_types_by_node,
        node.get_client_names_and_types_by_node,
    )
    used = Used(*(frozenset(name for name, _ in way(*who)) for way in ways))
    if any(_ACTION in name for each in fields(used) for name in getattr(used, each.name)):
        raise ValueError("the node uses an action: add actions to the policy")
    return used


def used_at_most(load: Callable[..., Model], cameras: tuple[str, ...] = ("camera",)) -> Used:
    """Of the node while it is active with all of its streams. `load` makes its model, as RefitNode takes it."""
    import rclpy
    from rclpy.parameter import Parameter

    from refit_ros.node.refit_node import RefitNode

    used = Used(frozenset(), frozenset(), frozenset(), frozenset())
    for settings in SETTINGS:
        context = rclpy.context.Context()
        rclpy.init(context=context)
        overrides = [Parameter(name, value=value) for name, value in {**settings, "cameras": list(cameras)}.items()]
        node = RefitNode(load, context=context, parameter_overrides=overrides)
        try:
            if not node.start():
                raise RuntimeError("the node did not start: see its log")
            used |= used_by(node)
        finally:
            node.close()
            node.destroy_node()
            rclpy.shutdown(context=context)
    return used | Used(WHERE_INSTALLED, frozenset(), frozenset(), frozenset())


def policy(used: Used, enclave: str = "/refit", node: str = "refit", namespace: str = "/") -> str:
    """The policy as XML, for `ros2 security create_permission`."""
    root = ElementTree.Element("policy", version=VERSION)
    inside = ElementTree.SubElement(ElementTree.SubElement(root, "enclaves"), "enclave", path=enclave)
    profile = ElementTree.SubElement(ElementTree.SubElement(inside, "profiles"), "profile", ns=namespace, node=node)
    for kind, ways in (("topic", ("publish", "subscribe")), ("service", ("reply", "request"))):
        for way in ways:
            names = sorted(getattr(used, way))
            if names:
                group = ElementTree.SubElement(profile, f"{kind}s", {way: "ALLOW"})
                for name in names:
                    ElementTree.SubElement(group, kind).text = name
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def allowed_by(text: str) -> Used:
    """What a policy made by `policy` allows."""
    root: Any = ElementTree.fromstring(text.encode())
    return Used(
        *(
            frozenset(str(each.text) for group in root.iter(f"{kind}s") if group.get(way) == "ALLOW" for each in group)
            for kind, way in (("topic", "publish"), ("topic", "subscribe"), ("service", "reply"), ("service", "request"))
        )
    )
