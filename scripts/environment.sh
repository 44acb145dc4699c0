# Source this (bash) to get what `make demo` and `make test` run in, after `make setup`:
#     source scripts/environment.sh && python -m refit_ros doctor
_refit_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
if [ -f "$_refit_root/.venv/local_setup.bash" ]; then  # ROS 2 from wheels: nothing of another one may get in
    unset AMENT_PREFIX_PATH CMAKE_PREFIX_PATH COLCON_PREFIX_PATH PYTHONPATH LD_LIBRARY_PATH COLCON_CURRENT_PREFIX AMENT_CURRENT_PREFIX
    source "$_refit_root/.venv/local_setup.bash"
else
    export PATH="$_refit_root/.venv/bin:$PATH"
fi
for _refit_prefix in "$_refit_root"/install/tf2_msgs "$_refit_root"/install/refit_ros; do
    if [ -d "$_refit_prefix" ]; then
        export AMENT_PREFIX_PATH="$_refit_prefix${AMENT_PREFIX_PATH:+:$AMENT_PREFIX_PATH}"
        export LD_LIBRARY_PATH="$_refit_prefix/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
        for _refit_site in "$_refit_prefix"/lib/python3.*/site-packages "$_refit_prefix"/local/lib/python3.*/dist-packages; do
            if [ -d "$_refit_site" ]; then
                export PYTHONPATH="$_refit_site${PYTHONPATH:+:$PYTHONPATH}"
            fi
        done
    fi
done
# The source tree comes first: code that was changed is used as it is, without building
export PYTHONPATH="$_refit_root${PYTHONPATH:+:$PYTHONPATH}"
unset _refit_root _refit_prefix _refit_site
