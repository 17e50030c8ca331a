"""Profile files are read only when nobody else could have written them, and parsed without cutting a secret."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from vod_widget.credentials.files import parse_ini, parse_json, read_private

from .helpers import CANARY, write

posix = pytest.mark.skipif(os.name != "posix", reason="Windows has no permission bits; its access list does the work")


@posix
@pytest.mark.parametrize(
    ("mode", "is_read", "warns"),
    [
        (0o400, True, False),
        (0o600, True, False),
        (0o700, True, False),
        (0o640, True, True),
        (0o604, True, True),
        (0o644, True, True),
        (0o620, False, False),
        (0o602, False, False),
        (0o666, False, False),
    ],
)
def test_s14_what_others_may_write_is_refused_and_what_they_may_read_is_warned_of(
    tmp_path: Path, mode: int, is_read: bool, warns: bool
) -> None:
    path = write(tmp_path / "f", "x", mode)
    read = read_private(path, "f")
    assert (read.text is not None) == is_read
    assert bool(read.problem) == (not is_read)
    assert bool(read.warning) == warns
    assert (read_private(path, "f", strict=True).text is not None) == (is_read and not warns)


@posix
def test_s14_a_link_is_followed_only_when_the_person_named_the_path(tmp_path: Path) -> None:
    target = write(tmp_path / "target", "x")
    link = tmp_path / "link"
    link.symlink_to(target)
    refused = read_private(link, "link")
    assert refused.text is None
    assert "symbolic link" in refused.problem
    assert read_private(link, "link", follow_links=True).text == "x"


@posix
def test_a_pipe_does_not_hang_and_a_folder_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    assert "not a regular file" in read_private(tmp_path / "pipe", "pipe").problem
    (tmp_path / "folder").mkdir(0o700)
    assert "not a regular file" in read_private(tmp_path / "folder", "folder").problem


def test_a_missing_file_is_no_problem(tmp_path: Path) -> None:
    read = read_private(tmp_path / "none" / "f", "f")
    assert (read.exists, read.problem, read.text) == (False, "", None)


def test_a_huge_file_and_a_binary_file_are_refused(tmp_path: Path) -> None:
    assert "1 MiB" in read_private(write(tmp_path / "big", "x" * (2**20 + 1)), "big").problem
    (tmp_path / "bin").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "bin").chmod(0o600)
    assert "UTF-8" in read_private(tmp_path / "bin", "bin").problem


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"\xef\xbb\xbf{}")
    (tmp_path / "f").chmod(0o600)
    assert read_private(tmp_path / "f", "f").text == "{}"


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("access_key_secret = ab#cd", "ab#cd"),
        ("access_key_secret=ab#cd", "ab#cd"),
        ("access_key_secret = ab%(cd)s%d", "ab%(cd)s%d"),
        ("access_key_secret = ab=cd:ef", "ab=cd:ef"),
        ("access_key_secret = ab;cd", "ab;cd"),
        ("access_key_secret : abcd", "abcd"),
        ("ACCESS_KEY_SECRET = AbCd", "AbCd"),
        ("  access_key_secret = indented", "indented"),
        ("access_key_secret = abcd   # the vendor's samples comment so", "abcd"),
        ("access_key_secret = abcd\t#comment", "abcd"),
        ("access_key_secret =", ""),
    ],
)
def test_an_ini_value_stands_as_it_is_written(line: str, value: str) -> None:
    sections, problem = parse_ini(f"# top\n; also\n\n[default]   # the default one\n{line}\n", "f")
    assert problem == ""
    assert sections == {"default": {"access_key_secret": value}}


@pytest.mark.parametrize(
    ("text", "line"),
    [(f"x = {CANARY}", 1), (f"[a]\n{CANARY}", 2), (f"[a]\n[{CANARY}", 2), (f"[]\nx = {CANARY}", 1)],
)
def test_a_bad_ini_line_is_named_by_number_only(text: str, line: int) -> None:
    sections, problem = parse_ini(text, "the.ini")
    assert sections == {}
    assert f"line {line} of the.ini" in problem
    assert CANARY not in problem


@pytest.mark.parametrize("text", [f'{{"a": "{CANARY}"', f'["{CANARY}"]', CANARY, "[" * 100_000])
def test_bad_json_names_the_file_and_never_the_content(text: str) -> None:
    data, problem = parse_json(text, "config.json")
    assert data == {}
    assert "config.json" in problem
    assert CANARY not in problem
