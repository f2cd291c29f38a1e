"""Feeds thousands of broken files to each parser of files from outside.

    python tests/fuzz.py                         # every parser for a minute
    python tests/fuzz.py --seconds 600 pictures  # one parser for ten minutes
    python tests/fuzz.py --inputs 100 --seed 7   # the same inputs each time

It makes good files, cuts and splices them, flips bits, and inserts numbers and words on which
parsers often fail. A parser must read each file or refuse it with its own error, within SECONDS of
processor time and MEGABYTES of memory; the parsers run in a child process. Inputs that break this
are kept in the folder of --findings, and the exit status is 1.
"""

import argparse
import hashlib
import io
import logging
import os
import random
import re
import resource
import signal
import struct
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
import zipfile
from contextlib import suppress
from pathlib import Path

import torch

from fuzz_parsers import PARSERS

SECONDS = 5
# Address space that a parser may take beyond that of the process after its imports.
MEGABYTES = 3000

# Written over or into a file: the limits of number types, and text with a meaning in JSON, YAML,
# pickle, zip and markup.
EDGES = (0, 1, 2**31 - 1, 2**31, 2**32 - 1)
WORDS = (
    *(n.to_bytes(4, "little") for n in EDGES),
    *(n.to_bytes(4, "big") for n in EDGES),
    *(n.to_bytes(8, "little") for n in (*EDGES, 2**63 - 1, 2**63, 2**64 - 1)),
    *rb'-1 1e999 NaN 1.0 9223372036854775808 null true {} [] "" "\ud800" "\u0000" ../'.split(),
    *(b"cos\nsystem\n", b"R.", b"(", b"PK\x01\x02", b"\xff\xd8", b"\x00", b"\n", b"\t", b"\x1b[2J"),
    *(b": ", b"- ", b"&a ", b"*a", b"!!python/object:os.system ", b"\xef\xbb\xbf", b"\xff\xfe"),
    *(b"[" * 2000, b'{"a":' * 1200, b"9" * 400),
)
TOKEN = re.compile(rb'"[^"]*"|[\w.+-]+')


def broken(good: list[bytes], rng: random.Random) -> bytes:
    """Change a good file: its bytes, or only the content within a whole archive or header."""
    data = rng.choice(good)
    if rng.random() < 0.5:
        if data[:2] == b"PK":
            return repacked(data, rng)
        if data[8:9] == b"{":
            header = changed([data[8:]], rng)
            return struct.pack("<Q", header.rfind(b"}}") + 2) + header
    return changed(good, rng)


def repacked(archive: bytes, rng: random.Random) -> bytes:
    """Change one member of a zip archive."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(out, "w") as new:
        names = old.namelist()
        chosen = rng.choice(names)
        for name in names:
            data = old.read(name)
            new.writestr(name, changed([data], rng) if name == chosen else data)
    return out.getvalue()


def changed(good: list[bytes], rng: random.Random) -> bytes:
    """Return one of some byte strings after a few changes."""
    data = bytearray(rng.choice(good))
    for _ in range(rng.choice((1, 1, 1, 1, 2, 8))):
        here = rng.randrange(len(data) + 1)
        # Headers, which are at the beginning, decide most.
        here = min(here, rng.randrange(64)) if rng.random() < 0.3 else here
        match rng.randrange(8):
            case 0:
                del data[here:]
            case 1:
                del data[here : here + rng.randrange(1, 40)]
            case 2:
                data[here:here] = data[rng.randrange(len(data) + 1) :][: rng.randrange(1, 200)]
            case 3:
                other = rng.choice(good)
                data[here:] = other[rng.randrange(len(other)) :]
            case 4:
                word = rng.choice(WORDS)
                data[here : here + len(word) * rng.randrange(2)] = word
            case 5:
                if token := TOKEN.search(data, here):
                    data[token.start() : token.end()] = rng.choice(WORDS)
            case _:
                for _ in range(rng.choice((1, 1, 4, 30))):
                    if data:
                        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(data)


def try_all(names: list[str], arguments: argparse.Namespace, work: Path) -> bool:
    """Feed the parsers, in this process; return whether there was no finding.

    work/parser and work/input hold what is tried, also after a crash of the process.
    """
    sound = True
    for name in names:
        parser = PARSERS[name]
        good = parser.good()
        read = 0
        for data in good:
            (work / "input").write_bytes(data)
            with suppress(parser.refusal):
                parser.parse(work / "input")
                read += 1
        assert read >= len(good) / 2, f"{name}: only {read} of {len(good)} good files are read"
        rng = random.Random(f"{arguments.seed} {name}")
        tried = refused = 0
        slowest = 0.0
        seen: set[str] = set()
        end = time.monotonic() + (arguments.seconds or float("inf"))
        while tried != arguments.inputs and time.monotonic() < end:
            tried += 1
            data = broken(good, rng)
            (work / "parser").write_text(name)
            (work / "input").write_bytes(data)
            signal.setitimer(signal.ITIMER_PROF, SECONDS)
            start = time.process_time()
            try:
                parser.parse(work / "input")
            except parser.refusal as error:
                refused += 1
                several = "\n" in str(error) and name != "configuration"
                problem = f"several lines: {error}" if several else ""
            except BaseException as error:
                problem = "".join(traceback.format_exception(error))
            else:
                problem = ""
            signal.setitimer(signal.ITIMER_PROF, 0)
            slowest = max(slowest, time.process_time() - start)
            where = "\n".join(problem.splitlines()[-4:])
            if problem and where not in seen:
                seen.add(where)
                sound = False
                print(f"{name}: {keep(data, name, arguments)}\n{problem}", flush=True)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print(
            f"{name}: {tried:,} inputs, {refused:,} refused, {len(seen)} findings,"
            f" slowest {slowest:.2f} s, at most {peak:,} MB",
            flush=True,
        )
    return sound


def keep(data: bytes, name: str, arguments: argparse.Namespace) -> Path:
    arguments.findings.mkdir(parents=True, exist_ok=True)
    path = arguments.findings / f"{name}-{hashlib.sha256(data).hexdigest()[:12]}"
    path.write_bytes(data)
    return path


def child(names: list[str], arguments: argparse.Namespace, work: Path) -> int:
    warnings.simplefilter("ignore")
    logging.disable()
    torch.set_num_threads(1)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    limit = used + MEGABYTES * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    return 0 if try_all(names, arguments, work) else 1


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("parsers", nargs="*", help=f"some of {', '.join(PARSERS)}; all by default")
    parser.add_argument("--seconds", type=float, help="for each parser; 60 by default")
    parser.add_argument("--inputs", type=int, help="for each parser, instead of a time")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--findings", type=Path, default=Path("results/fuzz"))
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.seconds is None and arguments.inputs is None:
        arguments.seconds = 60.0
    names = arguments.parsers or list(PARSERS)
    if arguments.child:
        return child(names, arguments, arguments.child)
    print(f"seed {arguments.seed}", flush=True)
    with tempfile.TemporaryDirectory() as work:
        command = [sys.executable, __file__, *sys.argv[1:], "--child", work]
        status = subprocess.run([*command, "--seed", str(arguments.seed)]).returncode
        if status < 0 or status > 1:
            # A signal of the timer or of a crash ended the process.
            name = (Path(work) / "parser").read_text()
            kept = keep((Path(work) / "input").read_bytes(), name, arguments)
            ended = signal.Signals(-status).name if status < 0 else f"with status {status}"
            print(f"{name}: {kept} ended the process: {ended}", flush=True)
        return min(abs(status), 1)


if __name__ == "__main__":
    sys.exit(main())
