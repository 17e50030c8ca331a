"""What connections tell of the line: how long an answer takes, what is lost, whether a queue stands in it.

Read from the system where it has TCP_INFO (Linux); elsewhere only the times of answers are known. Base of floor 2,
beside `_http`; any thread.
"""

from __future__ import annotations

import contextlib
import socket
import statistics
import struct
import sys
import threading
from collections import deque
from collections.abc import Iterable
from typing import NamedTuple
from weakref import WeakKeyDictionary

from .model import LinkFacts

__all__ = ["Link"]

_ANSWERS = 32
_INFO_BYTES = 196
_MSS_AT, _RTT_AT, _AGAIN_AT, _SENT_AT, _LEAST_RTT_AT, _DELIVERED_AT = 16, 68, 100, 136, 148, 192
"""Offsets of tcpi_snd_mss, tcpi_rtt, tcpi_total_retrans, tcpi_segs_out, tcpi_min_rtt (linux/tcp.h since 4.9) and
tcpi_delivered (since 4.18) in `struct tcp_info`."""
_ENOUGH_SEGMENTS = 100
"""A connection that sent less has not met a queue yet."""


class _Told(NamedTuple):
    """What one connection counts since it was opened."""

    sent: int = 0
    again: int = 0
    delivered: int = 0


class Link:
    """Facts of the line, over all connections."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answers_s: deque[float] = deque(maxlen=_ANSWERS)
        self._told: WeakKeyDictionary[socket.socket, _Told] = WeakKeyDictionary()
        self._sent = self._again = self._delivered_bytes = 0  # of closed connections too, so that they only grow

    def answered(self, answer_s: float) -> None:
        """Take the seconds from the last byte of a request to the first of its answer."""
        with self._lock:
            self._answers_s.append(answer_s)

    def facts(self, sockets: Iterable[socket.socket]) -> LinkFacts:
        """Return what is known now.

        Args:
            sockets: The connections that are open.
        """
        with self._lock:
            # The least: bytes that the system still held make the answer to a large request seem late.
            answer_s = min(self._answers_s) if self._answers_s else None
            return self._of_system(answer_s, sockets) if sys.platform == "linux" else LinkFacts(answer_s)

    def _of_system(self, answer_s: float | None, sockets: Iterable[socket.socket]) -> LinkFacts:
        queues_s: list[float] = []
        least_s: list[float] = []
        congestion = ""
        for sock in sockets:
            with contextlib.suppress(OSError):
                info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO_BYTES)
                sent = self._count(sock, info)
                rtt_s, own_least_s = _u32(info, _RTT_AT) / 1e6, _u32(info, _LEAST_RTT_AT) / 1e6
                least_s.append(own_least_s)  # from connecting on; the kernel's "unknown" is the largest number
                if sent < _ENOUGH_SEGMENTS:
                    continue
                queues_s.append(rtt_s - own_least_s)
                if not congestion:
                    name = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16)
                    congestion = name.rstrip(b"\0").decode("ascii", "replace")
        return LinkFacts(
            answer_s,
            rtt_s=min(least_s, default=None),
            queue_s=statistics.median(queues_s) if queues_s else None,
            sent_segments=self._sent,
            lost_segments=self._again,
            delivered_bytes=self._delivered_bytes,
            congestion=congestion,
        )

    def _count(self, sock: socket.socket, info: bytes) -> int:
        """Add what a connection counted since it was last asked; returns the segments that it has sent in all."""
        before = self._told.get(sock, _Told())
        now = _Told(_u32(info, _SENT_AT), _u32(info, _AGAIN_AT), _u32(info, _DELIVERED_AT))
        self._told[sock] = now
        self._sent += now.sent - before.sent
        self._again += now.again - before.again
        self._delivered_bytes += (now.delivered - before.delivered) * _u32(info, _MSS_AT)
        return now.sent


def _u32(info: bytes, at: int) -> int:
    return int(struct.unpack_from("=I", info, at)[0]) if len(info) >= at + 4 else 0
