"""The report: one model of a run's results, shown as HTML, as Markdown and as a table.

`model` loads the results, `crops` and `figures` make what is to be seen, the modules of `wording`
say in words what was done, and `page`, `markdown` and `hits_table` write. Text and layout of the
page lie in templates/.
"""

from pathlib import Path

TEMPLATES = Path(__file__).parent / "templates"
