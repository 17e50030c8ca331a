"""A file that only the browser can read, as a source: the kernel pulls slices, the page sends them.

Credit, not flow: a page sends nothing that was not asked for, and at most a window is asked for at a time over all
reads of one file (`slices.py`). Here is who waits, and for which page: one that is replaced, silent or gone.

`read` blocks a worker of the engine; `deliver`, `fail`, `attach` and `detach` are called by whichever thread handles
messages and never block. Floor 2: imports floors 0 and 1.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from vod_widget.errors import (
    InvalidArgumentError,
    SourceChangedError,
    SourceDetachedError,
    SourceError,
)
from vod_widget.interfaces import Clock, DirectPart
from vod_widget.metadata import clean_name
from vod_widget.model import SourceKind
from vod_widget.options import BROWSER_PART_BYTES, DIRECT_PART_BYTES
from vod_widget.secret import Secret

from .direct import DirectSender, PutPart
from .pace import LARGEST_SLICE_BYTES
from .slices import Read, Slices

__all__ = ["SLICE_BYTES", "WINDOW_BYTES", "BrowserSource"]

SLICE_BYTES = 2 * 1024 * 1024
WINDOW_BYTES = 8 * 1024 * 1024
# A page that was just replaced by another has this long to prove that it still lives.
SUSPECT_TIMEOUT_S = 5.0
# After this silence the person is told that the row waits for the browser.
SILENCE_S = 60.0


class BrowserSource:
    """The bytes of one file of a browser (see `interfaces.Source`).

    Args:
        name: As the browser says; cleaned here.
        size_bytes: As the browser says, at least 1.
        last_modified_ms: Milliseconds since 1970, as the browser says.
        pull: Asks the page for `length` bytes at `offset` under a `pull_id`; returns at once. None: nobody holds the
            file yet.
        clock: Monotonic time for deadlines.
        patience_s: Seconds that a read waits for a page that is gone or silent before it fails, at least 0.
        slice_bytes: Largest slice that the page's host is known to carry.
        edges: CRC64 of the first and the last 64 KiB in hex, as the browser says; "" when it did not look.

    Raises:
        InvalidArgumentError: The size is not one that a file has.
    """

    kind = SourceKind.BROWSER
    cheap_reads = False
    block_bytes = LARGEST_SLICE_BYTES

    def __init__(
        self,
        name: str,
        size_bytes: int,
        last_modified_ms: int,
        pull: Callable[[int, int, int], None] | None,
        clock: Clock,
        *,
        patience_s: float = 900.0,
        slice_bytes: int = SLICE_BYTES,
        edges: str = "",
    ) -> None:
        if size_bytes < 1:
            raise InvalidArgumentError("the file is empty", code="EmptyFile", hint="Choose a file with content.")
        self.name = clean_name(name)
        self.size_bytes = size_bytes
        self.last_modified_ms = last_modified_ms
        self.edges = edges
        self.source_id = f"browser:{self.name}:{size_bytes}:{last_modified_ms}"
        self._clock = clock
        self._patience_s = patience_s
        # One condition guards everything below; it is never held while the page is asked.
        self._changed = threading.Condition()
        self._pull = pull
        self._slices = Slices(slice_bytes)
        self._direct = DirectSender(self.name, clock)
        self._heard_s = clock.monotonic_s()
        self._detached_s: float | None = None if pull else self._heard_s
        self._doubted = False
        self._suspect_until_s: float | None = None
        self._error: SourceError | None = None

    def __repr__(self) -> str:
        held = "detached" if self.is_detached else "attached"
        return f"BrowserSource({self.name!r}, {self.size_bytes} bytes, {held})"

    def fingerprint(self) -> str:
        """Name, size, time and edges of the file: all that a browser tells of it."""
        return f"{self.source_id}:{self.edges}" if self.edges else self.source_id

    # ---- the engine's side -------------------------------------------------------------------------

    def read(self, start: int, end: int) -> bytes | memoryview:
        """Return the bytes `start`..`end`, as soon as the page has sent them.

        Raises:
            InvalidArgumentError: The range is not inside the file.
            SourceChangedError: The page says that the file changed.
            SourceDetachedError: No page held the file for `patience_s`.
            SourceError: The page cannot read it, or `close` was called meanwhile.
        """
        if not 0 <= start <= end <= self.size_bytes:
            raise InvalidArgumentError(f"{self.name} has no bytes {start} to {end}")
        if start == end:
            return b""
        mine = Read(start, end)
        with self._changed:
            self._begin_to_ask()
            self._slices.reads.append(mine)
        try:
            return self._wait_for(mine)
        finally:
            with self._changed:
                self._slices.end(mine)
                self._changed.notify_all()

    def _begin_to_ask(self) -> None:
        """Count the silence of a page from the first question on, not while nobody asked (the condition is held)."""
        if not self._slices.reads and not self._direct.is_busy:
            self._heard_s = self._clock.monotonic_s()

    @property
    def sends_itself(self) -> bool:
        """True while the page may, and can, send parts straight to the storage."""
        return self._direct.is_on

    def send_part(
        self, url: Secret, start: int, end: int, is_unwanted: Callable[[], bool], sent: Callable[[int], None]
    ) -> DirectPart | None:
        """Have the page send one part straight to the storage (see `direct.DirectSender.send`)."""
        with self._changed:
            self._begin_to_ask()
        return self._direct.send(url, start, end, is_unwanted, sent)

    def part_size_bytes(self, left_bytes: int) -> int:
        """Choose the size of the next part: what the page sends itself is large, what comes in slices is one slice.

        A slice never spans two parts, and each costs a round trip through the browser: with parts as small as a busy
        line is given, a third of the bytes came in the same time (measured).
        """
        if self.size_bytes < 4 * DIRECT_PART_BYTES or not self._direct.is_on:
            return BROWSER_PART_BYTES
        return self._direct.part_size_bytes(left_bytes)

    def _wait_for(self, mine: Read) -> memoryview:
        while True:
            with self._changed:
                self._raise_if_over(mine)
                if not mine.missing_bytes:
                    # A buffer is there: bytes were delivered into it.
                    return memoryview(mine.buffer or b"").toreadonly()
                ask, pulls = self._pull, self._plan()
                if not pulls:
                    self._changed.wait(self._until_something_is_due())
                    continue
            for pull_id, offset, length in pulls:
                if ask is not None:
                    ask(pull_id, offset, length)

    def _raise_if_over(self, mine: Read) -> None:
        error = mine.error or self._error
        if error is not None:
            raise error
        now_s = self._clock.monotonic_s()
        if self._suspect_until_s is not None and now_s >= self._suspect_until_s:
            self._detach(now_s)
        if now_s >= self._given_up_s():
            raise SourceDetachedError("the page that held the file is gone", file_name=self.name)

    def _given_up_s(self) -> float:
        since_s = self._heard_s if self._detached_s is None else self._detached_s
        return since_s + self._patience_s

    def _plan(self) -> list[tuple[int, int, int]]:
        """Decide what to ask the page for now; number, offset and length of each slice."""
        if self._pull is None:
            return []
        now_s = self._clock.monotonic_s()
        asked = self._slices.plan(now_s)
        if asked and self._doubted and self._suspect_until_s is None:
            self._suspect_until_s = now_s + SUSPECT_TIMEOUT_S
        return asked

    def _until_something_is_due(self) -> float:
        now_s = self._clock.monotonic_s()
        due = [self._given_up_s()]
        if self._pull:
            due += self._slices.due_s()
        if self._suspect_until_s is not None:
            due.append(self._suspect_until_s)
        return max(0.0, min(due) - now_s)

    def close(self) -> None:
        """End every read with an error; a later read (a retry) asks the page again. May be called twice."""
        self._direct.stop()
        with self._changed:
            for read in self._slices.reads:
                read.error = SourceError(
                    "the file was let go", code="Source.Closed", hint="Retry the file.", file_name=self.name
                )
            self._changed.notify_all()

    # ---- the page's side ---------------------------------------------------------------------------

    def deliver(self, pull_id: int, offset: int, data: bytes | memoryview) -> None:
        """Take one slice from the page; one that came before, or is not wanted any more, is ignored.

        Args:
            pull_id: The pull that it answers.
            offset: First byte; must be the pull's.
            data: Exactly the bytes of that pull.

        Raises:
            InvalidArgumentError: Nobody asked for it; the right slice may still follow. Codes "Slice.Unknown",
                "Slice.Range".
        """
        with self._changed:
            pull = self._slices.find(pull_id)
            if pull is None:
                return
            self._hear()
            self._slices.take(pull_id, pull, offset, data, self._heard_s)
            self._changed.notify_all()

    def fail(self, pull_id: int, reason: str) -> None:
        """Take the page's word that it cannot send a slice.

        Args:
            pull_id: The pull that it answers; one that is not asked for any more is ignored, unless the file changed.
            reason: "changed" (for good), "gone" (the page lost the file; another pick brings it back) or "read".
        """
        with self._changed:
            self._hear()
            if reason == "changed":
                self._error = SourceChangedError(
                    "the file changed on disk while the browser read it", file_name=self.name
                )
            elif reason == "gone":
                self._detach(self._clock.monotonic_s())
            elif pull_id in self._slices.pulls:
                self._slices.pulls[pull_id].read.error = SourceError(
                    "the browser cannot read the file", file_name=self.name
                )
            self._changed.notify_all()

    def put_done(self, put_id: int, answer: DirectPart) -> None:
        """Take what the storage answered the page for a part."""
        self._heard()
        self._direct.done(put_id, answer)

    def put_progress(self, put_id: int, sent_bytes: int) -> None:
        """Take note of the bytes of a part that have left the page."""
        self._heard()
        self._direct.progress(put_id, sent_bytes)

    def put_failed(self, put_id: int, reason: str) -> None:
        """Take the page's word that it could not send a part: it goes through the kernel."""
        self._heard()
        self._direct.failed(put_id, reason)

    def _heard(self) -> None:
        with self._changed:
            self._hear()

    def attach(
        self,
        pull: Callable[[int, int, int], None],
        *,
        slice_bytes: int = SLICE_BYTES,
        put: Callable[[PutPart], None] | None = None,
    ) -> None:
        """Go on with a page that holds the same file; everything unanswered is asked for again.

        Args:
            pull: As for the constructor.
            slice_bytes: Largest slice that this page's host is known to carry.
            put: Asks the page to send a part straight to the storage; returns at once. None: it may not.
        """
        self._direct.attach(put)
        with self._changed:
            self._pull = pull
            self._detached_s = None
            self._error = None
            self._slices.pace.set_reach(slice_bytes)
            self._hear()
            self._slices.renumber()
            self._changed.notify_all()

    def set_reach(self, slice_bytes: int) -> None:
        """Take what the page found out about its host: the largest slice that it carries, bytes."""
        with self._changed:
            self._slices.pace.set_reach(slice_bytes)
            self._changed.notify_all()

    def detach(self) -> None:
        """Take note that no page holds the file any more; reads wait for `attach`."""
        self._direct.attach(None)
        with self._changed:
            self._detach(self._clock.monotonic_s())
            self._changed.notify_all()

    def suspect(self) -> None:
        """Doubt that the page still lives: ask again, and detach when nothing comes within a few seconds."""
        self._direct.suspect()
        with self._changed:
            if self._pull is None:
                return
            self._doubted = True
            now_s = self._clock.monotonic_s()
            if self._slices.pulls:
                self._suspect_until_s = now_s + SUSPECT_TIMEOUT_S
            self._slices.ask_again()
            self._changed.notify_all()

    def wake(self) -> None:
        """Let every waiting read look at the clock again."""
        with self._changed:
            self._changed.notify_all()

    def _hear(self) -> None:
        self._heard_s = self._clock.monotonic_s()
        self._doubted = False
        self._suspect_until_s = None

    def _detach(self, now_s: float) -> None:
        self._pull = None
        self._suspect_until_s = None
        if self._detached_s is None:
            self._detached_s = now_s

    @property
    def is_detached(self) -> bool:
        """True while no page holds the file."""
        return self._detached_s is not None

    @property
    def is_absent(self) -> bool:
        """True while no page holds the file and one may still come back: an upload that began now would only wait."""
        with self._changed:
            return self.is_detached and self._clock.monotonic_s() < self._given_up_s()

    @property
    def is_doubted(self) -> bool:
        """True while it is not known whether the page that holds the file still lives."""
        return self._doubted

    @property
    def slice_bytes(self) -> int:
        """Size of the slices that are asked for now."""
        return self._slices.pace.slice_bytes

    @property
    def silence_s(self) -> float:
        """Seconds for which bytes have been wanted and none came nor left the page; 0 when none is wanted."""
        with self._changed:
            wanted = bool(self._slices.reads) or self._direct.is_busy
            return self._clock.monotonic_s() - self._heard_s if wanted else 0.0

    @property
    def waits_for_browser(self) -> bool:
        """True when bytes are wanted and no page has sent any for a minute."""
        return self.silence_s >= SILENCE_S

    @property
    def buffered_bytes(self) -> int:
        """Memory held by reads now, for tests of the bound."""
        with self._changed:
            return sum(len(read.buffer) for read in self._slices.reads if read.buffer is not None)
