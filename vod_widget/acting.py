"""Lets the machines of files decide, and does what they say: the half of the queue that acts.

What a machine decides, it decides under the queue's condition; its effects are done outside of it, by the crew, and
their outcomes come back as its next step. What runs, and which request comes next, is `scheduler.py`'s. Floor 4.
"""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from . import effects as fx
from .concurrency import Concurrency
from .crew import Crew
from .engine import BrokenOff, Engine
from .errors import VODError
from .interfaces import Clock
from .load import Load
from .machine import FileMachine, Out
from .model import SourceKind, UploadState
from .options import PART_DEFAULT_BYTES
from .owner import Owner
from .record import Record, Transfer
from .stalls import Watchdog, stalled_error
from .states import FileEvent
from .sums import Sums
from .workers import Job, Timers

__all__ = ["Acting", "Decided"]

_log = logging.getLogger("vod_widget")

Decided = tuple[Record, FileMachine, list[tuple[int, fx.Effect]]]
_CONTROL_THREADS = 16
"""Threads beyond those that carry bytes."""
_BEFORE_PARTS = (fx.CreateVideo, fx.RefreshVideo, fx.GetAuth, fx.Init)
_ANSWER_GRACE_S = 1.0


class Acting(ABC):
    """The files that are active, and the threads that serve them; `Scheduler` says what becomes active.

    Args:
        owner: The public class.
        clock: Time.
    """

    def __init__(self, owner: Owner, clock: Clock) -> None:
        lock = threading.RLock()
        self.cond = threading.Condition(lock)
        self.engine: Engine | None = None
        self.concurrency = Concurrency(clock.monotonic_s())
        self.load = Load()
        self.sums = Sums()
        self.held = False
        self._owner = owner
        self._clock = clock
        self._active: dict[str, Record] = {}
        self._flying: set[tuple[FileMachine, int]] = set()
        self._timers = Timers("vod-timer", clock)
        self.crew = Crew(
            "vod-work",
            lock,
            take=self._take,
            wanted=self._may_take,
            size=lambda: _CONTROL_THREADS + self.parallel_now,
            is_needed=lambda: bool(self._active),
            later=self._timers.after,
        )
        self._watchdog = Watchdog(clock)

    # ---- what the scheduler says

    @abstractmethod
    def settle(self) -> None:
        """Decide what follows from a change; under the condition."""

    @abstractmethod
    def kick(self) -> None:
        """Look again for work, also for what only time has changed."""

    @abstractmethod
    def make_ready(self, record: Record, event: FileEvent) -> None:
        """Re-queue one file; under the condition."""

    @abstractmethod
    def _hold(self, failed: Record) -> None:
        """Let what would fail alike wait; under the condition."""

    @abstractmethod
    def _may_take(self) -> int:
        """How many requests that carry bytes may begin; under the condition."""

    @abstractmethod
    def _take(self) -> Job | None:
        """The next of them, as a job of the crew; under the condition."""

    @property
    def parallel_now(self) -> int:
        """Requests in flight that are allowed."""
        return self.concurrency.count

    # ---- machines

    def step(self, record: Record, decide: Callable[[FileMachine], list[Out] | None]) -> bool:
        """Let a file's machine decide something, then do what it says.

        Returns:
            False when the machine says that nothing changed.
        """
        with self.cond:
            machine = record.machine
            if machine is None:
                return False
            out = self._decide(record, machine, decide)
            if out is None:
                return False
            self.settle()
        self._act(record, machine, out)
        return True

    def _decide(
        self, record: Record, machine: FileMachine, decide: Callable[[FileMachine], list[Out] | None]
    ) -> list[tuple[int, fx.Effect]] | None:
        before, phase = machine.state, machine.phase
        out = decide(machine)
        if out is None:
            return None
        changed = (before, phase) != (machine.state, machine.phase)
        if machine.job.size_bytes != record.size_bytes:
            self.sums.resize(record, before, machine.job.size_bytes)
        if before is not machine.state:
            self.sums.move(record, before)
            if machine.state in {UploadState.SUCCESS, UploadState.FAILURE}:
                record.end(self._clock.monotonic_s())
        self.sums.count_bytes(record)
        if machine.busy:
            self._active[record.file_id] = record
            self.load.note(record)
        elif self._active.pop(record.file_id, None) is not None:
            self.load.drop(record)
        if changed:
            self._owner.on_state(record)
        work: list[tuple[int, fx.Effect]] = []
        for item in out:
            if isinstance(item, fx.Failed) and item.is_common and self.held:
                self.make_ready(record, FileEvent.REQUEUE)  # one failure has said it; this one waits with the others
            elif isinstance(item, fx.Note):
                self._owner.on_note(record, item)
                if isinstance(item, fx.Failed) and item.is_common:
                    self._hold(record)
            else:
                work.append(item)
        if machine.state is UploadState.SUCCESS and not machine.busy:
            record.let_go()
        return work

    def _act(self, record: Record, machine: FileMachine, work: Iterable[tuple[int, fx.Effect]]) -> None:
        for token, effect in work:
            if isinstance(effect, fx.StopSending):
                # Bodies keep the flag that they began with; what is sent later gets a new one.
                run = record.run
                if record.machine is None:
                    continue  # it ran again meanwhile, and is stored
                run.cancel.set()
                run.cancel = threading.Event()
                self._break_off(tuple(run.transfers))
                if record.source.kind is SourceKind.BROWSER:
                    # Wakes the reads that wait for a page; a later read asks it again.
                    record.source.close()
            elif isinstance(effect, fx.SavePart):
                self._save_part(record, machine, effect)
            elif isinstance(effect, fx.Timer):
                self._timers.after(effect.wait_s, lambda r=record, t=token: self.answer(r, t, None))  # type: ignore[misc]
            elif isinstance(effect, fx.Wake):
                self._timers.after(effect.wait_s, self.kick)
            elif isinstance(effect, fx.AskApp):
                self._owner.ask_app(record, token, effect)
            else:
                if isinstance(effect, _BEFORE_PARTS) and record.size_bytes > PART_DEFAULT_BYTES:
                    self._connect_ahead(record, effect)
                self.crew.follow(partial(self._perform, record, machine, token, effect))

    def _connect_ahead(self, record: Record, effect: fx.Effect) -> None:
        """Open connections for the first parts of a file while the calls before them are under way.

        Each takes two round trips over TLS, as long as the two calls take together.
        """
        engine = self.engine
        assert engine is not None
        with self.cond:
            most = self.concurrency.ahead(record.size_bytes)
            for _ in range(most - len(self._flying)):
                self.crew.submit(partial(engine.connect_ahead, most, effect))

    def _break_off(self, transfers: tuple[Transfer, ...]) -> None:
        """End requests that nobody wants: at once while their bytes leave, since then they have no effect.

        One that is out may be answered any moment, and what it leaves must be known before parts are removed; it has a
        second, so that a silent server does not keep the room from the next file.
        """
        for transfer in transfers:
            if transfer.is_out:
                self._timers.after(_ANSWER_GRACE_S, transfer.cut)
            else:
                transfer.cut()

    def answer(self, record: Record, token: int, value: Any) -> None:
        """Bring the outcome of an effect, the application's answer too."""
        self.step(record, lambda machine: machine.succeed(token, value))

    def refuse(self, record: Record, token: int, error: VODError) -> None:
        """Bring a failure, the application's to answer too."""
        self.step(record, lambda machine: machine.fail(token, error))

    def _perform(self, record: Record, machine: FileMachine, token: int, effect: fx.Effect) -> None:
        assert self.engine is not None
        failure: VODError | None = None
        self._watchdog.begin(lambda: self._give_up(record, machine, token))
        try:
            value = self.engine.perform(record, machine, effect)
        except BrokenOff:
            say: Callable[[], Any] = partial(self.step, record, lambda m: m.broken_off(token))
        except VODError as error:
            failure = error
            say = partial(self.refuse, record, token, error)
        except Exception as raised:
            _log.exception("an effect failed in a way that nobody expected")
            say = partial(self.refuse, record, token, VODError(f"an internal error ({type(raised).__name__})"))
        else:
            say = partial(self.answer, record, token, value)
        if isinstance(effect, fx.WITH_BYTES):
            with self.cond:
                self._flying.discard((machine, token))
                self.concurrency.ended(self._clock.monotonic_s(), failure)
        if self._watchdog.end():
            say()

    def _give_up(self, record: Record, machine: FileMachine, token: int) -> None:
        """Answer for a thread that hangs in a read of this file."""
        with self.cond:
            self._flying.discard((machine, token))
        record.run.transfers.clear()  # its bytes will never arrive
        self.refuse(record, token, stalled_error(record.name))

    def _save_part(self, record: Record, machine: FileMachine, effect: fx.SavePart) -> None:
        assert self.engine is not None
        try:
            self.engine.perform(record, machine, effect)
        except Exception as raised:
            error = raised if isinstance(raised, VODError) else VODError(f"{type(raised).__name__} in the journal")
            with self.cond:
                self._owner.on_note(record, fx.Warned(error.code, error.message))

    def act_all(self, work: Iterable[Decided]) -> None:
        """Do what `stop` returned; outside the condition."""
        for record, machine, effects in work:
            self._act(record, machine, effects)

    def _put_back(self, record: Record, machine: FileMachine) -> None:
        """Make a running file Ready again; under the condition, so that the crew does what follows."""
        effects = self._decide(record, machine, lambda m: m.interrupt(FileEvent.STOP))
        if effects is not None:
            self.make_ready(record, FileEvent.RESUME)
            self.crew.submit(partial(self._act, record, machine, effects))
