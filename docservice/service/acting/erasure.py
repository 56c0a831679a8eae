"""The erasure of a person, for the admins of the person's facility and for superusers."""

from __future__ import annotations

from docservice.domain.directory.permissions import administers
from docservice.domain.requests.erasure import ErasePerson
from docservice.domain.upkeep.receipts import ErasureReceipt
from docservice.domain.values.ids import parse_uuid
from docservice.errors import LogNotFound, NotSignedIn, PermissionDenied
from docservice.identity import Principal
from docservice.service.acting.log_lists import ListReader
from docservice.service.base.erasure import Eraser


class PersonErasure:
    """Checks the rights of who asks, then erases."""

    def __init__(self, reader: ListReader, eraser: Eraser) -> None:
        """Erase with these.

        Args:
            reader: reads people and scopes.
            eraser: does it.
        """
        self._reader = reader
        self._eraser = eraser

    async def erase(self, principal: Principal, user_id: str, request: ErasePerson) -> ErasureReceipt:
        """See `PersonLogs.erase_person`."""
        caller = await self._reader.person(principal)
        if caller.user_id is None:
            raise NotSignedIn()
        stored_id = _stored_id(user_id)
        person = await self._eraser.account(stored_id)
        if person is None or not administers(caller, person["dataset_id"]):
            raise LogNotFound("There is no such person in a facility that you administer.")
        if person.get("is_superuser") and not caller.is_superuser:
            raise PermissionDenied("A superuser is erased by a superuser.")
        if request.dry_run:
            return await self._eraser.preview(stored_id)
        return await self._eraser.erase_to_the_end(stored_id, reason=request.reason)


def _stored_id(spelled: str) -> str:
    try:
        return parse_uuid(spelled)
    except ValueError:
        raise LogNotFound("There is no such person in a facility that you administer.") from None
