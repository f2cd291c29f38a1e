#!/bin/sh
# Prints the Python to install with: the one of the environment $1, if that is there, else the newest
# of those that the lock is tested with. Of these, one that has venv and Python.h goes first.
complete='
import os, sysconfig
from ensurepip import version
os.stat(os.path.join(sysconfig.get_path("include"), "Python.h"))'
newest=
for python in "$1/bin/python" python3.14 python3.13 python3.12 python3.11; do
    # What a version manager or a removed Python leaves behind does not run.
    "$python" -c '' 2> /dev/null || continue
    newest=${newest:-$python}
    if [ "$python" = "$1/bin/python" ] || "$python" -c "$complete" 2> /dev/null; then
        echo "$python"
        exit
    fi
done
# The Makefile says what is wrong with it.
echo "${newest:-python3}"
