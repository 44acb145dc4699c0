# Makes the ROS 2 wheels of a virtual environment a ROS 2 prefix like any other; copied into the environment as
# local_setup.sh, so that `source install/setup.bash` brings it along.
_refit_venv=${COLCON_CURRENT_PREFIX:-${AMENT_CURRENT_PREFIX:-}}
if [ -z "$_refit_venv" ] && [ -n "${BASH_SOURCE:-}" ]; then
    _refit_venv=$(cd "$(dirname "${BASH_SOURCE}")" && pwd)
fi
export AMENT_PREFIX_PATH="$_refit_venv${AMENT_PREFIX_PATH:+:$AMENT_PREFIX_PATH}"
export CMAKE_PREFIX_PATH="$_refit_venv${CMAKE_PREFIX_PATH:+:$CMAKE_PREFIX_PATH}"
export PATH="$_refit_venv/bin:$PATH"
export RMW_IMPLEMENTATION="${RMW_IMPLEMENTATION:-rmw_fastrtps_cpp}"
# What the wheels' .pth would do by starting Python a second time
for _refit_libs in "$_refit_venv"/lib "$_refit_venv"/lib/python3.*/site-packages/ros_*.libs; do
    if [ -d "$_refit_libs" ]; then
        LD_LIBRARY_PATH="$_refit_libs${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
    fi
done
export LD_LIBRARY_PATH _ROS_WHEELS_BOOTSTRAP_COMPLETE=1
unset _refit_venv _refit_libs
