"""The box that may follow the path of a query picture, as in me.jpg#xywh=10,20,30,40."""

from pathlib import Path

import pytest
import yaml

from visualsearch.core.errors import InputError
from visualsearch.settings.checking import checked
from visualsearch.settings.values import given_box, without_box


@pytest.mark.parametrize(
    ("box", "corners"),
    [
        ("10,20,30,40", (10, 20, 40, 60)),
        ("pixel:10,20,30,40", (10, 20, 40, 60)),
        ("10, 20, 30, 40", (10, 20, 40, 60)),
        ("-1.5,0,2.25,0.5", (-1.5, 0, 0.75, 0.5)),
        ("percent:25,50,50,50", (50, 50, 150, 100)),
        ("percent:0,0,100,100", (0, 0, 200, 100)),
    ],
)
def test_corners_are_in_pixels(box: str, corners: tuple[float, ...]) -> None:
    found = given_box(f"me.jpg#xywh={box}")
    assert found is not None and found.corners(200, 100) == corners


@pytest.mark.parametrize("name", ["me.jpg", "me #1.jpg", "#.jpg", "a#b/c.jpg", "s3://b/me.jpg"])
def test_other_names_are_whole_paths(name: str) -> None:
    assert without_box(name) == name and given_box(name) is None
    assert without_box(f"{name}#xywh=1,2,3,4") == name


@pytest.mark.parametrize("box", ["9" * 400 + ",1,1,1", "1,1,1e400,1", "nan,1,1,1", "١,1,1,1"])
def test_a_box_is_of_finite_numbers(box: str) -> None:
    with pytest.raises(ValueError):
        given_box(f"me.jpg#xywh={box}")


def test_paths_with_boxes_are_expanded_and_may_repeat(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("me #1.jpg", "me $x$.jpg"):
        (tmp_path / name).touch()
    given = ["~/me #1.jpg#xywh=1,2,3,4", "~/me $x$.jpg#xywh=1,2,3,4", "~/me #1.jpg", "~/me #1.jpg"]
    found = checked({"queries": {"images": given, "boxes": "whole"}})["queries"]["images"]
    assert found == [name.replace("~", str(tmp_path)) for name in given]


def test_a_box_without_quotes_in_a_list_is_several_values() -> None:
    """The line says so, and not only that 20 is no text."""
    config = yaml.safe_load("queries: {images: [README.md#xywh=10,20,30,40]}")
    assert config["queries"]["images"] == ["README.md#xywh=10", 20, 30, 40]
    with pytest.raises(InputError) as error:
        checked(config)
    line = (
        "  queries.images.1: 20 is not allowed; expected a text that is not empty; "
        "a text with a comma needs quotes"
    )
    assert line in str(error.value).splitlines()
