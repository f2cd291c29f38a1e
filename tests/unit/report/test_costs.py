"""Time and memory of each stage: read from Snakemake's benchmarks, and told."""

import re
from pathlib import Path

from blocks_text import table_of, text_of
from conftest import ROOT
from report_run import Run
from visualsearch.report import numbers, sections
from visualsearch.report.costs import STAGES, Job, read_costs


def test_costs_are_the_last_run_of_each_job(run: Run, tmp_path: Path) -> None:
    by_step = {cost.step: cost for cost in read_costs(run.folder / "benchmarks", shards=2)}
    # A shard that is no longer, a benchmark without a row, and the report's own have no part.
    assert list(by_step) == ["describe the detections", "fit the reduction", "search"]
    embedding, reduction, searching = by_step.values()
    assert [job.seconds for job in embedding.jobs] == [71, 80]
    assert (embedding.seconds, embedding.longest) == (151, 80)
    assert embedding.memory == 1000.5 * 2**20
    # Seen once or never.
    assert reduction.memory is None and searching.memory is None
    repeated = "s\tmax_rss\n9\t10\n4\t20\n"
    (tmp_path / "fit_pca.tsv").write_text(repeated)
    (cost,) = read_costs(tmp_path, shards=1)
    assert cost.jobs == [Job(4, 20 * 2**20)]
    for text in ("", "s\n", "s\tmax_rss\nx\t1\n", "s\nnan\n", "max_rss\n1\n"):
        (tmp_path / "fit_pca.tsv").write_text(text)
        assert read_costs(tmp_path, shards=1) == []
    assert read_costs(tmp_path / "none", shards=1) == []


def test_every_rule_of_a_stage_has_a_name_in_the_table_of_costs() -> None:
    rules = {
        rule
        for path in (ROOT / "workflow/rules").glob("*.smk")
        if path.stem not in ("report", "explorer")
        for rule in re.findall(r"<benchmarks>/(\w+)", path.read_text(encoding="utf-8"))
    }
    named = {rule for steps in STAGES.values() for rule in steps}
    assert named == rules - {"measure_parity"}  # not part of a report


def test_costs_are_told(run: Run) -> None:
    blocks = sections.costs.blocks(run.results())
    embedding, reduction, searching, together = table_of(
        blocks, "Time and memory of each step"
    ).rows
    assert embedding == [
        "Embedding: describe the detections", "2", "2 min 31 s", "99 %", "1 min 20 s", "1.0 GB",
    ]  # fmt: skip
    assert reduction[-1] == searching[-1] == numbers.DASH
    assert together[:3] == ["all together", "4", "2 min 33 s"]
    text = text_of(blocks)
    assert "4 jobs took 2 min 33 s" in text
    assert "99 % of it went into one step: describe the detections" in text
