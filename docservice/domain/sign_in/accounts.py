"""Which account a username means at a sign-in, and whether it needs a password.

Rule: kolibri/core/auth/backends.py (FacilityUserBackend). Two differences, so that each try costs the same work: one
account is checked, where Kolibri tries several, and that is the facility's before a superuser's of another facility.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class SignInAccount:
    """A person who may be meant.

    Attributes:
        id: 32 hex characters.
        username: as it is stored.
        full_name: may be empty.
        is_superuser: of this server.
    """

    id: str
    username: str
    full_name: str = ""
    is_superuser: bool = False


def meant_account(
    username: str, of_facility: Iterable[SignInAccount], superusers: Iterable[SignInAccount]
) -> SignInAccount | None:
    """Return the account that is meant; one with exactly this username before one in other capital letters.

    Args:
        username: as it was typed.
        of_facility: the accounts of the facility with this username, whatever its case.
        superusers: the superusers of all facilities with it.
    """
    for accounts in (of_facility, superusers):
        ordered = sorted(accounts, key=lambda account: (account.username != username, account.id))
        if ordered:
            return ordered[0]
    return None


def needs_no_password(account: SignInAccount, *, has_roles: bool, facility_allows: bool) -> bool:
    """Whether Kolibri lets this person in with any password or none: a mere learner, where the facility allows it."""
    return facility_allows and not has_roles and not account.is_superuser
