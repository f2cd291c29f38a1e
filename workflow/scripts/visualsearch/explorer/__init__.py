"""The explorer: a page in which every person of the search set is a query, with no server.

`neighbours` searches for everybody, `projection` lays all out on a map, `thumbnails` and `chunks`
make the files that the page loads when it needs them, `page` makes the page, `writing` all of it.
Text, layout and scripts of the page lie in templates/.
"""

from pathlib import Path

TEMPLATES = Path(__file__).parent / "templates"
