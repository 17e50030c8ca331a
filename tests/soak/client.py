"""The victim: takes up what its predecessor left, adds what is missing, sends, and writes down what it hears."""

from __future__ import annotations

import json
import logging
import os
import random
import resource
import sys
import threading
import time
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Any

import vod_widget as vw
from tests.helpers.invariants import Footprint, Violation
from vod_widget import secret as secret_module
from vod_widget.model import UploadState

CALM_S = 120.0


def _remember_secrets(path: Path) -> None:
    """Write every secret that this process ever holds where the parent looks for them, and nowhere else."""
    known: set[str] = set()
    real = secret_module.Secret.__init__

    def remember(self: Any, value: str) -> None:
        real(self, value)
        if value not in known:
            known.add(value)
            with path.open("a", encoding="utf-8") as file:
                file.write(value + "\n")

    secret_module.Secret.__init__ = remember  # type: ignore[method-assign]


class Client:
    """One process's queue.

    Args:
        config: What the parent wrote: see `tests.soak.__main__.Soak.client`.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = config
        self.rng = random.Random(config["seed"])
        self.calm: bool = config["calm"]
        self._events = os.open(config["events"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._names: dict[str, str] = {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.up = vw.resume(
                config["home"],
                endpoint=config["endpoint"],
                credentials=vw.Credentials(config["access_key_id"], config["access_key_secret"]),
                parallel=config["parallel"],
                part_size_bytes=config["part_size_bytes"],
                timeout_s=config["timeout_s"],
                retry_duration=0.05,
                patience_s=900.0,
            )
        for info in self.up.list_files():
            self._names[info.file_id] = info.name
        known = set(self._names.values())
        for path in map(Path, config["files"]):
            if path.name not in known:
                info = self.up.add_file(path)
                self._names[info.file_id] = info.name
        states = {info.name: str(info.state) for info in self.up.list_files()}
        self.say("process", states=states, rss=_peak_bytes())
        self.up.subscribe(self.hear)

    def say(self, kind: str, **facts: Any) -> None:
        os.write(self._events, (json.dumps({"kind": kind, **facts}) + "\n").encode())

    def close(self) -> None:
        os.close(self._events)

    def hear(self, event: Any) -> None:
        facts = asdict(event)
        facts["name"] = self._names.get(facts["file_id"], "")
        if getattr(event, "state", "") == "Success" and facts["name"]:
            info = next(i for i in self.up.list_files() if i.file_id == event.file_id)
            facts["media_id"] = info.video_id or info.image_id or ""
            facts["skipped"] = any(r.skipped for r in self.up.results() if r.file_id == event.file_id)
        self.say(type(event).__name__, **facts)

    def run(self) -> None:
        """Until everything is stored, or we are killed."""
        pause = threading.Event()
        began_s = time.monotonic()
        while True:
            self.bring_on()
            states = {info.state for info in self.up.list_files()}
            if states <= {UploadState.SUCCESS}:
                break
            if self.calm and time.monotonic() - began_s > CALM_S:
                left = {info.name: (str(info.state), str(info.error)) for info in self.up.list_files()}
                raise Violation("I8", f"not stored after {CALM_S:.0f} s without faults: {left}")
            pause.wait(0.2 if self.calm else self.rng.uniform(0.02, 0.4))
            if not self.calm:
                self.order()
        self.up.wait(30)

    def bring_on(self) -> None:
        """Start what does not run, now and then; at once when all is calm."""
        if not self.calm and self.rng.random() < 0.5:
            return
        for info in self.up.list_files():
            if info.state in {UploadState.FAILURE, UploadState.CANCELED, UploadState.STOPPED}:
                self.up.resume_file(info)
        self.up.start_upload()

    def order(self) -> None:
        """A person says something."""
        files = self.up.list_files()
        if not files or self.rng.random() < 0.6:
            return
        info = self.rng.choice(files)
        match self.rng.randrange(8):
            case 0:
                self.up.stop_upload()
            case 1 | 2:
                self.up.pause_file(info)
            case 3 | 4:
                self.up.cancel_file(info)
            case 5 | 6:
                self.up.retry_failed()
            case _:
                self.up.retry_file(info)


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main(config_path: str) -> int:
    """Run one process; 0 when everything is stored and everything ended."""
    config = json.loads(Path(config_path).read_text(encoding="utf-8"))
    logging.basicConfig(filename=config["log"], level=logging.DEBUG)
    _remember_secrets(Path(config["secrets"]))
    before = Footprint.take()
    client = Client(config)
    client.run()
    ended = client.up.close()
    client.say("end", ended=ended)
    client.close()
    if config["calm"]:
        before.check()
    return 0 if ended else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
