"""The password hashes of a Kolibri's people. They are read only for an import that is told to keep them.

Rule: kolibri/core/auth/models.py (FacilityUser), whose column `password` is Django's.
"""

from __future__ import annotations

from collections.abc import Iterator

from docservice.domain.values.ids import is_hex_id
from docservice.kolibri.tables import Tables

_CHUNK = 500


def password_batches(tables: Tables) -> Iterator[dict[str, str]]:
    """Yield the hashes as they are, by the ids of the people, at most 500 at a time."""
    columns = dict.fromkeys(("id", "password"), "NULL")
    for rows in tables.chunks("kolibriauth_facilityuser", columns, _CHUNK):
        yield {row[0]: str(row[1] or "") for row in rows if is_hex_id(row[0])}
