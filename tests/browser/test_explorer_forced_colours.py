"""The explorer where a reader forces colours, which takes shadows and backgrounds away."""

from collections.abc import Callable

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from browsing import accessibility_problems, painted, until
from explorer_page import painted_pixels_of, pixels_of, style_of
from running import sampled

Visit = Callable[..., Page]
# As WCAG asks of what is no text.
LEAST = 3
SCHEMES = pytest.mark.parametrize("scheme", sampled(["light", "dark"], ["dark"]))


def luminance(pixels: np.ndarray) -> np.ndarray:
    """As WCAG defines it, of pixels of 0 to 255: [..., 3] to [...]."""
    part = pixels / 255
    linear = np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


def contrast(one: np.ndarray, other: np.ndarray) -> float:
    low, high = np.sort([luminance(one), luminance(other)])
    return (high + 0.05) / (low + 0.05)


def edge_contrast(page: Page, selector: str) -> float:
    """Of an element's left edge, within three pixels, with what lies to its left."""
    box = page.locator(selector).first.bounding_box()
    assert box is not None
    clip = {"x": box["x"] - 6, "y": box["y"] + box["height"] / 2, "width": 9, "height": 1}
    row = pixels_of(page, clip=clip)[0]
    return max(contrast(row[0], pixel) for pixel in row[1:])


@SCHEMES
def test_what_is_chosen_and_how_much_stands_out(scheme: str, visit: Visit) -> None:
    page = visit(scheme=scheme, forced_colors="active", bypass_csp=True)
    page.click("#choose-lasso")
    painted(page)
    on, off = (style_of(page, f"#choose-{name}", "backgroundColor") for name in ("lasso", "move"))
    assert on != off
    for chosen in ("[aria-current] .step", "#query-crop"):
        assert edge_contrast(page, chosen) > LEAST, chosen
    bar = pixels_of(page.locator("#hits .bar").last)
    middle = bar[bar.shape[0] // 2]
    assert contrast(middle[2], middle[-3]) > LEAST
    # A filter that is none is marked by its border.
    page.fill("#filter-low", "-3")
    assert style_of(page, "#filter-low", "borderStyle") == "dashed"
    page.fill("#filter-low", "60000")
    until(page, "!document.getElementById('hits-reset').hidden")
    page.click("#random")
    assert edge_contrast(page, "#find-text") > LEAST
    page.keyboard.press("Tab")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    assert accessibility_problems(page, target_size=True) == []


@SCHEMES
def test_points_keep_the_colours_of_their_legend(scheme: str, visit: Visit) -> None:
    page = visit(scheme=scheme, forced_colors="active")
    swatches = page.locator("#map-legend .swatch").evaluate_all(
        "all => all.map((one) => getComputedStyle(one).backgroundColor)"
    )
    assert len(set(swatches)) == len(swatches) > 3
    colours = {tuple(pixel) for pixel in painted_pixels_of(page).reshape(-1, 3)}
    for swatch in swatches:
        wanted = np.array([int(part) for part in swatch[4:-1].split(",")])
        assert min(np.abs(np.array(list(colours)) - wanted).max(axis=1)) < 30


@SCHEMES
def test_the_whole_picture_keeps_its_boxes(scheme: str, visit: Visit) -> None:
    page = visit(scheme=scheme, forced_colors="active")
    page.click("#query-behind")
    expect(page.locator("#behind-stage")).to_be_visible()
    until(page, "document.getElementById('behind-picture').naturalWidth > 0")
    assert edge_contrast(page, "#behind") > LEAST
    with_boxes = painted_pixels_of(page, "#behind-stage")
    page.evaluate("document.getElementById('behind-boxes').style.visibility = 'hidden'")
    without = painted_pixels_of(page, "#behind-stage")
    assert (with_boxes != without).any(axis=2).sum() > 500
    back, forth = (style_of(page, f"#behind-{name}", "color") for name in ("back", "next"))
    assert back != forth
