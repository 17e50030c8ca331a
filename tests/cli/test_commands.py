"""Each command as a shell runs it: what it prints, its status, and one line instead of a traceback."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.media import Media
from tests.helpers.until import until
from vod_widget import __version__
from vod_widget.batch.table import METADATA
from vod_widget.cli import main
from vod_widget.cli.arguments import chosen_options, make_parser, metadata_of
from vod_widget.emulator import faults
from vod_widget.options import OPTIONS

COMMAND = (sys.executable, "-W", "error", "-m", "vod_widget")
ROOT = Path(__file__).resolve().parents[2]


def environment(emulator: Any = None) -> dict[str, str]:
    known = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200"}
    if emulator is not None:
        known["VOD_WIDGET_ENDPOINT"] = emulator.endpoint
        known["ALIBABA_CLOUD_ACCESS_KEY_ID"] = emulator.access_key_id
        known["ALIBABA_CLOUD_ACCESS_KEY_SECRET"] = emulator.access_key_secret
    return known


def run(*arguments: object, emulator: Any = None, cwd: Path | None = None) -> tuple[int, str, str]:
    done = subprocess.run(
        [*COMMAND, *map(str, arguments)],
        env=environment(emulator),
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """`main` without a process of its own, for cases that differ in words only."""
    before = signal.getsignal(signal.SIGTERM)

    def call(*arguments: object, emulator: Any = None) -> tuple[int, str, str]:
        for name, value in environment(emulator).items():
            monkeypatch.setenv(name, value)
        try:
            status = main([str(argument) for argument in arguments])
        except SystemExit as left:
            status = int(str(left.code))
        finally:
            signal.signal(signal.SIGTERM, before)
        return status, *capsys.readouterr()

    return call


@pytest.mark.slow
def test_upload_prints_a_table_and_a_second_run_sends_nothing(emulator: Any, media: Media) -> None:
    status, out, err = run("upload", media.mp4, media.png, "--title", "Talk", "--tags", "a,b", emulator=emulator)
    assert (status, err) == (0, "")
    assert "2 files: 2 uploaded" in out
    for asset in emulator.assets:
        assert asset.media_id in out
        assert (asset.title, asset.tags) == ("Talk", "a,b")
    status, out, err = run("upload", media.mp4, media.png, "--json", emulator=emulator)
    assert (status, err) == (0, "")
    rows = json.loads(out)
    assert [row["skipped"] for row in rows] == [True, True]
    assert {row["video_id"] or row["image_id"] for row in rows} == {asset.media_id for asset in emulator.assets}


def test_upload_with_a_failed_file_exits_with_one(in_process: Any, emulator: Any, media: Media) -> None:
    status, out, err = in_process("upload", media.mp4, "missing.mp4", "--no-progress", emulator=emulator)
    assert (status, err) == (1, "")
    assert "missing.mp4" in out
    assert "[Source.Missing]" in out
    assert "1 uploaded, 1 failed" in out


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("upload", "zz*.mp4"), 1, ("no file matches", "[Source.NoMatch]", "Check the pattern")),
        (("upload", __file__, "--parallel", "0"), 2, ("parallel must be at least 1", "[Option]")),
        (("upload", "{png}"), 2, ("no credentials were found", "[Auth.Missing]", "emulator")),
        (("upload", "{png}", "--profile", "prod"), 2, ("prod", "[Profile.NotFound]")),
        (("upload", "{png}", "{png}x", "--name", "a.png"), 2, ("name fits one file",)),
        (("resume", "--checkpoint-dir", "{png}"), 1, ("cannot be kept in", "[Journal.")),
    ],
)
def test_an_error_is_one_line_with_code_and_hint(
    in_process: Any, media: Media, arguments: tuple[str, ...], status: int, words: tuple[str, ...]
) -> None:
    got, out, err = in_process(*(argument.replace("{png}", str(media.png)) for argument in arguments))
    assert (got, out) == (status, "")
    (line,) = err.splitlines()
    assert line.startswith("vod-widget: ")
    assert [word for word in words if word not in line] == []


@pytest.mark.slow
def test_interrupted_upload_is_finished_by_resume(emulator: Any, media: Media, tmp_path: Path) -> None:
    movie = tmp_path / "movie.mp4"
    padding = bytes(range(256)) * 1200
    movie.write_bytes(media.mp4.read_bytes() + (len(padding) + 8).to_bytes(4, "big") + b"free" + padding)
    stall, next_stall = (emulator.faults.add(op="UploadPart", part_number=n, action=faults.Stall()) for n in (2, 3))
    process = subprocess.Popen(
        [*COMMAND, "upload", str(movie), "--parallel", "1", "--part-size-bytes", "102400"],
        env=environment(emulator),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    until(lambda: stall.fired, "part 2 is on its way", within_s=100)
    process.send_signal(signal.SIGTERM)
    stall.release()  # it waits for the part that is on its way; the next one is held if it is quicker than the signal
    out, err = process.communicate(timeout=60)
    next_stall.release()
    assert (process.returncode, out) == (130, "")
    assert err == ("vod-widget: stopped; what was sent is kept. Run the same command again, or: vod-widget resume\n")
    status, out, err = run("resume", "--list", emulator=emulator)
    assert (status, err) == (0, "")
    assert "Stopped" in out
    status, out, err = run("resume", emulator=emulator)
    assert (status, err) == (0, "")
    (asset,) = emulator.assets
    assert asset.media_id in out
    assert emulator.object_path(asset.media_id).read_bytes() == movie.read_bytes()
    assert run("resume", emulator=emulator) == (0, "Nothing is unfinished.\n", "")


def test_profiles_show_the_current_one_and_no_secret(in_process: Any, emulator: Any) -> None:
    status, out, _ = in_process("profiles", emulator=emulator)
    assert status == 0
    assert "* environment" in out
    assert emulator.access_key_id not in out
    assert emulator.access_key_secret not in out
    status, out, _ = in_process("profiles", "--json", emulator=emulator)
    assert [p["name"] for p in json.loads(out) if p["is_current"]] == ["environment"]


def test_profiles_without_any_say_so(in_process: Any) -> None:
    status, out, _ = in_process("profiles")
    assert status == 0
    assert "None is used by itself." in out


def test_explain_tells_the_search(in_process: Any) -> None:
    status, out, _ = in_process("explain")
    assert status == 0
    assert "~/.aliyun/config.json" in out
    assert "Auth.Missing" in out


def test_check_exits_by_what_it_found(in_process: Any, emulator: Any, media: Media) -> None:
    status, out, _ = in_process("check", media.mp4, emulator=emulator)
    assert (status, out.splitlines()[-1]) == (0, "Ready to upload.")
    status, out, _ = in_process("check", media.mp4, "--title", "t" * 129, "--json", emulator=emulator)
    assert status == 1
    assert [row["name"] for row in json.loads(out) if row["ok"] is False] == ["clip.mp4"]


def test_version_and_usage(in_process: Any) -> None:
    assert in_process("--version") == (0, f"vod-widget {__version__}\n", "")
    assert in_process()[0] == 2
    assert in_process("uplaod")[0] == 2
    status, out, _ = in_process("--help")
    assert status == 0
    assert [c for c in ("demo", "upload", "resume", "profiles", "explain", "check", "emulator") if c not in out] == []


def test_every_option_and_every_metadata_is_an_argument_and_none_takes_a_key() -> None:
    parser = make_parser()
    arguments = ["upload", "a.mp4"]
    for option in OPTIONS:
        flag = f"--{option.name.replace('_', '-')}"
        arguments += [flag] if option.kind is bool else [flag, "7"]
    for name in METADATA:
        flag = f"--{name.replace('_', '-')}"
        arguments += ["--no-show-watermark"] if name == "show_watermark" else [flag, "7"]
    args = parser.parse_args(arguments)
    assert chosen_options(args) == {o.name: True if o.kind is bool else o.kind(7) for o in OPTIONS}
    assert set(metadata_of(args)) == set(METADATA)
    assert (metadata_of(args)["extend"], metadata_of(args)["show_watermark"]) == (7, False)
    assert "secret" not in parser.format_help().lower() + json.dumps(sorted(vars(args)))


@pytest.mark.slow
def test_emulator_is_served_until_a_signal() -> None:
    process = subprocess.Popen(
        [*COMMAND, "emulator", "--port", "0", "--json"], env=environment(), stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert json.loads(process.stdout.readline())["endpoint"].startswith("http://127.0.0.1:")
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, "")


@pytest.mark.slow
def test_pipe_that_closes_early_is_no_error() -> None:
    command = " ".join(COMMAND)
    done = subprocess.run(
        ["/bin/sh", "-c", f"{command} explain | true"],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
