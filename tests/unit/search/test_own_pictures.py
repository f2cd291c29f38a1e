"""The user's own pictures as queries, by the bundled detector: which give one, and why not."""

import hashlib
import logging
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pillow_heif
import pyarrow as pa
import pytest
from PIL import Image

from helpers import export_people
from visualsearch.core.errors import InputError
from visualsearch.data import upright
from visualsearch.data.images import read_image
from visualsearch.data.skipped import Skipped
from visualsearch.data.tables import BOX_COLUMNS
from visualsearch.detect import load_detector
from visualsearch.detect.base import Detector
from visualsearch.detect.run import detect_category
from visualsearch.embed.persons import vector_lengths
from visualsearch.reduce.fit_pca import fit_reduction
from visualsearch.reduce.reduction import Reduction
from visualsearch.search.own_pictures import (
    BY_HAND,
    MOST_NAMED,
    Persons,
    QueryPicture,
    embed_query_images,
    tell_skipped,
)
from visualsearch.settings import (
    DetectorSettings,
    EmbeddingSettings,
    SearchSetSettings,
)
from visualsearch.settings.names import BUNDLED

SOMEBODY = "P001/amateur_selfie.jpg"
EMBEDDING = EmbeddingSettings()
LIMITS = SearchSetSettings()
NO_SET = pa.table({"image_id": pa.array([], pa.int64()), "sha256": pa.array([], pa.string())})


@pytest.fixture(scope="module")
def detector() -> Detector:
    return load_detector(DetectorSettings(BUNDLED, device="cpu", precision="fp32"))


@pytest.fixture(scope="module")
def reduction(detector: Detector) -> Reduction:
    length = sum(vector_lengths(detector.map_lengths, EMBEDDING).values())
    vectors = np.random.default_rng(0).random((20, length), dtype=np.float32)
    return fit_reduction([vectors], len(vectors), length, 8, 0.5)


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("people")
    export_people(folder, 4)
    Image.new("RGB", (200, 150), "white").save(folder / "nobody.png")
    (folder / "broken.jpg").write_bytes(b"no picture")
    return folder


class Made:
    """What is made of pictures: `queries` as rows, `full` their vectors, `skipped`."""

    def __init__(
        self,
        detector: Detector,
        reduction: Reduction,
        folder: Path,
        given: Sequence[str],
        boxes: str | int = "best",
        search_set: SearchSetSettings = LIMITS,
        images: pa.Table = NO_SET,
        advice: str | None = None,
    ) -> None:
        pictures = [QueryPicture(name, str(folder / name.partition("#xywh")[0])) for name in given]
        queries, full, self.skipped = embed_query_images(
            detector,
            pictures,
            reduction,
            EMBEDDING,
            Persons(detector, "person", search_set, boxes, advice),
            images,
            max_pixels=10**9,
        )
        self.queries: list[dict[str, Any]] = queries.to_pylist()
        self.full = full["vector"].to_pylist()
        assert len(self.queries) == len(self.full)

    def boxes(self) -> list[list[float]]:
        return [[query[name] for name in BOX_COLUMNS] for query in self.queries]

    def reasons(self) -> list[str]:
        return [query["reason"] for query in self.queries]


@pytest.fixture
def made(detector: Detector, reduction: Reduction, people: Path) -> Any:
    def make(*given: str, **settings: Any) -> Made:
        return Made(detector, reduction, people, given, **settings)

    return make


def test_the_box_by_hand_of_a_detection_gives_the_vector_of_the_detection(made: Any) -> None:
    detected = made(SOMEBODY)
    [[x, y, w, h]] = detected.boxes()
    assert detected.reasons() == ["your own picture, person 1 of 1 by score"]
    assert detected.queries[0]["score"] > 0.9
    by_hand = made(f"{SOMEBODY}#xywh={x:.9f},{y:.9f},{w:.9f},{h:.9f}")
    assert by_hand.boxes()[0] == pytest.approx([x, y, w, h], abs=1e-4)
    assert by_hand.full[0] == pytest.approx(detected.full[0], rel=1e-3, abs=1e-3)
    assert by_hand.full != made(f"{SOMEBODY}#xywh={x},{y},{w / 2},{h}").full
    [query] = by_hand.queries
    assert query["score"] is None and query["role"] == "own picture"
    assert query["reason"] == "your own picture, box by hand"
    assert query["picture"] == detected.queries[0]["picture"]


def test_a_number_takes_so_many_the_largest_first(
    made: Any, people: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """By size and not by score: a picture with two persons, the smaller of which is clearer."""
    person = read_image(people / SOMEBODY).image
    both = Image.new("RGB", (3 * person.width // 2, person.height), "white")
    both.paste(person.resize((person.width // 2, person.height // 2)), (0, 0))
    both.paste(person, (person.width // 2, 0))
    both.save(people / "both.png")
    by_score = made("both.png", boxes="all")
    areas = [w * h for _, _, w, h in by_score.boxes()]
    order = sorted(range(len(areas)), key=lambda n: -areas[n])
    assert len(areas) >= 2
    for most in (1, 1000):
        found = made("both.png", boxes=most)
        assert found.boxes() == [by_score.boxes()[n] for n in order[:most]]
        assert found.full == [by_score.full[n] for n in order[:most]]
        n = len(areas)
        assert found.reasons() == [
            f"your own picture, person {i + 1} of {n} by size" for i in range(min(most, n))
        ]
    [told] = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert told == f"both.png: searching for the 1 largest of {len(areas)} detected"


def test_boxes_by_hand_need_no_detector(
    detector: Detector, reduction: Reduction, people: Path, made: Any
) -> None:
    given = f"{SOMEBODY}#xywh=10,20,300,400"
    picture = QueryPicture(given, str(people / SOMEBODY))
    _, full, skipped = embed_query_images(
        detector, [picture], reduction, EMBEDDING, None, NO_SET, max_pixels=10**9
    )
    assert skipped == [] and full["vector"].to_pylist() == made(given).full


def test_what_to_do_may_be_said_in_other_words(made: Any) -> None:
    [entry] = made("nobody.png", advice="draw a box").skipped
    assert entry.reason.endswith("the best has 0.06 and 137 px; draw a box")


def test_a_whole_picture_is_its_own_box(made: Any, people: Path) -> None:
    width, height = read_image(people / SOMEBODY).size
    whole = made(SOMEBODY, "nobody.png", boxes="whole")
    assert whole.boxes() == [[0, 0, width, height], [0, 0, 200, 150]]
    assert whole.reasons() == ["your own picture, whole"] * 2
    assert whole.skipped == []
    # A box by hand goes before it, and may be the whole picture too.
    mixed = made("nobody.png#xywh=percent:25,0,50,100", SOMEBODY, boxes="whole")
    assert mixed.boxes() == [[50, 0, 100, 150], [0, 0, width, height]]
    percent = made(f"{SOMEBODY}#xywh=percent:0,0,100,100")
    assert percent.full == whole.full[:1] and percent.queries[0]["score"] is None


def test_a_box_is_in_pixels_of_the_upright_picture(made: Any, people: Path) -> None:
    """A phone that was held sideways stores its picture turned, and notes that."""
    upright = read_image(people / SOMEBODY).image.resize((424, 632))
    exif = Image.Exif()
    exif[0x0112] = 6
    upright.rotate(90, expand=True).save(people / "turned.png", exif=exif)
    upright.save(people / "upright.png")
    box = "#xywh=30,60,200,300"
    turned, straight = made(f"turned.png{box}"), made(f"upright.png{box}")
    assert turned.boxes() == straight.boxes() == [[30, 60, 200, 300]]
    assert turned.full == straight.full


def test_a_phones_picture(made: Any, people: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As HEIC, and of more pixels than are decoded: boxes are in the picture's own."""
    [[x, y, w, h]] = made(SOMEBODY).boxes()
    jpeg = read_image(people / SOMEBODY).image
    small = jpeg.resize((jpeg.width // 4, jpeg.height // 4))
    pillow_heif.from_pillow(small).save(people / "me.heic", quality=90)
    [found] = made("me.heic").boxes()
    assert found == pytest.approx([x / 4, y / 4, w / 4, h / 4], abs=0.02 * h)
    large = jpeg.resize((jpeg.width * 3, jpeg.height * 3), Image.Resampling.NEAREST)
    monkeypatch.setattr(upright, "LARGE_PIXELS", large.width * large.height - 1)
    large.save(people / "large.jpg", quality=90)
    box = ",".join(str(3 * value) for value in (x, y, w, h))
    by_hand = made(f"large.jpg#xywh={box}", f"{SOMEBODY}#xywh={x},{y},{w},{h}")
    assert by_hand.boxes()[0] == pytest.approx([3 * x, 3 * y, 3 * w, 3 * h], abs=0.01)
    first, second = (np.array(vector) for vector in by_hand.full)
    assert first @ second > 0.95 * np.linalg.norm(first) * np.linalg.norm(second)
    assert made("large.jpg", boxes="whole").boxes() == [[0, 0, *large.size]]


def test_a_box_is_clipped_and_one_outside_is_refused_with_the_size(made: Any) -> None:
    found = made(
        "nobody.png#xywh=-50,100,100,100",
        "nobody.png#xywh=200,0,10,10",
        "nobody.png#xywh=percent:0,100,10,10",
        "nobody.png#xywh=-20,0,20,10",
        "nobody.png#xywh=199.6,0,10,10",
    )
    assert found.boxes() == [[0, 100, 50, 50], [199, 0, 1, 10]]
    assert {entry.reason for entry in found.skipped} == {
        "its box lies outside of the picture, which is 200 px wide and 150 px high when upright"
    }
    assert len(found.skipped) == 3


def test_the_best_score_and_what_to_do_are_said(
    made: Any, detector: Detector, people: Path
) -> None:
    [(boxes, scores, _)] = detect_category(
        detector, [read_image(people / SOMEBODY).image], "person"
    )
    best, height = float(scores[0]), int(boxes[0, 3] - boxes[0, 1])
    shown = f"{int(best * 100) / 100:.2f} and {height} px"
    for limits, keys in {
        SearchSetSettings(min_score=1, min_height=48): "search_set.min_score",
        SearchSetSettings(min_score=0.5, min_height=5000): "search_set.min_height",
        SearchSetSettings(1, 5000): "search_set.min_score and search_set.min_height",
    }.items():
        found = made(SOMEBODY, search_set=limits)
        reason = (
            f"no person of score {limits.min_score:g} and height {limits.min_height:g} px or more: "
            f"the best has {shown}; lower {keys}, {BY_HAND}"
        )
        assert found.skipped == [Skipped(None, SOMEBODY, reason)] and found.queries == []


def test_a_picture_in_which_nothing_is_seen_and_one_that_is_none(made: Any) -> None:
    found = made("nobody.png", "broken.jpg")
    nobody, broken = found.skipped
    assert nobody.reason == (
        "no person of score 0.7 and height 48 px or more: the best has 0.06 and 137 px; "
        f"lower search_set.min_score, {BY_HAND}"
    )
    assert broken.reason.startswith("not a picture")


class SeesNothing:
    """The real detector, which finds nobody in any picture."""

    def __init__(self, detector: Detector) -> None:
        self.categories, self.map_lengths = detector.categories, detector.map_lengths
        self._detector = detector

    def detect(self, images: Sequence[Image.Image]) -> list[Any]:
        return [tuple(column[:0] for column in d) for d in self._detector.detect(images)]


def test_nothing_at_all_is_said_too(detector: Detector, reduction: Reduction, people: Path) -> None:
    blind: Any = SeesNothing(detector)
    found = Made(blind, reduction, people, [SOMEBODY])
    [entry] = found.skipped
    assert entry.reason == f"the detector sees no person in it; {BY_HAND}"


class FailsOnce:
    """The real detector, whose network fails on the first picture."""

    def __init__(self, detector: Detector) -> None:
        self._detector, self._failed = detector, False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._detector, name)

    def detect(self, images: Sequence[Image.Image]) -> list[Any]:
        if not self._failed:
            self._failed = True
            raise RuntimeError("a map of no size")
        return self._detector.detect(images)


def test_a_picture_on_which_the_network_fails_stops_no_other(
    detector: Detector, reduction: Reduction, people: Path
) -> None:
    failing: Any = FailsOnce(detector)
    found = Made(failing, reduction, people, ["nobody.png", SOMEBODY])
    [entry] = found.skipped
    assert entry.file == "nobody.png" and len(found.queries) == 1
    assert entry.reason == "the network fails on it: RuntimeError: a map of no size"


def test_a_picture_given_twice_is_one_query(made: Any, people: Path) -> None:
    """By its path, or by its content under another name. Two boxes in it are two queries."""
    shutil.copy(people / SOMEBODY, people / "copy of me.jpg")
    again = "nobody.png#xywh=percent:0,0,50,50"
    same = "nobody.png#xywh=0,0,100,75"
    found = made(
        *(SOMEBODY, SOMEBODY, "copy of me.jpg", SOMEBODY, "broken.jpg", "broken.jpg"),
        *(same, again, "nobody.png#xywh=0,0,100,76"),
    )
    assert found.boxes()[1:] == [[0, 0, 100, 75], [0, 0, 100, 76]]
    assert len(found.queries) == 3 and found.boxes()[0] == made(SOMEBODY).boxes()[0]
    reasons = [(entry.file, entry.reason) for entry in found.skipped]
    assert reasons[:2] == [
        (SOMEBODY, "given 3 times; it is used once"),
        ("copy of me.jpg", f"the same picture as another, so both are one query: {SOMEBODY}"),
    ]
    assert [file for file, _ in reasons[2:]] == ["broken.jpg", again]
    assert reasons[3][1] == f"the same picture as another, so both are one query: {same}"


def test_queries_follow_the_order_in_which_the_pictures_are_given(
    made: Any, detector: Detector, reduction: Reduction, people: Path
) -> None:
    names = [path.relative_to(people).as_posix() for path in sorted(people.glob("P*/*.jpg"))][:3]
    forwards, backwards = made(*names), made(*reversed(names))
    assert forwards.full == backwards.full[::-1] and len(forwards.full) == 3
    pictures = [query["picture"] for query in forwards.queries]
    assert pictures == [str(people / name) for name in names]


def test_a_picture_of_the_set_gets_its_id(made: Any, people: Path) -> None:
    """By its content: so it does not find itself."""
    digest = hashlib.sha256((people / SOMEBODY).read_bytes()).hexdigest()
    images = pa.table({"image_id": [3, 7], "sha256": ["0" * 64, digest]})
    found = made(SOMEBODY, f"{SOMEBODY}#xywh=0,0,50,50", "nobody.png#xywh=0,0,9,9", images=images)
    assert [query["image_id"] for query in found.queries] == [7, 7, None]
    assert [query["person_id"] for query in found.queries] == [None] * 3
    in_set = "; the picture is in the set"
    assert [reason.endswith(in_set) for reason in found.reasons()] == [True, True, False]


def test_a_run_in_which_no_picture_gives_a_query_stops_with_the_reasons(
    caplog: pytest.LogCaptureFixture,
) -> None:
    skipped = [Skipped(None, "a.jpg", "it is cut"), Skipped(None, "b.jpg", "no person; give it")]
    with pytest.raises(InputError) as error:
        tell_skipped(skipped, 0)
    assert str(error.value) == (
        "queries.images: no picture gives a query. a.jpg: it is cut. b.jpg: no person; give it. "
        "Correct this, or remove the pictures from queries.images, and run the same command again"
    )
    # Nothing is said twice on the terminal, which shows warnings; the log has all.
    assert all(record.levelno < logging.WARNING for record in caplog.records)


@pytest.mark.parametrize("n_queries", [0, 1])
def test_the_terminal_names_some_of_many_and_the_log_all(
    n_queries: int, caplog: pytest.LogCaptureFixture
) -> None:
    skipped = [Skipped(None, f"{n}.jpg", "it is cut") for n in range(200)]
    with caplog.at_level(logging.INFO):
        if n_queries:
            tell_skipped(skipped, n_queries)
            shown = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
            assert len(shown) == MOST_NAMED + 1
            text = "\n".join(shown)
        else:
            with pytest.raises(InputError) as error:
                tell_skipped(skipped, n_queries)
            text = str(error.value)
    assert text.count("it is cut") == MOST_NAMED and "190 more are in the log" in text
    assert all(f"queries.images: {n}.jpg: it is cut" in caplog.messages for n in range(200))
