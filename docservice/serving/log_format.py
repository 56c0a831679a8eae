"""How `serve` writes its log: one event a line, with fields, on standard error."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import structlog
from aiohttp.http_exceptions import HttpProcessingError

from docservice.console import exit_code_of, on_engine_event, say
from docservice.engine import EngineEvent
from docservice.errors import DocServiceError

LogFormat = Literal["console", "json"]

logger = logging.getLogger("docservice.serve")


def configure_logging(log_format: LogFormat = "console", *, access_log: bool = True, worker: int | None = None) -> None:
    """Send the library's log events through structlog. Only `serve` calls this; the library configures nothing.

    Args:
        log_format: lines for people, or a JSON object a line for machines.
        access_log: whether requests are logged.
        worker: its number, which each event has; None if there is only one process.
    """
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if worker is not None:
        shared.append(lambda _logger, _method, event: {**event, "worker": worker})
    # Tracebacks without the values of variables, which the default of the library shows: they are people's data.
    rendered: list[structlog.typing.Processor] = [
        structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback, sort_keys=False
        )
    ]
    if log_format == "json":
        rendered = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendered],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    handler.addFilter(_is_no_bad_http)
    # Warnings of the libraries come in the same form; a line of another one would end a JSON log.
    logging.getLogger().handlers = [handler]
    logging.captureWarnings(True)
    logging.getLogger("docservice").setLevel(logging.INFO)
    logging.getLogger("docservice.access").setLevel(logging.INFO if access_log else logging.WARNING)


def _is_no_bad_http(record: logging.LogRecord) -> bool:
    """Whether a record is not about bytes that are not HTTP: the server logs those, and they may be private."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


class EventLog:
    """Writes the events of `serve`: as sentences, or as JSON when the log is for machines."""

    def __init__(self, log_format: LogFormat) -> None:
        self._json = log_format == "json"

    def tell(self, event: str, sentence: str, **fields: object) -> None:
        """One thing that happened.

        Args:
            event: its name.
            sentence: what people read.
            fields: what machines read; no passwords, for logs are kept and sent around.
        """
        if self._json:
            logger.info(event, extra=fields)
        else:
            say(f"docservice: {sentence}")

    def engine_event(self, event: EngineEvent) -> None:
        """The embedded engine was restarted, or could not be."""
        if self._json:
            level = logging.WARNING if event.is_trouble else logging.INFO
            logger.log(level, event.name, extra={"detail": event.message, "engine_restarts": event.count})
        else:
            on_engine_event(event)

    @contextmanager
    def failing(self) -> Iterator[None]:
        """In a log for machines an error that ends the process is an event, too."""
        try:
            yield
        except DocServiceError as error:
            if not self._json:
                raise
            logger.error("failed", extra={"code": error.code, "detail": str(error)})  # no traceback
            sys.exit(exit_code_of(error))

    def show(self, sentence: str) -> None:
        """Show a line that is only for people and may hold a password."""
        if not self._json:
            say(f"docservice: {sentence}")
