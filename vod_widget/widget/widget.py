"""`VODUploadWidget`: the ipywidgets shell around publisher, handler and uploader.

Traits are display only. The publisher's thread alone writes them, in one message for all; what a front-end sets is
ignored and answered with the truth, for ipywidgets would let it set even read-only traits. Methods may be called from
any thread. The one module of the package that imports ipywidgets and anywidget.
"""

from __future__ import annotations

import asyncio
import contextvars
import difflib
import inspect
import logging
import os
import threading
import warnings
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import anywidget
import ipywidgets
import traitlets

from vod_widget.errors import InvalidArgumentError
from vod_widget.interfaces import Clock
from vod_widget.model import Rows, UploadState
from vod_widget.secret import Secret, redact
from vod_widget.states import LEFT_TO_DO
from vod_widget.system import SystemClock

from . import table
from .accounts import Accounts
from .assets import STATIC, packed_bundle
from .cells import Cells
from .commands import Commands
from .handler import Handler
from .hosts import reload_ends_the_kernel
from .interrupts import interruptible
from .logs import guard_kernel_logs
from .pages import Pages
from .paths import KernelFiles
from .policy import Policy
from .publisher import Publisher
from .saved import SavedTable
from .shells import let_clicks_through, let_requests_be_read
from .unfinished import Unfinished

if TYPE_CHECKING:
    from vod_widget.upload_info import FileSnapshot, UploadInfo
    from vod_widget.uploader import VODUpload

__all__ = ["VODUploadWidget"]

_log = logging.getLogger(__name__)

WIDGET_PATIENCE_S = 900.0
"""In a notebook somebody looks on and can press Stop: transient faults are retried for a quarter of an hour."""

# A page that does not take messages must not hold up the cell.
_FLUSH_S = 2.0
_DISPLAY = ("state", "progress", "done", "failed", "total", "speed")
_SHELL_OPTIONS = ("layout", "locale", "tooltip", "tabbable")
_LOCALES = ("", "en", "zh-CN")
_CELLS = Cells()
# What decides where files go: a widget with another one of these is another upload.
_PLACE_OPTIONS = ("endpoint", "profile", "region", "user_id", "checkpoint_dir")


class VODUploadWidget(anywidget.AnyWidget):
    """Upload files to ApsaraVideo VOD from a notebook.

    Everything that the screen can do is a method as well, and everything that it shows can be observed or linked.

    Running the cell again goes on with the same queue: files, results and keys of the session stay, other options and
    callbacks are taken anew. Only with another destination (endpoint, profile, region, ...) it begins a new one, and a
    warning says what the earlier one still sends.

    Args:
        uploader: An uploader of yours; None makes one from `options`, which is closed with the widget.
        policy: What a page may do; None is `Policy.private()`. Give `Policy.public()` to pages for strangers.
        root: Folder, or folders, of the kernel's machine that the page may look into; None is everything, beginning in
            the working folder.
        direct: True sends files of the browser straight from the page to the storage, by URLs that the kernel signs for
            one part each; what cannot go so (CORS, no route) goes through the kernel. Only if the policy lets it.
        locale: Language of the screen: "" follows the page, "en", "zh-CN".
        options: Options of `VODUpload`, and `layout`, `tooltip`, `tabbable` of ipywidgets.

    Raises:
        InvalidArgumentError: An unknown name (with the nearest one) or a bad value.

    Attributes:
        uploader: The `VODUpload` behind the screen.
        state: State of the queue, the vendor's word.
        progress: Fraction 0..1 of all bytes.
        done: Files that are stored and verified.
        failed: Files that failed.
        total: Files in the list.
        speed: Bytes a second.
        results: One plain dict for each file that ended; what was stored stays here when it leaves the list. Not sent
            to the browser.
    """

    # Where builds are brought into the page, anywidget must see the file.
    _esm: Any = STATIC / "widget.js" if os.environ.get("ANYWIDGET_HMR") == "1" else packed_bundle()
    _css = STATIC / "widget.css"

    state = traitlets.Unicode("Init", help="State of the queue.").tag(sync=True)
    progress = traitlets.Float(0.0, help="Fraction 0..1 of all bytes.").tag(sync=True)
    done = traitlets.Int(0, help="Files stored and verified.").tag(sync=True)
    failed = traitlets.Int(0, help="Files that failed.").tag(sync=True)
    total = traitlets.Int(0, help="Files in the list.").tag(sync=True)
    speed = traitlets.Float(0.0, help="Bytes a second.").tag(sync=True)
    locale = traitlets.Enum(_LOCALES, default_value="", help="Language of the screen.").tag(sync=True)
    results: traitlets.List[dict[str, Any]] = traitlets.List(
        help="One dict for each file that ended; kernel side only."
    )

    @traitlets.default("layout")
    def _fill_a_box(self) -> ipywidgets.Layout:
        # In an HBox a child is as wide as its contents, and the widget fits into any width.
        return ipywidgets.Layout(flex="1 1 auto")

    def __init__(
        self,
        uploader: VODUpload | None = None,
        *,
        policy: Policy | None = None,
        root: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | None = None,
        direct: bool = False,
        **options: Any,
    ) -> None:
        shell = {name: options.pop(name) for name in _SHELL_OPTIONS if name in options}
        self._is_open = False
        self._direct = direct
        clock: Clock = SystemClock()
        files = KernelFiles(root, clock)
        self._policy = policy if policy is not None else Policy.private()
        self._owns_uploader = uploader is None
        made = _make_uploader(options) if uploader is None else _take_uploader(uploader, options)
        earlier = self._earlier(made)
        self.uploader = made if earlier is None else earlier._hand_over(made)
        self._results: dict[str, dict[str, Any]] = {} if earlier is None else dict(earlier._results)
        self._clock = clock
        self._closing = threading.Lock()
        try:
            super().__init__(**shell)
            # ipywidgets closes no layout; one that nobody gave would stay open, with its comm, at each run of the cell.
            self._own_layout = None if "layout" in shell else self.layout
        except BaseException:
            if self._owns_uploader:
                self.uploader.close()
            raise
        _let_go_of_file_watchers()
        guard_kernel_logs()
        self._wire(files, clock, earlier)
        if earlier is not None:
            earlier.close()

    def _earlier(self, made: VODUpload) -> VODUploadWidget | None:
        """Find the widget of an earlier run of this cell to the same destination: its queue goes on here."""
        self._place = {name: getattr(made, name, None) for name in _PLACE_OPTIONS}
        found = [one for one in _CELLS.come(self) if isinstance(one, VODUploadWidget) and one._is_open]
        for earlier in found:
            if self._owns_uploader and earlier._owns_uploader:
                if earlier._place == self._place:
                    return earlier
            elif earlier.uploader is made:
                return earlier
        left = sum(info.state in LEFT_TO_DO for one in found for info in one.uploader.list_files())
        if left:
            warnings.warn(
                f"The widget that this cell showed before went to another destination. {left} of its files are not "
                "sent yet; they go on unseen. Undo the change and run the cell again to see them.",
                stacklevel=3,
            )
        return None

    def _hand_over(self, made: VODUpload) -> VODUpload:
        """Give the queue away, with the options of the uploader that would have been a new one."""
        uploader = self.uploader
        if made is uploader:
            return uploader
        from vod_widget.options import CALLBACKS, OPTIONS

        for option in OPTIONS:
            if option.name not in _PLACE_OPTIONS:
                setattr(uploader, option.name, getattr(made, option.name))
        for name in (*CALLBACKS, "get_auth"):
            setattr(uploader, name, getattr(made, name))
        if made.credentials is not None and not self._accounts.has_typed_keys:
            uploader.set_credentials(made.credentials)
        made.close()
        self._owns_uploader = False
        return uploader

    def _wire(self, files: KernelFiles, clock: Clock, earlier: VODUploadWidget | None) -> None:
        uploader = self.uploader
        given_s = getattr(uploader, "patience_s", None)
        patience_s = WIDGET_PATIENCE_S if given_s is None else float(given_s)
        self._accounts = Accounts(uploader, clock, names_only=not self._policy.allows("list_profiles"))
        # The publisher must not keep the widget alive, and must end with it.
        screen = _Screen(weakref.ref(self))
        reload_ends = reload_ends_the_kernel()
        self._publisher: Publisher = Publisher(
            uploader,
            screen,
            clock,
            account=self._accounts.facts,
            is_answered=self._accounts.is_answered,
            reload_ends=reload_ends,
            stopwatch=None if earlier is None else earlier._publisher.stopwatch,
        )
        pages = Pages(
            uploader,
            self._publisher.post,
            clock,
            self._policy,
            patience_s=patience_s,
            direct=self._direct,
            reload_ends=reload_ends,
        )
        self._publisher.ask_for_owed(pages.owed)
        if earlier is not None:
            self._accounts.take_over(earlier._accounts)
            pages.take_over(earlier._pages)
        self._pages: Pages = pages
        language = "en" if earlier is None else earlier._saved.language
        self._saved: SavedTable = SavedTable(
            _words_weakly(weakref.ref(self)), clock, self._publisher.call_later, language
        )
        self._commands = Commands(uploader, files, self._policy)
        self._handler = Handler(
            uploader,
            policy=self._policy,
            publisher=self._publisher,
            pages=pages,
            accounts=self._accounts,
            files=files,
            commands=self._commands,
            clock=clock,
            comm_id=self.model_id or "",
            read_in=self._saved.read_in,
            reload_ends=reload_ends,
        )
        unsubscribe = _subscribe(uploader, self._publisher, pages)
        uploader._keep_waiting()
        self.on_msg(_handle_weakly(weakref.ref(self)))
        let_clicks_through(self.comm)
        let_requests_be_read()
        self._is_open = True
        self._publisher.start()
        self._finalizer = weakref.finalize(self, _end, self._publisher, pages, unsubscribe)
        # At the interpreter's exit the daemon threads end by themselves; waiting for them would only delay it.
        self._finalizer.atexit = False

    # ---- what the screen can do --------------------------------------------------------------------

    def add(self, *files: Any, **metadata: Any) -> list[UploadInfo]:
        """Add files: whatever `VODUpload.add_file` takes, with the same metadata for all; `add_paths` takes folders.

        Raises:
            UsageError: One is refused; those before it are in the list.
        """
        return Rows(self._commands.add(file, metadata) for file in files)

    def add_paths(self, *paths: str) -> dict[str, Any]:
        """Add files, folders and globs of this machine inside `root`, as the screen does.

        Returns:
            `added` and `refused`, lists of dicts; nothing is raised for a single file.
        """
        return _printed_short(self._commands.add_paths(paths))

    def add_addresses(self, *urls: str) -> dict[str, Any]:
        """Add files behind https addresses, as the screen does; this machine reads them and stores nothing.

        Returns:
            `added` and `refused`, lists of dicts; nothing is raised for a single address.
        """
        return _printed_short(self._commands.add_addresses(urls))

    def start(self) -> None:
        """Start, or go on; stopped and failed files are queued again.

        Raises:
            MissingCredentialError: No credentials were found.
        """
        self._accounts.require_some()
        self.uploader.start_upload()

    def stop(self) -> None:
        """Halt the queue; what was sent is kept."""
        self.uploader.stop_upload()

    def cancel(self, *files: UploadInfo | str | int) -> int:
        """Give files up; return how many changed. A file is an `UploadInfo`, a file id or an index."""
        return self._commands.apply("cancel", self._named(files))

    def pause(self, *files: UploadInfo | str | int) -> int:
        """Halt files and keep what was sent; return how many changed."""
        return self._commands.apply("pause", self._named(files))

    def resume(self, *files: UploadInfo | str | int) -> int:
        """Go on with paused, stopped, canceled or failed files; return how many changed."""
        return self._commands.apply("resume", self._named(files))

    def retry(self, *files: UploadInfo | str | int) -> int:
        """Try failed files again, all of them when none is named; return how many changed."""
        return self._commands.apply("retry", self._named(files)) if files else self.uploader.retry_failed()

    def remove(self, *files: UploadInfo | str | int) -> int:
        """Take files off the list; the cloud is not touched. Return how many there were."""
        return self._commands.apply("remove", self._named(files))

    def move(self, *files: UploadInfo | str | int, where: str = "first") -> int:
        """Move files in the list, whose order is that in which they start; return how many moved.

        Args:
            files: `UploadInfo`, file id or index.
            where: `first`, `up`, `down` or `last`.
        """
        if where not in ("first", "up", "down", "last"):
            raise InvalidArgumentError(f"where must be first, up, down or last, not {where!r}")
        return self._commands.move(self._named(files), where)

    def take_back(self) -> int:
        """Bring back what an earlier kernel left unfinished on the way to the same place; return how many files came.

        They come as Stopped; `start()` goes on with them. Files of a browser go on when they are added again.

        Raises:
            VODError: No keys were found, or the journal cannot be used.
        """
        return Unfinished(self.uploader).take_back()

    def clear(self, which: str = "done") -> int:
        """Take many files off the list.

        Args:
            which: `done`, `failed` (with the canceled ones) or `all`.
        """
        if which not in ("done", "failed", "all"):
            raise InvalidArgumentError(f"clear takes done, failed or all, not {which!r}")
        return self._commands.clear(which)

    def choose_profile(self, name: str) -> str | None:
        """Use a profile by its name; `emulator` starts the built-in service. Return the name of what is used."""
        name_used = self._accounts.choose(name)
        self._publisher.refresh(self._accounts.answered())
        return name_used

    def set_credentials(
        self,
        access_key_id: str,
        access_key_secret: str | Secret,
        security_token: str | Secret | None = None,
        region: str = "",
    ) -> str:
        """Use keys for this session only; they are written nowhere. Return the masked id.

        A key that is typed into a cell stays in the notebook; prefer a profile, or the panel of the widget.
        """
        masked_id: str = self._accounts.use_keys(
            access_key_id, _secret(access_key_secret), _secret(security_token) if security_token else None, region
        )["masked_id"]
        self._publisher.refresh(self._accounts.answered())
        return masked_id

    def test_credentials(self) -> bool:
        """Ask who the keys belong to and whether they may upload, as the Test button does; True when all is well."""
        return bool(self._accounts.test()["ok"])

    def forget_credentials(self) -> str | None:
        """Forget the keys of this session; return the name of what is used then."""
        name = self._accounts.forget_keys()
        self._publisher.refresh(self._accounts.answered())
        return name

    def profiles(self) -> list[dict[str, Any]]:
        """Every profile that can be chosen, or that says why not; keys are masked."""
        rows: list[dict[str, Any]] = self._accounts.list_profiles()["profiles"]
        return rows

    @property
    def slice_bytes(self) -> dict[int, int]:
        """Largest piece of a browser's file that each page's host carries, by the page; 0 where none comes through.

        Found out by trying with a page's first file; empty before.
        """
        return dict(self._pages.reaches)

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until every file is through or the queue is stopped; the cell is blocked, the uploads go on.

        What the buttons do meanwhile is up to the kernel. ipykernel 7: they act at once. ipykernel 6, and a JupyterLab
        whose setting `commsOverSubshells` is "disabled": clicks are carried out when the cell has ended. Everywhere the
        kernel's interrupt (the square button of the notebook) ends the wait at once and leaves the uploads alone: press
        Stop or Cancel in the widget then. With `start()` alone nothing is blocked, and every button works everywhere.

        Args:
            timeout_s: Longest wait, seconds; None for no limit.

        Returns:
            False at the timeout.

        Raises:
            InvalidStateError: Called from a callback, which would wait for itself.
        """
        ended = bool(interruptible(self.uploader, lambda: self.uploader.wait(timeout_s)))
        self._tell_all()
        return ended

    def run(self) -> Any:
        """Start and wait; return the results of all files. The cell is blocked; `wait` says what works meanwhile.

        A file's failure never raises; it is in its result. When this returns the traits and the saved table are true:
        it is what a notebook needs that is executed without a browser (nbconvert, papermill).

        Raises:
            MissingCredentialError: No credentials were found.
        """
        results = interruptible(self.uploader, self.uploader.run)
        self._tell_all()
        return results

    async def finished(self) -> Any:
        """Wait for the end as `wait` does, in a cell with `await`: coroutines of yours go on meanwhile.

        On ipykernel 6 clicks wait for the end of this cell too.
        """
        await self.uploader.finished()
        await asyncio.to_thread(self._tell_all)

    def _tell_all(self) -> None:
        """Bring traits and the saved table up to date, in the cell that runs: headless tools keep what that says."""
        self._publisher.flush(_FLUSH_S)
        self._saved.settle()

    def _named(self, files: Iterable[UploadInfo | str | int]) -> list[UploadInfo]:
        listed = self.uploader.list_files()
        by_id = {info.file_id: info for info in listed}
        found = []
        for file in files:
            if isinstance(file, str):
                if file not in by_id:
                    raise InvalidArgumentError(f"no file with the id {file!r} is in the list")
                found.append(by_id[file])
            else:
                found.append(listed[file] if isinstance(file, int) else file)
        return found

    # ---- the shell ---------------------------------------------------------------------------------

    def set_state(self, sync_data: Mapping[str, Any]) -> None:
        """Take what a front-end set: nothing of it is believed, the truth is sent back.

        ipywidgets would set even read-only traits here. A front-end waits for an echo of its own update before it takes
        further values of that key, so the truth goes out as one, in the context of its message.
        """
        keys = [key for key in sync_data if isinstance(key, str) and key in self.keys]
        if not keys or not self._is_open:
            return
        context = contextvars.copy_context()
        me = weakref.ref(self)
        self._publisher.call_later(0.0, lambda: context.run(_tell_truth, me, keys))

    def notify_change(self, change: Any) -> None:
        """Let the publisher alone send the display traits, all in one message."""
        if change["name"] in _DISPLAY:
            traitlets.HasTraits.notify_change(self, change)
        else:
            super().notify_change(change)

    def _handle_msg(self, msg: Any) -> None:
        """Take one message of the comm; a bad one is dropped, for a traceback in a cell helps nobody."""
        try:
            data = msg["content"]["data"]
            method = data["method"]
        except (KeyError, TypeError):
            return
        if method == "custom":
            self._handle_custom_msg(data.get("content"), msg.get("buffers") or [])
        elif method == "request_state":
            self.send_state()
        elif method == "update" and isinstance(data.get("state"), dict):
            self.set_state(data["state"])

    def _show(self, traits: dict[str, Any]) -> None:
        """Set the display traits and send them in one message (the publisher's thread)."""
        for name, value in traits.items():
            try:
                setattr(self, name, value)
            except Exception as error:
                # An observer of the person's raised; it must not cost the others their values.
                _log.warning("an observer of %s raised %s", name, type(error).__name__)
        self.send_state(list(traits))

    def _take_finished(self, ended: Sequence[FileSnapshot], gone: Sequence[str]) -> None:
        """Keep `results` true (the publisher's thread)."""
        for file_id in gone:
            if self._results.get(file_id, {}).get("state") != UploadState.SUCCESS:
                self._results.pop(file_id, None)
        for file in ended:
            self._results[file.file_id] = _result(file)
        self._saved.owe()
        self.results = Rows(self._results.values())

    def __repr__(self) -> str:
        return table.as_text(self._numbers())

    def _numbers(self) -> dict[str, Any]:
        if not self._is_open:
            return {"state": self.state, "done": self.done, "failed": self.failed, "total": self.total}
        totals = self.uploader.totals()
        return {
            "state": str(totals.state),
            "done": totals.done,
            "failed": totals.failed,
            "total": totals.total,
        }

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """The widget, and beside it a text and a table for viewers that have no kernel."""
        bundle = super()._repr_mimebundle_(**kwargs)
        if bundle is None:
            return None
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
        data["text/plain"] = repr(self)
        # The results stand in the output of their own, if there is one: twice they would contradict each other soon.
        apart = self._is_open and self._saved.show_after_cell()
        data["text/html"] = ("" if apart else self._table()) or table.invitation(self.locale or self._saved.language)
        return data, metadata

    def _table(self) -> str:
        """The files that ended, as HTML; "" when none has."""
        if not self.results:
            return ""
        profile = self._accounts.facts()["profile"] if self._is_open else None
        region = profile["region"] if profile else ""
        locale = self.locale or self._saved.language
        return table.as_html(self._numbers(), self.results, region=region, now_s=self._clock.now_s(), locale=locale)

    def close(self) -> None:
        """End the widget's threads and its view; an uploader that it made is closed, yours is left alone."""
        if getattr(self, "_is_open", False):
            with self._closing:
                was_open, self._is_open = self._is_open, False
            if was_open:
                if self._owns_uploader:
                    self.uploader.stop_upload()
                self._finalizer()
                self._saved.settle()
                self._results = {}
                self._handler.close()
                if self._owns_uploader:
                    self.uploader.close()
                if self._own_layout is not None:
                    self._own_layout.close()
        super().close()


# ---- what holds no widget alive ---------------------------------------------------------------------


class _Screen:
    """The publisher's way to the widget, through a weak reference."""

    def __init__(self, widget: weakref.ref[VODUploadWidget]) -> None:
        self._widget = widget

    def send(self, content: dict[str, Any], buffers: Sequence[Any] | None) -> None:
        widget = self._widget()
        if widget is not None:
            widget.send(content, buffers)

    def show(self, traits: dict[str, Any]) -> None:
        widget = self._widget()
        if widget is not None:
            widget._show(traits)

    def finished(self, done: Sequence[FileSnapshot], gone: Sequence[str]) -> None:
        widget = self._widget()
        if widget is not None:
            widget._take_finished(done, gone)


def _handle_weakly(me: weakref.ref[VODUploadWidget]) -> Callable[[Any, Any, Any], None]:
    def handle(_widget: Any, content: Any, buffers: Any) -> None:
        widget = me()
        if widget is not None and widget._is_open:
            widget._handler.handle(content, buffers)

    return handle


def _words_weakly(me: weakref.ref[VODUploadWidget]) -> Callable[[], tuple[str, str] | None]:
    def words() -> tuple[str, str] | None:
        widget = me()
        return None if widget is None else (repr(widget), widget._table())

    return words


def _tell_truth(me: weakref.ref[VODUploadWidget], keys: list[str]) -> None:
    widget = me()
    if widget is None or not widget._is_open:
        return
    widget._send({"method": "echo_update", "state": widget.get_state(keys), "buffer_paths": []})
    widget.send_state(keys)


def _subscribe(uploader: VODUpload, publisher: Publisher, pages: Pages) -> Callable[[], None]:
    def listen(event: Any) -> None:
        pages.listen(event)
        publisher.listen(event)

    return uploader.subscribe(listen)


def _end(publisher: Publisher, pages: Pages, unsubscribe: Callable[[], None]) -> None:
    unsubscribe()
    pages.close()
    publisher.close()


def _let_go_of_file_watchers() -> None:
    """Let widgets be collected.

    anywidget 0.11 connects each widget to the change signal of its class's files, and never lets go of it. The signal
    serves live reloading alone, which a variable turns on. Remove when anywidget holds its widgets weakly.
    """
    if os.environ.get("ANYWIDGET_HMR") == "1":
        return
    for contents in (VODUploadWidget._esm, VODUploadWidget._css):
        changed = getattr(contents, "changed", None)
        if changed is not None:
            changed.disconnect()


def _secret(value: str | Secret) -> Secret:
    return value if isinstance(value, Secret) else Secret(value.strip())


def _make_uploader(options: dict[str, Any]) -> VODUpload:
    from vod_widget.options import CALLBACKS, OPTIONS, PLAIN
    from vod_widget.uploader import VODUpload

    known = [*(option.name for option in OPTIONS), *PLAIN, *CALLBACKS]
    own = [*_SHELL_OPTIONS, *list(inspect.signature(VODUploadWidget.__init__).parameters)[1:-1]]
    for name in options:
        if name not in known:
            near = difflib.get_close_matches(name, [*own, *known], n=1)
            meant = f"; did you mean {near[0]!r}?" if near else ""
            raise InvalidArgumentError(
                f"VODUploadWidget has no option {name!r}{meant}", code="Option", hint="See help(VODUploadWidget)."
            )
    return VODUpload(**{"patience_s": WIDGET_PATIENCE_S, **options})


def _take_uploader(uploader: VODUpload, options: dict[str, Any]) -> VODUpload:
    if options:
        raise InvalidArgumentError(
            f"options ({', '.join(sorted(options))}) do not go together with an uploader of yours",
            code="Option",
            hint="Give them to VODUpload instead.",
        )
    if not callable(getattr(uploader, "add_file", None)):
        raise InvalidArgumentError(f"uploader must be a VODUpload, not {type(uploader).__name__}", code="Option")
    return uploader


def _printed_short(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Let the lists of an answer print their first rows: as a cell's last line it stays in the notebook."""
    return {name: Rows(rows) for name, rows in answer.items()}


def _result(file: FileSnapshot) -> dict[str, Any]:
    error = file.error
    return {
        "file_id": file.file_id,
        "name": file.name,
        "source": file.path,
        "state": str(file.state),
        "media_type": str(file.media_type),
        "video_id": file.video_id,
        "image_id": file.image_id,
        "size_bytes": file.size_bytes,
        "duration_s": file.duration_s,
        "verified": file.verified,
        "skipped": file.skipped,
        "error_code": error.code if error is not None else None,
        "error_message": redact(error.message) if error is not None else None,
        "request_id": file.request_id,
    }
