"""What the victims said and what the cloud holds, as stories for the checker."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.helpers.invariants import Stored, Version, Violation, Witness
from vod_widget import events as ev

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
        self.peak_rss = 0

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
        if kind == "end":
            self.peak_rss = max(self.peak_rss, said["rss"])
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


def one_asset_each(state: dict[str, Any], witness: Witness, edits: Counter[str]) -> None:
    """I3, file by file: the title of an asset is the name of its file.

    A file that was edited after it had been stored, before the parent had heard of that, is a new one.
    """
    made = Counter(a["title"] for a in state["assets"] if a["kind"] == "video")
    for name, number in made.items():
        if number > 1 + edits[name]:
            raise Violation("I3", f"{name}: {number} assets")
    for name, story in witness.stories.items():
        if not story.is_image and story.state == "Success" and not made[name]:
            raise Violation("I3", f"{name}: success, and {made[name]} assets")
