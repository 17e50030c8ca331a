"""`VODUpload` as a whole against a model: its public methods in any order, on the emulator's cloud in memory.

The model is what a caller may rely on: for each file the states in which it can be, once the queue has come to rest; the
versions of its content; and how many assets it may have. The threads are the real ones; waits between tries are zero, and
what goes wrong is chosen by name (`tests.simulation.cloud.KINDS`), so that an example shrinks to the calls that matter.
"""

from __future__ import annotations

import contextlib
import errno
import os
import random
import shutil
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import vod_widget as vw
from tests.helpers.invariants import Footprint, Version, Witness
from tests.simulation.cloud import BEFORE, KINDS, PART, Network, SimApi, SimStore, make_cloud, tiny_parts
from vod_widget.emulator.switches import Switches
from vod_widget.errors import ConnectError, InvalidStateError
from vod_widget.journal import FileJournal, done, entry, files, growing
from vod_widget.journal.lines import parse
from vod_widget.system import SystemClock

SIZES = (1, PART - 1, PART, PART + 1, 3 * PART + 1, 17 * PART)
FAULTS = sorted(
    (op, kind)
    for op, kinds in KINDS.items()
    for kind in {*kinds} - {"kill_before", "kill_after", "503", "vanish"}
    if op in {"CreateUploadVideo", "RefreshUploadVideo", "GetVideoInfo", "InitiateMultipartUpload", "UploadPart"}
    or op in {"PutObject", "ListParts", "CompleteMultipartUpload", "HeadObject", "AbortMultipartUpload"}
)
MOVING = frozenset({"Ready", "Uploading", "Expired"})
RESTS = frozenset({"Success", "Failure", "Stopped", "Canceled", "Ready"})
SETTLE_S = 30.0


class Clock(SystemClock):
    """The client's clock, which a person sets; `passed_s` is time that went by for both sides."""

    passed_s = 0.0
    jump_s = 0.0

    def now_s(self) -> float:
        return time.time() + Clock.passed_s + Clock.jump_s


class Ears:
    """What the network asks of its world: no chance, real time but for what a rule adds."""

    trouble = False
    fault_ratio = 0.0
    no_crc = False

    def server_s(self) -> float:
        return time.time() + Clock.passed_s

    def client_s(self) -> float:
        return time.time() + Clock.passed_s + Clock.jump_s

    def die(self) -> None:
        raise AssertionError("nobody is killed here")

    def meanwhile(self) -> None:
        """Nothing."""

    def struck(self, op: str, kind: str, body: Any) -> None:
        """Nothing."""

    def sent(self, body: Any, size_bytes: int) -> None:
        """Nothing."""


class Cut(Network):
    """A network that notices the end of the process: from one call on, nothing that it sends has any effect."""

    def __init__(self, cloud: Any) -> None:
        super().__init__(Ears(), cloud, random.Random(1))
        self._lock = threading.Lock()
        self._calls_left = -1
        self._is_lost = False
        self._dies: Callable[[], None] = lambda: None
        self.is_cut = False

    def cut_after(self, calls: int, *, is_lost: bool, dies: Callable[[], None]) -> None:
        """Let the process die at the call after so many, before it has its effect or after it (`is_lost`)."""
        with self._lock:
            self._calls_left, self._is_lost, self._dies = calls, is_lost, dies

    def strike(self, op: str, body: Any = None) -> str:
        with self._lock:
            if not self.is_cut and self._calls_left == 0:
                self.is_cut = True
                self._dies()
                if self._is_lost:
                    return "lost"
            self._calls_left -= 1
            if self.is_cut:
                raise ConnectError("the process is dead", was_sent=False)
            return super().strike(op, body)


class Queue(RuleBasedStateMachine):
    """The public API in any order."""

    @initialize(sizes=st.lists(st.sampled_from(SIZES), min_size=1, max_size=3))
    def begin(self, sizes: list[int]) -> None:
        self.stack = contextlib.ExitStack()
        self.stack.enter_context(tiny_parts())
        self.footprint = Footprint.take()
        self.folder = Path(tempfile.mkdtemp(prefix="vod-queue-"))
        self.patch = self.stack.enter_context(pytest.MonkeyPatch.context())
        self.patch.setattr("vod_widget.uploader.SystemClock", Clock)
        for module in (entry, done, growing):
            self.patch.setattr(module, "write_all", self.write_all)
        Clock.passed_s = Clock.jump_s = 0.0
        self.cloud = make_cloud(1, Ears().server_s, Switches())
        self.witness = Witness(PART, 8)
        self.added = self.writes_that_fail = 0
        self.edits: Counter[str] = Counter()
        self.deleted: set[str] = set()
        self.canceled: set[str] = set()
        self.open()
        for size in sizes:
            self.add(size)

    def write_all(self, descriptor: int, data: bytes) -> None:
        """Of the journal: a disk that is full takes a piece."""
        if self.writes_that_fail:
            self.writes_that_fail -= 1
            os.write(descriptor, data[: len(data) // 2])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        files.write_all(descriptor, data)

    def open(self) -> None:
        self.network = Cut(self.cloud)
        owner = self.cloud.owner
        self.up = vw.VODUpload(
            credentials=vw.Credentials(owner.access_key_id, owner.access_key_secret),
            checkpoint_dir=str(self.folder / "home"),
            part_size_bytes=100 * 1024,
            retry_duration=0.0,
            parallel=3,
            skip_uploaded=True,  # what a killed process finished is known, though nobody heard of it
        )
        self.up._authority._store = SimStore(self.network)  # type: ignore[assignment]
        self.up._authority._api = SimApi(self.network, self.up._clock)
        self.up._queue.part_size_bytes = PART
        # The option's own least is that of the service; the run has smaller parts.
        object.__setattr__(self.up, "_trait_values", {**self.up._trait_values, "part_size_bytes": PART})
        self.stop_hearing = self.witness.watch(self.up)

    # ---- calls

    @rule(size=st.sampled_from(SIZES))
    def add(self, size: int) -> None:
        self.added += 1
        path = self.folder / f"{self.added}.mp4"
        path.write_bytes(random.Random(self.added).randbytes(size))
        info = self.up.add_file(path)
        story = self.witness.story(info.file_id, path.name)
        story.exists(path)
        with pytest.raises(InvalidStateError, match="AlreadyQueued"):
            self.up.add_file(path)

    def _pick(self, index: int) -> Any:
        files = self.up.list_files()
        return files[index % len(files)] if files else None

    @rule()
    def start(self) -> None:
        self.up.start_upload()

    @rule()
    def stop(self) -> None:
        self.up.stop_upload()
        assert str(self.up.state) in {"Init", "Stop", "End"}

    @precondition(lambda self: self.added)
    @rule(index=st.integers(0, 5), call=st.sampled_from(("cancel", "pause", "resume", "retry", "delete")))
    def order(self, index: int, call: str) -> None:
        info = self._pick(index)
        if info is None:
            return
        changed = getattr(self.up, f"{call}_file")(info)
        state = str(info.state)
        if call == "cancel" and changed:
            assert state in {"Canceled", "Success"}
            self.canceled.add(info.file_id)
        if call == "pause" and changed:
            assert state in {"Stopped", "Success"}
        if call == "resume" and changed:
            assert state in {*MOVING, "Success", "Failure"}
            self.canceled.discard(info.file_id)
        if call == "delete":
            assert changed
            assert info not in self.up.list_files()
            self.canceled.add(info.file_id)
            self.deleted.add(info.name)

    @precondition(lambda self: self.added)
    @rule(index=st.integers(0, 5))
    def edit(self, index: int) -> None:
        info = self._pick(index)
        if info is None or str(info.state) == "Success":
            return
        path = self.folder / info.name
        content = random.Random(time.monotonic_ns()).randbytes(path.stat().st_size)
        self.witness.story(info.file_id).exists(content)
        self.edits[info.name] += 1
        other = path.with_suffix(".new")
        other.write_bytes(content)
        other.replace(path)

    @rule(faults=st.lists(st.sampled_from(FAULTS), min_size=1, max_size=6))
    def tick(self, faults: list[tuple[str, str]]) -> None:
        """So many things go wrong in this order, while the queue runs until it rests."""
        self.network.forced = list(faults)
        self.up.start_upload()
        self.rest()

    @rule(writes=st.integers(1, 9))
    def disk_is_full(self, writes: int) -> None:
        """So many of the journal's next writes fail in their middle."""
        self.writes_that_fail = writes

    @rule(seconds=st.sampled_from((2600.0, 3100.0, 8 * 3600.0)))
    def time_passes(self, seconds: float) -> None:
        """Credentials of uploads live for 3,000 s."""
        Clock.passed_s += seconds

    @rule(seconds=st.sampled_from((0.0, 1200.0, -1200.0, 86400.0, -86400.0)))
    def clock_is_set(self, seconds: float) -> None:
        """Of the client's machine; the server's goes on."""
        Clock.jump_s = seconds

    @rule()
    def process_ends_and_another_begins(self) -> None:
        """What the journal knows comes back under the same ids."""
        self.rest(stop=True)
        self.close()
        self.begin_again()

    @rule(
        faults=st.lists(st.sampled_from(FAULTS), max_size=3),
        calls=st.integers(0, 12),
        is_lost=st.booleans(),
    )
    def process_is_killed(self, faults: list[tuple[str, str]], calls: int, is_lost: bool) -> None:
        """`kill -9` at one of the calls of a run: the journal stays as it is then, and nothing is heard any more."""
        home, kept = self.folder / "home", self.folder / "kept"

        def dies() -> None:
            self.stop_hearing()
            home.rename(kept)  # what the threads still write goes elsewhere

        self.network.forced = list(faults)
        self.network.cut_after(calls, is_lost=is_lost, dies=dies)
        self.up.start_upload()
        assert self.up.wait(SETTLE_S)
        if not self.network.is_cut:
            self.network.is_cut = True
            self.stop_hearing()
            if home.exists():
                home.rename(kept)
        assert self.up.close()
        shutil.rmtree(home, ignore_errors=True)
        if kept.exists():
            kept.rename(home)
        self.begin_again()

    def begin_again(self) -> None:
        """Another process: the person adds what was not heard to be stored, and cancels what was canceled."""
        again = [i for i in self.up.list_files() if self.witness.story(i.file_id).state != "Success"]
        self.open()
        for info in again:
            new = self.up.add_file(self.folder / info.name)
            story = self.witness.story(new.file_id, info.name)
            story.versions = self.witness.stories[info.file_id].versions
            self.witness.stories[info.file_id].state = "Canceled"
            if info.file_id in self.canceled:
                self.up.cancel_file(new)
                self.canceled.add(new.file_id)

    # ---- what a caller may rely on

    def rest(self, *, stop: bool = False) -> None:
        """Let the queue come to rest."""
        if stop:
            self.up.stop_upload()
            if str(self.up.state) != "Stop":
                return  # it had ended, or never begun; files that are Ready wait for a start
        assert self.up.wait(SETTLE_S), f"no rest in {SETTLE_S} s: {self.up.results()}"
        if not stop and str(self.up.state) == "End":
            for info in self.up.list_files():
                assert str(info.state) in RESTS - {"Ready"}, info

    @invariant()
    def what_was_heard_is_in_order(self) -> None:
        if getattr(self, "witness", None) is not None and self.witness.violations:
            raise self.witness.violations[0]

    @invariant()
    def every_success_has_its_bytes(self) -> None:
        for info in self.up.list_files() if hasattr(self, "up") else []:
            if str(info.state) == "Success":
                assert info.loaded_percent == 1.0
                self.witness.story(info.file_id).check_bytes(self.stored(info.video_id))

    def stored(self, media_id: str) -> Version | None:
        with self.cloud.lock:
            asset = self.cloud.vod.assets.get(media_id)
            found = self.cloud.store.find(asset.bucket, asset.key) if asset is not None else None
            if found is None:
                return None
            return Version.of(b"".join(self.cloud.store.read(found.content, 0, found.size_bytes)))

    def close(self) -> None:
        assert self.up.close()
        self.stop_hearing()

    def teardown(self) -> None:
        if not hasattr(self, "up"):
            return
        try:
            self.network.forced = []
            self.writes_that_fail = 0
            for _ in range(3):
                for info in self.up.list_files():
                    if info.file_id not in self.canceled:
                        self.up.resume_file(info)
                self.up.start_upload()
                self.rest()
            wanted = [i for i in self.up.list_files() if i.file_id not in self.canceled]
            assert {str(i.state) for i in wanted} <= {"Success"}, [(i.name, str(i.state), i.error) for i in wanted]
            self.every_success_has_its_bytes()
            self.close()
            self.what_was_heard_is_in_order()
            self.judge()
            self.footprint.check()
        finally:
            self.up.close()
            shutil.rmtree(self.folder, ignore_errors=True)
            self.stack.close()

    def judge(self) -> None:
        """I2 and I3 at the end."""
        with self.cloud.lock:
            assets = list(self.cloud.vod.assets.values())
            uploads = frozenset(u.upload_id for u in self.cloud.store.multipart.uploads(self.cloud.bucket) if u.parts)
        journal = FileJournal(self.folder / "home", self.up._clock)
        unfinished = journal.unfinished()
        finished = journal.folder / "done.jsonl"
        lines = finished.read_bytes().splitlines() if finished.exists() else []
        journal.close()
        # A file that was edited when it had been stored, and nobody had heard of that, is a new one.
        made = Counter(asset.title for asset in assets)
        twice = {title: number for title, number in made.items() if number > 1 + self.edits[title]}
        assert not twice, twice
        known = {c.media_id for c in unfinished} | {c.reference_id for c in unfinished}
        known |= {record["result"]["media_id"] for record in map(parse, lines) if record is not None}
        known |= {story.media_id for story in self.witness.stories.values()}
        unknown = {asset.title for asset in assets if not {asset.media_id, asset.reference_id} & known}
        assert unknown <= self.deleted, unknown  # the entry of a file that left the list is forgotten
        self.witness.check_orphans(uploads, [c.upload_id for c in unfinished if c.upload_id])


Queue.TestCase.settings = settings(
    max_examples=int(os.environ.get("VOD_QUEUE_EXAMPLES", "25")),
    stateful_step_count=16,
    derandomize="VOD_QUEUE_EXAMPLES" not in os.environ,
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.slow
class TestQueue(Queue.TestCase):  # type: ignore[name-defined, misc]
    """25 sequences of calls in every run; VOD_QUEUE_EXAMPLES=300 draws others."""


def test_faults_have_names_that_the_network_knows() -> None:
    assert set(BEFORE) <= {kind for _, kind in FAULTS}
