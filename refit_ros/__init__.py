"""Live 3D human bodies (SMPL) from one or many cameras, for ROS 2."""
from pkgutil import extend_path

# A pip-installed copy of this package would hide the generated refit_ros.msg and
# refit_ros.srv of a colcon install (and the other way round): let both be one package.
__path__ = extend_path(__path__, __name__)

__version__ = "0.1.0"
