"""The table at the end of a demo."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from services.floor._demo.checks import CHECKS
from services.floor._demo.evidence import Evidence

LONGEST_PROBLEM: Final = 600


def report(seen: Evidence, *, seed: int) -> tuple[str, bool]:
    """The table as text, and whether every check holds."""
    lines = ["", *(f"  {label:<18} {value}" for label, value in _figures(seen)), ""]
    good = True
    for label, check in CHECKS.items():
        problems = list(check(seen))
        good = good and not problems
        lines.append(f"  {'FAILED' if problems else 'ok':<8} {label}")
        if problems:
            more = f" (and {len(problems) - 1} more)" if problems[1:] else ""
            lines.append(f"           {problems[0][:LONGEST_PROBLEM]}{more}")
    lines += ["", "All of it holds." if good else f"Something is wrong. Run it again with --seed {seed}."]
    return "\n".join(lines), good


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
    times = sorted(deed.answered_at - deed.sent_at for deed in seen.deeds if deed.answer)
    yield "latency", f"p50 {_part(times, 0.5):.1f} ms, p99 {_part(times, 0.99):.1f} ms"
    yield "events", ", ".join(f"{len(log)} of {name}" for name, log in seen.logs.items())


def _money(seen: Evidence) -> str:
    paid: Counter[str] = Counter()
    for receipt in seen.paper.receipts.values():
        paid.update(receipt.paid)
    return ", ".join(f"{minor / 100:.2f} {tender}" for tender, minor in sorted(paid.items()))


def _part(times: Sequence[float], part: float) -> float:
    """A quantile in milliseconds."""
    return times[min(len(times) - 1, int(len(times) * part))] * 1000 if times else 0.0
