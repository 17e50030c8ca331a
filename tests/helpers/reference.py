"""docs/reference.md, made from the tables, signatures and docstrings in the code, so that it cannot differ from it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable

import vod_widget as vw
from tests.helpers.error_codes import MEANINGS, codes_in_source, warnings_in_source
from tests.helpers.reference_texts import AUTHORITY, EMULATOR, POLICY, PROFILES, READING
from vod_widget import errors, retry
from vod_widget.application import AuthContext
from vod_widget.batch import Check, Row
from vod_widget.credentials.profile import Profile, Step
from vod_widget.emulator.clock import Clock
from vod_widget.emulator.faults import Faults
from vod_widget.errors import VODError
from vod_widget.options import APP_ANSWER_S, CALLBACKS, OPTIONS, PLAIN, Option
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
# The page of each class names what its callers use; the rest of the emulator is for its own tests.
EMULATOR_METHODS = (
    *("start", "close", "endpoint", "tls_endpoint", "access_key_id", "access_key_secret", "role_arn", "region"),
    *("account_id", "data_dir", "object_path", "asset", "assets", "status", "unfinished_uploads", "requests", "reset"),
)


# Of functions that are not on this page.
OTHERWISE = {"As for `resolve`.": "Name of a profile; None looks in all places."}


def render() -> str:
    """The page as Markdown."""
    lines = [
        "# Reference",
        "",
        "Made by `scripts/reference` from the tables, signatures and docstrings in the code; do not edit.",
        "",
        *_queue(),
        *_around(),
        *_permission(),
        *_errors(),
    ]
    return "\n".join(lines) + "\n"


def _queue() -> list[str]:
    lines = [
        "## Options of `VODUpload`",
        "",
        "All by keyword. A bad value or an unknown name raises `InvalidArgumentError` at once. `VODUploadWidget`, `upload`",
        "and `resume` take them too.",
        "",
        "| option | default | range | what it does |",
        "|---|---|---|---|",
    ]
    lines += [f"| `{o.name}` | `{o.default!r}` | {_range(o)} | {o.text} |" for o in OPTIONS]
    lines += [f"| `{name}` | `None` | | {PLAIN_TEXTS[name]} |" for name in PLAIN]
    lines += ["", "## Methods of `VODUpload`", "", "`file` is an index into `list_files()` or an `UploadInfo`.", ""]
    lines += _members(VODUpload)
    lines += ["", "## Callbacks", "", "Functions or coroutines; in order per file, without a lock held.", ""]
    lines += [f"- `{name}({CALLBACK_SIGNATURES[name]})`" for name in CALLBACKS]
    lines += [
        "",
        "`on_upload_started` may answer later, from any thread: where nothing else gives authority, the file fails with",
        f"`Auth.Missing` after {APP_ANSWER_S:.0f} s. `on_upload_token_expired` has no such limit: the file is `Expired` until it is",
        "answered, stopped or canceled. Callbacks of one file wait for one another, so a slow one delays the next.",
        "",
        *_table("UploadInfo", vw.UploadInfo, "field"),
        *_table("UploadResult", vw.UploadResult, "field"),
    ]
    return lines


def _around() -> list[str]:
    lines = ["## Functions", ""]
    for function in (vw.upload, vw.resume, vw.check, vw.profiles, vw.explain):
        lines += _call(function.__name__, function, heading="###")
    lines += _table("Results", vw.Results, "member")
    lines += _table("Row", Row, "member")
    lines += _table("Check", Check, "field")
    lines += _table("Profile", Profile, "field")
    lines += _table("Step", Step, "field")
    lines += _call("VODUploadWidget", vw.VODUploadWidget)
    lines += [*_members(vw.VODUploadWidget, leave=("set_state", "notify_change")), ""]
    lines += _call("Policy", vw.Policy, signature=False)
    lines += [*_members(vw.Policy, leave=("allows_kernel_files", "describe")), "", *POLICY, ""]
    lines += _call("Emulator", vw.Emulator)
    lines += [*EMULATOR, ""]
    lines += [*_members(vw.Emulator, only=EMULATOR_METHODS)]
    lines += [f"- `faults.{line[3:]}" for line in _members(Faults, leave=("choose",))]
    lines += [f"- `clock.{line[3:]}" for line in _members(Clock, only=("advance", "skew", "reset"))]
    return [*lines, ""]


def _permission() -> list[str]:
    lines = _call("Credentials", vw.Credentials)
    lines += _call("Secret", vw.Secret)
    lines += [*_members(vw.Secret), "", *READING, ""]
    lines += ["## Profiles", "", *PROFILES, ""]
    lines += ["## `get_auth`", "", *AUTHORITY, "", *_table("AuthContext", AuthContext, "field")]
    return lines


def _errors() -> list[str]:
    lines = [
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
    lines += [
        "",
        "Bases, whose codes are seen when nothing more is known: "
        + ", ".join(f"`{cls.default_code}` (`{cls.__name__}`)" for cls in _bases(VODError))
        + ".",
        "",
        "### Codes beside those of the classes",
        "",
        "| code | class | what happened |",
        "|---|---|---|",
    ]
    lines += [
        f"| `{code}` | {', '.join(f'`{name}`' for name in classes)} | {MEANINGS.get(code, '')} |"
        for code, classes in codes_in_source().items()
    ]
    lines += ["", "### Codes of warnings", "", "A warning stops nothing.", "", "| code | what it says |", "|---|---|"]
    return [*lines, *(f"| `{code}` | {MEANINGS.get(code, '')} |" for code in warnings_in_source())]


def methods() -> list[str]:
    """The public methods and properties of `VODUpload`, room by room."""
    return _public(VODUpload)


def _public(cls: type) -> list[str]:
    rooms = [base for base in cls.__mro__ if base.__module__.startswith(cls.__module__)]
    return [
        name
        for room in rooms
        for name, value in vars(room).items()
        if not name.startswith("_") and (inspect.isfunction(value) or isinstance(value, property | classmethod))
    ]


def _members(cls: type, *, leave: Iterable[str] = (), only: Iterable[str] = ()) -> list[str]:
    names = list(only) or [name for name in _public(cls) if name not in leave]
    return [f"- `{name}{_signature(cls, name)}`: {_first_line(getattr(cls, name))}" for name in names]


def _table(name: str, cls: type, word: str) -> list[str]:
    """A class whose docstring lists attributes, or whose properties say what they are."""
    rows = _attributes(cls) or {}
    rows |= {member: _paragraph(inspect.getdoc(getattr(cls, member)) or "") for member in _public(cls)}
    lines = [f"## `{name}`", "", _summary(cls), "", f"| {word} | what it is |", "|---|---|"]
    return [*lines, *(f"| `{row}{_signature(cls, row)}` | {text} |" for row, text in rows.items()), ""]


def _call(name: str, thing: Callable[..., object], *, signature: bool = True, heading: str = "##") -> list[str]:
    """A function or class with its arguments, result and errors, out of its docstring."""
    function = vars(thing)["__init__"] if isinstance(thing, type) else thing
    words = _words(function, is_method=isinstance(thing, type)) if signature else ""
    lines = [f"{heading} `{name}{words}`", "", _summary(thing), ""]
    for title in ("Args", "Attributes", "Returns", "Raises"):
        section = _section(thing, title)
        if not section:
            continue
        if title == "Returns":
            lines += [f"Returns {' '.join(section)}", ""]
        else:
            head = {"Args": "argument", "Attributes": "attribute", "Raises": "raises"}[title]
            lines += [f"| {head} | |", "|---|---|"]
            lines += [f"| `{row}` | {text} |" for row, text in _rows(section).items()] + [""]
    return lines


def _doc(thing: object) -> list[str]:
    return (inspect.getdoc(thing) or "").splitlines()


def _summary(thing: object) -> str:
    """The paragraphs before the first section, as one text."""
    lines = []
    for line in _doc(thing):
        if line in ("Args:", "Attributes:", "Returns:", "Raises:", "Example:") or line.startswith("Source:"):
            break
        lines.append(line)
    return "\n".join(lines).strip()


def _section(thing: object, title: str) -> list[str]:
    lines = _doc(thing)
    if f"{title}:" not in lines:
        return []
    found = []
    for line in lines[lines.index(f"{title}:") + 1 :]:
        if line and not line.startswith(" "):
            break
        found.append(line[4:])
    return [line for line in found if line]


def _rows(section: list[str]) -> dict[str, str]:
    rows: dict[str, str] = {}
    name = ""
    for line in section:
        if not line.startswith(" "):
            name, _, text = line.partition(": ")
            rows[name] = OTHERWISE.get(text, text)
        else:
            rows[name] += f" {line.strip()}"
    return rows


def _attributes(cls: type) -> dict[str, str]:
    return _rows(_section(cls, "Attributes"))


def _paragraph(text: str) -> str:
    return " ".join(text.partition("\n\n")[0].split())


def _signature(cls: type, name: str) -> str:
    """Names and defaults alone, without types; nothing for a property or a field."""
    value = inspect.getattr_static(cls, name, None)
    if isinstance(value, classmethod):
        value = value.__func__
    return _words(value, is_method=True) if inspect.isfunction(value) else ""


def _words(function: object, *, is_method: bool) -> str:
    assert callable(function)
    words: list[str] = []
    for parameter in list(inspect.signature(function).parameters.values())[1 if is_method else 0 :]:
        if parameter.kind is parameter.KEYWORD_ONLY and not any(word.startswith("*") for word in words):
            words.append("*")
        stars = (
            "**"
            if parameter.kind is parameter.VAR_KEYWORD
            else "*"
            if parameter.kind is parameter.VAR_POSITIONAL
            else ""
        )
        default = "" if parameter.default is parameter.empty else f"={parameter.default!r}"
        words.append(f"{stars}{parameter.name}{default}")
    return f"({', '.join(words)})"


def _range(option: Option) -> str:
    if option.low is None and option.high is None:
        return ""
    low = f"{option.low:,g}" if option.low is not None else ""
    high = f"{option.high:,.0f}" if option.high is not None else ""
    return f"{low}..{high} {option.unit}".strip()


def _children(cls: type[VODError]) -> list[type[VODError]]:
    return [child for child in cls.__subclasses__() if child.__module__ == errors.__name__]


def _leaves(root: type[VODError]) -> list[type[VODError]]:
    return [leaf for child in _children(root) for leaf in _leaves(child)] or [root]


def _bases(root: type[VODError]) -> list[type[VODError]]:
    children = _children(root)
    return [root, *(base for child in children for base in _bases(child))] if children else []


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
