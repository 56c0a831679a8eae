"""The commands with their options, and what their help says."""

from __future__ import annotations

from functools import cache

from .running import Finished, run

STORE = ("--mongodb-uri", "--database", "--data-dir")
PSEUDONYMS = ("--pseudonymise", "--keep", "--shift-times")

TABLE_FILTERS = ("--facility", "--output", "--class", "--group", "--learner", "--start", "--end")

OPTIONS = {
    ("serve",): ("--host", "--port", "--workers", "--log-format", "--demo", *STORE),
    ("token",): ("--ttl-seconds", *STORE),
    ("status",): ("--json", *STORE),
    ("engine", "uri"): STORE,
    ("directory", "import"): STORE,
    ("directory", "remove"): ("--yes", *STORE),
    ("directory", "replace"): ("--facility", "--force", *STORE),
    ("people", "list"): ("--facility", "--class", "--role", "--json", *STORE),
    ("people", "find"): ("--facility", "--json", *STORE),
    ("people", "show"): ("--json", *STORE),
    ("classes", "list"): ("--facility", "--json", *STORE),
    ("classes", "show"): ("--json", *STORE),
    ("import", "kolibri"): ("--consolidate", "--keep-missing", *STORE),
    ("consolidate", "quiz-attempts"): ("--dry-run", *STORE),
    ("consolidate", "progress"): ("--dry-run", *STORE),
    ("consolidate", "mastery-times"): ("--dry-run", *STORE),
    ("erase",): ("--dry-run", "--reason", "--thorough", "--compact", "--output", *STORE),
    ("erase", "verify"): ("--public-key", *STORE),
    ("report",): (
        *("--facility", "--class", "--group", "--learner", "--channel", "--topic", "--content", "--lesson", "--quiz"),
        *("--from", "--until", "--zone", "--by", "--tries", "--least-learners", "--format", *STORE),
    ),
    ("export", "csv"): (*TABLE_FILTERS, *PSEUDONYMS, *STORE),
    ("export", "parquet"): (*TABLE_FILTERS, *PSEUDONYMS, *STORE),
    ("export", "ndjson"): ("--output", *PSEUDONYMS, *STORE),
    ("import", "ndjson"): ("--replace", *STORE),
    ("indexes", "apply"): ("--rebuild", *STORE),
    ("indexes", "check"): STORE,
    ("indexes", "show"): (),
    ("generate",): ("--learners", "--weeks", "--classes", "--channels", "--seed", "--until", "--yes", *STORE),
    ("verify",): ("--repair", "--against", "--against-database", "--show", *STORE),
    ("indexes", "script"): ("--shard",),
    ("settings",): (),
    ("completion",): ("--install",),
}


@cache
def _kept() -> dict[tuple[str, ...], Finished]:
    return {}


async def help_of(*command: str) -> Finished:
    """What a command's `--help` says; asked once a run."""
    if command not in _kept():
        _kept()[command] = await run(*command, "--help", env={"COLUMNS": "200"})
    return _kept()[command]
