"""docs/reference.md, made from the tables in the code, so that the page cannot differ from the program."""

from __future__ import annotations

import inspect

from vod_widget import errors, retry
from vod_widget.errors import VODError
from vod_widget.options import CALLBACKS, OPTIONS, PLAIN, Option
from vod_widget.uploader import VODUpload

__all__ = ["methods", "render"]

CALLBACK_SIGNATURES = {
    "on_file_added": "upload_info",
    "on_upload_started": "upload_info",
    "on_upload_succeed": "upload_info",
    "on_upload_failed": "upload_info, code, message",
    "on_upload_progress": "upload_info, total_size, loaded_percent",
    "on_upload_token_expired": "upload_info",
    "on_upload_canceled": "upload_info",
    "on_upload_retry": "upload_info",
    "on_upload_end": "upload_info",
}
PLAIN_TEXTS = {
    "credentials": "A `vod_widget.Credentials`; with it the library creates and refreshes assets by itself.",
    "get_auth": "A function of yours; it gets a context whose `kind` is the wanted operation and returns its answer as a dict.",
}


def render() -> str:
    """The page as Markdown."""
    lines = [
        "# Reference",
        "",
        "Made by `scripts/reference` from the tables in the code; do not edit.",
        "",
        "## Options of `VODUpload`",
        "",
        "All by keyword. A bad value or an unknown name raises `InvalidArgumentError` at once.",
        "",
        "| option | default | range | what it does |",
        "|---|---|---|---|",
    ]
    lines += [f"| `{o.name}` | `{o.default!r}` | {_range(o)} | {o.text} |" for o in OPTIONS]
    lines += [f"| `{name}` | `None` | | {PLAIN_TEXTS[name]} |" for name in PLAIN]
    lines += ["", "## Methods of `VODUpload`", "", "`file` is an index into `list_files()` or an `UploadInfo`.", ""]
    lines += [f"- `{name}{_signature(VODUpload, name)}`: {_first_line(getattr(VODUpload, name))}" for name in methods()]
    lines += ["", "## Callbacks", "", "Functions or coroutines; in order per file, without a lock held.", ""]
    lines += [f"- `{name}({CALLBACK_SIGNATURES[name]})`" for name in CALLBACKS]
    lines += [
        "",
        "## Errors",
        "",
        "`except vod_widget.VODError` catches all. When the cloud gave a code of its own, that one is shown.",
        "",
        "| code | class | what happened | at once | next step |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| `{cls.default_code}` | `{cls.__name__}` | {_first_line(cls)} | {_action(cls)} | {_hint(cls)} |"
        for cls in _leaves(VODError)
    ]
    return "\n".join(lines) + "\n"


def methods() -> list[str]:
    """The public methods and properties of `VODUpload`, in the order of the source."""
    return [
        name
        for name, value in vars(VODUpload).items()
        if not name.startswith("_") and (inspect.isfunction(value) or isinstance(value, property))
    ]


def _signature(cls: type, name: str) -> str:
    """Names and defaults alone, without types; nothing for a property."""
    value = vars(cls)[name]
    if not inspect.isfunction(value):
        return ""
    words = []
    for parameter in list(inspect.signature(value).parameters.values())[1:]:
        if parameter.kind is parameter.KEYWORD_ONLY and "*" not in words:
            words.append("*")
        stars = "**" if parameter.kind is parameter.VAR_KEYWORD else ""
        default = "" if parameter.default is parameter.empty else f"={parameter.default!r}"
        words.append(f"{stars}{parameter.name}{default}")
    return f"({', '.join(words)})"


def _range(option: Option) -> str:
    if option.low is None and option.high is None:
        return ""
    low = f"{option.low:,g}" if option.low is not None else ""
    high = f"{option.high:,.0f}" if option.high is not None else ""
    return f"{low}..{high} {option.unit}".strip()


def _leaves(root: type[VODError]) -> list[type[VODError]]:
    children = [c for c in root.__subclasses__() if c.__module__ == errors.__name__]
    return [leaf for child in children for leaf in _leaves(child)] or [root]


def _first_line(thing: object) -> str:
    return (inspect.getdoc(thing) or "").splitlines()[0]


def _action(cls: type[VODError]) -> str:
    return {
        retry.Action.RETRY: "tries again",
        retry.Action.REFRESH: "asks for new credentials",
        retry.Action.LOOK: "looks what is stored",
        retry.Action.FAIL: "fails",
    }.get(retry.ACTIONS[cls], "starts over")


def _hint(cls: type[VODError]) -> str:
    return "That of the last attempt." if cls is errors.RetriesExhaustedError else cls.default_hint
