"""Weights files: download published ones, check them, and load them into a network. Needs torch.

A weights file may come from anybody, so it is read without running code from it.
"""

import fcntl
import logging
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlparse
from zipfile import ZipFile, is_zipfile

import torch
from safetensors.torch import load_file
from torch.hub import get_dir

from visualsearch.core.errors import InputError
from visualsearch.core.files import sha256_file

log = logging.getLogger(__name__)

# The defaults of dataset.retries and dataset.backoff_seconds.
RETRIES, BACKOFF_SECONDS = 5, 1.0
# Training steps that a norm has seen: nothing here reads them, and frozen norms may have none.
COUNTER = ".num_batches_tracked"


def download_weights(url: str, name: str | None = None, sha256: str | None = None) -> Path:
    """Download published weights into torch's cache, unless they are there; return the file.

    name: of the file in the cache; None for the one in the address. sha256: None for its first
    digits in that name. Either way the file is checked. Raises InputError when the download or
    the check fails.
    """
    # Imported here, as it costs every other job that loads a detector part of a second.
    from visualsearch.fetch.download import Client

    sha256 = sha256 or published_hash(url)
    path = Path(get_dir()) / "checkpoints" / (name or Path(urlparse(url).path).name)
    if not path.is_file():
        advice = "try again, or fetch it elsewhere and set detector.weights to the file"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with _locked(path.with_name(f".{path.name}.lock")):
                client = Client(RETRIES, BACKOFF_SECONDS)
                client.get_file(url, path, sha256, advice=advice)
        except OSError as error:
            raise InputError(f"{path} cannot be written ({_line(error)}); {advice}") from error
    digest = sha256_file(path)
    if not digest.startswith(sha256):
        raise InputError(f"{path} is damaged (sha256 {digest[:8]}...); remove it and run again")
    return path


@contextmanager
def _locked(lock: Path) -> Iterator[None]:
    """Wait until no other run downloads the same file. Removes the lock file after success.

    The kernel releases the lock of a killed run. On a file system without locks two runs may write
    into one file; its hash shows that.
    """
    with open(lock, "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.warning("another run is downloading the same weights; waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError:
            pass
        yield
        lock.unlink(missing_ok=True)


def published_hash(url: str) -> str:
    """First hex digits of the sha256, which torchvision puts into the name: `...-258fb6c6.pth`."""
    return Path(urlparse(url).path).stem.rsplit("-", 1)[-1]


def load_weights(model: torch.nn.Module, path: Path, name: str) -> None:
    """Load a state dict (torch file or safetensors) into `model`, as `load_tensors` does."""
    load_tensors(model.state_dict(), path, name)


@torch.no_grad()
def load_tensors(tensors: dict[str, torch.Tensor], path: Path, name: str) -> None:
    """Load a file of weights (of torch or safetensors) into a network's `tensors`.

    All must fit, but for the norms' counters, which are left as they are. name: the network's name,
    for messages. Raises InputError with the file and what does not fit.
    """
    if not path.is_file():
        raise InputError(f"detector.weights: no file {path}; give the path of weights for {name}")
    try:
        if path.suffix == ".safetensors":
            state: Any = load_file(path)
        else:
            _refuse_compressed(path)
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        # A broken pickle can make torch's unpickler raise any exception.
        raise InputError(
            f"{path} is not a file of plain weights ({_reason(error)}); "
            f"give a state dict of {name} saved by torch or safetensors"
        ) from error
    if isinstance(state, dict) and isinstance(state.get("model"), dict):
        state = state["model"]  # torchvision's training script saves it like this
    tensors = _without_counters(tensors)
    if isinstance(state, dict):
        state = _without_counters(state)
    if problem := _misfit(state, tensors):
        raise InputError(f"{path} does not fit {name}: {problem}; give weights made for {name}")
    for key, tensor in tensors.items():
        tensor.copy_(state[key])


def _without_counters(state: dict[Any, Any]) -> dict[Any, Any]:
    return {key: value for key, value in state.items() if not str(key).endswith(COUNTER)}


def _refuse_compressed(path: Path) -> None:
    # torch never compresses tensors. A small compressed file could fill the memory.
    if is_zipfile(path):
        with ZipFile(path) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
        if unpacked > path.stat().st_size:
            raise ValueError(f"its {unpacked} bytes are packed into fewer, which torch never does")


def _misfit(state: object, expected: dict[str, torch.Tensor]) -> str:
    """Why `state` cannot be loaded in place of `expected`; empty if it can."""
    if not isinstance(state, dict):
        return "it holds no state dict"
    if missing := sorted(expected.keys() - state.keys()):
        return f"{len(missing)} tensors are missing, first {missing[0]}"
    if unknown := sorted(state.keys() - expected.keys()):
        return f"{len(unknown)} tensors are unknown, first {unknown[0]}"
    wrong = [
        f"{key} is {tuple(getattr(state[key], 'shape', ()))}, not {tuple(wanted.shape)}"
        for key, wanted in expected.items()
        if getattr(state[key], "shape", None) != wanted.shape
    ]
    if wrong:
        return f"{len(wrong)} shapes differ, first {wrong[0]}"
    for key, wanted in expected.items():
        tensor = state[key]
        stored = tensor.layout == torch.strided and not tensor.is_quantized and not tensor.is_meta
        if not stored or tensor.is_floating_point() != wanted.is_floating_point():
            return f"{key} is of {tensor.dtype}, {tensor.layout}; {wanted.dtype} is needed"
        if not tensor.to(wanted.dtype).isfinite().all():
            return f"{key} holds values that are not finite"
    return ""


def _reason(error: Exception) -> str:
    # torch's own message advises to load the file in the way that runs its code.
    if isinstance(error, pickle.UnpicklingError) or "weights_only" in str(error):
        return "it holds objects other than tensors, which might run code"
    return _line(error)


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
