"""How numbers, names, links, cells and figures are written."""

import re
from pathlib import Path
from typing import Any

import pytest

from made_measures import row_of
from report_run import Run
from visualsearch.data.attribution import license_name, web_address
from visualsearch.report import colours, numbers
from visualsearch.report.charts import draw_components, draw_recall
from visualsearch.report.figures import COLORS, inline_svg
from visualsearch.report.html import together
from visualsearch.report.markdown import escaped, fenced
from visualsearch.report.writing import cell


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        (numbers.milliseconds(0.0413), "0.041 ms"),
        (numbers.milliseconds(0.615), "0.61 ms"),
        (numbers.milliseconds(6.149), "6.1 ms"),
        (numbers.milliseconds(6149.2), "6,149 ms"),
        (numbers.size(77184), "77 kB"),
        (numbers.size(21_318_000), "21 MB"),
        (numbers.size(2.13e9), "2.1 GB"),
        (numbers.duration(0.304), "0.30 s"),
        (numbers.duration(6.84), "6.8 s"),
        (numbers.duration(9.96), "10 s"),
        (numbers.duration(59.6), "1 min 0 s"),
        (numbers.duration(125), "2 min 5 s"),
        (numbers.duration(3599.6), "1 h 0 min"),
        (numbers.duration(1e6), "277 h 47 min"),
        (" ".join(map(numbers.ordinal, (1, 2, 3, 4, 11, 12, 21, 101, 112))),
         "1st 2nd 3rd 4th 11th 12th 21st 101st 112th"),
        (numbers.signed(0.0429), "+0.043"),
        (numbers.signed(-0.0489), "−0.049"),
        (numbers.signed(0.0001), "0.000"),
        (numbers.signed(None), "–"),
        (numbers.interval([-0.1, 0.25]), "−0.100 to 0.250"),
        (numbers.interval(None), "–"),
        (numbers.percent(-0.02), "−2 %"),
        (numbers.listed([]), ""),
        (numbers.listed(["a"]), "a"),
        (numbers.listed(["a", "b", "c"]), "a, b and c"),
        (together("95 % of 3 persons in 5 ms"), "95\u00a0% of 3 persons in 5\u00a0ms"),
    ],
)  # fmt: skip
def test_numbers(shown: str, text: str) -> None:
    assert shown == text


@pytest.mark.parametrize(
    ("value", "shown"),
    [("=1+1", "'=1+1"), ("+1", "'+1"), ("-x", "'-x"), ("@a", "'@a"), ("\tx", "'\tx"),
     ("a=b", "a=b"), (-0.5, -0.5), (None, ""), (True, "yes"), (0, 0)],
)  # fmt: skip
def test_cells(value: Any, shown: Any) -> None:
    assert cell(value) == shown


@pytest.mark.parametrize(
    ("name", "url", "short"),
    [
        ("Attribution License", "http://creativecommons.org/licenses/by/2.0/", "CC BY 2.0"),
        ("x", "https://creativecommons.org/licenses/by-nc-sa/2.0/", "CC BY-NC-SA 2.0"),
        ("x", "https://notcreativecommons.org.evil.org/licenses/by/2.0/", "x"),
        ("x", "https://evilcreativecommons.org/licenses/by/2.0/", "x"),
        ("No known copyright restrictions", "http://flickr.com/commons/usage/",
         "No known copyright restrictions"),
        ("MIT (generated picture of nobody)", None, "MIT"),
        (None, None, None),
        ("", "", None),
    ],
)  # fmt: skip
def test_license_names(name: str | None, url: str | None, short: str | None) -> None:
    assert license_name(name, url) == short


@pytest.mark.parametrize(
    "text", ["javascript:alert(1)", "data:text/html,x", "//x.org", "http://", "", None, "http://[x"]
)
def test_only_web_addresses_are_linked(text: str | None) -> None:
    assert web_address(text) is None
    assert web_address("https://x.org/a") == "https://x.org/a"


@pytest.mark.parametrize(
    ("value", "text"), [(0.5, "0.50"), (-0.25, "−0.25"), (-0.001, "0.00"), (None, "–"), (1, "1.00")]
)
def test_decimals(value: float | None, text: str) -> None:
    assert numbers.decimals(value) == text


def test_markdown_escapes() -> None:
    assert escaped("a|b *c*\n<d> [e]") == r"a\|b \*c\* \<d\> \[e\]"
    assert fenced("```\nx", "yaml").splitlines()[0] == "````yaml"


def test_drawings_follow_the_page(run: Run) -> None:
    drawn = (run.folder / "precision_recall.svg").read_text(encoding="utf-8")
    # What is replaced must be what the figures are drawn with.
    for color in (colours.INK, colours.PAPER, colours.BLUE, colours.ORANGE, colours.GREEN):
        assert color in drawn and color in COLORS
    svg = inline_svg(run.folder / "precision_recall.svg", "a-", 'what "is" seen')
    assert not re.search(r"#[0-9a-f]{6}\b(?!\")", re.sub(r'(id|href)="[^"]*"', "", svg))
    assert "<style" not in svg and "<metadata" not in svg and "DejaVu" not in svg
    assert "currentColor" in svg and "var(--series-1)" in svg
    assert 'aria-label="what &quot;is&quot; seen"' in svg
    ids = set(re.findall(r'\bid="([^"]+)"', svg))
    assert all(name.startswith("a-") for name in ids)
    assert set(re.findall(r'href="#([^"]+)"', svg)) <= ids
    assert set(re.findall(r"url\(#([^)]+)\)", svg)) <= ids


def test_curves_are_drawn_alike_and_follow_the_page(tmp_path: Path) -> None:
    points = [(60.0, 0.62), (420.0, 0.96), (900.0, 0.992)]
    for name in ("a", "b"):
        draw_recall(tmp_path / name, points, [2], 45000, 0.99, "vectors compared")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    rows = [row_of(n, 0.05, 0.5) for n in (8, 16, 17)]
    draw_components(tmp_path / "c", rows)
    for name in ("a", "c"):
        svg = inline_svg(tmp_path / name, "x-", "seen")
        assert not re.search(r"#[0-9a-f]{6}\b(?!\")", re.sub(r'(id|href)="[^"]*"', "", svg))
        assert "currentColor" in svg and "var(--series-2)" in svg
    drawn = (tmp_path / "c").read_text(encoding="utf-8")
    # 16 is too near to 17 to be read beside it.
    assert ">17</text>" in drawn and ">16</text>" not in drawn and ">8</text>" in drawn
