"""What tests need of the processor."""

import pytest

from visualsearch.detect.networks import has_bf16


def skip_without_bf16(precision: str) -> None:
    """Skip what computes in bf16 on a processor without: OpenVINO cannot, torch takes minutes."""
    if precision == "bf16" and not has_bf16():
        pytest.skip("NOT TESTED: bf16, as this processor has none")
