"""The API description and its page: one list with the routes, true to what is answered, offline."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from html.parser import HTMLParser
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from openapi_spec_validator import OpenAPIV31SpecValidator
from yarl import URL

from docservice import DocService, StartSession, UpdateSession
from docservice.errors import DocServiceError
from docservice.identity import TokenVerifier
from docservice.rest import create_app
from docservice.rest.app import OPERATIONS
from docservice.rest.auth import bearer_identity
from tests.support.signing import SECRET

from .asking import TRACK, Client, start_body

pytestmark = pytest.mark.shared_service


@pytest.fixture
async def document(client: Client) -> dict[str, Any]:
    """The description that the service gives."""
    async with client.get("/api/openapi.json") as response:
        found: dict[str, Any] = await response.json()
        return found


@pytest.fixture
async def mounted(service: DocService) -> AsyncIterator[Client]:
    """A client of a program that has the service below a prefix."""
    host = web.Application()
    host.add_subapp("/logs", create_app(service, identify=bearer_identity(TokenVerifier(secret=SECRET))))
    async with TestClient(TestServer(host)) as opened:
        yield opened


class References(HTMLParser):
    """What a page refers to."""

    def __init__(self) -> None:
        super().__init__()
        self.base = ""
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("src", "href") and value:
                if tag == "base":
                    self.base = value
                else:
                    self.found.append(value)


def test_the_document_is_openapi(document: dict[str, Any]) -> None:
    """It is an OpenAPI 3.1 document without an error, and each operation has a name of its own."""
    names = [operation["operationId"] for path in document["paths"].values() for operation in path.values()]

    assert document["openapi"].startswith("3.1.")
    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []
    assert len(set(names)) == len(names) == len(OPERATIONS)


def test_routes_and_description_are_the_same(client: Client, document: dict[str, Any]) -> None:
    """Every route of the application is described, but for HEAD and paths that merely lack a slash; and no more."""
    described = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    without_slash = {(o.method, o.path.rstrip("/")) for o in OPERATIONS if o.slash_optional}

    assert client.app is not None
    routes = {
        (route.method, str(route.resource.canonical))
        for route in client.app.router.routes()
        if route.resource is not None and route.method != "HEAD"
    }

    assert described == {(operation.method, operation.path) for operation in OPERATIONS}
    assert routes == described | without_slash


def test_every_error_that_is_raised_has_a_status(document: dict[str, Any]) -> None:
    """Each error of an operation stands, by its code, under a status in its description; none is a 500."""
    for operation in OPERATIONS:
        responses = document["paths"][operation.path][operation.method.lower()]["responses"]
        told = {status: set(re.findall(r"`([a-z-]+)`:", answer["description"])) for status, answer in responses.items()}
        codes: set[str] = set().union(*told.values())

        assert codes == {error.code for error in operation.raised}
        assert not {status for status in told if status.startswith("5")} - {"503", "504"}
        assert {str(status) for status in operation.statuses} <= set(responses)


def test_requests_take_null_only_where_the_api_does(document: dict[str, Any]) -> None:
    """What may be left out may not be null: an explicit null is an error in Kolibri's API, but for a few fields."""
    schemas = document["components"]["schemas"]

    report, exam = schemas["UpdateSession"]["properties"], schemas["SaveExamLog"]["properties"]

    assert report["progress"]["type"] == "number"
    assert report["interactions"]["items"] == {"$ref": "#/components/schemas/Interaction"}
    assert {"type": "null"} in exam["completion_timestamp"]["anyOf"]
    assert "required" not in schemas["UpdateSession"]


@pytest.mark.parametrize("path", [TRACK, f"{TRACK}{{session_id}}/"])
def test_examples_are_requests(document: dict[str, Any], path: str) -> None:
    """The examples that the page offers are requests that the service takes."""
    [operation] = document["paths"][path].values()
    example = operation["requestBody"]["content"]["application/json"]["example"]

    assert (StartSession if path == TRACK else UpdateSession).parse(example)


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        (b"{", {}, 400, "malformed-request"),
        (b"{}", {}, 400, "validation-failed"),
        (b"{}", {"Content-Type": "text/plain"}, 415, "unsupported-media-type"),
        (b"{}", {"Authorization": "Bearer x"}, 401, "unauthenticated"),
    ],
)
async def test_errors_in_the_shape_of_kolibri_name_their_class(
    client: Client, document: dict[str, Any], body: bytes, headers: dict[str, str], status: int, code: str
) -> None:
    """The header says which error it is, and the description has it under that status."""
    async with client.post(TRACK, data=body, headers={"Content-Type": "application/json", **headers}) as response:
        pass

    described = document["paths"][TRACK]["post"]["responses"][str(status)]
    assert (response.status, response.headers["X-Error-Code"]) == (status, code)
    assert f"`{code}`" in described["description"]


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("POST", "/api/directory/users/", "not-signed-in"),
        ("GET", "/nothing", "http-404"),
        ("DELETE", "/healthz", "http-405"),
    ],
)
async def test_problems_name_their_class(client: Client, method: str, path: str, code: str) -> None:
    """A problem document has the same code in its body and in the header."""
    async with client.request(method, path, json=[]) as response:
        body = await response.json(content_type="application/problem+json")

    assert response.headers["X-Error-Code"] == body["code"] == code


def test_codes_of_the_tree_are_the_codes_described(document: dict[str, Any]) -> None:
    """No response speaks of a code that the tree of errors has not."""

    def codes(kind: type[DocServiceError]) -> set[str]:
        return {kind.code}.union(*(codes(child) for child in kind.__subclasses__()))

    told = set(re.findall(r"`([a-z]+-[a-z-]+)`:", str(document["paths"])))

    assert told
    assert told <= codes(DocServiceError)


@pytest.mark.parametrize("path", ["/api/docs", "/api/docs/"])
@pytest.mark.parametrize("prefix", ["", "/logs"])
async def test_the_page_loads_everything_from_its_own_server(
    client: Client, mounted: Client, prefix: str, path: str
) -> None:
    """Whatever the page refers to is there, relative to it, below a prefix and with a slash at the end, too."""
    asked = mounted if prefix else client
    references = References()

    async with asked.get(prefix + path) as response:
        references.feed(await response.text())
    base = asked.make_url(prefix + path).join(URL(references.base))
    fetched = {}
    for reference in references.found:
        assert not URL(reference).absolute
        async with asked.get(base.join(URL(reference)).path) as part:
            fetched[reference] = (part.status, part.content_type, part.headers.get("X-Content-Type-Options"))

    assert response.status == 200
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert fetched == {
        "icon.svg": (200, "image/svg+xml", "nosniff"),
        "swagger-ui.css": (200, "text/css", "nosniff"),
        "api.css": (200, "text/css", "nosniff"),
        "../openapi.json": (200, "application/json", None),
        "swagger-ui-bundle.js": (200, "text/javascript", "nosniff"),
        "api.js": (200, "text/javascript", "nosniff"),
    }


async def test_the_description_below_a_prefix(
    mounted: Client, document: dict[str, Any], headers_of: Callable[[str], dict[str, str]]
) -> None:
    """Its server is the prefix, so that a request made of both reaches the service."""
    async with mounted.get("/logs/api/openapi.json") as response:
        below = await response.json()
    [server] = below["servers"]
    async with mounted.post(server["url"] + TRACK, json=start_body(), headers=headers_of("learner1")) as started:
        pass

    assert server == {"url": "/logs"}
    assert document["servers"] == [{"url": "/"}]
    assert below["paths"] == document["paths"]
    assert started.status == 200


async def test_a_wrong_method_below_a_prefix(mounted: Client) -> None:
    """Kolibri's shape for a wrong method does not depend on where the service is mounted."""
    async with mounted.delete(f"/logs{TRACK}") as response:
        body = await response.json()

    assert (response.status, body) == (405, {"detail": 'Method "DELETE" not allowed.'})
    assert response.headers["X-Error-Code"] == "http-405"
    assert response.headers["Allow"] == "POST"


@pytest.mark.parametrize("name", ["..%2Fapi.html", "%2e%2e%2fapp.py", "api.html", "VERSION", "nothing"])
async def test_no_other_file_is_served(client: Client, name: str) -> None:
    """Only the files of the page are served, whatever the path."""
    url = URL(str(client.make_url("/api/docs/")) + name, encoded=True)
    async with client.session.get(url) as response:
        body = await response.json(content_type="application/problem+json")

    assert (response.status, body["code"]) == (404, "http-404")


async def test_a_file_that_the_browser_has(client: Client) -> None:
    """A file is sent again only when it has changed."""
    async with client.get("/api/docs/swagger-ui.css") as first:
        tag = first.headers["ETag"]
    async with client.get("/api/docs/swagger-ui.css", headers={"If-None-Match": tag}) as second:
        body = await second.read()

    assert (first.status, second.status, body) == (200, 304, b"")


async def test_the_licence_comes_with_the_page(client: Client) -> None:
    """What is shipped from others is served with its licence."""
    async with client.get("/api/docs/LICENSE") as response:
        text = await response.text()

    assert "Apache License" in text
