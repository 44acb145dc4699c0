"""Many small bags of a drawn person who walks: what is done with bags by the hundred can be measured with them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from refit_ros.node.film import Film

START_NS = 1_700_000_000_000_000_000
RATE_HZ = 10.0
WIDTH_PX, HEIGHT_PX = 320, 240
CAMERA = "camera1"
LONGEST_S = 3600.0  # that drawing may take


def draw_bags(folder: Path, count: int, images: int) -> None:
    """`count` bags in a folder, each of one camera's `images` images; each begins an image later, so no two are alike."""
    from refit_ros.node.film import shoot
    from refit_ros.synthetic.scenes import named_scene

    scene = named_scene("walking", cameras=1, people=1, width_px=WIDTH_PX, height_px=HEIGHT_PX)
    film = shoot(scene, RATE_HZ, (count + images) / RATE_HZ, LONGEST_S)
    for number in range(count):
        write_bag(folder / f"bag_{number + 1}", film, number, images)


def write_bag(path: Path, film: Film, first: int, images: int) -> None:
    """The film's `images` images from the `first` on, as its first camera saw them, as a bag in a folder that is new."""
    from rosbags.rosbag2 import StoragePlugin, Writer

    from refit_ros.node import conversions
    from refit_ros.node.bag_types import make_store
    from refit_ros.node.message_types import BagTypes

    store = make_store()
    types, camera = BagTypes(store), film.cameras[0].calibration
    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        kinds = {"camera_info": "sensor_msgs/msg/CameraInfo", "image_raw": "sensor_msgs/msg/Image"}
        topics = {name: writer.add_connection(f"/{CAMERA}/{name}", kind, typestore=store) for name, kind in kinds.items()}
        for index in range(first, first + images):
            stamp_ns = START_NS + round(index * 1e9 / film.rate_hz)
            calibration = conversions.camera_info(types, camera, stamp_ns)
            calibration.d = np.asarray(calibration.d, float)  # rosbags takes no list
            image = conversions.image_message(types, film.images[0][film.index(index)], stamp_ns, camera.frame_id)
            for name, message in (("camera_info", calibration), ("image_raw", image)):
                writer.write(topics[name], stamp_ns, store.serialize_cdr(message, kinds[name]))
