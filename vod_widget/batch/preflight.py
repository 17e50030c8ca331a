"""`check`: look before the start; one row for each thing that an upload needs, with the step that helps.

The keys, their owner and their rights are the doctor's; the journal and the files are looked at here. Creates no asset.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, overload

from vod_widget.doctor import Finding, examine, failed
from vod_widget.doctor_words import choose_language, text_words
from vod_widget.errors import InvalidArgumentError, VODError
from vod_widget.uploader import VODUpload

from .sending import add_item
from .table import read_items, split_keywords
from .words import count_words, html_table, size_words, text_table

__all__ = ["Check", "Checks", "check"]

_FILES_SHOWN = 50
_WORDS = {
    "en": {True: "ok", False: "FAILED", None: "not tried"},
    "zh": {True: "通过", False: "未通过", None: "未尝试"},
}
_HEADS = {"en": ("Check", "Result", "What was found"), "zh": ("检查", "结果", "发现")}


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: What.
        ok: True or False; None when it could not be tried because of an earlier row.
        text: What was found.
        fix: The one thing to do, or to consider when `ok`; "" when there is nothing.
        label: `name` in the language of the texts.
    """

    name: str
    ok: bool | None
    text: str
    fix: str = ""
    label: str = ""


class Checks(Sequence[Check]):
    """The rows of `check`; printing them shows a table.

    Args:
        rows: The rows.
        language: "en" or "zh".
    """

    def __init__(self, rows: Sequence[Check], language: str = "en") -> None:
        self._rows = tuple(rows)
        self._language = language

    @overload
    def __getitem__(self, index: int) -> Check: ...

    @overload
    def __getitem__(self, index: slice) -> Checks: ...

    def __getitem__(self, index: int | slice) -> Check | Checks:
        return Checks(self._rows[index], self._language) if isinstance(index, slice) else self._rows[index]

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Check]:
        return iter(self._rows)

    @property
    def ok(self) -> bool:
        """Whether nothing failed."""
        return all(row.ok is not False for row in self._rows)

    @property
    def summary(self) -> str:
        """One line: ready, or what is to be fixed."""
        bad = [row.label or row.name for row in self._rows if row.ok is False]
        if self._language == "zh":
            return f"需要处理 {len(bad)} 项：{'、'.join(bad)}" if bad else "可以上传。"
        return f"{count_words(len(bad), 'thing')} to fix: {', '.join(bad)}" if bad else "Ready to upload."

    def _cells(self) -> list[tuple[str, str, str]]:
        words = _WORDS[self._language]
        return [(row.label or row.name, words[row.ok], f"{row.text} {row.fix}".strip()) for row in self._rows]

    def __repr__(self) -> str:
        return f"{text_table([head.lower() for head in _HEADS[self._language]], self._cells())}\n{self.summary}"

    def _repr_html_(self) -> str:
        return html_table(_HEADS[self._language], self._cells(), self.summary)


def check(
    profile: str | None = None,
    files: Any = None,
    *,
    credentials: Any = None,
    get_auth: Callable[..., Any] | None = None,
    language: str | None = None,
    **metadata_and_options: Any,
) -> Checks:
    """Look whether an upload would work, without creating or sending anything.

    It looks at the credentials, the region and the endpoint, who the keys belong to, whether they may read VOD, which
    actions of `vod_widget/policies/upload.json` they lack or exceed, the journal's folder, and the limits of the files
    and their metadata.

    Args:
        profile: Name of a profile; None takes the one that would be used.
        files: As for `upload`, or None.
        credentials: As for `upload`.
        get_auth: As for `upload`; with it no keys are needed.
        language: "en" or "zh"; None takes it from the locale of this process.
        **metadata_and_options: As for `upload`.

    Returns:
        `Checks`: rows with `name, ok, text, fix`; `.ok` tells whether nothing failed. A failing row never raises.

    Raises:
        InvalidArgumentError: An unknown keyword or a bad value.
    """
    words = choose_language(language)
    options, metadata = split_keywords(metadata_and_options)
    try:
        uploader = VODUpload(profile=profile, credentials=credentials, get_auth=get_auth, **options)
    except InvalidArgumentError as error:
        if error.code not in _PLACE_CODES:
            raise
        later = ("credentials", "identity", "VOD access", "upload rights", "journal")
        rest = [_row(Finding(name, ok=None, key="not_tried"), words) for name in later]
        return Checks([_failed("destination", error, words), *rest], words)
    try:
        rows = [*(_row(finding, words) for finding in examine(uploader)), _journal(uploader, words)]
        if files is not None:
            rows += _files(uploader, files, metadata, words)
    finally:
        uploader.close()
    return Checks(rows, words)


def _failed(name: str, error: VODError, language: str) -> Check:
    return _row(failed(name, error), language)


def _row(finding: Finding, language: str) -> Check:
    return Check(finding.name, finding.ok, finding.text(language), finding.fix(language), finding.label(language))


_PLACE_CODES = frozenset({"Region", "Endpoint", "Endpoint.Refused"})


def _journal(uploader: VODUpload, words: str) -> Check:
    try:
        journal = uploader._authority.journal()
        waiting = len(journal.unfinished())
    except VODError as error:
        return _failed("journal", error, words)
    told = getattr(journal, "warnings", ())
    if told:
        facts = {"told": str(told[-1])}
        return _row(Finding("journal", ok=False, key="told", facts=facts, advice="journal"), words)
    left = (
        text_words("left", {"count": str(waiting) if words == "zh" else count_words(waiting, "file")}, None, words)
        if waiting
        else ""
    )
    facts = {"folder": str(getattr(journal, "folder", "")), "left": left}
    return _row(Finding("journal", ok=True, key="journal", facts=facts), words)


def _files(uploader: VODUpload, files: Any, metadata: dict[str, Any], words: str) -> list[Check]:
    """Add the files to a queue that is never started: every limit is checked there."""
    try:
        items, _ = read_items(files, metadata)
    except VODError as error:
        return [_failed("files", error, words)]
    bad: list[Check] = []
    good, size_bytes = 0, 0
    for item in items:
        try:
            info = add_item(uploader, item, metadata)
        except VODError as error:
            bad.append(_failed(item.name, error, words))
        else:
            good += 1
            size_bytes += info.size_bytes
    rows = bad[:_FILES_SHOWN]
    if len(bad) > _FILES_SHOWN:
        rows.append(_about_files(len(bad) - _FILES_SHOWN, 0, words, key="more_files", advice="more_files"))
    if good or not bad:
        rows.insert(0, _about_files(good, size_bytes, words, key="files", advice="" if good else "files"))
    return rows


def _about_files(count: int, size_bytes: int, words: str, *, key: str, advice: str) -> Check:
    said = str(count) if words == "zh" or key == "more_files" else count_words(count, "file")
    facts = {"count": said, "size": size_words(size_bytes)}
    return _row(Finding("files", ok=not advice, key=key, facts=facts, advice=advice), words)
