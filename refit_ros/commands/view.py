"""`view`: people, cameras and how well it goes, in a browser; the running node's, or those of a bag."""

from __future__ import annotations

import argparse

from refit_ros.commands.common import a_path, path_text
from refit_ros.viewer.server import LOCAL_HOST, PORT


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--bag", type=a_path, metavar="BAG", help="show a bag with people, by a slider, instead of the running node"
    )
    parser.add_argument(
        "--recording", type=a_path, metavar="BAG", help="with the images and cameras of --bag, where that has people alone"
    )
    parser.add_argument("--topic", default="/human/smpl", help="of the people in a bag")
    parser.add_argument("--host", default=LOCAL_HOST, help="where to listen; 0.0.0.0: for every machine of the network")
    parser.add_argument("--port", type=_port, default=PORT, help="0: any that is free")
    parser.add_argument(
        "--body", type=path_text, metavar="PATH", help="SMPL file that the node uses; without it, this package's bodies"
    )
    parser.add_argument("--images", choices=["camera", "overlay", "none"], default="camera", help="in the cameras' frusta")
    parser.add_argument(
        "--image-topic", metavar="TOPIC", help="with {camera} for a camera's name; without it, as in the node"
    )
    parser.add_argument("--camera-info-topic", metavar="TOPIC", help="likewise")
    parser.add_argument("--image-transport", choices=["raw", "compressed"], help="without it, as in the node")


def run(args: argparse.Namespace) -> int:
    from refit_ros.viewer import program

    if args.bag is not None:
        topics = {name: topic for name, topic in _topics(args).items() if name != "transport"}
        return program.view_bag(args.bag, args.topic, args.recording, topics, args.host, args.port, args.body)
    if args.recording is not None:
        raise ValueError("--recording goes with --bag, the bag that holds the people")
    return program.view_live(args.ros_arguments, _topics(args), args.host, args.port, args.body, args.images)


def _topics(args: argparse.Namespace) -> dict[str, str]:
    """The node's own templates but for what was said."""
    from refit_ros.node.parameters import NodeParameters

    own = NodeParameters()
    return dict(
        image_topic=args.image_topic or own.image_topic,
        camera_info_topic=args.camera_info_topic or own.camera_info_topic,
        transport=args.image_transport or own.image_transport,
    )


def _port(text: str) -> int:
    number = int(text)
    if not 0 <= number <= 65535:
        raise argparse.ArgumentTypeError(f"must be 0 .. 65535, not {text}")
    return number
