"""`docservice status`: show the state of the service without starting or changing anything."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

from cyclopts import Parameter

import docservice
from docservice.console import EXIT_FAILED, StoreOptions, run
from docservice.domain.upkeep.status import ServiceState, actions_needed
from docservice.domain.values.addresses import without_password
from docservice.engine.disk_space import free_bytes, mib, used_bytes
from docservice.engine.report import EngineReport, engine_report
from docservice.errors import DocServiceError
from docservice.kolibri.import_notes import ImportNotes, KolibriImport
from docservice.service import DocService
from docservice.settings import EffectiveSetting, Settings
from docservice.store.indexes.applying import IndexReport
from docservice.store.indexes.views import described_views


def status(
    *,
    json: Annotated[bool, Parameter(negative="", help="as JSON, for programs")] = False,
    options: StoreOptions = StoreOptions(),
) -> None:
    """Show engine or server, documents, latest import, disk, indexes and settings; exit code 1 if one needs action.

    Nothing is started, made or changed. While the embedded engine is not running, what it would have to be asked is
    left out. Passwords and keys are not shown.
    """
    run(_status(options, as_json=json))


@dataclass(frozen=True)
class _Content:
    """What the database answers.

    Attributes:
        version: of the server, as it says.
        documents: how many each collection has.
        indexes: how indexes and views compare with their description.
    """

    version: str
    documents: Mapping[str, int]
    indexes: IndexReport


@dataclass(frozen=True)
class _Status:
    """All that is shown.

    Attributes:
        settings: that count.
        effective: the same, as they may be shown.
        engine: the embedded engine; None if a server is used.
        address: of the database, without its password; None if nothing runs.
        content: what the database answers; None if it was not asked, or did not.
        latest_import: the import of a Kolibri that ended last; None if none is noted in the data folder.
        used_bytes: what the data folder takes.
        free_bytes: room on its disk.
        actions: what the operator has to do, in sentences.
    """

    settings: Settings
    effective: Sequence[EffectiveSetting]
    engine: EngineReport | None
    address: str | None
    content: _Content | None
    latest_import: KolibriImport | None
    used_bytes: int
    free_bytes: int
    actions: Sequence[str] = field(default_factory=list)

    @property
    def running(self) -> bool:
        """Whether the database answers."""
        return self.content is not None


async def _status(options: StoreOptions, *, as_json: bool) -> None:
    settings = options.settings()
    status = await _looked(settings, settings.effective(options.given))
    if as_json:
        print(json.dumps(_document(status), indent=2))
    else:
        print("\n".join(_lines(status)))
    if status.actions:
        sys.exit(EXIT_FAILED)


async def _looked(settings: Settings, effective: Sequence[EffectiveSetting]) -> _Status:
    engine, uri = None, settings.mongodb_uri.get_secret_value() if settings.mongodb_uri else None
    if uri is None:
        engine = await engine_report(settings.data_dir)
        uri = engine.uri
    content, error = None, engine.problem if engine else None
    if uri is not None:
        try:
            content = await _asked(uri, settings)
        except DocServiceError as failed:
            error = str(failed)
    used = await asyncio.to_thread(used_bytes, settings.data_dir)
    free = await asyncio.to_thread(free_bytes, settings.data_dir)
    return _Status(
        settings=settings,
        effective=effective,
        engine=engine,
        address=None if uri is None else without_password(uri),
        content=content,
        latest_import=await asyncio.to_thread(ImportNotes(settings.data_dir).latest, settings.database),
        used_bytes=used,
        free_bytes=free,
        actions=actions_needed(
            ServiceState(
                data_dir=str(settings.data_dir),
                engine=engine.condition if engine else None,
                error=error,
                free_bytes=free,
                least_free_bytes=settings.min_free_disk_bytes,
                **(_index_problems(content.indexes) if content else {}),
            )
        ),
    )


async def _asked(uri: str, settings: Settings) -> _Content:
    """What a server that runs answers. A running engine is asked as a server: nothing here is to keep it running."""
    service = DocService(
        uri,
        database=settings.database,
        timeout_seconds=settings.mongodb_timeout_ms / 1000,
        apply_indexes=False,
    )
    async with service:
        admin = service.admin
        build = await admin.database.command({"buildInfo": 1})
        return _Content(
            version=str(build.get("secantusVersion") or build["version"]),
            documents=await admin.collection_counts(),
            indexes=await admin.check_indexes(),
        )


def _index_problems(report: IndexReport) -> dict[str, tuple[str, ...]]:
    lacking = [f"{index.collection}.{index.name}" for index in (*report.missing, *report.outdated)]
    return {
        "lacking": (*lacking, *(f"view {view.name}" for view in (*report.views.missing, *report.views.different))),
        "differing": tuple(f"{index.collection}.{index.name}" for index in report.different),
        "taken": tuple(view.name for view in report.views.taken),
    }


def _document(status: _Status) -> dict[str, Any]:
    content, engine = status.content, status.engine
    latest = status.latest_import
    return {
        "docservice": docservice.__version__,
        "ok": not status.actions,
        "actions": list(status.actions),
        "database": {
            "kind": "mongodb" if engine is None else "embedded",
            "build": engine and engine.build,
            "version": _version(status),
            "condition": _condition(status),
            "running": status.running,
            "process_id": engine and engine.process_id,
            "address": status.address,
            "name": status.settings.database,
        },
        "documents": content and dict(content.documents),
        "latest_import": latest
        and {
            "path": latest.path,
            "finished": latest.finished.isoformat(timespec="milliseconds"),
            "read": latest.read,
            "written": latest.written,
            "set_aside": latest.set_aside,
        },
        "indexes": content
        and {
            "complete": content.indexes.complete,
            "present": len(content.indexes.present),
            "wanted": content.indexes.wanted,
            **{name: list(names) for name, names in _index_problems(content.indexes).items()},
        },
        "disk": {
            "data_dir": str(status.settings.data_dir.absolute()),
            "used_bytes": status.used_bytes,
            "free_bytes": status.free_bytes,
        },
        "settings": [setting._asdict() for setting in status.effective],
    }


def _version(status: _Status) -> str | None:
    if status.content is not None:
        return status.content.version
    return status.engine.version if status.engine else None


def _condition(status: _Status) -> str:
    if status.engine is not None and status.engine.condition != "running":
        return status.engine.condition
    return "running" if status.running else "not answering"


def _lines(status: _Status) -> Iterator[str]:
    engine, content = status.engine, status.content
    what = "MongoDB" if engine is None else "embedded engine, SecantusDB"
    build = f", {engine.build} build" if engine and engine.build else ""
    process = f", process {engine.process_id}" if engine and engine.process_id else ""
    yield f"docservice   {docservice.__version__}"
    yield f"engine       {' '.join(filter(None, (what, _version(status))))}{build}: {_condition(status)}{process}"
    if status.address is not None:
        yield f"address      {status.address}"
    yield f"database     {status.settings.database}"
    disk = f"{mib(status.used_bytes)}, {mib(status.free_bytes)} are free"
    yield f"data folder  {status.settings.data_dir.absolute()}: {disk}"
    yield f"last import  {_import_line(status.latest_import)}"
    if content is not None:
        yield f"indexes      {len(content.indexes.present)} of {content.indexes.wanted} are there, and " + (
            f"{len(content.indexes.views.present)} of {len(described_views())} views"
        )
        yield from _section("documents", [(name, f"{count:,}") for name, count in content.documents.items()])
    rows = [
        (setting.variable, "" if setting.value is None else str(setting.value), setting.source)
        for setting in status.effective
    ]
    yield from _section("settings", rows)
    yield ""
    if engine is not None and engine.condition == "not running":
        yield "The embedded engine is not running, so documents and indexes were not looked at. To see them, start it:"
        yield f"docservice serve --data-dir {status.settings.data_dir}"
        yield ""
    yield from (f"Needs action: {action}" for action in status.actions)
    if not status.actions:
        yield "Nothing needs action."


def _import_line(latest: KolibriImport | None) -> str:
    if latest is None:
        return "none is noted in the data folder"
    numbers = f"{latest.read:,} records read, {latest.written:,} written, {latest.set_aside:,} set aside"
    return f"{latest.path}, {latest.finished:%Y-%m-%d %H:%M} UTC: {numbers}"


def _section(title: str, rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    yield from ("", f"{title}:")
    for row in rows:
        yield "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
