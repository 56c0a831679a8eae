"""Pages that the server renders: the manual and the start page. No request, no database, no aiohttp: text to HTML."""

from docservice.pages.layout import FILES, StaticFile, manual_page, start_page
from docservice.pages.manual import EVERYTHING, SECTIONS, is_page, page_names

__all__ = ["EVERYTHING", "FILES", "SECTIONS", "StaticFile", "is_page", "manual_page", "page_names", "start_page"]
