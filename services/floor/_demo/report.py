"""The table at the end of a demo."""

from collections import Counter
from collections.abc import Iterator

from holdfast.testing.demos import latency, table
from services.floor._demo.checks import CHECKS
from services.floor._demo.evidence import Evidence


def report(seen: Evidence, *, seed: int) -> tuple[str, bool]:
    """The table as text, and whether every check holds."""
    return table(_figures(seen), CHECKS, seen, seed=seed)


def _figures(seen: Evidence) -> Iterator[tuple[str, str]]:
    paper = seen.paper
    refused = Counter(str(deed.answer.get("code")) for deed in seen.deeds if not deed.accepted)
    yield "commands", f"{len(seen.deeds)} sent, {len(seen.accepted())} accepted, {refused.total()} refused"
    yield "refused", ", ".join(f"{count} {code}" for code, count in refused.most_common()) or "none"
    repeated = [deed for deed in seen.deeds if deed.attempts > 1]
    known = sum(1 for deed in repeated if deed.answer.get("deduplicated"))
    yield "sent again", f"{len(repeated)} after a lost connection or answer, {known} of them accepted before"
    yield "guests", f"{len(paper.parties)} parties, {len(paper.ordered)} lines, {len(paper.receipts)} receipts"
    yield "turns", ", ".join(f"{count} {turn.replace('_', ' ')}" for turn, count in sorted(paper.turns.items()))
    yield "at the till", f"{paper.voids} voids, {paper.refunds} refunds, {_money(seen)}"
    yield "tablets", f"{len(seen.boards)}, which came back {seen.returns} times"
    yield "killed", ", ".join(f"{kill.part} ({kill.pid})" for kill in seen.kills) or "nothing"
    yield "latency", latency(deed.answered_at - deed.sent_at for deed in seen.deeds if deed.answer)
    yield "events", ", ".join(f"{len(log)} of {name}" for name, log in seen.logs.items())


def _money(seen: Evidence) -> str:
    paid: Counter[str] = Counter()
    for receipt in seen.paper.receipts.values():
        paid.update(receipt.paid)
    return ", ".join(f"{minor / 100:.2f} {tender}" for tender, minor in sorted(paid.items()))
