"""Parts that a page sends straight to the storage, each by a URL that the kernel signed for that part alone.

Credentials, journal, verification and state stay in the kernel; the page gets one URL a part, in a message, and answers
with the CRC64 of the bytes that it read and with what the storage said. Whatever goes wrong here ends in None, and the
part goes through the kernel instead, where the same fault shows with its true cause. A page that nothing ever answered
(CORS, no route) is asked once; one that got anything through is asked again a while after three failures in a row.

`send` blocks a worker of the engine; everything else is called by whichever thread handles messages. Floor 2.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

from vod_widget.interfaces import Clock, DirectPart
from vod_widget.options import DIRECT_LANES, DIRECT_PART_BYTES, DIRECT_PART_MOST_BYTES, KIB
from vod_widget.secret import Secret

__all__ = ["DirectSender", "PutPart"]

_log = logging.getLogger(__name__)

# Progress comes twice a second from every part that moves.
STALL_S = 30.0
# A socket that is replaced takes messages along, in both directions. While other parts move the page is not silent.
ASK_AGAIN_S = 10.0
SUSPECT_S = 5.0
RETRY_AFTER_S = 30.0
_FAILURES_IN_A_ROW = 3
# What a page that goes away loses is a few seconds of the line, whatever its speed.
_QUICK_PART_S = 3.0
_LONG_PART_S = 6.0
# The last parts have at least this share of the others' size: each costs messages, and nobody waits long for the last.
_LAST_SHARE = 4
# An order to stop is seen at once, for it wakes the wait; this is the net below it.
_LOOK_S = 1.0


@dataclass(slots=True)
class PutPart:
    """What is asked of a page; with no URL: stop that one.

    Attributes:
        put_id: The number that its answers repeat.
        offset: First byte of the file.
        length: Bytes.
        url: Signed for one PUT of this part; a secret.
    """

    put_id: int
    offset: int = 0
    length: int = 0
    url: Secret | None = None


class _Job:
    __slots__ = ("answer", "heard_s", "is_over", "sent_bytes")

    def __init__(self, now_s: float) -> None:
        self.heard_s = now_s
        self.answer: DirectPart | None = None
        self.is_over = False
        self.sent_bytes = 0


class DirectSender:
    """The parts of one file that its page sends.

    Args:
        name: Of the file, for the log.
        clock: Monotonic time.
    """

    def __init__(self, name: str, clock: Clock) -> None:
        self._name = name
        self._clock = clock
        # Guards everything below; never held while the page is asked.
        self._changed = threading.Condition()
        self._ask: Callable[[PutPart], None] | None = None
        self._jobs: dict[int, _Job] = {}
        self._next_id = 0
        self._part_bytes = DIRECT_PART_BYTES
        self._worked = False
        self._failures = 0
        self._off_until_s = 0.0
        self._silent_at_s = 0.0

    def attach(self, ask: Callable[[PutPart], None] | None) -> None:
        """Take a page that may be asked; None: this page may not."""
        with self._changed:
            self._end_all()
            self._ask = ask
            self._worked = False
            self._failures = 0
            self._off_until_s = 0.0

    @property
    def is_on(self) -> bool:
        """True while parts should be sent by the page."""
        with self._changed:
            return self._ask is not None and self._clock.monotonic_s() >= self._off_until_s

    @property
    def is_busy(self) -> bool:
        """True while a page is asked for parts."""
        with self._changed:
            return bool(self._jobs)

    def part_size_bytes(self, left_bytes: int) -> int:
        """Choose the size of the next part, bytes; the last ones are smaller, so that no lane is the last for long.

        Args:
            left_bytes: Bytes of the file that are in no part yet.
        """
        with self._changed:
            least = max(DIRECT_PART_BYTES, self._part_bytes // _LAST_SHARE)
            return min(self._part_bytes, max(least, left_bytes // DIRECT_LANES // KIB * KIB))

    def send(
        self, url: Secret, start: int, end: int, is_unwanted: Callable[[], bool], sent: Callable[[int], None]
    ) -> DirectPart | None:
        """Have the page send one part.

        Args:
            url: Signed for this part.
            start: First byte of the file.
            end: Behind the last byte.
            is_unwanted: Tells when nobody wants it any more.
            sent: Called in this thread with the bytes that have left so far.

        Returns:
            What came of it, or None: send it through the kernel.
        """
        with self._changed:
            ask = self._ask
            if ask is None:
                return None
            put_id, self._next_id = self._next_id, self._next_id + 1
            began_s = self._clock.monotonic_s()
            if not self._jobs:
                self._silent_at_s = began_s + STALL_S
            job = self._jobs[put_id] = _Job(began_s)
        part = PutPart(put_id, start, end - start, url)
        ask(part)
        try:
            while self._wait(job, is_unwanted, sent):
                ask(part)
        finally:
            with self._changed:
                self._jobs.pop(put_id, None)
                if job.answer is not None:
                    self._learn(end - start, self._clock.monotonic_s() - began_s)
            if job.answer is None:
                ask(PutPart(put_id))
        return job.answer

    def _wait(self, job: _Job, is_unwanted: Callable[[], bool], sent: Callable[[int], None]) -> bool:
        """Wait for the end of a part; True: nothing was heard of it, so the page is to be asked again."""
        shown = job.sent_bytes
        while not is_unwanted():
            with self._changed:
                if job.answer is not None or job.is_over:
                    return False
                now_s = self._clock.monotonic_s()
                left_s = self._silent_at_s - now_s
                if left_s <= 0:
                    self._failed("the page is silent")
                    return False
                if now_s - job.heard_s >= ASK_AGAIN_S:
                    job.heard_s = now_s
                    return True
                if job.sent_bytes == shown:
                    self._changed.wait(min(left_s, _LOOK_S))
                now_sent = job.sent_bytes
            if now_sent != shown:
                shown = now_sent
                sent(shown)
        return False

    def _learn(self, length: int, took_s: float) -> None:
        """Follow the line (the condition is held); parts of another size say nothing of this one."""
        if length != self._part_bytes:
            return
        if took_s < _QUICK_PART_S:
            # Four times where even that stays quick: each step costs a round of parts that are too small.
            times = 4 if took_s < _QUICK_PART_S / 4 else 2
            self._part_bytes = min(times * length, DIRECT_PART_MOST_BYTES)
        elif took_s > _LONG_PART_S:
            self._part_bytes = max(length // 2, DIRECT_PART_BYTES)

    # ---- the page's word ---------------------------------------------------------------------------

    def progress(self, put_id: int, sent_bytes: int) -> None:
        """Take note of bytes that have left the page."""
        with self._changed:
            job = self._hear(put_id)
            if job is not None:
                job.sent_bytes = max(job.sent_bytes, sent_bytes)
                self._changed.notify_all()

    def done(self, put_id: int, answer: DirectPart) -> None:
        """Take what the storage answered the page; a part that is not waited for any more is ignored."""
        with self._changed:
            job = self._hear(put_id)
            if job is not None:
                # Parts are on their way beside each other: another one that failed first says less than this one.
                self._worked, self._failures, self._off_until_s = True, 0, 0.0
                job.answer = answer
                self._changed.notify_all()

    def failed(self, put_id: int, reason: str) -> None:
        """Take the page's word that it could not send a part.

        Args:
            put_id: The number that it was asked by.
            reason: "network", "read", or "status": refused by an answer, which a page sees only where CORS lets it.
        """
        with self._changed:
            job = self._hear(put_id)
            if job is not None:
                self._failed(reason)
                job.is_over = True
                self._changed.notify_all()

    def suspect(self) -> None:
        """Doubt that the page lives: without a word within seconds its parts go another way."""
        with self._changed:
            self._silent_at_s = min(self._silent_at_s, self._clock.monotonic_s() + SUSPECT_S)
            self._changed.notify_all()

    def stop(self) -> None:
        """End what is being sent; later parts are sent as before."""
        with self._changed:
            self._end_all()

    def _end_all(self) -> None:
        for job in self._jobs.values():
            job.is_over = True
        self._changed.notify_all()

    def _hear(self, put_id: int) -> _Job | None:
        now_s = self._clock.monotonic_s()
        self._silent_at_s = now_s + STALL_S
        job = self._jobs.get(put_id)
        if job is not None:
            job.heard_s = now_s
        return job

    def _failed(self, reason: str) -> None:
        """Count a failure (the condition is held)."""
        self._failures += 1
        if self._failures < (_FAILURES_IN_A_ROW if self._worked or reason == "status" else 1):
            return
        if self._clock.monotonic_s() >= self._off_until_s:
            _log.info("%s goes through the kernel: the page cannot send to the storage (%s)", self._name, reason)
        self._off_until_s = self._clock.monotonic_s() + RETRY_AFTER_S if self._worked else float("inf")
        self._failures = 0
