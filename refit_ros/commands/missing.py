"""What to do when something that a command needs is not installed."""

from __future__ import annotations

_EXTRAS = {
    "onnxruntime": "onnx",
    "rosbags": "bag",
    "tqdm": "bag",
    "ray": "ray",
    "tensorboard": "train",
    "viser": "viewer",
    "c3d": "c3d",
}
_DISTRIBUTIONS = {"cv2": "opencv-python-headless", "skimage": "scikit-image", "yaml": "pyyaml", "PIL": "pillow"}
_ROS = (
    "rclpy",
    "sensor_msgs",
    "std_msgs",
    "geometry_msgs",
    "visualization_msgs",
    "diagnostic_msgs",
    "std_srvs",
    "builtin_interfaces",
    "tf2_msgs",
    "lifecycle_msgs",
    "ament_index_python",
    "refit_ros.msg",
    "refit_ros.srv",
)


def how_to_get(module: str) -> str:
    """One sentence that names the missing module and the command that brings it."""
    top = module.split(".")[0]
    if module.startswith("refit_ros.commands."):
        return f"the command '{module.rsplit('.', 1)[1]}' is not part of this installation"
    if module in _ROS or top in _ROS:
        return (
            f"{module} cannot be imported: source a ROS 2 installation and the workspace where refit_ros was built, "
            "or run `make setup` in the source folder to get both without one"
        )
    if top in _EXTRAS:
        return f"{top} is not installed: `pip install {top}` brings it, or `pip install '.[{_EXTRAS[top]}]'`"
    return f"{module} is not installed: `pip install {_DISTRIBUTIONS.get(top, top)}` brings it (docs/installation.md)"
