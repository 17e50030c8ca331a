"""The queue's heart: what runs, and which request comes next.

Mutable state of the queue: `records`, `state`, the counters and every machine. All of it is read and written under
`cond`, which is never held over I/O, a callback or a wait for a result: here it is decided, `acting.py` acts outside of
it. Two kinds of threads work here: the crew, which does every effect, and one timer thread, which also ticks. Floor 4.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from . import effects as fx
from .acting import Acting, Decided
from .dispatcher import Dispatcher
from .interfaces import Clock, SendsItself, Source
from .load import giving_way, is_absent
from .model import Phase, UploaderState, UploadState
from .options import BROWSER_PART_BYTES, PART_DEFAULT_BYTES
from .owner import Owner
from .progress import SpeedMeter
from .record import Record
from .register import Register
from .states import LEFT_TO_DO, FileEvent, UploaderEvent, next_file_state, next_uploader_state

__all__ = ["Scheduler"]

TICK_S = 0.1
_LOOKAHEAD_FILES = 2
_LOOKAHEAD_SMALL_FILES = 16
"""Small files whose permission is fetched while the bytes of others flow: a call takes about as long as such a file."""
_ASKED_FILES_MAX = 8
_CROWD_FILES = 8
_PAGE_LOOK_S = 1.0
_STOP_GRACE_S = 2.0
_AT_THE_LIMIT = 0.95
"""Share of the bandwidth limit from which on it is the limit that holds bytes back, not the line."""


class Scheduler(Acting):
    """The files of a queue, and when each begins.

    Args:
        owner: The public class.
        clock: Time.
        dispatcher: Delivers callbacks.
    """

    def __init__(self, owner: Owner, clock: Clock, dispatcher: Dispatcher) -> None:
        super().__init__(owner, clock)
        self.records: list[Record] = []
        self.state = UploaderState.INIT
        self.parallel_files: int | None = None
        self.dispatcher = dispatcher
        self.counts = self.sums.counts
        self.meter = SpeedMeter()
        self._register = Register(self.records)
        self._scan_from = 0
        self._ticking = False
        self._looks_again = False
        self._stopped_at_s = 0.0
        self._closed = False
        self.takes_new = True
        self._started_one = False

    # ---- the list

    def add(self, record: Record) -> bool:
        """Append a file; under the condition. The caller settles the queue.

        Returns:
            False when one of the same source is in the list that has not ended in success.
        """
        if not self._register.add(record):
            return False
        self.records.append(record)
        self.sums.add(record)
        self._tick_soon()
        return True

    def find(self, file_id: str) -> Record | None:
        """The file of an id, or None when it is not in the list; under the condition."""
        return self._register.by_id(file_id)

    def remove(self, record: Record) -> None:
        """Take a file off the list; under the condition."""
        index = self.records.index(record)
        del self.records[index]
        if index < self._scan_from:
            self._scan_from -= 1
        record.removed = True
        self._register.remove(record)
        self.sums.remove(record)
        self._tick_soon()

    # ---- what runs

    def start(self) -> None:
        """Start the queue; the caller holds the condition and has re-queued what it wants."""
        self.state = next_uploader_state(self.state, UploaderEvent.START)
        self._scan_from = 0
        self._started_one = False
        self.held = False
        self._owner.on_uploader_state()

    def kick(self) -> None:
        """Look again for work, also for what only time has changed."""
        with self.cond:
            if self._looks_again:
                self._looks_again, self._scan_from = False, 0
            self._recount()
            self.settle()

    def _recount(self) -> None:
        self.load.recount(self._active.values(), self.parallel_now)

    def settle(self) -> None:
        """After any change: start files and requests, see whether the queue expired or ended; under the condition."""
        if self.state is UploaderState.END and self.counts[UploadState.READY] and self._owner.is_ending:
            # A callback of the last file added another, or wants one again: nothing has ended yet.
            self.state = next_uploader_state(self.state, UploaderEvent.START)
            self._scan_from = 0
            self._owner.on_uploader_state()
        if self.load.parallel != self.parallel_now:
            self._recount()
        if self.state in {UploaderState.START, UploaderState.EXPIRE}:
            self._fill()
            self._judge()
        self._look_for_bytes()
        if not self._active or self.quiet:
            self.cond.notify_all()

    def _fill(self) -> None:
        """Start files in list order while there is room in the pool."""
        if self.held:
            return
        load = self.load
        # Bytes that a canceled file has in flight still count where files must go one after another.
        draining = load.draining if self.parallel_files is not None else 0
        later: int | None = None
        leaving: set[str] | None = None
        while self.takes_new and self._scan_from < len(self.records):
            if self.parallel_files is not None and load.running + draining >= self.parallel_files:
                break
            record = self.records[self._scan_from]
            if record.state is UploadState.READY:
                is_small = record.size_bytes <= PART_DEFAULT_BYTES and load.demand <= load.files
                ahead = _LOOKAHEAD_SMALL_FILES if is_small else _LOOKAHEAD_FILES
                if load.demand >= self.parallel_now + ahead or load.asked >= _ASKED_FILES_MAX:
                    break
            self._scan_from += 1
            if record.state is not UploadState.READY:
                continue
            if is_absent(record):
                if not self._looks_again:  # a page that is back tells nobody here
                    self._looks_again = True
                    self._timers.after(_PAGE_LOOK_S, self.kick)
                continue
            if leaving is None:
                leaving = {r.source.source_id for r in self._active.values() if r.removed} if load.leaving else set()
            if record.source.source_id in leaving:
                # The same file was removed a moment ago and still holds its journal entry.
                later = self._scan_from - 1 if later is None else later
                continue
            self._begin(record)
        if later is not None:
            self._scan_from = later

    def _begin(self, record: Record) -> None:
        before = record.state
        machine = self._owner.make_machine(record)
        if getattr(record.source, "sends_itself", False):
            self.concurrency.expect_page()
        if machine is not record.machine:
            machine.state = before
            record.take_machine(machine)
        record.begin(self._clock.monotonic_s())
        self._started_one = True
        work = self._decide(record, machine, lambda m: m.start())
        if work:
            # Effects begin on the crew, since the condition is held here.
            self.crew.submit(partial(self._act, record, machine, work))
        self._tick_soon()

    def _judge(self) -> None:
        if any(self.counts[state] for state in LEFT_TO_DO) or self._active:
            if self.held and not self._active:
                self._stopped_at_s = self._clock.monotonic_s()
                self._move(UploaderEvent.STOP)
                return
            blocked = self.counts[UploadState.EXPIRED] and not self.counts[UploadState.UPLOADING]
            if blocked and self.state is UploaderState.START and not self._can_start_one():
                self._move(UploaderEvent.EXPIRE)
            elif self.state is UploaderState.EXPIRE and not blocked:
                self._move(UploaderEvent.AUTHORIZE)
            return
        self._move(UploaderEvent.DRAIN)
        if self._started_one:
            self._owner.on_drained()

    def _hold(self, failed: Record) -> None:
        """The queue's own keys are no good: one failure says so, and what would fail alike waits as Ready.

        What is sent already goes on; when nothing runs any more the queue stops.
        """
        first, self.held = not self.held, True
        for record in list(self._active.values()):
            if record is not failed and (machine := record.machine) is not None and machine.asks_with_own_keys:
                self._put_back(record, machine)
        if first and self.counts[UploadState.READY]:
            text = "these keys cannot be used: the other files wait until the queue is started again with better ones"
            self._owner.on_note(failed, fx.Warned("Auth.Held", text))

    def _can_start_one(self) -> bool:
        return bool(self.counts[UploadState.READY]) and self.parallel_files is None

    def _move(self, event: UploaderEvent) -> None:
        self.state = next_uploader_state(self.state, event)
        self._owner.on_uploader_state()

    def switch_waiting(self) -> None:
        """Begin files anew that wait for another try and have no asset yet, since keys or place have changed.

        Under the condition; the caller settles.
        """
        for record in list(self._active.values()):
            machine = record.machine
            if machine is not None and machine.phase is Phase.WAITING and not machine.checkpoint.media_id:
                self._put_back(record, machine)

    def stop(self) -> list[Decided]:
        """Halt the queue and every file that runs; under the condition. The caller acts on what is returned."""
        if self.state not in {UploaderState.START, UploaderState.EXPIRE}:
            return []
        work = []
        for record in list(self._active.values()):
            machine = record.machine
            assert machine is not None
            record.run.asked = None
            effects = self._decide(record, machine, lambda m: m.interrupt(FileEvent.STOP))
            if effects is not None:
                work.append((record, machine, effects))
        self._move(UploaderEvent.STOP)
        self._stopped_at_s = self._clock.monotonic_s()
        self._tick_soon()
        return work

    def change_without_machine(self, record: Record, event: FileEvent) -> None:
        """A file that never started changes its state; under the condition."""
        before = record.state
        record.hold(next_file_state(before, event), paused=event is FileEvent.PAUSE)
        self.sums.move(record, before)
        self._owner.on_state(record)

    def make_ready(self, record: Record, event: FileEvent) -> None:
        """Re-queue one file; under the condition."""
        if record.machine is None:
            self.change_without_machine(record, event)
        else:
            before = record.machine.state
            record.machine.ready(event)
            self.sums.move(record, before)
            self._owner.on_state(record)
            if record.file_id in self._active:
                self.load.note(record)
        self._scan_from = 0

    # ---- requests that carry bytes

    @property
    def flying(self) -> int:
        """Requests that carry bytes now."""
        return len(self._flying)

    def _may_take(self) -> int:
        """How many such requests may begin."""
        if not self.load.wanted or self._closed or not self.takes_new or self.engine is None:
            return 0
        return max(0, min(self.load.wanted, self.parallel_now - len(self._flying)))

    def _look_for_bytes(self) -> None:
        if self.engine is not None and self.concurrency.link.answer_s is None:
            self.concurrency.learn(self.engine.link())  # the first answer says how far the other end is
        if self._may_take():
            self.crew.look()

    def _take(self) -> Callable[[], None] | None:
        """The next request that carries bytes, as a job of the crew; its permit is held until it has ended."""
        if (engine := self.engine) is None or not self._may_take():
            return None
        for record in [r for r in self._active.values() if self.load.wants(r)]:
            machine = record.machine
            assert machine is not None
            if machine.refresh_due():
                effects = self._decide(record, machine, lambda m: m.refresh_ahead())
                if effects:
                    self.crew.submit(partial(self._act, record, machine, effects))
            phase = machine.phase
            taken = machine.next_transfer(partial(self._part_size_bytes, record.source, engine.bandwidth.per_s))
            if taken is not None:
                self._flying.add((machine, taken[0]))
                self.load.note(record)
                if machine.phase is not phase:
                    self._owner.on_state(record)
                return partial(self._perform, record, machine, *taken)
        return None

    def _part_size_bytes(self, source: Source, limit: float | None, left_bytes: int) -> int:
        if isinstance(source, SendsItself) and limit is None:
            return source.part_size_bytes(left_bytes)
        size_bytes = self.concurrency.part_size_bytes(left_bytes, limit)
        # Under a limit a page's file goes through the kernel, where each block on its way is held in memory.
        return min(size_bytes, BROWSER_PART_BYTES) if isinstance(source, SendsItself) else size_bytes

    # ---- ticks

    def _tick_soon(self) -> None:
        if not self._ticking and not self._closed:
            self._ticking = True
            self._timers.after(TICK_S, self._tick)

    def _tick(self) -> None:
        with self.cond:
            self._ticking = False
            self._recount()
            now_s = self._clock.monotonic_s()
            in_flight = requests = 0
            left_bytes = self.sums.state_bytes[UploadState.READY]
            for record in tuple(self._active.values()):
                requests += record.machine.transfers_in_flight if record.machine is not None else 0
                self.sums.count_bytes(record)
                sent = record.sent_bytes
                in_flight += sent - record.accepted_bytes
                left_bytes += record.size_bytes - sent
                if record.run.meter is not None:
                    record.run.meter.sample(sent - record.found_bytes, now_s)
                # Of an expired file parts may be on their way: what they come to is what it keeps.
                if sent != record.run.shown_bytes and record.state in {UploadState.UPLOADING, UploadState.EXPIRED}:
                    record.run.shown_bytes = sent
                    self._owner.on_progress(record)
            moved = self.sums.accepted_bytes - self.sums.found_bytes + in_flight
            self.meter.sample(moved, now_s)
            if self.engine is not None:
                self.concurrency.learn(self.engine.link())
            is_full = requests >= 0.8 * self.parallel_now and not self._is_limited
            # Not by isinstance: for a Protocol that is slow, and this is asked for each file several times a second.
            from_page = any(hasattr(record.source, "send_part") for record in self._active.values())
            self.concurrency.sample(now_s, moved, is_full=is_full, left_bytes=left_bytes, from_page=from_page)
            if self._active or not self.dispatcher.idle:
                self._tick_soon()
            for record, machine in giving_way(self._active.values(), self.records):
                self._put_back(record, machine)
            hanging = self._watchdog.look(r.run.turn for r in self._active.values())
            self.crew.give_up(hanging)
        for give_up in hanging.values():
            give_up()
        self.dispatcher.help_if_slow()
        self._owner.on_tick()

    @property
    def _is_limited(self) -> bool:
        """Whether the bandwidth limit is what holds the bytes back, so that they say nothing of the line."""
        per_s = self.engine.bandwidth.per_s if self.engine is not None else None
        return per_s is not None and self.meter.bytes_per_s > _AT_THE_LIMIT * per_s

    def later(self, wait_s: float, job: Callable[[], None]) -> None:
        """Run a quick job later on the timer thread."""
        self._timers.after(wait_s, job)

    @property
    def is_crowded(self) -> bool:
        """Whether so many files are under way that nobody follows the events of each; without the condition."""
        return len(self._active) > _CROWD_FILES

    @property
    def quiet(self) -> bool:
        """Whether no file is left to do and nothing is in flight; under the condition."""
        if self.state is UploaderState.STOP:
            # A server that is silent must not hold a wait for a stopped queue; its request ends by its own deadline.
            return not self._active or self._clock.monotonic_s() - self._stopped_at_s > _STOP_GRACE_S
        return not self._active and not any(self.counts[state] for state in LEFT_TO_DO)

    def close(self, timeout_s: float) -> bool:
        """Join every thread; False when one is still busy."""
        with self.cond:
            self._closed = True
            threads = self.crew.close()
            self.cond.notify_all()
        ended = self._timers.close(timeout_s)
        return self.crew.join(threads, timeout_s) and ended
