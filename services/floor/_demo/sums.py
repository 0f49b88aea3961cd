"""The checks of money and goods: what the till says, against the paper."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from services.floor._demo import menu
from services.floor._demo.evidence import Evidence
from services.floor._demo.paper import Receipt

Problems = Iterator[str]


def receipts(seen: Evidence) -> Problems:
    """Every closed bill has one receipt with the totals of the paper; numbers have no gap."""
    written, reversed_ = dict(seen.paper.receipts), dict(seen.paper.reversed)
    for expected, event in enumerate(seen.of(seen.till, "tab_closed"), start=1):
        data = event["data"]
        if data["number"] != expected:
            yield f"receipt {expected} has the number {data['number']}"
        receipt = reversed_.pop(data["tab_id"], None) or written.pop(data["tab_id"], None)
        if receipt is None:
            yield f"bill {data['tab_id']} was closed twice, or is nobody's"
        elif _told(data) != _written(receipt):
            yield f"receipt {data['receipt_no']} says {_told(data)}, the paper {_written(receipt)}"
    for tab_id in (*written, *reversed_):
        yield f"bill {tab_id} was paid and has no receipt"


def _told(data: Mapping[str, Any]) -> dict[str, Any]:
    totals = data["totals"]
    known = {key: totals.get(key, 0) for key in ("gross", "discount", "comp", "due", "rounding", "tip")}
    taxes = {part["tax_id"]: part["minor"] for part in totals.get("tax", [])}
    return {**known, "tax": taxes, "paid": {key: minor for key, minor in data["paid"].items() if minor}}


def _written(receipt: Receipt) -> dict[str, Any]:
    known = {key: getattr(receipt, key) for key in ("gross", "discount", "comp", "due", "rounding", "tip", "tax")}
    return {**known, "paid": {key: minor for key, minor in receipt.paid.items() if minor}}


def cash_drawers(seen: Evidence) -> Problems:
    """Every drawer holds what the paper says, and what is over or short is the difference to what was counted."""
    closed = {event["data"]["terminal_id"]: event["data"] for event in seen.of(seen.till, "drawer_closed")}
    for terminal, drawer in seen.paper.drawers.items():
        data = closed.get(terminal, {})
        found = (data.get("expected"), data.get("counted"), data.get("over_short"))
        due = (drawer.expected, drawer.counted, (drawer.counted or 0) - drawer.expected)
        if found != due:
            yield f"the drawer of {terminal} is {found} (expected, counted, over or short), the paper says {due}"


def stock(seen: Evidence) -> Problems:
    """Of every counted dish as much is left as was not made."""
    _, state = json.loads(next(iter(seen.views["manager"].values()))[seen.till])
    for sku, pieces in seen.paper.stock.items():
        left = state["available_milli"].get(sku)
        if left != 1000 * pieces:
            yield f"{left} thousandths of {sku} are left, the paper says {1000 * pieces}"
    if state["tabs"]:
        yield f"bills are open after the close of day: {', '.join(state['tabs'])}"


def pools(seen: Evidence) -> Problems:
    """The tips were shared out as on paper, and each of them once."""
    found: Counter[str] = Counter()
    for event in seen.of(seen.till, "tips_pooled"):
        for share in event["data"]["shares"]:
            found[share["user"]] += share["minor"]
    if found != Counter(seen.paper.pooled):
        yield f"tips went to {dict(found)}, the paper says {seen.paper.pooled}"


def day_report(seen: Evidence) -> Problems:
    """The Z report is the sum of the receipts on paper, of its voids and of its refunds."""
    reports = [event["data"]["totals"] for event in seen.of(seen.till, "day_closed")]
    if len(reports) != 1:
        yield f"the day was closed {len(reports)} times"
        return
    paper = seen.paper
    sums: Counter[str] = Counter()
    tax: Counter[str] = Counter()
    paid: Counter[str] = Counter()
    for receipt in paper.receipts.values():
        for field in ("gross", "discount", "comp", "due", "rounding", "tip"):
            sums[f"{field}_minor"] += getattr(receipt, field)
        tax.update(receipt.tax)
        paid.update(receipt.paid)
    written = len(paper.receipts) + len(paper.reversed)
    sums.update(receipts=written, reversed=len(paper.reversed), pooled_minor=sum(paper.pooled.values()))
    sums.update(voids=paper.voids, void_minor=paper.void_minor, refunds=paper.refunds)
    report = reports[0]
    for field, due in sums.items():
        if report.get(field, 0) != due:
            yield f"the report says {field} {report.get(field, 0)}, the paper {due}"
    for field, flow in (("tax", tax), ("paid", paid), ("refunded", paper.refunded)):
        found = {key: minor for key, minor in report.get(field, {}).items() if minor}
        if found != {key: minor for key, minor in flow.items() if minor}:
            yield f"the report says {field} {found}, the paper {dict(flow)}"
    if not set(menu.TILLS) <= set(paper.drawers):
        yield "a drawer is missing on paper"
