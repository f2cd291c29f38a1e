"""The number format and memory layout in which a network computes. Needs torch."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from visualsearch.detect.failures import Overflow

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
# NVIDIA's GPUs multiply fp16 fast from here on. Most of those before do it at a 64th of the speed
# of fp32, or not at all.
# https://docs.nvidia.com/cuda/cuda-c-programming-guide/#arithmetic-instructions
FP16_CAPABILITY = (7, 0)


def resolve(precision: str, on_gpu: bool) -> str:
    """Return the key of DTYPES that `detector.precision` means in torch on this machine.

    "auto" is bf16 on hardware that supports it, then fp16 on a GPU that is fast in it, else fp32:
    CPUs without AVX512_BF16 or AMX emulate bf16 slowly, and most CPUs fp16.
    https://docs.pytorch.org/docs/stable/cpu.html
    """
    if precision != "auto":
        return precision
    if on_gpu:
        if torch.cuda.is_bf16_supported(including_emulation=False):
            return "bf16"
        return "fp16" if torch.cuda.get_device_capability() >= FP16_CAPABILITY else "fp32"
    # torch has had get_capabilities since 2.10.
    capabilities: Mapping[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    has_bf16 = any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16"))
    return "bf16" if has_bf16 else "fp32"


def compute_in(
    module: nn.Module, dtype: torch.dtype, result: torch.dtype | None = None
) -> nn.Module:
    """Make `module` compute in `dtype`, channels last, for inputs of any float dtype; in place.

    result: dtype of the floats that the module returns; None for `dtype`. Returns `module`.
    """
    module.to(dtype).to(memory_format=torch.channels_last)
    module.register_forward_pre_hook(lambda _, args: _each_float(args, lambda x: cast(x, dtype)))
    if result is not None:
        module.register_forward_hook(
            lambda _, args, output: _each_float(output, lambda x: finite(x).to(result))
        )
    return module


def finite(x: torch.Tensor) -> torch.Tensor:
    """Return `x`. Raises failures.Overflow if it is in fp16 and not all of it is finite.

    fp16 ends at 65504. What exceeds it is infinite, and whatever a network computes from that is
    not finite either, so it is enough to look at the last maps. bf16 reaches as far as fp32.
    """
    if x.dtype == torch.float16 and not x.isfinite().all():
        raise Overflow
    return x


def cast(x: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Return `x` in `dtype`, channels last if it has four dimensions."""
    layout = torch.channels_last if x.ndim == 4 else torch.preserve_format
    return x.to(dtype=dtype, memory_format=layout)


def _each_float(value: Any, change: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    """Apply `change` to each floating tensor in `value` and its tuples, lists and dicts."""
    if isinstance(value, torch.Tensor):
        return change(value) if value.is_floating_point() else value
    if isinstance(value, tuple | list):
        return type(value)(_each_float(part, change) for part in value)
    if isinstance(value, dict):
        return type(value)((key, _each_float(part, change)) for key, part in value.items())
    return value
