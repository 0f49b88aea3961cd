import re
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from gateway.tests.world import World, pad_id


def code_of(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["content-type"].startswith("application/problem+json")
    problem = answer.json()
    assert problem["status"] == answer.status_code
    assert {"type", "title", "detail", "retryable", "details"} <= problem.keys()
    return answer.status_code, problem["code"]


async def still_serves(world: World) -> None:
    assert (await world.write(pad_id())).status_code == 200


async def test_a_command_answers_with_its_name_seq_and_events(world: World) -> None:
    pad = pad_id()
    answer = await world.write(pad, "first")
    assert answer.status_code == 200
    body = answer.json()
    assert (body["name"], body["seq"], body["deduplicated"]) == (f"pad:acme:{pad}", 1, False)
    assert body["events"][0]["type"] == "written"
    assert body["events"][0]["data"] == {"text": "first", "secret": ""}


async def test_a_repeated_idempotency_key_answers_the_first_result(world: World) -> None:
    pad = pad_id()
    path, headers = f"/v1/pad/{pad}/write-note", {**world.bearer(), "Idempotency-Key": "key-1"}
    first = (await world.http.post(path, json={"text": "a"}, headers=headers)).json()
    again = (await world.http.post(path, json={"text": "a"}, headers=headers)).json()
    assert again == {**first, "deduplicated": True}
    other = await world.http.post(path, json={"text": "b"}, headers=headers)
    assert code_of(other) == (409, "IDEMPOTENCY_KEY_REUSED")


async def test_if_match_with_an_old_seq_is_a_version_conflict(world: World) -> None:
    pad = pad_id()
    await world.write(pad)
    await world.write(pad)
    path = f"/v1/pad/{pad}/write-note"
    old = await world.http.post(path, json={"text": "x"}, headers={**world.bearer(), "If-Match": '"1"'})
    assert code_of(old) == (412, "VERSION_CONFLICT")
    right = await world.http.post(path, json={"text": "x"}, headers={**world.bearer(), "If-Match": '"2"'})
    assert right.json()["seq"] == 3
    odd = await world.http.post(path, json={"text": "x"}, headers={**world.bearer(), "If-Match": "two"})
    assert code_of(odd) == (400, "VALIDATION")


async def test_the_state_carries_its_seq_as_etag(world: World) -> None:
    pad = pad_id()
    await world.write(pad, "one")
    answer = await world.http.get(f"/v1/pad/{pad}", headers=world.bearer())
    assert answer.headers["etag"] == '"1"'
    body = answer.json()
    assert body["state"] == {"notes": 1, "last": "one", "secret": None}
    assert datetime.fromisoformat(body["server_now"]).tzinfo is not None


async def test_past_states_are_asked_for_by_seq_or_time(world: World) -> None:
    pad = pad_id()
    first = (await world.write(pad, "one")).json()
    await world.write(pad, "two")
    by_seq = await world.http.get(f"/v1/pad/{pad}?seq=1", headers=world.bearer())
    assert by_seq.json()["state"]["last"] == "one"
    at = first["events"][0]["at"]
    by_time = await world.http.get(f"/v1/pad/{pad}", params={"at": at}, headers=world.bearer())
    assert by_time.json()["state"]["last"] == "one"
    both = await world.http.get(f"/v1/pad/{pad}", params={"at": at, "seq": 1}, headers=world.bearer())
    assert code_of(both) == (400, "VALIDATION")
    naive = await world.http.get(f"/v1/pad/{pad}", params={"at": "2026-01-01T00:00:00"}, headers=world.bearer())
    assert code_of(naive) == (400, "VALIDATION")
    word = await world.http.get(f"/v1/pad/{pad}?seq=one", headers=world.bearer())
    assert code_of(word) == (400, "VALIDATION")


async def test_events_come_in_pages_that_lead_to_the_head(world: World) -> None:
    pad = pad_id()
    await world.write(pad, times=5)
    path = f"/v1/pad/{pad}/events"
    first = (await world.http.get(path, params={"limit": 3}, headers=world.bearer())).json()
    assert ([event["seq"] for event in first["events"]], first["seq"], first["next"]) == ([1, 2, 3], 5, 3)
    second = (await world.http.get(path, params={"after": 3, "limit": 3}, headers=world.bearer())).json()
    assert ([event["seq"] for event in second["events"]], second["next"]) == ([4, 5], None)
    beyond = await world.http.get(path, params={"after": 6}, headers=world.bearer())
    assert code_of(beyond) == (400, "VALIDATION")


async def test_two_viewers_see_what_each_may_see(world: World) -> None:
    pad = pad_id()
    await world.write(pad, "open", secret="hush")
    await world.http.post(f"/v1/pad/{pad}/lock", headers=world.bearer("kim", roles=("keeper",)))
    path = f"/v1/pad/{pad}/events"
    ann = (await world.http.get(path, headers=world.bearer("ann"))).json()["events"]
    kim = (await world.http.get(path, headers=world.bearer("kim", roles=("keeper",)))).json()["events"]
    assert ann[0]["data"] == {"text": "open"}
    assert set(ann[1]) == {"seq", "type", "at"}
    assert ann[1]["type"] == "redacted"
    assert kim[0]["data"] == {"text": "open", "secret": "hush"}
    assert kim[1]["type"] == "locked"
    assert "to" not in kim[0]
    state = await world.http.get(f"/v1/pad/{pad}", headers=world.bearer("ann"))
    assert "hush" not in state.text


@pytest.mark.parametrize(
    "path",
    ["/v1/pad/a.b", "/v1/pad/*", "/v1/pad/%3E", "/v1/pad/a%20b", "/v1/pad/a%0Ab", "/v1/pad/%C3%A4", "/v1/pad/-a",
     "/v1/pad/a%2Fb", "/v1/pad/a%2Fevents", "/v1/p*d/a", "/v1/pad/" + "a" * 250],
)  # fmt: skip
async def test_a_hostile_name_is_refused_and_the_server_goes_on(world: World, path: str) -> None:
    assert code_of(await world.http.get(path, headers=world.bearer())) == (400, "VALIDATION")
    assert code_of(await world.http.post(f"{path}/write-note", json={}, headers=world.bearer())) == (400, "VALIDATION")
    await still_serves(world)


@pytest.mark.parametrize(
    "body",
    [b"{", b"[]", b'"x"', b"null", b"{} {}", b'{"text": NaN}', b'{"text": "\xff"}', b'{"a":' + b"[" * 5000,
     b'{"text": "a", "extra": 1}', b'{"text": 5}', b"{}"],
)  # fmt: skip
async def test_a_malformed_body_is_refused_and_the_server_goes_on(world: World, body: bytes) -> None:
    answer = await world.http.post(f"/v1/pad/{pad_id()}/write-note", content=body, headers=world.bearer())
    assert code_of(answer) == (400, "VALIDATION")
    await still_serves(world)


@pytest.mark.parametrize("command", ["fly", "_view", "-view", "write_note", "Write-Note", "write.note"])
async def test_an_unknown_or_reserved_command_is_refused(world: World, command: str) -> None:
    pad = pad_id()
    await world.write(pad)
    answer = await world.http.post(f"/v1/pad/{pad}/{command}", json={}, headers=world.bearer())
    assert code_of(answer) == (400, "VALIDATION")


async def test_a_body_over_the_limit_is_too_large(gateway: Any) -> None:
    world: World = await gateway(max_body=1000)
    answer = await world.http.post(f"/v1/pad/{pad_id()}/write-note", json={"text": "x" * 2000}, headers=world.bearer())
    assert code_of(answer) == (413, "TOO_LARGE")
    await still_serves(world)


async def test_an_absent_wrong_or_expired_token_is_unauthenticated(world: World) -> None:
    path = f"/v1/pad/{pad_id()}"
    expired = world.bearer(lifetime=timedelta(seconds=-1))
    for headers in ({}, {"Authorization": "Basic x"}, {"Authorization": "Bearer x.y.z"}, expired):
        for method in ("GET", "POST"):
            answer = await world.http.request(method, path + ("" if method == "GET" else "/lock"), headers=headers)
            assert code_of(answer) == (401, "UNAUTHENTICATED")
            assert answer.headers["www-authenticate"] == "Bearer"
    await still_serves(world)


async def test_unwritten_foreign_unreadable_and_unknown_all_read_as_not_found(world: World) -> None:
    pad = pad_id()
    await world.write(pad)
    stranger = world.bearer("sam", roles=("stranger",))
    for path, headers in (
        (f"/v1/pad/{pad_id()}", world.bearer()),
        (f"/v1/pad/{pad}", world.bearer(tenant="other")),
        (f"/v1/pad/{pad}", stranger),
        (f"/v1/pad/{pad}/events", stranger),
        (f"/v1/nothing/{pad}", world.bearer()),
        ("/v1/pad", world.bearer()),
        ("/nowhere", {}),
    ):
        assert code_of(await world.http.get(path, headers=headers)) == (404, "NOT_FOUND")


async def test_who_may_read_but_not_send_is_forbidden(world: World) -> None:
    pad = pad_id()
    await world.write(pad)
    assert code_of(await world.http.post(f"/v1/pad/{pad}/lock", headers=world.bearer())) == (403, "FORBIDDEN")


async def test_a_services_own_code_carries_its_own_status_and_details(world: World) -> None:
    answer = await world.write(pad_id(), times=20_001)
    assert code_of(answer) == (409, "PAD_FULL")
    assert answer.json()["details"] == {"left": 20_000}


async def test_a_method_that_is_not_offered_is_405(world: World) -> None:
    answer = await world.http.put(f"/v1/pad/{pad_id()}", headers=world.bearer())
    assert code_of(answer) == (405, "METHOD_NOT_ALLOWED")


async def test_too_many_commands_are_told_when_to_come_again(gateway: Any) -> None:
    world: World = await gateway(commands_per_second=0.01)
    pad = pad_id()
    assert (await world.write(pad)).status_code == 200
    answer = await world.write(pad)
    assert code_of(answer) == (429, "RATE_LIMITED")
    assert answer.json()["retryable"] is True
    assert 0 < answer.json()["details"]["retry_after_ms"] <= 100_001
    assert int(answer.headers["retry-after"]) >= 1


async def test_the_gateway_tells_that_it_lives_is_ready_and_counts(world: World) -> None:
    await world.write(pad_id())
    assert (await world.http.get("/livez")).status_code == 200
    assert (await world.http.get("/readyz")).status_code == 200
    text = (await world.http.get("/metrics")).text
    assert 'holdfast_gateway_commands_total{outcome="OK",purpose="pad"} 1.0' in text
    assert "holdfast_gateway_sockets 0.0" in text


async def test_the_lot_page_and_its_assets_are_served(world: World) -> None:
    page = await world.http.get("/")
    assert page.status_code == 200
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assets = set(re.findall(r"/web/[a-z.]+", page.text)) | {"/web/link.js"}
    assert assets == {"/web/link.js", "/web/lot.css", "/web/lot.js", "/web/lot.svg"}
    for asset in assets:
        assert (await world.http.get(asset)).status_code == 200
    assert (await world.http.get("/web/..%2Fapp.py")).status_code in {400, 404}


async def test_server_time_is_aware_utc(world: World) -> None:
    pad = pad_id()
    await world.write(pad)
    now = (await world.http.get(f"/v1/pad/{pad}", headers=world.bearer())).json()["server_now"]
    assert abs(datetime.now(UTC) - datetime.fromisoformat(now)) < timedelta(minutes=1)
