"""The arguments of each command; options of the queue come from its own table, so that they cannot differ.

No argument takes a key: what is typed in a shell stays in its history.
"""

from __future__ import annotations

import argparse
import json
from argparse import ArgumentParser, BooleanOptionalAction, Namespace
from contextlib import suppress
from typing import Any

from vod_widget._version import __version__
from vod_widget.batch.table import METADATA
from vod_widget.options import OPTIONS

__all__ = ["chosen_options", "make_parser", "metadata_of"]

_HELP = {
    "name": "file name for VOD, with its extension; for one file",
    "title": "title; default: the file name",
    "description": "description",
    "tags": "tags, separated by commas",
    "cate_id": "category",
    "cover": "image that becomes the cover: a path or a URL",
    "cover_url": "URL of the cover",
    "media_type": "video, audio or image; default: by the extension",
    "reference_id": "idempotency key of the asset; for one file",
    "template_group_id": "transcoding template group",
    "workflow_id": "workflow; wins over the template group",
    "storage_location": "storage address of the account",
    "app_id": "application",
    "show_watermark": "the account's watermark on these files",
    "priority": "transcoding priority",
    "message_callback": "URL where VOD reports these files",
    "extend": "any JSON, comes back in VOD's callbacks",
    "user_data": 'the vendor\'s userData as JSON, with the key "Vod"',
}


def make_parser() -> ArgumentParser:
    """Build the parser of `vod-widget`."""
    parser = ArgumentParser(prog="vod-widget", description="Upload video, audio and images to ApsaraVideo VOD.")
    parser.add_argument("--version", action="version", version=f"vod-widget {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    demo = commands.add_parser("demo", help="open the quick start in JupyterLab, on the emulator; needs no account")
    demo.add_argument("--browser", action=BooleanOptionalAction, default=True, help="open it in a browser")
    demo.add_argument(
        "--port", type=int, default=None, help="port of JupyterLab; default: the first free one from 8888"
    )
    demo.add_argument("--dir", default=None, help="work folder, which is kept; default: one that goes with the demo")
    demo.add_argument(
        "--check", "--headless", action="store_true", help="run the notebook without JupyterLab; exit 1 if a cell fails"
    )

    upload = commands.add_parser("upload", help="upload files and wait; run again, it sends nothing twice")
    upload.add_argument("files", nargs="+", metavar="FILE", help="a path, a pattern in quotes, or a folder")
    _add_metadata(upload)
    _add_running(upload)

    resume = commands.add_parser("resume", help="go on with the unfinished files of an earlier process")
    resume.add_argument("--list", action="store_true", help="show them and send nothing")
    _add_running(resume)

    profiles = commands.add_parser("profiles", help="list the profiles that were found")
    profiles.add_argument("--json", action="store_true", help="print JSON")

    explain = commands.add_parser("explain", help="tell where credentials were looked for and which are used")
    explain.add_argument("--profile", default=None, help="as if this profile were named")

    check = commands.add_parser("check", help="look whether an upload would work; sends nothing")
    check.add_argument("files", nargs="*", metavar="FILE", help="files to check too")
    check.add_argument("--json", action="store_true", help="print JSON")
    _add_metadata(check)
    _add_options(check)

    commands.add_parser("emulator", help="serve the emulator; see: vod-widget emulator --help", add_help=False)
    return parser


def _add_metadata(parser: ArgumentParser) -> None:
    group = parser.add_argument_group("metadata of the files")
    for name in METADATA:
        flag = f"--{name.replace('_', '-')}"
        if name == "show_watermark":
            group.add_argument(flag, action=BooleanOptionalAction, default=None, help=_HELP[name])
        else:
            group.add_argument(flag, dest=name, default=None, metavar="TEXT", help=_HELP[name])


def _add_running(parser: ArgumentParser) -> None:
    parser.add_argument("--progress", action=BooleanOptionalAction, default=None, help="default: in a terminal")
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    _add_options(parser)


def _add_options(parser: ArgumentParser) -> None:
    group = parser.add_argument_group("options of the queue")
    for option in OPTIONS:
        flag = f"--{option.name.replace('_', '-')}"
        text = option.text.replace("%", "%%")
        if option.kind is bool:
            group.add_argument(flag, dest=option.name, action=BooleanOptionalAction, default=None, help=text)
        else:
            metavar = (option.unit or "TEXT").upper()
            group.add_argument(
                flag, dest=option.name, type=_type_of(option.kind), default=None, metavar=metavar, help=text
            )


def _type_of(kind: type) -> Any:
    def read(text: str) -> Any:
        try:
            return kind(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is no number") from None

    return read


def chosen_options(args: Namespace) -> dict[str, Any]:
    """Return the options of the queue that were given."""
    given = {option.name: getattr(args, option.name) for option in OPTIONS}
    return {name: value for name, value in given.items() if value is not None}


def metadata_of(args: Namespace) -> dict[str, Any]:
    """Return the metadata that was given."""
    given = {name: getattr(args, name) for name in METADATA if getattr(args, name) is not None}
    if "extend" in given:
        with suppress(ValueError):  # a plain text is JSON too, once it is quoted
            given["extend"] = json.loads(given["extend"])
    return given
