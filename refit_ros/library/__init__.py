"""The door for programs without ROS: `refit_ros.load()` and what it gives."""
