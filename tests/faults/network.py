"""A network of hosts, each a network namespace of its own, that can be cut and made deaf or mute while things run."""

import os
import shutil
import subprocess
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache

NETWORKS = 16
"""So many /28 networks fit into the block of addresses below, which is reserved for tests of network devices."""
BLOCK = "198.18.64"
HOSTS = 14


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"{' '.join(command)}: {done.stderr.strip()}")


@cache
def why_not() -> str:
    """What stands in the way of networks here; empty when nothing does."""
    missing = [program for program in ("ip", "iptables") if shutil.which(program) is None]
    if missing:
        return f"there is no {' and no '.join(missing)} here (packages iproute2 and iptables)"
    if os.geteuid() != 0:
        return "network namespaces are for root"
    try:
        with network() as trial:
            trial.host("trial")
            trial.deafen("trial")
    except OSError as error:
        return f"network namespaces cannot be used here: {error}"
    return ""


@dataclass(frozen=True)
class Host:
    """One machine of the network: its address, and the command that runs another one on it."""

    namespace: str
    address: str
    port: str
    """Its plug in the switch."""

    @property
    def inside(self) -> Sequence[str]:
        """Put before a command, runs it on this host; the process is the command's own."""
        return ("ip", "netns", "exec", self.namespace)


@dataclass
class Network:
    """A switch, which this process is plugged into as well."""

    number: int
    switch: str
    hosts: dict[str, Host] = field(default_factory=dict[str, Host])

    @property
    def _own(self) -> str:
        return f"{self.switch}-own"

    def host(self, name: str) -> Host:
        """Add a host under this name."""
        index = len(self.hosts) + 1
        host = Host(f"{self.switch}-{name}", self.address(index + 1), f"port{index}")
        _run("ip", "netns", "add", host.namespace)
        self.hosts[name] = host
        _run("ip", "-n", host.namespace, "link", "set", "lo", "up")
        peer = ("peer", "name", host.port, "netns", self.switch)
        _run("ip", "-n", host.namespace, "link", "add", "eth0", "type", "veth", *peer)
        _run("ip", "-n", host.namespace, "address", "add", f"{host.address}/28", "dev", "eth0")
        _run("ip", "-n", host.namespace, "link", "set", "eth0", "up")
        self._plug(host.port)
        return host

    def address(self, index: int) -> str:
        """The address of the n-th plug; the first is this process's own."""
        if not 1 <= index <= HOSTS:
            raise ValueError(f"a network has room for {HOSTS} plugs")
        return f"{BLOCK}.{16 * self.number + index}"

    def cut(self, name: str) -> None:
        """Let nothing reach or leave a host; its connections stay open at both ends."""
        _run("ip", "-n", self.switch, "link", "set", self.hosts[name].port, "down")

    def deafen(self, name: str) -> None:
        """Let nothing reach a host; what it sends arrives."""
        self._filter(name, "-A", "INPUT", "-i", "eth0", "-j", "DROP")

    def mute(self, name: str) -> None:
        """Let nothing leave a host; what others send arrives."""
        self._filter(name, "-A", "OUTPUT", "-o", "eth0", "-j", "DROP")

    def heal(self, name: str) -> None:
        """Let everything through again."""
        _run("ip", "-n", self.switch, "link", "set", self.hosts[name].port, "up")
        self._filter(name, "-F")

    def open(self) -> None:
        """Make the switch's bridge, and plug this process in."""
        _run("ip", "-n", self.switch, "link", "add", "bridge", "type", "bridge")
        _run("ip", "-n", self.switch, "link", "set", "bridge", "up")
        _run("ip", "link", "add", self._own, "type", "veth", "peer", "name", "port0", "netns", self.switch)
        _run("ip", "address", "add", f"{self.address(1)}/28", "dev", self._own)
        _run("ip", "link", "set", self._own, "up")
        self._plug("port0")

    def close(self) -> None:
        """Take everything away; a cable goes with either of its ends."""
        with suppress(OSError):
            _run("ip", "link", "delete", self._own)
        for namespace in (*(host.namespace for host in self.hosts.values()), self.switch):
            with suppress(OSError):
                _run("ip", "netns", "delete", namespace)

    def _plug(self, port: str) -> None:
        _run("ip", "-n", self.switch, "link", "set", port, "master", "bridge")
        _run("ip", "-n", self.switch, "link", "set", port, "up")

    def _filter(self, name: str, *rule: str) -> None:
        _run(*self.hosts[name].inside, "iptables", "-w", *rule)


@contextmanager
def network() -> Generator[Network]:
    """A network that no other test uses, until the end of the block."""
    made = _claimed()
    try:
        made.open()
        yield made
    finally:
        made.close()


def _claimed() -> Network:
    """The first network whose switch has no namespace yet; making it is what claims it."""
    problem: OSError | None = None
    for number in range(NETWORKS):
        switch = f"holdfast{number}"
        try:
            _run("ip", "netns", "add", switch)
        except OSError as error:
            problem = error
        else:
            return Network(number, switch)
    raise OSError(f"no network is free ({problem}); remove what killed tests left: ip netns delete holdfast0")
