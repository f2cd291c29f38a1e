"""The report: a run's results as an HTML page, as Markdown and as a table of hits.

`loading` reads the results into the classes of `model`. `crops` and `figures` make the pictures,
the modules of `wording` the sentences and tables. `page` and `markdown` put them together, and
`writing` writes all files. Text and layout of the page are in templates/.
"""

from pathlib import Path

TEMPLATES = Path(__file__).parent / "templates"
