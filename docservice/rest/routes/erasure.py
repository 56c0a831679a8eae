"""`/api/directory/users/<id>/erase/`: the erasure of a person."""

from __future__ import annotations

from docservice.domain.requests.erasure import ErasePerson
from docservice.domain.upkeep.receipts import ErasureReceipt
from docservice.errors import LogNotFound, PermissionDenied
from docservice.rest.app_keys import RECEIPT_SECRET
from docservice.rest.calls import Call
from docservice.rest.operations import Access, Operations
from docservice.rest.query_strings import QueryString

operations = Operations(tag="Directory")


class NoParameters:
    """No parameter is known: `?dry_run=true` belongs into the body, and is not to be passed over."""


@operations.post(
    "/api/directory/users/{id}/erase/",
    access=Access("facility admins", "user", refused=404),
    auth="required",
    query=QueryString((), lambda _: NoParameters()),
    body=ErasePerson,
    example={"reason": "Request of 2026-11-25", "dry_run": True},
    answer=ErasureReceipt,
    errors=(LogNotFound, PermissionDenied),
)
async def erase(call: Call[ErasePerson, NoParameters]) -> ErasureReceipt:
    """Erase a person, with all logs; answers with a receipt.

    Safe to repeat after an interruption. The receipt is signed unless the host of the API gave it no key.
    """
    receipt = await call.logs.erase_person(call.path["id"], call.body)
    secret = call.request.config_dict.get(RECEIPT_SECRET)
    return receipt.signed(secret) if secret else receipt
