"""The erasure of a person, step by step. What belongs to a person is in `domain.upkeep.erasure`."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path

from docservice.domain.upkeep.erasure import ACCOUNT, RULES
from docservice.domain.upkeep.receipts import ErasureReceipt
from docservice.errors import ExportError, InvalidReference
from docservice.service.base.clock import Clocked
from docservice.service.base.export_files import FOLDER, remove_files
from docservice.service.base.progress import NoWatch, Watch
from docservice.store.database.port import Database, Document
from docservice.store.directory.erased_people import ErasedPeopleStore
from docservice.store.transfer.erasure import ErasureStore

_LONGEST_SETTLING_SECONDS = 3600.0


class Eraser(Clocked):
    """Erases people; checks no rights.

    Every step may be interrupted, and is done again when the erasure is repeated. Who reads the tombstone after it
    writes (imports), or writes in a transaction that one of the directory's locks or the missing account stops, leaves
    nothing behind. A transaction of a learner who was still known when it began can only be waited for.
    """

    def __init__(
        self, database: Database, clock: Callable[[], datetime], data_dir: Path, settling_seconds: float
    ) -> None:
        """Erase from a database.

        Args:
            database: connected.
            clock: gives the current time, aware.
            data_dir: folder of exported files.
            settling_seconds: how long a transaction that has begun may take.
        """
        super().__init__(clock)
        self._database = database
        self._data_dir = data_dir
        self._settling_seconds = settling_seconds
        self._running: set[asyncio.Task[ErasureReceipt]] = set()
        self._store = ErasureStore(database)
        self._erased = ErasedPeopleStore(database)

    async def preview(self, user_id: str, *, thorough: bool = False) -> ErasureReceipt:
        """Return what an erasure would do, and change nothing.

        Raises:
            InvalidReference: nothing belongs to such a person.
        """
        await self._required(user_id)
        return ErasureReceipt(
            dry_run=True,
            removed=await self._store.count(user_id),
            changed=await self._store.naming(user_id, thorough=thorough),
            thorough=thorough,
        )

    async def is_last_administrator(self, user_id: str) -> bool:
        """Whether a person administers a facility and nobody else does."""
        account = await self._store.account(user_id)
        if account is None:
            return False
        return await self._store.administrators(str(account.get("dataset_id"))) == {user_id}

    async def erase(
        self,
        user_id: str,
        *,
        reason: str = "",
        thorough: bool = False,
        watch: Watch | None = None,
        may_be_last: bool = True,
    ) -> ErasureReceipt:
        """Erase a person; see `LogsAdmin.erase`.

        Args:
            user_id: the person.
            reason: for the receipt.
            thorough: search the logs of all others for the id, too.
            watch: hears how far it is.
            may_be_last: erase also who administers a facility alone.

        Raises:
            PermissionDenied: nobody else administers the facility.
        """
        watch = watch or NoWatch()
        await self._required(user_id)
        datasets = await self._store.dataset_ids(user_id)
        watch.begin("rights")
        tombstone = await self._store.begin(
            *(user_id, secrets.token_hex(32), self.now(), datasets), may_be_last=may_be_last
        )
        began = asyncio.get_running_loop().time()
        await self._remove_all(user_id, tombstone, watch, thorough=thorough)
        if self._database.traits.runs_transactions_side_by_side:
            # A transaction that began before the tombstone may have written after what we removed.
            watch.begin("writes that were under way")
            passed = asyncio.get_running_loop().time() - began
            await asyncio.sleep(min(max(self._settling_seconds - passed, 0), _LONGEST_SETTLING_SECONDS))
        while (await self._store.count(user_id)).keys() - {ACCOUNT}:
            await self._remove_all(user_id, tombstone, watch, thorough=False)
        tombstone = await self._store.finish(user_id, tombstone["_id"], self.now())
        return ErasureReceipt(
            digest=tombstone["_id"],
            digest_key=tombstone["key"],
            began=tombstone["erased_at"],
            finished=tombstone["finished_at"],
            removed=tombstone["removed"],
            changed=tombstone["changed"],
            files=tombstone["files"],
            thorough=thorough,
            reason=reason,
        )

    async def account(self, user_id: str) -> Document | None:
        """Return the account of a person, also one that was deleted or is being erased; None if there is none."""
        return await self._store.account(user_id)

    async def erase_to_the_end(self, user_id: str, *, reason: str) -> ErasureReceipt:
        """Erase a person as `erase` does; once begun it goes on, even if the caller goes away, while the service lives.

        A learner may have very many attempts, and a request ends after a time.

        Raises:
            PermissionDenied: nobody else administers the facility.
        """
        task = asyncio.create_task(self.erase(user_id, reason=reason, may_be_last=False), name="docservice-erasure")
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return await asyncio.shield(task)

    async def stop(self) -> None:
        """Stop what is under way; it can be done to its end later."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def begun(self, username: str) -> list[str]:
        """Return the ids of people with a username whose erasure has begun and not come to its end."""
        return await self._store.user_called(username.rpartition("/")[2])

    async def sweep(self, user_ids: Iterable[str]) -> None:
        """Remove what was written of erased people by a writer that found no tombstone yet."""
        for user_id in sorted(set(user_ids)):
            tombstone = await self._erased.tombstone(user_id)
            if tombstone is not None:
                await self._remove_all(user_id, tombstone, NoWatch(), thorough=False, account=True)

    async def _required(self, user_id: str) -> Document | None:
        tombstone = await self._erased.tombstone(user_id)
        if tombstone is None and not await self._store.count(user_id):
            raise InvalidReference("Nothing here belongs to a person with this id, and none was erased.")
        return tombstone

    async def _remove_all(
        self, user_id: str, tombstone: Document, watch: Watch, *, thorough: bool, account: bool = False
    ) -> None:
        digest = tombstone["_id"]
        for collection in RULES:
            if collection == ACCOUNT and not account:
                continue
            watch.begin(collection.replace("_", " "))
            removed = await self._store.remove(collection, user_id, digest)
            removed += await self._store.take_out(collection, user_id, digest, thorough=thorough)
            watch.advance(collection.replace("_", " "), removed)
        if thorough and not account:
            await self._store.take_out(ACCOUNT, user_id, digest, thorough=True)
        facilities = await self._store.facility_ids(tombstone.get("dataset_ids", ()))
        await self._store.remove_exports(facilities, digest)
        try:
            number = await asyncio.to_thread(remove_files, self._data_dir, facilities)
        except OSError as error:
            raise ExportError(
                f"An exported file in {self._data_dir / FOLDER} cannot be removed: {error.strerror or error}. "
                "Remove it, and erase again."
            ) from error
        await self._store.note_files(digest, number)
