"""Processes that upload and come to harm, forked from one that has the package loaded already, so that each costs little."""

from __future__ import annotations

import contextlib
import io
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

PART = 102_400
# What every victim needs, pytest among it: multiprocessing imports the main module of the parent again in each child.
_LOADED = [
    "pytest",
    "tests.fault.victims",
    "vod_widget.batch",
    "vod_widget.cli",
    "vod_widget.credentials",
    "vod_widget.journal",
    "vod_widget.oss",
    "vod_widget.sources",
    "vod_widget.uploader",
    "vod_widget.vod_api",
]
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(_LOADED)


def start(target: Callable[..., None], emulator: Any, home: Path, *args: Any) -> ForkServerProcess:
    """Run `target(where, *args)` in a process of its own; `where` are the options that lead to the emulator."""
    where = {
        "endpoint": emulator.endpoint,
        "keys": (emulator.access_key_id, emulator.access_key_secret),
        "home": str(home),
    }
    process = _CONTEXT.Process(target=_run, args=(target, where, *args), daemon=True)
    process.start()
    return process


def _run(target: Callable[..., None], where: dict[str, Any], *args: Any) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # the fork server ignores it
    target(where, *args)


def uploader(where: dict[str, Any], **options: Any) -> Any:
    """A queue on the emulator of the test."""
    import vod_widget as vw

    options = {"part_size_bytes": PART, "parallel": 1, "retry_duration": 0.05, **options}
    keys = vw.Credentials(*where["keys"])
    return vw.VODUpload(endpoint=where["endpoint"], credentials=keys, checkpoint_dir=where["home"], **options)


def upload(where: dict[str, Any], path: str, options: dict[str, Any] | None = None) -> None:
    """Upload one file to its end."""
    up = uploader(where, **(options or {}))
    up.add_file(path)
    up.run()
    up.close()


def upload_and_die_at_write(where: dict[str, Any], path: str, number: int, when: str) -> None:
    """Kill ourselves at this write to the journal: before it, in its middle, or after it."""
    from vod_widget.journal import files

    real = os.write
    count = 0

    def write(descriptor: int, data: Any) -> int:
        nonlocal count
        if ".lock" in str(Path(f"/proc/self/fd/{descriptor}").readlink()):
            return real(descriptor, data)
        count += 1
        if count != number:
            return real(descriptor, data)
        if when != "before":
            half = len(data) // 2 if when == "torn" else len(data)
            real(descriptor, bytes(data)[:half])
        os.kill(os.getpid(), signal.SIGKILL)
        return 0

    files.os.write = write
    upload(where, path)


def _told_when_it_leaves(up: Any, told: Any) -> threading.Thread:
    """Say "leaving" as soon as the queue begins nothing new."""

    def tell() -> None:
        # Looked at and not told: a hook in the queue would change the moment that is watched. Its parent has a deadline.
        while up._queue.takes_new:
            time.sleep(0.001)
        told.send("leaving")

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    return teller


def start_and_leave(where: dict[str, Any], path: str, grace_s: float, told: Any) -> None:
    """Start a queue and end the process, as a script that forgot to wait, once told to; say when nothing new is begun."""
    from vod_widget import lifetime

    lifetime.EXIT_GRACE_S = grace_s
    up = uploader(where)
    info = up.add_file(path)
    up.start_upload()
    told.recv()
    teller = _told_when_it_leaves(up, told)
    lifetime._at_exit()  # multiprocessing ends its children without the exit handlers of the interpreter
    teller.join(60)
    told.send((info.accepted_bytes, str(info.state)))
    told.close()


def command(where: dict[str, Any], arguments: list[str], told: Any) -> None:
    """Run `vod-widget`; say when it begins nothing new, then its status and what it complained of."""
    from vod_widget import cli, uploader
    from vod_widget.batch import sending

    os.environ["VOD_WIDGET_ENDPOINT"] = where["endpoint"]
    os.environ["ALIBABA_CLOUD_ACCESS_KEY_ID"], os.environ["ALIBABA_CLOUD_ACCESS_KEY_SECRET"] = where["keys"]
    sending.TERM_GRACE_S = 60.0  # the part may take its time
    end_with_process = uploader.VODUpload._end_with_process

    def end(up: Any, grace_s: float) -> None:
        teller = _told_when_it_leaves(up, told)
        end_with_process(up, grace_s)
        teller.join(60)

    uploader.VODUpload._end_with_process = end
    complaints = io.StringIO()
    with contextlib.redirect_stderr(complaints):
        status = cli.main(arguments)
    told.send((status, complaints.getvalue()))


def interrupted_run(where: dict[str, Any], path: str, told: Any) -> None:
    """`run()` gets Ctrl-C; says how long that took, goes on or stops as told, and says what came of it."""
    up = uploader(where)
    info = up.add_file(path)
    told.send("running")
    try:
        up.run()
        told.send("not interrupted")
    except KeyboardInterrupt:
        told.send("interrupted")
        if told.recv() == "stop":
            up.stop_upload()
            up.wait(60)
        else:
            up.wait(60)
    told.send(str(info.state))
    told.recv()
    up.close()


def interrupted_callback(where: dict[str, Any], path: str, told: Any) -> None:
    """A callback is interrupted: it alone ends."""
    up = uploader(where)

    def interrupted(_info: Any, _total: int, _share: float) -> None:
        raise KeyboardInterrupt

    up.on_upload_progress = interrupted
    ended: list[Any] = []
    up.on_upload_end = ended.append
    info = up.add_file(path)
    up.run()
    told.send((str(info.state), len(ended)))
    up.close()


def forking(where: dict[str, Any], path: str, told: Any) -> None:
    """Fork while parts are on their way; the child tries everything that a caller could."""
    from vod_widget.errors import InvalidStateError

    up = uploader(where, max_bandwidth_bytes_per_s=PART)
    info = up.add_file(path)
    up.start_upload()
    (record,) = up._queue.records
    # In the middle of a part, which takes a second at this rate: nothing tells that moment.
    while not any(0 < transfer.sent_bytes < PART for transfer in tuple(record.run.transfers)):
        time.sleep(0.001)
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:  # pragma: no cover - another process
        said = []
        try:
            up.start_upload()
            said.append("started")
        except InvalidStateError as error:
            said.append("forked from" if "forked from" in str(error) else str(error))
        up.stop_upload()
        up.cancel_file(0)
        up.retry_failed()
        said.append(str(up.wait(0.1)))
        said.append(str(up.close()))
        os.write(write_end, "|".join(said).encode())
        os._exit(0)
    os.close(write_end)
    _, status = os.waitpid(child, 0)
    up.max_bandwidth_bytes_per_s = None
    told.send((os.read(read_end, 1000).decode(), status))
    up.wait(60)
    told.send(str(info.state))
    up.close()
