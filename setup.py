"""`pip install .`: the network, training and offline fitting, without ROS. With ROS 2, build with colcon instead."""

import re
from pathlib import Path

from setuptools import find_namespace_packages, setup

HERE = Path(__file__).resolve().parent


def requirements(name: str) -> list[str]:
    lines = (line.split("#")[0].strip() for line in (HERE / "requirements" / f"{name}.txt").read_text().splitlines())
    return [line for line in lines if line]


def version() -> str:
    return re.search(r'^__version__ = "(.+)"$', (HERE / "refit_ros" / "__init__.py").read_text(), re.MULTILINE)[1]


readme = HERE / "README.md"
setup(
    name="refit_ros",
    version=version(),
    description="Live 3D human bodies (SMPL) from one or many cameras: network, training, offline fitting and ROS 2 node",
    long_description=readme.read_text() if readme.is_file() else "",
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11",
    packages=find_namespace_packages(include=["refit_ros", "refit_ros.*"], exclude=["*.__pycache__"]),
    package_data={"": ["*"]},  # body, weights, tables: whatever lies in the package
    install_requires=requirements("core"),
    extras_require={
        name: requirements(name) for name in ("train", "onnx", "bag", "ray", "viewer", "c3d", "profile", "test", "docs")
    },
    entry_points={"console_scripts": ["refit_ros = refit_ros.__main__:main"]},
    zip_safe=False,
)
