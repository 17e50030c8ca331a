"""A cloud, a journal, an application and a clock in memory, and a driver that runs one file's machine against them by chance.

Everything that production does in threads is a queue here: each list of effects that the machine returns is done by a
"thread" of its own, one effect at a time, and between two of them anything else may happen. A seed is a whole history; a
failing one is replayed by its number. Bytes are ranges of versions of the source, so that a run costs microseconds.
"""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from vod_widget import effects as fx
from vod_widget.crc64 import combine_all
from vod_widget.errors import (
    AccessDeniedError,
    AlreadyExistsError,
    AuthExpiredError,
    ConnectError,
    ConnectionLostError,
    JournalError,
    NoSuchUploadError,
    NotFoundError,
    RequestRefusedError,
    ServerFaultError,
    SourceChangedError,
    ThrottledError,
    VODError,
)
from vod_widget.machine import FileMachine, Job
from vod_widget.model import (
    Checkpoint,
    Credentials,
    Grant,
    MediaType,
    ObjectInfo,
    PartsPage,
    RemotePart,
    UploadAddress,
    UploadAuth,
    UploadMetadata,
    UploadState,
    VideoStatus,
)
from vod_widget.retry import RetryPolicy
from vod_widget.states import FileEvent

PART = 102_400
ENDPOINT = "https://oss-cn-shanghai.aliyuncs.com"
LIFE_S = 3000.0
KEYS = Credentials("simulated", "simulated-secret", "simulated-token")

Range = tuple[int, int, int, bool]
"""Version of the source, first byte, byte after the last, and whether it was damaged on its way."""


class Violation(AssertionError):
    """A promise was broken."""


@lru_cache(maxsize=100_000)
def crc_of(piece: Range) -> int:
    """A number that stands for the CRC of a range; it only has to differ when the range does."""
    return random.Random(repr(piece)).getrandbits(64)


@lru_cache(maxsize=100_000)
def crc_of_all(pieces: tuple[Range, ...]) -> int:
    return combine_all((crc_of(piece), piece[2] - piece[1]) for piece in pieces)


class SimClock:
    """Time that moves when the driver says so."""

    def __init__(self) -> None:
        self.t = 1_000_000.0

    def now_s(self) -> float:
        return self.t

    def monotonic_s(self) -> float:
        return self.t


class SimRandomness:
    """Chance from the seed."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng

    def hex(self, length: int) -> str:
        return f"{self._rng.getrandbits(4 * length):0{length}x}"

    def uniform(self, low: float, high: float) -> float:
        return self._rng.uniform(low, high)


@dataclass
class Upload:
    """A multipart upload of the fake storage."""

    key: str
    parts: dict[int, Range] = field(default_factory=dict)


@dataclass
class Video:
    """An asset of the fake VOD."""

    media_id: str
    key: str
    reference_id: str


class Cloud:
    """VOD and OSS as far as the machine can tell."""

    def __init__(self, clock: SimClock) -> None:
        self.clock = clock
        self.assets: dict[str, Video] = {}
        self.uploads: dict[str, Upload] = {}
        self.objects: dict[str, tuple[Range, ...]] = {}
        self.numbers = 0
        self.may_list = True
        self.may_list_uploads = False
        self.page_parts = 1000
        self.may_head = True
        self.gives_crc = True
        self.repeats_reference = False
        self.may_abort = True
        self.covers: dict[str, bool] = {}
        self.keys_end_s = float("inf")

    def _number(self) -> int:
        self.numbers += 1
        return self.numbers

    def grant(self, video: Video) -> Grant:
        now = self.clock.t
        auth = UploadAuth(KEYS, now + LIFE_S, now, "cn-shanghai")
        return Grant(auth, UploadAddress(ENDPOINT, "bucket-1", video.key), video.media_id)

    def control(self) -> None:
        if self.clock.t >= self.keys_end_s:
            raise AuthExpiredError("the keys ran out", code="InvalidSecurityToken.Expired")

    def create(self, reference_id: str) -> Grant:
        self.control()
        if (
            reference_id
            and not self.repeats_reference
            and any(v.reference_id == reference_id for v in self.assets.values())
        ):
            raise AlreadyExistsError("the reference id was used before", code="AlreadyExist.ReferenceId")
        number = self._number()
        video = Video(f"media{number}", f"sv/{number}.mp4", reference_id)
        self.assets[video.media_id] = video
        return self.grant(video)

    def create_cover(self) -> Grant:
        self.control()
        number = self._number()
        url = f"https://img/{number}.jpg"
        self.covers[url] = False
        return replace(self.grant(Video(f"cover{number}", f"image/{number}.jpg", "")), image_url=url)

    def refresh(self, media_id: str) -> Grant:
        self.control()
        if media_id not in self.assets:
            raise NotFoundError("no such video", code="InvalidVideo.NotFound")
        return self.grant(self.assets[media_id])

    def find(self, video_id: str, reference_id: str) -> VideoStatus | None:
        self.control()
        for video in self.assets.values():
            if video.media_id == video_id or (reference_id and video.reference_id == reference_id):
                return VideoStatus(video.media_id, "Normal" if video.key in self.objects else "Uploading")
        return None

    def check(self, grant: Grant) -> None:
        if grant.auth.expires_at_s <= self.clock.t:
            raise AuthExpiredError("the token ran out", code="SecurityTokenExpired")

    def upload(self, grant: Grant, upload_id: str) -> Upload:
        self.check(grant)
        found = self.uploads.get(upload_id)
        if found is None or found.key != grant.address.object:
            raise NoSuchUploadError("no such upload", status=404)
        return found

    def init(self, grant: Grant) -> str:
        self.check(grant)
        upload_id = f"upload{self._number()}"
        self.uploads[upload_id] = Upload(grant.address.object)
        return upload_id

    def info(self, pieces: tuple[Range, ...]) -> ObjectInfo:
        size = sum(end - start for _, start, end, _ in pieces)
        return ObjectInfo(size, "etag", crc_of_all(pieces) if self.gives_crc else None)

    def complete(self, grant: Grant, upload_id: str, parts: Any) -> ObjectInfo:
        upload = self.upload(grant, upload_id)
        wanted = {p.part_number: p for p in parts}
        for number, part in wanted.items():
            there = upload.parts.get(number)
            if there is None or part.etag != f"etag-{crc_of(there):x}":
                raise RequestRefusedError("a part is not there", status=400, code="Parts")
        self.objects[upload.key] = tuple(upload.parts[number] for number in sorted(wanted))
        del self.uploads[upload_id]
        return self.info(self.objects[upload.key])

    def head(self, grant: Grant) -> ObjectInfo | None:
        self.check(grant)
        if not self.may_head:
            raise AccessDeniedError("not allowed", status=403)
        pieces = self.objects.get(grant.address.object)
        return None if pieces is None else self.info(pieces)

    def list_parts(self, grant: Grant, upload_id: str, after: int = 0) -> PartsPage:
        if not self.may_list:
            self.check(grant)
            raise AccessDeniedError("not allowed", status=403)
        upload = self.upload(grant, upload_id)
        parts = [
            RemotePart(n, r[2] - r[1], f"etag-{crc_of(r):x}", crc_of(r))
            for n, r in sorted(upload.parts.items())
            if n > after
        ]
        page = tuple(parts[: self.page_parts])
        return PartsPage(page, page[-1].part_number if len(parts) > len(page) else None)

    def list_uploads(self, grant: Grant) -> tuple[str, ...]:
        self.check(grant)
        if not self.may_list_uploads:
            raise AccessDeniedError("not allowed", status=403)
        return tuple(name for name, upload in self.uploads.items() if upload.key == grant.address.object)


@dataclass
class SimJournal:
    """What survives a killed process."""

    checkpoint: Checkpoint | None = None
    finished: dict[str, Any] | None = None
    held: bool = False
    upload_ids: set[str] = field(default_factory=set)

    def write(self, checkpoint: Checkpoint) -> None:
        self.upload_ids.add(checkpoint.upload_id)
        self.checkpoint = checkpoint

    def add_part(self, part: Any) -> None:
        assert self.checkpoint is not None
        others = tuple(p for p in self.checkpoint.parts if p.part_number != part.part_number)
        self.checkpoint = replace(self.checkpoint, parts=(*others, part))


@dataclass
class Thread:
    """Effects that one thread does in order; between two of them anything may happen elsewhere."""

    items: deque[tuple[int, fx.Effect]]


@dataclass
class Outcome:
    """What an effect brought, on its way to the machine."""

    deliver: Callable[[FileMachine], Any]


@dataclass(frozen=True)
class Plan:
    """What kind of file and of bad luck a run has."""

    size: int = 3 * PART + 5
    media_type: MediaType = MediaType.VIDEO
    authority: str = "own"  # own, sts, app, get_auth
    fault_ratio: float = 0.15
    journal_fault_ratio: float = 0.02
    interrupt_ratio: float = 0.04
    kill_ratio: float = 0.005
    edit_ratio: float = 0.0
    expire_ratio: float = 0.01
    damage_ratio: float = 0.01
    drop_upload_ratio: float = 0.002
    may_list: bool = True
    may_head: bool = True
    gives_crc: bool = True
    repeats_reference: bool = False
    patience_s: float | None = None
    cover: bool = False
    interrupts: tuple[str, ...] = ("stop", "pause", "cancel")
    parallel: int = 3
    steps: int = 250


class Simulation:
    """One file, driven by chance until its end; then healed, and driven to Success.

    Args:
        seed: Decides everything.
        plan: What may happen.
    """

    def __init__(self, seed: int, plan: Plan) -> None:
        self.seed = seed
        self.plan = plan
        self.rng = random.Random(seed)
        self.clock = SimClock()
        self.cloud = Cloud(self.clock)
        self.cloud.may_list, self.cloud.may_head = plan.may_list, plan.may_head
        self.cloud.gives_crc = plan.gives_crc
        self.cloud.repeats_reference = plan.repeats_reference
        self.journal = SimJournal()
        self.version = 0
        self.versions_seen = {0}
        self.counts: Counter[str] = Counter()
        self.log: list[str] = []
        self.asks_lost = 0
        self.asset_of_app: str | None = None
        self.in_trouble = True
        self.restarts = self.canceled_once = 0
        self.wasted_bytes = 0
        self.sent_bytes = 0
        self.kills = 0
        self.finished = 0
        self.progress = 0.0
        self.terminal: str | None = None
        self.notes: list[fx.Note] = []
        self.new_machine()

    # ---- the process

    def new_machine(self) -> None:
        self.threads: list[Thread] = []
        self.outcomes: list[Outcome] = []
        self.timers: list[tuple[float, int | None]] = []
        self.transfers: list[tuple[int, fx.Effect, list[bool]]] = []
        self.performing: list[tuple[int, fx.Effect, list[bool]]] = []
        self.cancel_flag = [False]
        self.asked: int | None = None
        self.journal.held = False
        self.progress = 0.0
        self.terminal = None
        plan = self.plan
        job = Job(
            file_id="f",
            name="talk.mp4",
            size_bytes=plan.size,
            media_type=plan.media_type,
            source_id="file:/talk.mp4",
            destination="sim",
            metadata=UploadMetadata(title="talk.mp4"),
            part_size_bytes=PART,
            get_auth=plan.authority == "get_auth",
            own_authority=plan.authority == "own",
            skip_uploaded=True,
            has_cover=plan.cover,
        )
        policy = RetryPolicy(3, 2.0, plan.patience_s)
        self.machine = FileMachine(job, policy, self.clock, SimRandomness(self.rng))

    def say(self, text: str) -> None:
        self.log.append(f"{self.clock.t - 1_000_000:8.1f} {text}")

    def fail(self, why: str) -> None:
        tail = "\n".join(self.log[-60:])
        m = self.machine
        raise Violation(
            f"seed {self.seed}, {self.plan}\n{why}\nstate {m.state} phase {m.phase!s} busy {m.busy} error {m.error}\n{tail}"
        )

    def kill(self) -> None:
        self.say("KILL -9")
        self.kills += 1
        for _, effect, _ in [*self.performing, *self.transfers]:
            if self.rng.random() < 0.5:
                try:
                    self.apply(effect)
                except VODError:
                    pass
        self.new_machine()

    # ---- what the machine says

    def take(self, out: list[Any] | None) -> None:
        """Do what `Scheduler._decide` does: notes at once and in order, effects by a thread."""
        if out is None:
            return
        work: deque[tuple[int, fx.Effect]] = deque()
        for item in out:
            if isinstance(item, fx.Note):
                self.note(item)
            else:
                work.append(item)
        if work:
            self.threads.append(Thread(work))
        self.check_progress()
        self.check_idle()

    def note(self, note: fx.Note) -> None:
        self.say(f"  note {note}")
        self.notes.append(note)
        if isinstance(note, fx.RestartedNote):
            self.progress = 0.0
            self.restarts += 1
        if isinstance(note, fx.Succeeded | fx.Failed | fx.Canceled):
            if self.terminal is not None:
                # Canceling a file that has failed is news of its own.
                if not (self.terminal == "Failed" and isinstance(note, fx.Canceled)):
                    self.fail(f"{note} after {self.terminal}")
            self.terminal = type(note).__name__
            expected = {
                "Succeeded": UploadState.SUCCESS,
                "Failed": UploadState.FAILURE,
                "Canceled": UploadState.CANCELED,
            }[self.terminal]
            if self.machine.state is not expected:
                self.fail(f"note {self.terminal} in state {self.machine.state}")
            if isinstance(note, fx.Succeeded):
                self.check_success()
        elif isinstance(note, fx.PartAccepted | fx.RetryNote) and self.machine.state is not UploadState.UPLOADING:
            self.fail(f"{type(note).__name__} in state {self.machine.state}")

    def check_success(self) -> None:
        media_id = self.machine.checkpoint.media_id
        video = self.cloud.assets.get(media_id)
        if video is None:
            self.fail(f"success of an asset that does not exist: {media_id!r}")
        assert video is not None
        if self.machine.skipped:
            return
        pieces = self.cloud.objects.get(video.key)
        if pieces is None:
            self.fail("success without an object")
        assert pieces is not None
        at = 0
        for version, start, end, damaged in pieces:
            if start != at or damaged or version != pieces[0][0]:
                self.fail(f"success with other bytes: {pieces}")
            at = end
        if at != self.plan.size:
            self.fail(f"success with {at} of {self.plan.size} bytes")
        if self.machine.ledger.loaded_percent != 1.0:
            self.fail("success without progress 1")

    def check_progress(self) -> None:
        share = self.machine.ledger.loaded_percent
        state = self.machine.state
        if share < self.progress:
            if state is UploadState.UPLOADING:
                self.fail(f"progress fell from {self.progress} to {share} without a word")
            return  # a file at rest says it when it runs again
        if share >= 1.0 and not self.machine.ledger.verified:
            self.fail("progress 1 before verification")
        self.progress = share

    def check_idle(self) -> None:
        m = self.machine
        if not m.busy:
            if m.transfers_in_flight:
                self.fail("settled with requests in flight")
            if m.state in {UploadState.UPLOADING, UploadState.EXPIRED}:
                self.fail("nothing is left to do, but the file is not at its end")
            if m.phase not in {"", "paused"}:
                self.fail(f"at rest in phase {m.phase}")
            if m.wants_transfer:
                self.fail("wants to send after it settled")
            if self.journal.held and not any(isinstance(e, fx.CloseEntry) for t in self.threads for _, e in t.items):
                self.fail("settled, but the journal entry is still held")
        if m.state is UploadState.CANCELED and not (m.phase == "" and m.wait_until_s is None):
            self.fail(f"canceled, but phase {m.phase!r}, waiting {m.wait_until_s}")
        if m.state is UploadState.STOPPED and m.phase not in {"", "paused"}:
            self.fail(f"stopped, but in phase {m.phase}")

    # ---- what the world does

    def apply(self, effect: fx.Effect) -> Any:
        """Have the effect at the cloud or the journal; may raise what the cloud would."""
        cloud, journal = self.cloud, self.journal
        match effect:
            case fx.OpenEntry():
                journal.held = True
                return fx.Opened(f"v{self.version}", self.plan.size, journal.checkpoint, journal.finished)
            case fx.CheckSource():
                return f"v{self.version}"
            case fx.HashParts(parts):
                if any(p.end > self.plan.size for p in parts):
                    raise SourceChangedError("shorter than it was")
                return tuple(crc_of((self.version, p.start, p.end, False)) for p in parts)
            case fx.SaveCheckpoint(checkpoint, _):
                if not journal.held:
                    self.fail("a checkpoint is written without the entry")
                journal.write(checkpoint)
                return None
            case fx.SavePart(part, _):
                if journal.held and journal.checkpoint is not None:
                    journal.add_part(part)
                return None
            case fx.CloseEntry(how, result):
                if how is fx.Closing.FINISH:
                    journal.finished, journal.checkpoint = result, None
                    self.finished += 1
                elif how is fx.Closing.DISCARD:
                    journal.checkpoint = None
                journal.held = False
                return None
            case fx.GetAuth(_, media_id, reference_id):
                if self.plan.media_type is MediaType.IMAGE:
                    return cloud.create("")
                if media_id:
                    return cloud.refresh(media_id)
                known = cloud.find("", reference_id)
                return cloud.refresh(known.video_id) if known is not None else cloud.create(reference_id)
            case fx.CreateCover():
                return cloud.create_cover()
            case fx.PutCover(grant):
                cloud.check(grant)
                cloud.covers[grant.image_url or ""] = True
                return grant.image_url
            case fx.CreateVideo(reference_id, _, cover_url):
                if self.plan.cover and not cloud.covers.get(cover_url or ""):
                    self.fail(f"CreateUploadVideo before its cover was stored: {cover_url!r}")
                saved = journal.checkpoint
                if saved is None or saved.reference_id != reference_id or not reference_id:
                    self.fail("CreateUploadVideo before its reference id was durable")
                return cloud.create(reference_id)
            case fx.CreateImage():
                return cloud.create("")
            case fx.FindVideo(video_id, reference_id, _):
                return cloud.find(video_id, reference_id)
            case fx.RefreshVideo(video_id, _):
                return cloud.refresh(video_id)
            case fx.Init(grant):
                return cloud.init(grant)
            case fx.SendPart(grant, upload_id, part):
                if not upload_id or upload_id not in journal.upload_ids:
                    self.fail(f"part {part.part_number} of {upload_id!r} left before its upload id was durable")
                upload = cloud.upload(grant, upload_id)
                sent = (self.version, part.start, part.end, False)
                self.sent_bytes += part.size_bytes
                stored = (*sent[:3], self.lucky(self.plan.damage_ratio))
                upload.parts[part.part_number] = stored
                crc = crc_of(stored) if cloud.gives_crc else None
                return RemotePart(part.part_number, part.size_bytes, f"etag-{crc_of(stored):x}", crc), crc_of(sent)
            case fx.SendObject(grant, part):
                cloud.check(grant)
                sent = (self.version, part.start, part.end, False)
                self.sent_bytes += part.size_bytes
                stored = (*sent[:3], self.lucky(self.plan.damage_ratio))
                cloud.objects[grant.address.object] = (stored,)
                return cloud.info((stored,)), crc_of(sent), f"v{self.version}"
            case fx.ListParts(grant, upload_id, after):
                return cloud.list_parts(grant, upload_id, after)
            case fx.ListUploads(grant):
                return cloud.list_uploads(grant)
            case fx.Complete(grant, upload_id, parts):
                return cloud.complete(grant, upload_id, parts)
            case fx.Head(grant):
                return cloud.head(grant)
            case fx.Abort(grant, upload_id):
                cloud.check(grant)
                if not cloud.may_abort:
                    raise ConnectError("refused", was_sent=False)
                cloud.uploads.pop(upload_id, None)
                return None
        raise AssertionError(f"unknown effect {effect}")

    def lucky(self, ratio: float) -> bool:
        return self.in_trouble and self.rng.random() < ratio

    def perform(self, token: int, effect: fx.Effect, flag: list[bool]) -> None:
        """Let an effect happen, spoil it perhaps, and put its outcome on the way."""
        local = isinstance(effect, fx.OpenEntry | fx.CheckSource | fx.HashParts | fx.SaveCheckpoint | fx.CloseEntry)
        breakable = isinstance(effect, fx.SendPart | fx.SendObject | fx.HashParts | fx.PutCover)
        if breakable and flag[0]:
            self.say(f"  broken off {token} {type(effect).__name__}")
            self.outcomes.append(Outcome(lambda m: m.broken_off(token)))
            return
        fault: VODError | None = None
        lost = False
        if local:
            if isinstance(effect, fx.SaveCheckpoint | fx.CloseEntry) and self.lucky(self.plan.journal_fault_ratio):
                fault = JournalError("no space")
        elif self.lucky(self.plan.fault_ratio):
            kind = self.rng.randrange(4)
            lost = kind == 0
            fault = (
                ConnectionLostError("answer lost", was_sent=True),
                ConnectError("refused", was_sent=False),
                ServerFaultError("500", status=500),
                ThrottledError("slow down", status=503),
            )[kind]
        changed = isinstance(effect, fx.SendPart | fx.SendObject) and (
            f"v{self.version}" != self.machine.checkpoint.fingerprint
        )
        if changed:
            fault, lost = SourceChangedError("changed"), False
        value: Any = None
        if fault is None or lost:
            try:
                value = self.apply(effect)
            except VODError as error:
                fault = error
        if fault is not None:
            if isinstance(effect, fx.CloseEntry):
                self.journal.held = False  # the engine lets go whatever happens
            error = fault
            self.say(f"  {type(error).__name__} {'(had its effect) ' if lost else ''}for {token} {short(effect)}")
            self.counts[f"fault {type(effect).__name__}"] += 1
            if isinstance(effect, fx.SendPart | fx.SendObject):
                self.wasted_bytes += effect.part.size_bytes
            self.outcomes.append(Outcome(lambda m: m.fail(token, error)))
        else:
            self.say(f"  done {token} {short(effect)}")
            self.outcomes.append(Outcome(lambda m: m.succeed(token, value)))

    def act(self, thread: Thread) -> None:
        """One step of a thread that does what a decision asked for."""
        token, effect = thread.items.popleft()
        if not thread.items:
            self.threads.remove(thread)
        match effect:
            case fx.StopSending():
                self.say("  stop sending")
                self.cancel_flag[0] = True
                self.cancel_flag = [False]
            case fx.SavePart():
                if not self.lucky(self.plan.journal_fault_ratio):
                    self.apply(effect)
            case fx.Timer(wait_s):
                self.timers.append((self.clock.t + wait_s, token))
            case fx.Wake(wait_s):
                self.timers.append((self.clock.t + wait_s, None))
            case fx.AskApp(expired):
                self.ask(token, expired)
            case _:
                self.performing.append((token, effect, self.cancel_flag))

    def ask(self, token: int, expired: VODError | None) -> None:
        self.asked = token
        self.say(f"  ask {token} {type(expired).__name__ if expired else ''}")
        match self.plan.authority:
            case "own" | "get_auth":
                if expired is None:
                    self.answer(token, None)
                else:
                    self.outcomes.append(Outcome(lambda m: m.fail(token, expired)))
            case "sts":
                self.cloud.keys_end_s = self.clock.t + LIFE_S
                self.answer(token, KEYS)
            case "app":
                media_id = self.machine.checkpoint.media_id or self.asset_of_app
                grant = self.cloud.refresh(media_id) if media_id else self.cloud.create("")
                self.asset_of_app = grant.media_id
                self.answer(token, grant if expired is None or self.rng.random() < 0.3 else grant.auth)

    def answer(self, token: int, value: Any) -> None:
        self.outcomes.append(Outcome(lambda m: m.succeed(token, value)))

    # ---- what people do

    def start(self) -> None:
        self.say("START")
        self.terminal = None
        self.take(self.machine.start())

    def ready(self, event: FileEvent = FileEvent.RESUME) -> None:
        self.say("READY")
        self.terminal = None
        self.machine.ready(event)
        self.check_idle()

    def interrupt(self, what: str) -> None:
        self.say(what.upper())
        event = {"stop": FileEvent.STOP, "pause": FileEvent.PAUSE, "cancel": FileEvent.CANCEL}[what]
        before = self.machine.state
        out = self.machine.interrupt(event)
        if out is None:
            if self.machine.state is not before:
                self.fail("said that nothing changed, but the state did")
            return
        self.counts[f"{what} in {before}"] += 1
        wanted = UploadState.CANCELED if what == "cancel" else UploadState.STOPPED
        if self.machine.state is not wanted:
            self.fail(f"{what} was taken, but the state is {self.machine.state}")
        if what == "cancel":
            self.canceled_once += 1
        self.asked = None
        self.take(out)

    # ---- the driver

    def moves(self) -> list[Callable[[], None]]:
        """Everything that could happen next without help of time or people."""
        moves: list[Callable[[], None]] = [lambda t=t: self.act(t) for t in self.threads]  # type: ignore[misc]
        moves += [lambda o=o: self.deliver(o) for o in self.outcomes]  # type: ignore[misc]
        moves += [lambda p=p: self.do(p) for p in self.performing]  # type: ignore[misc]
        moves += [lambda t=t: self.send(t) for t in self.transfers]  # type: ignore[misc]
        if len(self.transfers) < self.plan.parallel and self.machine.wants_transfer:
            moves.append(self.take_transfer)
        if self.machine.refresh_due():
            moves.append(lambda: self.take(self.machine.refresh_ahead()))
        return moves

    def deliver(self, outcome: Outcome) -> None:
        self.outcomes.remove(outcome)
        self.take(outcome.deliver(self.machine))

    def do(self, item: tuple[int, fx.Effect, list[bool]]) -> None:
        self.performing.remove(item)
        self.perform(*item)

    def take_transfer(self) -> None:
        taken = self.machine.next_transfer()
        if taken is None:
            self.fail("wants a transfer, but gives none")
        assert taken is not None
        self.say(f"  take {taken[0]} {short(taken[1])}")
        # The sender looks at the flag when it makes the body, which may be later than now.
        self.transfers.append((*taken, self.cancel_flag))

    def send(self, item: tuple[int, fx.Effect, list[bool]]) -> None:
        self.transfers.remove(item)
        token, effect, flag = item
        if self.rng.random() < 0.3:
            flag = self.cancel_flag
        self.perform(token, effect, flag)

    def pass_time(self) -> bool:
        """Move to the next timer; False when there is none."""
        if not self.timers:
            return False
        self.timers.sort(key=lambda timer: timer[0])
        due, token = self.timers.pop(0)
        self.clock.t = max(self.clock.t, due)
        if token is not None:
            self.say(f"  timer {token}")
            self.take(self.machine.succeed(token, None))
        return True

    def step(self) -> bool:
        """One move; False when nothing can happen any more."""
        moves = self.moves()
        if moves and (not self.timers or self.rng.random() < 0.95):
            self.rng.choice(moves)()
            return True
        return self.pass_time()

    def trouble(self) -> None:
        """Something from outside, perhaps."""
        plan, rng = self.plan, self.rng
        if rng.random() < plan.interrupt_ratio:
            self.interrupt(rng.choice(plan.interrupts))
        if rng.random() < plan.kill_ratio:
            self.kill()
        if rng.random() < plan.edit_ratio:
            self.version += 1
            self.versions_seen.add(self.version)
            self.say(f"EDIT to v{self.version}")
        if rng.random() < plan.expire_ratio:
            self.clock.t += rng.choice((LIFE_S * 0.85, LIFE_S + 1))
            self.say("TIME PASSES")
        if rng.random() < plan.drop_upload_ratio and self.cloud.uploads:
            self.cloud.uploads.pop(rng.choice(list(self.cloud.uploads)))
            self.say("UPLOAD DROPPED")

    def bring_on(self) -> None:
        """What a queue does with a file that is not at its end."""
        state = self.machine.state
        if state in {UploadState.STOPPED, UploadState.FAILURE, UploadState.CANCELED}:
            self.ready()
        elif state is UploadState.READY:
            self.start()

    def run(self) -> None:
        """The whole history of a file."""
        plan = self.plan
        self.start()
        for _ in range(plan.steps):
            moved = self.step()
            if self.machine.state is UploadState.SUCCESS and not self.machine.busy:
                break
            if not moved:
                self.check_stuck()
                self.bring_on()
            elif self.rng.random() < 0.05:
                self.bring_on()
            self.trouble()
        self.drain()
        if self.machine.state is UploadState.CANCELED:
            self.check_canceled()
        self.heal()

    def check_stuck(self) -> None:
        """Nothing can happen by itself: the file must be at rest."""
        if self.machine.busy:
            self.fail("stuck: busy, and nothing is in flight")

    def drain(self) -> None:
        """No more trouble: what is in flight ends."""
        self.in_trouble = False
        for _ in range(400):
            if not self.step():
                self.check_stuck()
                return
        self.fail("does not come to rest in 400 steps without trouble")

    def drain_threads(self) -> None:
        """Let every thread do what it was given, and nothing else happen."""
        while self.threads:
            self.act(self.threads[0])

    def heal(self) -> None:
        """Every file that is brought on without trouble succeeds."""
        for _ in range(6):
            if self.machine.state is UploadState.SUCCESS:
                break
            for _ in range(3):
                self.bring_on()
            self.drain()
        if self.machine.state is not UploadState.SUCCESS:
            self.fail("never succeeds, although all is well")
        self.check_assets()
        self.check_cost()
        # Parts of an image whose credential is gone cannot be removed by anybody: images are never refreshed.
        left = {name for name, upload in self.cloud.uploads.items() if upload.parts}
        if left and self.plan.media_type is not MediaType.IMAGE and not self.was_warned("Abort"):
            self.fail(f"parts are left behind after success: {left}")

    def was_warned(self, code: str) -> bool:
        """Whether the person was told."""
        return any(isinstance(note, fx.Warned) and note.code == code for note in self.notes)

    def check_canceled(self) -> None:
        if self.plan.media_type is MediaType.IMAGE:
            return
        left = {name for name, upload in self.cloud.uploads.items() if upload.parts}
        known = self.journal.checkpoint
        tombstone = known.upload_id if known is not None and known.canceled else ""
        if left - {tombstone} and not self.was_warned("Abort"):
            self.fail(f"canceled, but parts are left behind: {left}")

    def check_assets(self) -> None:
        made = len(self.cloud.assets)
        if self.plan.media_type is MediaType.IMAGE:
            return
        # A file that was edited after its success is a new one.
        if not 1 <= made <= max(1, min(self.finished, len(self.versions_seen))):
            self.fail(f"{made} assets for one file")

    def check_cost(self) -> None:
        bound = self.plan.size * (
            1 + self.restarts + self.canceled_once + len(self.versions_seen)
        ) + self.plan.parallel * PART * (20 + self.counts.total() + self.kills)
        if self.sent_bytes > bound:
            self.fail(f"{self.sent_bytes} bytes sent for {self.plan.size}; at most {bound} were to be expected")


def short(effect: fx.Effect) -> str:
    """An effect in a few words."""
    name = type(effect).__name__
    part = getattr(effect, "part", None)
    if part is not None:
        return f"{name} {part.part_number} {getattr(effect, 'upload_id', '')}"
    if isinstance(effect, fx.SaveCheckpoint):
        c = effect.checkpoint
        return f"{name} {c.media_id} {c.upload_id} {len(c.parts)} parts{' canceled' if c.canceled else ''}"
    if isinstance(effect, fx.Complete | fx.Abort | fx.ListParts):
        return f"{name} {effect.upload_id}"
    if isinstance(effect, fx.CloseEntry):
        return f"{name} {effect.how.name}"
    return name
