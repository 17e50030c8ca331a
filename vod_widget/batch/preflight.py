"""`check`: look before the start; one row for each thing that an upload needs, with the step that helps.

Sends three harmless questions at most: who am I, may I read VOD, and (by a role) a temporary key. Creates no asset.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, overload

from vod_widget.errors import (
    AccessDeniedError,
    ClockSkewError,
    InvalidArgumentError,
    MissingCredentialError,
    TransportError,
    VODError,
)
from vod_widget.model import Credentials
from vod_widget.uploader import VODUpload

from .sending import add_item
from .table import read_items, split_keywords
from .words import count_words, html_table, size_words, text_table

__all__ = ["Check", "Checks", "check"]

_FILES_SHOWN = 50
_WORDS = {True: "ok", False: "FAILED", None: "not tried"}


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: What.
        ok: True or False; None when it could not be tried because of an earlier row.
        text: What was found.
        fix: The one thing to do; "" when nothing is to be done.
    """

    name: str
    ok: bool | None
    text: str
    fix: str = ""


class Checks(Sequence[Check]):
    """The rows of `check`; printing them shows a table.

    Args:
        rows: The rows.
    """

    def __init__(self, rows: Sequence[Check]) -> None:
        self._rows = tuple(rows)

    @overload
    def __getitem__(self, index: int) -> Check: ...

    @overload
    def __getitem__(self, index: slice) -> Checks: ...

    def __getitem__(self, index: int | slice) -> Check | Checks:
        return Checks(self._rows[index]) if isinstance(index, slice) else self._rows[index]

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Check]:
        return iter(self._rows)

    @property
    def ok(self) -> bool:
        """Whether nothing failed."""
        return all(row.ok is not False for row in self._rows)

    def __str__(self) -> str:
        failed = [row.name for row in self._rows if row.ok is False]
        return f"{count_words(len(failed), 'thing')} to fix: {', '.join(failed)}" if failed else "Ready to upload."

    def _cells(self) -> list[tuple[str, str, str]]:
        return [(row.name, _WORDS[row.ok], f"{row.text} {row.fix}".strip()) for row in self._rows]

    def __repr__(self) -> str:
        return f"{text_table(('check', 'result', 'what was found'), self._cells())}\n{self}"

    def _repr_html_(self) -> str:
        return html_table(("Check", "Result", "What was found"), self._cells(), str(self))


def check(
    profile: str | None = None,
    files: Any = None,
    *,
    credentials: Any = None,
    get_auth: Callable[..., Any] | None = None,
    **metadata_and_options: Any,
) -> Checks:
    """Look whether an upload would work, without creating or sending anything.

    It looks at the credentials, the region and the endpoint, who the keys belong to, whether they may read VOD, the
    journal's folder, and the limits of the files and their metadata.

    Args:
        profile: Name of a profile; None takes the one that would be used.
        files: As for `upload`, or None.
        credentials: As for `upload`.
        get_auth: As for `upload`; with it no keys are needed.
        **metadata_and_options: As for `upload`.

    Returns:
        `Checks`: rows with `name, ok, text, fix`; `.ok` tells whether nothing failed. A failing row never raises.

    Raises:
        InvalidArgumentError: An unknown keyword or a bad value.
    """
    options, metadata = split_keywords(metadata_and_options)
    try:
        uploader = VODUpload(profile=profile, credentials=credentials, get_auth=get_auth, **options)
    except InvalidArgumentError as error:
        if error.code not in _PLACE_CODES:
            raise
        return Checks([_failed("destination", error), *_not_tried(("credentials", *_LATER, "journal"))])
    try:
        rows = [*_service(uploader), _journal(uploader)]
        if files is not None:
            rows += _files(uploader, files, metadata)
    finally:
        uploader.close()
    return Checks(rows)


def _failed(name: str, error: VODError, fix: str = "") -> Check:
    return Check(name, ok=False, text=f"{error.message} [{error.code}]", fix=fix or error.hint)


_LATER = ("identity", "VOD access")
_PLACE_CODES = frozenset({"Region", "Endpoint", "Endpoint.Refused"})


def _not_tried(names: Sequence[str]) -> list[Check]:
    return [Check(name, ok=None, text="An earlier check failed.") for name in names]


def _service(uploader: VODUpload) -> list[Check]:
    """Credentials, region and endpoint, identity, access; each needs the one before."""
    by_caller = uploader.get_auth is not None or uploader.on_upload_started is not None
    try:
        to = uploader._authority.resolve(required=not by_caller)
    except MissingCredentialError as error:
        return [_failed("credentials", error), *_not_tried(("destination", *_LATER))]
    except VODError as error:
        is_place = error.code in _PLACE_CODES
        rest = _LATER if is_place else ("destination", *_LATER)
        return [_failed("destination" if is_place else "credentials", error), *_not_tried(rest)]
    if to.provider is None:
        text = "None of its own: the application gives authority for each file."
        return [Check("credentials", ok=True, text=text), _destination(to)]
    try:
        keys = to.provider.credentials()
    except VODError as error:
        return [_failed("credentials", error), _destination(to), *_not_tried(_LATER)]
    kind = "temporary" if keys.security_token is not None else "long-lived"
    found = Check("credentials", ok=True, text=f"{keys.masked_id}, {kind}, from {keys.place}.")
    return [found, _destination(to), *_access(uploader, keys, to)]


def _destination(to: Any) -> Check:
    return Check("destination", ok=True, text=f"{to.region}{f' at {to.endpoint}' if to.endpoint else ''}.")


def _access(uploader: VODUpload, keys: Credentials, to: Any) -> list[Check]:
    api = uploader._authority.api()
    try:
        who = api.get_caller_identity(keys, to.region, to.endpoint)
    except ClockSkewError as error:
        return [_failed("identity", error), *_not_tried(_LATER[1:])]
    except TransportError as error:
        fix = "Check the network, proxies and the region; nothing reaches the service."
        return [_failed("identity", error, fix), *_not_tried(_LATER[1:])]
    except VODError as error:
        return [_failed("identity", error), *_not_tried(_LATER[1:])]
    arn = who.get("Arn", "")
    rows = [Check("identity", ok=True, text=f"Account {who.get('AccountId', '?')}, {arn.rpartition(':')[2] or arn}.")]
    try:
        # An id that nobody has: the answer "there is none" shows that reading is allowed.
        api.open(keys, to.region, to.endpoint).find_video(reference_id=secrets.token_hex(16))
    except AccessDeniedError as error:
        fix = "Allow vod:GetVideoInfo, vod:CreateUploadVideo, vod:RefreshUploadVideo and vod:CreateUploadImage in RAM."
        rows.append(_failed("VOD access", error, fix))
    except VODError as error:
        rows.append(_failed("VOD access", error))
    else:
        rows.append(Check("VOD access", ok=True, text="The keys may read VOD in this region (vod:GetVideoInfo)."))
    return rows


def _journal(uploader: VODUpload) -> Check:
    try:
        journal = uploader._authority.journal()
        waiting = len(journal.unfinished())
    except VODError as error:
        return _failed("journal", error)
    told = getattr(journal, "warnings", ())
    if told:
        return Check("journal", ok=False, text=str(told[-1]), fix="Pass checkpoint_dir=, or set VOD_WIDGET_HOME.")
    left = f"; {count_words(waiting, 'unfinished file')}, see vod_widget.resume()" if waiting else ""
    return Check("journal", ok=True, text=f"{getattr(journal, 'folder', '')} can be written{left}.")


def _files(uploader: VODUpload, files: Any, metadata: dict[str, Any]) -> list[Check]:
    """Add the files to a queue that is never started: every limit is checked there."""
    try:
        items, _ = read_items(files, metadata)
    except VODError as error:
        return [_failed("files", error)]
    bad: list[Check] = []
    good, size_bytes = 0, 0
    for item in items:
        try:
            info = add_item(uploader, item, metadata)
        except VODError as error:
            bad.append(_failed(item.name, error))
        else:
            good += 1
            size_bytes += info.size_bytes
    rows = bad[:_FILES_SHOWN]
    if len(bad) > _FILES_SHOWN:
        rows.append(Check("files", ok=False, text=f"{len(bad) - _FILES_SHOWN} more cannot be sent.", fix="See above."))
    if good or not bad:
        text = f"{count_words(good, 'file')}, {size_words(size_bytes)}, can be sent."
        rows.insert(0, Check("files", ok=bool(good), text=text, fix="" if good else "Pass at least one file."))
    return rows
