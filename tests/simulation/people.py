"""People, and the rest of the world: orders, edits, time that passes, a storage that drops what it had."""

from __future__ import annotations

from collections.abc import Callable

from vod_widget.model import UploadState
from vod_widget.record import Record
from vod_widget.states import FileEvent

from .permits import LIFE_S
from .plans import Plan
from .processes import Processes
from .props import File

__all__ = ["People"]


class People(Processes):
    """What comes from outside."""

    def __init__(self, seed: int, plan: Plan, keep: int = 0) -> None:
        super().__init__(seed, plan, keep)
        self.from_outside: tuple[tuple[float, Callable[[], None]], ...] = (
            (plan.order_ratio, self.order),
            (plan.kill_ratio, self.die),
            (plan.edit_ratio, self.edit),
            (plan.time_ratio, self.time_passes),
            (plan.jump_ratio, self.clock_jumps),
            (plan.vanish_ratio, self.upload_vanishes),
        )
        self.outside_ratio = sum(ratio for ratio, _ in self.from_outside)
        for _ in range(self.rng.randint(1, plan.files)):
            self.new_file()

    def order(self) -> None:
        """A person says something."""
        file = self.rng.choice(self.files)
        record = file.record
        if record is None or record.machine is None:
            if self.rng.random() < 0.2:
                self.add_again(file)
            return
        machine = record.machine
        what = self.rng.choice(("stop", "stop", "pause", "cancel", "cancel", "resume", "start", "retry", "delete"))
        match what:
            case "resume":
                self.ready(file, record)
            case "start":
                self.start(file, record)
            case "retry":
                self.take(file, record, machine.retry_now())
            case "delete":
                self.delete(file, record)
            case _:
                event = {"stop": FileEvent.STOP, "pause": FileEvent.PAUSE, "cancel": FileEvent.CANCEL}[what]
                self.interrupt(file, record, event)
        if machine.state is UploadState.SUCCESS and not machine.busy and self.rng.random() < 0.1:
            file.record = None

    def interrupt(self, file: File, record: Record, event: FileEvent, *, discard: bool = False) -> bool:
        machine = record.machine
        assert machine is not None
        before = machine.state
        out = machine.interrupt(event, discard=discard)
        self.say(f"{file.name} {event.name} {'' if out is not None else 'changes nothing'}")
        if out is None:
            if machine.state is not before:
                self.fail("I5", f"{file.name}: said that nothing changed, but the state did")
            return False
        self.counts["order", event.name] += 1
        wanted = UploadState.CANCELED if event is FileEvent.CANCEL else UploadState.STOPPED
        if machine.state is not wanted:
            self.fail("I5", f"{file.name}: {event.name} was taken, but the state is {machine.state}")
        self.take(file, record, out)
        return True

    def delete(self, file: File, record: Record) -> None:
        """Take a file off the list; when it has settled the person adds it again, as a new asset."""
        machine = record.machine
        assert machine is not None
        if machine.state is UploadState.SUCCESS:
            return
        self.interrupt(file, record, FileEvent.CANCEL, discard=True)
        if machine.state is UploadState.CANCELED:
            self.counts["order", "DELETE"] += 1
            file.record, file.leaving = None, record
            file.story.state = "Canceled"

    def edit(self) -> None:
        """A source changes on the person's disk."""
        file = self.rng.choice(self.files)
        how = self.rng.choice(("same size", "other size", "gone"))
        self.counts["source", how] += 1
        self.say(f"{file.name} EDIT {how}")
        if how == "gone" and file.is_there:
            file.is_there = False
            return
        file.is_there = True
        size = len(file.content) if how == "same size" else self.rng.choice(self.plan.sizes)
        file.content = self.content(size)
        file.version += 1
        file.story.exists(file.content)

    def outside(self) -> None:
        """Something from outside, perhaps."""
        chance = self.rng.random()
        if chance >= self.outside_ratio:
            return
        for ratio, happens in self.from_outside:
            if chance < ratio:
                happens()
                return
            chance -= ratio

    def time_passes(self) -> None:
        self.counts["time", "passes"] += 1
        self.clock.t += self.rng.choice((LIFE_S * 0.85, LIFE_S + 1, 8 * 3600.0))
        self.say("TIME PASSES")
        for file in self.files:
            file.story.breaks += 1

    def clock_jumps(self) -> None:
        self.counts["clock", "jumps"] += 1
        self.clock.jump_s = self.rng.choice((0.0, 1200.0, -1200.0, 86400.0, -86400.0))
        self.say(f"CLOCK {self.clock.jump_s}")
        for file in self.files:
            file.story.breaks += 1

    def upload_vanishes(self) -> None:
        uploads = self.cloud.store.multipart.uploads(self.cloud.bucket)
        if uploads:
            upload = self.rng.choice(uploads)
            self.counts["storage", "drops an upload"] += 1
            self.say("UPLOAD DROPPED")
            asset = self.cloud.vod.asset_of(upload.bucket, upload.key)
            for file in self.files:
                if asset is not None and file.name == asset.title:
                    file.story.restarts += 1
            self.cloud.store.multipart.abort(upload)
