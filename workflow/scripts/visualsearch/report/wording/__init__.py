"""What a run did and found, in words: plain sentences, tables and pairs, nothing escaped."""

from visualsearch.report import costs, numbers
from visualsearch.report.wording import (
    components,
    detector,
    gallery,
    index,
    limits,
    search,
    settings,
    vectors,
)

# What templates know each module by.
WORDS = {
    "components": components,
    "costs": costs,
    "detector": detector,
    "gallery": gallery,
    "index": index,
    "limits": limits,
    "numbers": numbers,
    "search": search,
    "settings": settings,
    "vectors": vectors,
}
