"""What the scheduler asks of the public class, which alone knows the caller. Floor 4."""

from __future__ import annotations

from typing import Protocol

from . import effects as fx
from .machine import FileMachine
from .record import Record

__all__ = ["Owner"]


class Owner(Protocol):
    """What the scheduler needs of the public class.

    Attributes:
        is_ending: Whether callbacks still run after which on_upload_end is due.
    """

    is_ending: bool

    def make_machine(self, record: Record) -> FileMachine:
        """Return the machine of a file whose turn has come, a new one or its own; quick, no I/O."""

    def ask_app(self, record: Record, token: int, effect: fx.AskApp) -> None:
        """Fire the callback and answer later by `Scheduler.answer`."""

    def on_note(self, record: Record, note: fx.Note) -> None:
        """News of a file; called under the condition, must only post."""

    def on_state(self, record: Record) -> None:
        """A file's state or phase changed; as above."""

    def on_progress(self, record: Record) -> None:
        """Bytes of a file moved; as above."""

    def on_uploader_state(self) -> None:
        """The queue's state changed; as above."""

    def on_tick(self) -> None:
        """Ten times a second while files move, on the timer thread, outside the condition."""

    def on_drained(self) -> None:
        """Nothing is left to do; under the condition, must only post."""
