"""README and manual tell the truth: their commands, their examples, their tables."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import sys
import tomllib
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from pymongo import AsyncMongoClient

from docservice import demo
from docservice.domain.directory.records import directory_records
from docservice.rest import operations as rest_operations
from docservice.rest.routes import lists
from docservice.settings import Settings

from .help_texts import OPTIONS, STORE, help_of
from .manual import CONTRIBUTING, EVERYTHING, OUTPUTS, PAGES, README, ROOT, blocks, blocks_of
from .printed import printed_curl
from .running import Service, run
from .signing import headers_with_own_key

EXAMPLES = ROOT / "tests" / "examples"
[OPERATION] = blocks_of(CONTRIBUTING, "python") or [""]

Client = AsyncMongoClient[dict[str, Any]]

OF_THE_TESTS = {"DOCSERVICE_TEST_MONGODB_URI", "DOCSERVICE_TEST_ENGINE"}


def usage_lines() -> dict[tuple[str, ...], str]:
    """The lines of the reference that show how a command is called, by command."""
    found: dict[tuple[str, ...], str] = {}
    usages = re.findall(r"^## docservice [^\n]*\n\n```sh\n(.*?)```", PAGES["commands"], re.DOTALL | re.MULTILINE)
    for line in "".join(usages).replace("\n    ", " ").splitlines():
        words = line.partition("#")[0].split()
        if words[:1] != ["docservice"]:
            continue
        for command in OPTIONS:
            first, *second = command
            if words[1] == first and (not second or second[0] in words[2].split("|")):
                found.setdefault(command, line)
    return found


def test_the_readme_is_short() -> None:
    """Somebody who sees the project for the first time reads the README to its end: it has at most 150 lines."""
    assert len(README.splitlines()) <= 150


def test_every_block_is_looked_at() -> None:
    """A new kind of block needs a test of its own here."""
    kinds = re.findall(r"^```(\w+)$", "".join(EVERYTHING.values()), re.MULTILINE)

    assert set(kinds) == {"sh", "console", "python", "text", "js", "json", "toml", "nginx", "caddy"}
    assert set(blocks("python")) - {OPERATION} == {path.read_text(encoding="utf-8") for path in EXAMPLES.glob("*.py")}
    assert all(text in OUTPUTS.values() for text in blocks("text"))
    assert len(blocks("console")) == 1


@pytest.mark.parametrize(
    ("kind", "place"),
    [
        ("nginx", r"location (\S+) \{\s+proxy_pass http://127\.0\.0\.1:(\d+);"),
        ("caddy", r"handle (\S*) ?\{\s+reverse_proxy 127\.0\.0\.1:(\d+)\n"),
    ],
)
def test_the_samples_for_proxies_send_the_logger_here(kind: str, place: str) -> None:
    """The paths of the logger go to this service's own port, all others to the Kolibri; each brace is closed."""
    [block] = blocks(kind)

    ports = {path.rstrip("*"): int(port) for path, port in re.findall(place, block)}

    assert ports.pop("/api/logger/") == Settings.model_fields["port"].default
    assert list(ports.values()) == [8080]
    assert set(ports) <= {"", "/"}
    assert block.count("{") == block.count("}")
    if kind == "nginx":
        assert all(line.strip()[-1] in "{};" for line in block.splitlines() if line.strip())


def test_the_operation_of_the_guide_is_one() -> None:
    """What the guide for contributors shows declares an operation, with the names that the list of attempts uses."""
    names = {**vars(rest_operations), **vars(lists)}

    exec(OPERATION, names)  # noqa: S102 (our own text)

    [operation] = names["operations"].declared
    shown = next(each for each in lists.operations.declared if each.name == operation.name)
    assert (operation.method, operation.path, operation.answer) == (shown.method, shown.path, shown.answer)
    assert operation.raised == shown.raised


@pytest.mark.slow
@pytest.mark.engine
async def test_the_client_example_runs(demo_service: Service, tmp_path: Path) -> None:
    """The example of the client runs as it is written against the demo, and shows the visit among the learner's."""
    shutil.copy(ROOT / "tests" / "examples" / "client.py", tmp_path / "example.py")
    learner = demo.directory()["users"][2]["id"]
    token = headers_with_own_key(demo_service.data_dir, learner)["Authorization"].removeprefix("Bearer ")

    ended = await run("-W", "error", "example.py", demo_service.base, token, cwd=tmp_path, program=(sys.executable,))

    assert (ended.code, ended.err) == (0, "")
    first, *rest = ended.out.splitlines()
    assert first == "complete=False attempts=[]"
    assert "video 0.25" in rest
    assert len(rest) > 2


@pytest.mark.slow
@pytest.mark.parametrize("command", OPTIONS, ids=" ".join)
async def test_each_command_is_shown_with_its_options(command: tuple[str, ...]) -> None:
    """The reference has a line for every command; its options exist, and none but the common ones is left out."""
    line = usage_lines()[command]
    shown = set(re.findall(r"--[a-z-]+", line))
    known = set(re.findall(r"--[a-z-]+", (await help_of(*command)).out))

    assert shown <= known
    own = set(OPTIONS[command]) - set(STORE) - {"--rebuild"}
    assert own <= shown


@pytest.mark.slow
async def test_every_command_takes_the_common_options() -> None:
    """What the reference says of every command holds for every command."""
    told = " ".join(PAGES["commands"].split())
    assert "Every command takes `--data-dir`, `--mongodb-uri` and `--database`." in told

    helps = {command: (await help_of(*command)).out for command in OPTIONS}
    lacking = [command for command, text in helps.items() if any(name not in text for name in STORE)]

    assert lacking == []


def test_the_two_commands_name_what_is_there() -> None:
    """Each of the two commands sets up an extra that exists and then runs a program that the extra brings."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    pairs = re.findall(r"^sh \.ci/setup (\w+) && \.venv/bin/(\S+)(.*)$", "".join(blocks_of(README, "sh")), re.MULTILINE)

    assert [pair[1] for pair in pairs] == ["docservice", "pytest"]
    for extra, program, arguments in pairs:
        assert extra in project["optional-dependencies"]
        wanted = project["optional-dependencies"][extra]
        assert program in project["scripts"] or any(name.startswith(program) for name in wanted)
        assert arguments.split() in (["serve", "--demo"], ["-n", "2"])


@pytest.mark.skipif(not (ROOT / ".ci" / "setup").exists(), reason="needs a checkout")
@pytest.mark.skipif(not shutil.which("shellcheck"), reason="needs shellcheck")
async def test_the_setup_script_is_clean() -> None:
    """shellcheck has nothing to say about the script that the two commands begin with."""
    ended = await run(str(ROOT / ".ci" / "setup"), program=("shellcheck",))

    assert (ended.code, ended.out) == (0, "")


BENCHMARKS = re.findall(r"`\.venv/bin/python -m (tests\.benchmarks\.\w+)`", CONTRIBUTING)


@pytest.mark.skipif(not CONTRIBUTING, reason="needs a checkout")
def test_each_benchmark_is_named() -> None:
    """CONTRIBUTING says how each benchmark is run."""
    there = {f"tests.benchmarks.{path.stem}" for path in (ROOT / "tests" / "benchmarks").glob("[a-z]*.py")}

    assert set(BENCHMARKS) == there


@pytest.mark.slow
@pytest.mark.parametrize("module", BENCHMARKS)
async def test_the_benchmark_command_exists(module: str) -> None:
    """`python -m tests.benchmarks.tracking` and the like start."""
    ended = await run("-m", module, "--help", cwd=ROOT, program=(sys.executable,))

    assert (ended.code, ended.err) == (0, "")


@pytest.mark.engine
async def test_the_curl_of_the_manual_is_the_printed_one(demo_service: Service, http: aiohttp.ClientSession) -> None:
    """Same address, headers and body as `serve --demo` prints, and the answer has the fields that are shown."""
    shown = blocks("console")[0]
    command, answer = shown[: shown.index("\n{")], shown[shown.index("\n{") :]

    def shape(text: str) -> str:
        text = re.sub(r"^\$ ", "", text)
        text = re.sub(r"127\.0\.0\.1:\d+", "HOST", re.sub(r"Bearer [^']+", "Bearer TOKEN", text))
        return " ".join(re.sub(r'"([0-9a-f]{8})[0-9a-f…]+"', r'"\1"', text).split())

    body = json.loads(re.findall(r"-d '(.*)'", printed_curl(demo_service), re.DOTALL)[0])
    token = re.findall(r"Bearer ([^']+)", printed_curl(demo_service))[0]
    headers = {"Authorization": f"Bearer {token}"}
    async with http.post(f"{demo_service.base}/api/logger/trackprogress/", json=body, headers=headers) as response:
        real = await response.json()

    assert shape(command) == shape(printed_curl(demo_service))
    fields = set(re.findall(r'"(\w+)":', answer)) - {"type", "node_id", "mastery_level"}
    assert fields == set(real)
    assert set(real["context"]) >= {"node_id", "mastery_level"}


@pytest.mark.engine
async def test_the_document_of_the_manual_is_in_the_demo(demo_service: Service) -> None:
    """The summary shown is one of the demo's: the same id and numbers, the same fields in the same order."""
    [shown] = [block for block in blocks("js") if "findOne({_id:" in block]
    [shown_id] = re.findall(r"^  _id: '(\w+)'", shown, re.MULTILINE)

    async with Client(demo_service.mongodb_uri) as client:
        real = await client.docservice.content_summary_logs.find_one({"_id": shown_id})

    assert real
    assert re.findall(r"^  (\w+):", shown, re.MULTILINE) == list(real)
    [mastery_log] = real["mastery_logs"]
    assert re.findall(r"^      (\w+):", shown, re.MULTILINE) == list(mastery_log)
    attempt = mastery_log["attempts"][0]
    assert re.findall(r"^          (\w+):", shown, re.MULTILINE)[: len(attempt)] == list(attempt)
    for name in ("user_id", "content_id", "channel_id", "kind", "_morango_partition"):
        assert f"{name}: '{real[name]}'" in shown
    for name in ("time_spent", "progress", "attempt_bytes", "overflow_buckets"):
        assert re.search(rf"^  {name}: {real[name]:g},$", shown, re.MULTILINE), name


@pytest.mark.engine
async def test_the_query_of_the_manual_is_answered_by_an_index(demo_service: Service) -> None:
    """It finds documents of the demo's learner, and its first field is the first key of a described index."""
    [query] = [block for block in blocks("js") if ".sort({progress: 1})" in block]
    [(user_id, kind)] = re.findall(r'find\(\{user_id: "(\w+)", kind: "(\w+)"\}\)\.sort\(\{progress: 1\}\)', query)

    async with Client(demo_service.mongodb_uri) as client:
        summaries = client.docservice.content_summary_logs
        count = await summaries.count_documents({"user_id": user_id, "kind": kind})
        indexes = await summaries.index_information()

    assert user_id == demo.directory()["users"][1]["id"]
    assert count >= 2
    assert any(index["key"][0][0] == "user_id" for index in indexes.values())


async def test_the_settings_are_the_table_that_the_command_prints() -> None:
    """The reference has the output of `docservice settings` as it is, and every setting has a row there."""
    ended = await run("settings")

    assert (ended.code, ended.err) == (0, "")
    assert f"\n{ended.out}\n" in PAGES["settings"]
    rows = re.findall(r"^\| `DOCSERVICE_(\w+)` \| (.*?) ?\| (.+) \|$", PAGES["settings"], re.MULTILINE)
    assert [name.lower() for name, _, _ in rows] == list(Settings.model_fields)
    for (_, default, meaning), setting in zip(rows, Settings.model_fields.values(), strict=True):
        assert default == ("" if setting.default is None else f"`{setting.default}`")
        assert meaning == setting.description


def test_other_variables_are_explained() -> None:
    """A DOCSERVICE_ variable that a text names is a setting or the one of the tests."""
    known = {f"DOCSERVICE_{name.upper()}" for name in Settings.model_fields} | {
        "DOCSERVICE_TEST_MONGODB_URI",
        "DOCSERVICE_TEST_ENGINE",
    }

    assert set(re.findall(r"DOCSERVICE_[A-Z_]+", "".join(EVERYTHING.values()))) <= known


def test_the_directory_of_the_manual_is_one() -> None:
    """The directory file shown has only records that an import takes."""
    [shown] = blocks("json")

    assert set(directory_records(json.loads(shown))) == {"datasets", "facilities", "classrooms", "users", "memberships"}


async def sent_like(
    command: str, service: Service, http: aiohttp.ClientSession, token: str, **changed: str
) -> tuple[int, Any]:
    """Send what a curl of the manual sends; status and answer.

    Args:
        command: of the manual.
        service: in place of the one in the manual.
        http: sends it.
        token: in place of the word in the header.
        changed: other words in place of those that the command has.
    """
    for before, after in changed.items():
        command = command.replace(before, after)
    words = shlex.split(command.replace("http://127.0.0.1:8000", service.base))
    url = next(word for word in words if word.startswith(service.base))
    headers = dict(re.split(": ", words[place + 1], maxsplit=1) for place, word in enumerate(words) if word == "-H")
    headers["Authorization"] = f"Bearer {token}"
    query = dict(words[place + 1].split("=", 1) for place, word in enumerate(words) if word == "--data-urlencode")
    body = words[words.index("-d") + 1] if "-d" in words else None
    method = words[words.index("-X") + 1] if "-X" in words else "GET"
    async with http.request(method, url, params=query, data=body, headers=headers) as response:
        return response.status, await response.json()


@pytest.mark.engine
async def test_the_directory_curls_of_the_manual_are_taken(demo_service: Service, http: aiohttp.ClientSession) -> None:
    """With a token of `docservice token --service` a record is taken, one of the demo's, so that nothing changes; a
    list is replaced, and a person removed, one of the test's own; with a learner's token the learner is found."""
    post, removed, replaced = [block for block in blocks_of(PAGES["import"], "sh") if "/api/directory/" in block]
    [read] = [block for block in blocks_of(PAGES["rest"], "sh") if "/api/directory/" in block]
    learner, new = demo.directory()["users"][1], "f" * 32
    program = (await run("token", "--service", "--data-dir", str(demo_service.data_dir))).out.strip()
    zawadi = (await run("token", learner["id"], "--data-dir", str(demo_service.data_dir))).out.strip()
    person = json.dumps([{**learner, "id": new, "username": "new"}])
    async with http.post(
        f"{demo_service.base}/api/directory/users/",
        data=person,
        headers={"Authorization": f"Bearer {program}", "Content-Type": "application/json"},
    ) as response:
        assert response.status == 200

    answers = [await sent_like(command, demo_service, http, program) for command in (post, replaced)]
    gone = await sent_like(removed, demo_service, http, program, **{learner["id"]: new})
    found = await sent_like(read, demo_service, http, zawadi)

    assert answers[0] == (200, {"created": 0, "changed": 0, "unchanged": 1, "erased": 0})
    assert answers[1][0] == 200
    assert answers[1][1]["removed"] == {}
    assert gone == (200, {"removed": {"users": 1}, "changed": {}})
    assert [each["id"] for each in found[1]["results"]] == [learner["id"]]
