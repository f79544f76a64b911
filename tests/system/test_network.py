"""Hosts on this machine, as network namespaces."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from demo.hosts import Host, Network
from demo.services import wait_until
from tests.support.origin import serving

ROOT = Path(__file__).parents[2]
CONNECT = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 5)"
MAKER = """
import time
from demo.hosts import Network
with Network(["lone"]) as network:
    print(network.hosts["lone"].pid, network.address, flush=True)
    time.sleep(600)
"""

CLONE_NEWNET = 0x40000000  # <linux/sched.h>

pytestmark = pytest.mark.server


@pytest.fixture(autouse=True)
def own_namespace() -> Iterator[None]:
    """Let what follows happen in a network of its own, where this process may make one.

    A Chromium gives up all that it reads when an address comes or goes in its network, and tests
    of the page run beside these.
    """
    libc = ctypes.CDLL(None)
    # Of this thread, and of those threads and processes that it starts: namespaces(7)
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        if libc.unshare(CLONE_NEWNET) != 0:
            yield
            return
        try:
            subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
            yield
        finally:
            assert libc.setns(before, CLONE_NEWNET) == 0
    finally:
        os.close(before)


def test_a_host_that_is_cut_off_reaches_nobody(network: Network) -> None:
    one, two = network.hosts["one"], network.hosts["two"]
    with serving(host=network.address) as origin:

        def reaches(host: Host) -> bool:
            command = [*host.prefix, sys.executable, "-c", CONNECT, network.address]
            done = subprocess.run([*command, str(origin.port)], capture_output=True)
            return done.returncode == 0

        assert reaches(one) and reaches(two)
        two.cut_off()
        assert reaches(one) and not reaches(two)
        two.reconnect()
        wait_until("it to be back", lambda: reaches(two), seconds=30)


def test_nothing_is_left_of_a_maker_that_is_killed(network: Network) -> None:
    command = [sys.executable, "-c", MAKER]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as maker:
        assert maker.stdout is not None
        try:
            pid, address = maker.stdout.readline().split()
            assert address in addresses()
            assert network.address.rpartition(".")[0] != address.rpartition(".")[0]
        finally:
            maker.send_signal(signal.SIGKILL)
    wait_until("the host to be gone", lambda: not psutil.pid_exists(int(pid)), seconds=30)
    wait_until("its cable to be gone", lambda: address not in addresses(), seconds=30)


def addresses() -> set[str]:
    """This machine's own."""
    return {one.address for cable in psutil.net_if_addrs().values() for one in cable}
