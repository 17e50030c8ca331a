"""Faults on demand: what goes wrong, where, and when.

What lives here: the actions (each a frozen dataclass), `Fault` (one armed rule) and `Faults`
(all of them; `emulator.faults`). Standard library only. Rules are added from the test's
thread and chosen in the server's; one lock guards the list.

    emulator.faults.add(op="UploadPart", nth=2, when="after", action=Drop())
    emulator.faults.add(op="CreateUploadVideo", action=Throttle(), times=3)

`op` is the name of an RPC action or an OSS operation; `nth` counts matching requests from the
moment of `add`; `when="after"` lets the effect happen and spoils the answer only.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

When = Literal["before", "after"]


@dataclass(frozen=True)
class Status:
    """Answer with an error of your choice."""

    status: int
    code: str = "InternalError"
    message: str = "Injected by the emulator."
    headers: Mapping[str, str] = field(default_factory=dict)
    read_body: bool = True
    """False: answer without reading the body, and close."""


@dataclass(frozen=True)
class Reset:
    """Reset the connection (RST), before the body or after so many of its bytes."""

    after_body_bytes: int = 0


@dataclass(frozen=True)
class Drop:
    """Close the connection without an answer; with when="after" the answer is lost."""


@dataclass(frozen=True)
class Stall:
    """Wait, then go on as if nothing had happened."""

    seconds: float | None = None
    """None: until `fault.release()`."""


@dataclass(frozen=True)
class SpoilHeaders:
    """Change or remove headers of the answer; the effect happens."""

    set: Mapping[str, str] = field(default_factory=dict)
    remove: tuple[str, ...] = ()


@dataclass(frozen=True)
class Redirect:
    """Answer with a redirect instead of acting."""

    location: str
    status: int = 307


@dataclass(frozen=True)
class ErrorIn200:
    """Answer status 200 with an error document as its body."""

    code: str = "InternalError"
    message: str = "Injected by the emulator."


@dataclass(frozen=True)
class Truncate:
    """Announce the whole answer, send so many bytes of its body, and close."""

    body_bytes: int = 0


@dataclass(frozen=True)
class CorruptBody:
    """Store the body with its first byte changed, as a broken cable would."""


@dataclass(frozen=True)
class ExpireToken:
    """Let the temporary key of this request die now: before it is judged, or after."""


@dataclass(frozen=True)
class Drip:
    """Send the body of the answer in small steps with pauses; `fault.release()` ends the pauses."""

    step_bytes: int = 1
    pause_s: float = 0.05


Action = (
    Status | Reset | Drop | Stall | SpoilHeaders | Redirect | ErrorIn200 | Truncate | CorruptBody | ExpireToken | Drip
)
ACTIONS = (
    Status,
    Reset,
    Drop,
    Stall,
    SpoilHeaders,
    Redirect,
    ErrorIn200,
    Truncate,
    CorruptBody,
    ExpireToken,
    Drip,
)
"""Every action, for those who make one by its name."""


def Throttle(code: str = "Throttling.User") -> Status:  # noqa: N802 - reads as an action
    """Refuse by the flow limit, as VOD does (400)."""
    return Status(400, code, "Request was denied due to user flow throttling.")


def WrongCrc() -> SpoilHeaders:  # noqa: N802 - reads as an action
    """Answer with a checksum of something else."""
    return SpoilHeaders(set={"x-oss-hash-crc64ecma": "1"})


def NoCrc() -> SpoilHeaders:  # noqa: N802 - reads as an action
    """Answer without a checksum."""
    return SpoilHeaders(remove=("x-oss-hash-crc64ecma",))


def WrongETag() -> SpoilHeaders:  # noqa: N802 - reads as an action
    """Answer with an ETag of something else."""
    return SpoilHeaders(set={"ETag": '"00000000000000000000000000000000"'})


def NoETag() -> SpoilHeaders:  # noqa: N802 - reads as an action
    """Answer without an ETag."""
    return SpoilHeaders(remove=("ETag",))


class Fault:
    """One armed rule. Returned by `Faults.add`; `release` and `fired` are for tests."""

    def __init__(
        self,
        *,
        op: str,
        action: Action,
        nth: int,
        times: int | None,
        part_number: int | None,
        when: When,
        fault_id: int = 0,
    ) -> None:
        self.fault_id = fault_id
        """From 1, in the order of `add`."""
        self.op = op
        self.action = action
        self.nth = nth
        self.times = times
        self.part_number = part_number
        self.when = when
        self.seen = 0
        self.fired = 0
        self._released = threading.Event()
        self._on_release: list[Callable[[], None]] = []
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        where = self.op + (f" part {self.part_number}" if self.part_number else "")
        return f"<Fault {self.when} {where}: {self.action!r} fired={self.fired}>"

    def release(self) -> None:
        """Let every request stalled by this rule go on, and later ones pass at once."""
        with self._lock:
            self._released.set()
            waiting, self._on_release = self._on_release, []
        for wake in waiting:
            wake()

    def on_release(self, wake: Callable[[], None]) -> None:
        """Call `wake` at the release; at once when that was already."""
        with self._lock:
            if not self._released.is_set():
                self._on_release.append(wake)
                return
        wake()

    def take(self, op: str, part_number: int | None) -> bool:
        """Count a request; tell whether the rule strikes it. Called under the list's lock."""
        if self.op not in (op, "*") or self.part_number not in (None, part_number):
            return False
        self.seen += 1
        if self.seen < self.nth or (self.times is not None and self.fired >= self.times):
            return False
        self.fired += 1
        return True


@dataclass(frozen=True)
class Fired:
    """A fault that struck."""

    op: str
    part_number: int | None
    fault: Fault


class Faults:
    """The armed faults of an emulator."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ids = itertools.count(1)
        self._armed: list[Fault] = []
        self._fired: list[Fired] = []

    def __repr__(self) -> str:
        return f"<Faults armed={len(self._armed)} fired={len(self._fired)}>"

    def add(
        self,
        *,
        op: str,
        action: Action,
        nth: int = 1,
        times: int | None = 1,
        part_number: int | None = None,
        when: When = "before",
    ) -> Fault:
        """Arm a fault.

        Args:
            op: `UploadPart`, `CreateUploadVideo`, ...; `*` for any.
            action: What goes wrong.
            nth: The first matching request that is struck, counted from now, >= 1.
            times: How many in a row from there; None for all.
            part_number: Only this part.
            when: Instead of the effect, or after it.

        Raises:
            ValueError: nth or times is below 1, or the action cannot come at that time.
        """
        if nth < 1 or (times is not None and times < 1):
            raise ValueError("nth and times must be >= 1")
        if when == "after" and isinstance(action, CorruptBody):
            raise ValueError("CorruptBody acts on the request: it can only come before")
        if isinstance(action, Drip) and (action.step_bytes < 1 or action.pause_s < 0):
            raise ValueError("Drip needs step_bytes >= 1 and pause_s >= 0")
        fault = Fault(
            op=op,
            action=action,
            nth=nth,
            times=times,
            part_number=part_number,
            when=when,
            fault_id=next(self._ids),
        )
        with self._lock:
            self._armed.append(fault)
        return fault

    def choose(self, op: str, part_number: int | None = None) -> list[Fault]:
        """Return the faults that strike this request, in the order of `add`."""
        with self._lock:
            struck = [fault for fault in self._armed if fault.take(op, part_number)]
            self._fired.extend(Fired(op, part_number, fault) for fault in struck)
        return struck

    @property
    def armed(self) -> list[Fault]:
        """What is armed, in the order of `add`; rules that have struck enough stay listed."""
        with self._lock:
            return list(self._armed)

    def remove(self, fault: Fault) -> None:
        """Disarm one rule, and release what it stalls; absent ones are fine."""
        with self._lock:
            self._armed = [other for other in self._armed if other is not fault]
        fault.release()

    @property
    def fired(self) -> list[Fired]:
        """What struck so far, oldest first."""
        with self._lock:
            return list(self._fired)

    def clear(self) -> None:
        """Disarm everything, release what stalls, forget what fired."""
        with self._lock:
            armed, self._armed = self._armed, []
            self._fired.clear()
        for fault in armed:
            fault.release()
