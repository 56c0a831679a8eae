"""The package as a whole: what it exports, what an import does."""

from __future__ import annotations

import ast
import importlib
import inspect
import os
import pkgutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
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


@pytest.mark.slow
@pytest.mark.usefixtures("without_docservice")
@pytest.mark.parametrize("names", [MODULES, MODULES[::-1]], ids=["forwards", "backwards"])
def test_modules_import_in_any_order(names: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Modules can be imported first to last and last to first, and importing them reads no setting."""
    monkeypatch.delenv("DOCSERVICE_ENGINE")  # of the tests; a library that copies the environment would touch it
    watched = WatchedEnvironment(os.environ)

    with monkeypatch.context() as patched:
        patched.setattr(os, "environ", watched)
        modules = [importlib.import_module(name) for name in names]

    assert all(isinstance(module, ModuleType) for module in modules)
    assert not [asked for asked in watched.asked if asked.startswith("DOCSERVICE")]


def test_exports() -> None:
    """`__all__` is sorted and names what the package gives; each name is imported when it is used, from one place."""
    tree = ast.parse(inspect.getsource(docservice))
    typed = {
        alias.name: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("docservice.")
        for alias in node.names
    }
    lazy = {name: module for module, names in docservice._HOMES.items() for name in names}

    assert lazy == typed
    assert docservice.__all__ == sorted({*lazy, "__version__"})
    assert all(getattr(docservice, name) is not None for name in docservice.__all__)
    assert set(docservice.__all__) <= set(dir(docservice))
    with pytest.raises(AttributeError, match="Nothing"):
        docservice.Nothing  # noqa: B018


def test_importing_the_package_is_cheap() -> None:
    """The package, and what pytest loads of it in runs of hosts, import no driver and no models before use."""
    code = (
        "import sys, docservice, docservice.testing; print(sorted({'pymongo', 'pydantic', 'jwt'} & set(sys.modules)))"
    )

    printed = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout

    assert printed == "[]\n"


@pytest.mark.parametrize("name", MODULES)
def test_module_says_what_it_is(name: str) -> None:
    """Each module begins with a docstring."""
    assert (importlib.import_module(name).__doc__ or "").strip()


def test_no_public_class_name_is_used_twice() -> None:
    """No two modules of the package define a public class of the same name."""
    package = Path(docservice.__file__).parent
    places: dict[str, list[str]] = {}
    for path in sorted(package.rglob("*.py")):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places.setdefault(node.name, []).append(str(path.relative_to(package)))

    assert {name: modules for name, modules in places.items() if len(modules) > 1} == {}
