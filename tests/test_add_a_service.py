"""Does what docs/add-a-service.md says, in a copy of the services, up to a command over HTTP."""

import importlib
import re
import sys
from collections.abc import Generator
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
from holdfast.testing.servers import NatsServer, nats_server
from holdfast.testing.serving import running, serving

PAGE = (Path(__file__).parents[1] / "docs" / "add-a-service.md").read_text()
FILES = dict(re.findall(r"^```python (\S+)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))
COMMANDS = re.findall(r"^    curl (.+)$", PAGE, re.MULTILINE)


@pytest.fixture
def guestbook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    """The files of the page, where Python finds services."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "services/guestbook/__init__.py").write_text('"""A book that guests sign."""\n')
    monkeypatch.setattr(services, "__path__", [*services.__path__, str(tmp_path / "services")])
    importlib.invalidate_caches()
    yield
    for name in [name for name in sys.modules if name.startswith("services.guestbook")]:
        del sys.modules[name]


@pytest.fixture
def nats(tmp_path: Path) -> Generator[NatsServer]:
    with nats_server(tmp_path) as server:
        yield server


@pytest.mark.usefixtures("guestbook")
def test_the_tests_of_the_page_pass() -> None:
    tests: Any = importlib.import_module("services.guestbook.tests.test_domain")
    rules: list[str] = [name for name in dir(tests) if name.startswith("test_")]
    assert len(rules) == 5
    for rule in rules:
        getattr(tests, rule)()


@pytest.mark.usefixtures("guestbook")
async def test_the_new_service_is_served_and_reached_over_http(nats: NatsServer, tmp_path: Path) -> None:
    found: Any = importlib.import_module("services.guestbook.service")
    settings = Settings(nats=nats.url, port=0, secret="s" * 32)
    contracts = {"guestbook": discover(services)["guestbook"]}
    headers = {"Authorization": f"Bearer {issue_token(settings.secret, 'acme', 'ann', (), HOUR)}"}
    signing, reading = (re.search(r"http://[^/]+(\S+)", command) for command in COMMANDS)
    body = re.search(r"-d '(.+)'", COMMANDS[0])
    assert signing
    assert reading
    assert body
    async with (
        serving([found.service], nats.url, tmp_path),
        running(lambda ready: serve_gateway(settings, ready=ready, contracts=contracts)) as (port,),
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers) as http,
    ):
        signed = await http.post(signing.group(1), content=body.group(1))
        book = await http.get(reading.group(1))
    assert signed.status_code == 200, signed.text
    assert book.json()["state"]["signatures"] == ["ann: hello"]
