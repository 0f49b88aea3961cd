"""What a process costs: its memory, and the processor time that it has used."""

import os
import resource
from pathlib import Path
from typing import Final, NamedTuple

_TICKS: Final = os.sysconf("SC_CLK_TCK")


class Memory(NamedTuple):
    """KiB of a process: resident, and its own alone."""

    resident: int
    unique: int


def memory(pid: int) -> Memory:
    """What a process holds now."""
    found = dict[str, int]()
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        field, value = line.split()[:2]
        found[field] = int(value)
    return Memory(found["Rss:"], found["Private_Clean:"] + found["Private_Dirty:"])


def resident_kib(pid: int) -> int:
    """The resident memory of a process in KiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise ProcessLookupError(f"process {pid} has ended")


def cpu_seconds(pid: int) -> float:
    """Processor seconds of a process so far, in user and system mode."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def raise_file_limit() -> int:
    """Let this process and those that it starts open as many files as they may; returns how many."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard
