"""Decides what an operator has to do, from the state of a service."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ServiceState:
    """What was seen of a service.

    Attributes:
        data_dir: its folder, as commands take it.
        engine: how the embedded engine is (see `engine.report`); None if a server is used.
        error: why the database did not answer, or cannot; None if it did, or was not asked.
        free_bytes: room on the disk of the data folder.
        least_free_bytes: what the embedded engine needs to write; 0 if that is not watched.
        lacking: indexes and views that are missing or outdated.
        differing: indexes and views that are there, and are not as described.
        taken: collections that have the name of a view.
    """

    data_dir: str
    engine: str | None = None
    error: str | None = None
    free_bytes: int = 0
    least_free_bytes: int = 0
    lacking: tuple[str, ...] = ()
    differing: tuple[str, ...] = ()
    taken: tuple[str, ...] = ()


def actions_needed(seen: ServiceState) -> list[str]:
    """Return what is wrong and what to do about it, one sentence or two each; empty if all is well.

    An embedded engine that is not running is well: the next command starts it.
    """
    actions = []
    match seen.engine:
        case "no data":
            actions.append(
                f"There are no logs in {seen.data_dir} yet. Name the folder with --data-dir or a server with "
                f"--mongodb-uri, or begin: docservice serve --data-dir {seen.data_dir}"
            )
        case "password missing":
            actions.append(
                "The password of the embedded engine is missing. Put engine/password back from a backup, or make "
                f"a new one: docservice engine reset-password --data-dir {seen.data_dir}"
            )
    if seen.error is not None:
        actions.append(seen.error)
    if seen.engine is not None and seen.free_bytes < seen.least_free_bytes:
        actions.append(
            f"The disk is nearly full: {_mib(seen.free_bytes)} are free, and the embedded engine takes writes only "
            f"while it has {_mib(seen.least_free_bytes)}. Make room."
        )
    if seen.lacking:
        actions.append(f"Missing: {', '.join(seen.lacking)}. Create them: docservice indexes apply")
    if seen.differing:
        actions.append(
            f"Not as described: {', '.join(seen.differing)}. Build again: docservice indexes apply --rebuild"
        )
    if seen.taken:
        actions.append(f"Collections have the names of views: {', '.join(seen.taken)}. Rename them.")
    return actions


def _mib(number: int) -> str:
    return f"{number / 1024 / 1024:,.0f} MiB"
