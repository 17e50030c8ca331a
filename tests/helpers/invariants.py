"""The invariants I1 to I12 of an upload as one checker; the simulator, the fault tests and the soak all use it.

Who drives tells what happens, the checker judges: what can be judged at once (I4, I5) raises at once, the rest is asked
for at the end.

    witness = Witness()
    witness.watch(uploader)                           # every event of a `VODUpload` is heard and judged
    witness.story(info.file_id).exists(path_or_bytes) # a version of the source that existed; again after each edit
    ...
    witness.check(Stored.of_emulator(emulator), owned=upload_ids_of_journal)   # I1, I2, I3, I5, I9

    I1  every success holds exactly one version of its source that existed; if never edited, the only one
    I2  no multipart upload holds bytes that no journal entry owns (unless the person was told), none after a cancel
    I3  assets created <= files added; every success has exactly one (images: more only as far as it was said)
    I4  progress never falls but after a restart, stays in [0, 1], and is 1 only at the end
    I5  started < (progress, expired)* < one ending; nothing after success; the end of the queue comes once and last
    I6  threads and descriptors come back to where they were (`Footprint`)
    I7  memory stays below a formula (`check_memory`)
    I8  without faults every file that is wanted succeeds in so many steps (`check_liveness`)
    I9  bytes sent <= size x (1 + restarts) + a part for each fault + the parts in flight for each kill, stop, expiry
    I10 no secret in any sink (`check_secrets`)
    I11 no real sleep where time is virtual, and no call without a deadline (`no_real_sleep`, `check_deadlines`)
    I12 the same seed gives the same history (`History`)
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn, Protocol

from vod_widget import events as ev

__all__ = [
    "Footprint",
    "History",
    "Stored",
    "Story",
    "Version",
    "Violation",
    "Witness",
    "check_deadlines",
    "check_liveness",
    "check_memory",
    "check_secrets",
    "no_real_sleep",
]

STEPS_UNTIL_SUCCESS = 400
_MIB = 1024 * 1024
_BLOCK_BYTES = _MIB


class Violation(AssertionError):
    """A promise was broken.

    Args:
        invariant: "I1" to "I12".
        why: What was seen.
    """

    def __init__(self, invariant: str, why: str) -> None:
        super().__init__(f"{invariant}: {why}")
        self.invariant = invariant
        self.why = why


@dataclass(frozen=True, slots=True)
class Version:
    """The bytes of a source, or of an object, as length and digest."""

    size_bytes: int
    digest: bytes

    @classmethod
    def of(cls, content: bytes | bytearray | memoryview | Path | Iterable[bytes]) -> Version:
        """Sum bytes, a file, or pieces."""
        if isinstance(content, bytes | bytearray | memoryview):
            return cls(len(content), hashlib.sha256(content).digest())
        total, size_bytes = hashlib.sha256(), 0
        with contextlib.ExitStack() as stack:
            pieces: Iterable[bytes]
            if isinstance(content, Path):
                file = stack.enter_context(content.open("rb"))
                pieces = iter(lambda: file.read(_BLOCK_BYTES), b"")
            else:
                pieces = content
            for piece in pieces:
                total.update(piece)
                size_bytes += len(piece)
        return cls(size_bytes, total.digest())


class _Asset(Protocol):
    media_id: str
    kind: Any


@dataclass(slots=True)
class Stored:
    """What the cloud holds at the end.

    Attributes:
        videos: Ids of every video asset that was created.
        images: Ids of every image asset that was created.
        objects: Content of the assets that have bytes.
        uploads: Ids of the multipart uploads that hold parts.
    """

    videos: frozenset[str]
    images: frozenset[str]
    objects: Mapping[str, Version]
    uploads: frozenset[str]

    @classmethod
    def of_emulator(cls, emulator: Any) -> Stored:
        """Look into an `Emulator` of this process."""
        assets: list[_Asset] = list(emulator.assets)
        objects = {}
        for asset in assets:
            with contextlib.suppress(LookupError):
                objects[asset.media_id] = Version.of(Path(emulator.object_path(asset.media_id)))
        return cls(
            frozenset(a.media_id for a in assets if str(a.kind) == "video"),
            frozenset(a.media_id for a in assets if str(a.kind) == "image"),
            objects,
            frozenset(u.upload_id for u in emulator.unfinished_uploads if u.stored_bytes),
        )


_NEXT = {
    # I5, written down apart from the product's table: what may follow what, as a listener hears it.
    "Ready": {"Uploading", "Canceled", "Stopped", "Failure"},
    "Uploading": {"Success", "Failure", "Expired", "Canceled", "Stopped"},
    "Expired": {"Uploading", "Failure", "Canceled", "Stopped"},
    "Stopped": {"Ready", "Canceled"},
    "Failure": {"Ready", "Canceled"},
    "Canceled": {"Ready"},
    "Success": set(),
}
ENDINGS = frozenset({"Success", "Failure", "Canceled", "Stopped"})


@dataclass(slots=True)
class Story:
    """What was heard of one file.

    Attributes:
        name: For messages.
        is_image: Whether it becomes an image.
        state: Its state, as heard.
        media_id: Its asset at success.
        versions: Contents that existed, oldest first.
        progress: Highest fraction of this attempt.
        restarts: Times that it began again at byte 0, cancels included.
        faults: Faults that cost at most one part each.
        breaks: Kills, stops, pauses and expiries, which cost at most the parts in flight each.
        sent_bytes: Bytes that left for the cloud.
        lost_bytes: Bytes that a power cut took from the journal, so that they may be sent again.
        published: Times that its object was written.
        warned: Codes of the warnings.
        starts: Times that it started.
        skipped: Whether the journal knew it as stored, so that it names the asset of an earlier file.
    """

    name: str
    is_image: bool = False
    state: str = "Ready"
    media_id: str = ""
    versions: list[Version] = field(default_factory=list)
    progress: float = 0.0
    restarts: int = 0
    faults: int = 0
    breaks: int = 0
    sent_bytes: int = 0
    lost_bytes: int = 0
    published: int = 0
    warned: list[str] = field(default_factory=list)
    starts: int = 0
    skipped: bool = False

    def fail(self, invariant: str, why: str) -> NoReturn:
        """Raise, with the file's name."""
        raise Violation(invariant, f"{self.name}: {why}")

    def exists(self, content: bytes | Path | Version) -> None:
        """A version of the source exists from now on."""
        version = content if isinstance(content, Version) else Version.of(content)
        if not self.versions or self.versions[-1] != version:
            self.versions.append(version)

    def is_in(self, state: str) -> None:
        """The file changed its state (I5); the same state again (another phase) is no news."""
        if state == self.state:
            return
        if state not in _NEXT[self.state]:
            self.fail("I5", f"{state} after {self.state}")
        if state == "Uploading" and self.state == "Ready":
            self.starts += 1
        if state in {"Stopped", "Expired"}:
            self.breaks += 1
        if state == "Canceled":
            self.restarts += 1
        self.state = state

    def moved(self, share: float, *, verified: bool | None = None) -> None:
        """Progress was told (I4, I5)."""
        if not 0.0 <= share <= 1.0:
            self.fail("I4", f"progress {share}")
        if self.state in {"Ready", "Canceled"} and share > self.progress:
            self.fail("I5", f"progress {share} in state {self.state}")
        if share < self.progress:
            self.fail("I4", f"progress fell from {self.progress} to {share} without a word")
        if share == 1.0 and verified is False:
            self.fail("I4", "progress 1 before verification")
        self.progress = share

    def restarted(self) -> None:
        """The file said that it begins again at byte 0."""
        self.progress = 0.0
        self.restarts += 1

    def forgot(self) -> None:
        """Another process tells of the file from now on: its progress begins at what it knows."""
        self.progress = 0.0
        self.breaks += 1
        if self.state != "Success":
            self.state = "Ready"

    def succeeded(self, media_id: str) -> None:
        """It says that it is stored, as this asset."""
        if self.progress != 1.0:
            self.fail("I4", f"success at progress {self.progress}")
        if not media_id:
            self.fail("I3", "success without an asset")
        self.media_id = media_id

    def check_bytes(self, stored: Version | None) -> None:
        """I1."""
        if stored is None:
            self.fail("I1", f"success, but {self.media_id} holds nothing")
        if stored not in self.versions:
            sizes = [version.size_bytes for version in self.versions]
            self.fail("I1", f"success with {stored.size_bytes} other bytes; versions have {sizes}")

    def check_cost(self, part_size_bytes: int, parallel: int) -> None:
        """I9."""
        size_bytes = max((v.size_bytes for v in self.versions), default=0)
        # Each version that came after a run had begun is a new object.
        rounds = 1 + self.restarts + max(0, len(self.versions) - 1)
        part = min(part_size_bytes, size_bytes)
        bound = size_bytes * rounds + part * (self.faults + parallel * self.breaks) + self.lost_bytes
        if self.sent_bytes > bound:
            self.fail("I9", f"{self.sent_bytes} bytes sent for {size_bytes}, at most {bound} were to be expected")
        # A PutObject without an answer is looked for, and where that says nothing, sent again: it costs a part.
        as_one = any(v.size_bytes <= part_size_bytes for v in self.versions)
        if self.published > rounds + (self.faults + self.breaks if as_one else 0):
            self.fail("I9", f"the object was written {self.published} times in {rounds} rounds")


class Witness:
    """Hears every file of one or several uploaders, one after another, and judges.

    Args:
        part_size_bytes: Part size, for I9.
        parallel: Requests in flight of one file at most, for I9.
    """

    def __init__(self, part_size_bytes: int = 4 * _MIB, parallel: int = 8) -> None:
        self.part_size_bytes = part_size_bytes
        self.parallel = parallel
        self.stories: dict[str, Story] = {}
        self.drains = 0
        self.violations: list[Violation] = []
        self._ended = False
        self._lock = threading.Lock()

    def story(self, file_id: str, name: str = "", *, is_image: bool = False) -> Story:
        """The story of a file; a new one for an id that was not heard of."""
        found = self.stories.get(file_id)
        if found is None:
            found = self.stories[file_id] = Story(name or file_id, is_image)
        return found

    def watch(self, uploader: Any) -> Callable[[], None]:
        """Hear every event of a `VODUpload`. What is wrong is kept, and raised by `check`: a listener must not raise.

        Returns:
            A function that stops hearing.
        """

        def hear(event: ev.Event) -> None:
            with self._lock:
                try:
                    self.hear(event, uploader.file_snapshot)
                except Violation as violation:
                    self.violations.append(violation)

        for info in uploader.list_files():
            self.story(info.file_id, info.name, is_image=info.media_type == "image").state = str(info.state)
        unsubscribe: Callable[[], None] = uploader.subscribe(hear)
        return unsubscribe

    def hear(self, event: ev.Event, look: Callable[[str], Any] = lambda _: None) -> None:
        """Take one event; `look` gives a snapshot of a file, for its asset."""
        if isinstance(event, ev.Drained):
            self.drains += 1
            if self._ended:
                raise Violation("I5", "the end of the queue was told twice")
            self._ended = True
            busy = [s.name for s in self.stories.values() if s.state in {"Ready", "Uploading", "Expired"}]
            if busy:
                raise Violation("I5", f"the queue ended before {busy}")
            return
        if isinstance(event, ev.UploaderStateChanged):
            if event.state == "Start":
                self._ended = False
            return
        if isinstance(event, ev.FileRemoved):
            return
        snapshot = look(event.file_id) if event.file_id not in self.stories or _is_success(event) else None
        known = self.story(event.file_id, getattr(snapshot, "name", ""))
        if snapshot is not None:
            known.name = snapshot.name
            known.is_image = str(snapshot.media_type) == "image"
        match event:
            case ev.StateChanged():
                if self._ended and event.state in ENDINGS and known.state in {"Uploading", "Expired"}:
                    known.fail("I5", f"{event.state} after the end of the queue")
                known.is_in(event.state)
                if event.state == "Success" and snapshot is not None:
                    known.media_id = snapshot.video_id or snapshot.image_id or ""
                    known.skipped = bool(getattr(snapshot, "skipped", False))
            case ev.Progress():
                known.moved(event.loaded_percent)
            case ev.Restarted():
                known.restarted()
            case ev.RetryScheduled():
                known.faults += 1
            case ev.Warned():
                known.warned.append(event.code)

    # ---- at the end

    def check(
        self,
        stored: Stored,
        owned: Iterable[str] = (),
        *,
        files_added: int | None = None,
        images_unsaid: int = 0,
    ) -> None:
        """I1, I2, I3, I5 and I9 over the whole history.

        Args:
            stored: What the cloud holds.
            owned: Upload ids that the journal's unfinished entries know.
            files_added: Files that were added, when more than there are stories.
            images_unsaid: ImageIds that may stand there without a warning: a kill came before it could be said.
        """
        if self.violations:
            raise self.violations[0]
        for story in self.stories.values():
            if story.state == "Success" and story.media_id:
                story.check_bytes(stored.objects.get(story.media_id))
            if story.versions:
                story.check_cost(self.part_size_bytes, self.parallel)
        self.check_assets(stored, files_added, images_unsaid)
        self.check_orphans(stored.uploads, owned)

    def check_assets(self, stored: Stored, files_added: int | None = None, images_unsaid: int = 0) -> None:
        """I3."""
        stories = list(self.stories.values())
        videos = sum(not s.is_image for s in stories)
        images = len(stories) - videos
        if files_added is not None:
            videos = max(videos, files_added - images)
        if len(stored.videos) > videos:
            raise Violation("I3", f"{len(stored.videos)} videos for {videos} files")
        codes = [code for s in stories for code in s.warned]
        said = sum(code in {"Image.Unknown", "Image.Again", "Cover"} for code in codes)
        if len(stored.images) > images + said + images_unsaid:
            raise Violation("I3", f"{len(stored.images)} images for {images} files, of which {said} were said")
        ids = [s.media_id for s in stories if s.state == "Success" and not s.skipped]
        twice = {media_id for media_id in ids if ids.count(media_id) > 1}
        if twice:
            raise Violation("I3", f"two files succeeded as {sorted(twice)}")
        unknown = set(filter(None, ids)) - stored.videos - stored.images
        if unknown:
            raise Violation("I3", f"success as {sorted(unknown)}, which the cloud does not know")

    def check_orphans(self, uploads: Iterable[str], owned: Iterable[str]) -> None:
        """I2: what no journal entry owns must have been told to the person."""
        left = set(uploads) - set(owned)
        told = sum(s.warned.count("Abort") for s in self.stories.values())
        if len(left) > told:
            raise Violation("I2", f"parts that nobody owns: {sorted(left)}, of which {told} were told")


def _is_success(event: ev.Event) -> bool:
    return isinstance(event, ev.FileAdded) or (isinstance(event, ev.StateChanged) and event.state == "Success")


# ---- I6 and I7


@dataclass(frozen=True)
class Footprint:
    """Threads of ours and open descriptors of this process; take one before, and `check` after."""

    threads: frozenset[str]
    descriptors: tuple[str, ...]

    @classmethod
    def take(cls) -> Footprint:
        """Look now."""
        folder = Path("/proc/self/fd")
        found = []
        for path in folder.iterdir() if folder.is_dir() else ():
            with contextlib.suppress(OSError):  # the descriptor by which the folder is read
                found.append(str(path.readlink()))
        names = frozenset(t.name for t in threading.enumerate() if t.name.startswith("vod-"))
        return cls(names, tuple(sorted(found)))

    def check(self, within_s: float = 20.0) -> None:
        """I6: everything that was begun since has ended, at most `within_s` from now."""
        deadline_s = time.monotonic() + within_s
        pause = threading.Event()
        while True:
            now = Footprint.take()
            extra = now.threads - self.threads
            if not extra and len(now.descriptors) <= len(self.descriptors):
                return
            if time.monotonic() > deadline_s:
                break
            pause.wait(0.02)
        opened = Counter(now.descriptors) - Counter(self.descriptors)
        raise Violation("I6", f"threads left: {sorted(extra)}, descriptors left: {sorted(opened)}")


def check_memory(peak_bytes: int, *, parallel: int, part_size_bytes: int, slack_bytes: int = 50 * _MIB) -> None:
    """I7: the peak of `tracemalloc` against the formula."""
    bound = parallel * part_size_bytes + slack_bytes
    if peak_bytes > bound:
        raise Violation("I7", f"{peak_bytes} bytes of memory at the peak, at most {bound} were to be expected")


# ---- I8


def check_liveness(states: Mapping[str, str], steps: int, *, bound: int = STEPS_UNTIL_SUCCESS) -> None:
    """I8: after `steps` steps without faults, every file that is wanted has succeeded."""
    left = sorted(f"{name} {state}" for name, state in states.items() if state not in {"Success", "Canceled"})
    if left or steps > bound * max(1, len(states)):
        raise Violation("I8", f"after {steps} steps without faults: {', '.join(left) or 'all well, but too late'}")


# ---- I10


def check_secrets(secrets: Iterable[str | bytes], sinks: Mapping[str, str | bytes]) -> None:
    """I10: none of the secrets in any sink (log, journal, repr, events, exception, notebook)."""
    wanted = [s.encode() if isinstance(s, str) else s for s in secrets]
    for name, text in sinks.items():
        data = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
        for number, secret in enumerate(wanted):
            if secret and secret in data:
                raise Violation("I10", f"secret {number} stands in {name}")


# ---- I11


@contextlib.contextmanager
def no_real_sleep() -> Iterator[None]:
    """I11 where time is virtual: a real sleep is a violation."""
    real = time.sleep

    def refuse(wait_s: float) -> NoReturn:
        raise Violation("I11", f"a real sleep of {wait_s} s")

    time.sleep = refuse
    try:
        yield
    finally:
        time.sleep = real


def check_deadlines(timeouts: Mapping[str, Any]) -> None:
    """I11: every wait has a deadline; `timeouts` names each and the seconds it was given.

    `tests/simulation/test_simulated_edges.py` asks for every wait of every call of the two real edges.
    """
    without = sorted(name for name, value in timeouts.items() if value is None or not 0 < float(value) < 3600)
    if without:
        raise Violation("I11", f"without a deadline: {without}")


# ---- I12


class History:
    """The sum of a run, line by line; two runs of one seed must have the same.

    Args:
        keep: Last lines that are kept as text, for a report; 0 for none.
    """

    __slots__ = ("_hash", "_keep", "lines", "tail")

    def __init__(self, keep: int = 80) -> None:
        self._hash = hashlib.blake2b(digest_size=16)
        self._keep = keep
        self.tail: list[str] = []
        self.lines = 0

    def add(self, text: str) -> None:
        """One thing that happened."""
        self._hash.update(text.encode())
        self._hash.update(b"\n")
        self.lines += 1
        if self._keep:
            self.tail.append(text)
            if len(self.tail) > 2 * self._keep:
                del self.tail[: self._keep]

    @property
    def digest(self) -> str:
        """The sum so far."""
        return self._hash.hexdigest()

    @staticmethod
    def check_same(digests: Iterable[str]) -> None:
        """I12: all of them are one."""
        different = set(digests)
        if len(different) > 1:
            raise Violation("I12", f"one seed, {len(different)} histories")


def pid_is_alive(pid: int) -> bool:
    """Whether a process is there; for tests that kill."""
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True
