"""What the victims said and what the cloud holds, as stories for the checker."""

from __future__ import annotations

import contextlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.helpers.invariants import Stored, Version, Violation, Witness
from vod_widget import events as ev
from vod_widget.journal.lines import parse

_OTHER_THREADS = 1 + 16 + 5
"""The main thread, those of control calls, and callbacks, timers, watchdog, and what a library starts."""
_OTHER_DESCRIPTORS = 30
"""Of Python, the log, and connections of the control plane."""

_EVENTS: dict[str, type[ev.Event]] = {
    name: getattr(ev, name)
    for name in ("StateChanged", "Progress", "Restarted", "RetryScheduled", "Warned", "Drained", "UploaderStateChanged")
}


class Reader:
    """Reads events files, each line once.

    Args:
        witness: Whose stories they become; files are named by their name, since each process has ids of its own.
    """

    def __init__(self, witness: Witness) -> None:
        self.witness = witness
        self.lines = 0
        self.first_rss = 0

    def read(self, path: Path) -> None:
        """Take the events of one process; a last line that was cut by the kill is no line."""
        whole, _, _ = path.read_bytes().rpartition(b"\n") if path.exists() else (b"", b"", b"")
        for text in whole.split(b"\n"):
            if text:
                self._take(json.loads(text))

    def _take(self, said: dict[str, Any]) -> None:
        self.lines += 1
        kind = said.pop("kind")
        if kind == "process":
            self.first_rss = self.first_rss or said["rss"]
            self._new_process(said["states"])
            return
        event_type = _EVENTS.get(kind)
        if event_type is None:
            return
        name, media_id, skipped = said.pop("name", ""), said.pop("media_id", ""), said.pop("skipped", False)
        said["file_id"] = name
        self.witness.hear(event_type(**said))
        if kind == "StateChanged" and said["state"] == "Success":
            story = self.witness.story(name)
            story.skipped, story.media_id = skipped, media_id

    def _new_process(self, states: dict[str, str]) -> None:
        self.witness._ended = False
        for name, state in states.items():
            story = self.witness.story(name, is_image=name.endswith(".png"))
            story.state = state if state == "Success" else "Ready"
            story.forgot()
            story.state = state

    def done(self) -> set[str]:
        """Names of the files that were told to be stored."""
        return {name for name, story in self.witness.stories.items() if story.state == "Success"}


class Traffic:
    """Sums the emulator's request log, as it grows."""

    def __init__(self) -> None:
        self.after = 0
        self.requests = 0
        self.struck: Counter[tuple[str, str]] = Counter()
        self.bytes_of: Counter[str] = Counter()
        self.faults_of: Counter[str] = Counter()

    def take(self, records: Iterable[dict[str, Any]]) -> None:
        """Take the records that came since the last time."""
        for record in records:
            self.after = max(self.after, record["number"])
            self.requests += 1
            for fault in record["faults"]:
                self.struck[record["op"], fault] += 1
            if record["op"] in {"UploadPart", "PutObject"}:
                self.bytes_of[record["key"]] += record["body_bytes"]
            if record["faults"] or record["status"] == 0 or record["status"] >= 400:
                self.faults_of[record["key"]] += 1


def stored_of(state: dict[str, Any], contents: dict[str, bytes]) -> Stored:
    """The emulator's state as the checker sees it.

    Args:
        state: Of the admin API.
        contents: Bytes of each asset that has any.
    """
    assets = state["assets"]
    return Stored(
        frozenset(a["media_id"] for a in assets if a["kind"] == "video"),
        frozenset(a["media_id"] for a in assets if a["kind"] == "image"),
        {media_id: Version.of(content) for media_id, content in contents.items()},
        frozenset(u["upload_id"] for u in state["unfinished_uploads"] if u["parts"]),
    )


def finished_assets(folder: Path) -> dict[str, set[str]]:
    """File name -> every asset that the journal's list of finished files names for it, in the whole soak."""
    found: dict[str, set[str]] = defaultdict(set)
    for text in (folder / "done.jsonl").read_bytes().splitlines():
        record = parse(text)
        if record is not None:
            found[record["result"]["name"]].add(record["result"]["media_id"])
    return found


def one_asset_each(state: dict[str, Any], finished: dict[str, set[str]], edits: Counter[str]) -> None:
    """I3, file by file: the title of an asset is the name of its file.

    Each video that was made is the result of an upload that the journal knows as finished, so none was made in vain; and
    a file has a second one only when it was edited after it had been stored, which is a new file by contract.
    """
    made: dict[str, set[str]] = defaultdict(set)
    for asset in state["assets"]:
        if asset["kind"] == "video":
            made[asset["title"]].add(asset["media_id"])
    videos = {name: ids for name, ids in finished.items() if not name.endswith(".png")}
    if made != videos:
        raise Violation(
            "I3",
            f"made and never finished, or the reverse: {sorted(set(map(str, made.items())) ^ set(map(str, videos.items())))[:4]}",
        )
    for name, ids in made.items():
        if len(ids) > 1 + edits[name]:
            raise Violation("I3", f"{name}: {len(ids)} assets and {edits[name]} edits")


class Usage:
    """The most that any client took, looked at from outside, those that were killed included (I6, I7)."""

    def __init__(self) -> None:
        self.rss = self.threads = self.descriptors = 0

    def __str__(self) -> str:
        return f"at most {self.rss / 1e6:.0f} MB, {self.threads} threads, {self.descriptors} descriptors"

    def look(self, pid: int) -> None:
        """Look at a process; it may end meanwhile."""
        with contextlib.suppress(OSError):
            lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
            facts = dict(line.split(":", 1) for line in lines if ":" in line)
            if "VmHWM" in facts:
                self.rss = max(self.rss, int(facts["VmHWM"].split()[0]) * 1024)
                self.threads = max(self.threads, int(facts["Threads"]))
            self.descriptors = max(self.descriptors, sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir()))

    def check(self, first_rss: int, *, parallel: int, part_size_bytes: int, files: int) -> None:
        """Judge against the formulas.

        Args:
            first_rss: What a client took before it sent anything.
            parallel: Requests at a time.
            part_size_bytes: Of each.
            files: Most files of a client.
        """
        bound = first_rss + parallel * part_size_bytes + 50 * 1024 * 1024
        if self.rss > bound:
            raise Violation("I7", f"{self.rss} bytes at the peak, at most {bound} were to be expected")
        if self.threads > parallel + _OTHER_THREADS:
            raise Violation("I6", f"{self.threads} threads")
        if self.descriptors > 3 * files + parallel + _OTHER_DESCRIPTORS:
            raise Violation("I6", f"{self.descriptors} descriptors for {files} files")
