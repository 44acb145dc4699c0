"""Made ready for speed, a network still says the same: for one view, many, known shapes, warm starts, in parts."""
from __future__ import annotations

import sys

import pytest
import torch

from refit_ros.benchmarking.scenes import random_crops, views_of
from refit_ros.core.checkpoint import untrained_network
from refit_ros.core.config import SMALL, NetworkConfig
from refit_ros.core.errors import InputError
from refit_ros.core.fused_convolutions import fused_encoder
from refit_ros.core.fused_update import FusedDecoder, FusedUpdate
from refit_ros.core.inference import prepare
from refit_ros.core.update import Decoder, State, Update

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
    assert_same(prepare(network, "float32")(crops), network(crops), 1e-4)


@torch.inference_mode()
def test_bfloat16_is_nearly_the_same(network):
    crops = random_crops(2, 128, CPU)
    assert_same(prepare(network, "bfloat16")(crops), network(crops), 0.05)


@torch.inference_mode()
def test_views_known_shape_and_warm_start(network):
    crops, views = random_crops(6, 128, CPU), views_of(2, 3, CPU)
    betas = torch.full((6, 10), float("nan"))
    betas[:3] = 0.5
    start = network(random_crops(6, 128, CPU, seed=2)).estimate
    arguments = {"views": views, "betas": betas, "start": start, "iterations": 2}
    prepared = prepare(network, "float32")
    assert_same(prepared(crops, **arguments), network(crops, **arguments), 1e-4)
    assert_same(prepare(network, "float32", max_batch=4)(crops, **arguments), network(crops, **arguments), 1e-4)


@torch.inference_mode()
@pytest.mark.parametrize("max_batch", [1, 2, 5, 7])
def test_in_parts(network, max_batch):
    crops = random_crops(5, 128, CPU)
    start = network(random_crops(5, 128, CPU, seed=2)).estimate
    betas = torch.linspace(-1, 1, 50).reshape(5, 10)
    whole = network(crops, betas=betas, start=start)
    assert_same(prepare(network, "float32", max_batch=max_batch)(crops, betas=betas, start=start), whole, 1e-4)


def test_the_network_itself_is_left_as_it_was(network):
    before = {name: value.clone() for name, value in network.state_dict().items()}
    prepare(network, "float32")
    assert network.body.exact_joints and all(torch.equal(before[n], v) for n, v in network.state_dict().items())
    assert isinstance(network.update, Update) and network.backbone is not None


def test_out_of_memory_halves_the_batch(network, monkeypatch):
    prepared = prepare(network, "float32", max_batch=8)
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


@pytest.mark.parametrize(("options", "word"), [({"precision": "float8"}, "float8"), ({"engine": "magic"}, "magic"),
                                               ({"max_batch": 0}, "max_batch")])
def test_what_cannot_be_had_is_said(network, options, word):
    with pytest.raises(InputError, match=word):
        prepare(network, **options)


@torch.inference_mode()
@pytest.mark.parametrize("kind", ["plain", "onednn"])
def test_every_batch_norm_is_folded_away(network, kind):
    encoder = fused_encoder(network.backbone, network.head, kind, torch.float32, torch.zeros(1, 3, 128, 128))
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in encoder.modules())
    images = torch.randn(2, 3, 128, 128)
    expected = network.encode(images)
    maps, pooled = encoder(images.to(memory_format=torch.channels_last))
    torch.testing.assert_close(maps, expected.maps, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(pooled, expected.pooled, rtol=1e-3, atol=1e-3)


@torch.inference_mode()
@pytest.mark.parametrize("layers", [1, 2])
def test_fused_update_and_decoder(layers):
    config = NetworkConfig(decoder_layers=layers)
    update, decoder = Update(config), Decoder(config)
    hidden, feedback, box = torch.randn(3, 26, 32), torch.randn(3, 256), torch.randn(3, 3)
    state = State(torch.randn(3, 144), torch.randn(3, 10), torch.randn(3, 3))
    torch.testing.assert_close(FusedUpdate(update)(hidden, feedback, box, state), update(hidden, feedback, box, state),
                               rtol=1e-4, atol=1e-5)
    fused, plain = FusedDecoder(decoder)(hidden, box), decoder(hidden, box)
    for name in ("pose", "betas", "camera"):
        torch.testing.assert_close(getattr(fused, name), getattr(plain, name), rtol=1e-4, atol=1e-5)


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
    prepared = prepare(network, "float32")
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
@pytest.mark.parametrize(("engine", "module", "precision", "tolerance"), [
    ("openvino", "openvino", "float32", 1e-4), ("openvino", "openvino", "bfloat16", 0.05),
    ("onnxruntime", "onnxruntime", "float32", 1e-4)])
def test_other_engines_say_the_same(network, engine, module, precision, tolerance):
    pytest.importorskip(module, reason=f"{module} is not installed")
    prepared = prepare(network, precision, engine)
    for count in (1, 3):
        crops = random_crops(count, 128, CPU)
        assert_same(prepared(crops), network(crops), tolerance)


@pytest.mark.parametrize(("engine", "extra"), [("openvino", "openvino"), ("onnxruntime", "onnx")])
def test_an_engine_that_is_absent_is_a_clear_error(network, engine, extra, monkeypatch):
    monkeypatch.setitem(sys.modules, engine, None)
    with pytest.raises(InputError, match=rf"{engine} was asked for and is not installed.*pip install '\.\[{extra}\]'"):
        prepare(network, engine=engine)


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
