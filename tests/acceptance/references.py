"""The tables of the manual that follow from the code. `python -m tests.acceptance.references` writes them again."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Sequence
from io import StringIO

from rich.console import Console

from docservice.cli.examples import EXAMPLES, examples_text
from docservice.cli.main import app
from docservice.domain.reports.definitions import REPORTS, ReportName
from docservice.errors import DocServiceError
from docservice.rest.problems import INTERNAL_ERROR, status_of
from docservice.settings import settings_table
from docservice.store.indexes.files import contents

from .manual import MANUAL, PAGES, section

COMMANDS = {
    "serve": ("serve",),
    "token": ("token",),
    "status": ("status",),
    "directory import": ("directory", "import"),
    "directory remove": ("directory", "remove"),
    "directory replace": ("directory", "replace"),
    "people list": ("people", "list"),
    "people find": ("people", "find"),
    "people show": ("people", "show"),
    "classes list": ("classes", "list"),
    "classes show": ("classes", "show"),
    "import kolibri": ("import", "kolibri"),
    "import ndjson": ("import", "ndjson"),
    "generate": ("generate",),
    "consolidate": ("consolidate", "progress"),
    "erase": ("erase",),
    "erase verify": ("erase", "verify"),
    "report": ("report",),
    "export csv": ("export", "csv"),
    "export parquet": ("export", "parquet"),
    "export ndjson": ("export", "ndjson"),
    "verify": ("verify",),
    "indexes": ("indexes", "apply"),
    "engine uri": ("engine", "uri"),
    "engine status": ("engine", "status"),
    "engine install": ("engine", "install"),
    "engine reset-password": ("engine", "reset-password"),
    "shell": ("shell",),
    "settings": ("settings",),
    "completion": ("completion",),
}
"""For each section of the page of commands, the command whose options it lists."""
MORE_COMMANDS = {"indexes": (("indexes", "script"),)}
"""Other commands whose options the section lists, too."""
COMMON_OPTIONS = ("--mongodb-uri", "--database", "--data-dir")
_WIDE = 400
"""Columns of a terminal on which no line of a help text is broken."""


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def options_of(*command: str) -> dict[str, str]:
    """Return the arguments and options of a command with their meaning, as its help shows them."""
    helped = StringIO()
    app.help_print(command, console=Console(file=helped, width=_WIDE))
    rows = re.findall(r"^│ (?:\*|) *(\S.*?) *(?:  +(.*?))? *│$", helped.getvalue(), re.MULTILINE)
    return {name.strip(): meaning.removesuffix("[default: False]").strip() for name, meaning in rows}


def command_tables() -> dict[tuple[str, str], str]:
    """Return the tables of options, by page and heading."""
    tables = {}
    common: dict[str, str] = {}
    for name, command in COMMANDS.items():
        options: dict[str, str] = {}
        for each in (command, *MORE_COMMANDS.get(name, ())):
            options |= options_of(*each)
        own = {option: meaning for option, meaning in options.items() if option.split()[0] not in COMMON_OPTIONS}
        common |= {option: meaning for option, meaning in options.items() if option not in own}
        if own:
            tables["commands", f"## docservice {name}"] = _option_table(own)
    tables["commands", "## Options of every command"] = _option_table(common)
    return tables


def examples_of(name: str) -> str:
    """Return the examples of a command, or of all commands of a group, as a block of the manual."""
    lines = [examples_text(command) for command in EXAMPLES if f"{' '.join(command)} ".startswith(f"{name} ")]
    return "Examples:\n\n```sh\n" + "\n".join(lines) + "\n```\n"


def with_examples(text: str, name: str) -> str:
    """Return the page of commands with the examples of one below its options."""
    heading = f"## docservice {name}"
    below = section(text, heading)
    own, _, _ = below.partition("Examples:\n")
    return text.replace(f"{heading}\n{below}", f"{heading}\n{own.rstrip()}\n\n{examples_of(name)}\n")


def _option_table(options: dict[str, str]) -> str:
    return table(("option", "meaning"), ((f"`{option}`", meaning) for option, meaning in options.items()))


def index_tables() -> dict[tuple[str, str], str]:
    """Return the tables of indexes and views, by page and heading."""
    files = list(contents())
    indexes = [
        (
            f"`{file['collection']}` `{index['name']}`",
            ", ".join(f"`{key}`" + (" descending" if order == -1 else "") for key, order in index["keys"]),
            index["serves"]
            + "".join(f"; only where `{trait}` is {value}" for trait, value in index.get("only_where", {}).items()),
        )
        for file in files
        for index in file.get("indexes", ())
    ]
    views = [(f"`{file['view']}`", file["about"]) for file in files if "view" in file]
    return {
        ("indexes", "## Indexes"): table(("collection and index", "keys", "serves"), indexes),
        ("indexes", "## Views"): table(("view", "one row is"), views),
    }


def error_classes(kind: type[DocServiceError] = DocServiceError) -> list[type[DocServiceError]]:
    """Return a class of errors and all below it, as the tree in `docservice.errors` draws them."""
    return [kind, *(found for child in kind.__subclasses__() for found in error_classes(child))]


def error_tables() -> dict[tuple[str, str], str]:
    """Return the table of error codes, by page and heading."""
    rows = []
    for kind in error_classes():
        status = status_of(kind)
        meaning = (inspect.getdoc(kind) or "").partition("\n")[0]
        rows.append(
            (f"`{kind.code}`", "" if status == INTERNAL_ERROR else str(status), "yes" * kind.retryable, meaning)
        )
    return {("errors", "## Codes"): table(("code", "status", "retry", "meaning"), rows)}


def report_tables() -> dict[tuple[str, str], str]:
    """Return the tables of columns of the reports, by page and heading."""
    return {
        ("reports", f"### {name}"): table(
            ("column", "title", "holds"),
            ((f"`{column.name}`", column.title, column.unit) for column in report.columns),
        )
        for name, report in REPORTS.items()
    }


def about_report(name: ReportName) -> str:
    """Return what the page says of a report above its columns."""
    report = REPORTS[name]
    filters = ", ".join(f"`{each}`" for each in report.filters)
    needed = f" It needs {' and '.join(f'`{each}`' for each in report.required)}." if report.required else ""
    needed += f" It needs one of {', '.join(f'`{each}`' for each in report.one_of)}." if report.one_of else ""
    return f"{report.about}\n\nSource: {report.source}\n\nFilters: {filters}.{needed}\n"


def with_about(text: str, name: ReportName) -> str:
    """Return the page of reports with what it says of one report."""
    heading = f"### {name}"
    below = section(text, heading)
    columns = below[below.index("| column |") :]
    return text.replace(f"{heading}\n{below}", f"{heading}\n\n{about_report(name)}\n{columns}")


def setting_tables() -> dict[tuple[str, str], str]:
    """Return the table of settings, by page and heading."""
    return {("settings", "# Settings"): settings_table()}


def with_table(text: str, heading: str, new: str) -> str:
    """Return a page with a table in the place of the first one below a heading."""
    below = section(text, heading)
    changed = re.sub(r"^\|.*?(?=^[^|]|\Z)", lambda _: f"{new}\n", below, count=1, flags=re.MULTILINE | re.DOTALL)
    return text.replace(f"{heading}\n{below}", f"{heading}\n{changed}")


def main() -> None:
    """Write all tables into the pages."""
    tables = setting_tables() | index_tables() | error_tables() | command_tables() | report_tables()
    pages = dict(PAGES)
    for (page, heading), new in tables.items():
        pages[page] = with_table(pages[page], heading, new)
    for name in COMMANDS:
        pages["commands"] = with_examples(pages["commands"], name)
    for report in REPORTS:
        pages["reports"] = with_about(pages["reports"], report)
    for page in {page for page, _ in tables}:
        (MANUAL / f"{page}.md").write_text(pages[page], encoding="utf-8")


if __name__ == "__main__":
    main()
