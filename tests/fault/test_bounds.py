"""What a queue takes of its process while faults strike (I6, I7): memory by a formula, a few threads and descriptors."""

from __future__ import annotations

import threading
import tracemalloc
import weakref
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.contract.support import LONG_S
from tests.fault.memory import MemoryCloud, MemoryStore, _Session, queue
from tests.helpers.invariants import Footprint, check_memory
from vod_widget.body import FileBody
from vod_widget.crc64 import combine_all, crc64
from vod_widget.errors import ConnectionLostError, NoSuchUploadError, ServerFaultError
from vod_widget.model import ObjectInfo, RemotePart, UploadAddress, UploadAuth

MIB = 1024 * 1024
PART_BYTES = 4 * MIB
SIZE = 96 * MIB
FILES = 3
PARALLEL = 6
CONTROL_THREADS = 16
OTHER_THREADS = 3
"""Callbacks, timers, the watchdog of reads."""


@dataclass
class _Bounds(MemoryCloud):
    """A cloud that keeps no byte, only sums, and looks around at each part."""

    sums: dict[str, dict[int, tuple[int, int]]] = field(default_factory=dict)
    before: Footprint = field(default_factory=Footprint.take)
    threads: int = 0
    descriptors: int = 0
    bodies: int = 0
    alive: dict[int, weakref.ref[FileBody]] = field(default_factory=dict)

    def look(self, body: FileBody) -> None:
        key = id(body)
        self.alive[key] = weakref.ref(body, lambda _gone: self.alive.pop(key))
        self.bodies = max(self.bodies, len(self.alive))
        self.threads = max(self.threads, sum(t.name.startswith("vod-") for t in threading.enumerate()))
        self.descriptors = max(
            self.descriptors, sum(1 for _ in Path("/proc/self/fd").iterdir()) - len(self.before.descriptors)
        )


class _Summing(_Session):
    cloud: _Bounds

    def upload_part(self, upload_id: str, part_number: int, body: Any, headers: Any = None) -> RemotePart:
        total = size = 0
        for piece in body:
            total, size = crc64(piece, total), size + len(piece)
        self.cloud.look(body)

        def act() -> RemotePart:
            if upload_id not in self.cloud.uploads:
                raise NoSuchUploadError("no such upload", status=404)
            self.cloud.sums.setdefault(upload_id, {})[part_number] = size, total
            return RemotePart(part_number, size, f"etag{part_number}", total)

        return self._does("UploadPart", act)

    def complete(self, upload_id: str, parts: Any, headers: dict[str, str]) -> ObjectInfo:
        def act() -> ObjectInfo:
            del self.cloud.uploads[upload_id]
            there = [self.cloud.sums[upload_id][p.part_number] for p in parts]
            return ObjectInfo(sum(size for size, _ in there), "etag", combine_all((crc, size) for size, crc in there))

        return self._does("CompleteMultipartUpload", act)


class _Store(MemoryStore):
    def open(self, auth: UploadAuth, address: UploadAddress) -> _Session:
        return _Summing(self.cloud, auth, address.object)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts descriptors in /proc")
def test_memory_threads_and_descriptors_stay_below_their_formulas_while_parts_fail(tmp_path: Path) -> None:
    cloud = _Bounds()
    for nth in range(3, 120, 4):
        cloud.spoil("UploadPart", lambda: ServerFaultError("500", status=500), nth=nth)
        cloud.spoil("UploadPart", lambda: ConnectionLostError("lost", was_sent=True), nth=nth + 2, when="after")
    paths = [tmp_path / f"{n}.mp4" for n in range(FILES)]
    for number, path in enumerate(paths):
        with path.open("wb") as file:
            file.write(bytes([number]))
            file.truncate(SIZE)
    with queue(cloud, tmp_path, parallel=PARALLEL, part_size_bytes=PART_BYTES, patience_s=LONG_S) as up:
        up._authority._store = _Store(cloud)
        infos = [up.add_file(path) for path in paths]
        tracemalloc.start()
        up.start_upload()
        assert up.wait(LONG_S)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert [info.state for info in infos] == ["Success"] * FILES
    assert cloud.count("UploadPart") > 36 + FILES * SIZE // PART_BYTES  # so many were sent again
    check_memory(peak, parallel=PARALLEL, part_size_bytes=PART_BYTES, slack_bytes=8 * MIB)
    assert 0 < cloud.bodies <= PARALLEL  # a failure that a file remembers holds no body
    assert cloud.threads <= PARALLEL + CONTROL_THREADS + OTHER_THREADS
    # A source and its journal entry's lock for each file that is under way, and the entry while a line is written.
    assert cloud.descriptors <= 3 * FILES + 2
    cloud.before.check()
