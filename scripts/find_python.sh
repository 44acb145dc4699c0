#!/bin/sh
# Prints the Python that set-up is to use, or says on stderr what is missing and what to do; exit 1 then.
# PYTHON=/path/to/python names one. Where ROS 2 is sourced its own python3 comes first.

usable() {  # a version of 3.11 or 3.12 that answers: a pyenv shim of a version that is off does not
    "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' >/dev/null 2>&1
}

if [ -n "${PYTHON:-}" ]; then
    candidates=$PYTHON
elif [ -n "${ROS_DISTRO:-}" ] && [ -n "${AMENT_PREFIX_PATH:-}" ] && python3 -c 'import rclpy' >/dev/null 2>&1; then
    candidates=python3
    why=" (that of the sourced ROS 2 $ROS_DISTRO)"
else
    candidates="python3.11 python3.12 python3 python"
fi

for name in $candidates; do
    if usable "$name"; then
        "$name" -c 'import sys; print(sys.executable)'
        exit 0
    fi
done

{
    echo "refit_ros needs Python 3.11 or 3.12, and none was found."
    for name in $candidates; do
        if command -v "$name" >/dev/null 2>&1; then
            echo "  tried $name${why:-}: $("$name" --version 2>&1 | head -n 1)"
        else
            echo "  tried $name: not there"
        fi
    done
    echo "  Install one (Debian 12: apt install python3.11 python3.11-venv python3.11-dev; Ubuntu 24.04: the same with 3.12),"
    echo "  or name one: make PYTHON=/path/to/python3.11 demo"
} >&2
exit 1
