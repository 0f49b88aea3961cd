"""Does what docs/add-a-service.md says, in a copy of the services, up to lists, jobs and dead letters over the doors."""

import asyncio
import importlib
import re
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

import services
from gateway.auth import issue_token
from gateway.contracts import discover
from gateway.server import serve as serve_gateway
from gateway.settings import Settings
from gateway.tests.world import HOUR
from holdfast.client import Client
from holdfast.testing.servers import NatsServer, nats_server
from holdfast.testing.serving import running, serving
from tests.test_layout import PARTS_OF_A_SERVICE

PAGE = (Path(__file__).parents[1] / "docs" / "add-a-service.md").read_text()
FIRST_CHAPTERS = PAGE[: PAGE.index("\n## A list")]
COMMANDS = re.findall(r"^    (curl .+)$", PAGE, re.MULTILINE)
SERVICE_TESTS = "services/guestbook/tests/test_service.py"
PATIENCE = 60.0


def files(text: str) -> dict[str, str]:
    """The files that the page shows, each as it stands there last."""
    return dict(re.findall(r"^```python (\S+)\n(.*?)^```", text, re.MULTILINE | re.DOTALL))


def rules_in(name: str) -> list[Callable[..., Any]]:
    """The tests of one of these files."""
    module: Any = importlib.import_module(name.removesuffix(".py").replace("/", "."))
    return [getattr(module, rule) for rule in dir(module) if rule.startswith("test_")]


@pytest.fixture(params=[FIRST_CHAPTERS, PAGE], ids=["first chapters", "whole page"])
def chapters(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def guestbook(chapters: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    """The files of the page, where Python finds services."""
    for name, text in files(chapters).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    for package, docstring in (("", "A book that guests sign."), ("migrations/", "The history of its tables.")):
        (tmp_path / "services/guestbook" / package).mkdir(exist_ok=True)
        (tmp_path / f"services/guestbook/{package}__init__.py").write_text(f'"""{docstring}"""\n')
    monkeypatch.setattr(services, "__path__", [*services.__path__, str(tmp_path / "services")])
    monkeypatch.chdir(tmp_path)
    importlib.invalidate_caches()
    yield
    for name in [name for name in sys.modules if name.startswith("services.guestbook")]:
        del sys.modules[name]


@pytest.fixture
def nats(tmp_path: Path) -> Generator[NatsServer]:
    with nats_server(tmp_path) as server:
        yield server


@asynccontextmanager
async def served(nats: NatsServer, folder: Path) -> AsyncGenerator[httpx.AsyncClient]:
    """Ann, at a gateway in front of the new service."""
    found: Any = importlib.import_module("services.guestbook.service")
    settings = Settings(nats=nats.url, port=0, secret="s" * 32, command_timeout=PATIENCE / 2)
    contracts = {"guestbook": discover(services)["guestbook"]}
    headers = {"Authorization": f"Bearer {issue_token(settings.secret, 'acme', 'ann', (), HOUR)}"}
    async with (
        serving([found.service], nats.url, folder),
        running(lambda ready: serve_gateway(settings, ready=ready, contracts=contracts)) as (port,),
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=PATIENCE) as http,
    ):
        yield http


async def curl(http: httpx.AsyncClient, command: str) -> httpx.Response:
    """Do what a line of the page does."""
    url, body = re.search(r"http://[^/]+([^\s\"]+)", command), re.search(r"-d '(.+)'", command)
    assert url
    return await (http.post(url.group(1), content=body.group(1)) if body else http.get(url.group(1)))


async def eventually(look: Callable[[], Awaitable[Any]]) -> Any:
    async with asyncio.timeout(PATIENCE):
        while not (found := await look()):
            await asyncio.sleep(0.05)
    return found


async def holdfast(*arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "holdfast.cli", *arguments, stdout=PIPE)
    async with asyncio.timeout(PATIENCE):
        return (await process.communicate())[0].decode()


@pytest.mark.usefixtures("guestbook")
def test_the_tests_of_the_page_pass(chapters: str) -> None:
    modules = [name for name in files(chapters) if "/tests/" in name and name != SERVICE_TESTS]
    assert modules
    for name in modules:
        rules = rules_in(name)
        assert rules
        for rule in rules:
            rule()


@pytest.mark.usefixtures("guestbook")
async def test_the_test_of_the_served_service_passes(nats: NatsServer, tmp_path: Path) -> None:
    [rule] = rules_in(SERVICE_TESTS)
    async with await Client.connect(nats.url) as client:
        await rule(client, nats, tmp_path)


@pytest.mark.usefixtures("guestbook")
def test_the_page_makes_every_part_of_a_service(tmp_path: Path) -> None:
    folder = tmp_path / "services/guestbook"
    assert [part for part in PARTS_OF_A_SERVICE if not any(folder.glob(part))] == []


@pytest.mark.usefixtures("guestbook")
async def test_the_new_service_is_served_and_reached_over_http(nats: NatsServer, tmp_path: Path) -> None:
    async with served(nats, tmp_path) as http:
        signed = await curl(http, COMMANDS[0])
        book = await curl(http, COMMANDS[1])
    assert signed.status_code == 200, signed.text
    assert book.json()["state"]["signatures"] == ["ann: hello"]


@pytest.mark.parametrize("chapters", [PAGE], ids=["whole page"], indirect=True)
@pytest.mark.usefixtures("guestbook")
async def test_lists_copies_postcards_and_dead_letters_follow_from_signatures(nats: NatsServer, tmp_path: Path) -> None:
    async def listed() -> Any:
        return (await curl(http, COMMANDS[2])).json()["items"]

    async def written() -> list[Path]:
        return list((tmp_path / "postcards").glob("*.txt"))

    async def dead() -> str:
        found = await holdfast("dead", "list", "--purpose", "guestbook", "--nats", nats.url)
        return found if "TEXT_TOO_LONG" in found else ""

    async with served(nats, tmp_path) as http:
        await curl(http, COMMANDS[0])
        [book] = await eventually(listed)
        [card] = await eventually(written)
        await http.post("/v1/guestbook/other/sign", json={"text": "long " * 50})
        letter = await eventually(dead)
        house = (await http.get("/v1/guestbook/house")).json()
    assert (book["id"], book["guest"], book["signatures"], book["closed"]) == ("party", "ann", 1, False)
    assert card.read_text() == "ann: thank you for 'hello'"
    assert house["state"]["signatures"][0] == "_reactor: ann: hello"
    assert letter.startswith("guestbook/1 ")
