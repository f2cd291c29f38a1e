"""What a run did and found, in words: sentences, tables and pairs, not yet escaped."""

from visualsearch.report import costs, numbers
from visualsearch.report.wording import (
    alike,
    components,
    detector,
    gallery,
    index,
    limits,
    recall,
    search,
    settings,
    vectors,
)

# The names of the modules in templates.
WORDS = {
    "alike": alike,
    "components": components,
    "costs": costs,
    "detector": detector,
    "gallery": gallery,
    "index": index,
    "limits": limits,
    "numbers": numbers,
    "recall": recall,
    "search": search,
    "settings": settings,
    "vectors": vectors,
}
