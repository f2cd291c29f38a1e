"""The explorer: a static page in which every person of the search set is a query.

`thumbnails` and `chunks` make the files that the page loads on demand, from the `contents` of the
search set; `page` makes the page; `writing` writes all of it. The page's text, layout and scripts
are in templates/.
"""

from pathlib import Path

TEMPLATES = Path(__file__).parent / "templates"
