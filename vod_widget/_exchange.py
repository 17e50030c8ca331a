"""One request under way: its deadlines, what became of it, and its body as the network sees it.

Base of floor 2, beside `_http`: imports floor 0 and `_answer`. An exchange belongs to the thread that runs it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import cast

from ._answer import Answer
from .errors import SourceChangedError
from .interfaces import Body, Clock, Paced

__all__ = ["BodyError", "Exchange", "Hold", "WatchedBody", "current", "hold_nothing"]


def _any_content(_content: bytes) -> bool:
    return True


Hold = Callable[[Callable[[], None] | None], None]


def hold_nothing(_cut: Callable[[], None] | None) -> None:
    """Nobody can end it."""


@dataclass(slots=True, eq=False)
class Exchange:
    """One request under way.

    Attributes:
        clock: For the deadlines.
        what: The request in words, for messages ("UploadPart").
        idle_s: Longest silence while sending, seconds.
        send_s: Longest time for sending the whole request, seconds; what its body was held back for does not count.
        answer_s: Longest time from the last byte sent to the last byte of the answer, seconds.
        handed_over: True once the whole request was given to the system, so that it may have had its effect.
        body_failure: What the body raised.
        host: Host that was asked, for messages.
        answer: The whole answer, whatever its status, once it was read.
        paced_s: Seconds that the body was held back for a bandwidth limit.
        hold: Is given what ends the request at once, from any thread, and None when it has ended.
        accept: Tells whether a vendor's package may parse this content; else it is handed an empty one.
    """

    clock: Clock
    what: str
    idle_s: float = 60.0
    send_s: float = 60.0
    answer_s: float = 60.0
    handed_over: bool = False
    body_failure: BaseException | None = field(default=None, repr=False)
    paced_s: float = 0.0
    host: str = ""
    answer: Answer | None = field(default=None, repr=False)
    accept: Callable[[bytes], bool] = field(default=_any_content, repr=False)
    hold: Hold = field(default=hold_nothing, repr=False)
    _send_until: float = field(default=0.0, repr=False)
    _answer_until: float = field(default=0.0, repr=False)

    def begin_sending(self) -> None:
        """Start the deadline of the request; connecting does not count."""
        self._send_until = self.clock.monotonic_s() + self.send_s

    def begin_waiting(self) -> None:
        """Start the deadline of the answer."""
        self._answer_until = self.clock.monotonic_s() + self.answer_s

    def send_timeout_s(self) -> float:
        """Seconds that the next send may take.

        Raises:
            TimeoutError: The deadline has passed.
        """
        return self._left(self._send_until + self.paced_s, self.idle_s)

    def answer_timeout_s(self) -> float:
        """Seconds that the next receive may take.

        Raises:
            TimeoutError: The deadline has passed.
        """
        return self._left(self._answer_until, self.answer_s)

    def _left(self, until: float, most: float) -> float:
        left = until - self.clock.monotonic_s()
        if left <= 0:
            raise TimeoutError("the deadline has passed")
        return min(left, most)


# Set for the time of one request in the thread that runs it, so that the session, which oss2 calls far below, finds its
# deadlines. The variable itself never changes; its value belongs to the caller's context.
current: ContextVar[Exchange] = ContextVar("vod_widget_exchange")


class BodyError(BaseException):
    """Carries a body's exception past what reads an OSError as the network's."""


class WatchedBody:
    """A body whose failures and whose length are seen.

    Args:
        body: What to send; it is neither copied nor read ahead.
        exchange: The request it belongs to.
    """

    def __init__(self, body: Body, exchange: Exchange) -> None:
        self._body = body
        self._exchange = exchange

    def __len__(self) -> int:
        return len(self._body)

    def __iter__(self) -> Iterator[bytes | memoryview]:
        left = len(self._body)
        paced = cast("Paced", self._body) if hasattr(self._body, "paced_s") else None
        blocks: Iterator[bytes | memoryview] | None = None
        while True:
            try:
                if blocks is None:
                    blocks = iter(self._body)
                block = next(blocks)
            except StopIteration:
                break
            except BaseException as exc:
                self._exchange.body_failure = exc
                raise BodyError from None
            left -= len(block)
            if left < 0:
                break
            if paced is not None:
                self._exchange.paced_s = paced.paced_s
            yield block
        if left:
            # Fewer bytes would make the server wait for the rest, more would be read as the next request.
            self._exchange.body_failure = SourceChangedError(
                f"the source gave {len(self._body) - left} bytes instead of {len(self._body)}"
            )
            raise BodyError
