"""Weights files: the published ones (.pt, .pth, .ckpt, .pth.tar) and this project's own (.safetensors)."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import torch

from refit_ros.core import limits
from refit_ros.core.body import Body, load_body
from refit_ros.core.body_files import DATA, EMBEDDED_BODIES, published_markers
from refit_ros.core.config import SMALL, NetworkConfig
from refit_ros.core.errors import InputError
from refit_ros.core.keypoints import LANDMARKS, KeypointRefit
from refit_ros.core.plain_checkpoint import StoredTensor, open_checkpoint
from refit_ros.core.plain_files import open_regular, shown, whole_path
from refit_ros.core.plain_safetensors import open_safetensors
from refit_ros.core.published import config_from_shapes, own_name, published_name, without_wrapping
from refit_ros.core.refit import Refit
from refit_ros.core.stacked import Stacked

log = logging.getLogger(__name__)

EMBEDDED_WEIGHTS = DATA / "refit_small.safetensors"
EMBEDDED_KEYPOINT_WEIGHTS = DATA / "refit_keypoints_anny.safetensors"
_TRAINED_ON = {"refit_ros": DATA / "refit_keypoints.safetensors"}  # body -> the keypoint weights that were trained on it
OLDEST_TORCH = (2, 10)  # before it, torch.load(weights_only=True) could still be made to run code
_LISTED = 20


def load_network(
    weights: str | os.PathLike[str] | None = None, body: Body | None = None, device: torch.device | str = "cpu"
) -> Refit:
    """The network of a weights file, ready to run, on `device`.

    weights: a file; None for the embedded ones; "untrained" or "untrained:hrnet_w48" for random numbers, with which
    the results mean nothing. body: None for the embedded one that the file was trained on, and where it says none, for
    `load_body()`. Raises InputError, in one sentence, for everything that is wrong with a file; what is missing from it,
    not expected in it or of another shape is listed.
    """
    refuse_old_torch()
    name = os.fspath(weights) if weights else ""
    if name.split(":")[0] == "untrained":
        return untrained_network(_named(name.partition(":")[2]), body or load_body()).to(device)
    if not name and not EMBEDDED_WEIGHTS.is_file():
        log.warning("the embedded weights %s are missing; the network is untrained.", EMBEDDED_WEIGHTS)
        return untrained_network(SMALL, body or load_body()).to(device)
    path = Path(name).expanduser() if name else EMBEDDED_WEIGHTS
    try:
        with _opened(path) as (state, config, metadata):
            network = _network_for(state, config, body or _body_named(metadata.get("body", "")))
    except InputError as error:
        raise InputError(f"{shown(path)} cannot be used: {error}") from error
    network.trained = metadata.get("trained", "true") == "true"
    network.embedded = path in (EMBEDDED_WEIGHTS, EMBEDDED_KEYPOINT_WEIGHTS, *_TRAINED_ON.values())
    network.weights_name = "embedded" if network.embedded else str(path)
    return network.to(device).eval()


def embedded_keypoint_weights(body: Body | None) -> Path:
    """The keypoint weights that come with the package for a body; None: for the one that is taken by default."""
    return _TRAINED_ON.get(body.name, EMBEDDED_KEYPOINT_WEIGHTS) if body else EMBEDDED_KEYPOINT_WEIGHTS


def untrained_network(config: NetworkConfig, body: Body, seed: int = 0) -> Refit:
    """A network of random weights, the same for the same seed; its results mean nothing (`trained` is False)."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = _network_of(config, body)
    return network.eval()


def save_network(network: Refit, path: str | Path, metadata: Mapping[str, str] | None = None, half: bool = False) -> None:
    """Write the weights as safetensors, with the configuration and `metadata` beside them, whole or not at all.

    half: matrices and kernels in float16 (half the size), the rest in float32.
    """
    from safetensors.torch import save_file

    state = {}
    for name, value in network.state_dict().items():
        value = value.detach().cpu()
        narrow = half and value.is_floating_point() and value.dim() > 1
        state[published_name(name)] = (value.half() if narrow else value).clone().contiguous()
    own = {"config": network.config.to_json(), "trained": "true" if network.trained else "false", "body": network.body.name}
    texts = {**own, **(metadata or {})}
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_path(path) as temporary:
        save_file(state, temporary, {key: str(value) for key, value in texts.items()})


def read_metadata(path: str | Path) -> dict[str, str]:
    """What stands beside the weights in a .safetensors file. Raises InputError."""
    with open_safetensors(Path(path)) as (_, metadata):
        return metadata


def are_for_landmarks(weights: str | os.PathLike[str]) -> bool:
    """Whether weights, a file or "untrained:..." as for `load_network`, are a network's that takes landmarks, not images.

    Nothing is said of a file that cannot be read: whoever loads it will.
    """
    name = os.fspath(weights)
    try:
        if name.split(":")[0] == "untrained":
            return _named(name.partition(":")[2]).backbone == LANDMARKS.backbone
        with _opened(Path(name).expanduser()) as (_, config, _):
            return config.backbone == LANDMARKS.backbone
    except InputError:
        return False


def refuse_old_torch(version: str = torch.__version__) -> None:
    """Raises InputError where this torch is too old to read a stranger's file."""
    numbers = tuple(int(part) for part in version.split("+")[0].split(".")[:2])
    if numbers < OLDEST_TORCH:
        raise InputError(
            f"torch {version} is too old to read weights safely; install torch {'.'.join(map(str, OLDEST_TORCH))} or later."
        )


def _named(backbone: str) -> NetworkConfig:
    if backbone in ("", "small", "keypoints"):
        return LANDMARKS if backbone == "keypoints" else SMALL
    try:
        return NetworkConfig(backbone=backbone)
    except ValueError as error:
        raise InputError(f"--weights untrained:{backbone}: {error}.") from error


@contextmanager
def _opened(path: Path) -> Iterator[tuple[dict[str, StoredTensor], NetworkConfig, dict[str, str]]]:
    """-> entries under the published names, what network they are for, and what else the file says; good while open."""
    if not path.exists():
        raise InputError(
            "there is no such file; give a ReFit checkpoint (.pt, .pth, .safetensors), or nothing for the embedded weights."
        )
    with ExitStack() as stack:
        file = stack.enter_context(open_regular(path))
        size = file.seek(0, os.SEEK_END)
        limits.check(size, "weights_file_megabytes", f"it has {size // limits.MEGABYTE} MB", limits.MEGABYTE)
        file.seek(0)
        beginning = file.read(16)
        if not beginning:
            raise InputError("it is empty; download it again.")
        if beginning[8:9] == b"{":
            entries, metadata = stack.enter_context(open_safetensors(path))
        else:
            content, metadata = stack.enter_context(open_checkpoint(path, file)), {}
            entries = _weights_in(content)
        state, dropped = without_wrapping(entries)
        if dropped:
            log.info("%s: left out %d entries of the body: %s", path, len(dropped), _listed(dropped))
        try:
            config = NetworkConfig.from_json(metadata["config"]) if "config" in metadata else config_from_shapes(state)
        except InputError:
            raise
        except RecursionError as error:
            raise InputError("its description is damaged (brackets without end); download it again.") from error
        except (ValueError, TypeError) as error:
            raise InputError(f"its description is damaged ({error}); download it again.") from error
        yield state, config, metadata


def _weights_in(content: object) -> dict[str, StoredTensor]:
    for key in ("model", "state_dict"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if (
        not isinstance(content, dict)
        or not content
        or not all(isinstance(name, str) and isinstance(value, StoredTensor) for name, value in content.items())
    ):
        raise InputError("it holds no network's weights (looked for 'model', 'state_dict' or the entries themselves).")
    return dict(content)


def _network_of(config: NetworkConfig, body: Body) -> Refit:
    """Raises InputError where the body does not go with it."""
    if config.backbone != "keypoints":
        return Refit(config, _body_with_markers(body, config.markers))
    try:
        return KeypointRefit(config, body)
    except ValueError as error:
        raise InputError(f"{error}; load it with the version it was made with") from error


def _body_named(name: str) -> Body:
    """The embedded body of this name; another name is of a file that whoever loads the weights has to give."""
    return load_body(name if name in EMBEDDED_BODIES else None)


def _body_with_markers(body: Body, count: int) -> Body:
    published = published_markers()
    if len(body.markers) == count:
        return body
    if body.markers in published.values() and count in published:
        return body.with_markers(published[count])
    raise InputError(f"its network looks through {count} markers and the body '{body.name}' has {len(body.markers)}.")


def _network_for(state: Mapping[str, StoredTensor], config: NetworkConfig, body: Body) -> Refit:
    """The network, filled. Strictly: every entry of it, and none besides; told before anything of its size is allocated."""
    if config.backbone != "keypoints":
        body = _body_with_markers(body, config.markers)
    with torch.device("meta"):
        plan = _network_of(config, body)
    expected = {published_name(name): value for name, value in plan.state_dict().items()}
    numbers = sum(value.numel() for value in expected.values())
    limits.check(numbers, "parameters", f"its network has {numbers} numbers")
    problems = {
        "missing": [name for name in expected if name not in state],
        "not expected": [name for name in state if name not in expected],
        "of another shape": [
            f"{name} {tuple(state[name].shape)}, expected {tuple(value.shape)}"
            for name, value in expected.items()
            if name in state and state[name].shape != value.shape
        ],
    }
    if any(problems.values()):
        raise InputError("; ".join(f"{len(names)} {what}: {_listed(names)}" for what, names in problems.items() if names))
    network = _network_of(config, body)
    bad, stacked = [], {}
    own = *network.named_parameters(remove_duplicate=False), *network.named_buffers(remove_duplicate=False)
    targets = {published_name(name): value.detach() for name, value in own}
    for name, stored in state.items():
        value = stored.read()
        if value.is_floating_point() and not torch.isfinite(value).all():
            bad.append(name)
        if name in targets:
            targets[name].copy_(value)  # into the network itself: nothing lies in memory twice
        else:
            stacked[own_name(name)] = value
    for prefix, module in network.named_modules():
        if isinstance(module, Stacked):
            begin = f"{prefix}."
            module.load_state_dict({name[len(begin) :]: value for name, value in stacked.items() if name.startswith(begin)})
    if bad:
        raise InputError(f"values that are not finite in {_listed(bad)}")
    return network


def _listed(names: list[str]) -> str:
    rest = len(names) - _LISTED
    return ", ".join(shown(name[:80]) for name in names[:_LISTED]) + (f" and {rest} more" if rest > 0 else "")
