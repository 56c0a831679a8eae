"""Watches for erasures while an export runs: the person may have been read before."""

from __future__ import annotations

from dataclasses import dataclass

from docservice.errors import ExportError
from docservice.service import DocService
from docservice.store.directory.erased_people import ErasureState


@dataclass(frozen=True)
class ErasureGuard:
    """What there was of erasures when an export began."""

    service: DocService
    state: ErasureState

    @classmethod
    async def of(cls, service: DocService) -> ErasureGuard:
        """Remember what there is now.

        Raises:
            StoreUnavailable, StoreTimeout: retryable.
        """
        return cls(service, await service.admin.erasures())

    async def require_none(self) -> None:
        """Check that nobody was erased since.

        Raises:
            ExportError: somebody was; the export has to be made again.
            StoreUnavailable, StoreTimeout: retryable.
        """
        if await self.service.admin.erasures() != self.state:
            raise ExportError(
                "A person was erased while the export ran, and may be in it. Nothing was kept: run it again."
            )
