"""Join the shards' tables; fail when too many pictures were skipped."""

import logging

from visualsearch.core.job import job, results_on_disk
from visualsearch.data.manifest import merge_manifests, remove_other_shards
from visualsearch.data.row_cache import prune
from visualsearch.data.skipped import check_skipped, left_out_lines, read_skipped, write_skipped
from visualsearch.data.tables import read_table

log = logging.getLogger("build_manifest")

with job(snakemake):
    skipped = [
        entry
        for path in [snakemake.input.listed_skipped, *snakemake.input.skipped]
        for entry in read_skipped(path)
    ]
    # Snakemake deletes the outputs of a failed job, but not its log.
    for entry in skipped:
        log.info("left out: %s %s: %s", entry.image_id or "", entry.file, entry.reason)
    kept = merge_manifests(snakemake.input.rows, snakemake.output.manifest)
    write_skipped(snakemake.output.skipped, skipped)
    check_skipped(
        kept, skipped, snakemake.config["dataset"]["max_skipped_fraction"], snakemake.log[0]
    )
    if results := results_on_disk(snakemake):
        remove_other_shards(results, len(snakemake.input.rows))
        prune(results, read_table(snakemake.output.manifest, ["sha256"])["sha256"].to_pylist())
    log.info("%d pictures", kept)
    for line in left_out_lines(skipped):
        log.info("left out: %s", line)
