"""The table of layers: each module here has CASES, a list of Case; CASES here holds them all."""

from __future__ import annotations

import importlib
import pkgutil

from support.layer_harness import Case


def all_cases() -> list[Case]:
    modules = [m.name for m in pkgutil.iter_modules(__path__)]
    return [case for name in modules for case in importlib.import_module(f"{__name__}.{name}").CASES]


CASES = all_cases()
