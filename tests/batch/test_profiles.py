"""`vw.profiles()` is a list, and a table when it is shown."""

from __future__ import annotations

from pathlib import Path

import vod_widget as vw
from tests.credentials.helpers import ak, write_cli


def test_profiles_show_themselves_as_a_table_with_life_and_reason(home: Path) -> None:
    write_cli(
        home,
        ak("prod"),
        {**ak("sts"), "mode": "StsToken", "sts_token": "t", "sts_expiration": 4_000_000_000},
        {"name": "vault", "mode": "External", "process_command": "give"},
        {"name": "rsa<b>", "mode": "RsaKeyPair"},
        current="prod",
    )
    found = vw.profiles()
    assert isinstance(found, list)
    lines = repr(found).splitlines()
    assert lines[2].startswith("* prod")
    assert lines[2].endswith("does not end")
    assert lines[3].endswith("ends at 2096-10-02 07:06 UTC")
    assert lines[4].endswith("renews itself")
    assert "cannot be used: mode RsaKeyPair" in lines[5]
    assert lines[-1] == "* is used when nothing is chosen."
    assert "<b>" not in found._repr_html_()
