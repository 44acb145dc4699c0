"""Made ready for speed, a network still says the same: for one view, many, known shapes, warm starts, in parts."""

from __future__ import annotations

import importlib.util
import os
import sys
from dataclasses import fields

import pytest
import torch

from refit_ros.benchmarking.scenes import random_crops, views_of
from refit_ros.core.checkpoint import untrained_network
from refit_ros.core.config import SMALL
from refit_ros.core.cudnn_convolutions import with_cudnn
from refit_ros.core.encoder import folded_encoder
from refit_ros.core.errors import InputError
from refit_ros.core.inference import choose_engine, prepare
from refit_ros.core.types import Crops, Views
from refit_ros.core.update import Update

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def network():
    from refit_ros.core.body import load_body

    network = untrained_network(SMALL, load_body())
    randomize_norms(network)
    return network


def randomize_norms(network) -> None:
    """Batch norms that do something, as trained ones do."""
    generator = torch.Generator().manual_seed(1)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            shape = module.running_mean.shape
            module.running_mean.copy_(0.3 * torch.randn(shape, generator=generator))
            module.running_var.copy_(0.5 + torch.rand(shape, generator=generator))
            module.weight.data.copy_(0.7 + 0.6 * torch.rand(shape, generator=generator))
            module.bias.data.copy_(0.2 * torch.randn(shape, generator=generator))


def assert_same(actual, expected, tolerance: float) -> None:
    assert len(actual.history) == len(expected.history)
    for a, b in zip(actual.history, expected.history):
        for name in ("rotmats", "betas", "weak_perspective"):
            torch.testing.assert_close(getattr(a, name), getattr(b, name), rtol=0, atol=tolerance)


@torch.inference_mode()
def test_float32_is_the_same(network):
    crops = random_crops(3, 128, CPU)
    assert_same(prepare(network, "float32", "torch")(crops), network(crops), 1e-4)


@torch.inference_mode()
def test_bfloat16_is_nearly_the_same(network):
    crops = random_crops(2, 128, CPU)
    assert_same(prepare(network, "bfloat16", "torch")(crops), network(crops), 0.05)


@torch.inference_mode()
def test_views_known_shape_and_warm_start(network):
    crops, views = random_crops(6, 128, CPU), views_of(2, 3, CPU)
    betas = torch.full((6, 10), float("nan"))
    betas[:3] = 0.5
    start = network(random_crops(6, 128, CPU, seed=2)).estimate
    arguments = {"views": views, "betas": betas, "start": start, "iterations": 2}
    prepared = prepare(network, "float32", "torch")
    assert_same(prepared(crops, **arguments), network(crops, **arguments), 1e-4)
    assert_same(prepare(network, "float32", "torch", max_batch=4)(crops, **arguments), network(crops, **arguments), 1e-4)


@torch.inference_mode()
@pytest.mark.parametrize("max_batch", [1, 2, 5, 7])
def test_in_parts(network, max_batch):
    crops = random_crops(5, 128, CPU)
    start = network(random_crops(5, 128, CPU, seed=2)).estimate
    betas = torch.linspace(-1, 1, 50).reshape(5, 10)
    whole = network(crops, betas=betas, start=start)
    assert_same(prepare(network, "float32", "torch", max_batch=max_batch)(crops, betas=betas, start=start), whole, 1e-4)


def test_the_network_itself_is_left_as_it_was(network):
    before = {name: value.clone() for name, value in network.state_dict().items()}
    prepare(network, "float32", "torch")
    assert network.body.exact_joints and all(torch.equal(before[n], v) for n, v in network.state_dict().items())
    assert isinstance(network.update, Update) and network.backbone is not None


def test_out_of_memory_halves_the_batch(network, monkeypatch):
    prepared = prepare(network, "float32", "torch", max_batch=8)
    whole = prepared.encoder

    def encoder(images):
        if len(images) > 2:
            raise torch.OutOfMemoryError("out of memory")
        return whole(images)

    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)
    prepared.encoder = encoder
    crops = random_crops(5, 128, CPU)
    with torch.inference_mode():
        assert_same(prepared(crops), network(crops), 1e-4)
    assert prepared.max_batch == 2
    prepared.encoder = lambda images: (_ for _ in ()).throw(torch.OutOfMemoryError("out of memory"))
    with pytest.raises(InputError, match="memory"):
        prepared(crops)


@pytest.mark.parametrize("several", [False, True], ids=["single views", "several views"])
def test_out_of_memory_in_the_loop_computes_half_of_the_people_at_a_time(network, monkeypatch, several):
    prepared = prepare(network, "float32")
    whole, calls = prepared.network.fit, []

    def fit(features, *rest):
        calls.append(len(features.pooled))
        if len(features.pooled) > 2:
            raise torch.OutOfMemoryError("out of memory")
        return whole(features, *rest)

    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)
    monkeypatch.setattr(prepared.network, "fit", fit)
    crops = random_crops(6, 128, CPU)
    views = Views(torch.tensor([7, 3, 5, 7, 3, 5]), torch.eye(3).expand(6, 3, 3)) if several else None
    with torch.inference_mode():
        expected = whole(network.encode(crops.images), crops, views, None, None, 2)
        assert_same(prepared(crops, views, iterations=2), expected, 1e-4)
    assert calls[0] == 6 and 0 < min(calls) <= 2
    monkeypatch.setattr(prepared.network, "fit", lambda *_: (_ for _ in ()).throw(torch.OutOfMemoryError("out of memory")))
    with pytest.raises(InputError, match="single person"):
        prepared(crops, views)


@pytest.mark.parametrize(
    ("options", "word"),
    [({"precision": "float8"}, "float8"), ({"engine": "magic"}, "magic"), ({"max_batch": 0}, "max_batch")],
)
def test_what_cannot_be_had_is_said(network, options, word):
    with pytest.raises(InputError, match=word):
        prepare(network, **options)


@torch.inference_mode()
def test_every_batch_norm_is_folded_away(network):
    encoder = folded_encoder(network.backbone, network.head)
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in encoder.modules())
    images = torch.randn(2, 3, 128, 128)
    expected = network.encode(images)
    maps, pooled = encoder(images)
    torch.testing.assert_close(maps, expected.maps, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(pooled, expected.pooled, rtol=1e-3, atol=1e-3)


def test_what_a_gpu_does_in_one_operation_is_found(network):
    """Nothing is computed: cuDNN needs a GPU."""
    encoder = with_cudnn(folded_encoder(network.backbone, network.head))
    assert not any(isinstance(module, torch.nn.ReLU) for module in encoder.modules())
    assert sum("CuDnn" in type(module).__name__ for module in encoder.modules()) > 3


class _Replayed:
    """A recording without a GPU: what is replayed is the computation itself, on the recording's own tensors."""

    def __init__(self, compute, tensors, size):
        from refit_ros.core.graphs import _filled_up

        self.compute, self.inputs = compute, tuple(_filled_up(tensor, size) for tensor in tensors)

    def replay(self, tensors, count):
        for static, given in zip(self.inputs, tensors):
            static[:count].copy_(given)
            if not static.is_floating_point():
                static[count:].fill_(-1)
        return tuple(output[:count].clone() for output in self.compute(self.inputs))


@torch.inference_mode()
def test_calls_filled_up_to_a_recording(network, monkeypatch):
    """Views of people, filled up to the next recorded size, agree as if they were alone; also after a fuller call."""
    from refit_ros.core import graphs

    monkeypatch.setattr(graphs, "_Recording", _Replayed)
    prepared = prepare(network, "float32", "torch")
    prepared._encode = graphs.Recorded(lambda _, images: prepared.encoder(*images))
    prepared._fit = graphs.Recorded(prepared._fit_tensors)
    betas = torch.linspace(-1, 1, 80).reshape(8, 10)
    start = network(random_crops(8, 128, CPU, seed=2)).estimate
    for people, cameras in ((1, 3), (2, 4), (2, 3), (1, 5)):
        count = people * cameras
        crops, views = random_crops(count, 128, CPU, seed=count), views_of(people, cameras, CPU)
        begun = type(start)(*(getattr(start, name)[:count] for name in ("rotmats", "betas", "weak_perspective", "transl")))
        assert_same(prepared(crops, views=views, iterations=3), network(crops, views=views, iterations=3), 1e-4)
        known = {"betas": betas[:count], "start": begun}
        assert_same(prepared(crops, **known), network(crops, **known), 1e-4)
        assert_same(prepared(crops), network(crops), 1e-4)


@torch.inference_mode()
@pytest.mark.parametrize(
    ("engine", "module", "precision", "tolerance"),
    [
        ("openvino", "openvino", "float32", 1e-4),
        ("openvino", "openvino", "bfloat16", 0.05),
        ("onnxruntime", "onnxruntime", "float32", 1e-4),
    ],
)
def test_other_engines_say_the_same(network, engine, module, precision, tolerance):
    pytest.importorskip(module, reason=f"{module} is not installed")
    try:
        prepared = prepare(network, precision, engine)
    except InputError as error:
        if "ONEDNN_MAX_CPU_ISA" not in os.environ:
            raise
        pytest.skip(f"kept from the instructions of this processor: {error}")  # OpenVINO then chooses what it cannot compute
    for count in (1, 3):
        crops = random_crops(count, 128, CPU)
        assert_same(prepared(crops), network(crops), tolerance)


@pytest.mark.parametrize(
    ("engine", "command"), [("openvino", "pip install openvino"), ("onnxruntime", r"pip install '\.\[onnx\]'")]
)
def test_an_engine_that_is_absent_is_a_clear_error(network, engine, command, monkeypatch):
    monkeypatch.setitem(sys.modules, engine, None)
    with pytest.raises(InputError, match=f"{engine} was asked for and is not installed.*{command}"):
        prepare(network, engine=engine)


@pytest.mark.parametrize("threads", [1, 2])
def test_what_openvino_cannot_compute_here_shows_when_it_is_prepared_and_auto_goes_on_with_torch(
    network, monkeypatch, caplog, threads
):
    pytest.importorskip("openvino", reason="openvino is not installed")

    def fails(self, groups):
        raise RuntimeError("Exception from somewhere\n[CPU] Interpolate node has a bad combination")

    monkeypatch.setattr("refit_ros.core.openvino_engine._Streams.run", fails)
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    with pytest.raises(InputError, match=r"cannot compute .* here \(\[CPU\] Interpolate .*\): take engine torch"):
        prepare(network, "float32", "openvino")
    assert prepare(network, "float32").engine == "torch" and "goes on with engine torch" in caplog.text


def test_auto_takes_openvino_on_a_cpu_and_torch_elsewhere(monkeypatch):
    found = {"openvino": object()}
    monkeypatch.setattr(importlib.util, "find_spec", found.get)
    assert choose_engine(CPU, "auto") == choose_engine(CPU, "bfloat16") == "openvino"
    assert choose_engine(CPU, "float16") == choose_engine(torch.device("cuda"), "auto") == "torch"
    found.clear()
    assert choose_engine(CPU, "auto") == "torch"


@torch.inference_mode()
def test_a_network_that_openvino_does_not_convert_runs_with_torch(network, monkeypatch, caplog):
    def fail(*_):
        raise RuntimeError("no such operation")

    monkeypatch.setattr("refit_ros.core.inference.choose_engine", lambda *_: "openvino")
    monkeypatch.setattr("refit_ros.core.engines.make_encoder", fail)
    prepared, crops = prepare(network, "float32"), random_crops(2, 128, CPU)
    assert prepared.engine == "torch" and "no such operation" in caplog.text
    assert_same(prepared(crops), network(crops), 1e-4)


@torch.inference_mode()
def test_a_loop_recorded_with_one_crop_holds_for_many(network):
    prepared = prepare(network, "float32", "torch")
    for count in (1, 2, 5):
        crops, views = random_crops(count, 128, CPU, seed=count), views_of(1, count, CPU)
        start, betas = network(crops, iterations=1).estimate, torch.full((count, 10), 0.5)
        for given in ({}, {"views": views}, {"views": views, "start": start}, {"betas": betas, "start": start}):
            assert_same(prepared(crops, iterations=2, **given), network(crops, iterations=2, **given), 1e-4)
    assert len(prepared._fit._traces) == 4


@torch.inference_mode()
def test_where_nothing_can_be_recorded_it_goes_on_without(network, monkeypatch, caplog):
    def fail(*_, **__):
        raise RuntimeError("no tracing here")

    monkeypatch.setattr(torch.jit, "trace", fail)
    prepared, crops = prepare(network, "float32", "torch"), random_crops(2, 128, CPU)
    assert_same(prepared(crops), network(crops), 1e-4)
    assert "goes on without recordings" in caplog.text and "no tracing here" in caplog.text


@torch.inference_mode()
@pytest.mark.parametrize("engine", ["auto", "torch"])
def test_a_crop_is_the_same_alone_and_among_others(network, engine):
    crops = random_crops(5, 128, CPU)
    prepared = prepare(network, "float32", engine)
    together = prepared(crops).estimate
    for i in range(5):
        alone = prepared(Crops(*(getattr(crops, field.name)[i : i + 1] for field in fields(Crops)))).estimate
        torch.testing.assert_close(alone.rotmats[0], together.rotmats[i], rtol=0, atol=1e-4)
        torch.testing.assert_close(alone.betas[0], together.betas[i], rtol=0, atol=1e-4)


@pytest.mark.parametrize(("engine", "precision"), [("openvino", "float16"), ("onnxruntime", "bfloat16")])
def test_a_precision_that_an_engine_does_not_have(network, engine, precision):
    pytest.importorskip(engine, reason=f"{engine} is not installed")
    with pytest.raises(InputError, match=precision):
        prepare(network, precision, engine)


@torch.inference_mode()
def test_auto_moves_the_mean_vertex_by_less_than_2_mm_on_held_out_people():
    from refit_ros.core.checkpoint import EMBEDDED_WEIGHTS, load_network
    from refit_ros.synthetic.samples import SampleSource

    if not EMBEDDED_WEIGHTS.is_file():
        pytest.skip("there are no embedded weights")
    network = load_network()
    crops = SampleSource(network.body, network.config.image_size, "test", 5, "cpu").batch(12).crops
    exact, auto = network(crops).estimate, prepare(network, "auto")(crops).estimate
    vertices = [network.body.vertices(estimate.betas, estimate.rotmats) for estimate in (exact, auto)]
    assert (vertices[0] - vertices[1]).norm(dim=-1).mean() < 2e-3
