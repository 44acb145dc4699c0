"""Weights files: the published ones (.pt, .pth, .ckpt, .pth.tar) and this project's own (.safetensors)."""
from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from refit_ros.core.body import Body, load_body
from refit_ros.core.body_files import DATA, published_markers
from refit_ros.core.config import SMALL, NetworkConfig
from refit_ros.core.errors import InputError
from refit_ros.core.published import config_from_shapes, own_name, published_name, without_wrapping
from refit_ros.core.refit import Refit

log = logging.getLogger(__name__)

EMBEDDED_WEIGHTS = DATA / "refit_small.safetensors"
OLDEST_TORCH = (2, 10)  # before it, torch.load(weights_only=True) could still be made to run code
_LISTED = 20


def load_network(weights: str | Path | None = None, body: Body | None = None,
                 device: torch.device | str = "cpu") -> Refit:
    """The network of a weights file, ready to run, on `device`.

    weights: a file; None for the embedded ones; "untrained" or "untrained:hrnet_w48" for random numbers, with which
    the results mean nothing. body: None for the embedded one. Raises InputError, in one sentence, for everything
    that is wrong with a file; what is missing from it, not expected in it or of another shape is listed.
    """
    refuse_old_torch()
    name = str(weights) if weights else ""
    body = load_body() if body is None else body
    if name.split(":")[0] == "untrained":
        return untrained_network(_named(name.partition(":")[2]), body).to(device)
    if not name and not EMBEDDED_WEIGHTS.is_file():
        log.warning("the embedded weights %s are missing; the network is untrained.", EMBEDDED_WEIGHTS)
        return untrained_network(SMALL, body).to(device)
    path = Path(name).expanduser() if name else EMBEDDED_WEIGHTS
    try:
        state, config, metadata = _read(path)
        network = Refit(config, _body_with_markers(body, config.markers))
        _fill(network, state)
    except InputError as error:
        raise InputError(f"{path} cannot be used: {error}") from error
    network.trained = metadata.get("trained", "true") == "true"
    network.embedded = path == EMBEDDED_WEIGHTS
    network.weights_name = "embedded" if network.embedded else str(path)
    return network.to(device).eval()


def untrained_network(config: NetworkConfig, body: Body, seed: int = 0) -> Refit:
    """A network of random weights, the same for the same seed; its results mean nothing (`trained` is False)."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = Refit(config, _body_with_markers(body, config.markers))
    return network.eval()


def save_network(network: Refit, path: str | Path, metadata: Mapping[str, str] | None = None,
                 half: bool = False) -> None:
    """Write the weights as safetensors, with the configuration and `metadata` beside them, whole or not at all.

    half: matrices and kernels in float16 (half the size), the rest in float32.
    """
    from safetensors.torch import save_file

    state = {}
    for name, value in network.state_dict().items():
        value = value.detach().cpu()
        narrow = half and value.is_floating_point() and value.dim() > 1
        state[published_name(name)] = (value.half() if narrow else value).clone().contiguous()
    texts = {"config": network.config.to_json(), "trained": "true" if network.trained else "false", **(metadata or {})}
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".part")
    os.close(handle)
    try:
        save_file(state, temporary, {key: str(value) for key, value in texts.items()})
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    finally:
        Path(temporary).unlink(missing_ok=True)


def read_metadata(path: str | Path) -> dict[str, str]:
    """What stands beside the weights in a .safetensors file. Raises InputError."""
    return _read_safetensors(Path(path))[1]


def refuse_old_torch(version: str = torch.__version__) -> None:
    """Raises InputError where this torch is too old to read a stranger's file."""
    numbers = tuple(int(part) for part in version.split("+")[0].split(".")[:2])
    if numbers < OLDEST_TORCH:
        raise InputError(f"torch {version} is too old to read weights safely; "
                         f"install torch {'.'.join(map(str, OLDEST_TORCH))} or later.")


def _named(backbone: str) -> NetworkConfig:
    if backbone in ("", "small"):
        return SMALL
    try:
        return NetworkConfig(backbone=backbone)
    except ValueError as error:
        raise InputError(f"--weights untrained:{backbone}: {error}.") from error


def _read(path: Path) -> tuple[dict[str, Tensor], NetworkConfig, dict[str, str]]:
    """-> entries under the published names, what network they are for, and what else the file says."""
    if not path.is_file():
        raise InputError("there is no such file; give a ReFit checkpoint (.pt, .pth, .safetensors), or nothing for "
                         "the embedded weights.")
    with open(path, "rb") as file:
        beginning = file.read(16)
    if not beginning:
        raise InputError("it is empty; download it again.")
    if path.suffix == ".safetensors" or beginning[8:9] == b"{":
        entries, metadata = _read_safetensors(path)
    else:
        entries, metadata = _read_torch(path), {}
    state, dropped = without_wrapping(entries)
    if dropped:
        log.info("%s: left out %d entries of the body: %s", path, len(dropped), ", ".join(dropped))
    state = {name: value.float() if value.is_floating_point() else value for name, value in state.items()}
    try:
        config = NetworkConfig.from_json(metadata["config"]) if "config" in metadata else config_from_shapes(state)
    except InputError:
        raise
    except ValueError as error:
        raise InputError(f"its description is damaged ({error}); download it again.") from error
    return state, config, metadata


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    from safetensors import SafetensorError, safe_open
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise InputError(f"it is damaged or no safetensors file ({error}); download it again.") from error


def _read_torch(path: Path) -> dict[str, Tensor]:
    try:
        with torch.serialization.safe_globals(_array_types()):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file can raise anything
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        if "weights_only" in str(error) or "Unsupported" in str(error) and "GLOBAL" in str(error):
            asked = [line.strip() for line in str(error).splitlines() if "GLOBAL" in line]
            raise InputError("it is refused: besides arrays it asks for other objects, and reading it could run "
                             f"code ({asked[0] if asked else first}).") from error
        raise InputError(f"it is damaged or no checkpoint ({first}); download it again.") from error
    for key in ("model", "state_dict"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict) or not all(isinstance(v, Tensor) for v in content.values()) or not content:
        raise InputError("it holds no network's weights (looked for 'model', 'state_dict' or the entries themselves).")
    return dict(content)


def _array_types() -> list:
    """What NumPy numbers beside the weights (a best score, an order of samples) are pickled as."""
    multiarray = getattr(np, "_core", None) or np.core
    reconstruct, scalar = multiarray.multiarray._reconstruct, multiarray.multiarray.scalar
    types = [np.ndarray, np.dtype, *(type(np.dtype(kind)) for kind in ("f2", "f4", "f8", "i4", "i8", "u1", "?"))]
    return [*types, *((function, f"{package}.{function.__name__}") for function in (reconstruct, scalar)
                      for package in ("numpy.core.multiarray", "numpy._core.multiarray"))]


def _body_with_markers(body: Body, count: int) -> Body:
    published = published_markers()
    if len(body.markers) == count:
        return body
    if body.markers in published.values() and count in published:
        return body.with_markers(published[count])
    raise InputError(f"its network looks through {count} markers and the body '{body.name}' has {len(body.markers)}.")


def _fill(network: Refit, state: Mapping[str, Tensor]) -> None:
    """Strictly: every entry of the network, and none besides."""
    expected = {published_name(name): value for name, value in network.state_dict().items()}
    problems = {
        "missing": [name for name in expected if name not in state],
        "not expected": [name for name in state if name not in expected],
        "of another shape": [f"{name} {tuple(state[name].shape)}, expected {tuple(value.shape)}"
                             for name, value in expected.items() if name in state and state[name].shape != value.shape],
    }
    if any(problems.values()):
        raise InputError("; ".join(f"{len(names)} {what}: {_listed(names)}" for what, names in problems.items() if names))
    bad = [name for name, value in state.items() if value.is_floating_point() and not torch.isfinite(value).all()]
    if bad:
        raise InputError(f"values that are not finite in {_listed(bad)}")
    network.load_state_dict({own_name(name): value for name, value in state.items()})


def _listed(names: list[str]) -> str:
    rest = len(names) - _LISTED
    return ", ".join(names[:_LISTED]) + (f" and {rest} more" if rest > 0 else "")
