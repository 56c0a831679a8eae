"""The package as a whole: what it exports, what an import does."""

from __future__ import annotations

import importlib
import os
import pkgutil
import sys
from collections.abc import Iterator, Mapping
from types import ModuleType

import pytest

import docservice

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(docservice.__path__, "docservice.")
    if not module.name.endswith("__main__")
)


class WatchedEnvironment(Mapping[str, str]):
    """An environment that notes what is asked of it."""

    def __init__(self, real: Mapping[str, str]) -> None:
        self.asked: list[str] = []
        self._real = real

    def __getitem__(self, name: str) -> str:
        self.asked.append(name)
        return self._real[name]

    def __iter__(self) -> Iterator[str]:
        self.asked.append("*")
        return iter(self._real)

    def __len__(self) -> int:
        return len(self._real)


@pytest.fixture
def without_docservice() -> Iterator[None]:
    """docservice not imported yet; afterwards the modules that the other tests hold are back."""
    held = {name: module for name, module in sys.modules.items() if name.split(".")[0] == "docservice"}
    for name in held:
        del sys.modules[name]
    yield
    for name in [name for name in sys.modules if name.split(".")[0] == "docservice"]:
        del sys.modules[name]
    sys.modules.update(held)


@pytest.mark.usefixtures("without_docservice")
@pytest.mark.parametrize("names", [MODULES, MODULES[::-1]], ids=["forwards", "backwards"])
def test_modules_import_in_any_order(names: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Modules can be imported first to last and last to first, and importing them reads no setting."""
    watched = WatchedEnvironment(os.environ)

    with monkeypatch.context() as patched:
        patched.setattr(os, "environ", watched)
        modules = [importlib.import_module(name) for name in names]

    assert all(isinstance(module, ModuleType) for module in modules)
    assert not [asked for asked in watched.asked if asked.startswith("DOCSERVICE")]


def test_exports() -> None:
    """`__all__` is sorted and names exactly what the package defines for others."""
    public = {
        name
        for name, value in vars(docservice).items()
        if not name.startswith("_") and not isinstance(value, ModuleType)
    }

    assert set(docservice.__all__) == public | {"__version__"}
    assert docservice.__all__ == sorted(docservice.__all__)


@pytest.mark.parametrize("name", MODULES)
def test_module_says_what_it_is(name: str) -> None:
    """Each module begins with a docstring."""
    assert (importlib.import_module(name).__doc__ or "").strip()
