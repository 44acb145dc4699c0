"""The landmark networks by torch, as on a GPU: the numbers of OpenVINO and of the originals; and a GPU that fails."""

import importlib.util
import json
import logging
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from refit_ros.commands import doctor
from refit_ros.core import torch_engine
from refit_ros.core.openvino_compiler import Source
from refit_ros.core.torch_engine import Graph, TorchNetwork
from refit_ros.core.torch_operations import UnknownOperation
from refit_ros.detection import landmark_engine, tfjs_network, tflite
from refit_ros.detection.blazepose import BlazePoseDetector
from refit_ros.detection.checked_landmarks import usual_landmarks
from refit_ros.detection.landmark_sources import landmarks_said
from refit_ros.detection.landmarks import LandmarkNetwork
from refit_ros.detection.movenet import LIGHTNING, MULTIPOSE, THUNDER, MultiPose, SinglePose
from refit_ros.detection.photographs import PhotographDetector
from refit_ros.detection.registry import make_detector
from refit_ros.estimation.settings import Settings

HERE = Path(__file__).parent
FULL, DETECTION = "pose_landmark_full", "pose_detection"
without_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="of machines without a GPU")
DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU"))]


@pytest.fixture
def none_in_use():
    """What is made in a test under odd circumstances stays there."""
    forget()
    yield
    forget()


def forget() -> None:
    for module in (tflite, tfjs_network):
        module.in_use.forget()


@pytest.fixture
def by_torch(none_in_use, monkeypatch):
    monkeypatch.setattr(landmark_engine, "engine_on", lambda device: "torch")


@pytest.fixture(scope="module")
def squares_of():
    """Side in px -> squares by name."""
    return of_file(HERE / "movenet" / "squares.py").squares


def of_file(path: Path):
    spec = importlib.util.spec_from_file_location(f"own_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def network_of(name: str, device: str):
    """The network, the side of its images in px, and what it takes of their bytes."""
    if name == DETECTION:
        return BlazePoseDetector(device)._network, 224, lambda pixels: pixels.astype(np.float32) / 127.5 - 1
    if name == FULL:
        return LandmarkNetwork("full", device)._network, 256, lambda pixels: pixels.astype(np.float32) / 255
    if name == MULTIPOSE:
        return MultiPose(device)._network, 256, lambda pixels: pixels
    return SinglePose(name, device)._network, 192 if name == LIGHTNING else 256, lambda pixels: pixels


def as_list(outputs) -> list[np.ndarray]:
    return [outputs] if isinstance(outputs, np.ndarray) else list(outputs)


@pytest.mark.needs_models(DETECTION, FULL, MULTIPOSE, THUNDER, LIGHTNING)
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", [DETECTION, FULL, MULTIPOSE, THUNDER, LIGHTNING])
def test_the_numbers_are_openvinos(name, device, squares_of, none_in_use, monkeypatch):
    """By each output's largest one: float32 in another order. What docs/models.md tells is a fifth of this."""
    network, side_px, taken = network_of(name, "cpu")
    noise = np.random.default_rng(0).integers(0, 256, (1, side_px, side_px, 3), np.uint8)
    images = taken(np.concatenate([np.stack(list(squares_of(side_px).values())), noise]))
    theirs = as_list(network(images))
    if name == FULL:
        theirs = [each for each in theirs if each.shape[1:] != (256, 256, 1)]  # nobody reads it, and it does not come
    forget()
    monkeypatch.setattr(landmark_engine, "engine_on", lambda device: "torch")
    mine = as_list(network_of(name, device)[0](images))
    assert len(mine) == len(theirs) >= 1
    for one, other in zip(mine, theirs):
        assert one.shape == other.shape and one.dtype == other.dtype == np.float32
        if name == MULTIPOSE:  # below its least score the rows are noise, and may change places
            one, other = one[other[..., -1] > 0.2], other[other[..., -1] > 0.2]
            assert len(other) >= 2
        assert np.abs(one - other).max() < 5e-5 * np.abs(other).max()


@pytest.mark.needs_models(FULL)
def test_the_landmarks_are_the_originals_too(by_torch):
    """As test_blazepose.py has it of OpenVINO; here of all that comes out of the whole, all images at once."""
    reference = json.loads((HERE / "blazepose" / "reference.json").read_text())
    images = of_file(HERE / "blazepose" / "images.py").images()
    wanted = {name: {key: np.array(value) for key, value in reference[name]["landmarks"].items()} for name in images}
    found = LandmarkNetwork("full").in_regions(list(images.values()), [wanted[name]["region"][None] for name in images])
    for name, mine in zip(images, found):
        theirs, side = wanted[name], wanted[name]["region"][2]
        assert np.abs(mine.place_px[0] - theirs["place_px"]).max() < 2e-3 * side
        assert np.abs(mine.place_m[0] - theirs["place_m"]).max() < 3e-3
        assert np.abs(mine.visibility[0] - theirs["visibility"]).max() < 0.01


@pytest.mark.needs_models(MULTIPOSE, THUNDER, LIGHTNING)
@pytest.mark.parametrize("name", [MULTIPOSE, THUNDER, LIGHTNING])
def test_the_points_are_the_original_runtimes_too(name, squares_of, by_torch):
    said = json.loads((HERE / "movenet" / "reference.json").read_text())[name]
    squares = squares_of(192 if name == LIGHTNING else 256)
    for mine, image in zip(network_of(name, "cpu")[0](np.stack(list(squares.values()))), squares):
        mine = mine.reshape(-1, mine.shape[-1])
        theirs = np.array(said[image]).reshape(mine.shape)
        if name == MULTIPOSE:
            mine, theirs = (each[each[:, -1] > 0.2] for each in (mine, theirs))
        assert len(mine) == len(theirs) >= 1 and np.abs(mine - theirs).max() < 1e-4


@pytest.mark.needs_models(DETECTION, FULL, MULTIPOSE, THUNDER, LIGHTNING)
@pytest.mark.parametrize("name", [DETECTION, FULL, MULTIPOSE, THUNDER, LIGHTNING])
def test_no_number_of_an_image_is_looked_at_on_the_way(name, by_torch, monkeypatch):
    """Torch's meta device has no numbers: whatever would wait for a GPU to know one ends there."""
    graphs = []
    make = torch_engine.graph_of
    monkeypatch.setattr(torch_engine, "graph_of", lambda *args: graphs.append(make(*args)) or graphs[-1])
    _, side_px, _ = network_of(name, "cpu")
    (graph,) = graphs
    nowhere = {place: values.to("meta") for place, values in graph.constants.items()}
    graph = Graph(nowhere, graph.operations, graph.image, graph.image_type, graph.outputs)
    network = TorchNetwork(graph, torch.device("meta"), torch.channels_last)
    for output in torch.vmap(network._one)(torch.zeros(3, 1, side_px, side_px, 3, device="meta")):
        assert output.shape[:2] == (3, 1)


def doubled() -> Source:
    """Of numbers (1, 3) twice as many."""
    from openvino import Model
    from openvino import opset13 as ops

    x = ops.parameter([1, 3], np.float32)
    return Source(lambda: Model([ops.multiply(x, np.float32(2))], [x], "doubled"))


@pytest.fixture
def failing(monkeypatch):
    """What torch's way raises next, one after the other; None: nothing."""
    pytest.importorskip("openvino", reason="openvino is not installed")
    errors: list[Exception | None] = []

    def compiled_by_torch(source, example, device, unread):
        def way(images):
            error = errors.pop(0)
            if error is not None:
                raise error
            return (2 * images,)

        way(example)
        return way

    monkeypatch.setattr(torch_engine, "compiled_by_torch", compiled_by_torch)
    return errors


OUT_OF_MEMORY = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")


@pytest.mark.parametrize(
    ("raised", "says"),
    [
        ([OUT_OF_MEMORY], "thing does not fit into the memory of cuda:1"),
        ([None, None, OUT_OF_MEMORY], "thing does not fit into the memory of cuda:1"),
        ([None, RuntimeError("CUDA error: an illegal one\nmore")], "thing fails on cuda:1 (CUDA error: an illegal one)"),
        ([UnknownOperation("LSTMSequence")], "thing is not computed on a GPU here, for the operation LSTMSequence"),
    ],
    ids=["no room from the start", "no room later", "an error", "an unknown operation"],
)
def test_a_gpu_that_fails_is_told_once_and_the_cpu_goes_on(raised, says, failing, caplog):
    failing.extend(raised)
    made = []

    def on_cpu():
        made.append("openvino")
        return lambda images: (2 * images,)

    images = np.arange(6, dtype=np.float32).reshape(2, 3)
    with caplog.at_level(logging.WARNING):
        way = landmark_engine.compiled_on("cuda:1", "thing", doubled(), images[:1], on_cpu)
        answers = [way(images) for _ in range(4)]
    assert all(np.array_equal(each, 2 * images) for (each,) in answers)
    assert made == ["openvino"] and not failing
    assert [each.getMessage() for each in caplog.records] == [f"{says}: OpenVINO computes it on the CPU from now on"]


def test_a_cpu_is_openvinos_and_torch_is_not_asked(failing):
    way = landmark_engine.compiled_on("cpu", "thing", doubled(), np.zeros((1, 3), np.float32), lambda: "openvino's")
    assert way == "openvino's"
    assert landmark_engine.engine_on("cuda:1") == "torch" and landmark_engine.engine_on("cpu") == "openvino"


@without_gpu
@pytest.mark.needs_models(DETECTION, FULL, MULTIPOSE, THUNDER, LIGHTNING)
def test_a_gpu_that_is_not_there_leaves_everything_to_the_cpu(none_in_use, squares_of, caplog):
    """And every network is asked for on the device of the settings."""
    image, box = squares_of(256)["astronaut"], np.array([[20.0, 0, 236, 256]])
    with caplog.at_level(logging.WARNING):
        source = usual_landmarks(thorough=True, device="cuda")
        detector = make_detector(Settings(detector="photographs", birth_hits=2), "cuda")
        finder = PhotographDetector(device="cuda")
    told = [each.getMessage() for each in caplog.records]
    assert all(" fails on cuda:0 (" in each for each in told)
    assert [each.split(" ")[0] for each in told] == [FULL, THUNDER, LIGHTNING, MULTIPOSE, DETECTION], "each once"
    assert np.array_equal(source.in_boxes(image, box).place_px, usual_landmarks(thorough=True).in_boxes(image, box).place_px)
    assert [len(each.find([image])[0].confidence) for each in (detector, finder)] == [1, 1]


@pytest.mark.needs_models(FULL, LIGHTNING)
def test_a_device_under_two_names_has_each_network_once(none_in_use):
    assert [landmark_engine.one_name(each) for each in ("cuda", "cuda:0", "cuda:1", "cpu")] == [
        "cuda:0",
        "cuda:0",
        "cuda:1",
        "cpu",
    ]
    first, second = LandmarkNetwork("full", "cpu"), LandmarkNetwork("full", "cpu:0")
    assert first._network is second._network
    third, fourth = SinglePose(LIGHTNING, "cpu:0"), SinglePose(LIGHTNING)
    assert third._network is fourth._network


def test_doctor_says_what_computes_landmarks(monkeypatch):
    for device, says in (("cpu", "OpenVINO on cpu"), ("cuda:1", "torch on cuda:1; where that fails, OpenVINO on cpu")):
        monkeypatch.setattr("refit_ros.core.device.device_named", lambda name: name)
        assert [(each.about, each.found, each.mend) for each in doctor._landmarks(device)] == [("landmarks", says, None)]
    monkeypatch.undo()
    assert list(doctor._landmarks("cuda:77")) == [], "that there is none is told with the network"


def test_who_finds_landmarks_is_told_where_it_is_not_the_usual_engine():
    models, own = (SimpleNamespace(keypoint_source=source, keypoint_model="") for source in ("models", "onnx"))
    assert landmarks_said(models, "cuda") == ", landmarks with torch"
    assert landmarks_said(models, "cpu") == landmarks_said(own, "cuda") == ""
