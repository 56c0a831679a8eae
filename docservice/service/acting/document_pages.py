"""Logs as documents, within the read scope of the principal."""

from __future__ import annotations

from typing import Any

from docservice.domain.requests.document_pages import Cursor, DocumentFilters, DocumentPage, FieldChoice
from docservice.domain.requests.kolibri_messages import no_such_choice
from docservice.domain.requests.lists import LogFilters
from docservice.domain.values.ids import parse_uuid
from docservice.errors import FieldError, LogNotFound, ValidationFailed
from docservice.identity import Principal
from docservice.service.acting.log_lists import ListReader
from docservice.store.database.port import Database
from docservice.store.directory.content_tree import ContentStore
from docservice.store.lists.document_pages import DocumentPageStore, plan
from docservice.store.mapping.log_kinds import LogKind
from docservice.store.mapping.public_json import shown


class DocumentPageReader:
    """Reads documents for people; who may read what is decided by `ListReader.selection`."""

    def __init__(self, database: Database, reader: ListReader) -> None:
        self._reader = reader
        self._pages = DocumentPageStore(database)
        self._content = ContentStore(database)

    async def page(
        self,
        principal: Principal,
        kind: LogKind[Any],
        filters: DocumentFilters,
        *,
        fields: FieldChoice,
        size: int,
        cursor: str | None,
    ) -> DocumentPage:
        """See `DocService.documents`."""
        filters.refuse_unused(kind.filters)
        digest = filters.digest(kind.name)
        place = None if cursor is None else Cursor.parse(cursor, digest)
        selection = await self._reader.selection(principal, filters.people)
        content_ids = await self._content_ids(filters)
        if selection.empty or content_ids == set():
            return DocumentPage([])
        list_plan = plan(selection, filters, content_ids, place.split if place else None)
        if place is not None and place.split != list_plan.split:
            # A role that was added or removed between two pages has changed the parts of the list.
            raise ValidationFailed(
                [FieldError(("cursor",), "invalid", "What you may read has changed. Start again without a cursor.")]
            )
        page = await self._pages.page(kind, list_plan, fields, size, place)
        following = None if page.part is None else str(Cursor(digest, list_plan.split, page.part, page.last))
        return DocumentPage([shown(kind.model, document, fields) for document in page.documents], following)

    async def one(self, principal: Principal, kind: LogKind[Any], log_id: str, fields: FieldChoice) -> dict[str, Any]:
        """See `DocService.document`."""
        selection = await self._reader.selection(principal, LogFilters())
        try:
            log_id = parse_uuid(log_id)
        except ValueError:
            raise LogNotFound() from None
        document = None if selection.empty else await self._pages.one(kind, selection, log_id, fields)
        if document is None:
            raise LogNotFound()
        return shown(kind.model, document, fields)

    async def _content_ids(self, filters: DocumentFilters) -> set[str] | None:
        id_sets: list[set[str]] = []
        if filters.content is not None:
            id_sets.append({filters.content})
        if filters.content_ids is not None:
            id_sets.append(set(filters.content_ids))
        if filters.topic is not None:
            below = await self._content.below(filters.topic)
            if below is None:
                raise ValidationFailed([no_such_choice("topic")])
            id_sets.append(below)
        return set.intersection(*id_sets) if id_sets else None
