"""What tests need of the processor."""

import pytest

from visualsearch.detect.networks import has_bf16


def skip_without_bf16(runtime: str, precision: str) -> None:
    """OpenVINO computes in bf16 only where the processor does; torch imitates it."""
    if (runtime, precision) == ("openvino", "bf16") and not has_bf16():
        pytest.skip("NOT TESTED: bf16 in OpenVINO, as this processor has none")
