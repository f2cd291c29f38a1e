# Requires: a configuration. Gives: `config` and `settings`, both checked, and what several rules
# need of them.
import atexit
import sys
from pathlib import Path

SCRIPTS = ON_DISK / "scripts"
sys.path.insert(0, str(SCRIPTS))

from visualsearch import fetch
from visualsearch.core.errors import InputError
from visualsearch.core.files import remove_leftovers, sha256_file, warn_if_full
from visualsearch.core.job import CODE
from visualsearch.detect import check_detector
from visualsearch.detect.computing import check_precision, uses_gpu
from visualsearch.explorer import check_own_pictures
from visualsearch.fetch.walk import fingerprint_of
from visualsearch.index import check_backend, index_file
from visualsearch.report.notebook import check_packages
from visualsearch.settings import Settings, checking
from visualsearch.settings.paths import expand_path
from visualsearch.settings.places import places_of, short_path
from visualsearch.settings.values import BOX, is_address, is_weights_file, without_box
from visualsearch.workflow import digests, opening, records, run_lock, stopping
from visualsearch.workflow.started import note_start
from visualsearch.workflow.machine import check_python, memory_mb

if digests.PACKAGE.parent != SCRIPTS:
    stop(
        f"{digests.PACKAGE.parent} and {SCRIPTS} are two versions of this workflow, and Python"
        " can load only one of them; use one version for all modules"
    )

try:
    if is_main_process():
        opening.refuse_repeated_options(sys.argv)
    places = places_of(configuration_files(), command_line_configuration())
    for line in checking.retired_lines(config):
        logger.warning(line)
    # A new dict: if this is a module, the old one belongs to the workflow that uses it.
    config = checking.checked(config, is_job(), {} if is_module() else places)
    settings = Settings.of(config)
    expand_pathvars(expand_path)
    if not uses_conda():
        check_backend(settings.index.backend)
        check_detector(settings.detector.name)
        check_precision(settings.detector)
        check_own_pictures(settings.explorer)
        check_python(sys.executable)
except InputError as error:
    stop(error)

# A cluster's scheduler knows the memory of its machines.
if runs_jobs_here() and not is_job():
    limit_memory(memory_mb())

digests.hide_times(SCRIPTS)
SHARDS = range(settings.shards)
ANNOTATED = fetch.has_annotations(settings.dataset)
# A job on a GPU takes one of those that `resources: gpu` in the profile allows.
GPUS = int(uses_gpu(settings.detector.device))
# Memory of a job with the network: 1,800 MB were measured on a CPU, and 2,270 with pictures of 50
# megapixels. With CUDA it was not measured.
NETWORK_MB = 4000 if GPUS else 2500
INDEX = f"<results>/index/{index_file(settings.index.backend)}"
ANNOTATIONS = branch(ANNOTATED, then="<results>/dataset/annotations.json")


wildcard_constraints:
    shard=r"\d+",


def record(rule_name, *keys, after=(), sharded=False, **facts):
    """What decides a rule's results: settings, by their keys in the configuration; other facts; the
    digest of its script and the library modules it uses; and the records of the rules before it.
    """
    code = digests.digest(SCRIPTS / f"{rule_name}.py")
    values = records.select(deciding_settings(), keys)
    values |= {**facts, CODE: code}
    return records.Record(rule_name, values, tuple(after), sharded)


def record_file(record):
    """The output in which a job writes the record of its rule. After a change it has another name,
    so it is missing and the job runs again, whatever Snakemake remembers of the results.
    """
    return f"<results>/{record.file}"


def records_before(record):
    """The outputs with the records of the rules before it, as inputs: where one is missing, that
    rule runs again too."""
    files = []
    for before in record.after:
        pattern = record_file(before)
        files += [pattern] if record.sharded else expand(pattern, shard=SHARDS)
    return files


def memory(megabytes):
    """Memory that a job asks for. Each further attempt asks for more."""
    return lambda wildcards, attempt: megabytes * attempt


def all_shards(output):
    return of_shards(output, SHARDS)


def results_folder():
    """Where this machine sees the results: below the prefix of a module, or copies of a bucket."""
    return Path(rules.fetch_annotations.output.images).parents[1]


def logs_folder():
    """Where the jobs write their logs, and before them the main process STARTED."""
    return Path(rules.build_manifest.log[0]).parent


def given_configuration():
    """The configuration files that count, and the keys given on the command line."""
    given = [short_path(file) for file in configuration_files()]
    return given + [f"--config {key}" for key in command_line_configuration()]


def say_what_will_run():
    """Say in one line what this run is, before the first job and in dry runs too."""
    results = results_folder()
    given = given_configuration()
    logger.info(opening.opening_line(user_settings, results_place(), given))
    named = is_module() or "dataset" in user_configuration()
    if not named and not (results / "report/index.html").exists():
        for line in opening.unasked_hours(settings):
            logger.warning(line)
    # What was made on request, such as the notebook, may be older.
    wanted = [RENDER_REPORT, *([BUILD_EXPLORER] if settings.report.explorer else [])]
    if changes := records.changes(results, wanted):
        if files := targets_that_are_files():
            # Snakemake takes a file that is there as it is, as records are other files.
            stop(
                f"{files[0]} is named as a file, and what made it has changed"
                f" ({'; '.join(changes)}); name its stage, such as report"
            )
        logger.info(
            "Changed since these results were made, so that their jobs run again:"
        )
        for line in changes:
            logger.info(f"    {line}")


def before_the_first_job():
    """Fail early, and prepare for being stopped."""
    results, planned = results_folder(), planned_rules()
    own_rules = sorted(script.stem for script in SCRIPTS.glob("*.py"))
    try:
        if not uses_conda() and rule_name_in_run("run_notebook") in planned:
            check_packages()
        run_lock.hold(results)
        note_start(
            logs_folder(),
            ON_DISK.parent,
            sys.argv,
            given_configuration(),
            [name for name in own_rules if rule_name_in_run(name) in planned],
        )
    except InputError as error:
        stop(error)
    remove_leftovers(results)
    stopping.stop_on_signals(results, kill_jobs=runs_jobs_here())
    # Snakemake's own message for a full disk does not name the disk.
    atexit.register(warn_if_full, [results, "."])
