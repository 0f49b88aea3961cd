"""The kitchen's printers: every ticket once, copies marked, moves told."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from holdfast import Name, Service
from holdfast._judge import Judge
from holdfast.client import Client
from holdfast.sql import StoredEvent
from holdfast.testing import Scenario
from holdfast.testing.servers import NatsServer
from holdfast.testing.serving import serving
from holdfast.worker import Job, Work
from services.floor.contract import CancelLine, Modifier, MoveParty, ReprintTicket
from services.floor.effects import Kitchen
from services.floor.printing import PRINTERS, KitchenPrinter, Slip, paper
from services.floor.service import service
from services.floor.tests.scenes import COOK, WAITER, line, order, run, seated
from services.floor.tests.test_service import PATIENCE, opened, seat, seen, send
from services.floor.tests.test_service import order as send_order

pytest_plugins = ["holdfast.testing._servers"]

FLOOR = Name.of("floor", "acme", "loc-1:main")


def slips(scene: Scenario) -> list[Slip]:
    """What the whole log of a floor lets be printed."""
    judge = Judge(scene.entity)
    stored = [StoredEvent[Any](name=scene.name, position=each.seq, recorded=each, judge=judge) for each in scene.log]
    effects = [effect for each in stored for effect in Kitchen().react(each)]
    return [effect.payload for effect in effects if isinstance(effect, Job) and isinstance(effect.payload, Slip)]


def test_each_station_prints_what_it_makes() -> None:
    scene = run(seated(stations={"coke": "bar"}), order(line("l1", qty=2000), line("l2", sku="pie")))
    assert [(slip.station, slip.kind, slip.lines[0].sku) for slip in slips(scene)] == [
        ("bar", "order", "coke"),
        ("kitchen", "order", "pie"),
    ]


def test_a_cancellation_is_printed_as_one_with_what_to_leave_out() -> None:
    scene = run(seated(), order(line("l1", qty=2500)), CancelLine(line_id="l1", qty=1500, reason="x"))
    printed = paper(slips(scene)[-1]).splitlines()
    assert printed[:3] == ["kitchen  #2", "CANCEL T1", "-1.5 x coke"]


def test_a_reprint_is_marked_as_a_duplicate_of_the_same_ticket() -> None:
    scene = run(seated(), order(line("l1", note="no ice", seat=2, course=1, mods=(Modifier(id="lemon"),))))
    ticket_id = scene.view(COOK)["tickets"][0]["ticket_id"]
    run(scene, ReprintTicket(ticket_id=ticket_id))
    first, copy = (paper(slip) for slip in slips(scene))
    assert first == f"kitchen  #1\nTABLE T1\n1 x coke, lemon, seat 2, course 1, no ice\n{ticket_id}\n"
    assert copy == f"*** DUPLICATE 2 ***\n{first}"


def test_a_move_prints_a_word_at_the_stations_that_work_for_the_party_and_no_ticket() -> None:
    scene = run(seated(), order(), MoveParty(party_id="p1", to_table_ids=("t2",)))
    assert [paper(slip) for slip in slips(scene)[1:]] == ["kitchen\nMOVED T1→T2\n"]


def test_a_move_of_guests_who_wait_for_nothing_prints_nothing() -> None:
    assert slips(run(seated(), MoveParty(party_id="p1", to_table_ids=("t2",)))) == []


async def test_a_job_that_is_done_twice_prints_one_slip(tmp_path: Path) -> None:
    printer = KitchenPrinter(tmp_path)
    work = Work(id="job-1", name=FLOOR, seq=7, attempt=1, payload=Slip(station="bar", kind="order", table_ref="T1"))
    await printer.handle(work)
    await printer.handle(replace(work, attempt=2))
    assert [path.name for path in (tmp_path / "acme" / "bar").iterdir()] == ["00000007-job-1.txt"]


async def test_without_a_folder_the_log_names_the_setting_and_nothing_of_the_slip(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(PRINTERS, raising=False)
    slip = Slip(station="bar", kind="order", table_ref="T1→T2", allergies=("nuts",))
    await KitchenPrinter().handle(Work(id="job-1", name=FLOOR, seq=7, attempt=1, payload=slip))
    said = capsys.readouterr().out
    assert PRINTERS in said
    assert not any(word in said for word in ("nuts", "T1"))


async def test_an_order_comes_out_of_the_printer_once_and_a_reprint_as_a_duplicate(
    nats: NatsServer, tmp_path: Path
) -> None:
    papers = tmp_path / "papers"
    printing = Service(
        name=service.name,
        entities=service.entities,
        reactors=(Kitchen(),),
        workers=(KitchenPrinter(papers),),
    )
    async with serving([printing], nats.url, tmp_path), await Client.connect(nats.url) as client:
        floor = await opened(client)
        await seat(client, floor)
        await send_order(client, floor)
        await send_order(client, floor)
        ticket_id = (await seen(client, floor))["tickets"][0]["ticket_id"]
        await send(client, floor, "reprint_ticket", WAITER, ticket_id=ticket_id)
        async with asyncio.timeout(PATIENCE):
            while len(found := sorted(papers.rglob("[0-9]*.txt"))) < 2:
                await asyncio.sleep(0.02)
    assert ["DUPLICATE" in path.read_text() for path in found] == [False, True]
