"""Rows and tables: read, printed, pickled, escaped."""

from __future__ import annotations

import html
import pickle
import sys

import pytest

from vod_widget.batch import Results, Row
from vod_widget.batch.results import row_of
from vod_widget.batch.words import size_words, text_table
from vod_widget.errors import RestrictionError, VODError
from vod_widget.model import MediaType, UploadResult, UploadState

NASTY = "<img src=x onerror=alert(1)>\"'&\x1b[31m\u202egpj.mp4\n"


def result(name: str, **fields: object) -> UploadResult:
    known = {"file_id": name, "source": f"/tmp/{name}", "state": UploadState.SUCCESS, "media_type": MediaType.VIDEO}
    return UploadResult(name=name, **{**known, **fields})  # type: ignore[arg-type]


def row(name: str, **fields: object) -> Row:
    return row_of(result(name, **fields), columns={}, path=f"/tmp/{name}", name=name)


STATES = Results(
    [
        row("a.mp4", video_id="v1", size_bytes=1500, sent_bytes=1500),
        row("b.mp4", video_id="v2", size_bytes=10, skipped=True),
        row("c.mp4", state=UploadState.FAILURE, error_code="Source.Missing", error_message="c.mp4: gone"),
        row("d.png", state=UploadState.CANCELED, media_type=MediaType.IMAGE, image_id="i1"),
        row("e.mp4", state=UploadState.STOPPED),
    ]
)


def test_row_is_read_by_name_and_by_attribute_and_is_frozen() -> None:
    first = STATES[0]
    assert (first["video_id"], first.video_id, first.media_id, first.ok) == ("v1", "v1", "v1", True)
    assert STATES[3].media_id == "i1"
    assert dict(first)["path"] == "/tmp/a.mp4"
    with pytest.raises(AttributeError, match="no field 'vidoe_id'; it has: path, name"):
        _ = first.vidoe_id
    with pytest.raises(AttributeError, match="frozen"):
        first.state = "Ready"
    assert "video_id" in dir(first)


def test_callers_column_never_hides_an_outcome() -> None:
    made = row_of(result("a.mp4"), columns={"state": "old", "path": "a.mp4", "n": 1}, path="/tmp/a.mp4", name="a.mp4")
    assert (made.state, made.path, made.n) == ("Success", "a.mp4", 1)


def test_row_of_a_file_that_never_came_in_has_the_same_fields() -> None:
    error = RestrictionError("too long", code="LengthExceededMax", file_name="x.mp4")
    made = row_of(None, columns={}, path="x.mp4", name="x.mp4", error=error)
    assert list(made) == list(STATES[0])
    assert (made.state, made.error_code, made.media_type) == ("Failure", "LengthExceededMax", None)
    assert made.error_message == str(error)


def test_summary_counts_every_state() -> None:
    assert str(STATES) == "5 files: 1 uploaded, 1 already uploaded, 1 failed, 1 canceled, 1 stopped, 1.50 kB sent"
    assert str(STATES[:1]) == "1 file: 1 uploaded, 1.50 kB sent"
    assert str(Results()) == repr(Results()) == "0 files: 0 bytes sent"


def test_failed_is_everything_that_is_not_stored() -> None:
    assert [r.name for r in STATES.failed] == ["c.mp4", "d.png", "e.mp4"]
    assert [r.name for r in STATES.succeeded] == ["a.mp4", "b.mp4"]
    assert STATES.sent_bytes == 1500
    STATES.succeeded.raise_for_failures()
    with pytest.raises(VODError) as caught:
        STATES[2:3].raise_for_failures()
    assert caught.value.code == "Source.Missing"


def test_pickle_gives_equal_rows() -> None:
    back = pickle.loads(pickle.dumps(STATES))
    assert [dict(r) for r in back] == STATES.to_dicts()


def test_frame_has_every_column_in_order_also_for_no_rows() -> None:
    frame = STATES.to_frame()
    assert list(frame.columns) == list(STATES[0])
    assert list(frame["name"]) == ["a.mp4", "b.mp4", "c.mp4", "d.png", "e.mp4"]
    assert list(Results().to_frame().columns) == list(frame.columns)


def test_printing_needs_no_pandas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    assert "Source.Missing" not in repr(STATES[:1])
    assert repr(STATES).splitlines()[2].split() == ["a.mp4", "Success", "v1", "1.50", "kB"]
    with pytest.raises(ImportError):
        STATES.to_frame()


def test_html_escapes_every_text_and_shows_no_control_character() -> None:
    made = Results([row(NASTY, state=UploadState.FAILURE, error_code="X", error_message=NASTY)])
    page = made._repr_html_()
    assert "<img" not in page
    assert "onerror=alert(1)&gt;&quot;&#x27;&amp;" in page
    assert html.escape("\x1b") not in page
    for text in (page, repr(made), repr(made[0])):
        assert not {"\x1b", "\u202e"} & set(text)
    assert len(repr(made).splitlines()) == 4


def test_secret_in_a_message_is_not_shown() -> None:
    leaked = row("a.mp4", state=UploadState.FAILURE, error_code="X", error_message="Signature=abcdefgh1234 refused")
    assert "abcdefgh1234" not in repr(Results([leaked])) + leaked.error_message


def test_long_tables_are_cut_and_say_so() -> None:
    many = Results([row(f"{number}.mp4") for number in range(1000)])
    assert "… and 950 more" in repr(many)
    assert len(repr(many).splitlines()) == 54
    assert "800 more" in many._repr_html_()
    assert many._repr_html_().count("<tr>") == 202


@pytest.mark.parametrize(
    ("size_bytes", "words"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1.00 kB"),
        (999_499, "999 kB"),
        (999_500, "1.00 MB"),
        (5e16, "50.0 PB"),
    ],
)
def test_sizes_in_words(size_bytes: float, words: str) -> None:
    assert size_words(size_bytes) == words


def test_last_cell_is_never_cut() -> None:
    cause = "x" * 300
    assert cause in text_table(("a", "b"), [("y" * 300, cause)])
    assert "y" * 61 not in text_table(("a", "b"), [("y" * 300, cause)])
