"""What became of a batch: one row a file, in the order in which the files were given.

Frozen values that can be pickled and printed; they hold no secret and no handle. Only `to_frame` imports pandas.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, overload

from vod_widget.errors import VODError
from vod_widget.model import UploadResult, UploadState
from vod_widget.secret import redact

from .words import count_words, html_table, one_line, size_words, text_table

__all__ = ["COLUMNS", "Results", "Row", "row_of"]

COLUMNS = (
    "path",
    "name",
    "state",
    "media_type",
    "video_id",
    "image_id",
    "image_url",
    "size_bytes",
    "sent_bytes",
    "duration_s",
    "verified",
    "skipped",
    "error_code",
    "error_message",
    "request_id",
)
"""What every row has, beside the columns that the caller's table had."""

# A notebook is saved with the outputs of its cells, and a terminal has its limits too.
_ROWS_TEXT = 50
_ROWS_HTML = 200
_NAMES_SHOWN = 5


class Row(Mapping[str, Any]):
    """The outcome of one file: read a field as `row["video_id"]` or `row.video_id`.

    Every row has `path, name, state, media_type, video_id, image_id, image_url, size_bytes, sent_bytes, duration_s,
    verified, skipped, error_code, error_message, request_id`, as `UploadResult` explains them, and the columns of the
    caller's own table.
    """

    __slots__ = ("_values",)
    _values: dict[str, Any]

    def __init__(self, values: Mapping[str, Any]) -> None:
        object.__setattr__(self, "_values", dict(values))

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_") and name in self._values:
            return self._values[name]
        raise AttributeError(f"a row has no field {name!r}; it has: {', '.join(map(str, self._values))}")

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError("a row is frozen; dict(row) makes a copy that may be changed")

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *(name for name in self._values if str(name).isidentifier())]

    def __reduce__(self) -> tuple[Any, ...]:
        return Row, (self._values,)

    @property
    def ok(self) -> bool:
        """Whether the file is stored: now, or since an earlier run."""
        return bool(self._values["state"] == UploadState.SUCCESS)

    @property
    def media_id(self) -> str | None:
        """VideoId, or ImageId of an image."""
        found: str | None = self._values["video_id"] or self._values["image_id"]
        return found

    def __repr__(self) -> str:
        media = f" {self.media_id}" if self.media_id else ""
        why = f" [{self._values['error_code']}]" if self._values["error_code"] else ""
        return f"<Row {one_line(self._values['name'])!r} {self._values['state']}{media}{why}>"


def row_of(
    result: UploadResult | None,
    *,
    columns: Mapping[str, Any],
    path: str,
    name: str,
    error: VODError | None = None,
    is_shared: bool = False,
) -> Row:
    """Join what the caller's row had with what became of the file.

    Args:
        result: The outcome, or None for a file that never came into the queue.
        columns: The caller's own columns; ours win over those of the same name, but for `path`.
        path: Where the bytes come from.
        name: File name.
        error: Why it never came into the queue.
        is_shared: Whether an earlier row of the same file did the work.
    """
    if result is None:
        failure = error or VODError("the file left the queue", code="Removed", hint="Add it again.")
        result = UploadResult(
            file_id="",
            name=name,
            source=path,
            state=UploadState.FAILURE if error is not None else UploadState.CANCELED,
            media_type=None,  # type: ignore[arg-type]  # nobody could tell the kind of this file
            error_code=failure.code,
            error_message=str(failure),
            request_id=failure.request_id,
        )
    values: dict[str, Any] = {field: getattr(result, field) for field in COLUMNS[1:]}
    values["state"] = str(result.state)
    values["media_type"] = str(result.media_type) if result.media_type else None
    if is_shared:
        values.update(sent_bytes=0, skipped=result.state is UploadState.SUCCESS)
    if values["error_message"]:
        values["error_message"] = redact(values["error_message"])
    return Row({"path": path, **columns, **values})


class Results(Sequence[Row]):
    """Rows of a batch in the order of the files; printing them shows a table.

    Args:
        rows: The rows.
        index: Labels of the caller's table, for `to_frame`, or None.
    """

    def __init__(self, rows: Iterable[Row] = (), *, index: Any = None) -> None:
        self._rows = tuple(rows)
        self._index = index

    @overload
    def __getitem__(self, index: int) -> Row: ...

    @overload
    def __getitem__(self, index: slice) -> Results: ...

    def __getitem__(self, index: int | slice) -> Row | Results:
        if isinstance(index, slice):
            return Results(self._rows[index], index=None if self._index is None else self._index[index])
        return self._rows[index]

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def succeeded(self) -> Results:
        """The rows whose file is stored, now or since an earlier run."""
        return self._where(ok=True)

    @property
    def failed(self) -> Results:
        """The rows whose file is not stored: failed, canceled or stopped."""
        return self._where(ok=False)

    def _where(self, *, ok: bool) -> Results:
        kept = [number for number, row in enumerate(self._rows) if row.ok is ok]
        index = None if self._index is None else [self._index[number] for number in kept]
        return Results([self._rows[number] for number in kept], index=index)

    @property
    def sent_bytes(self) -> int:
        """Bytes that went over the wire, repeats included."""
        return sum(row.sent_bytes for row in self._rows)

    def raise_for_failures(self) -> None:
        """Do nothing when every file is stored.

        Raises:
            VODError: Files are not stored; the text names the first of them with their codes. Its `code` is theirs when
                all have the same, else `Batch.Failed`.
        """
        failed = self.failed
        if not failed:
            return
        codes = Counter(str(row.error_code or row.state) for row in failed)
        named = [f"{one_line(row.name)} ({row.error_code or row.state})" for row in failed[:_NAMES_SHOWN]]
        more = f" and {len(failed) - _NAMES_SHOWN} more" if len(failed) > _NAMES_SHOWN else ""
        raise VODError(
            f"{len(failed)} of {count_words(len(self), 'file')} are not stored: {', '.join(named)}{more}",
            code=next(iter(codes)) if len(codes) == 1 else "Batch.Failed",
            hint="Look at .failed for the causes, then run the same call again: what is stored is not sent again.",
        )

    def to_dicts(self) -> list[dict[str, Any]]:
        """Return the rows as plain dicts, for `json` and other tables."""
        return [dict(row) for row in self._rows]

    def to_frame(self) -> Any:
        """Return a pandas `DataFrame` with the caller's columns, then ours; needs pandas.

        Raises:
            ImportError: pandas is not installed.
        """
        import pandas as pd

        columns = list(dict.fromkeys(name for row in self._rows for name in row)) or list(COLUMNS)
        return pd.DataFrame.from_records(
            [[row.get(name) for name in columns] for row in self._rows], columns=columns, index=self._index
        )

    def __str__(self) -> str:
        states = Counter(str(row.state) for row in self._rows)
        skipped = sum(1 for row in self._rows if row.ok and row.skipped)
        uploaded = states[UploadState.SUCCESS] - skipped
        parts = [f"{uploaded:,} uploaded"] if uploaded else []
        parts += [f"{skipped:,} already uploaded"] if skipped else []
        parts += [f"{states[UploadState.FAILURE]:,} failed"] if states[UploadState.FAILURE] else []
        others = (s for s in UploadState if s not in {UploadState.SUCCESS, UploadState.FAILURE})
        parts += [f"{states[state]:,} {state.lower()}" for state in others if states[state]]
        said = ", ".join([*parts, f"{size_words(self.sent_bytes)} sent"])
        return f"{count_words(len(self), 'file')}: {said}"

    def __repr__(self) -> str:
        if not self._rows:
            return str(self)
        shown = self._rows[:_ROWS_TEXT]
        more = len(self) - len(shown)
        table = text_table(("name", "state", "VideoId or ImageId", "size", "cause"), [_cells(row) for row in shown])
        return "\n".join([table, *([f"… and {more:,} more"] if more else []), str(self)])

    def _repr_html_(self) -> str:
        shown = self._rows[:_ROWS_HTML]
        more = len(self) - len(shown)
        head = ("Name", "State", "VideoId or ImageId", "Size", "Cause")
        return html_table(head, [_cells(row) for row in shown], str(self), f"{more:,} more" if more else "")


def _cells(row: Row) -> tuple[str, ...]:
    state = "already uploaded" if row.ok and row.skipped else str(row.state)
    return row.name, state, row.media_id or "", size_words(row.size_bytes) if row.size_bytes else "", _cause(row)


def _cause(row: Row) -> str:
    # The text ends with its code and the next step already.
    return str(row.error_message or "")
