"""The explorer in a real browser: filters choose who is searched, and the address says it all."""

import shutil
import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page

from browsing import until
from explorer_page import (
    PERSONS,
    expected_hits,
    go,
    in_both,
    in_both_sometimes_from_a_host,
    now,
    open_hit,
    rows_of_hits,
    wait_for,
    wait_for_hits,
)
from explorer_run import A_PICTURE, HOSTILE, HOSTILE_LABEL, Made, file_of, make
from running import sampled

Visit = Callable[..., Page]
IMAGE = np.arange(PERSONS) // A_PICTURE
TEXT = "document.getElementById('hits-text').textContent"


@in_both_sometimes_from_a_host
def test_a_filter_searches_among_all_that_pass(
    where: str, visit: Visit, host: str, made: Made, start: int
) -> None:
    page = visit(host if where == "host" else None)
    passes = np.round(made.table["h"].to_numpy()) <= 40
    page.fill("#filter-high", "40")
    found = expected_hits(made, [start], passes=passes)
    wait_for_hits(page, found[:10])
    # Not only those of the stored neighbours that pass.
    page.click("#more")
    assert rows_of_hits(page) == found and len(found) == 30
    assert page.inner_text("#hits-text") == "most similar first, of the 110 that match the filters"
    assert "rounded vectors" in page.inner_text("#hits-note")
    similarity = [float(text) for text in page.locator("#hits .similarity").all_inner_texts()]
    vectors = np.array(made.table["vector"].to_pylist())
    exact = vectors[found] @ vectors[PERSONS // 2]
    assert np.abs(np.array(similarity) - exact).max() < 0.0035
    assert page.messages == []


def test_vectors_are_read_when_first_needed_and_once(visit: Visit, host: str) -> None:
    page = visit(host)
    vectors = (
        "performance.getEntriesByType('resource').filter((e) => /vectors|scales/.test(e.name))"
    )
    page.wait_for_load_state("networkidle")
    assert page.evaluate(f"{vectors}.length") == 0
    page.fill("#filter-low", "90")
    until(page, f"{TEXT}.startsWith('most similar first, of the')")
    page.fill("#filter-low", "")
    page.fill("#filter-high", "90")
    until(page, f"{TEXT}.startsWith('most similar first, of the')")
    assert page.evaluate(f"{vectors}.length") == 2
    assert page.locator("#progress").is_hidden()
    assert page.messages == []


def test_vectors_in_several_files(
    visit: Visit, made: Made, start: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A picture's persons may lie in two of them, and are of one picture all the same."""
    for module in ("writing", "page"):
        monkeypatch.setattr(f"visualsearch.explorer.{module}.VECTORS_ROWS", 49)
    assert 49 % A_PICTURE and PERSONS > 5 * 49
    folder = made.build("several")
    assert len(list((folder / "data").glob("vectors-*.js"))) == 7
    page = visit((folder / "index.html").as_uri(), hash=f"#person={start}&like={start + 3000}")
    wait_for_hits(page, expected_hits(made, [start, start + 3000])[:10])
    page.click("#more")
    assert rows_of_hits(page) == expected_hits(made, [start, start + 3000])
    assert page.messages == []


@pytest.mark.parametrize(
    "search", [{"same_image": True, "hits_per_image": None}, {"hits_per_image": 2}], ids=str
)
def test_the_rules_of_the_run_hold(search: dict, visit: Visit, tmp_path: Path) -> None:
    made = make(tmp_path, 60, search=search)
    page = visit((made.build() / "index.html").as_uri())
    page.fill("#filter-low", "90")
    passes = np.round(made.table["h"].to_numpy()) >= 90
    found = expected_hits(made, [now(page)], passes=passes)
    wait_for_hits(page, found[:10])
    page.click("#more")
    images = made.table["image_id"].to_numpy()
    assert rows_of_hits(page) == found and len(np.unique(images[found])) < len(found)
    own = images[made.table["person_id"].to_pylist().index(now(page))]
    marked = page.locator("#hits .hit").evaluate_all(
        "all => all.map((hit) => hit.innerText.includes('same image'))"
    )
    assert marked == (images[found] == own).tolist()
    assert any(marked) == search.get("same_image", False)


def test_file_names_choose_who_is_searched(visit: Visit, made: Made, start: int) -> None:
    page = visit()
    names = [file_of(image) for image in range(PERSONS // A_PICTURE)]
    for text in ("10", HOSTILE[0][:12].upper(), "ü.p", "u\u0308.p"):
        page.fill("#filter-name", text)
        part = unicodedata.normalize("NFC", text).lower()
        meant = np.array([part in name.lower() for name in names])[IMAGE]
        assert meant.any()
        wait_for_hits(page, expected_hits(made, [start], passes=meant)[:10])
        assert page.inner_text("#passing") == f"{meant.sum()} of {PERSONS} match"
    page.fill("#filter-name", "<b>nobody</b>")
    until(page, f"{TEXT} === 'No person matches the filters.'")
    page.click("#hits-reset")
    until(page, f"{TEXT}.startsWith('most similar first, by')")
    assert page.input_value("#filter-name") == ""
    assert page.messages == []


def test_what_a_field_does_not_allow_is_no_filter(visit: Visit) -> None:
    page = visit()
    for field, value in (("low", "100000"), ("low", "1.5"), ("high", "-1"), ("image", "0.5")):
        page.fill(f"#filter-{field}", value)
        until(page, f"document.querySelector('#filter-{field}:invalid') !== null")
        assert page.inner_text("#passing") == f"{PERSONS} of {PERSONS} match"
        page.fill(f"#filter-{field}", "")
    assert page.messages == []


def test_all_persons_of_one_picture(visit: Visit, made: Made, start: int) -> None:
    page = visit()
    image = start // 1000
    for wanted in (image, image + 3):
        page.fill("#filter-image", str(wanted))
        passes = made.table["image_id"].to_numpy() == wanted
        found = expected_hits(made, [start], passes=passes, in_one_picture=True)
        wait_for_hits(page, found)
        assert len(found) == A_PICTURE - (wanted == image)
    text = page.inner_text("#hits-text")
    assert text == "most similar first, of the 3 of this picture that match the filters"
    page.fill("#filter-low", "120")
    until(page, f"{TEXT} === 'the only person that matches the filters'")


@in_both
def test_search_within_the_selection(visit: Visit, made: Made, start: int) -> None:
    page = visit()
    box = page.locator("#filter-selected")
    assert box.is_hidden()
    select = "rows => selection.set(Uint8Array.from(rows))"
    chosen = np.arange(PERSONS) % 7 < 2
    page.evaluate(select, chosen.astype(int).tolist())
    box.check()
    wait_for_hits(page, expected_hits(made, [start], passes=chosen)[:10])
    page.fill("#filter-low", "90")
    both = chosen & (np.round(made.table["h"].to_numpy()) >= 90)
    wait_for_hits(page, expected_hits(made, [start], passes=both)[:10])
    page.fill("#filter-low", "")
    # Another selection is searched at once; without one all are.
    page.evaluate(select, [1] * 99 + [0] * (PERSONS - 99))
    wait_for_hits(page, expected_hits(made, [start], passes=np.arange(PERSONS) < 99)[:10])
    page.evaluate("selection.clear()")
    until(page, f"{TEXT}.startsWith('most similar first, by')")
    assert box.is_hidden() and not box.is_checked()


@in_both
def test_the_address_holds_the_filters(visit: Visit, made: Made, ids: list[int]) -> None:
    page = visit()
    height, score = np.round(made.table["h"].to_numpy()), made.table["score"].to_numpy()
    page.fill("#filter-low", "31")
    page.fill("#filter-name", "1")
    page.get_by_role("combobox", name="who", exact=True).select_option(label=HOSTILE_LABEL)
    page.locator("#filter-score").fill("0.6")
    until(page, "location.hash.includes('score=0.6')")
    names = [file_of(image) for image in range(PERSONS // A_PICTURE)]
    passes = (height >= 31) & (IMAGE % 4 > 0) & ((score * 100).round() >= 60)
    passes &= np.array(["1" in name for name in names])[IMAGE]
    wait_for_hits(page, expected_hits(made, [now(page)], passes=passes)[:10])
    first = now(page)
    open_hit(page, 1)
    until(page, f"document.getElementById('query-id').textContent !== '{first}'")
    second = now(page)
    found = expected_hits(made, [second], passes=passes)[:10]
    wait_for_hits(page, found)
    wait_for(page, second)

    # Its address is enough for another reader.
    other = visit(page.url, width=1000)
    wait_for(other, second)
    wait_for_hits(other, found)
    assert other.input_value("#filter-low") == "31" and other.input_value("#filter-name") == "1"
    assert other.evaluate("document.querySelector('select.label:last-of-type') !== null")
    assert other.inner_text("#passing") == page.inner_text("#passing")

    # Back to the first query, and then to before its filters.
    go(page, -1)
    wait_for(page, first)
    assert page.input_value("#filter-low") == "31"
    go(page, -1)
    until(page, f"{TEXT}.startsWith('most similar first, by')")
    assert now(page) == first and page.input_value("#filter-low") == ""
    assert page.inner_text("#passing") == f"{PERSONS} of {PERSONS} match"
    go(page, 1)
    until(page, "document.getElementById('filter-low').value === '31'")
    wait_for_hits(page, expected_hits(made, [first], passes=passes)[:10])
    assert page.messages == []


@pytest.mark.parametrize(
    "hash", sampled(["#low=x", "#score=2", "#image=1.5", "#nothing=1", "#like=,"], {"#low=x"})
)
def test_a_bad_filter_in_the_address_says_so(hash: str, visit: Visit, start: int) -> None:
    page = visit(hash=hash)
    assert "could not be understood" in page.inner_text("#notice")
    assert now(page) == start and page.input_value("#filter-low") == ""


def test_unknown_labels_of_an_address_are_told(visit: Visit, start: int) -> None:
    page = visit(hash="#label:who=nobody&label:%3Cb%3E=x&label:__proto__=x&low=31")
    wait_for(page, start)
    assert "who, <b>, __proto__" in page.inner_text("#notice")
    assert page.input_value("#filter-low") == "31"
    assert page.messages == []


def test_a_missing_file_of_vectors_is_named_and_tried_again(
    visit: Visit, explorer: Path, tmp_path: Path, made: Made, start: int
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(explorer, copy)
    file = copy / "data/vectors-0000.js"
    content = file.read_text()
    file.unlink()
    page = visit((copy / "index.html").as_uri())
    page.fill("#filter-low", "90")
    page.wait_for_selector("#notice:not([hidden])")
    assert "data/vectors-0000.js could not be read" in page.inner_text("#notice")
    # The stored neighbours are there as before.
    assert len(rows_of_hits(page)) == 10
    file.write_text(content)
    assert page.locator("#progress").is_hidden()
    page.fill("#filter-low", "89")
    passes = np.round(made.table["h"].to_numpy()) >= 89
    wait_for_hits(page, expected_hits(made, [start], passes=passes)[:10])
