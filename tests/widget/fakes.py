"""A core, a comm and a clock that tests own; the core keeps the contract of `VODUpload` as far as the widget uses it."""

from __future__ import annotations

import itertools
import threading
from types import SimpleNamespace
from typing import Any

from vod_widget import events
from vod_widget.errors import InvalidStateError, MissingCredentialError, VODError
from vod_widget.model import Category, MediaType, Phase, UploaderState, UploadMetadata, UploadState
from vod_widget.states import LEFT_TO_DO, actions
from vod_widget.upload_info import FileSnapshot, Totals, UploaderSnapshot
from vod_widget.widget.accounts import Accounts
from vod_widget.widget.commands import Commands
from vod_widget.widget.handler import Handler
from vod_widget.widget.pages import Pages
from vod_widget.widget.paths import KernelFiles
from vod_widget.widget.policy import Policy
from vod_widget.widget.publisher import Publisher


class FakeClock:
    def __init__(self, start_s: float = 1000.0) -> None:
        self.at_s = start_s

    def now_s(self) -> float:
        return 1_790_000_000.0 + self.at_s

    def monotonic_s(self) -> float:
        return self.at_s

    def advance(self, seconds: float) -> None:
        self.at_s += seconds


class FakeInfo(SimpleNamespace):
    """One file; compared by identity as the real one."""

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other


class FakeUploader:
    """Remembers what it was asked and tells its listeners."""

    endpoint: str | None = None

    def __init__(self, clock: FakeClock | None = None) -> None:
        self.clock = clock or FakeClock()
        self.calls: list[tuple[Any, ...]] = []
        self.infos: dict[str, FakeInfo] = {}
        self.listeners: list[Any] = []
        self.state = UploaderState.INIT
        self.region = "cn-shanghai"
        self.credentials: Any = None
        self.get_auth: Any = None
        self.region_is_given = False
        self._authority = SimpleNamespace(resolve=self._resolve)
        self.on_upload_started: Any = None
        self.profile: str | None = None
        self.provider: Any = None
        self.patience_s: float | None = 900.0
        self.fail_with: Exception | None = None
        self.file_snapshots = 0
        self.snapshots = 0
        self._ids = itertools.count(1)
        self._seq = itertools.count(1)

    def _keep_waiting(self) -> None:
        """Its files need not outlive a kernel."""

    # ---- what tests do ---------------------------------------------------------------------------

    def emit(self, kind: Any, file_id: str, **fields: Any) -> None:
        event = kind(seq=next(self._seq), file_id=file_id, **fields)
        for listener in list(self.listeners):
            listener(event)

    def put(self, file_id: str, **fields: Any) -> None:
        info = self.infos[file_id]
        turned = "state" in fields or "phase" in fields
        for name, value in fields.items():
            setattr(info, name, value)
        if turned:
            self.emit(events.StateChanged, file_id, state=str(info.state), phase=str(info.phase))
        else:
            self.emit(
                events.Progress,
                file_id,
                sent_bytes=info.sent_bytes,
                accepted_bytes=info.sent_bytes,
                total_bytes=info.size_bytes,
                loaded_percent=info.sent_bytes / info.size_bytes,
            )

    def turn(self, state: UploaderState) -> None:
        self.state = state
        self.emit(events.UploaderStateChanged, "", state=str(state))

    def add_many(self, count: int, *, quiet: bool = False, **fields: Any) -> list[str]:
        listeners, self.listeners = self.listeners, [] if quiet else self.listeners
        ids = [self._add(f"clip-{n:05d}.mp4", 1_000_000, **fields).file_id for n in range(count)]
        self.listeners = listeners
        return ids

    def _add(self, name: str, size_bytes: int, **fields: Any) -> FakeInfo:
        file_id = f"f{next(self._ids):06d}"
        defaults: dict[str, Any] = {
            "file_id": file_id,
            "name": name,
            "path": f"/clips/{name}",
            "source": "kernel",
            "size_bytes": size_bytes,
            "media_type": MediaType.VIDEO,
            "state": UploadState.READY,
            "phase": Phase.NONE,
            "video_id": None,
            "image_id": None,
            "image_url": None,
            "cover_name": None,
            "sent_bytes": 0,
            "loaded_percent": 0.0,
            "speed_bytes_per_s": 0.0,
            "time_left_s": None,
            "error": None,
            "attempts": (),
            "wait_s": None,
            "wait_reason": "",
            "title": name,
            "metadata": UploadMetadata(title=name),
            "duration_s": None,
            "request_id": None,
        }
        info = FakeInfo(**{**defaults, **fields})
        self.infos[file_id] = info
        self.emit(events.FileAdded, file_id)
        return info

    # ---- the contract ----------------------------------------------------------------------------

    def add_file(self, file: Any, **metadata: Any) -> Any:
        self.calls.append(("add_file", file))
        if self.fail_with is not None:
            raise self.fail_with
        kind = str(getattr(file, "kind", "kernel"))
        return self._add(getattr(file, "name", str(file)), getattr(file, "size_bytes", 10), source=kind, raw=file)

    def list_files(self) -> list[Any]:
        return list(self.infos.values())

    def _to(self, info: Any, state: UploadState, *allowed: UploadState) -> bool:
        self.calls.append((str(state), info.name))
        if self.fail_with is not None:
            raise self.fail_with
        if info.state not in allowed:
            return False
        self.put(info.file_id, state=state)
        return True

    def cancel_file(self, info: Any) -> bool:
        return self._to(info, UploadState.CANCELED, UploadState.READY, UploadState.UPLOADING, UploadState.FAILURE)

    def pause_file(self, info: Any) -> bool:
        return self._to(info, UploadState.STOPPED, UploadState.READY, UploadState.UPLOADING)

    def resume_file(self, info: Any) -> bool:
        return self._to(info, UploadState.READY, UploadState.STOPPED, UploadState.CANCELED, UploadState.FAILURE)

    def retry_file(self, info: Any) -> bool:
        return self._to(info, UploadState.READY, UploadState.FAILURE)

    def delete_file(self, info: Any) -> bool:
        self.calls.append(("delete", info.name))
        if self.infos.pop(info.file_id, None) is None:
            return False
        self.emit(events.FileRemoved, info.file_id)
        return True

    def _retry_files(self, infos: Any) -> int:
        return sum(map(self.retry_file, infos))

    def retry_failed(self) -> int:
        return self._retry_files(info for info in self.list_files() if info.state == UploadState.FAILURE)

    def clean_list(self) -> None:
        self.calls.append(("clean_list",))
        for info in self.list_files():
            self.delete_file(info)

    def start_upload(self) -> None:
        self.calls.append(("start_upload",))
        if self.fail_with is not None:
            raise self.fail_with
        self.turn(UploaderState.START)

    def stop_upload(self) -> None:
        self.calls.append(("stop_upload",))
        self.turn(UploaderState.STOP)

    def start_ready(self) -> None:
        self.calls.append(("run_ready",))
        self.turn(UploaderState.START)

    def update_metadata(self, info: Any, **fields: Any) -> bool:
        self.calls.append(("update_metadata", info.name, fields))
        if info.state != UploadState.READY:
            return False
        info.title = fields.get("title", info.title)
        if "cover" in fields:
            info.cover_name = fields["cover"].name if fields["cover"] is not None else None
        return True

    def _resolve(self, *, required: bool) -> Any:
        raise MissingCredentialError("none here")

    def move_file(self, info: Any, index: int) -> bool:
        self.calls.append(("move_file", info.name, index))
        order = list(self.infos)
        before = order.index(info.file_id)
        order.insert(min(index, len(order) - 1), order.pop(before))
        self.infos = {file_id: self.infos[file_id] for file_id in order}
        self.emit(events.FileMoved, info.file_id)
        return order.index(info.file_id) != before

    def categories(self) -> list[Any]:
        self.calls.append(("categories",))
        return [Category(7, "2026", "Events / 2026", 1)]

    def play_url(self, info: Any) -> str:
        self.calls.append(("play_url", info.name))
        return f"https://cdn.example/{info.video_id}.mp4"

    def set_credentials(self, credentials: Any) -> None:
        self.calls.append(("set_credentials",))
        self.credentials = credentials

    def set_profile(self, name: str | None) -> None:
        self.calls.append(("set_profile", name))
        self.profile, self.credentials = name, None

    def subscribe(self, listener: Any) -> Any:
        self.listeners.append(listener)
        return lambda: self.listeners.remove(listener)

    def totals(self) -> Totals:
        infos = list(self.infos.values())
        counts = dict.fromkeys(UploadState, 0)
        for info in infos:
            counts[info.state] += 1
        size = sum(i.size_bytes for i in infos)
        sent = sum(i.size_bytes if i.state == UploadState.SUCCESS else i.sent_bytes for i in infos)
        return Totals(
            state=self.state,
            counts=counts,
            done=counts[UploadState.SUCCESS],
            failed=counts[UploadState.FAILURE],
            canceled=counts[UploadState.CANCELED],
            total=len(infos),
            size_bytes=size,
            done_bytes=sum(i.size_bytes for i in infos if i.state == UploadState.SUCCESS),
            failed_bytes=0,
            sent_bytes=sent,
            accepted_bytes=sent,
            speed_bytes_per_s=1.0 if self.state == UploaderState.START else 0.0,
            time_left_s=None,
            progress=sent / size if size else 0.0,
        )

    def file_snapshot(self, file_id: str) -> FileSnapshot | None:
        self.file_snapshots += 1
        info = self.infos.get(file_id)
        return None if info is None else self._freeze(info)

    def _freeze(self, info: Any) -> FileSnapshot:
        return FileSnapshot(
            file_id=info.file_id,
            name=info.name,
            path=info.path,
            source=info.source,
            size_bytes=info.size_bytes,
            media_type=info.media_type,
            state=info.state,
            phase=info.phase,
            video_id=info.video_id,
            image_id=info.image_id,
            image_url=info.image_url,
            media_id=info.video_id,
            object=None,
            bucket=None,
            endpoint=None,
            region=self.region,
            reference_id=None,
            sent_bytes=info.sent_bytes,
            accepted_bytes=info.sent_bytes,
            loaded_percent=1.0 if info.state == UploadState.SUCCESS else info.sent_bytes / info.size_bytes,
            speed_bytes_per_s=info.speed_bytes_per_s,
            time_left_s=info.time_left_s,
            error=info.error,
            attempts=info.attempts,
            wait_s=info.wait_s,
            wait_reason=info.wait_reason,
            title=info.title,
            metadata=info.metadata,
            duration_s=info.duration_s,
            actions=actions(info.state, info.phase),
            request_id=info.request_id,
            verified="crc64" if info.state == UploadState.SUCCESS else "",
            skipped=False,
        )

    def snapshot(self) -> UploaderSnapshot:
        self.snapshots += 1
        return UploaderSnapshot(self.totals(), tuple(self._freeze(i) for i in list(self.infos.values())))

    def wait(self, timeout_s: float | None = None) -> bool:
        self.calls.append(("wait", timeout_s))
        return not any(i.state in LEFT_TO_DO for i in self.infos.values())

    def run(self) -> list[Any]:
        self.calls.append(("run",))
        return []

    async def finished(self) -> None:
        self.calls.append(("finished",))

    def close(self) -> None:
        self.calls.append(("close",))


class RecordingScreen:
    """Keeps what the publisher says; `fail` makes every send raise, `lose` makes the next ones vanish."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.buffers: list[Any] = []
        self.traits: list[dict[str, Any]] = []
        self.ended: list[str] = []
        self.gone: list[str] = []
        self.fail = False
        self.attempts = 0

    def send(self, content: dict[str, Any], buffers: Any) -> None:
        self.attempts += 1
        if self.fail:
            raise RuntimeError("the comm is closed")
        self.messages.append(content)
        self.buffers.append(buffers)

    def show(self, traits: dict[str, Any]) -> None:
        self.attempts += 1
        if self.fail:
            raise RuntimeError("the comm is closed")
        self.traits.append(traits)

    def finished(self, done: Any, gone: Any) -> None:
        self.ended += [file.file_id for file in done]
        self.gone += gone

    def of(self, *kinds: str) -> list[dict[str, Any]]:
        return [message for message in self.messages if message["kind"] in kinds]


class InlineWorkers:
    """Runs jobs at once; `hold` keeps them back to play a dead disk."""

    def __init__(self) -> None:
        self.hold = False
        self.held: list[Any] = []
        self.full = False

    def run(self, job: Any) -> bool:
        if self.full:
            return False
        if self.hold:
            self.held.append(job)
        else:
            job()
        return True

    def join(self, timeout_s: float) -> None:
        pass


class Rig:
    """Publisher, pages and handler around a fake core, without any thread; `run` lets time pass."""

    def __init__(
        self,
        *,
        policy: Policy | None = None,
        root: Any = None,
        uploader: Any = None,
        direct: bool = False,
        reload_ends: bool = False,
    ) -> None:
        self.clock = FakeClock()
        self.uploader = uploader or FakeUploader(self.clock)
        self.screen = RecordingScreen()
        self.policy = policy or Policy.private()
        self.accounts = Accounts(self.uploader, self.clock)
        self.publisher = Publisher(
            self.uploader,
            self.screen,
            self.clock,
            account=self.accounts.facts,
            is_answered=self.accounts.is_answered,
            reload_ends=reload_ends,
        )
        self.pages = Pages(
            self.uploader,
            self.publisher.post,
            self.clock,
            self.policy,
            patience_s=900.0,
            direct=direct,
            reload_ends=reload_ends,
        )
        self.publisher.ask_for_owed(self.pages.owed)
        files = KernelFiles(root, self.clock)
        self.handler = Handler(
            self.uploader,
            policy=self.policy,
            publisher=self.publisher,
            pages=self.pages,
            accounts=self.accounts,
            files=files,
            commands=Commands(self.uploader, files, self.policy),
            clock=self.clock,
            comm_id="comm-1",
            read_in=lambda _language: None,
        )
        self.workers = InlineWorkers()
        self.handler._disk = self.handler._others = self.workers  # type: ignore[assignment]
        self.uploader.subscribe(self._listen)
        self._ids = itertools.count(1)

    def _listen(self, event: Any) -> None:
        self.pages.listen(event)
        self.publisher.listen(event)

    def run(self, seconds: float = 0.0) -> None:
        """Let the publisher do what its thread would do until the clock stands `seconds` later."""
        until_s = self.clock.at_s + seconds
        for _ in range(100_000):
            due_s = self.publisher.step()
            if due_s is None or due_s > until_s:
                break
            self.clock.at_s = max(self.clock.at_s, due_s)
        self.clock.at_s = max(self.clock.at_s, until_s)
        self.publisher.step()

    def say(self, content: Any, buffers: Any = None) -> list[dict[str, Any]]:
        """Hand in one message; return the answers that it led to."""
        before = len(self.screen.of("answer"))
        self.handler.handle(content, buffers)
        self.run()
        return self.screen.of("answer")[before:]

    def ask(self, kind: str, /, buffers: Any = None, **keys: Any) -> dict[str, Any]:
        answers = self.say({"id": next(self._ids), "kind": kind, **keys}, buffers)
        assert len(answers) == 1, answers
        return answers[0]

    def data(self, kind: str, /, buffers: Any = None, **keys: Any) -> dict[str, Any]:
        answer = self.ask(kind, buffers, **keys)
        assert answer.get("ok") is True, answer
        return answer["data"]

    def code(self, kind: str, /, buffers: Any = None, **keys: Any) -> str:
        answer = self.ask(kind, buffers, **keys)
        assert "ok" not in answer, answer
        return answer["error"]["code"]

    def hello(self) -> dict[str, Any]:
        return self.data("hello", version=2, locale="en")


class Mirror:
    """A page that believes what it is told: what a front-end shows after the messages that reached it."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, Any]] = {}
        self.order: list[str] = []
        self.summary: dict[str, Any] = {}
        self.seq: int | None = None
        self.saw_gap = False

    def take(self, message: dict[str, Any]) -> None:
        if message["kind"] not in ("snapshot", "rows"):
            return
        gap = self.seq is not None and message["seq"] != self.seq + 1
        self.seq = message["seq"]
        self.summary = message["summary"]
        if message["kind"] == "snapshot":
            self.order = [row["file_id"] for row in message["rows"]]
            self.rows = {}
            self.saw_gap = False
        elif gap:
            self.saw_gap = True
        for row in message["rows"]:
            self.rows[row["file_id"]] = row


class FakeComm:
    """What ipywidgets asks of a comm; remembers each message with the thread that sent it."""

    opened: list[FakeComm] = []

    def __init__(self, **kwargs: Any) -> None:
        self.comm_id = kwargs.get("comm_id") or f"comm-{len(FakeComm.opened)}"
        self.opening = kwargs.get("data")
        self.sent: list[dict[str, Any]] = []
        self.callback: Any = None
        self.closed = False
        self.broken = False
        self.lock = threading.Lock()
        FakeComm.opened.append(self)

    def on_msg(self, callback: Any) -> None:
        self.callback = callback

    def send(self, data: Any = None, metadata: Any = None, buffers: Any = None) -> None:
        if self.broken:
            raise RuntimeError("the socket is gone")
        with self.lock:
            self.sent.append({"data": data, "buffers": buffers, "thread": threading.current_thread().name})

    def close(self, *args: Any, **kwargs: Any) -> None:
        self.closed = True

    # ---- the page's side -------------------------------------------------------------------------

    def receive(self, data: Any, buffers: Any = None) -> None:
        self.callback({"content": {"data": data}, "buffers": buffers or []})

    def custom(self) -> list[dict[str, Any]]:
        with self.lock:
            return [m["data"]["content"] for m in self.sent if m["data"].get("method") == "custom"]

    def answers(self) -> list[dict[str, Any]]:
        return [content for content in self.custom() if content["kind"] == "answer"]

    def updates(self, method: str = "update") -> list[dict[str, Any]]:
        with self.lock:
            return [m["data"]["state"] for m in self.sent if m["data"].get("method") == method]


def failure(error: VODError) -> dict[str, Any]:
    return {"state": UploadState.FAILURE, "error": error}


def not_now() -> InvalidStateError:
    return InvalidStateError("not now")
