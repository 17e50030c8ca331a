"""The parent; see the package's docstring."""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.emulator import raw
from tests.helpers.invariants import Version, Violation, Witness, check_secrets
from vod_widget.journal import FileJournal
from vod_widget.system import SystemClock

from .report import Reader, Traffic, Usage, finished_assets, one_asset_each, stored_of

ROOT = Path(__file__).parents[2]
PART = 102_400
PARALLEL = 8
SIZES = (1, 1000, PART - 1, PART, PART + 1, 3 * PART + 7, 10 * PART, 31 * PART + 5)
TIMEOUT_S = 3.0
TROUBLES_A_LOOK = 2

_PART_FAULTS: tuple[dict[str, Any], ...] = (
    {"kind": "Status", "status": 500},
    {"kind": "Status", "status": 503, "headers": {"Retry-After": "1"}},
    {"kind": "Status", "status": 503, "read_body": False},
    {"kind": "Reset"},
    {"kind": "Reset", "after_body_bytes": 50_000},
    {"kind": "Drop"},
    {"kind": "CorruptBody"},
    {"kind": "WrongCrc"},
    {"kind": "NoCrc"},
    {"kind": "WrongETag"},
    {"kind": "NoETag"},
    {"kind": "ExpireToken"},
    {"kind": "Truncate"},
    {"kind": "Stall", "seconds": TIMEOUT_S + 1.0},
)
_FAULTS: tuple[dict[str, Any], ...] = (
    {"kind": "Status", "status": 500},
    {"kind": "Reset"},
    {"kind": "Drop"},
    {"kind": "ErrorIn200"},
    {"kind": "Truncate", "body_bytes": 20},
    {"kind": "Stall", "seconds": TIMEOUT_S + 1.0},
    {"kind": "Throttle"},
    {"kind": "Drip", "step_bytes": 64, "pause_s": 0.05},
)
_OPS = (
    "CreateUploadVideo",
    "CreateUploadImage",
    "RefreshUploadVideo",
    "GetVideoInfo",
    "PutObject",
    "InitiateMultipartUpload",
    "UploadPart",
    "UploadPart",
    "UploadPart",
    "ListParts",
    "CompleteMultipartUpload",
    "HeadObject",
    "AbortMultipartUpload",
)


class Emulator:
    """The emulator in a process of its own, by its admin API."""

    def __init__(self, folder: Path, *, keeps: bool) -> None:
        options = ["--data-dir", str(folder / "cloud")] if keeps else []
        self.log = (folder / "emulator.log").open("wb")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "vod_widget.emulator", "--json", *options],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=self.log,
        )
        assert self.process.stdout is not None
        self.facts: dict[str, Any] = json.loads(self.process.stdout.readline())
        self.endpoint: str = self.facts["endpoint"]

    def admin(self, method: str, path: str, body: Any = None) -> Any:
        parts = urlsplit(self.endpoint)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
        try:
            headers = {"Authorization": f"Bearer {self.facts['admin_secret']}"}
            connection.request(method, f"/_emulator/admin/{path}", json.dumps(body) if body else None, headers)
            answer = connection.getresponse()
            data = answer.read()
            if answer.status != 200:
                raise AssertionError(f"{method} {path}: {answer.status} {data!r}")
            return json.loads(data)
        finally:
            connection.close()

    def content(self, bucket: str, key: str) -> bytes | None:
        keys = raw.Keys(self.facts["access_key_id"], self.facts["access_key_secret"])
        reply = raw.oss(raw.Grant("", keys, self.endpoint, bucket, key, {}), "GET")
        return reply.body if reply.status == 200 else None

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(90)  # it clears its folder, which a busy disk takes its time for
        if self.process.stdout is not None:
            self.process.stdout.close()
        self.log.close()


class Soak:
    """One soak.

    Args:
        folder: Where everything is kept.
        seed: The mixture.
        kill_every_s: Life of a client.
        files_at_once: Files that are wanted and not yet stored, at least.
        keeps: The emulator keeps its state on disk.
    """

    def __init__(self, folder: Path, seed: int, kill_every_s: float, files_at_once: int, *, keeps: bool) -> None:
        self.folder = folder
        self.rng = random.Random(seed)
        self.kill_every_s = kill_every_s
        self.files_at_once = files_at_once
        self.witness = Witness(PART, PARALLEL)
        self.reader = Reader(self.witness)
        self.traffic = Traffic()
        self.files: dict[str, Path] = {}
        self.usage = Usage()
        self.clients = self.kills = self.armed = self.most_files = 0
        self.edits: Counter[str] = Counter()
        (folder / "sources").mkdir()
        self.emulator = Emulator(folder, keeps=keeps)

    # ---- the person's files

    def want_more(self) -> None:
        """Have enough files that are not stored yet."""
        while len(self.files) - len(self.reader.done()) < self.files_at_once:
            number = len(self.files) + 1
            name = f"{number}.png" if self.rng.random() < 0.15 else f"{number}.mp4"
            path = self.folder / "sources" / name
            path.write_bytes(self.rng.randbytes(self.rng.choice(SIZES)))
            self.files[name] = path
            self.witness.story(name, is_image=name.endswith(".png")).exists(path)

    def edit(self) -> None:
        """Exchange or change a file that is not stored yet."""
        left = sorted(set(self.files) - self.reader.done())
        name = self.rng.choice(left)
        path, story = self.files[name], self.witness.story(name)
        content = bytearray(path.read_bytes())
        self.edits[name] += 1
        if self.rng.random() < 0.5:
            content = bytearray(self.rng.randbytes(self.rng.choice(SIZES)))
            story.exists(Version.of(content))
            other = path.with_suffix(".new")
            other.write_bytes(content)
            other.replace(path)
        else:
            at = self.rng.randrange(len(content))
            content[at] ^= 1
            story.exists(Version.of(content))
            with path.open("r+b", buffering=0) as file:
                file.seek(at)
                file.write(content[at : at + 1])

    # ---- trouble

    def trouble(self) -> None:
        """One thing goes wrong."""
        chance = self.rng.random()
        if chance < 0.03:
            self.emulator.admin("POST", "clock", {"advance_s": self.rng.choice((2600, 3100))})
            for story in self.witness.stories.values():
                story.breaks += 1
        elif chance < 0.06:
            self.edit()
        else:
            op = self.rng.choice(_OPS)
            action = self.rng.choice(_PART_FAULTS if op in {"UploadPart", "PutObject"} else _FAULTS)
            when = "before" if action["kind"] == "CorruptBody" else self.rng.choice(("before", "after"))
            rule = {"op": op, "action": action, "when": when, "times": self.rng.choice((1, 1, 2))}
            self.emulator.admin("POST", "faults", rule)
            self.armed += 1

    # ---- clients

    def client(self, *, calm: bool, alive_s: float) -> int:
        """Run one client until it is killed, or ends; returns its exit status."""
        self.clients += 1
        stem = self.folder / f"client-{self.clients}"
        done = self.reader.done()
        # A file that is stored is asked for again now and then: nothing may be sent.
        again = [name for name in sorted(done - set(self.edits)) if self.rng.random() < 0.02]
        names = [name for name in self.files if name not in done] + again
        self.most_files = max(self.most_files, len(names))
        events = stem.with_suffix(".events")
        config = {
            "home": str(self.folder / "home"),
            "endpoint": self.emulator.endpoint,
            "access_key_id": self.emulator.facts["access_key_id"],
            "access_key_secret": self.emulator.facts["access_key_secret"],
            "parallel": PARALLEL,
            "part_size_bytes": PART,
            "timeout_s": TIMEOUT_S,
            "files": [str(self.files[name]) for name in names],
            "events": str(events),
            "log": str(stem.with_suffix(".log")),
            "secrets": str(self.folder / "secrets.txt"),
            "seed": self.rng.random(),
            "calm": calm,
        }
        stem.with_suffix(".json").write_text(json.dumps(config), encoding="utf-8")
        with stem.with_suffix(".err").open("wb") as errors:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.soak.client", str(stem.with_suffix(".json"))],
                cwd=ROOT,
                stdout=errors,
                stderr=errors,
            )
            deadline_s = time.monotonic() + alive_s
            while process.poll() is None and time.monotonic() < deadline_s:
                try:
                    process.wait(0.25 if not calm else 1.0)
                except subprocess.TimeoutExpired:
                    for _ in range(0 if calm else TROUBLES_A_LOOK):
                        self.trouble()
                    self.look()
                    self.usage.look(process.pid)
            status = process.poll()
            if status is None:
                os.kill(process.pid, signal.SIGKILL)
                process.wait(10)
                self.kills += 1
        self.reader.read(events)
        if calm or status not in (None, 0):
            said = stem.with_suffix(".err").read_text(encoding="utf-8", errors="replace")
            if status != 0:
                raise Violation("I8", f"client {self.clients} ended with {status}: {said[-2000:]}")
        return 0 if status is None else status

    def look(self) -> None:
        """Take the requests that came meanwhile."""
        self.traffic.take(self.emulator.admin("GET", f"requests?after={self.traffic.after}"))

    def run(self, seconds: float) -> str:
        """Soak, then judge; returns the figures.

        Raises:
            Violation: A promise was broken.
        """
        began_s = time.monotonic()
        kill_at_s = began_s + self.kill_every_s
        while (now_s := time.monotonic()) < began_s + seconds:
            self.want_more()
            # A client that has stored everything is followed by another, and the kill strikes that one in its time.
            self.client(calm=False, alive_s=max(2.0, kill_at_s - now_s))
            while kill_at_s <= time.monotonic():
                kill_at_s += self.kill_every_s
        self.emulator.admin("DELETE", "faults")
        self.client(calm=True, alive_s=180.0)
        self.look()
        self.judge()
        sent = sum(self.traffic.bytes_of.values())
        size = sum(path.stat().st_size for path in self.files.values())
        return (
            f"{len(self.files)} files of {size / 1e6:.0f} MB stored with {sent / 1e6:.0f} MB in {self.traffic.requests} "
            f"requests; {self.traffic.struck.total()} faults in {len(self.traffic.struck)} pairs, {self.kills} kills, "
            f"{self.edits.total()} edits, {self.clients} clients, {self.reader.lines} events, {self.usage}, 0 violations, "
            f"{time.monotonic() - began_s:.0f} s"
        )

    def judge(self) -> None:
        """I1 to I3, I5, I7, I9 and I10."""
        state = self.emulator.admin("GET", "state")
        contents = {}
        for asset in state["assets"]:
            content = self.emulator.content(asset["bucket"], asset["key"])
            if content is not None:
                contents[asset["media_id"]] = content
        published: dict[str, int] = {}
        for event in state["events"]:
            published[event["media_id"]] = published.get(event["media_id"], 0) + 1
        for asset in state["assets"]:
            story = self.witness.stories.get(asset["title"])
            if story is not None:
                story.published += published.get(asset["media_id"], 0)
                story.sent_bytes += self.traffic.bytes_of[asset["key"]]
                story.faults += self.traffic.faults_of[asset["key"]]
        missing = sorted(set(self.files) - self.reader.done())
        if missing:
            raise Violation("I8", f"never stored: {missing}")
        journal = FileJournal(self.folder / "home", SystemClock())
        finished = finished_assets(journal.folder)
        one_asset_each(state, finished, self.edits)
        lost_images = sum(v for (op, _), v in self.traffic.struck.items() if op == "CreateUploadImage")
        self.witness.check(
            stored_of(state, contents),
            owned=[c.upload_id for c in journal.unfinished() if c.upload_id],
            # Edited after it was stored, and before that was heard: a new file.
            files_added=len(self.files) + sum(len(ids) - 1 for ids in finished.values()),
            images_unsaid=lost_images + self.kills * PARALLEL + self.edits.total(),
        )
        self.usage.check(self.reader.first_rss, parallel=PARALLEL, part_size_bytes=PART, files=self.most_files)
        self.judge_secrets()

    def judge_secrets(self) -> None:
        """I10, in everything that was written."""
        secrets = (self.folder / "secrets.txt").read_text(encoding="utf-8").split()
        places = [*self.folder.glob("client-*.log"), *self.folder.glob("client-*.err"), *self.folder.glob("*.events")]
        places += [p for p in (self.folder / "home").rglob("*") if p.is_file()]
        for path in places:
            check_secrets(secrets, {path.name: path.read_bytes()})

    def close(self) -> None:
        self.emulator.close()


def main(argv: Sequence[str] | None = None) -> int:
    """Run; the exit status is 1 when a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--kill-every", type=float, default=20.0, metavar="SECONDS")
    parser.add_argument("--files", type=int, default=100, help="files at once")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--data-dir", action="store_true", help="the emulator keeps its state on disk")
    parser.add_argument("--keep", default=None, metavar="FOLDER", help="keep everything there")
    args = parser.parse_args(argv)
    seed = args.seed if args.seed is not None else random.SystemRandom().randrange(10**6)
    with tempfile.TemporaryDirectory() as temp:
        folder = Path(args.keep or temp)
        folder.mkdir(parents=True, exist_ok=True)
        soak = Soak(folder, seed, args.kill_every, args.files, keeps=args.data_dir)
        try:
            sys.stdout.write(f"seed {seed}: {soak.run(args.minutes * 60)}\n")
        except Violation as violation:
            sys.stdout.write(f"seed {seed}: BROKEN {violation}\n")
            return 1
        finally:
            soak.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
