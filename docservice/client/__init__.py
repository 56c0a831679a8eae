"""A client of the REST API, for programs that use a service over HTTP."""

from docservice.extras import require

require("rest", "docservice.client")

from docservice.client.log_client import LogClient
from docservice.client.retries import Retries

__all__ = ["LogClient", "Retries"]
