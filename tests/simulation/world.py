"""One history: a queue of files under a seed, process after process, until all is well and every file has arrived.

Production does effects in threads; here each list of effects that a machine returns is a "thread" whose next step is one
of the moves that chance chooses from. The engine, the journal, the sources' bodies and the machines are the real ones;
`Scheduler` alone is played (`moves`). While a body is read, other moves happen inside: edits, orders, outcomes.

    props.py      clocks, chance, the person's files        processes.py  begin, kill, what a queue does
    scene.py      cloud, network, disk                      people.py     orders, edits, time
    permits.py    who gives permission                      world.py      the whole, and the judgement at the end
    moves.py      what happens by itself
"""

from __future__ import annotations

from tests.helpers.invariants import Stored, Violation, check_liveness, check_secrets

from .cloud import Killed
from .disk import installed
from .people import People
from .props import File

__all__ = ["World"]

PARTS_MOST = 10
"""Of the largest file of any plan."""


class World(People):
    """One history.

    Args:
        seed: Decides everything.
        plan: What may happen.
        keep: Lines of the history to keep for a report.
    """

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
