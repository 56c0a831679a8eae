"""User sessions: who uses the app and on which device; waiting reports are written in one transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from docservice.domain.answers.session_description import SessionDescription
from docservice.domain.logs.user_sessions import LONGEST_BREAK, UserSessionLog, current_user_session
from docservice.domain.requests.user_sessions import ReportActivity
from docservice.domain.values.devices import LONGEST_USER_AGENT, device_info, device_info_from_user_agent
from docservice.domain.values.partitions import log_partition
from docservice.errors import NotSignedIn
from docservice.identity import Principal
from docservice.service.acting.log_lists import ListReader
from docservice.service.base.actions import Actions, random_id
from docservice.service.base.clock import Clocked
from docservice.service.base.group_commit import GroupCommit, Outcome
from docservice.store.database.port import Database, Transaction
from docservice.store.directory.records import DirectoryStore
from docservice.store.logs.user_sessions import UserSessionStore

DeviceInfo = Mapping[str, object]


@dataclass(frozen=True)
class _Interaction:
    """A learner is active now.

    Attributes:
        device_info: of a new user session.
        now: the clock of the service that was asked.
    """

    user_id: str
    dataset_id: str
    device_info: str
    now: Callable[[], datetime]

    @property
    def partition(self) -> str:
        """The partition of the learner's logs."""
        return log_partition(self.dataset_id, self.user_id)


class UserSessions(Clocked):
    """Starts and extends the user sessions of people who are signed in."""

    def __init__(self, database: Database, actions: Actions, reader: ListReader, clock: Callable[[], datetime]) -> None:
        """Keep them in a database.

        Args:
            database: connected.
            actions: of the service.
            reader: reads people and scopes.
            clock: gives the current time, aware.
        """
        super().__init__(clock)
        self._groups: GroupCommit[_Interaction, UserSessionLog] = actions.groups(self._carry_out)
        self._reader = reader
        self._directory = DirectoryStore(database)
        self._sessions = UserSessionStore(database)

    async def report(self, principal: Principal, request: ReportActivity, user_agent: str | None) -> SessionDescription:
        """See `PersonLogs.update_user_session`."""
        if request.active and principal.user_id is not None:
            os_info = request.os.model_dump() if request.os else None
            browser_info = request.browser.model_dump() if request.browser else None
            await self.update(principal, os_info, browser_info, user_agent)
        return await self.describe(principal)

    async def update(
        self,
        principal: Principal,
        os_info: DeviceInfo | None,
        browser_info: DeviceInfo | None,
        user_agent: str | None,
    ) -> UserSessionLog:
        """See `DocService.update_user_session`."""
        person = await self._reader.person(principal)
        if person.user_id is None or person.dataset_id is None:
            raise NotSignedIn()
        user_id, dataset_id = person.user_id, person.dataset_id
        if os_info is None and browser_info is None and user_agent:
            # The first call loads the parser's rules, and without its fast matcher each call tries a thousand of them.
            device = await asyncio.to_thread(device_info_from_user_agent, user_agent[:LONGEST_USER_AGENT])
        else:
            device = device_info(os_info, browser_info)
        interaction = _Interaction(user_id, dataset_id, device, self.now)
        return await self._groups.carry_out(interaction, UserSessionLog, queue=user_id)

    async def _carry_out(self, tx: Transaction, actions: Sequence[_Interaction]) -> list[Outcome[UserSessionLog]]:
        """Read the latest user sessions of all learners, extend each or begin a new one, write them."""
        await self._sessions.take_turns(tx, {action.user_id for action in actions})
        # Times are taken in order: a later report never has an earlier time.
        moments = [action.now() for action in actions]
        since = min(moments) - LONGEST_BREAK
        current = await self._sessions.latest(tx, {action.partition for action in actions}, since)
        stored = {log.id for log in current.values()}
        outcomes: list[Outcome[UserSessionLog]] = []
        for action, now in zip(actions, moments, strict=True):
            log = current_user_session(
                current.get(action.partition),
                dataset_id=action.dataset_id,
                user_id=action.user_id,
                device_info=action.device_info,
                now=now,
                random_source_id=random_id(),
            )
            current[action.partition] = log
            outcomes.append(log)
        changed = [current[partition] for partition in {action.partition for action in actions}]
        await self._sessions.write(
            tx, [log for log in changed if log.id not in stored], [log for log in changed if log.id in stored]
        )
        return outcomes

    async def describe(self, principal: Principal) -> SessionDescription:
        """See `DocService.session_description`."""
        now = self._clock()
        person = await self._reader.person(principal)
        if person.user_id is None:
            return SessionDescription.of_visitor(await self._directory.default_facility_id(), now)
        account = await self._directory.account(person.user_id) or {}
        return SessionDescription.of(person, account, now)
