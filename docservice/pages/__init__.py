"""Pages that the server renders: the manual, the start page, the page of a sign-in link.

No request, no database, no aiohttp: text to HTML.
"""

from docservice.pages.layout import FILES, StaticFile, manual_page, start_page
from docservice.pages.manual import EVERYTHING, SECTIONS, is_page, page_names
from docservice.pages.sign_in import sign_in_page, used_link_page

__all__ = [
    "EVERYTHING",
    "FILES",
    "SECTIONS",
    "StaticFile",
    "is_page",
    "manual_page",
    "page_names",
    "sign_in_page",
    "start_page",
    "used_link_page",
]
