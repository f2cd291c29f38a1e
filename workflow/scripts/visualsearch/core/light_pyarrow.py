"""Keeps pyarrow from importing pandas, which is a third of a short job's time."""

import sys
from importlib.abc import MetaPathFinder


class _NoPandas(MetaPathFinder):
    def find_spec(self, name: str, *_: object) -> None:
        if name == "pandas":
            raise ModuleNotFoundError(name)


def spare_pandas() -> None:
    """Let pyarrow find that there is no pandas, unless this process has imported it already.

    pyarrow imports pandas when it is first given a list, to know whether that is something of
    pandas. It asks once, so from then on pandas may be imported, and to_pandas of a table works.
    Only objects of pandas are not known to pyarrow's constructors: this is for jobs and commands,
    which make none.
    """
    pyarrow = sys.modules.get("pyarrow")
    if pyarrow is None or "pandas" in sys.modules:
        return
    finder = _NoPandas()
    sys.meta_path.insert(0, finder)
    try:
        pyarrow.array([0])
    finally:
        sys.meta_path.remove(finder)
