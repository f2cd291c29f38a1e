# All names of Snakemake and its plugins that they do not document, each with its reason. A new
# version may lack one: tests/unit/workflow/test_snakemake_internals.py.
# Gives: ON_DISK, the folder `workflow` as files, and functions that ask Snakemake about this run.
import os
import tarfile
import tempfile
from pathlib import Path

from snakemake.common import NOTHING_TO_BE_DONE_MSG
from snakemake.settings.types import DeploymentMethod
from snakemake.sourcecache import HostingProviderFile, LocalGitFile, LocalSourceFile
from snakemake_interface_logger_plugins.common import LogEvent


def on_disk(folder):
    """The folder itself, or its copy in Snakemake's cache if the workflow is in a git repository.

    With `snakefile: github(...)` Snakemake fetches only the files that rules name, so scripts would
    not find the library. There is one copy for each commit.
    """
    if isinstance(folder, LocalSourceFile):
        return Path(folder.get_path_or_uri(secret_free=True)).resolve()
    repository = repository_of(folder)
    commit = repository.commit(folder.ref).hexsha
    copies = Path(workflow.sourcecache.cache_path) / "visual-search"
    if not (copies / commit).exists():
        copies.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=copies) as half:
            with open(f"{half}/tar", "w+b") as file:
                repository.archive(file, commit)
                file.seek(0)
                with tarfile.open(fileobj=file) as tar:
                    tar.extractall(f"{half}/{commit}", filter="data")
            try:
                os.rename(f"{half}/{commit}", copies / commit)
            except OSError:
                # Another run was faster.
                if not (copies / commit).exists():
                    raise
    return copies / commit / folder.path


def repository_of(folder):
    """The git repository that Snakemake reads this workflow from."""
    if isinstance(folder, HostingProviderFile):
        return folder.hosted_repo.repo
    if isinstance(folder, LocalGitFile):
        from git import Repo

        return Repo(folder.repo_path)
    stop(
        f"{folder} is a single file, and this workflow needs all of its own; name its repository,"
        " with github(...) or gitlab(...), or a clone of it"
    )


def configuration_files():
    """The configuration files of this run, each over those before it, to name them in messages."""
    settings = workflow.config_settings
    replaced = settings.replace_workflow_config and settings.overwrite_config
    own = [] if replaced else [Path(file).absolute() for file in workflow.configfiles]
    return [
        *(file for file in own if file not in settings.configfiles),
        *settings.configfiles,
    ]


def command_line_configuration():
    """The keys given as --config, which go over those of all files."""
    return workflow.config_settings.config


def user_configuration():
    """All keys given as --configfile and --config, without those that the workflow reads itself."""
    return workflow.config_settings.overwrite_config


def is_module():
    """Whether another workflow gives the configuration, which may be a section of its files."""
    return workflow.modifier.skip_configfile


def expand_pathvars(expand_path):
    """Expand `~` and variables in the folders of outputs. Snakemake takes them as they are."""
    for name, path in workflow.pathvars.items.items():
        workflow.pathvars.items[name] = expand_path(f"pathvars.{name}", path)


def uses_conda():
    """Whether jobs run in environments of their own, so that this Python need not have packages."""
    return DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method


def is_main_process():
    """Whether this Snakemake is the one that the user started, and not one for a job of it."""
    return workflow.is_main_process


def is_job():
    """Whether this Snakemake was started to run one job, on a machine that may lack other files."""
    return workflow.remote_exec


def runs_jobs_here():
    """Whether jobs are processes of this machine, which a signal must end."""
    return workflow.local_exec


def limit_memory(megabytes):
    """Start no more jobs at once than fit into this much memory, by the mem_mb of their rules.

    What the user gives as --resources mem_mb counts instead. A job that asks for more than the
    limit gets the limit.
    """
    if "mem_mb" not in workflow.global_resources:
        workflow.register_resource("mem_mb", megabytes)


def planned_rules():
    """Names of the rules that will run, to check what they need before hours of work."""
    return {job.rule.name for job in workflow.dag.needrun_jobs()}


def rules_of_run():
    """Names of all rules that lead to the target, to know whether the report does."""
    return {job.rule.name for job in workflow.dag.jobs}


def targets_that_are_files():
    """The targets of this run that are named as files and not as rules."""
    return sorted(
        name for name in workflow.dag_settings.targets if not workflow.is_rule(name)
    )


def rule_name_in_run(rule_name):
    """The name of a rule in this run, as the workflow that uses this module may rename it."""
    return getattr(rules, rule_name).rule.name


def of_shards(output, shards):
    """A rule's output for each shard: expand() refuses an output that lies in object storage."""
    return [output.apply_wildcards({"shard": str(shard)}) for shard in shards]


def on_messages(started, nothing_to_do):
    """Call `started` when a run starts, and add the lines of `nothing_to_do` to that message.

    Snakemake calls no handler in a dry run, nor with nothing to do, and this is no matter of
    `--dag`, `--summary` and the like.
    """

    def listen(record):
        if getattr(record, "event", None) == LogEvent.WORKFLOW_STARTED:
            started()
        elif str(record.msg).startswith(NOTHING_TO_BE_DONE_MSG):
            record.msg = "\n".join([record.msg.rstrip("\n"), *nothing_to_do()])
        return True

    logger.addFilter(listen)


def stop(message):
    """End with this message alone. To a WorkflowError Snakemake adds files and lines of its own."""
    raise SystemExit(str(message))


def default_storage():
    """The object storage in which results lie, or None."""
    return workflow.storage_registry.default_storage_provider


def address_in_storage(output):
    """Where an output lies in object storage. Snakemake deletes its copy here after the run."""
    return output.flags["storage_object"].print_query


def prepare_storage():
    """Check that the storage answers, in one line. Otherwise it looks as if results were missing."""
    prefix = workflow.storage_settings.default_storage_prefix
    probe = default_storage().object(f"{prefix}/probe")
    if not probe.is_valid_query():
        return  # Snakemake says so itself.
    try:
        probe.exists()
    except Exception as error:
        stop(
            f"the storage of {probe.print_query} cannot be used: {' '.join(str(error).split())};"
            " check its address and your credentials, and run the same command again"
        )
    if hasattr(probe, "get_subkeys"):
        # The S3 plugin (0.3.6) remembers that a folder was missing, and so misses a folder that a
        # job on another machine makes later.
        type(probe).is_dir = lambda folder: any(folder.get_subkeys())


ON_DISK = on_disk(workflow.current_basedir).parent
