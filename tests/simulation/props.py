"""What stands on the stage of a history: clocks, chance, files of the person, and who they belong to."""

from __future__ import annotations

from tests.helpers.invariants import Story
from vod_widget.errors import SourceChangedError, SourceNotFoundError
from vod_widget.model import Credentials, MediaType, SourceKind
from vod_widget.record import Record

from .cloud import WALL_S

__all__ = ["Clock", "Cover", "File", "Provider", "SimSource"]


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
