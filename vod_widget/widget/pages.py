"""The pages that show a widget, and the files that they hold.

Each page gets a token at its hello; a browser file belongs to the page that offered it, and only that page may feed it.
A reload is a new page with no files: its offers are matched to rows that wait. Pages share one comm, so a token keeps
honest pages apart and strangers who cannot read the comm out; it is no secret from the server.
Runs in the threads that handle messages; never blocks.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vod_widget import events
from vod_widget.errors import InvalidArgumentError, LockedError, RestrictionError, SourceDetachedError, VODError
from vod_widget.interfaces import Clock, DirectPart
from vod_widget.metadata import clean_name
from vod_widget.model import UploaderState, UploadState
from vod_widget.sources.browser import BrowserSource
from vod_widget.sources.direct import PutPart
from vod_widget.sources.pace import FIRST_SLICE_BYTES

from .messages import Intent
from .policy import Policy, check_file
from .presence import Presence
from .view import is_held_elsewhere

if TYPE_CHECKING:
    from vod_widget.upload_info import UploadInfo
    from vod_widget.uploader import VODUpload

__all__ = ["Pages"]

_AT_REST = frozenset({UploadState.STOPPED, UploadState.CANCELED, UploadState.FAILURE})


@dataclass(slots=True)
class _Held:
    """One browser file: its source, and the token of the page that owns it ("" until the first slice tells).

    `is_given_up`: its page is thought to be gone; `is_paused`: for that reason, and goes on if the page comes back.
    """

    source: BrowserSource
    owner: str
    info: UploadInfo
    is_given_up: bool = False
    is_paused: bool = False


class Pages:
    """Keeps apart who may feed what.

    Args:
        uploader: Where offered files go.
        post: Sends one message to all pages, at once and without blocking.
        clock: For the deadlines of slices.
        policy: Limits of what a page may bring.
        patience_s: Seconds that an upload waits for its page.
        direct: True when pages may be asked to send parts straight to the storage, if the policy lets them.
        reload_ends: True when each load of the page has another kernel: the files of a page that is gone are let go,
            so that the next kernel may go on with them while this one still lives.
    """

    def __init__(
        self,
        uploader: VODUpload,
        post: Callable[[dict[str, Any]], None],
        clock: Clock,
        policy: Policy,
        *,
        patience_s: float,
        direct: bool = False,
        reload_ends: bool = False,
    ) -> None:
        self._uploader = uploader
        self._reload_ends = reload_ends
        self._post = post
        self._clock = clock
        self._policy = policy
        self._patience_s = patience_s
        self._direct = direct and policy.direct
        self._lock = threading.Lock()  # guards all below; never held over a call outwards
        self._presence = Presence(reload_ends=reload_ends)
        self._held: dict[str, _Held] = {}
        # Who brought what is stored: whoever sees Remove on the row may press it.
        self._stored: dict[str, str] = {}

    # ---- who is who --------------------------------------------------------------------------------

    def greet(self) -> str:
        """Take a new page; return its token. Files of older pages are doubted until these speak."""
        with self._lock:
            token = self._presence.greet(self._clock.monotonic_s())
            held = list(self._held.values())
        for one in held:
            one.source.suspect()
        return token

    def hear(self, token: str) -> None:
        """Take note that a page lives; one that was given up by mistake gets its files back."""
        with self._lock:
            if not self._presence.hear(token, self._clock.monotonic_s()):
                return
            back = [(file_id, one) for file_id, one in self._held.items() if one.owner == token and one.is_given_up]
        for file_id, one in back:
            if one.source.is_detached:
                self._attach(file_id, one.source, token)

    def leave(self, token: str) -> None:
        """Take a page's word that it is being left."""
        with self._lock:
            self._presence.leave(token, self._clock.monotonic_s())
        self._give_up({token})

    def _give_up_silent_pages(self) -> None:
        """A page that is gone (a reload, a closed tab) holds no file any more: all of its files wait for one."""
        with self._lock:
            silences_s: dict[str, float] = {}
            for one in self._held.values():
                silences_s[one.owner] = max(silences_s.get(one.owner, 0.0), one.source.silence_s)
            late = self._presence.late(silences_s, self._clock.monotonic_s())
        self._give_up(late)

    def _give_up(self, pages: set[str]) -> None:
        with self._lock:
            late = self._presence.give_up(pages)
            lost = [one for one in self._held.values() if one.owner in late and not one.source.is_detached]
            for one in lost:
                one.is_given_up = True
        for one in lost:
            one.source.detach()
            if self._reload_ends and one.info.state == UploadState.UPLOADING:
                one.is_paused = self._uploader.pause_file(one.info)

    def page_of(self, token: str) -> str:
        """Return the page that speaks: its token, or the only page there is; "" when that cannot be told."""
        with self._lock:
            return self._presence.page_of(token)

    def number_of(self, token: str) -> int:
        """Return the number by which messages name the speaking page; no secret. 0 when it cannot be told."""
        with self._lock:
            return self._presence.number_of(token)

    def owns(self, file_id: str, token: str) -> bool:
        """True when the speaking page brought this file."""
        page = self.page_of(token)
        with self._lock:
            held = self._held.get(file_id)
            owner = held.owner if held is not None else self._stored.get(file_id)
        return bool(page) and owner == page

    def take_reach(self, intent: Intent) -> None:
        """Take what a page found out about its host: the largest slice that it carries, 0 when it carries none.

        Raises:
            RestrictionError: The page is not known.
        """
        slice_bytes = intent.args["slice_bytes"]
        with self._lock:
            if intent.token not in self._presence:
                raise RestrictionError("This page has not said hello.", code="Owner")
            self._presence.set_reach(intent.token, slice_bytes)
            fed = [held.source for held in self._held.values() if held.owner == intent.token]
        for source in fed:
            source.set_reach(slice_bytes)

    @property
    def reaches(self) -> Mapping[int, int]:
        """Largest slice, in bytes, that each page's host carries, by the page's number; pages that told."""
        with self._lock:
            return self._presence.reaches()

    def owed(self) -> Mapping[str, str]:
        """Codes of what is waited for: a page owes the file itself ("Source.Detached") or an answer ("Source.Waiting").

        "Locked" is what the kernel of the page before owes.
        """
        self._give_up_silent_pages()
        with self._lock:
            held = list(self._held.items())
        owed = {}
        for file_id, one in held:
            if one.source.is_detached:
                owed[file_id] = SourceDetachedError.default_code
            elif one.source.waits_for_browser:
                owed[file_id] = "Source.Waiting"
            elif self._waits_for_an_earlier_kernel(one):
                owed[file_id] = LockedError.default_code
        return owed

    def _waits_for_an_earlier_kernel(self, one: _Held) -> bool:
        return self._reload_ends and is_held_elsewhere(one.info)

    def held_by_an_earlier_kernel(self) -> list[tuple[str, UploadInfo]]:
        """Return the files that another kernel, most likely that of the page before, does not let go of yet.

        Each with the id of its source. None where a reload does not change the kernel.
        """
        with self._lock:
            held = list(self._held.values())
        return [(one.source.source_id, one.info) for one in held if self._waits_for_an_earlier_kernel(one)]

    # ---- offers ------------------------------------------------------------------------------------

    def offer(
        self, files: Sequence[Mapping[str, Any]], token: str, *, again: bool
    ) -> tuple[dict[str, Any], Callable[[], None]]:
        """Add the files of a page, or give waiting rows their file back.

        Args:
            files: As the schema of `offer_files` says.
            token: The page's, or "".
            again: True when only waiting rows are meant.

        Returns:
            The data of the answer, and what must follow it: a page is asked for nothing before it knows the file ids.
        """
        page = self.page_of(token)
        added: list[dict[str, Any]] = []
        refused: list[dict[str, str]] = []
        attached: list[tuple[str, BrowserSource]] = []
        for offer in files:
            name = clean_name(offer["name"])
            said = {"client_id": offer["client_id"], "name": name}
            try:
                given = {file_id for file_id, _ in attached}
                waited = self._waiting_for(offer, page, given)
                file_id, source = waited or self._take(offer, page, again=again)
            except VODError as error:
                refused.append({**said, "code": error.code, "message": error.message})
            else:
                added.append({**said, "file_id": file_id, **(self._how_far(file_id) if waited else {})})
                attached.append((file_id, source))

        def go_on() -> None:
            for file_id, source in attached:
                self._attach(file_id, source, page)
                self._resume_if_it_failed_for_want_of_a_page(file_id)

        return {"added": added, "refused": refused}, go_on

    def _how_far(self, file_id: str) -> dict[str, Any]:
        """Say of a row that waited where it stands, and whether it goes on without another click."""
        with self._lock:
            held = self._held.get(file_id)
        if held is None:
            return {}
        runs = self._uploader.totals().state is UploaderState.START
        goes_on = runs and (held.is_paused or held.info.state not in (UploadState.STOPPED, UploadState.CANCELED))
        return {"progress": held.info.loaded_percent, "goes_on": goes_on}

    def _attach(self, file_id: str, source: BrowserSource, page: str) -> None:
        with self._lock:
            reach = self._presence.reach_of(page)
            held = self._held.get(file_id)
            goes_on = held is not None and held.is_paused
            if held is not None:
                held.is_given_up = held.is_paused = False
        put = self._put_of(file_id) if self._direct else None
        source.attach(self._pull_of(file_id), slice_bytes=FIRST_SLICE_BYTES if reach is None else reach, put=put)
        if held is not None and goes_on and held.info.state == UploadState.STOPPED:
            self._uploader.resume_file(held.info)

    def _take(self, offer: Mapping[str, Any], page: str, *, again: bool) -> tuple[str, BrowserSource]:
        name, size_bytes = clean_name(offer["name"]), offer["size_bytes"]
        edges = offer.get("edges", "")
        if again:
            raise RestrictionError(
                "No row waits for this file; name, size, time and content must be equal.",
                code="Source.NoMatch",
                file_name=name,
            )
        with self._lock:
            held_bytes = sum(held.source.size_bytes for held in self._held.values())
        check_file(self._policy, name, size_bytes, held_bytes=held_bytes, files=self._uploader.totals().total)
        source = BrowserSource(
            name, size_bytes, offer["last_modified_ms"], None, self._clock, patience_s=self._patience_s, edges=edges
        )
        info = self._uploader.add_file(source)
        with self._lock:
            self._held[info.file_id] = _Held(source, page, info)
        return info.file_id, source

    def _waiting_for(
        self, offer: Mapping[str, Any], page: str, given: Collection[str]
    ) -> tuple[str, BrowserSource] | None:
        """Find the row that waits for the file that looks so: name, size, time and edges (F106).

        Not one of `given`: the same message brought its file already.
        """
        looks = clean_name(offer["name"]), offer["size_bytes"], offer["last_modified_ms"], offer.get("edges", "")
        with self._lock:
            for file_id, held in self._held.items():
                source = held.source
                same = (source.name, source.size_bytes, source.last_modified_ms, source.edges) == looks
                # A page that may still live keeps its file from strangers.
                free = source.is_detached or (not self._policy.own_files_only and source.is_doubted)
                if same and free and file_id not in given:
                    held.owner = page
                    return file_id, source
        return None

    def _pull_of(self, file_id: str) -> Callable[[int, int, int], None]:
        def pull(pull_id: int, offset: int, length: int) -> None:
            self._post({"kind": "pull", "file_id": file_id, "pull_id": pull_id, "offset": offset, "length": length})

        return pull

    def _put_of(self, file_id: str) -> Callable[[PutPart], None]:
        def put(part: PutPart) -> None:
            if part.url is None:
                self._post({"kind": "put_stop", "file_id": file_id, "put_id": part.put_id})
                return
            where = {"put_id": part.put_id, "offset": part.offset, "length": part.length}
            self._post({"kind": "put", "file_id": file_id, **where, "url": part.url.reveal()})

        return put

    def _resume_if_it_failed_for_want_of_a_page(self, file_id: str) -> None:
        with self._lock:
            held = self._held.get(file_id)
        if held is None or held.info.state != UploadState.FAILURE:
            return
        error = held.info.error
        if isinstance(getattr(error, "last", error), SourceDetachedError):
            self._uploader.retry_file(held.info)

    # ---- slices ------------------------------------------------------------------------------------

    def _fed_by(self, intent: Intent) -> BrowserSource:
        """Find the source that this page may feed."""
        with self._lock:
            held = self._held.get(intent.args["file_id"])
            if held is None:
                raise InvalidArgumentError("No file of that id waits for a browser.", code="Slice.Unknown")
            known = intent.token in self._presence
            if known and not held.owner:
                held.owner = intent.token
            if not known or held.owner != intent.token:
                raise RestrictionError("Another page offered this file.", code="Owner")
            return held.source

    def take_slice(self, intent: Intent) -> None:
        """Hand one slice to its source.

        Raises:
            VODError: Another page's file, or not what was asked for.
        """
        source = self._fed_by(intent)
        assert intent.buffer is not None  # the schema demands it
        source.deliver(intent.args["pull_id"], intent.args["offset"], intent.buffer)

    def take_error(self, intent: Intent) -> None:
        """Hand a page's word that it cannot send a slice to its source.

        Raises:
            VODError: Another page's file.
        """
        self._fed_by(intent).fail(intent.args["pull_id"], intent.args["reason"])

    def take_put(self, intent: Intent) -> None:
        """Hand a page's word on a part that it sends straight to the storage to its source.

        Raises:
            VODError: Another page's file.
        """
        source, args = self._fed_by(intent), intent.args
        if intent.kind == "put_progress":
            source.put_progress(args["put_id"], args["sent_bytes"])
        elif intent.kind == "put_done":
            source.put_done(args["put_id"], DirectPart(args["etag"], args["crc64"], args["stored_crc64"]))
        else:
            source.put_failed(args["put_id"], args["reason"])

    # ---- the end -----------------------------------------------------------------------------------

    def listen(self, event: events.Event) -> None:
        """Let go of files that need no bytes any more; called in the thread that delivers events."""
        with self._lock:
            held = self._held.get(event.file_id)
            if isinstance(event, events.FileRemoved):
                self._stored.pop(event.file_id, None)
        if held is None:
            return
        changed = isinstance(event, events.StateChanged)
        if isinstance(event, events.FileRemoved) or (changed and held.info.state == UploadState.SUCCESS):
            with self._lock:
                self._held.pop(event.file_id, None)
                if changed:
                    self._stored[event.file_id] = held.owner
            held.source.close()
            self._post({"kind": "drop", "file_id": event.file_id})
        elif changed and held.info.state in _AT_REST:
            # Nobody wants the bytes that a read still waits for; the connection that it keeps is needed elsewhere. The
            # present state counts, not the event's: the person may have resumed since.
            held.source.close()

    def take_over(self, earlier: Pages) -> None:
        """Go on with the browser files of an earlier widget of the same uploader; they wait for a page to hold them."""
        with earlier._lock:
            held = dict(earlier._held)
            earlier._held.clear()
        for one in held.values():
            one.owner = ""
            one.source.detach()
        with self._lock:
            self._held.update(held)

    def close(self) -> None:
        """Let go of every file; reads that wait end with an error."""
        with self._lock:
            held = list(self._held.values())
            self._held.clear()
        for one in held:
            one.source.detach()
            one.source.close()
