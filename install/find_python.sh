#!/bin/sh
# Prints the Python to install with: the one of the environment $1, if that is there, else the newest
# of those that the lock is tested with. Of these, one that has venv and Python.h goes first.
"$1/bin/python" -c '' 2> /dev/null && exec echo "$1/bin/python"
complete='
import ensurepip, os, sysconfig
os.stat(os.path.join(sysconfig.get_path("include"), "Python.h"))'
found=
for python in python3.14 python3.13 python3.12 python3.11; do
    # One that is only a name, as a version manager leaves them, does not run.
    "$python" -c '' 2> /dev/null || continue
    "$python" -c "$complete" 2> /dev/null && exec echo "$python"
    found=${found:-$python}
done
# Whatever python3 is: check_machine.py says what is wrong with it.
echo "${found:-python3}"
