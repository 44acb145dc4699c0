"""A network made ready to run fast: the same calls and the same results as `Refit`, to the precision asked for."""

from __future__ import annotations

import copy
import importlib.util
import logging

import torch
from torch import Tensor, nn

from refit_ros.core.config import NetworkConfig
from refit_ros.core.cudnn_convolutions import with_cudnn
from refit_ros.core.encoder import folded_encoder
from refit_ros.core.errors import InputError
from refit_ros.core.feedback import MarkerHead
from refit_ros.core.fit_call import FitCall, Kind, stacked, unpacked, unstacked
from refit_ros.core.graphs import Recorded
from refit_ros.core.halves import fit_in_halves
from refit_ros.core.refit import Features, Refit
from refit_ros.core.traces import Traced
from refit_ros.core.types import Crops, Estimate, Fit, Views

log = logging.getLogger(__name__)

PRECISIONS = ("auto", "float32", "bfloat16", "float16")
ENGINES = ("auto", "torch", "openvino", "onnxruntime")
MAX_BATCH = 32  # crops that go through the convolutions at once


def check_precision(precision: str) -> None:
    """Raises InputError, with a sentence, on one that there is not."""
    if precision not in PRECISIONS:
        raise InputError(f"precision '{precision}' is unknown; there are {', '.join(PRECISIONS)}")


class Prepared:
    """Called like `Refit`. Weights are copied: training the network further does not change it."""

    def __init__(self, network: Refit, encoder, precision: str, engine: str, max_batch: int, graphs: bool) -> None:
        self._description = network.describe()
        self.network = _loop_of(network)
        self.encoder = encoder  # images (b, 3, S, S) float32 -> maps, pooled
        self.precision, self.engine, self.max_batch = precision, engine, max_batch
        self.config: NetworkConfig = network.config
        self.body = self.network.body
        self.trained, self.embedded, self.weights_name = network.trained, network.embedded, network.weights_name
        self.device = network.init_pose.device
        self._encode: Recorded[str] | None = Recorded(lambda _, images: self.encoder(*images)) if graphs else None
        self._fit: Recorded[Kind] | Traced[Kind] | None = None
        if graphs or self.device.type == "cpu":
            self._fit = (Recorded if graphs else Traced)(self._fit_tensors)

    def __call__(
        self,
        crops: Crops,
        views: Views | None = None,
        betas: Tensor | None = None,
        start: Estimate | None = None,
        iterations: int | None = None,
    ) -> Fit:
        """As `Refit.forward`, without gradients; the convolutions see at most `max_batch` crops at once."""
        return self.fit(self.encode(crops.images), crops, views, betas, start, iterations)

    forward = __call__

    def encode(self, images: Tensor) -> Features:
        """images (B, 3, S, S) -> features, `max_batch` at a time; fewer where a GPU's memory does not hold them."""
        parts, begin = [], 0
        with torch.inference_mode():
            while begin < len(images):
                try:
                    parts.append(self._encoded(images[begin : begin + self.max_batch]))
                    begin += self.max_batch
                except torch.OutOfMemoryError:
                    self._halve()
            return Features(*(torch.cat(values) if len(parts) > 1 else values[0] for values in zip(*parts)))

    def fit(
        self,
        features: Features,
        crops: Crops,
        views: Views | None = None,
        betas: Tensor | None = None,
        start: Estimate | None = None,
        iterations: int | None = None,
    ) -> Fit:
        """As `Refit.fit`, without gradients; half of the people at a time where a GPU's memory does not hold all.

        Raises InputError where it does not hold one.
        """
        iterations = self.config.iterations if iterations is None else iterations
        try:
            return self._fit_together(features, crops, views, betas, start, iterations)
        except torch.OutOfMemoryError:
            pass  # go on outside: the exception holds on to what the call had allocated
        self._give_back_memory()
        found = fit_in_halves(self.fit, features, crops, views, betas, start, iterations)
        if found is None:
            raise InputError(f"{self.device} has not enough memory for a single person; free some or use device cpu")
        return found

    def _fit_together(
        self,
        features: Features,
        crops: Crops,
        views: Views | None,
        betas: Tensor | None,
        start: Estimate | None,
        iterations: int,
    ) -> Fit:
        with torch.inference_mode():
            if self._fit is None:
                return self.network.fit(features, crops, views, betas, start, iterations)
            kind, tensors = FitCall(features, crops, views, betas, start, iterations).packed()
            try:
                values = self._fit(kind, tensors)
            except torch.OutOfMemoryError:
                raise
            except RuntimeError as error:
                if isinstance(self._fit, Traced):
                    raise
                self._without_graphs(error)
                return self._fit_together(features, crops, views, betas, start, iterations)
            return unstacked(values, iterations)

    def eval(self) -> Prepared:
        return self

    def parameters(self):
        return self.network.parameters()

    def describe(self) -> str:
        return f"{self._description}, {self.precision} with {self.engine} on {self.device}"

    def _encoded(self, images: Tensor) -> tuple[Tensor, ...]:
        if self._encode is None:
            return self.encoder(images)
        try:
            return self._encode("encode", (images,))
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            self._without_graphs(error)
            return self.encoder(images)

    def _fit_tensors(self, kind: Kind, tensors: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """`fit` from tensors to tensors: what a recording can hold. -> each quantity (B, iterations + 1, ...)."""
        call = unpacked(kind, tensors)
        return stacked(self.network.fit(call.features, call.crops, call.views, call.betas, call.start, call.iterations))

    def _without_graphs(self, error: RuntimeError) -> None:
        log.warning("goes on without CUDA graphs: %s", str(error).splitlines()[0])
        self._encode = self._fit = None

    def _give_back_memory(self) -> None:
        for recorded in (self._encode, self._fit):
            if recorded is not None:
                recorded.forget()
        torch.cuda.empty_cache()

    def _halve(self) -> None:
        """Raises InputError where not even one crop fits."""
        if self.max_batch == 1:
            raise InputError(f"{self.device} has not enough memory for a single crop; free some or use device cpu")
        self._give_back_memory()
        self.max_batch //= 2
        log.warning("%s is out of memory: going on with at most %d crops at once", self.device, self.max_batch)


def prepare(
    network: Refit,
    precision: str = "auto",
    engine: str = "auto",
    max_batch: int = MAX_BATCH,
    graphs: bool = True,
    fused: bool = True,
) -> Prepared:
    """`network`, on its device, for inference.

    precision: of the convolutions; the loop and all geometry stay float32. "auto" takes what `choose_precision`
    says. engine: what computes the convolutions; "auto" takes openvino on a CPU where it is installed and can convert
    the network, and torch elsewhere. onnxruntime is an extra for CPUs.
    graphs: record the whole call as a CUDA graph for each number of crops (only on a GPU).
    fused: let convolutions on a GPU do the sums and ReLUs after them.
    Raises InputError where precision or engine is unknown or cannot be had here.
    """
    if network.config.backbone == "keypoints":
        raise InputError(
            "these weights are a keypoint network's, which takes landmarks, not images: use them with evidence keypoints"
        )
    size = network.config.image_size
    example = torch.zeros(1, 3, size, size, device=network.init_pose.device)
    return prepare_behind(network.backbone, example, network, precision, engine, max_batch, graphs, fused)


def prepare_behind(
    backbone: nn.Module,
    example: Tensor,
    network: Refit,
    precision: str,
    engine: str,
    max_batch: int,
    graphs: bool,
    fused: bool,
) -> Prepared:
    """As `prepare`, with another backbone, which takes in crops shaped like `example` (1, C, H, W).

    With one that passes on what it gets, all that lies outside the backbone can be run alone.
    """
    device = example.device
    check_precision(precision)
    if engine not in ENGINES:
        raise InputError(f"engine '{engine}' is unknown; there are {', '.join(ENGINES)}")
    if max_batch < 1:
        raise InputError(f"max_batch {max_batch} is not positive")
    if engine == "auto":
        try:
            engine = choose_engine(device, precision)
            return prepare_behind(backbone, example, network, precision, engine, max_batch, graphs, fused)
        except (InputError, RuntimeError) as error:
            if engine == "torch":
                raise
            log.warning(
                "goes on with engine torch: engine %s does not take this network (%s)", engine, str(error).splitlines()[0]
            )
            engine = "torch"
    chosen = choose_precision(device, engine) if precision == "auto" else precision
    if engine == "torch":
        encoder = _torch_encoder(backbone, network.head, example, getattr(torch, chosen), fused)
        if precision == "auto" and chosen == "float16" and not _is_finite(encoder, example):
            chosen = "bfloat16"  # these weights leave float16's range
            encoder = _torch_encoder(backbone, network.head, example, torch.bfloat16, fused)
    else:
        from refit_ros.core.engines import make_encoder

        encoder = make_encoder(engine, backbone, network.head, example, chosen)
    return Prepared(network, encoder, chosen, engine, max_batch, graphs and device.type == "cuda" and engine == "torch")


def choose_precision(device: torch.device, engine: str = "torch") -> str:
    """What "auto" means: half precision where it is quicker and moves the mean vertex by less than 2 mm.

    The figures behind it are in benchmarks/README.md.
    """
    if device.type == "cuda":
        return "float16"
    half = torch.ops.mkldnn._is_mkldnn_bf16_supported() and torch.cpu._is_avx512_bf16_supported()
    return "bfloat16" if half and engine != "onnxruntime" else "float32"


def choose_engine(device: torch.device, precision: str) -> str:
    """What "auto" means: OpenVINO for a CPU where it is installed and computes in this precision, else torch."""
    has = importlib.util.find_spec("openvino") is not None
    return "openvino" if device.type == "cpu" and has and precision != "float16" else "torch"


def _loop_of(network: Refit) -> Refit:
    """A copy without the convolutions, its body quick."""
    loop = copy.deepcopy(network, {id(network.backbone): None, id(network.head): None})
    loop.body.exact_joints = False
    return loop.eval().requires_grad_(False).to(network.init_pose.device)


def _torch_encoder(backbone: nn.Module, head: MarkerHead, example: Tensor, dtype: torch.dtype, fused: bool):
    device = example.device
    for kind in ("cudnn", "plain") if fused and device.type == "cuda" else ("plain",):
        try:
            folded = folded_encoder(backbone, head)
            nn.utils.convert_conv2d_weight_memory_format(folded.to(device=device, dtype=dtype), torch.channels_last)
            encoder = _InPrecision(with_cudnn(folded) if kind == "cudnn" else folded, dtype, kind)
            with torch.inference_mode():
                encoder(example)
            return encoder
        except (RuntimeError, AttributeError, NotImplementedError) as error:
            if kind == "plain":
                raise InputError(
                    f"precision {str(dtype).removeprefix('torch.')} cannot be had on {device}: {str(error).splitlines()[0]}"
                ) from error
            log.info("convolutions are not fused: %s", str(error).splitlines()[0])
    raise AssertionError("unreachable")


def _is_finite(encoder, example: Tensor) -> bool:
    """For a crop of noise, brighter and darker than images are."""
    noise = 2 * torch.randn(4, *example.shape[1:], generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        return all(bool(torch.isfinite(values).all()) for values in encoder(noise.to(example.device)))


class _InPrecision:
    """Images come in float32 in any layout, features go out in float32."""

    def __init__(self, encoder, dtype: torch.dtype, kind: str) -> None:
        self.encoder, self.dtype, self.kind = encoder, dtype, kind

    def __call__(self, images: Tensor) -> tuple[Tensor, Tensor]:
        # On a GPU the quickest way of each convolution is tried out once; float32 is float32, not TF32.
        with torch.backends.cudnn.flags(enabled=True, benchmark=True, allow_tf32=False):
            maps, pooled = self.encoder(images.to(dtype=self.dtype, memory_format=torch.channels_last))
        return maps.float().contiguous(), pooled.float()
