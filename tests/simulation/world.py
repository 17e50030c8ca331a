"""One history: a queue of files under a seed, process after process, until all is well and every file has arrived.

Production does effects in threads; here each list of effects that a machine returns is a "thread" whose next step is one
of the moves that chance chooses from. The engine, the journal, the sources' bodies and the machines are the real ones;
`Scheduler` alone is played by this file. While a body is read, other moves happen inside: edits, orders, outcomes.
"""

from __future__ import annotations

import errno
import os
import random
from collections import deque
from collections.abc import Callable
from typing import Any, NoReturn

from tests.helpers.invariants import History, Stored, Story, Version, Violation, Witness, check_liveness, check_secrets
from vod_widget import effects as fx
from vod_widget.emulator.assets import CallContext
from vod_widget.emulator.policy import allow
from vod_widget.emulator.switches import Switches
from vod_widget.engine import BrokenOff, Engine, Settings
from vod_widget.errors import CallbackError, MissingCredentialError, SourceChangedError, SourceNotFoundError, VODError
from vod_widget.interfaces import Source
from vod_widget.journal import FileJournal
from vod_widget.machine import FileMachine, Job
from vod_widget.model import (
    Checkpoint,
    Credentials,
    Grant,
    MediaType,
    SourceKind,
    UploadAddress,
    UploadAuth,
    UploadMetadata,
    UploadState,
)
from vod_widget.pace import CallPace
from vod_widget.record import Record
from vod_widget.retry import RetryPolicy
from vod_widget.states import FileEvent
from vod_widget.workers import Rate

from .cloud import OSS_ENDPOINT, PART, WALL_S, Killed, Network, SimApi, SimStore, make_cloud
from .disk import Disk, installed
from .plans import Plan

__all__ = ["World"]

HOME = "/home"
LIFE_S = 3000.0
PARTS_MOST = 10
"""Of the largest file of any plan."""
_BREAKABLE = (fx.SendPart, fx.SendObject, fx.HashParts, fx.PutCover)
_SENDING = (fx.SendPart, fx.SendObject)
_LEFT_SOMETHING = (fx.Init, fx.Complete, fx.Abort, fx.CreateVideo, fx.CreateImage, fx.RefreshVideo, fx.SendPart, fx.SendObject)  # fmt: skip


class Clock:
    """The client's time: a steady one, and a wall that may jump."""

    __slots__ = ("jump_s", "t")

    def __init__(self) -> None:
        self.t = 0.0
        self.jump_s = 0.0

    def now_s(self) -> float:
        return WALL_S + self.t + self.jump_s

    def monotonic_s(self) -> float:
        return self.t

    def wait(self, timeout: float | None = None) -> bool:
        """Let a limiter's wait pass at once."""
        self.t += timeout or 0.0
        return False


class Randomness:
    """Chance from the seed."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng

    def hex(self, length: int) -> str:
        return f"{self._rng.getrandbits(4 * length):0{length}x}"

    def uniform(self, low: float, high: float) -> float:
        return low + (high - low) * self._rng.random()


class File:
    """A file on the person's disk, and what was ever heard of its uploads.

    Attributes:
        added: Times that a new asset was asked for.
        record: The file in the queue, or None when it is not in it.
        leaving: What was removed from the queue and still settles.
        unsaid_images: Images that may stand there without a word: the process died, or an application made them.
    """

    def __init__(self, name: str, content: bytes, story: Story, media_type: MediaType) -> None:
        self.name = name
        self.content = content
        self.version = 0
        self.is_there = True
        self.media_type = media_type
        self.story = story
        self.added = 1
        self.asset_of_app: str | None = None
        self.record: Record | None = None
        self.leaving: Record | None = None
        self.unsaid_images = 0
        self.lost_images: set[str] = set()


class SimSource:
    """A local file, as `sources.local` shows it."""

    kind = SourceKind.LOCAL
    block_bytes = 6

    def __init__(self, file: File, *, cheap_reads: bool) -> None:
        self.file = file
        self.name = file.name
        self.source_id = f"file:/{file.name}"
        self.cheap_reads = cheap_reads

    @property
    def size_bytes(self) -> int:
        return max(1, len(self.file.content))

    def fingerprint(self) -> str:
        if not self.file.is_there:
            raise SourceNotFoundError("gone", file_name=self.name)
        return f"v{self.file.version}"

    def read(self, start: int, end: int) -> bytes:
        if not self.file.is_there:
            raise SourceNotFoundError("gone", file_name=self.name)
        data = self.file.content[start:end]
        if len(data) != end - start:
            raise SourceChangedError("shorter than it was", file_name=self.name)
        return data

    def close(self) -> None:
        """Nothing is open."""


class Cover:
    """A picture that goes before its video."""

    kind = SourceKind.LOCAL
    block_bytes = 64
    cheap_reads = True
    name = "cover.jpg"
    source_id = "file:/cover.jpg"
    size_bytes = 12

    def fingerprint(self) -> str:
        return "c"

    def read(self, start: int, end: int) -> bytes:
        return b"c" * (end - start)

    def close(self) -> None:
        """Nothing is open."""


class Provider:
    """Keys of the account."""

    name = "sim"
    region = None
    endpoint = None
    account = "sim"

    def __init__(self, keys: Credentials) -> None:
        self._keys = keys

    def credentials(self, *, force_refresh: bool = False) -> Credentials:
        del force_refresh
        return self._keys


class World:
    """One history.

    Args:
        seed: Decides everything.
        plan: What may happen.
        keep: Lines of the history to keep for a report.
    """

    def __init__(self, seed: int, plan: Plan, keep: int = 0) -> None:
        self.seed = seed
        self.plan = plan
        self.rng = random.Random(seed)
        self.clock = Clock()
        self.randomness = Randomness(self.rng)
        self.history = History(keep)
        self.trouble = True
        self.fault_ratio = plan.fault_ratio
        self.no_crc = plan.no_crc
        self.disk = Disk()
        self.disk.hook = self._disk_hook
        switches = Switches(
            upload_token_may_head=plan.may_head,
            upload_token_may_list_parts=plan.may_list,
            upload_token_may_list_uploads=seed % 3 == 0,
            reference_id_repeated=plan.repeats,
        )
        self.cloud = make_cloud(seed, self.server_s, switches)
        self.network = Network(self, self.cloud, self.rng)
        self.counts = self.network.counts
        self.witness = Witness(part_size_bytes=PART, parallel=plan.parallel)
        self.authority = (
            self.rng.choice(("own", "own", "sts", "app", "get_auth")) if plan.authority == "any" else plan.authority
        )
        self.files: list[File] = []
        self.steps = 0
        self.kills = 0
        self.depth = 0
        self.now: tuple[File, fx.Effect] | None = None
        owner = self.cloud.owner
        self.owner = Credentials(owner.access_key_id, owner.access_key_secret)
        self.sts: Credentials | None = None
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

    # ---- what the network and the disk ask

    def server_s(self) -> float:
        return WALL_S + self.clock.t

    def client_s(self) -> float:
        return self.clock.now_s()

    def die(self) -> None:
        self.network.dead = True

    def struck(self, op: str, kind: str, body: Any) -> None:
        self.say(f"  ! {op} {kind}")
        if self.now is None:
            return
        file, effect = self.now
        if kind == "expire":
            # Requests of other parts fall with the same credential.
            for other in self.files if op in {"CreateUploadVideo", "RefreshUploadVideo", "GetVideoInfo"} else [file]:
                other.story.breaks += 1
        elif kind == "vanish":
            file.story.restarts += 1
        else:
            file.story.faults += 1
        may_be_made = kind in {"lost", "late", "late_500", "late_error_in_200", "truncated", "garbage", "kill_after"}
        if may_be_made and (isinstance(effect, fx.CreateImage | fx.CreateCover) or op == "GetAuth"):
            file.unsaid_images += 1

    def sent(self, body: Any, size_bytes: int) -> None:
        source = body.source
        if isinstance(source, SimSource):
            source.file.story.sent_bytes += size_bytes

    def meanwhile(self) -> None:
        """Something else happens while a body is on its way."""
        if not self.trouble or self.depth or self.rng.random() > 0.1:
            return
        self.depth += 1
        now = self.now
        try:
            if self.rng.random() < 0.5:
                self.step()
            else:
                self.outside()
        finally:
            self.depth -= 1
            self.now = now

    def _disk_hook(self, op: str, name: str) -> OSError | None:
        if self.network.dead:
            raise Killed
        if not self.trouble or self.now is None:
            return None
        chance = self.rng.random()
        plan = self.plan
        if chance < plan.disk_kill_ratio:
            self.counts[f"disk {op}", "kill"] += 1
            self.die()
            raise Killed
        if chance < plan.disk_kill_ratio + plan.disk_ratio:
            number = errno.ENOSPC if op in {"create", "write"} and self.rng.random() < 0.7 else errno.EIO
            self.counts[f"disk {op}", errno.errorcode[number]] += 1
            self.now[0].story.faults += 1
            self.say(f"  ! disk {op} {errno.errorcode[number]}")
            return OSError(number, os.strerror(number), name)
        return None

    # ---- files and processes

    def content(self, size: int) -> bytes:
        return self.rng.randbytes(size)

    def new_file(self) -> File:
        number = len(self.files) + 1
        is_image = self.rng.random() < self.plan.images
        name = f"{number}.png" if is_image else f"{number}.mp4"
        size = self.rng.choice(self.plan.sizes)
        story = self.witness.story(name, name, is_image=is_image)
        file = File(name, self.content(size), story, MediaType.IMAGE if is_image else MediaType.VIDEO)
        story.exists(file.content)
        self.files.append(file)
        return file

    def begin_process(self) -> None:
        """A process starts: it takes up what the journal knows, or the person adds the files again."""
        self.network.dead = False
        self.threads: list[tuple[File, Record, deque[tuple[int, fx.Effect]]]] = []
        self.performing: list[tuple[File, Record, int, fx.Effect, Any]] = []
        self.outcomes: list[tuple[Record, Callable[[FileMachine], Any]]] = []
        self.timers: list[tuple[float, int, Record, int | None]] = []
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
        record.provider = Provider(self.owner) if self.authority == "own" else None
        record.region_given = "cn-shanghai"
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
                record.cancel.clear()
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

    def _journal_now(self) -> tuple[Checkpoint, ...]:
        now, self.now = self.now, None
        try:
            return self.journal.unfinished()
        finally:
            self.now = now

    def say(self, text: str) -> None:
        self.history.add(f"{self.clock.t:9.1f} {text}")

    def fail(self, invariant: str, why: str) -> NoReturn:
        raise Violation(invariant, why)

    # ---- what a machine says

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

    def stored(self, media_id: str) -> Version | None:
        asset = self.cloud.vod.assets.get(media_id)
        found = self.cloud.store.find(asset.bucket, asset.key) if asset is not None else None
        if found is None:
            return None
        return Version.of(b"".join(self.cloud.store.read(found.content, 0, found.size_bytes)))

    # ---- moves

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
            self.performing.append((file, record, *taken, record.cancel))
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
                record.cancel.set()
                record.cancel = type(record.cancel)()
            case fx.SavePart():
                self.inside(file, record, effect)
            case fx.Timer(wait_s):
                self.later(wait_s, record, token)
            case fx.Wake(wait_s):
                self.later(wait_s, record, None)
            case fx.AskApp(expired):
                self.ask(file, record, token, expired)
            case _:
                self.performing.append((file, record, token, effect, record.cancel))

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
        if isinstance(effect, _BREAKABLE) and (flag.is_set() or record.cancel.is_set()):
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
        return self.disk.durable(getattr(record.entry, "_path", ""))

    # ---- authority

    def _app_grant(self, action: str, params: dict[str, str], id_name: str) -> Grant:
        operation = self.cloud.rpc._operations["2017-03-21"][action]
        data = operation(params, CallContext(self.cloud.owner, OSS_ENDPOINT))
        now_s = self.clock.now_s()
        auth = UploadAuth.decode(data["UploadAuth"], now_s=now_s)
        if self.clock.jump_s:
            auth = UploadAuth(auth.credentials, now_s + LIFE_S, now_s, auth.region)
        return Grant(auth, UploadAddress.decode(data["UploadAddress"]), data[id_name], image_url=data.get("ImageURL"))

    def app_server(self, file: File, media_id: str, reference_id: str = "", *, is_cover: bool = False) -> Grant:
        """The application's own server: it creates one asset a file, and refreshes it from then on."""
        if file.media_type is MediaType.IMAGE or is_cover:
            title = "cover" if is_cover else file.name
            return self._app_grant(
                "CreateUploadImage",
                {"ImageType": "default", "ImageExt": "png", "Title": title, "OriginalFileName": "a.png"},
                "ImageId",
            )
        known = media_id or file.asset_of_app
        if known:
            return self._app_grant("RefreshUploadVideo", {"VideoId": known}, "VideoId")
        params = {"Title": file.name, "FileName": file.name}
        grant = self._app_grant("CreateUploadVideo", params, "VideoId")
        file.asset_of_app = grant.media_id
        return grant

    def _get_auth(self, record: Record, effect: fx.GetAuth, cover: Source | None) -> Grant:
        from .cloud import AFTER, BEFORE

        file: File = record.source.file  # type: ignore[attr-defined]
        kind = self.network.strike("GetAuth")
        if kind == "kill_before":
            self.network.die()
        if kind in BEFORE:
            fault = BEFORE[kind]()
            raise fault
        grant = self.app_server(file, effect.media_id, effect.reference_id, is_cover=cover is not None)
        if kind == "kill_after":
            self.network.die()
        if kind in AFTER:
            fault = AFTER[kind]()
            raise fault
        return grant

    def ask(self, file: File, record: Record, token: int, expired: VODError | None) -> None:
        machine = record.machine
        assert machine is not None
        if not machine.awaits(token):
            return  # the person spoke before the question was put
        match self.authority:
            case "own" | "get_auth":
                if expired is None:
                    self.answer(record, token, None)
                else:
                    error = expired
                    self.outcomes.append((record, lambda m: m.fail(token, error)))
            case "sts":
                self.answer(record, token, self.new_sts(fresh=expired is not None))
            case _:
                if self.trouble and self.rng.random() < 0.03:
                    self.counts["AskApp", "refused"] += 1
                    file.story.faults += 1
                    error = self.rng.choice((CallbackError("raised"), MissingCredentialError("no answer in time")))
                    self.outcomes.append((record, lambda m: m.fail(token, error)))
                    return
                # Images cannot be refreshed: an application that is asked makes another, which is its own business.
                file.unsaid_images += 1
                grant = self.app_server(file, machine.checkpoint.media_id)
                whole = expired is None or file.media_type is MediaType.IMAGE or self.rng.random() < 0.3
                self.answer(record, token, grant if whole else grant.auth)

    def new_sts(self, *, fresh: bool) -> Credentials:
        found = self.cloud.keys.find(self.sts.access_key_id) if self.sts is not None else None
        if fresh or self.sts is None or found is None or self.cloud.keys.is_expired(found):
            key = self.cloud.keys.issue(
                kind="role", ttl_s=LIFE_S, policies=(allow(["vod:*"]),), arn="acs:ram::1:role/r", principal_id="3"
            )
            self.sts = Credentials(key.access_key_id, key.access_key_secret, key.security_token)
        return self.sts

    def answer(self, record: Record, token: int, value: Any) -> None:
        self.outcomes.append((record, lambda m: m.succeed(token, value)))

    # ---- people, and the rest of the world

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

    # ---- the whole

    def run(self) -> None:
        """The whole history; raises `Violation`."""
        with installed(self.disk):
            self.begin_process()
            for file in self.files:
                if self.rng.random() < 0.8:
                    self.bring_on(file)
            for _ in range(self.plan.steps):
                try:
                    moved = self.step()
                    if not moved:
                        self.check_stuck()
                    if not moved or self.rng.random() < 0.04:
                        self.bring_on(self.rng.choice(self.files))
                    self.outside()
                    if self.network.dead:
                        raise Killed
                    self.check_bounds()
                except Killed:
                    self.kill()
                if not moved and all(f.story.state == "Success" for f in self.files) and self.rng.random() < 0.3:
                    break
            self.trouble = False
            self.settle()
            self.end()

    def check_bounds(self) -> None:
        """I7: what a file keeps has an end, however long the trouble lasts, and the journal holds one lock a file."""
        records = [r for f in self.files for r in (f.record, f.leaving) if r is not None and r.machine is not None]
        if self.disk.open_files > len(records):
            self.fail("I7", f"{self.disk.open_files} descriptors of the journal for {len(records)} files")
        for record in records:
            machine = record.machine
            assert machine is not None
            kept = len(machine.attempts), len(machine.warnings), len(machine._board.accepted())
            if kept[0] > 50 or kept[1] > 20 or kept[2] > PARTS_MOST:
                self.fail("I7", f"{record.name}: keeps {kept} failures, warnings, parts")

    def check_stuck(self) -> None:
        """Nothing can happen by itself: every file must be at rest."""
        for file in self.files:
            for record in (file.record, file.leaving):
                if record is not None and record.machine is not None and record.machine.busy:
                    self.fail("I8", f"{file.name}: stuck: busy, and nothing is in flight")

    def settle(self, bound: int = 400) -> int:
        """No more trouble: what is in flight ends; returns the steps."""
        for steps in range(bound * len(self.files)):
            if not self.step():
                self.check_stuck()
                return steps
        raise Violation(
            "I8", f"does not come to rest in {bound} steps for each of {len(self.files)} files without trouble"
        )

    def end(self) -> None:
        """Canceled files are clean; the others are brought on and succeed; then everything is judged."""
        for file in self.files:
            if not file.is_there:
                file.is_there = True
                file.version += 1
                file.story.exists(file.content)
        self.check_canceled()
        left_alone = {file.name for file in self.files if file.story.state == "Canceled" and self.rng.random() < 0.3}
        steps = 0
        for _ in range(6):
            wanted = [f for f in self.files if f.name not in left_alone and f.story.state != "Success"]
            if not wanted:
                break
            for file in wanted:
                for _ in range(3):
                    self.bring_on(file)
            steps += self.settle()
        states = {f.name: f.story.state for f in self.files if f.name not in left_alone}
        check_liveness(states, steps)
        self.judge()

    def check_canceled(self) -> None:
        """I2: a canceled file has no parts, but those that the person was told of."""
        for file in self.files:
            if file.story.state != "Canceled":
                continue
            left = {
                upload.upload_id
                for upload in self.cloud.store.multipart.uploads(self.cloud.bucket)
                if upload.parts and self._owner_of(upload.bucket, upload.key) is file
            }
            told = file.story.warned.count("Abort")
            if len(left) > told:
                self.fail("I2", f"{file.name}: canceled, but parts are left: {sorted(left)}")

    def _owner_of(self, bucket: str, key: str) -> File | None:
        asset = self.cloud.vod.asset_of(bucket, key)
        return next((f for f in self.files if asset is not None and f.name == asset.title), None)

    def judge(self) -> None:
        """I1, I2, I3, I6, I9 and I10 at the end."""
        assets = self.cloud.vod.assets.values()
        published = {}
        for event in self.cloud.vod.events:
            published[event.media_id] = published.get(event.media_id, 0) + 1
        for file in self.files:
            mine = [a for a in assets if a.title == file.name]
            if not file.story.is_image and len(mine) > file.added:
                self.fail("I3", f"{file.name}: {len(mine)} assets, added {file.added} times")
            file.story.published = sum(published.get(a.media_id, 0) for a in mine)
        stored = Stored(
            frozenset(a.media_id for a in assets if a.kind == "video"),
            frozenset(a.media_id for a in assets if a.kind == "image"),
            {a.media_id: v for a in assets if (v := self.stored(a.media_id)) is not None},
            frozenset(u.upload_id for u in self.cloud.store.multipart.uploads(self.cloud.bucket) if u.parts),
        )
        unfinished = self._journal_now()
        self.witness.check(
            stored,
            owned=[c.upload_id for c in unfinished if c.upload_id],
            files_added=sum(f.added for f in self.files if not f.story.is_image)
            + sum(f.story.is_image for f in self.files),
            images_unsaid=sum(f.unsaid_images + (f.added - 1) * f.story.is_image for f in self.files) + self._covers(),
        )
        if self.disk.open_files:
            self.fail("I6", f"{self.disk.open_files} descriptors of the journal are left open")
        secrets = [key.access_key_secret for key in self.cloud.keys._keys.values()]
        secrets += [key.security_token for key in self.cloud.keys._keys.values() if key.security_token]
        check_secrets(secrets, {"journal": self.disk.content(), "history": "\n".join(self.history.tail)})

    def _covers(self) -> int:
        """At most two images for each asset with a cover."""
        return sum(a.title.startswith("cover") for a in self.cloud.vod.assets.values() if a.kind == "image")


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
