"""Examples of each command: its help shows them, the manual has them, a test reads each as the command line does."""

from __future__ import annotations

from typing import NamedTuple

from cyclopts import App


class Example(NamedTuple):
    """A line for the shell.

    Attributes:
        about: what it does.
        line: as a person types it; it may end in a pipe or a file.
    """

    about: str
    line: str


EXAMPLES: dict[tuple[str, ...], tuple[Example, ...]] = {
    ("serve",): (
        Example("try it with an invented class", "docservice serve --demo"),
        Example(
            "in production, with a MongoDB replica set",
            "docservice serve --host 0.0.0.0 --workers 4 --log-format json "
            "--mongodb-uri 'mongodb://db.example/?replicaSet=rs0'",
        ),
    ),
    ("token",): (
        Example("for a learner, by username", "docservice token anna"),
        Example("where two facilities have the username", "docservice token 'Lakeside School/anna' --ttl-seconds 3600"),
        Example("for a program that writes the directory", "docservice token --service"),
        Example("a link that signs a learner in once", "docservice token anna --link --base-url https://logs.example"),
    ),
    ("status",): (
        Example("how is the service in this folder?", "docservice status --data-dir docservice-data"),
        Example("for a program that watches it", "docservice status --json"),
    ),
    ("directory", "import"): (
        Example("from a file", "docservice directory import school.json"),
        Example("from a program", "my-school-export | docservice directory import -"),
    ),
    ("directory", "remove"): (
        Example("a person who left, by username", "docservice directory remove users 'Lakeside School/anna'"),
        Example("a class, without a question", "docservice directory remove classrooms 'Class A' --yes"),
    ),
    ("directory", "replace"): (
        Example("make a school what the file says", "docservice directory replace school.json"),
        Example(
            "from a program, of one of several schools",
            "my-school-export | docservice directory replace - --facility 'Lakeside School'",
        ),
    ),
    ("people", "list"): (
        Example("everybody in a class", "docservice people list --class 'Class A'"),
        Example("the coaches of a school, for a program", "docservice people list --role coach --json"),
    ),
    ("people", "find"): (Example("by a part of the name", "docservice people find achieng"),),
    ("people", "show"): (Example("one person, by username", "docservice people show anna"),),
    ("classes", "list"): (Example("the classes of a school", "docservice classes list --facility 'Lakeside School'"),),
    ("classes", "show"): (Example("who is in a class", "docservice classes show 'Class A'"),),
    ("import", "kolibri"): (
        Example("a home folder, while Kolibri runs", "docservice import kolibri ~/.kolibri"),
        Example("with passwords, to sign in here with them", "docservice import kolibri ~/.kolibri --with-passwords"),
        Example("a database that was sent here", "docservice import kolibri school.sqlite3.gz --consolidate"),
    ),
    ("import", "ndjson"): (
        Example("put a backup back", "docservice import ndjson backup.ndjson.gz"),
        Example("and let it win over what is here", "docservice import ndjson backup.ndjson.gz --replace"),
    ),
    ("generate",): (
        Example("a school of 30 learners, without a question", "docservice generate --learners 30 --weeks 4 --yes"),
        Example("another one, up to a day", "docservice generate --seed 2 --until 2024-10-31"),
    ),
    ("consolidate", "quiz-attempts"): (
        Example("count what would be done", "docservice consolidate quiz-attempts --dry-run"),
        Example("do it", "docservice consolidate quiz-attempts"),
    ),
    ("consolidate", "progress"): (
        Example("count what would be done", "docservice consolidate progress --dry-run"),
        Example("do it", "docservice consolidate progress"),
    ),
    ("consolidate", "mastery-times"): (
        Example("count what would be done", "docservice consolidate mastery-times --dry-run"),
        Example("do it", "docservice consolidate mastery-times"),
    ),
    ("erase",): (
        Example("what would be removed?", "docservice erase anna --dry-run"),
        Example(
            "remove it, and keep the receipt", "docservice erase anna --reason 'Letter of 3 May' --output anna.json"
        ),
    ),
    ("erase", "verify"): (Example("is the receipt genuine?", "docservice erase verify anna.json"),),
    ("export", "csv"): (
        Example(
            "two months of a facility",
            "docservice export csv summary --facility 'Lakeside School' "
            "--start 2024-09-01 --end 2024-10-31 --output summary.csv",
        ),
        Example(
            "for a study, without names and answers",
            "docservice export csv attempt --facility 'Lakeside School' --output attempts.csv --pseudonymise study.key",
        ),
        Example("into a pipe", "docservice export csv attempt --facility 'Lakeside School' --output - | head"),
    ),
    ("export", "parquet"): (
        Example(
            "all attempts, for pandas or DuckDB",
            "docservice export parquet attempt --facility 'Lakeside School' --output attempts.parquet",
        ),
    ),
    ("export", "ndjson"): (
        Example("a backup", "docservice export ndjson --output backup.ndjson.gz"),
        Example("to another machine", "docservice export ndjson --output - | gzip | ssh backup.example 'cat > a.gz'"),
    ),
    ("report",): (
        Example("how far is a class?", "docservice report class-progress --class 'Class 1'"),
        Example(
            "the hardest questions of a quiz, for a spreadsheet",
            "docservice report difficult-questions --quiz 'Quiz 1' --format csv | head",
        ),
        Example(
            "a facility, week by week",
            "docservice report activity --facility 'Lakeside School' --by week --zone Africa/Nairobi",
        ),
    ),
    ("verify",): (
        Example("check every document", "docservice verify"),
        Example("and repair what can be repaired", "docservice verify --repair"),
        Example(
            "compare with a server after a move",
            "docservice verify --against 'mongodb://db.example/?replicaSet=rs0' --against-database docservice",
        ),
    ),
    ("indexes", "apply"): (Example("create what is missing", "docservice indexes apply"),),
    ("indexes", "check"): (Example("is something missing?", "docservice indexes check"),),
    ("indexes", "show"): (Example("which index serves which query?", "docservice indexes show"),),
    ("indexes", "script"): (
        Example("create them as an administrator", "docservice indexes script | mongosh 'mongodb://db.example/'"),
    ),
    ("engine", "uri"): (Example("open the Mongo shell on a running service", 'mongosh "$(docservice engine uri)"'),),
    ("engine", "status"): (Example("which build serves this folder?", "docservice engine status"),),
    ("engine", "install"): (
        Example("compile the fast build for a folder", "docservice engine install --data-dir docservice-data"),
    ),
    ("engine", "reset-password"): (
        Example("after the file is lost", "docservice engine reset-password --data-dir docservice-data"),
    ),
    ("shell",): (
        Example("a prompt", "docservice shell"),
        Example("one answer", "docservice shell --eval 'db.content_summary_logs.countDocuments()'"),
    ),
    ("settings",): (Example("read them page by page", "docservice settings | less"),),
    ("completion",): (
        Example("install it for bash", "docservice completion bash --install"),
        Example("try it in this shell only", 'eval "$(docservice completion bash)"'),
    ),
}
"""By command, in the order in which they are shown."""


def examples_text(command: tuple[str, ...]) -> str:
    """The examples of a command as lines for a shell, each below a comment that says what it does."""
    return "\n".join(f"# {example.about}\n{example.line}" for example in EXAMPLES[command])


def add_examples(app: App) -> None:
    """Give each command its examples, to be shown below its help."""
    for command in EXAMPLES:
        part = app
        for name in command:
            part = part[name]
        part.help_epilogue = f"Examples:\n\n```sh\n{examples_text(command)}\n```"
