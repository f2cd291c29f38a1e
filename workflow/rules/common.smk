# The checked configuration, and what several rules need of it.
import atexit
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.settings.types import DeploymentMethod

SCRIPTS = Path(workflow.current_basedir).resolve().parent / "scripts"
sys.path.insert(0, str(SCRIPTS))

from visualsearch import configuration, dependencies, run_lock, sources, stopping
from visualsearch.atomic import remove_leftovers
from visualsearch.detectors import is_file_name, uses_gpu
from visualsearch.disk import tell_if_full
from visualsearch.errors import InputError
from visualsearch.index import SUFFIXES, check_backend
from visualsearch.notebook import check_packages
from visualsearch.sources.walk import fingerprint_of

# With conda, the jobs' own environments have what they need, and this Python need not.
OWN_PYTHON = (
    DeploymentMethod.CONDA not in workflow.deployment_settings.deployment_method
)

try:
    for file in workflow.configfiles:
        configuration.check_file(file)
    schema = configuration.load_schema(SCRIPTS.parent / "schemas/config.schema.yaml")
    config.update(configuration.checked(config, schema, workflow.remote_exec))
    if OWN_PYTHON:
        check_backend(config["index"]["backend"])
except InputError as error:
    raise WorkflowError(str(error))

SHARDS = range(config["shards"])
ANNOTATED = sources.has_annotations(config["dataset"])
# A job on a GPU takes one of what `resources: gpu` in the profile allows.
GPUS = int(uses_gpu(config["detector"]["device"]))
INDEX = f"<results>/index/persons.{SUFFIXES[config['index']['backend']]}"


wildcard_constraints:
    shard=r"\d+",


def library(rule_name):
    """Digest of the library modules a rule's script uses: a changed one reruns the rule."""
    return dependencies.digest(SCRIPTS / f"{rule_name}.py")


def own_pictures():
    """The user's folder of pictures, or None where pictures lie in the results."""
    if PACKED:
        return None
    return sources.SOURCES[config["dataset"]["source"]].local_root(config["dataset"])


def weights_fingerprint():
    """Changes when the user's own weights file does."""
    weights = GIVEN["detector"]["weights"]
    return fingerprint_of([weights] if is_file_name(weights) else [])


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
    """An output of all shards; expand() takes none that lies in object storage."""
    return [output.apply_wildcards({"shard": str(shard)}) for shard in shards]


def results_folder():
    """Where this machine sees the results; on object storage, its copies of them."""
    return Path(rules.fetch_annotations.output.images).parents[1]


def full_length():
    """Inputs of a rule that looks at the vectors before they are shortened."""
    return {
        "embeddings": of_shards(rules.embed_persons.output.embeddings),
        "model": rules.fit_pca.output.model,
    }


def before_the_first_job():
    """What would stop the run, told before hours of work."""
    planned = {job.rule.name for job in workflow.dag.needrun_jobs()}
    results = results_folder()
    try:
        if OWN_PYTHON and "run_notebook" in planned:
            check_packages()
        run_lock.hold(results)
    except InputError as error:
        raise WorkflowError(str(error))
    remove_leftovers(results)
    stopping.stop_on_signals()
    # Whatever else is said where Snakemake itself finds no room.
    atexit.register(tell_if_full, [results, "."])
