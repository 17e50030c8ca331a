"""The stage of a history: the cloud, the network, the disk and the chance behind them."""

from __future__ import annotations

import errno
import os
import random
from collections import deque
from collections.abc import Callable
from typing import Any, NoReturn

from tests.helpers.invariants import History, Version, Violation, Witness
from tests.helpers.simulation import SimRandomness
from vod_widget import effects as fx
from vod_widget.emulator.switches import Switches
from vod_widget.engine import Engine, Settings
from vod_widget.journal import FileJournal
from vod_widget.machine import FileMachine
from vod_widget.model import Checkpoint, Credentials, MediaType
from vod_widget.record import Record

from .cloud import PART, WALL_S, Killed, Network, make_cloud
from .disk import Disk
from .plans import Plan
from .props import Clock, File, SimSource

__all__ = ["Scene"]


class Scene:
    """What a history is played on; see `world.World`.

    Attributes:
        engine: Of the process that runs now; so are journal and settings.
    """

    engine: Engine
    journal: FileJournal
    settings: Settings

    def __init__(self, seed: int, plan: Plan, keep: int = 0) -> None:
        self.seed = seed
        self.plan = plan
        self.rng = random.Random(seed)
        self.clock = Clock()
        self.randomness = SimRandomness(self.rng)
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
        self.threads: list[tuple[File, Record, deque[tuple[int, fx.Effect]]]] = []
        self.performing: list[tuple[File, Record, int, fx.Effect, Any]] = []
        self.outcomes: list[tuple[Record, Callable[[FileMachine], Any]]] = []
        self.timers: list[tuple[float, int, Record, int | None]] = []
        self.timer_numbers = 0

    def step(self) -> bool:
        """One move by chance; False when nothing can happen by itself."""
        raise NotImplementedError

    def outside(self) -> None:
        """Something from outside, perhaps."""
        raise NotImplementedError

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

    def stored(self, media_id: str) -> Version | None:
        asset = self.cloud.vod.assets.get(media_id)
        found = self.cloud.store.find(asset.bucket, asset.key) if asset is not None else None
        if found is None:
            return None
        return Version.of(b"".join(self.cloud.store.read(found.content, 0, found.size_bytes)))
