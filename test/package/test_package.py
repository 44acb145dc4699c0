"""What describes the package agrees with itself and with the code."""

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

import refit_ros

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "refit_ros"
SOURCES = sorted(PACKAGE.rglob("*.py"))
MODULE_OF = {"pillow": "PIL", "pyyaml": "yaml", "opencv-python-headless": "cv2", "scikit-image": "skimage"}
ROS_MODULES = re.compile(
    r"rclpy|cv_bridge|message_filters|tf2_ros|rosbags|launch|launch_ros|launch_testing|ament_\w+|"
    r"\w+_(msgs|srvs|interfaces)"
)


@pytest.fixture(scope="module")
def manifest():
    return ElementTree.parse(ROOT / "package.xml").getroot()


def requirement_files() -> dict[str, list[str]]:
    return {
        path.stem: [line for line in (line.split("#")[0].strip() for line in path.read_text().splitlines()) if line]
        for path in (ROOT / "requirements").glob("*.txt")
    }


def name_of(requirement: str) -> str:
    return re.split(r"[<>=!~\[ ;]", requirement, maxsplit=1)[0]


def imports_of(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add(node.module.split(".")[0])
    return found - set(sys.stdlib_module_names) - {"refit_ros"}


def test_manifest_is_format_3_and_complete(manifest):
    assert manifest.get("format") == "3"
    assert manifest.findtext("name") == "refit_ros"
    assert manifest.findtext("license") == "Apache-2.0"
    assert manifest.find("maintainer").get("email")
    assert manifest.findtext("export/build_type") == "ament_cmake"
    assert manifest.findtext("member_of_group") == "rosidl_interface_packages"


def test_one_version_everywhere(manifest):
    assert manifest.findtext("version") == refit_ros.__version__
    setup = subprocess.run([sys.executable, "setup.py", "--version"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert setup.stdout.split()[-1] == refit_ros.__version__
    newest = re.search(r"^(\d+\.\d+\.\d+) \(", (ROOT / "CHANGELOG.rst").read_text(), re.MULTILINE)[1]
    assert newest == refit_ros.__version__


def test_every_ros_package_that_is_imported_is_declared(manifest):
    declared = {each.text for each in manifest if each.tag.endswith("depend")}
    optional = {"vision_msgs", "rosbags"}  # used only where they are installed
    for path in SOURCES:
        ros = {name for name in imports_of(path) if ROS_MODULES.fullmatch(name)} - optional
        assert ros <= declared, f"{path.name} imports {sorted(ros - declared)}, which package.xml does not name"


def test_every_python_package_that_is_imported_is_declared():
    names = [name_of(line) for lines in requirement_files().values() for line in lines]
    declared = {MODULE_OF.get(name, name).replace("-", "_") for name in names}
    for path in SOURCES:
        other = {name for name in imports_of(path) if not ROS_MODULES.fullmatch(name)}
        assert other <= declared, f"{path.name} imports {sorted(other - declared)}, which no file in requirements/ names"


def test_what_core_camera_and_estimation_import_at_their_top_is_a_core_requirement():
    core = {MODULE_OF.get(name, name) for name in map(name_of, requirement_files()["core"])}
    for folder in ("core", "camera", "detection", "tracking", "estimation"):
        for path in (PACKAGE / folder).rglob("*.py"):
            top = {
                alias.name.split(".")[0]
                for node in ast.parse(path.read_text()).body
                if isinstance(node, ast.Import)
                for alias in node.names
            }
            top |= {
                node.module.split(".")[0]
                for node in ast.parse(path.read_text()).body
                if isinstance(node, ast.ImportFrom) and node.level == 0
            }
            extra = top - core - set(sys.stdlib_module_names) - {"refit_ros"}
            assert not extra, f"{path} needs {sorted(extra)} at import"


def test_versions_are_pinned_once_and_in_one_place():
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if line and not line.startswith("#")]
    pins = [line.split("==")[0] for line in lines]
    assert all(re.fullmatch(r"[a-z0-9-]+==[0-9][0-9a-z.]*", line) for line in lines)
    assert len(pins) == len(set(pins))
    for file, requirements in requirement_files().items():
        for requirement in requirements:
            assert "==" not in requirement, f"{file}.txt pins {requirement}; versions stand in constraints.txt"
            assert name_of(requirement) in pins, f"{requirement} of {file}.txt has no version in constraints.txt"


def test_pip_installs_every_file_of_the_package(tmp_path):
    """The wheel holds what lies in refit_ros/, data files too, and nothing else."""
    pytest.importorskip("setuptools", reason="setuptools is not installed")
    source = tmp_path / "source"
    source.mkdir()
    for name in ("setup.py", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE", "CHANGELOG.rst", "package.xml"):
        if (ROOT / name).is_file():
            shutil.copy(ROOT / name, source)
    for name in ("refit_ros", "requirements"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run(
        [sys.executable, "setup.py", "-q", "build", "--build-lib", str(tmp_path / "built")],
        cwd=source,
        check=True,
        capture_output=True,
    )
    expected = {path.relative_to(source) for path in (source / "refit_ros").rglob("*") if path.is_file()}
    assert {path.relative_to(tmp_path / "built") for path in (tmp_path / "built").rglob("*") if path.is_file()} == expected


def test_cmake_builds_every_interface():
    cmake = (ROOT / "CMakeLists.txt").read_text()
    for path in [*(ROOT / "msg").iterdir(), *(ROOT / "srv").iterdir()]:
        assert f'"{path.parent.name}/{path.name}"' in cmake


@pytest.mark.parametrize("folder", ["core", "camera", "detection", "tracking", "estimation"])
def test_no_ros_in(folder):
    named = re.compile(r"\b(rclpy|cv_bridge|message_filters|tf2_ros|[a-z]+_msgs)\b")
    for path in (PACKAGE / folder).rglob("*.py"):
        assert not named.search(path.read_text()), f"{path} names ROS"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_files_and_functions_fit_on_screens(path):
    text = path.read_text()
    assert len(text.splitlines()) <= 320
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            assert node.end_lineno - node.lineno < 80, f"{node.name} has {node.end_lineno - node.lineno + 1} lines"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nothing_is_loaded_that_could_run_code_or_hide_a_mismatch(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call):
            continue
        keywords = {each.arg: getattr(each.value, "value", None) for each in node.keywords}
        assert keywords.get("weights_only", True) is True
        assert keywords.get("allow_pickle", False) is False
        assert keywords.get("strict", True) is not False or ast.unparse(node.func) == "zip"
        assert ast.unparse(node.func) not in ("pickle.load", "pickle.loads")
