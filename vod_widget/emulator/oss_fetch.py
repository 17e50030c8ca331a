"""Asynchronous fetch: an object that OSS gets from an address by itself.

What lives here: `FetchTask`, and `FetchDesk` with the two operations and the steps of a task. It imports
`oss_callback`, `oss_xml`, `storage`; under the lock of `Cloud`. Fetching is done by whoever takes the tasks
(`courier`), outside of the lock.

Source: OSS "PutAsyncFetchTask", "GetAsyncFetchTask"; states and statuses of errors are those of oss2.
"""

from __future__ import annotations

import base64
import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from vod_widget.emulator import checks, oss_callback, oss_xml
from vod_widget.emulator.blobs import Blob
from vod_widget.emulator.book import Book
from vod_widget.emulator.errors import OssError, oss_invalid_argument
from vod_widget.emulator.oss_checks import STORAGE_CLASS, check_names
from vod_widget.emulator.oss_copies import CheckRight
from vod_widget.emulator.oss_names import OssRequest
from vod_widget.emulator.oss_settings import text_of
from vod_widget.emulator.oss_tickets import Ticket
from vod_widget.emulator.oss_views import Callback, OssAnswer
from vod_widget.emulator.storage import ObjectStore

RIGHTS: Mapping[str, str] = {"PutAsyncFetchTask": "oss:PutObject", "GetAsyncFetchTask": "oss:GetBucketInfo"}
_FLAGS = ("true", "false")


@dataclass
class FetchTask:
    """One object to get."""

    task_id: str
    bucket: str
    key: str
    url: str
    host: str
    """What the request to the address shall say in Host, "" for the address' own."""
    content_md5: str
    callback: str
    """Base64, as it came."""
    ignore_same_key: bool
    callback_when_failed: bool
    state: str = "Running"
    """Running, Success, Failed or FetchSuccessCallbackFailed."""
    error: str = ""


class FetchDesk:
    """Take, run and describe fetches.

    Args:
        store: Keeps the objects.
        rng: Makes ids.
        book: Where tasks are written down.
    """

    def __init__(self, store: ObjectStore, rng: random.Random, book: Book) -> None:
        self._store = store
        self._rng = rng
        self._book = book
        self.tasks: dict[str, FetchTask] = {}
        self.on_task: Callable[[FetchTask], None] = _nobody_fetches

    def clear(self) -> None:
        """Forget the tasks."""
        self.tasks.clear()

    # --- operations ----------------------------------------------------------------------

    def answer(self, ticket: Ticket, body: bytes, check_right: CheckRight) -> OssAnswer:
        """Perform one operation.

        Args:
            ticket: The request, and whose it is.
            body: Its body.
            check_right: Raises when a key may not perform an operation.

        Raises:
            OssError: It is refused; nothing has happened.
        """
        request = ticket.request
        if ticket.operation == "GetAsyncFetchTask":
            task_id = request.headers.get("x-oss-task-id", "")
            found = self.tasks.get(task_id)
            if found is None or found.bucket != request.bucket:
                text = "The asynchronous fetch task does not exist."
                raise OssError(404, "NoSuchAsyncFetchTask", text, extras={"TaskId": task_id})
            return _shown(found)
        if not request.headers.get("content-md5"):
            raise OssError(400, "MissingArgument", "Missing Some Required Arguments.", extras={"Header": "Content-MD5"})
        task = self._read(request, oss_xml.plain(oss_xml.parse(body, "AsyncFetchTaskConfiguration")))
        named = OssRequest("PUT", task.bucket, task.key, headers=request.headers)
        check_names(named)
        check_right(ticket.key, "PutObject", named)
        if task.ignore_same_key and self._store.find(task.bucket, task.key) is not None:
            raise OssError(400, "ObjectAlreadyExists", "The object you specified already exists.")
        self.tasks[task.task_id] = task
        self._write(task)
        self.on_task(task)
        return OssAnswer(200, body=oss_xml.document("AsyncFetchTaskResult", [("TaskId", task.task_id)]))

    def _read(self, request: OssRequest, root: ET.Element) -> FetchTask:
        said = {node.tag: (node.text or "").strip() for node in root}
        if checks.web_address(said.get("Url", "")) is None:
            raise oss_invalid_argument("The url of the fetch is not valid.", name="Url", value=said.get("Url", ""))
        if not said.get("Object"):
            raise oss_invalid_argument("The object of the fetch is not valid.", name="Object", value="")
        digest = said.get("ContentMD5", "")
        if digest and not re.fullmatch(r"[A-Za-z0-9+/]{22}==", digest):
            raise OssError(400, "InvalidDigest", "The Content-MD5 you specified is not valid.")
        for name in ("IgnoreSameKey", "CallbackWhenFailed"):
            if said.get(name, "true") not in _FLAGS:
                raise oss_invalid_argument("The value is not valid.", name=name, value=said[name])
        oss_callback.parse(said.get("Callback", ""))
        return FetchTask(
            task_id=f"{self._rng.getrandbits(128):032x}",
            bucket=request.bucket,
            key=oss_xml.key_of(text_of(root, "Object")),
            url=said["Url"],
            host=said.get("Host", ""),
            content_md5=digest,
            callback=said.get("Callback", ""),
            ignore_same_key=said.get("IgnoreSameKey", "true") == "true",
            callback_when_failed=said.get("CallbackWhenFailed", "false") == "true",
        )

    # --- steps of a task -----------------------------------------------------------------

    def finish(self, task: FetchTask, blob: Blob, content_type: str) -> Callback | None:
        """Store what was fetched; return the callback that is due, if any."""
        if self.tasks.get(task.task_id) is not task:
            self._store.blobs.remove([blob])  # reset meanwhile
            return None
        if task.content_md5 and base64.b64decode(task.content_md5).hex().upper() != blob.md5_hex:
            self._store.blobs.remove([blob])
            return self.fail(task, "The fetched content does not have the given MD5.")
        home = self._store.find_bucket(task.bucket)
        if home is None:
            self._store.blobs.remove([blob])
            return self.fail(task, "The bucket does not exist any more.")
        headers = {"Content-Type": content_type or "application/octet-stream", STORAGE_CLASS: home.storage_class}
        try:
            if home.versioning != "Enabled":
                self._store.check_mutable(task.bucket, task.key)
            stored = self._store.put(task.bucket, task.key, blob, headers)
        except OssError as problem:
            self._store.blobs.remove([blob])
            return self.fail(task, problem.message)
        wish = oss_callback.parse(task.callback)
        if wish is None:
            self._end(task, "Success")
            return None
        return wish.call(oss_callback.facts_of(stored, "AsyncFetch", task.task_id))

    def fail(self, task: FetchTask, message: str) -> Callback | None:
        """End a task without an object; return the callback that is due, if any."""
        self._end(task, "Failed", message)
        wish = oss_callback.parse(task.callback) if task.callback_when_failed else None
        return wish.call({"bucket": task.bucket, "object": task.key, "reqId": task.task_id}) if wish else None

    def called(self, task: FetchTask, problem: str) -> None:
        """Take notice of what became of the callback."""
        if task.state == "Running":
            self._end(task, "FetchSuccessCallbackFailed" if problem else "Success", problem)

    def _end(self, task: FetchTask, state: str, error: str = "") -> None:
        task.state, task.error = state, error
        self._write(task)

    def _write(self, task: FetchTask) -> None:
        if self.tasks.get(task.task_id) is task:
            self._book.put("fetch", task.task_id, task)


def _nobody_fetches(task: FetchTask) -> None:
    del task


def _shown(task: FetchTask) -> OssAnswer:
    info = [
        ("Url", task.url),
        ("Object", task.key),
        ("Host", task.host),
        ("ContentMD5", task.content_md5),
        ("Callback", task.callback),
        ("IgnoreSameKey", str(task.ignore_same_key).lower()),
        ("CallbackWhenFailed", str(task.callback_when_failed).lower()),
    ]
    pairs = [("TaskId", task.task_id), ("State", task.state), ("ErrorMsg", task.error)]
    inner = f"<TaskInfo>{oss_xml.elements(info)}</TaskInfo>"
    return OssAnswer(200, body=oss_xml.document("AsyncFetchTaskInfo", pairs, inner))
