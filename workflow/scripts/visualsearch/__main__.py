"""The command `visualsearch`: searches a finished run, and prints the keys of the configuration.

The workflow itself is run by `snakemake`.
"""

import argparse
import json
import textwrap

from visualsearch import __version__
from visualsearch.query.arguments import declare
from visualsearch.settings.configuration import configuration_schema
from visualsearch.settings.wording import allowed, keys_below


def main(arguments: list[str] | None = None) -> None:
    """Run the command with these arguments, or with those of the process."""
    sections = configuration_schema()["properties"]
    parser = argparse.ArgumentParser(
        "visualsearch", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    settings = commands.add_parser("settings", help="print all keys of the configuration")
    settings.add_argument("section", nargs="?", choices=sections, help="print only these keys")
    settings.set_defaults(run=print_settings)
    query = commands.add_parser("query", help="search a finished run for a picture of your own")
    declare(query)
    query.set_defaults(run=search)
    options = parser.parse_args(arguments)
    options.run(options)


def search(options: argparse.Namespace) -> None:
    """Run the command `query`, which imports much that no other needs."""
    from visualsearch.query import command

    command.run(options)


def print_settings(options: argparse.Namespace) -> None:
    """Print the keys of the section `options.section`, or of all, with what they allow and mean."""
    sections = configuration_schema()["properties"]
    lines: list[str] = []
    for name in [options.section] if options.section else sections:
        for key, value in keys_below(name, sections[name]):
            meaning = f"{allowed(value)}; default {json.dumps(value['default'])}. "
            meaning += value["description"]
            text = textwrap.fill(meaning, 96, break_on_hyphens=False)
            lines += [key, textwrap.indent(text, "    ")]
    print("\n".join(lines))


if __name__ == "__main__":
    main()
