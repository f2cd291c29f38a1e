"""A SLURM cluster of one node: real daemons on loopback, in a temporary folder.

It uses the programs of the system's SLURM and munge, but none of their files. By hand,
`python tests/slurm_cluster.py COMMAND` runs a command with such a cluster, then ends it.
"""

import getpass
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "scancel", "squeue", "scontrol", "setpriv")
SECONDS_TO_START = 30
# No cgroups, which a container may not have: SLURM follows processes by their parents, and assigns
# cores by affinity. It checks memory each second, and kills a job that uses more than it asked for.
# The partition `urgent` preempts others. Jobs that ask for a GPU wait for a node that is down. A
# job that is queued again waits until its credential expires.
CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=15
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SlurmdParameters=config_overrides
PlugStackConfig={folder}/none
MpiDefault=none
ReturnToService=2
ProctrackType=proctrack/linuxproc
TaskPlugin=task/affinity
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
KillWait=5
MinJobAge=600
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={megabytes}
NodeName=absent NodeAddr=127.0.0.1 Port=1 CPUs={cpus} RealMemory={megabytes} Gres=gpu:2 State=DOWN
PartitionName=normal Nodes={host},absent Default=YES MaxTime=1-0 PriorityTier=1
PartitionName=urgent Nodes={host} MaxTime=1-0 PriorityTier=2
"""


def missing() -> list[str]:
    """The programs that are missing."""
    return [name for name in PROGRAMS if shutil.which(name, path=_path()) is None]


class Cluster:
    """A running cluster. `environment`: the variables with which commands reach it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # Snakemake's plugin for job steps drops SLURM_CONF before it calls srun.
        srun = folder / "bin" / "srun"
        srun.parent.mkdir()
        configuration = folder / "slurm.conf"
        command = f'SLURM_CONF={configuration} exec {shutil.which("srun")} "$@"'
        srun.write_text(f"#!/bin/sh\n{command}\n")
        srun.chmod(0o755)
        path = f"{srun.parent}{os.pathsep}{_path()}"
        self.environment = {"SLURM_CONF": str(configuration), "PATH": path}

    def states(self) -> dict[str, str]:
        """Each job's state by the plugin's name for it, such as rule_detect_persons_wildcards_0.

        Of several jobs with one name, the last. SLURM forgets ended jobs after ten minutes.
        """
        lines = self.says("squeue", "--noheader", "--states=all", "--sort=i", "-o", "%k|%T")
        return dict(line.split("|") for line in lines.splitlines())

    def numbers(self, comment: str) -> list[str]:
        """The numbers of all jobs whose name begins with `comment`, in order."""
        lines = self.says("squeue", "--noheader", "--states=all", "--sort=i", "-o", "%k|%i")
        jobs = (line.split("|") for line in lines.splitlines())
        return [number for name, number in jobs if name.startswith(comment)]

    def says(self, *command: str) -> str:
        """Run a command of SLURM and return what it prints."""
        done = subprocess.run(
            command,
            env=os.environ | self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=True,
            timeout=60,
        )
        return done.stdout

    def logs(self) -> str:
        return "\n".join(
            f"== {path.name}\n{path.read_text(errors='replace')[-3000:]}"
            for path in sorted(self.folder.glob("*.log"))
        )


@contextmanager
def cluster(cpus: int = 2, megabytes: int = 16000) -> Iterator[Cluster]:
    """Run a cluster of one node. Its daemons and jobs end with the block.

    cpus, megabytes: what SLURM believes the machine has.
    """
    with ExitStack() as stack:
        # A short path, because the path of a socket may have at most 108 bytes.
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="slurm-")))
        one = Cluster(folder)
        for name in ("state", "spool"):
            (folder / name).mkdir()
        (folder / "munge.key").write_bytes(secrets.token_bytes(128))
        (folder / "munge.key").chmod(0o400)
        controller_port, node_port = _free_ports(2)
        configuration = CONFIGURATION.format(
            host=socket.gethostname().split(".")[0],
            user=getpass.getuser(),
            folder=folder,
            controller_port=controller_port,
            node_port=node_port,
            cpus=cpus,
            megabytes=megabytes,
        )
        (folder / "slurm.conf").write_text(configuration)
        munged = [f"--{kind}-file={folder}/munge.{kind}" for kind in ("key", "log", "pid", "seed")]
        for command in (
            ["munged", "--foreground", "--force", f"--socket={folder}/munge.socket", *munged],
            ["slurmctld", "-D", "-c"],
            ["slurmd", "-D", "-c"],
        ):
            stack.enter_context(_daemon(command, one))
            if command[0] == "munged":
                _until(lambda: (folder / "munge.socket").exists(), one, "munged")
        stack.callback(_end_jobs, one)
        _until(lambda: "idle" in _quietly(one, "sinfo", "-h", "-o", "%T"), one, "the node")
        yield one


@contextmanager
def _daemon(command: list[str], one: Cluster) -> Iterator[None]:
    process = subprocess.Popen(
        # The kernel ends it when this process ends.
        ["setpriv", "--pdeathsig", "TERM", *command],
        env=os.environ | one.environment,
        stdin=subprocess.DEVNULL,
        stdout=(one.folder / f"{command[0]}.out.log").open("w"),
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _end_jobs(one: Cluster) -> None:
    _quietly(one, "scancel", "--user", getpass.getuser())
    with suppress(AssertionError):
        _until(lambda: not _quietly(one, "squeue", "-h"), one, "jobs")


def _quietly(one: Cluster, *command: str) -> str:
    try:
        return one.says(*command)
    except subprocess.SubprocessError:
        return ""


def _until(true, one: Cluster, what: str) -> None:
    end = time.monotonic() + SECONDS_TO_START
    while not true():
        assert time.monotonic() < end, f"{what} of the cluster did not come up\n{one.logs()}"
        time.sleep(0.2)


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def _path() -> str:
    # Debian's daemons are in a folder that is only on root's path.
    return f"{os.environ['PATH']}{os.pathsep}/usr/sbin"


if __name__ == "__main__":
    with cluster() as running:
        sys.exit(subprocess.run(sys.argv[1:], env=os.environ | running.environment).returncode)
