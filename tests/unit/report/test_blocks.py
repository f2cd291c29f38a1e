"""Every block in both forms of the report: as a page and as Markdown."""

from typing import Any

import pytest
from markupsafe import Markup

from report_run import Run
from visualsearch.report import blocks as b
from visualsearch.report.html import inline as html_inline
from visualsearch.report.html import render_blocks
from visualsearch.report.markdown import inline, render_markdown

FIGURE = b.Figure("a.svg", "What | it shows", "A caption")
TABLE = b.Table(
    "All",
    ["name", b.Number("n"), "file", "place"],
    [[b.Term("a|b", "means <c>"), "1 %", b.File("x/*.json"), b.Link("There", "#there")]],
)


def html(*blocks: b.Block, draw: Any = lambda figure: Markup("<svg></svg>")) -> str:
    return str(render_blocks(blocks, draw))


def markdown(run: Run, *blocks: b.Block) -> str:
    text = render_markdown(run.results(), [b.Section("Top", blocks)])
    return text.split("## Top\n\n")[1].rstrip("\n")


@pytest.mark.parametrize(
    ("block", "page", "text"),
    [
        (b.Paragraph("a `b: 1` *c* <d>"), "<p>a <code>b: 1</code> *c* &lt;d&gt;</p>",
         r"a `b: 1` \*c\* \<d\>"),
        (b.Paragraph("one ` alone"), "<p>one ` alone</p>", r"one \` alone"),
        (b.Findings([("Seen.", "By 5 %.")]),
         '<dl class="verdicts">\n<div><dt>Seen.</dt><dd>By 5\u00a0%.</dd></div>\n</dl>',
         "- **Seen.** By 5 %."),
        (b.Facts([("from", "https://a.example/x")]),
         '<dl class="facts">\n<div><dt>from</dt><dd><a href="https://a.example/x" '
         'rel="noreferrer">https://a.example/x</a></dd></div>\n</dl>',
         "|  |  |\n| --- | --- |\n| from | https://a.example/x |"),
        (TABLE,
         '<div class="scroll" role="region" aria-label="All" tabindex="0">\n<table>\n'
         '<caption>All</caption>\n<thead><tr><th scope="col">name</th><th scope="col" '
         'class="number">n</th><th scope="col">file</th><th scope="col">place</th></tr></thead>\n'
         '<tbody>\n<tr><th scope="row">a|b <span class="meaning">means &lt;c&gt;</span></th>'
         '<td class="number">1\u00a0%</td><td><code>x/*.json</code></td>'
         '<td><a href="#there" rel="noreferrer">There</a></td></tr>\n</tbody>\n</table>\n</div>',
         "| name | n | file | place |\n| --- | ---: | --- | --- |\n"
         r"| a\|b: means \<c\> | 1 % | `x/*.json` | [There](<#there>) |"),
        (FIGURE, "<figure>\n<svg></svg>\n<figcaption>A caption</figcaption>\n</figure>",
         "![What \\| it shows](figures/a.svg)\n\n*A caption*"),
        (b.Links([b.Link("a", "https://a.example/b c>")]),
         '<ul class="sources">\n<li><a href="https://a.example/b c&gt;" rel="noreferrer">a</a>'
         "</li>\n</ul>", "[a](<https://a.example/b%20c%3E>)"),
        (b.Links([b.Link("a", "https://a.example"), b.Link("b]", "javascript:alert(1)")]),
         '<ul class="sources">\n<li><a href="https://a.example" rel="noreferrer">a</a></li>\n'
         "<li>b]</li>\n</ul>", r"[a](<https://a.example>), b\]"),
        (b.Code("x: <1>\n", "yaml", "As it is"),
         '<pre tabindex="0" aria-label="As it is"><code>x: &lt;1&gt;\n</code></pre>',
         "```yaml\nx: <1>\n```"),
        (b.Part("A part", [b.Paragraph("x")]),
         '<div class="part">\n<h3 id="a-part">A part</h3>\n<p>x</p>\n</div>', "### A part\n\nx"),
        (b.Details("More", [b.Paragraph("x")]),
         "<details>\n<summary>More</summary>\n<p>x</p>\n</details>",
         "<details>\n<summary>More</summary>\n\nx\n\n</details>"),
        (b.MayDiffer([b.Paragraph("x")]),
         "<!-- may differ -->\n<p>x</p>\n<!-- /may differ -->",
         "<!-- may differ -->\n\nx\n\n<!-- /may differ -->"),
    ],
)  # fmt: skip
def test_a_block_in_both_forms(run: Run, block: b.Block, page: str, text: str) -> None:
    assert html(block) == page
    assert markdown(run, block) == text


def test_a_figure_may_be_left_out(run: Run) -> None:
    assert html(b.Paragraph("a"), FIGURE, draw=lambda figure: None) == "<p>a</p>\n"


def test_anchors_are_those_that_code_hosts_make() -> None:
    assert b.section_id("What was asked, and where it is") == "what-was-asked-and-where-it-is"


@pytest.mark.parametrize("text", ["`", "``", "a``<b>`` c", "`<img src=x>`", "`a;b`"])
def test_what_is_not_plain_is_no_code(text: str) -> None:
    assert "<code>" not in html_inline(text) and "<" not in html_inline(text)
    assert "`" not in inline(text).replace("\\`", "")
