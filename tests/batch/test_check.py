"""`vw.check`: one row a thing, with the step that helps; never raises for what it finds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import vod_widget as vw
from tests.batch.conftest import operations
from tests.helpers.media import Media
from vod_widget.batch import Checks
from vod_widget.emulator import faults
from vod_widget.errors import InvalidArgumentError


def by_name(checks: Checks) -> dict[str, Any]:
    return {row.name: row for row in checks}


def test_all_is_well_on_the_emulator_and_nothing_is_created(emulator: Any, to: dict[str, Any], media: Media) -> None:
    checks = vw.check(files=list(media), **to)
    assert [row.name for row in checks] == ["credentials", "destination", "identity", "VOD access", "journal", "files"]
    assert {row.ok for row in checks} == {True}
    assert (checks.ok, str(checks)) == (True, "Ready to upload.")
    assert emulator.account_id in by_name(checks)["identity"].text
    assert emulator.assets == []
    assert {r.op for r in emulator.requests} == {"GetCallerIdentity", "GetVideoInfo"}
    assert emulator.access_key_secret not in repr(checks) + checks._repr_html_()
    assert emulator.access_key_id not in repr(checks)


def test_no_credentials_name_the_fix_and_leave_the_rest_untried() -> None:
    checks = vw.check()
    rows = by_name(checks)
    assert not checks.ok
    assert (rows["credentials"].ok, rows["identity"].ok, rows["journal"].ok) == (False, None, True)
    assert "profile=" in rows["credentials"].fix
    assert "Auth.Missing" in rows["credentials"].text
    assert str(checks) == "1 thing to fix: credentials"


def test_unknown_profile_is_a_row() -> None:
    row = by_name(vw.check("nobody"))["credentials"]
    assert row.ok is False
    assert "nobody" in row.text


def test_wrong_key_fails_the_identity(emulator: Any, to: dict[str, Any]) -> None:
    to["credentials"] = vw.Credentials(emulator.access_key_id, "EMUwrongwrongwrong")
    rows = by_name(vw.check(**to))
    assert (rows["credentials"].ok, rows["identity"].ok, rows["VOD access"].ok) == (True, False, None)
    assert "SignatureDoesNotMatch" in rows["identity"].text


def test_missing_right_names_the_action(emulator: Any, to: dict[str, Any]) -> None:
    emulator.faults.add(op="GetVideoInfo", action=faults.Status(403, "Forbidden.RAM"))
    row = by_name(vw.check(**to))["VOD access"]
    assert row.ok is False
    assert "vod:GetVideoInfo" in row.fix


def test_unreachable_endpoint_says_so(to: dict[str, Any]) -> None:
    to["endpoint"] = "http://127.0.0.1:9"
    rows = by_name(vw.check(**to))
    assert rows["identity"].ok is False
    assert "Network" in rows["identity"].text
    assert "network" in rows["identity"].fix


def test_unknown_region_lists_those_there_are(emulator: Any) -> None:
    keys = vw.Credentials("LTAI5tForTestsOnly00", "not-a-real-key")
    row = by_name(vw.check(credentials=keys, region="mars-1"))["destination"]
    assert row.ok is False
    assert "cn-shanghai" in row.text


def test_journal_that_cannot_be_written_is_a_row(to: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    to["checkpoint_dir"] = str(tmp_path / "file")
    row = by_name(vw.check(**to))["journal"]
    assert row.ok is False
    assert str(tmp_path / "file") in row.text


def test_each_bad_file_is_a_row_with_its_code(to: dict[str, Any], media: Media, tmp_path: Path) -> None:
    rows = by_name(vw.check(files=[media.mp4, tmp_path / "gone.mp4"], title="t" * 128, **to))
    assert rows["files"].text.startswith("1 file, ")
    assert "Source.Missing" in rows["gone.mp4"].text
    rows = by_name(vw.check(files=media.mp4, title="t" * 129, **to))
    assert "LengthExceededMax" in rows["clip.mp4"].text
    assert by_name(vw.check(files=str(tmp_path / "*.mp4"), **to))["files"].ok is False


def test_application_that_gives_authority_needs_no_keys(emulator: Any) -> None:
    rows = by_name(vw.check(get_auth=lambda context: {}))
    assert rows["credentials"].ok is True
    assert "identity" not in rows
    assert operations(emulator, "GetCallerIdentity") == 0


def test_wrong_keyword_raises(to: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgumentError, match="did you mean 'region'"):
        vw.check(regoin="cn-shanghai", **to)


def test_page_escapes_what_it_shows(to: dict[str, Any]) -> None:
    page = vw.check(files=["<b>x</b>.mp4"], **to)._repr_html_()
    assert "<b>" not in page
    assert "&lt;b&gt;" in page
