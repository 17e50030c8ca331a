"""What connections tell of the line: how long an answer takes, what is lost, which congestion control is at work.

Read from the system after each answer where it has TCP_INFO (Linux); elsewhere only the times are known. Base of floor
2, beside `_http`; any thread.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import sys
import threading
from collections import deque

from .model import LinkFacts

__all__ = ["Link"]

_SAMPLES = 32
_RETRANSMITTED_AT, _SENT_AT = 100, 136
"""Offsets of tcpi_total_retrans and tcpi_segs_out in `struct tcp_info`, linux/tcp.h since 4.2."""
_INFO_BYTES = 140


class Link:
    """Facts of the line from the last answers, over all connections."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answers_s: deque[float] = deque(maxlen=_SAMPLES)
        self._segments: deque[tuple[int, int]] = deque(maxlen=_SAMPLES)
        self._congestion = ""

    def note(self, sock: socket.socket | None, answer_s: float) -> None:
        """Take one answer: the connection that brought it, and seconds from the last byte sent to its first."""
        segments = congestion = None
        if sock is not None and sys.platform == "linux":
            with contextlib.suppress(OSError):
                info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO_BYTES)
                name = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16)
                congestion = name.rstrip(b"\0").decode("ascii", "replace")
                if len(info) == _INFO_BYTES:
                    segments = struct.unpack_from("=I", info, _RETRANSMITTED_AT) + struct.unpack_from(
                        "=I", info, _SENT_AT
                    )
        with self._lock:
            self._answers_s.append(answer_s)
            self._congestion = congestion or self._congestion
            if segments is not None:
                self._segments.append((segments[0], segments[1]))

    def facts(self) -> LinkFacts:
        """Return what is known now."""
        with self._lock:
            sent = sum(s for _, s in self._segments)
            again = sum(r for r, _ in self._segments)
            return LinkFacts(
                # The least: bytes that the system still held make an answer to a large request seem late.
                answer_s=min(self._answers_s) if self._answers_s else None,
                loss=again / sent if sent else None,
                congestion=self._congestion,
            )
