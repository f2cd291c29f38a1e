# Gives: ON_DISK, the folder `workflow` as files. Of a workflow in a git repository, as with
# `snakefile: github(...)`, Snakemake fetches what rules name, file by file: no script would find
# the library.
import os
import tarfile
import tempfile
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.sourcecache import HostingProviderFile, LocalGitFile, LocalSourceFile


def repository_of(folder):
    """The git repository that Snakemake read this workflow from."""
    from git import Repo

    if isinstance(folder, HostingProviderFile):
        return folder.hosted_repo.repo
    if isinstance(folder, LocalGitFile):
        return Repo(folder.repo_path)
    raise WorkflowError(
        f"{folder} is a single file, and this workflow needs all of its own; name its repository,"
        " with github(...) or gitlab(...), or a clone of it"
    )


def on_disk(folder):
    """The folder itself where it is one, or a copy in Snakemake's cache, one for each commit."""
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


ON_DISK = on_disk(workflow.current_basedir).parent
