"""The library: `DocService`, and behind it one module for each thing that people do with logs."""

from docservice.service.doc_service import DEFAULT_TIMEOUT_SECONDS, DocService

__all__ = ["DEFAULT_TIMEOUT_SECONDS", "DocService"]
