"""What the text of a setting names."""

import pytest

from visualsearch.settings.values import is_address


@pytest.mark.parametrize("text", ["s3://bucket/pictures", "gs://b", "az+x://b/c d"])
def test_addresses_in_a_bucket(text: str) -> None:
    assert is_address(text)


@pytest.mark.parametrize(
    "text",
    ["http://host/x", "https://host/x", "pictures", "/a/b", "a/s3://b", "S3://b", "", None, 1],
)
def test_other_settings(text: object) -> None:
    assert not is_address(text)
