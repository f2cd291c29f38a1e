"""How a box became a vector."""

from visualsearch.report.blocks import Block, Cell, Details, Figure, Number, Paragraph, Table
from visualsearch.report.model import COMPARED_HITS, Results
from visualsearch.report.numbers import decimals, interval, percent, signed
from visualsearch.report.sections.measures import title_of

LAST_MAP_ALONE = "last_map_alone.jpg"
CAPTION = (
    f"Left: the first {COMPARED_HITS} hits of this run. Right: those by `vector` alone, "
    "unreduced. A line marks who is not among the ten of the other side."
)
POOLING = {
    "average": "averaged",
    "max": "reduced to the largest value of each channel",
    "gem": "pooled by the generalised mean (GeM, power 3)",
}


def blocks(results: Results) -> list[Block]:
    """Return the steps, what each part of a vector gives, and the figure that compares."""
    made: list[Block] = [Paragraph(f"{_region(results)} {_pooled(results)}")]
    if text := comparison_text(results):
        made.append(Figure(LAST_MAP_ALONE, text, CAPTION))
    if rows := _parts(results):
        caption = "What each column gives alone, without reduction"
        head = ["column", "measure", *map(Number, ("value", "against both", "95 % interval"))]
        made.append(Details(caption, [Table(caption, head, rows)]))
    return made


def _region(results: Results) -> str:
    embedding = results.settings.embedding
    height, width = embedding.size
    grid = f"{height} × {width} px (height × width)"
    box = "Each box"
    if embedding.margin:
        box += f", grown by {percent(embedding.margin)} of its width and height on each side,"
    if embedding.region == "crop":
        fit = {
            "stretch": f"resized to {grid} whatever its shape",
            "pad": f"scaled to fit into {grid} (grey fills the rest)",
            "surroundings": f"scaled to fit into {grid} (the surrounding picture fills the rest)",
        }[embedding.fit]
        return f"{box} was cut out, {fit} and sent through the detector's own backbone."
    place = f"read by RoIAlign in as many places as a crop of {grid} would have"
    if embedding.region == "roi_align_last":
        return f"Each picture went through the detector's own backbone. {box} was {place}."
    return (
        "Each picture went through the detector's own backbone, up to the map before the last. "
        f"{box} was {place}, and went through the last stage by itself."
    )


def _pooled(results: Results) -> str:
    embedding, lengths = results.settings.embedding, results.search["columns"]
    text = f"The last map, {POOLING[embedding.pooling]} over all places"
    if embedding.mirrored:
        text += " and averaged with that of the mirrored picture"
    text += f", is the column `vector`: {lengths['vector']:,} values."
    if "before" in lengths:
        stripes = embedding.stripes
        where = f"in {stripes} horizontal stripes" if stripes > 1 else "as a whole"
        text += (
            f" The map before it sees smaller parts; pooled {where}, it is the column `before`: "
            f"{lengths['before']:,} values. The search joins both, each at length 1."
        )
    return f"{text} Nothing was trained."


def _parts(results: Results) -> list[list[Cell]]:
    """What each part of the description gives by itself, by this run's own measures."""
    return [
        [
            name,
            title_of(measure),
            decimals(found["value"], 3),
            signed(found["difference"]),
            interval(found["difference_interval"]),
        ]
        for name, measures in results.search["parts"].items()
        for measure, found in measures.items()
        if found.get("difference_interval") is not None
    ]


def comparison_text(results: Results) -> str:
    """Return the alternative text of the figure that compares with the last map alone.

    It is empty if there is no such figure.
    """
    lines = []
    for query in results.queries:
        others = query.by_last_map[:COMPARED_HITS]
        if others:
            theirs = {hit.person.person_id for hit in query.by_last_map}
            shared = sum(hit.person.person_id in theirs for hit in query.hits)
            lines.append(f"{shared} of {len(query.hits)}")
    if not lines:
        return ""
    return f"Hits shared with the last map alone, by query: {', '.join(lines)}"
