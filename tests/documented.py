"""Code as it stands in the documentation, run."""

import re
from pathlib import Path
from typing import Any

BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def code_of(page: Path, blocks: int, **given: Any) -> dict[str, Any]:
    """Run a page's Python blocks up to number `blocks`, counted from 0; what they have defined.

    given: values that take the place of those that the code assigns by `name = value`, each alone
    on its line.
    """
    found = BLOCK.findall(page.read_text(encoding="utf-8"))
    assert len(found) > blocks, f"{page} has {len(found)} blocks of Python"
    defined: dict[str, Any] = {}
    for number, code in enumerate(found[: blocks + 1]):
        for name, value in given.items() if number == 0 else ():
            code, replaced = re.subn(rf"^{name} = .*$", f"{name} = {value!r}", code, flags=re.M)
            assert replaced == 1, f"{page} assigns {name} {replaced} times"
        exec(compile(code, f"{page}, block {number + 1}", "exec"), defined)
    return defined
