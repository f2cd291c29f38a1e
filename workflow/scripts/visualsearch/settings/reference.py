"""Writes what `make docs` generates from the settings: JSON schema and config/README.md."""

import json
from pathlib import Path
from typing import Any

import yaml

from visualsearch.settings.configuration import configuration_schema
from visualsearch.settings.wording import allowed, keys_below


def as_markdown() -> str:
    """Return config/README.md: a table of the keys of each section."""
    schema = configuration_schema()
    lines = [
        "# Configuration",
        "",
        "`config.yaml` always applies. `--configfile mine.yaml` overrides its keys one by one, and",
        "`--configfile a.yaml b.yaml` those of `a.yaml` by those of `b.yaml`. `--config shards=4`",
        "overrides single keys. Keys that no file sets have the defaults below. The configuration",
        "is checked before anything runs.",
        "",
        "In paths, `~` and variables such as `$HOME` are expanded.",
        "",
        "`make docs` generates this page from `workflow/scripts/visualsearch/settings`.",
    ]
    for name, section in schema["properties"].items():
        lines += ["", f"## {name}"]
        if section["type"] == "object":
            lines += ["", section["description"]]
        rows = [_row(*key) for key in keys_below(name, section)]
        lines += ["", "| key | allowed | default | meaning |", "|---|---|---|---|", *rows]
    return "\n".join(lines) + "\n"


def _row(path: str, part: dict[str, Any]) -> str:
    default = json.dumps(part["default"])
    what = allowed(part)
    if len(part.get("enum", ())) > 20:
        what = f"one of {len(part['enum'])} names, {part['enum'][0]} to {part['enum'][-1]}"
    cells = (f"`{path}`", what, f"`{default}`", part["description"])
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def as_yaml() -> str:
    """Return workflow/schemas/config.schema.yaml, for editors and other programs."""
    text = yaml.safe_dump(configuration_schema(), sort_keys=False, allow_unicode=True, width=100)
    return f"# Made from workflow/scripts/visualsearch/settings by `make docs`.\n{text}"


if __name__ == "__main__":
    Path("config/README.md").write_text(as_markdown(), encoding="utf-8")
    Path("workflow/schemas/config.schema.yaml").write_text(as_yaml(), encoding="utf-8")
