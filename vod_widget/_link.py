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

from .model import LinkFacts

__all__ = ["Link"]

_ANSWERS = 32
_INFO_BYTES = 152
_RTT_AT, _AGAIN_AT, _SENT_AT, _LEAST_RTT_AT = 68, 100, 136, 148
"""Offsets of tcpi_rtt, tcpi_total_retrans, tcpi_segs_out, tcpi_min_rtt in `struct tcp_info`, linux/tcp.h since 4.9."""
_ENOUGH_SEGMENTS = 100


class Link:
    """Facts of the line, over all connections."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answers_s: deque[float] = deque(maxlen=_ANSWERS)

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
        if sys.platform != "linux":
            return LinkFacts(answer_s)
        sent = again = 0
        queues: list[float] = []
        least_s: list[float] = []
        congestion = ""
        for sock in sockets:
            with contextlib.suppress(OSError):
                info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO_BYTES)
                segments, least_us = _u32(info, _SENT_AT), _u32(info, _LEAST_RTT_AT)
                if segments < _ENOUGH_SEGMENTS:
                    continue
                sent += segments
                again += _u32(info, _AGAIN_AT)
                queues.append(_u32(info, _RTT_AT) / max(1, least_us))
                least_s.append(least_us / 1e6)
                if not congestion:
                    name = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16)
                    congestion = name.rstrip(b"\0").decode("ascii", "replace")
        return LinkFacts(
            answer_s,
            rtt_s=min(least_s, default=None),
            loss=again / sent if sent else None,
            queue=statistics.median(queues) if queues else None,
            congestion=congestion,
        )


def _u32(info: bytes, at: int) -> int:
    return int(struct.unpack_from("=I", info, at)[0]) if len(info) >= at + 4 else 0
