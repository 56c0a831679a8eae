"""The examples in the help of the commands."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from io import StringIO

import pytest
from cyclopts import App
from rich.console import Console

from docservice.cli.examples import EXAMPLES
from docservice.cli.main import app

LINES = [(command, example.line) for command, examples in EXAMPLES.items() for example in examples]


def commands_of(part: App, names: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Give all commands of an app that do something."""
    inner = [name for name in part if not name.startswith("-")]
    if names and (not inner or part.default_command is not None):
        yield names
    for name in inner:
        yield from commands_of(part[name], (*names, name))


def arguments_in(line: str) -> list[str]:
    """Return what a shell gives to `docservice` in a line: alone, in a pipe, or in `$( )`."""
    inner = re.search(r"\$\((docservice [^)]*)\)", line)
    words = shlex.shlex(inner[1] if inner else line, posix=True, punctuation_chars="|")
    words.whitespace_split = True
    parts: list[list[str]] = [[]]
    for word in words:
        if word == "|":
            parts.append([])
        else:
            parts[-1].append(word)
    [arguments] = [part[1:] for part in parts if part[0] == "docservice"]
    return arguments


def test_each_command_has_examples() -> None:
    """All commands have some, and nothing else has."""
    assert set(commands_of(app)) == set(EXAMPLES)


@pytest.mark.parametrize(("command", "line"), LINES, ids=[line for _, line in LINES])
def test_the_command_line_takes_each_example(command: tuple[str, ...], line: str) -> None:
    """An example is one of its command, and all its options and values are taken."""
    arguments = arguments_in(line)

    called, bound, ignored = app.parse_args(arguments, print_error=False, exit_on_error=False)

    expected, _, _ = app.parse_commands(list(command))
    assert tuple(arguments[: len(expected)]) == command
    assert callable(called)
    assert ignored == {}
    assert bound.signature.parameters.keys() >= bound.arguments.keys()


def test_an_example_that_is_wrong_is_noticed() -> None:
    """The test above fails for an option that does not exist."""
    with pytest.raises(Exception, match="--sed"):
        app.parse_args(arguments_in("docservice generate --sed 2"), print_error=False, exit_on_error=False)


@pytest.mark.parametrize("command", EXAMPLES, ids=" ".join)
def test_the_help_shows_the_examples(command: tuple[str, ...]) -> None:
    """Below the options, each with what it does."""
    shown = StringIO()

    app.help_print(command, console=Console(file=shown, width=200))

    _, _, below = shown.getvalue().partition("Examples:")
    for example in EXAMPLES[command]:
        assert f"# {example.about}" in below
        assert example.line in below
