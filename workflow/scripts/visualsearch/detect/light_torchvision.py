"""Imports torchvision in half the time. Needs torch and torchvision."""

import importlib
import sys
from types import ModuleType
from typing import Any

# torchvision.ops.roi_align takes a function from the latter, for those who compile networks.
COMPILER = ("torch._dynamo", "torch._dynamo.utils")


def import_torchvision() -> None:
    """Import torchvision without torch's compiler, which takes 1.1 s and 150 MB.

    What torchvision takes from the compiler is fetched when it is called. A torchvision that needs
    more of it is imported as it is.
    """
    if "torchvision" in sys.modules or COMPILER[0] in sys.modules:
        return
    sys.modules |= {name: _StandIn(name) for name in COMPILER}
    try:
        importlib.import_module("torchvision")
    except Exception:
        for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
            del sys.modules[name]
    finally:
        for name in COMPILER:
            del sys.modules[name]


class _StandIn(ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)

        def fetched(*args: Any, **kwargs: Any) -> Any:
            return getattr(importlib.import_module(self.__name__), name)(*args, **kwargs)

        return fetched
