"""Finds the accounts that a username may mean at a sign-in."""

from __future__ import annotations

from contextlib import aclosing

from docservice.domain.directory.rules import folded_username
from docservice.domain.sign_in.accounts import SignInAccount
from docservice.store.database.port import Database, Document, Filter

_FIELDS = {"username": 1, "full_name": 1, "is_superuser": 1, "date_deleted": 1}


class SignInAccountStore:
    """Reads the directory for sign-ins."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def dataset(self, facility_id: str) -> Document | None:
        """Return the dataset of a facility with its settings; None if there is no such facility."""
        with self._database.guarded():
            facility = await self._database["facility_collections"].find_one({"_id": facility_id})
            if facility is None or facility.get("kind") != "facility":
                return None
            dataset_id = facility["dataset_id"]
            return await self._database["facility_datasets"].find_one({"_id": dataset_id}) or {"_id": dataset_id}

    async def of_facility(self, dataset_id: str, username: str) -> list[SignInAccount]:
        """Return the accounts of a facility with a username, in capital or small letters."""
        return await self._called({"dataset_id": dataset_id}, username)

    async def superusers(self, username: str) -> list[SignInAccount]:
        """Return the superusers of all facilities with a username, in capital or small letters."""
        return await self._called({"is_superuser": True}, username)

    async def has_roles(self, user_id: str) -> bool:
        """Whether a person has a role."""
        with self._database.guarded():
            return await self._database["roles"].find_one({"user_id": user_id}, {"_id": 1}) is not None

    async def _called(self, among: Filter, username: str) -> list[SignInAccount]:
        # `$toLower` changes the letters A to Z and no others, as `folded_username`.
        query = {**among, "$expr": {"$eq": [{"$toLower": "$username"}, {"$literal": folded_username(username)}]}}
        async with aclosing(self._database.stream("facility_users", query, _FIELDS)) as users:
            return [
                SignInAccount(
                    user["_id"], user["username"], str(user.get("full_name") or ""), bool(user.get("is_superuser"))
                )
                async for user in users
                if not user.get("date_deleted")
            ]
