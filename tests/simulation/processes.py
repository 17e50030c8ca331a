"""Processes: one begins, takes up what the journal knows, is killed; and what a queue does with its files."""

from __future__ import annotations

from vod_widget import effects as fx
from vod_widget.engine import BrokenOff, Engine, Settings
from vod_widget.errors import VODError
from vod_widget.interfaces import Source
from vod_widget.journal import FileJournal
from vod_widget.machine import FileMachine, Job
from vod_widget.model import Checkpoint, MediaType, UploadMetadata, UploadState
from vod_widget.pace import CallPace
from vod_widget.record import Record
from vod_widget.retry import RetryPolicy
from vod_widget.states import FileEvent
from vod_widget.workers import Rate

from .cloud import PART, SimApi, SimStore
from .moves import Moves
from .props import Cover, File, Provider, SimSource

__all__ = ["Processes"]

HOME = "/home"
_LEFT_SOMETHING = (fx.Init, fx.Complete, fx.Abort, fx.CreateVideo, fx.CreateImage, fx.RefreshVideo, fx.SendPart, fx.SendObject)  # fmt: skip


class Processes(Moves):
    """What lives and dies."""

    def begin_process(self) -> None:
        """A process starts: it takes up what the journal knows, or the person adds the files again."""
        self.network.dead = False
        self.threads, self.performing, self.outcomes, self.timers = [], [], [], []
        self.timer_numbers = 0
        self.journal = FileJournal(HOME, self.clock)
        store, api = SimStore(self.network), SimApi(self.network, self.clock)
        self.settings = Settings(self.journal, self._get_auth if self.authority == "get_auth" else None)
        self.engine = Engine(
            store=store,
            api=api,
            clock=self.clock,
            bandwidth=Rate(None, self.clock),
            pace=CallPace(self.clock, lambda: 1e9, self.clock),
            settings=lambda: self.settings,
        )
        left = {c.source_id: c for c in self.journal.unfinished()}
        for file in self.files:
            file.leaving = None
            checkpoint = left.get(f"file:/{file.name}")
            if checkpoint is None and (file.record is None or file.story.state == "Success"):
                # It was stored, or removed from the list; nobody thinks of it now.
                file.record = None
                continue
            known = checkpoint if checkpoint is not None and self.rng.random() < 0.5 else None
            if file.story.state == "Success":
                # Its result was not written down, or is not needed: the same asset goes on.
                file.story.state = "Ready"
                file.story.restarts += 1
            file.story.forgot()
            self.add(file, known)

    def add(self, file: File, checkpoint: Checkpoint | None) -> None:
        source: Source = SimSource(file, cheap_reads=self.plan.cheap_reads)
        record = Record(file.name, source, file.media_type, UploadMetadata(title=file.name))
        record.get_ready().provider = Provider(self.owner) if self.authority == "own" else None
        record.run.region_given = "cn-shanghai"
        if self.plan.cover and file.media_type is MediaType.VIDEO:
            record.cover = Cover()
        job = Job(
            file_id=file.name,
            name=file.name,
            size_bytes=source.size_bytes,
            media_type=file.media_type,
            source_id=source.source_id,
            destination="sim",
            metadata=record.metadata,
            cheap_reads=source.cheap_reads,
            has_cover=record.cover is not None,
            part_size_bytes=PART,
            skip_uploaded=self.plan.skip_uploaded,
            get_auth=self.authority == "get_auth",
            own_authority=self.authority == "own",
        )
        policy = RetryPolicy(3, 2.0, self.plan.patience_s)
        machine = FileMachine(job, policy, self.clock, self.randomness, checkpoint)
        record.take_machine(machine)
        if checkpoint is not None:
            machine.state = UploadState.STOPPED
            file.story.state = "Stopped"
            machine.ledger.accept(sum(part.size_bytes for part in checkpoint.parts))
        file.record = record
        self.say(f"ADD {file.name} {len(file.content)} bytes {'again' if checkpoint else ''}")
        if checkpoint is not None and checkpoint.canceled:
            self.take(file, record, machine.interrupt(FileEvent.CANCEL))
        elif checkpoint is not None and self.rng.random() < 0.7:
            self.ready(file, record)

    def kill(self) -> None:
        """`kill -9`, perhaps by a power cut; what was on its way to the cloud may still arrive."""
        self.kills += 1
        self.counts["process", "kill"] += 1
        self.network.dead = False
        trouble, self.trouble = self.trouble, False
        for _file, record, _, effect, _ in self.performing:
            if isinstance(effect, _LEFT_SOMETHING) and self.rng.random() < 0.5 and record.machine is not None:
                record.run.cancel.clear()
                if isinstance(effect, fx.CreateImage):
                    _file.unsaid_images += 1
                try:
                    self.engine.perform(record, record.machine, effect)
                except (VODError, BrokenOff):
                    pass
        self.trouble = trouble
        before = {c.source_id: c for c in self._journal_now()}
        if self.rng.random() < self.plan.power_ratio:
            self.say("POWER CUT")
            self.counts["process", "power"] += 1
            self.disk.power_cut(self.rng)
        else:
            self.say("KILL -9")
            self.disk.kill()
        self._count_unsaid_images()
        self.begin_process()
        after = {c.source_id: c for c in self._journal_now()}
        for file in self.files:
            old, new = before.get(f"file:/{file.name}"), after.get(f"file:/{file.name}")
            had = sum(p.size_bytes for p in old.parts) if old is not None else 0
            has = sum(p.size_bytes for p in new.parts) if new is not None else 0
            file.story.lost_bytes += max(0, had - has)

    def _count_unsaid_images(self) -> None:
        """Images whose ids died with the process, before it could note or tell them."""
        noted = self.disk.content()
        for file in self.files:
            if file.story.is_image:
                made = {a.media_id for a in self.cloud.vod.assets.values() if a.title == file.name}
                lost = {media_id for media_id in made - file.lost_images if media_id.encode() not in noted}
                file.unsaid_images += len(lost) and 1  # at most one was on its way
                file.lost_images |= lost

    def ready(self, file: File, record: Record) -> None:
        machine = record.machine
        assert machine is not None
        if machine.state in {UploadState.STOPPED, UploadState.FAILURE, UploadState.CANCELED}:
            self.say(f"{file.name} RESUME")
            machine.ready(FileEvent.RESUME)
            self.take(file, record, [])

    def start(self, file: File, record: Record) -> None:
        machine = record.machine
        assert machine is not None
        if machine.state is UploadState.READY:
            self.say(f"{file.name} START")
            self.take(file, record, machine.start())

    def bring_on(self, file: File) -> None:
        """What a queue does with a file that is not at its end."""
        if file.record is None and file.story.state != "Success":
            self.add_again(file)
        if file.record is not None:
            self.ready(file, file.record)
            self.start(file, file.record)

    def add_again(self, file: File) -> None:
        """The same file once more, which the journal may know, or which is a new asset."""
        leaving = file.leaving
        if leaving is not None and leaving.machine is not None and leaving.machine.busy:
            return  # it still holds its journal entry
        file.leaving = None
        file.added += 1
        file.asset_of_app = None
        file.story.state = "Ready"
        file.story.progress = 0.0
        file.story.restarts += 1
        self.add(file, None)
