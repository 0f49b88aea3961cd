"""What `holdfast up` says when everything runs: what was started, and lines to copy."""

import shlex
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

LOT_LENGTH: Final = timedelta(minutes=30)


def welcome(folder: Path, pids: Mapping[str, int | None], *, address: str, doors: Mapping[str, str]) -> str:
    """The message to the person at the terminal; `pids` and `doors` are those of the parts by their names."""
    wide = max(map(len, pids))
    lines = ["", f"Holdfast runs at {address}. Its data is in {folder}; Ctrl-C ends it.", ""]
    for name, pid in pids.items():
        lines.append(f"  {name:<{wide}}  pid {pid:<7}  {_operators(doors.get(name))}".rstrip())
    if "auction" in pids:
        lines += ["", "Try it in another terminal:", "", *_auction(folder, pids["auction"], address=address)]
    return "\n".join([*lines, ""])


def _operators(door: str | None) -> str:
    return f"{door}/readyz and /metrics" if door else ""


def _auction(folder: Path, pid: int | None, *, address: str) -> Sequence[str]:
    holdfast = shlex.quote(str(Path(sys.executable).with_name("holdfast")))
    token = f"{holdfast} token --data {shlex.quote(str(folder))} --tenant acme"
    now = datetime.now(UTC)
    lot = f"lot-{now:%H%M%S}"
    terms = f'{{"currency": "EUR", "start_minor": 1000, "ends_at": "{now + LOT_LENGTH:%Y-%m-%dT%H:%M:%SZ}"}}'
    url = f"{address}/v1/auction/{lot}"
    return (
        f"  seller=$({token} --user sam --role seller)",
        f"  bidder=$({token} --user ann --role bidder)",
        f"""  curl -s -H "Authorization: Bearer $seller" {url}/create-lot -d '{terms}'""",
        f"""  curl -s -H "Authorization: Bearer $bidder" {url}/place-bid -d '{{"max_minor": 1500}}'""",
        f"  echo $bidder   # with this token, watch {lot} at {address}",
        f"  kill -9 {pid}   # the auction's process: it is started again, and the next line still shows the bid",
        f"""  curl -s -H "Authorization: Bearer $bidder" {url}""",
    )
