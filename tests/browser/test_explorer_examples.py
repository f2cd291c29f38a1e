"""The explorer in a real browser: several examples and counter-examples, and where the focus is."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from browsing import until
from explorer_page import (
    expected_hits,
    go,
    has_focus,
    in_both,
    in_both_sometimes_from_a_host,
    now,
    open_hit,
    rows_of_hits,
    trail_of,
    wait_for,
    wait_for_hits,
    wait_for_steps,
)
from explorer_run import Made

Visit = Callable[..., Page]


def act(page: Page, place: int, sign: str) -> None:
    """Press one of the buttons of a hit."""
    page.locator("#hits .hit").nth(place).locator(".act").filter(has_text=sign).click()


def parts_of(page: Page) -> list[str]:
    return page.locator("#parts .step").evaluate_all("all => all.map((one) => one.ariaLabel)")


@in_both_sometimes_from_a_host
def test_examples_and_counter_examples(
    where: str, visit: Visit, host: str, made: Made, start: int, ids: list[int]
) -> None:
    page = visit(host if where == "host" else None)
    expect(page.locator("#parts")).to_be_hidden()
    second = ids[rows_of_hits(page)[2]]
    act(page, 2, "+")
    wait_for_hits(page, expected_hits(made, [start, second])[:10])
    until(page, f"location.hash === '#person={start}&like={second}'")
    third = ids[rows_of_hits(page)[0]]
    act(page, 0, "−")
    found = expected_hits(made, [start, second], [third])
    wait_for_hits(page, found[:10])
    address = f"#person={start}&like={second}&unlike={third}"
    until(page, f"location.hash === '{address}'")
    until(page, "document.querySelectorAll('#parts li').length === 3")
    named = [f"example, id {start}", f"example, id {second}", f"counter-example, id {third}"]
    assert parts_of(page) == named
    assert "2 examples and 1 counter-example" in page.inner_text("#announce")
    # Neither they nor others of the examples' pictures are found.
    assert found[:10] != expected_hits(made, [start, second])[:10]
    assert "Near-duplicates of several examples are not marked" in page.inner_text("#hits-note")

    other = visit(page.url, width=1000)
    wait_for(other, start)
    wait_for_hits(other, found[:10])
    assert parts_of(other) == named

    go(page, -1)
    wait_for_hits(page, expected_hits(made, [start, second])[:10])
    until(page, "document.querySelectorAll('#parts li').length === 2")
    go(page, -1)
    until(page, "document.getElementById('parts').hidden")
    go(page, 2)
    wait_for_hits(page, found[:10])
    assert page.messages == []


@in_both
def test_each_part_can_be_taken_out(visit: Visit, made: Made, start: int, ids: list[int]) -> None:
    second, third = ids[7], ids[200]
    page = visit(hash=f"#person={start}&like={second}&unlike={third}")
    wait_for_hits(page, expected_hits(made, [start, second], [third])[:10])
    until(page, "document.querySelectorAll('#parts li').length === 3")
    # The one shown large goes, and the next takes its place.
    page.get_by_label(f"Take the example {start} out of the query").click()
    wait_for(page, second)
    wait_for_hits(page, expected_hits(made, [second], [third])[:10])
    until(page, "document.querySelectorAll('#parts li').length === 2")
    assert has_focus(page)
    # The last example stays: a query has one.
    assert page.locator("#parts button").count() == 1
    page.get_by_label(f"Take the counter-example {third} out of the query").click()
    until(page, "document.getElementById('parts').hidden")
    assert has_focus(page)
    assert page.inner_text("#hits-text").startswith("most similar first, by")
    assert page.evaluate("location.hash") == f"#person={second}"


def test_a_reader_may_be_quicker_than_the_search(
    visit: Visit, made: Made, start: int, ids: list[int]
) -> None:
    page = visit()
    page.evaluate(
        "() => { const { data } = chunks; window.let = Promise.withResolvers();"
        "  chunks.data = async (...asked) => {"
        "    if (asked[0].startsWith('vectors')) await window.let.promise;"
        "    return data(...asked); }; }"
    )
    second, third, fourth = (ids[row] for row in rows_of_hits(page)[:3])
    for place in range(3):
        act(page, place, "+")
    until(page, f"location.hash === '#person={start}&like={second},{third},{fourth}'")
    # The filter holds for the query that is on its way, and the address for both.
    page.fill("#filter-low", "31")
    until(page, "location.hash.endsWith('&low=31')")
    page.evaluate("window.let.resolve()")
    passes = made.table["h"].to_numpy().round() >= 31
    found = expected_hits(made, [start, second, third, fourth], passes=passes)
    wait_for_hits(page, found[:10])
    until(page, "document.querySelectorAll('#parts li').length === 4")
    assert page.evaluate("location.hash").endswith(f"={second},{third},{fourth}&low=31")
    page.evaluate(
        "() => [...document.querySelectorAll('#parts button')].slice(1, 3)"
        ".forEach((one) => one.click())"
    )
    until(page, "document.querySelectorAll('#parts li').length === 2")
    assert parts_of(page) == [f"example, id {start}", f"example, id {fourth}"]
    assert page.messages == []


def test_an_example_may_become_a_counter_example(visit: Visit, made: Made, ids: list[int]) -> None:
    first, second = ids[0], ids[9]
    page = visit(hash=f"#person={first}&like={second},7,{first}&unlike={second},{ids[30]}")
    wait_for(page, first)
    # Nobody is named twice; who is not in the set is left out, in words.
    assert "lists 1 example that this set does not have" in page.inner_text("#notice")
    until(page, "document.querySelectorAll('#parts li').length === 3")
    assert parts_of(page)[1:] == [f"example, id {second}", f"counter-example, id {ids[30]}"]
    wait_for_hits(page, expected_hits(made, [first, second], [ids[30]])[:10])


def test_examples_are_searched_for_among_those_that_pass(
    visit: Visit, made: Made, ids: list[int]
) -> None:
    page = visit(hash=f"#person={ids[4]}&like={ids[50]}&low=90")
    passes = made.table["h"].to_numpy().round() >= 90
    wait_for_hits(page, expected_hits(made, [ids[4], ids[50]], passes=passes)[:10])
    wait_for(page, ids[4])
    # A search for one of the hits leaves the examples, and keeps the filter.
    found = ids[rows_of_hits(page)[1]]
    open_hit(page, 1)
    wait_for(page, found)
    wait_for_hits(page, expected_hits(made, [found], passes=passes)[:10])
    until(page, "document.getElementById('parts').hidden")
    assert page.input_value("#filter-low") == "90"
    wait_for_steps(page, 2)
    assert trail_of(page) == [ids[4], found]


@pytest.mark.parametrize(
    "engine, width",
    [
        pytest.param("chromium", 1440, marks=pytest.mark.torture),
        ("chromium", 360),
        ("firefox", 360),
    ],
    indirect=["engine"],
)
def test_the_focus_never_falls_to_the_body(width: int, visit: Visit, start: int) -> None:
    page = visit(width=width)

    def press(selector: str) -> None:
        page.locator(selector).first.focus()
        page.keyboard.press("Enter")

    def hits_changed(before: list[int]) -> None:
        until(page, "document.querySelectorAll('#hits .hit').length > 0")
        until(
            page,
            "JSON.stringify([...document.querySelectorAll('#hits canvas')]"
            f".map((c) => +c.dataset.row)) !== JSON.stringify({before})",
        )

    press("#hits .crop")
    wait_for_steps(page, 2)
    assert has_focus(page)
    press("#hits .crop")
    wait_for_steps(page, 3)
    press("#trail button")
    wait_for(page, start)
    wait_for_steps(page, 1)
    assert has_focus(page)
    press("#hits .crop")
    wait_for_steps(page, 2)
    press("#trail-clear")
    wait_for_steps(page, 1)
    assert has_focus(page)
    if width == 360:
        press("#filter-open")
        assert has_focus(page)
    page.fill("#filter-low", "90")
    until(page, "document.getElementById('hits-text').textContent.includes('that match')")
    press("#filter-reset")
    until(page, "document.getElementById('filter-reset').disabled")
    assert has_focus(page)
    page.fill("#filter-low", "60000")
    until(page, "!document.getElementById('hits-reset').hidden")
    press("#hits-reset")
    until(page, "document.getElementById('hits-reset').hidden")
    assert has_focus(page)
    for name in ("#more", "#more", "#random", "#copy-link", "#copy-id", "button.theme"):
        before = rows_of_hits(page)
        press(name)
        if name == "#random":
            hits_changed(before)
        assert has_focus(page), name
    for _ in range(2):
        before = rows_of_hits(page)
        press("#hits .act")
        hits_changed(before)
        assert has_focus(page)
    for left in (2, 0):
        press("#parts button")
        until(page, f"document.querySelectorAll('#parts li').length === {left}")
        assert has_focus(page)
    person = now(page)
    press("#query-behind")
    expect(page.locator("#behind")).to_be_visible()
    assert has_focus(page)
    page.keyboard.press("ArrowRight")
    expect(page.locator("#behind-heading")).to_have_text("Neighbour 1")
    page.locator("#behind-search").focus()
    page.keyboard.press("Enter")
    until(page, f"document.getElementById('query-id').textContent !== '{person}'")
    assert has_focus(page)
    assert page.messages == []
