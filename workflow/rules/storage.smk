# Requires: `config`. Gives: the inputs of rules that read pictures, weights or the user's files.
# With --default-storage-provider, results lie in a bucket and a job finds only its inputs on its
# machine. Then everything else it reads becomes an input too: the pictures as an archive for each
# shard, the weights, and the user's own files, which are in a bucket if their name is an address
# such as s3://bucket/pictures. Without object storage there are no such inputs.
from visualsearch.core import checksums
from visualsearch.detect import DETECTORS
from visualsearch.settings.dataset import HOW_TO_FETCH
from visualsearch.settings.names import BUNDLED
from visualsearch.workflow.summary import summary_lines

# The configuration as the user wrote it. In `config`, paths of local copies replace addresses.
user_config = dict(config)
user_settings = settings
SECTIONS_WITH_FILES = ("dataset", "detector", "queries")


def addresses(values):
    """All addresses in a bucket among these values of the configuration."""
    if isinstance(values, (dict, list)):
        each = values.values() if isinstance(values, dict) else values
        return [address for value in each for address in addresses(value)]
    return [without_box(values)] if is_address(values) else []


def with_copies(values):
    """The same values, with the path of its local copy in place of each address."""
    if isinstance(values, dict):
        return {key: with_copies(value) for key, value in values.items()}
    if isinstance(values, list):
        return [with_copies(value) for value in values]
    if not is_address(values):
        return values
    address, mark, box = values.partition(BOX)
    return f"{storage(address)}{mark}{box}"


def user_inputs(section):
    """The user's files in a bucket that a section of the configuration names, as inputs."""
    return [storage(address) for address in addresses(user_config[section])]


def user_pictures():
    """The user's query pictures as inputs, from a bucket or from this machine, in their order."""
    names = map(without_box, user_config["queries"]["images"])
    return [storage(name) if is_address(name) else local(name) for name in names]


def picture_archives(*shards):
    """Archives of the pictures of these shards, or of all, as inputs."""
    if not pictures_travel:
        return []
    return of_shards(rules.fetch_images.output.pictures, shards or SHARDS)


def weights():
    """The detector's weights as inputs."""
    return [rules.fetch_weights.output.weights] if pictures_travel else []


def picture_folder():
    """The user's folder of pictures, or None if pictures are in the results."""
    return None if pictures_travel else fetch.local_root(settings.dataset)


def deciding_settings():
    """The settings that decide results: not those of how to fetch pictures, nor places of files."""
    dataset, detector = user_config["dataset"], user_config["detector"]
    return {
        **{key: value for key, value in user_config.items() if key != "pathvars"},
        "dataset": {k: v for k, v in dataset.items() if k not in HOW_TO_FETCH},
        # Known by the hash in detector.json.
        "detector": {k: v for k, v in detector.items() if k != "weights"},
    }


def weights_fingerprint():
    """Changes when the user's own weights file does."""
    weights = user_settings.detector.weights
    return fingerprint_of([weights] if is_weights_file(weights) else [])


def results_place():
    """The folder of the results, or its address in a bucket."""
    if default_storage() is None:
        return results_folder()
    return address_in_storage(rules.fetch_annotations.output.images).rsplit("/", 2)[0]


def last_lines():
    """The run's results in a few lines for the terminal, or where they are in a bucket."""
    if rule_name_in_run("render_report") not in rules_of_run():
        # The report of an earlier run may no longer hold.
        return []
    if default_storage() is None:
        own_queries = bool(settings.queries.images)
        return summary_lines(results_folder(), settings.dataset, own_queries)
    return [f"{'Report':10}{address_in_storage(rules.render_report.output.index)}"]


if default_storage() is not None:
    if settings.detector.precision == "int8":
        stop(
            "detector.precision is int8, whose networks are kept in a folder of the results, and"
            " the results are in object storage; set detector.precision to auto"
        )
    prepare_storage()
    os.environ[checksums.IN_STORAGE] = "results are in object storage"

pictures_travel = default_storage() is not None or any(
    addresses(user_config[section]) for section in SECTIONS_WITH_FILES
)
config.update(
    {section: with_copies(config[section]) for section in SECTIONS_WITH_FILES}
)
settings = Settings.of(config)
IS_BUNDLED = user_settings.detector.name == BUNDLED
IS_OWN = is_weights_file(user_settings.detector.weights)
# A reader knows the format by the suffix.
SUFFIX = DETECTORS[user_settings.detector.name].suffix
if IS_OWN:
    is_safe = user_settings.detector.weights.endswith(".safetensors")
    SUFFIX = ".safetensors" if is_safe else ".pth"
WEIGHTS = f"<results>/detections/weights{SUFFIX}"

# Files of this machine are read on this machine, wherever other jobs run.
if pictures_travel and fetch.local_files(user_settings.dataset):

    localrules:
        fetch_annotations,
        fetch_images,


if pictures_travel and (
    IS_BUNDLED or (IS_OWN and not is_address(user_settings.detector.weights))
):

    localrules:
        fetch_weights,
