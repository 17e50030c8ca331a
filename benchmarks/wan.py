"""A long line on one machine: two network namespaces of our own, and between them rate, queue, delay and loss.

With netem in the kernel (`tc qdisc add ... netem`) a pair of virtual cards does it. Without, a process in user space
does: each namespace has a TUN device, and the packets that come out of one go into the other when their time has come.
Needs root. Nothing outside the two namespaces is touched; they end with the run.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .sink import HERE, work_folder

CLIENT, SERVER = "10.87.0.1", "10.87.0.2"


@dataclass(frozen=True)
class Line:
    """What the line is like.

    Attributes:
        mbit_s: Rate in each direction, Mbit/s.
        rtt_ms: Round trip without queues, ms.
        loss_percent: Random loss of packets from client to server.
        congestion: What drivers ask for on each socket; a namespace of its own may not set every one as its default.
        queue_ms: Most time that a packet waits in the queue before it is dropped.
    """

    mbit_s: float
    rtt_ms: float
    loss_percent: float = 0.0
    congestion: str = "cubic"
    queue_ms: float = 100.0

    @property
    def goodput_bytes_per_s(self) -> float:
        """The most that the rate leaves for bytes of a body: 1,448 of 1,500 bytes of a packet."""
        return self.mbit_s * 1e6 / 8 * 1448 / 1500

    def __str__(self) -> str:
        return f"{self.mbit_s:g} Mbit/s, {self.rtt_ms:g} ms, {self.loss_percent:g} % loss, {self.congestion}"


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


def has_netem() -> bool:
    """Whether the kernel can delay and drop by itself."""
    name = f"vodprobe{os.getpid()}"
    _ip("netns", "add", name)
    try:
        command = ["ip", "netns", "exec", name, "tc", "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms"]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False
    finally:
        _ip("netns", "del", name)


def why_not() -> str:
    """Why there can be no line here, or ""."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "it needs root on Linux"
    if not Path("/dev/net/tun").exists():
        return "there is no /dev/net/tun"
    if subprocess.run(["which", "ip"], capture_output=True, check=False).returncode:
        return "it needs iproute2"
    return ""


@dataclass(frozen=True)
class Sides:
    """Words before a command that run it on one side of the line."""

    client: tuple[str, ...]
    server: tuple[str, ...]
    by: str


def _shaper() -> Path:
    target, source = work_folder() / "wan-shaper", HERE / "wan.c"
    if not target.exists() or target.stat().st_mtime < source.stat().st_mtime:
        subprocess.run(["cc", "-O2", "-o", str(target), str(source)], check=True)
    return target


@contextlib.contextmanager
def line(given: Line) -> Iterator[Sides]:
    """Lay a line; it is gone when the block ends."""
    near, far = f"vodnear{os.getpid()}", f"vodfar{os.getpid()}"
    process: subprocess.Popen[str] | None = None
    try:
        for name in (near, far):
            _ip("netns", "add", name)
            _ip("-n", name, "link", "set", "lo", "up")
            settings = (
                # Both ends may hold what is under way on a long line.
                "net.ipv4.tcp_rmem=4096 1048576 33554432",
                "net.ipv4.tcp_wmem=4096 1048576 33554432",
                "net.ipv4.tcp_no_metrics_save=1",
            )
            for setting in settings:
                subprocess.run(["ip", "netns", "exec", name, "sysctl", "-qw", setting], check=True)
        if has_netem():
            _lay_netem(given, near, far)
            by = "netem"
        else:
            words = [given.mbit_s, given.rtt_ms / 2, given.loss_percent, given.queue_ms]
            process = subprocess.Popen(
                [str(_shaper()), near, far, *(str(w) for w in words)], stdout=subprocess.PIPE, text=True
            )
            assert process.stdout is not None
            if process.stdout.readline().strip() != "ready":
                raise RuntimeError("the line could not be laid")
            for name, own, other in ((near, CLIENT, SERVER), (far, SERVER, CLIENT)):
                _ip("-n", name, "addr", "add", own, "peer", other, "dev", "vodwan")
                _ip("-n", name, "link", "set", "vodwan", "mtu", "1500", "txqueuelen", "10000", "up")
            by = "TUN"
        yield Sides(("ip", "netns", "exec", near), ("ip", "netns", "exec", far), by)
    finally:
        if process is not None:
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()
        for name in (near, far):
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)


def _lay_netem(given: Line, near: str, far: str) -> None:
    _ip("link", "add", "vodwan", "netns", near, "type", "veth", "peer", "name", "vodwan", "netns", far)
    for name, own, loss in ((near, CLIENT, given.loss_percent), (far, SERVER, 0.0)):
        _ip("-n", name, "addr", "add", f"{own}/24", "dev", "vodwan")
        _ip("-n", name, "link", "set", "vodwan", "up")
        packets = int(given.mbit_s * 1e6 / 8 * (given.queue_ms + given.rtt_ms / 2) / 1000 / 1500) + 10
        shape = ["delay", f"{given.rtt_ms / 2}ms", "rate", f"{given.mbit_s}mbit", "limit", str(packets)]
        if loss:
            shape += ["loss", f"{loss}%"]
        command = ["ip", "netns", "exec", name, "tc", "qdisc", "add", "dev", "vodwan", "root", "netem", *shape]
        subprocess.run(command, check=True)
