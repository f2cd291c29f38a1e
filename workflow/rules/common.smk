# The checked configuration, and what several rules need of it.
import atexit
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.settings.types import DeploymentMethod

SCRIPTS = ON_DISK / "scripts"
sys.path.insert(0, str(SCRIPTS))

from visualsearch import fetch
from visualsearch.workflow import digests
from visualsearch.workflow import run_lock
from visualsearch.workflow import stopping
from visualsearch.settings import checking
from visualsearch.core.files import remove_leftovers
from visualsearch.detect import uses_gpu
from visualsearch.settings import Settings
from visualsearch.settings.values import is_address, is_weights_file
from visualsearch.core.files import warn_if_full
from visualsearch.core.errors import InputError
from visualsearch.index import check_backend, index_file
from visualsearch.report.notebook import check_packages
from visualsearch.fetch.walk import fingerprint_of

if digests.PACKAGE.parent != SCRIPTS:
    raise WorkflowError(
        f"{digests.PACKAGE.parent} and {SCRIPTS} are two versions of this workflow, and Python"
        " can load only one of them; use one version for all modules"
    )

# With conda, the jobs' own environments have what they need, and this Python need not.
OWN_PYTHON = (
    DeploymentMethod.CONDA not in workflow.deployment_settings.deployment_method
)

try:
    for file in workflow.configfiles:
        checking.check_file(file)
    for line in checking.retired_lines(config):
        logger.warning(line)
    # Another dict: as a module, this one belongs to the workflow that uses it.
    config = checking.checked(config, workflow.remote_exec)
    settings = Settings.of(config)
    if OWN_PYTHON:
        check_backend(config["index"]["backend"])
except InputError as error:
    raise WorkflowError(str(error))

SHARDS = range(config["shards"])
ANNOTATED = fetch.has_annotations(settings.dataset)
# A job on a GPU takes one of what `resources: gpu` in the profile allows.
GPUS = int(uses_gpu(config["detector"]["device"]))
INDEX = f"<results>/index/{index_file(config['index']['backend'])}"


wildcard_constraints:
    shard=r"\d+",


def library(rule_name):
    """Digest of the library modules a rule's script uses: a changed one reruns the rule."""
    return digests.digest(SCRIPTS / f"{rule_name}.py")


def own_pictures():
    """The user's folder of pictures, or None where pictures lie in the results."""
    if PACKED:
        return None
    return fetch.local_root(settings.dataset)


def weights_fingerprint():
    """Changes when the user's own weights file does."""
    weights = GIVEN["detector"]["weights"]
    return fingerprint_of([weights] if is_weights_file(weights) else [])


def picture_choice():
    """The settings that decide which pictures there are; not how fast they are fetched."""
    hows = (
        "connections",
        "retries",
        "backoff_seconds",
        "timeout_seconds",
        "max_skipped_fraction",
    )
    return {key: value for key, value in GIVEN["dataset"].items() if key not in hows}


def of_shards(output, shards=SHARDS):
    """An output of all shards, or of some; expand() takes none that lies in object storage."""
    return [output.apply_wildcards({"shard": str(shard)}) for shard in shards]


def full_length():
    """Inputs of a rule that looks at the vectors before they are shortened."""
    return {
        "embeddings": of_shards(rules.embed_persons.output.embeddings),
        "model": rules.fit_pca.output.model,
    }


def results_folder():
    """Where this machine sees the results: as a module, also under the other workflow's prefix; on
    object storage, its copies of them."""
    return Path(rules.fetch_annotations.output.images).parents[1]


def name_of(rule_name):
    """What the rule is called in this run; as a module, as the other workflow says."""
    return getattr(rules, rule_name).rule.name


def memory(megabytes):
    """What a job asks for; an attempt after one that was killed asks for more."""
    return lambda wildcards, attempt: megabytes * attempt


def before_the_first_job():
    """What would stop the run, told before hours of work."""
    planned = {job.rule.name for job in workflow.dag.needrun_jobs()}
    results = results_folder()
    try:
        if OWN_PYTHON and name_of("run_notebook") in planned:
            check_packages()
        run_lock.hold(results)
    except InputError as error:
        raise WorkflowError(str(error))
    remove_leftovers(results)
    stopping.stop_on_signals(kill_jobs=workflow.local_exec)
    # Whatever else is said where Snakemake itself finds no room.
    atexit.register(warn_if_full, [results, "."])
