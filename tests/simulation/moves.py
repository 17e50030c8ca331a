"""The moves of which chance takes one: a step of a thread, an outcome, a request, a timer. Here `Scheduler` is played."""

from __future__ import annotations

from collections import deque
from typing import Any

from vod_widget import effects as fx
from vod_widget.engine import BrokenOff
from vod_widget.errors import VODError
from vod_widget.machine import FileMachine
from vod_widget.model import UploadState
from vod_widget.record import Record

from .cloud import Killed
from .permits import Permits
from .props import File

__all__ = ["Moves"]

_BREAKABLE = (fx.SendPart, fx.SendObject, fx.HashParts, fx.PutCover)
_SENDING = (fx.SendPart, fx.SendObject)


class Moves(Permits):
    """What happens by itself."""

    def take(self, file: File, record: Record, out: list[Any] | None) -> None:
        """Do what `Scheduler._decide` does: notes at once and in order, effects by a thread."""
        if out is None:
            return
        machine, story = record.machine, file.story
        assert machine is not None
        work: deque[tuple[int, fx.Effect]] = deque()
        if record is file.record:
            for item in out:
                if isinstance(item, fx.RestartedNote):
                    story.restarted()
            story.is_in(str(machine.state))
        for item in out:
            if isinstance(item, fx.Note):
                self.note(file, record, item)
            else:
                work.append(item)
        if work:
            self.threads.append((file, record, work))
        if record is file.record:
            self.look_at(file, record, machine)

    def look_at(self, file: File, record: Record, machine: FileMachine) -> None:
        """What holds after every decision (I4, and what the machine says of itself)."""
        share = machine.ledger.loaded_percent
        story = file.story
        if machine.state in {UploadState.UPLOADING, UploadState.SUCCESS}:
            story.moved(share, verified=machine.ledger.verified)
        if not machine.busy:
            if machine.transfers_in_flight:
                self.fail("I5", f"{file.name}: settled with requests in flight")
            if machine.state in {UploadState.UPLOADING, UploadState.EXPIRED}:
                self.fail("I8", f"{file.name}: nothing is left to do, but the file is not at its end")
            if machine.wants_transfer:
                self.fail("I5", f"{file.name}: wants to send after it settled")
        if machine.state is UploadState.CANCELED and not (machine.phase == "" and machine.wait_until_s is None):
            self.fail("I5", f"{file.name}: canceled, but in phase {machine.phase!r}")
        if machine.state is UploadState.STOPPED and machine.phase not in {"", "paused"}:
            self.fail("I5", f"{file.name}: stopped, but in phase {machine.phase}")

    def note(self, file: File, record: Record, note: fx.Note) -> None:
        self.say(f"  {file.name} {_words(note)}")
        if isinstance(note, fx.Warned):
            file.story.warned.append(note.code)
        if record is not file.record:
            return
        machine, story = record.machine, file.story
        assert machine is not None
        match note:
            case fx.Succeeded():
                story.moved(machine.ledger.loaded_percent, verified=machine.ledger.verified)
                media_id = machine.checkpoint.media_id
                story.succeeded(media_id)
                story.skipped = machine.skipped
                story.check_bytes(self.stored(media_id))
            case fx.PartAccepted() | fx.RetryNote() if machine.state is not UploadState.UPLOADING:
                self.fail("I5", f"{file.name}: {type(note).__name__} in state {machine.state}")
            case _:
                pass

    def step(self) -> bool:
        """One move by chance; False when nothing can happen by itself."""
        self.steps += 1
        moves = self.moves()
        if moves and (not self.timers or self.rng.random() < 0.95):
            self.do(moves)
            return True
        if self.timers:
            self.pass_time()
            return True
        return False

    def moves(self) -> int:
        """How many moves there are; they are numbered in the order in which `do` looks at them."""
        count = len(self.threads) + len(self.outcomes) + len(self.performing)
        self.takers = self._takers()
        return count + len(self.takers)

    def _takers(self) -> list[tuple[File, Record]]:
        takers = []
        may_send = sum(map(_is_sending, self.performing)) < self.plan.parallel
        for file in self.files:
            record = file.record
            machine = record.machine if record is not None else None
            if record is None or machine is None or machine.state is not UploadState.UPLOADING:
                continue
            if (may_send and machine.wants_transfer) or machine.refresh_due():
                takers.append((file, record))
        return takers

    def do(self, count: int) -> None:
        """Make one of so many moves."""
        index = int(self.rng.random() * count)
        if index < len(self.threads):
            self.act(index)
            return
        index -= len(self.threads)
        if index < len(self.outcomes):
            record, deliver = self.outcomes.pop(index)
            machine = record.machine
            assert machine is not None
            self.take(record.source.file, record, deliver(machine))  # type: ignore[attr-defined]
            return
        index -= len(self.outcomes)
        if index < len(self.performing):
            self.perform(*self.performing.pop(index))
            return
        file, record = self.takers[index - len(self.performing)]
        machine = record.machine
        assert machine is not None
        if machine.refresh_due():
            self.take(file, record, machine.refresh_ahead())
        taken = machine.next_transfer()
        if taken is not None:
            self.say(f"{file.name} takes {_short(taken[1])}")
            self.performing.append((file, record, *taken, record.run.cancel))
        elif machine.wants_transfer:
            self.fail("I8", f"{file.name}: wants a transfer, but gives none")

    def act(self, index: int) -> None:
        """One step of a thread that does what a decision asked for."""
        file, record, work = self.threads[index]
        token, effect = work.popleft()
        if not work:
            del self.threads[index]
        match effect:
            case fx.StopSending():
                record.run.cancel.set()
                record.run.cancel = type(record.run.cancel)()
            case fx.SavePart():
                self.inside(file, record, effect)
            case fx.Timer(wait_s):
                self.later(wait_s, record, token)
            case fx.Wake(wait_s):
                self.later(wait_s, record, None)
            case fx.AskApp(expired):
                self.ask(file, record, token, expired)
            case _:
                self.performing.append((file, record, token, effect, record.run.cancel))

    def later(self, wait_s: float, record: Record, token: int | None) -> None:
        self.timer_numbers += 1
        self.timers.append((self.clock.t + wait_s, self.timer_numbers, record, token))

    def pass_time(self) -> None:
        self.timers.sort(key=lambda timer: timer[:2])
        due_s, _, record, token = self.timers.pop(0)
        self.clock.t = max(self.clock.t, due_s)
        if token is not None and record.machine is not None:
            self.take(record.source.file, record, record.machine.succeed(token, None))  # type: ignore[attr-defined]

    def inside(self, file: File, record: Record, effect: fx.Effect) -> tuple[Any, BaseException | None]:
        """Let the engine do one effect; `Killed` goes through."""
        assert record.machine is not None
        now, self.now = self.now, (file, effect)
        try:
            return self.engine.perform(record, record.machine, effect), None
        except (VODError, BrokenOff) as raised:
            if self.network.dead:
                raise Killed from None
            return None, raised
        finally:
            self.now = now

    def perform(self, file: File, record: Record, token: int, effect: fx.Effect, flag: Any) -> None:
        """Let an effect happen, and put its outcome on the way."""
        if isinstance(effect, _BREAKABLE) and (flag.is_set() or record.run.cancel.is_set()):
            self.outcomes.append((record, lambda m: m.broken_off(token)))
            return
        self.check_before(file, record, effect)
        value, raised = self.inside(file, record, effect)
        if self.network.dead:
            raise Killed
        if raised is None:
            self.say(f"{file.name} {_short(effect)}")
            self.outcomes.append((record, lambda m: m.succeed(token, value)))
        elif isinstance(raised, BrokenOff):
            self.say(f"{file.name} {_short(effect)} is broken off")
            self.outcomes.append((record, lambda m: m.broken_off(token)))
        else:
            error = raised
            assert isinstance(error, VODError)
            self.say(f"{file.name} {_short(effect)}: {type(error).__name__} {error.code}")
            self.outcomes.append((record, lambda m: m.fail(token, error)))

    def check_before(self, file: File, record: Record, effect: fx.Effect) -> None:
        """Write ahead: what must be durable before an effect."""
        if isinstance(effect, fx.SendPart):
            if effect.upload_id.encode() not in self._durable(record):
                self.fail("I2", f"{file.name}: part {effect.part.part_number} left before its upload id was durable")
        elif isinstance(effect, fx.CreateVideo):
            if not effect.reference_id or effect.reference_id.encode() not in self._durable(record):
                self.fail("I3", f"{file.name}: CreateUploadVideo before its reference id was durable")

    def _durable(self, record: Record) -> bytes:
        return self.disk.durable(getattr(record.run.entry, "_path", ""))


def _is_sending(item: tuple[File, Record, int, fx.Effect, Any]) -> bool:
    return type(item[3]) in _SENDING


def _words(note: fx.Note) -> str:
    match note:
        case fx.Failed(error):
            return f"Failed {error.code}"
        case fx.RetryNote(attempt, error, wait_s):
            return f"RetryNote {attempt} {error.code} {wait_s:.3f}"
        case fx.Warned(code, _):
            return f"Warned {code}"
        case fx.RestartedNote(reason):
            return f"Restarted {reason}"
        case _:
            return type(note).__name__


def _short(effect: fx.Effect) -> str:
    """An effect in a few words."""
    name = type(effect).__name__
    match effect:
        case fx.SendPart(_, upload_id, part):
            return f"{name} {part.part_number} {upload_id[:6]}"
        case fx.SaveCheckpoint(c, _):
            return f"{name} {c.media_id[:6]} {c.upload_id[:6]} {len(c.parts)} parts{' canceled' if c.canceled else ''}"
        case fx.Complete(_, upload_id, _) | fx.Abort(_, upload_id) | fx.ListParts(_, upload_id, _):
            return f"{name} {upload_id[:6]}"
        case fx.CloseEntry(how, _):
            return f"{name} {how.name}"
        case _:
            return name
