"""Reverse visual search over detected objects: the library behind the workflow's rules.

Nothing here imports Snakemake. Modules that need torch say so in their docstring,
so that the stages without it start in a fraction of a second.
"""

__version__ = "1.0.0"
