"""Performs what machines ask for: calls the cloud, reads sources, writes the journal.

One method an effect, each blocking, each run by a worker thread of the queue; nothing here decides, and nothing here
holds the queue's lock. Floor 3: imports floors 0 to 2 as interfaces; the concrete edges are handed in.
"""

from __future__ import annotations

import base64
import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

from . import effects as fx
from .addresses import is_loopback_url
from .baton import away
from .body import BrokenOff, FileBody, in_turn
from .crc64 import crc64
from .digests import Digest
from .errors import (
    AuthExpiredError,
    ClockSkewError,
    IntegrityError,
    InvalidStateError,
    MissingCredentialError,
    SourceChangedError,
    SourceError,
    ThrottledError,
    VODError,
)
from .interfaces import Clock, Journal, ObjectStore, SendsItself, Source, VodApi, VodSession
from .machine import FileMachine
from .model import Credentials, Grant, LinkFacts, ObjectInfo, Part, RemotePart, SourceKind, UploadState
from .options import KIB, MIB
from .pace import CallPace
from .record import Record, Transfer
from .stalls import ReadTurn
from .workers import Rate

__all__ = ["BrokenOff", "Engine", "FileBody"]

T = TypeVar("T")

_SIGNED_URL_LIFE_S = 300
"""The storage looks at it when a request begins; a page may have some parts waiting for a connection."""
_COVER_MAX_BYTES = 100 * MIB
_SMALL_BYTES = MIB
"""A body up to this is read, summed and sent within a few tenths of a millisecond."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the engine takes from the queue's options.

    Attributes:
        journal: Where checkpoints are kept.
        get_auth: Calls the application's `get_auth`, for a file or for its cover; or None.
        content_md5: Whether bodies carry their MD5.
    """

    journal: Journal
    get_auth: Callable[[Record, fx.GetAuth, Source | None], Grant] | None
    content_md5: bool = False


class Engine:
    """Does the work of effects.

    Args:
        store: The data plane.
        api: The control plane.
        clock: Time.
        bandwidth: Limit over all bodies.
        pace: How fast each control call may be made.
        settings: Reads the present settings.
    """

    def __init__(
        self,
        *,
        store: ObjectStore,
        api: VodApi,
        clock: Clock,
        bandwidth: Rate,
        pace: CallPace,
        settings: Callable[[], Settings],
    ) -> None:
        self.bandwidth = bandwidth
        self._store = store
        self._api = api
        self._clock = clock
        self._pace = pace
        self._settings = settings
        self._do: dict[type[fx.Effect], Callable[[Record, FileMachine, Any], Any]] = {
            fx.OpenEntry: self._open_entry,
            fx.CheckSource: lambda r, _m, _e: in_turn(r, r.run.cancel, r.source.fingerprint),
            fx.HashParts: self._hash_parts,
            fx.SaveCheckpoint: self._save_checkpoint,
            fx.SavePart: self._save_part,
            fx.CloseEntry: self._close_entry,
            fx.GetAuth: self._get_auth,
            fx.CreateVideo: self._create_video,
            fx.FindVideo: self._find_video,
            fx.RefreshVideo: self._refresh_video,
            fx.CreateImage: self._create_image,
            fx.CreateCover: self._create_cover,
            fx.PutCover: self._put_cover,
            fx.Init: lambda r, _m, e: self._open(e.grant).init_multipart(_headers(r)),
            fx.SendPart: self._send_part,
            fx.SendObject: self._send_object,
            fx.ListParts: lambda _r, _m, e: self._open(e.grant).list_parts(e.upload_id, e.after),
            fx.ListUploads: lambda _r, _m, e: self._open(e.grant).list_uploads(),
            fx.Complete: lambda r, _m, e: self._open(e.grant).complete(e.upload_id, e.parts, _headers(r)),
            fx.Head: lambda _r, _m, e: self._open(e.grant).head(),
            fx.Abort: lambda _r, _m, e: self._open(e.grant).abort(e.upload_id),
        }

    def link(self) -> LinkFacts:
        """What the connections of the data plane tell of the line; before there is one, those of the control plane.

        Both are of one region as a rule.
        """
        facts = self._store.link()
        return facts if facts.rtt_s or facts.answer_s else replace(facts, rtt_s=self._api.round_trip_s())

    def connect_ahead(self, most: int, effect: fx.Effect) -> None:
        """Open a connection that the parts of a file will use, unless there are `most`."""
        address = effect.grant.address if isinstance(effect, fx.Init) else None
        with contextlib.suppress(VODError):  # Init says what is wrong with an address
            self._store.connect_ahead(most, address)

    def perform(self, record: Record, machine: FileMachine, effect: fx.Effect) -> Any:
        """Do one effect and return its value.

        Raises:
            VODError: It failed.
            BrokenOff: A body was broken off on purpose.
        """
        run = record.run
        # The page of a browser file has deadlines of its own.
        if run.turn is None and record.machine is not None and record.source.cheap_reads:
            run.turn = ReadTurn(self._clock, record.name)
        try:
            if isinstance(effect, fx.WITH_BYTES) and effect.part.size_bytes > _SMALL_BYTES:
                with away:
                    return self._do[type(effect)](record, machine, effect)
            return self._do[type(effect)](record, machine, effect)
        except VODError as error:
            if isinstance(error, ClockSkewError):
                self._learn_clock(error)
            _forget_calls(error)
            raise

    def _learn_clock(self, error: ClockSkewError) -> None:
        """Both planes sign with the same wrong clock: what one learned, the other takes."""
        if error.server_time_s is None:
            return
        offset_s = error.server_time_s - self._clock.now_s()
        for edge in (self._store, self._api):
            if hasattr(edge, "clock_offset_s"):
                edge.clock_offset_s = offset_s

    # ---- journal and source

    def _open_entry(self, record: Record, machine: FileMachine, effect: fx.OpenEntry) -> fx.Opened:
        journal = self._settings().journal
        job = machine.job
        try:
            fingerprint = in_turn(record, record.run.cancel, record.source.fingerprint)
        except VODError:
            if effect.needs_source:
                raise
            fingerprint = ""
        record.run.entry = journal.open(job.source_id, job.destination)
        try:
            checkpoint = record.run.entry.load()
            # Asked while the entry is held: another process may have finished the file a moment ago.
            finished = journal.finished(job.source_id, job.destination)
            asks_when = finished is not None and job.wanted_since_s is not None
            at_s = journal.finished_at_s(job.source_id, job.destination) if asks_when else 0.0
        except BaseException:
            record.run.entry.release()
            record.run.entry = None
            raise
        strong = record.source.kind is not SourceKind.BROWSER
        return fx.Opened(fingerprint, record.source.size_bytes, checkpoint, finished, at_s, strong)

    def _save_checkpoint(self, record: Record, _machine: FileMachine, effect: fx.SaveCheckpoint) -> None:
        entry = record.run.entry
        if entry is not None:
            entry.write(effect.checkpoint, durable=effect.durable)

    def _save_part(self, record: Record, machine: FileMachine, effect: fx.SavePart) -> None:
        # A part of an upload that was begun again meanwhile must not stand behind the new one's checkpoint.
        entry = record.run.entry
        if entry is not None and machine.checkpoint.upload_id == effect.upload_id:
            try:
                entry.add_part(effect.part)
            except InvalidStateError:
                if record.run.entry is entry:
                    raise
                # The file came to rest on another thread a moment ago; a resume sends this part again.

    def _close_entry(self, record: Record, _machine: FileMachine, effect: fx.CloseEntry) -> None:
        entry, record.run.entry = record.run.entry, None
        try:
            if entry is not None:
                if effect.how is fx.Closing.FINISH:
                    entry.finish(effect.result or {})
                elif effect.how is fx.Closing.DISCARD:
                    entry.discard()
        finally:
            if entry is not None:
                entry.release()
            if record.source.kind is not SourceKind.BROWSER or effect.how is not fx.Closing.RELEASE:
                with contextlib.suppress(VODError):
                    record.source.close()

    def _hash_parts(self, record: Record, _machine: FileMachine, effect: fx.HashParts) -> tuple[int, ...]:
        with away:
            return tuple(_hash(record, part, record.run.cancel) for part in effect.parts)

    # ---- control plane

    def _session(self, record: Record, given: Credentials | None) -> VodSession:
        if given is not None:
            return self._api.open(given, record.run.region_given, record.run.endpoint)
        if record.run.provider is None:
            raise MissingCredentialError("no credentials are set", file_name=record.name)
        return self._api.open(record.run.provider.credentials(), record.run.region_given, record.run.endpoint)

    def _call(
        self, record: Record, operation: str, given: Credentials | None, call: Callable[[VodSession], Any]
    ) -> Any:
        """One control call within the account's rate; own keys that ran out are renewed once on the spot."""
        self._pace.take(operation, record.run.region_given, is_loopback=is_loopback_url(record.run.endpoint))
        try:
            try:
                value = call(self._session(record, given))
            except AuthExpiredError:
                if given is not None or record.run.provider is None:
                    raise
                fresh = record.run.provider.credentials(force_refresh=True)
                value = call(self._api.open(fresh, record.run.region_given, record.run.endpoint))
        except ThrottledError:
            self._pace.ended(operation, was_throttled=True)
            raise
        self._pace.ended(operation, was_throttled=False)
        return value

    def _create_video(self, record: Record, _machine: FileMachine, effect: fx.CreateVideo) -> Any:
        metadata = record.metadata
        if effect.cover_url:
            metadata = replace(metadata, cover_url=effect.cover_url)
        return self._call(
            record,
            "CreateUploadVideo",
            effect.credentials,
            lambda vod: vod.create_upload_video(
                metadata, file_name=record.name, size_bytes=record.size_bytes, reference_id=effect.reference_id
            ),
        )

    def _refresh_video(self, record: Record, _machine: FileMachine, effect: fx.RefreshVideo) -> Any:
        return self._call(
            record, "RefreshUploadVideo", effect.credentials, lambda vod: vod.refresh_upload_video(effect.video_id)
        )

    def _find_video(self, record: Record, _machine: FileMachine, effect: fx.FindVideo) -> Any:
        return self._call(
            record,
            "GetVideoInfo",
            effect.credentials,
            lambda vod: vod.find_video(video_id=effect.video_id, reference_id=effect.reference_id),
        )

    def _create_image(self, record: Record, _machine: FileMachine, effect: fx.CreateImage) -> Grant:
        grant: Grant = self._call(
            record,
            "CreateUploadImage",
            effect.credentials,
            lambda vod: vod.create_upload_image(record.metadata, file_name=record.name),
        )
        return grant

    def _get_auth(self, record: Record, _machine: FileMachine, effect: fx.GetAuth) -> Grant:
        ask = self._settings().get_auth
        if ask is None:
            raise MissingCredentialError("get_auth was taken away", file_name=record.name)
        with away:
            return ask(record, effect, None)

    def _create_cover(self, record: Record, _machine: FileMachine, effect: fx.CreateCover) -> Grant:
        """Create the cover as an image of its own."""
        cover = _cover_of(record)
        metadata = replace(
            record.metadata,
            title=cover.name[:40],
            description=None,
            tags=(),
            cate_id=None,
            cover_url=None,
            template_group_id=None,
            workflow_id=None,
            api_user_data=None,
            notification=None,
            image_type="cover",
        )
        ask = self._settings().get_auth
        if ask is not None and effect.credentials is None:
            with away:
                grant = ask(record, fx.GetAuth(fx.AuthKind.CREATE_IMAGE, "", ""), cover)
        else:
            grant = self._call(
                record,
                "CreateUploadImage",
                effect.credentials,
                lambda vod: vod.create_upload_image(metadata, file_name=cover.name),
            )
        if not grant.image_url:
            raise VODError("the cover has no ImageURL", code="Cover", file_name=record.name)
        return grant

    def _put_cover(self, record: Record, _machine: FileMachine, effect: fx.PutCover) -> str:
        """Send the cover's bytes and return its URL."""
        cover = _cover_of(record)
        whole = Part(1, 0, cover.size_bytes)
        body = FileBody(
            cover,
            whole,
            in_turn(record, record.run.cancel, cover.fingerprint),
            record=record,
            transfer=Transfer(),
            rate=self.bandwidth,
            clock=self._clock,
        )
        info = self._open(effect.grant).put_object(body, {})
        if info.crc64 is not None and info.crc64 != body.crc64:
            raise IntegrityError("the cover was damaged on its way", file_name=cover.name)
        cover.close()
        return effect.grant.image_url or ""

    # ---- data plane

    def _open(self, grant: Grant) -> Any:
        return self._store.open(grant.auth, grant.address)

    def _body(self, record: Record, machine: FileMachine, part: Part, transfer: Transfer) -> FileBody:
        fingerprint = machine.checkpoint.fingerprint
        body = FileBody(
            record.source, part, fingerprint, record=record, transfer=transfer, rate=self.bandwidth, clock=self._clock
        )
        # After it took its flag: an order to stop that came before has renewed that, and never reaches this body.
        if machine.state is not UploadState.UPLOADING:
            raise BrokenOff
        return body

    def _send_part(self, record: Record, machine: FileMachine, effect: fx.SendPart) -> tuple[RemotePart, int]:
        with _moving(record) as transfer:
            body = self._body(record, machine, effect.part, transfer)
            session = self._open(effect.grant)
            digest = self._digest(body)
            if digest is None:
                sent = self._sent_by_its_holder(record, body, effect, session, transfer)
                if sent is not None:
                    return sent
            headers = digest.headers() if digest is not None else {}
            remote: RemotePart = session.upload_part(effect.upload_id, effect.part.part_number, body, headers)
            if digest is not None and remote.crc64 is None:
                digest.prove(remote.etag)
                remote = replace(remote, crc64=body.crc64)
            return remote, body.crc64

    def _sent_by_its_holder(
        self, record: Record, body: FileBody, effect: fx.SendPart, session: Any, transfer: Transfer
    ) -> tuple[RemotePart, int] | None:
        """Let a browser send the part by a signed URL; None when it cannot, or when a rate must be kept.

        The browser's sum is that of the bytes it read, the storage's of the bytes it got: they are compared as for any
        other part, and the object's sum in the end is asked for by us. So a byte that changed on the way is noticed
        whatever the page says.
        """
        source, part, cancel = record.source, effect.part, body.cancel
        if not isinstance(source, SendsItself) or not source.sends_itself or self.bandwidth.per_s is not None:
            return None
        url = session.signed_part_url(effect.upload_id, part.part_number, _SIGNED_URL_LIFE_S)

        run = record.run

        def count(sent_bytes: int) -> None:
            run.total_sent_bytes += sent_bytes - transfer.sent_bytes
            transfer.sent_bytes = sent_bytes

        answer = source.send_part(url, part.start, part.end, cancel.is_set, count)
        if cancel.is_set():
            raise BrokenOff
        if answer is None:
            transfer.sent_bytes = 0
            return None
        if source.fingerprint() != body.fingerprint:
            raise SourceChangedError("the file changed while it was sent", file_name=source.name)
        count(part.size_bytes)
        return RemotePart(part.part_number, part.size_bytes, answer.etag, answer.stored_crc64), answer.crc64

    def _send_object(self, record: Record, machine: FileMachine, effect: fx.SendObject) -> tuple[ObjectInfo, int, str]:
        with _moving(record) as transfer:
            body = self._body(record, machine, effect.part, transfer)
            digest = self._digest(body)
            headers = _headers(record) | (digest.headers() if digest is not None else {})
            info: ObjectInfo = self._open(effect.grant).put_object(body, headers)
            if digest is not None and info.crc64 is None:
                digest.prove(info.etag)
            # Here and not by CheckSource: one step less of a small file, which has six.
            return info, body.crc64, in_turn(record, body.cancel, record.source.fingerprint)

    def _digest(self, body: FileBody) -> Digest | None:
        if not self._settings().content_md5:
            return None
        part = body.part
        return Digest(part.start, part.end, max(body.source.block_bytes, 64 * KIB), body._read)


def _forget_calls(error: BaseException) -> None:
    """Let go of what the calls held that an error passed: a file keeps its last failures, each with its block.

    The frames themselves stay as they are: files share an error of their keys, and clearing the frame of a generator
    that waits ends it, which would be the steps of another file.
    """
    seen: set[int] = set()
    left: list[BaseException | None] = [error]
    while left:
        one = left.pop()
        if one is not None and id(one) not in seen:
            seen.add(id(one))
            one.__traceback__ = None
            left += one.__cause__, one.__context__


def _cover_of(record: Record) -> Source:
    if record.cover is None:
        raise SourceError("the cover is gone", file_name=record.name)
    return record.cover


@contextlib.contextmanager
def _moving(record: Record) -> Iterator[Transfer]:
    transfer, run = Transfer(), record.run
    run.transfers.add(transfer)
    try:
        yield transfer
    except VODError:
        if transfer.was_cut:
            raise BrokenOff from None
        raise
    finally:
        run.transfers.discard(transfer)


def _headers(record: Record) -> dict[str, str]:
    """The header in which the vendor's SDKs send userData; never an empty one (theirs is)."""
    text = record.metadata.notification
    return {"x-oss-notification": base64.b64encode(text.encode()).decode()} if text else {}


def _hash(record: Record, part: Part, cancel: threading.Event) -> int:
    source = record.source
    total = 0
    step = max(source.block_bytes, 64 * KIB)
    for start in range(part.start, part.end, step):
        if cancel.is_set():
            raise BrokenOff
        block = in_turn(record, cancel, partial(source.read, start, min(start + step, part.end)))
        total = crc64(memoryview(block), total)
    return total
