# Object storage: with --default-storage-provider results lie in a bucket, and a job finds on its
# machine nothing but its inputs. So whatever else it reads becomes one: the pictures, an archive a
# shard; the weights; the user's own files, which are in a bucket where their name is an address,
# s3://bucket/pictures. Without storage there are no such inputs.
import os

from visualsearch.core import checksums
from visualsearch.settings.names import BUNDLED
from visualsearch.workflow.summary import summary_lines

STORAGE = workflow.storage_registry.default_storage_provider
OWN = ("dataset", "detector", "queries")
# As the user names things; `config` has this machine's copies in the place of addresses.
GIVEN = dict(config)
user_dataset = settings.dataset


def addresses(settings):
    """All addresses in a bucket that these settings hold."""
    if isinstance(settings, (dict, list)):
        values = settings.values() if isinstance(settings, dict) else settings
        return [address for value in values for address in addresses(value)]
    return [settings] if is_address(settings) else []


def with_copies(settings):
    """The same settings, with the path of its copy in the place of each address."""
    if isinstance(settings, dict):
        return {key: with_copies(value) for key, value in settings.items()}
    if isinstance(settings, list):
        return [with_copies(value) for value in settings]
    return str(storage(settings)) if is_address(settings) else settings


def own_file(name):
    """One of the user's own files as an input: from a bucket, or from this machine."""
    return storage(name) if is_address(name) else local(name)


def own_files(section):
    """The user's own files in a bucket, as inputs: those that a section of the configuration names."""
    return [storage(address) for address in addresses(GIVEN[section])]


def query_pictures():
    """The user's own query pictures as inputs of what shows them."""
    return [own_file(name) for name in GIVEN["queries"]["images"]] if PACKED else []


def packed(*shards):
    """Archives of the pictures of these shards, else of all, as inputs."""
    return (
        of_shards(rules.fetch_images.output.pictures, shards or SHARDS)
        if PACKED
        else []
    )


def weights():
    """The detector's weights, as inputs."""
    return [rules.fetch_weights.output.weights] if PACKED else []


def last_lines():
    """What a run has found, for the terminal; from a bucket, whose copies are gone by then, where."""
    if STORAGE is None:
        return summary_lines(results_folder(), settings.dataset)
    index = rules.render_report.output.index
    return [f"{'Report':10}{index.flags['storage_object'].print_query}"]


def check_storage(probe):
    """Say in one line that the storage does not answer: file by file it would take long, and look
    like results that are not there."""
    if not probe.is_valid_query():
        return  # Snakemake says so itself.
    try:
        probe.exists()
    except Exception as error:
        raise WorkflowError(
            f"the storage of {probe.print_query} cannot be used: {' '.join(str(error).split())};"
            " check its address and your credentials, and run the same command again"
        )


def look_for_folders_anew(probe):
    """A folder that a job elsewhere makes is seen: the S3 plugin (0.3.6) keeps in mind that it was not
    there before."""
    if hasattr(probe, "get_subkeys"):
        type(probe).is_dir = lambda folder: any(folder.get_subkeys())


if STORAGE is not None:
    probe = STORAGE.object(f"{workflow.storage_settings.default_storage_prefix}/probe")
    check_storage(probe)
    look_for_folders_anew(probe)
    # Beside a copy that comes anew from the bucket, an older one's would be a false alarm.
    os.environ[checksums.NO_CHECKSUMS] = "results are in object storage"

PACKED = STORAGE is not None or any(addresses(GIVEN[section]) for section in OWN)
config.update({section: with_copies(config[section]) for section in OWN})
settings = Settings.of(config)
OWN_WEIGHTS = GIVEN["detector"]["weights"]
BUNDLED_WEIGHTS = GIVEN["detector"]["name"] == BUNDLED
# By its suffix a reader knows the format.
SAFETENSORS = BUNDLED_WEIGHTS or OWN_WEIGHTS.endswith(".safetensors")
WEIGHTS = f"weights.{'safetensors' if SAFETENSORS else 'pth'}"

# Files of this machine are read on this machine, wherever other jobs run.
if PACKED and fetch.local_files(user_dataset):

    localrules:
        fetch_annotations,
        fetch_images,


if PACKED and (
    BUNDLED_WEIGHTS or (is_weights_file(OWN_WEIGHTS) and not is_address(OWN_WEIGHTS))
):

    localrules:
        fetch_weights,
