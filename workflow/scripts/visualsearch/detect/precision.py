"""In which numbers a network computes, and in which order they lie in memory. Needs torch."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


def resolve(precision: str, device: torch.device) -> str:
    """The key of DTYPES that `detector.precision` means on this machine.

    "auto" is bf16 where the hardware multiplies such numbers, and fp32 elsewhere: a CPU without
    AVX512_BF16 or AMX only imitates it, slowly. https://docs.pytorch.org/docs/stable/cpu.html
    """
    if precision != "auto":
        return precision
    if device.type == "cuda":
        has_bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        # What torch does not know of a CPU, as before 2.10, counts as not there.
        capabilities: Mapping[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
        has_bf16 = any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16"))
    return "bf16" if has_bf16 else "fp32"


def compute_in(
    module: nn.Module, dtype: torch.dtype, result: torch.dtype | None = None
) -> nn.Module:
    """Have `module` compute in `dtype`, channels last, whatever floats it is given; in place.

    result: dtype of the floats it returns; None leaves them as computed.
    """
    module.to(dtype).to(memory_format=torch.channels_last)
    module.register_forward_pre_hook(lambda _, args: _each_float(args, lambda x: cast(x, dtype)))
    if result is not None:
        module.register_forward_hook(
            lambda _, args, output: _each_float(output, lambda x: x.to(result))
        )
    return module


def cast(x: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """A tensor in `dtype`, and channels last where it has an image's four dimensions."""
    layout = torch.channels_last if x.ndim == 4 else torch.preserve_format
    return x.to(dtype=dtype, memory_format=layout)


def _each_float(value: Any, change: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    """`value` with each floating tensor in its tuples, lists and dicts changed."""
    if isinstance(value, torch.Tensor):
        return change(value) if value.is_floating_point() else value
    if isinstance(value, tuple | list):
        return type(value)(_each_float(part, change) for part in value)
    if isinstance(value, dict):
        return type(value)((key, _each_float(part, change)) for key, part in value.items())
    return value
