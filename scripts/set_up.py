"""Sets up what `make demo` and `make test` run in: .venv/ and, built into install/, the messages.

Each of the steps leaves a stamp with a digest of all that it was made from, and is skipped while that
has not changed: the second call costs a fraction of a second, and an interrupted one goes on where it was.
Changes of Python code need no set-up. Uses the standard library only.

Where a ROS 2 is sourced, that one is used and only Python packages it lacks are installed; elsewhere ROS 2 Jazzy
comes as wheels (requirements/ros_wheels.txt). Variables: PYTHON (which interpreter), REFIT_TORCH (what pip installs
as torch, such as the path of a wheel), and all of pip's own (PIP_INDEX_URL, PIP_FIND_LINKS, ...).
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterable
from pathlib import Path

from progress import StepFailed, run_step

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMPS = VENV / "set_up"
PYTHON = VENV / "bin" / "python"
REQUIREMENTS = ("core", "train", "onnx", "bag", "viewer", "c3d", "profile", "test")


def sourced_ros() -> str | None:
    """The name of the ROS 2 that is sourced and works with this interpreter."""
    if not (os.environ.get("ROS_DISTRO") and os.environ.get("AMENT_PREFIX_PATH")):
        return None
    works = subprocess.run([sys.executable, "-c", "import rclpy"], capture_output=True).returncode == 0
    return os.environ["ROS_DISTRO"] if works else None


def missing_tools(ros: str | None) -> list[str]:
    """One sentence for each thing that must be on the machine and is not, with what to do."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    missing = []
    for variable, names in (("CC", ("cc", "gcc", "clang")), ("CXX", ("c++", "g++", "clang++"))):
        tried = [os.environ[variable]] if os.environ.get(variable) else names
        if not any(shutil.which(name.split()[0]) for name in tried):
            missing.append(f"a {'C++' if variable == 'CXX' else 'C'} compiler ({' or '.join(tried)}): apt install g++")
    if not Path(sysconfig.get_path("include"), "Python.h").is_file():
        missing.append(f"Python's headers ({sysconfig.get_path('include')}/Python.h): apt install python{version}-dev")
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        missing.append(f"Python's venv module: apt install python{version}-venv")
    if ros and not shutil.which("colcon"):
        missing.append("colcon: apt install python3-colcon-common-extensions")
    return missing


def digest(*parts: str, files: Iterable[Path] = ()) -> str:
    total = hashlib.sha256("\0".join(parts).encode())
    for path in sorted(files):
        total.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
    return total.hexdigest()


def files_under(*names: str) -> list[Path]:
    return [
        path
        for name in names
        for path in ([ROOT / name] if (ROOT / name).is_file() else (ROOT / name).rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    ]


def step(name: str, made_from: str, products: list[Path], make: Callable[[], None]) -> bool:
    """True where there was something to do."""
    stamp = STAMPS / name
    if stamp.is_file() and stamp.read_text() == made_from and all(product.exists() for product in products):
        return False
    stamp.unlink(missing_ok=True)
    make()
    STAMPS.mkdir(parents=True, exist_ok=True)
    stamp.write_text(made_from)
    return True


def make_environment(ros: str | None) -> None:
    for old in VENV.iterdir():
        if old.name != "lock":
            shutil.rmtree(old) if old.is_dir() and not old.is_symlink() else old.unlink()
    options = ["--system-site-packages"] if ros else []
    run_step(
        f"[1/4] making .venv with Python {sys.version.split()[0]}",
        [sys.executable, "-m", "venv", *options, str(VENV)],
        outside_environment(),
        STAMPS / "environment.log",
    )
    (STAMPS / "python").write_text(sys.version)


def install_packages(ros: str | None) -> None:
    env = outside_environment() if ros is None else dict(os.environ)
    command = [str(PYTHON), "-m", "pip", "install", "--no-input", "--disable-pip-version-check", "--no-compile"]
    if ros:
        from ros_machine import packages_to_install

        wanted = packages_to_install(PYTHON, ROOT, REQUIREMENTS, STAMPS / "constraints.txt")
        title = f"[2/4] installing the Python packages that ROS 2 {ros} lacks"
    else:
        wanted = ["-c", str(constraints())]
        for name in (*REQUIREMENTS, "ros_wheels"):
            wanted += ["-r", str(ROOT / "requirements" / f"{name}.txt")]
        title = "[2/4] installing torch, ROS 2 Jazzy and the other Python packages (some minutes)"
    if os.environ.get("REFIT_TORCH"):
        wanted.append(os.environ["REFIT_TORCH"])
    run_step(title, command + wanted, env, STAMPS / "packages.log")
    if not ros:
        patch = [str(PYTHON), str(ROOT / "scripts" / "patch_ros_wheels.py")]
        subprocess.run(patch, env=env, check=True, stdout=subprocess.DEVNULL)
        shutil.copy(ROOT / "scripts" / "local_setup_of_wheels.sh", VENV / "local_setup.sh")
        shutil.copy(ROOT / "scripts" / "local_setup_of_wheels.sh", VENV / "local_setup.bash")
        (VENV / "COLCON_IGNORE").touch()


def constraints() -> Path:
    """The pinned versions, without torch's where REFIT_TORCH names another."""
    pinned = ROOT / "constraints.txt"
    if not os.environ.get("REFIT_TORCH"):
        return pinned
    rest = STAMPS / "constraints.txt"
    rest.write_text("".join(line for line in pinned.read_text().splitlines(True) if not line.startswith("torch==")))
    return rest


def build_messages(ros: str | None) -> None:
    for package in ("refit_ros", "tf2_msgs"):
        for folder in ("build", "install"):
            shutil.rmtree(ROOT / folder / package, ignore_errors=True)
    env = dict(os.environ) if ros else outside_environment()
    python = sys.executable if ros else str(PYTHON)
    paths = [str(ROOT)]
    if not ros:
        env |= {
            "AMENT_PREFIX_PATH": str(VENV),
            "CMAKE_PREFIX_PATH": str(VENV),
            "PATH": f"{VENV / 'bin'}:{env.get('PATH', os.defpath)}",
        }
        paths.append(str(ROOT / "bare_machine" / "tf2_msgs"))
    colcon = [python, "-m", "colcon"] if not ros else ["colcon"]
    command = [
        *colcon,
        "--log-base",
        str(ROOT / "log"),
        "build",
        "--paths",
        *paths,
        "--symlink-install",
        "--build-base",
        str(ROOT / "build"),
        "--install-base",
        str(ROOT / "install"),
        "--event-handlers",
        "console_direct+",
        "--cmake-args",
        f"-DPython3_EXECUTABLE={python}",
        "-DBUILD_TESTING=OFF",
    ]
    run_step("[3/4] building the messages with colcon", command, env, STAMPS / "build.log")


def get_models(ros: str | None) -> None:
    """Third-party models, those that pip brings. Everything works without them, so no network is no failure.

    Tried once, so that a machine without a network does not wait for it at every call.
    """
    env = {**(dict(os.environ) if ros else outside_environment()), "PYTHONPATH": str(ROOT)}
    if ros and os.environ.get("PYTHONPATH"):
        env["PYTHONPATH"] += os.pathsep + os.environ["PYTHONPATH"]
    try:
        run_step(
            "[4/4] getting the models that find people in photographs",
            [str(PYTHON), "-m", "refit_ros", "models", "get"],
            env,
            STAMPS / "models.log",
        )
    except StepFailed:
        said = (STAMPS / "models.log").read_text(errors="replace").strip().splitlines()
        reason = [line for line in said if line.startswith("refit_ros: ")] or said
        print(
            f"  went on without them: {reason[-1] if reason else 'no reason was given'}\n"
            "  `python -m refit_ros models get` gets them later",
            flush=True,
        )


def outside_environment() -> dict[str, str]:
    """This environment without what another Python or ROS 2 has put into it."""
    others = {
        "PYTHONPATH",
        "PYTHONHOME",
        "VIRTUAL_ENV",
        "AMENT_PREFIX_PATH",
        "CMAKE_PREFIX_PATH",
        "COLCON_PREFIX_PATH",
        "LD_LIBRARY_PATH",
        "_ROS_WHEELS_BOOTSTRAP_COMPLETE",
    }
    return {name: value for name, value in os.environ.items() if name not in others}


def python_version() -> str:
    """This interpreter's; that of .venv where it exists and nobody names another: shells differ in what they find first."""
    recorded = STAMPS / "python"
    if recorded.is_file() and not os.environ.get("PYTHON"):
        return recorded.read_text()
    return sys.version


def set_up() -> None:
    ros = sourced_ros()
    kind = digest(str(ROOT), python_version(), ros or "wheels")
    packages = digest(
        kind, os.environ.get("REFIT_TORCH", ""), files=files_under("constraints.txt", "requirements", "scripts")
    )
    messages = digest(
        packages,
        *(str(path) for path in sorted(files_under("launch", "config"))),
        files=files_under("msg", "srv", "CMakeLists.txt", "package.xml", "bare_machine"),
    )
    if not all((STAMPS / name).is_file() for name in ("environment", "packages", "messages")):
        missing = missing_tools(ros)
        if missing:
            raise StepFailed("\n  - ".join(["refit_ros cannot be set up, because this machine lacks", *missing]))
    built = [ROOT / "install" / name for name in (("refit_ros",) if ros else ("refit_ros", "tf2_msgs"))]
    done = [
        step("environment", kind, [PYTHON], lambda: make_environment(ros)),
        step("packages", packages, [PYTHON], lambda: install_packages(ros)),
        step("messages", messages, built, lambda: build_messages(ros)),
        step("models", digest(kind, files=files_under("refit_ros/models")), [], lambda: get_models(ros)),
    ]
    if any(done):
        print(f"set up; {f'ROS 2 {ros} is used' if ros else 'ROS 2 Jazzy comes from wheels in .venv'}", flush=True)


def main() -> int:
    VENV.mkdir(exist_ok=True)
    with (VENV / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("another set-up is at work here: waiting for it", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            set_up()
        except StepFailed as failed:
            print(f"{failed}\n  Run the same command again when that is mended: it goes on where it was.", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print("\nset-up was interrupted; the same command goes on where it was", file=sys.stderr)
            return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
