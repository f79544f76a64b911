"""Hosts on this machine: network namespaces, joined by a switch whose cables can be pulled.

Each is held by one process that ends with the process that made it, and nothing of it has a name
outside: where that process is gone, so is the host.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from collections.abc import Sequence
from types import TracebackType

from demo.services import uninterrupted

PROGRAMS = ("ip", "nsenter", "setpriv", "unshare")
ENDS_WITH_PARENT = ("setpriv", "--pdeathsig=KILL")  # in front of a command, or of more options

# Whoever waits for a host that is cut off notices within some ten seconds, where Linux by itself
# takes two hours while nothing is sent, and a quarter of one while something is.
_NOTICE = {"tcp_keepalive_time": 5, "tcp_keepalive_intvl": 1, "tcp_keepalive_probes": 5}
_NOTICE |= {"tcp_retries2": 5}


class NotPossible(RuntimeError):
    """There can be no hosts here; says what that would need."""


class Host:
    """A host of a network."""

    def __init__(
        self, name: str, address: str, holder: subprocess.Popen[bytes], switch: Host | None
    ) -> None:
        """*switch* has its port, of the same name."""
        self.name, self.address = name, address
        self._holder, self._switch = holder, switch
        namespaces = f"/proc/{holder.pid}/ns"
        # In front of a command, it runs there
        self.prefix = ("nsenter", f"--net={namespaces}/net", f"--uts={namespaces}/uts", "--")

    @property
    def pid(self) -> int:
        """The process that holds it."""
        return self._holder.pid

    def run(self, *command: str) -> None:
        """Run a command there to its end."""
        _run(*self.prefix, *command)

    def cutting(self, off: bool = True) -> list[str]:
        """Return the command that cuts it off, or joins it again."""
        assert self._switch is not None
        change = ["ip", "link", "set", self.name, "down" if off else "up"]
        return [*self._switch.prefix, *change]

    def cut_off(self) -> None:
        """Let nothing reach it from now on, nor it anything."""
        _run(*self.cutting())

    def reconnect(self) -> None:
        _run(*self.cutting(off=False))

    def close(self) -> None:
        self._holder.kill()
        self._holder.wait()


class Network:
    """A network of hosts with these *names*, which this process reaches and is reached from.

    Made on enter, gone on exit. ``address`` is this process's own. Raises NotPossible.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self._all: list[Host] = []
        self.hosts: dict[str, Host] = {}
        self.address = ""

    def __enter__(self) -> Network:
        lacking = [program for program in PROGRAMS if shutil.which(program) is None]
        if lacking:
            raise NotPossible(f"hosts in network namespaces need {', '.join(lacking)} (on Linux)")
        if os.geteuid() != 0:
            raise NotPossible("hosts in network namespaces need root")
        try:
            self._make()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End what holds the hosts; programs that run there lose their network."""
        for host in self._all:
            host.close()
        self._all.clear()

    def _make(self) -> None:
        switch = self._hold("switch", "", None)
        switch.run("ip", "link", "add", "bridge", "type", "bridge")
        switch.run("ip", "link", "set", "bridge", "up")
        subnet = _free_subnet()
        for number, name in enumerate(self._names, start=11):
            host = self._hold(name, f"{subnet}.{number}", switch)
            peer = ("peer", "name", "eth0", "netns", str(host.pid))
            _run("ip", "link", "add", name, "netns", str(switch.pid), "type", "veth", *peer)
            host.run("ip", "address", "add", f"{host.address}/24", "dev", "eth0")
            host.run("ip", "link", "set", "eth0", "up")
            self.hosts[name] = host
        self.address = f"{subnet}.254"
        cable = f"hosts{secrets.token_hex(4)}"
        peer = ("peer", "name", "control", "netns", str(switch.pid))
        _run("ip", "link", "add", cable, "type", "veth", *peer)
        _run("ip", "address", "add", f"{self.address}/24", "dev", cable)
        _run("ip", "link", "set", cable, "up")
        for port in (*self._names, "control"):
            switch.run("ip", "link", "set", port, "master", "bridge", "up")

    def _hold(self, name: str, address: str, switch: Host | None) -> Host:
        settings = {f"net/ipv4/{setting}": value for setting, value in _NOTICE.items()}
        lines = [
            f"echo {value} > /proc/sys/{setting}"
            for setting, value in {"kernel/hostname": name, **settings}.items()
        ]
        script = "; ".join(["set -e", *lines, "ip link set lo up", "echo", "exec sleep infinity"])
        command = [*ENDS_WITH_PARENT, "unshare", "--net", "--uts", "sh", "-c", script]
        with uninterrupted():
            holder = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,  # which Ctrl-C does not reach
            )
            host = Host(name, address, holder, switch)
            self._all.append(host)
        assert holder.stdout is not None
        assert holder.stderr is not None
        with holder.stdout, holder.stderr:
            if not holder.stdout.readline():
                said = holder.stderr.read().decode(errors="replace").strip()
                raise NotPossible(f"a network namespace is not permitted here: {said}")
        return host


def _free_subnet() -> str:
    """Return the first three numbers of a network that this machine does not use.

    It is one of those that are for trying out networks.
    """
    used = _run("ip", "-4", "-oneline", "address")
    free = [
        subnet
        for subnet in (f"198.{half}.{number}" for half in (18, 19) for number in range(256))
        if f" {subnet}." not in used
    ]
    return secrets.choice(free)


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout
