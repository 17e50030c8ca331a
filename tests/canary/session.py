"""Upload by every way to keys, fail by every way, and write down everything that could show a secret.

Runs inside the process that is judged: `run(facts_file)`. Each sink is a file of its own in the folder of the facts. A
secret that the session itself needs (keys of an object or a dict) comes from the facts, never from this text.
"""

from __future__ import annotations

import copy
import faulthandler
import json
import logging
import os
import pickle
import sys
import threading
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["run"]


class Sinks:
    """Files to write into, one a sink."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def put(self, sink: str, *texts: object) -> None:
        with (self.folder / f"{sink}.txt").open("a", encoding="utf-8", errors="backslashreplace") as file:
            for text in texts:
                file.write(f"{text}\n")


def _log_everything(sinks: Sinks) -> logging.Handler:
    handler = logging.FileHandler(sinks.folder / "logs.txt", encoding="utf-8")
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    for name in list(logging.root.manager.loggerDict):
        logger = logging.getLogger(name)
        logger.setLevel(logging.DEBUG)
        logger.propagate = True
    return handler


def _shows(value: Any) -> Iterator[str]:
    """Every way in which an object shows itself when asked politely."""
    for way in (repr, str, format, lambda one: repr(vars(one)), lambda one: repr(one.__getstate__())):
        try:
            yield str(way(value))
        except Exception as exc:
            yield f"{type(exc).__name__}: {exc}"
    for name in ("_repr_html_", "_repr_mimebundle_"):
        if hasattr(value, name):
            yield repr(getattr(value, name)())


def _copies(value: Any) -> Iterator[str]:
    for way in (pickle.dumps, copy.copy, copy.deepcopy, lambda one: json.dumps(one, default=repr)):
        try:
            made = way(value)
            yield repr(made) if not isinstance(made, bytes) else made.decode("latin-1")
            yield from _texts(made)
        except Exception as exc:
            yield f"{type(exc).__name__}: {exc}"


def _texts(start: Any, *, most: int = 200_000) -> Iterator[str]:
    """Every text that hangs on an object by attributes, slots, containers and closures of this package.

    `Secret` is where secrets may be; what the caller's own functions close over is the caller's.
    """
    from vod_widget.secret import Secret

    seen: set[int] = set()
    stack = [start]
    while stack and len(seen) < most:
        one = stack.pop()
        if id(one) in seen or isinstance(one, Secret | type | types.ModuleType | threading.Thread):
            continue
        seen.add(id(one))
        if isinstance(one, str):
            yield one
        elif isinstance(one, bytes | bytearray):
            yield bytes(one).decode("latin-1")
        elif isinstance(one, dict):
            stack.extend(one.keys())
            stack.extend(one.values())
        elif isinstance(one, list | tuple | set | frozenset):
            stack.extend(one)
        elif isinstance(one, types.MethodType):
            stack.extend((one.__self__, one.__func__))
        elif isinstance(one, types.FunctionType):
            if (one.__module__ or "").startswith("vod_widget"):
                stack.extend(cell.cell_contents for cell in one.__closure__ or () if _has_value(cell))
                stack.extend(one.__defaults__ or ())
        else:
            stack.extend(getattr(one, "__dict__", {}).values())
            for kind in type(one).__mro__:
                slots = getattr(kind, "__slots__", ())
                for slot in (slots,) if isinstance(slots, str) else slots:
                    name = f"_{kind.__name__}{slot}" if slot.startswith("__") and not slot.endswith("__") else slot
                    if hasattr(one, name):
                        stack.append(getattr(one, name))


def _has_value(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018  -- an empty cell raises
    except ValueError:
        return False
    return True


def _chain(error: BaseException | None) -> Iterator[str]:
    while error is not None:
        yield from (repr(error), str(error), repr(error.args), repr(vars(error)))
        yield from _texts(vars(error))
        error = error.__cause__ or error.__context__


def _verbose(sinks: Sinks, action: Any) -> None:
    """Write what %xmode Verbose prints: each frame with its local variables, but those of this file."""
    from IPython.core.ultratb import VerboseTB

    try:
        action()
    except BaseException as exc:
        trace = exc.__traceback__
        while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
            trace = trace.tb_next
        try:
            printer = VerboseTB(theme_name="nocolor", include_vars=True, long_header=True)
        except TypeError:
            printer = VerboseTB(color_scheme="NoColor", include_vars=True, long_header=True)
        sinks.put("tracebacks", printer.text(type(exc), exc, trace))
        sinks.put("exceptions", *_chain(exc))
    else:
        sinks.put("tracebacks", "NO ERROR")


def _upload(sinks: Sinks, name: str, facts: dict[str, Any], **how: Any) -> None:
    import vod_widget as vw

    up = vw.VODUpload(endpoint=facts["endpoint"], checkpoint_dir=facts["journal"], retry_count=0, **how)
    try:
        up.subscribe(lambda event: sinks.put("events", repr(event), *_texts(event)))
        up.on_upload_progress = lambda info, *_: sinks.put("callbacks", repr(info))
        up.on_upload_failed = lambda info, code, message: sinks.put("callbacks", code, message, repr(info))
        info = up.add_file(f"the bytes of {name} ".encode() * 40_000, name=f"{name}.mp4")
        up.start_upload()
        with (sinks.folder / "crash-dump.txt").open("a") as file:
            faulthandler.dump_traceback(file, all_threads=True)
        up.wait(60)
        sinks.put("ways", f"{name} {info.state} {info.error or ''}")
        sinks.put("shown", *_shows(up), *_shows(info), *_shows(up.provider), *_shows(up.snapshot()))
        sinks.put("attributes", *_texts(up))
        sinks.put("copies", *_copies(up), *_copies(up.provider), *_copies(info), *_copies(up.snapshot()))
        sinks.put("traits", json.dumps(up.trait_values(), default=repr))
        # What a pipeline would send to a worker: the call, its file and the name of a profile.
        sinks.put("task-graph", repr({"task": (vw.upload, f"{name}.mp4", {"profile": how.get("profile")})}))
        sinks.put(
            "task-graph", pickle.dumps((vw.upload, f"{name}.mp4", {"profile": how.get("profile")})).decode("latin-1")
        )
    finally:
        up.close()


def _ways(facts: dict[str, Any]) -> dict[str, dict[str, Any]]:
    import vod_widget as vw
    from vod_widget.credentials import Metadata, resolve

    keys = facts["keys"]

    def given(name: str) -> dict[str, str]:
        return {"AccessKeyId": keys[name][0], "AccessKeySecret": keys[name][1]}

    ways = {name: {"profile": name} for name in facts["profiles"]}
    return {
        **ways,
        "object": {"credentials": vw.Credentials(*keys["object"])},
        "dict": {"credentials": given("dict")},
        "hook": {"credentials": lambda: given("hook")},
        "ecs": {"credentials": resolve(profile="vm", metadata=Metadata(facts["metadata"]))},
    }


def _failures(facts: dict[str, Any]) -> dict[str, Any]:
    import vod_widget as vw
    from vod_widget.credentials import resolve

    secret = facts["keys"]["dict"][1]

    def with_upload(act: Any) -> Any:
        def run() -> None:
            with vw.VODUpload(endpoint=facts["endpoint"], checkpoint_dir=facts["journal"]) as up:
                act(up, up.add_file(b"x", name="x.mp4"))

        return run

    def raising() -> None:
        raise RuntimeError(f"the vault says {facts['keys']['hook'][1]}")

    return {
        "no such profile": lambda: resolve(profile="gone"),
        "half a profile": lambda: resolve(profile="half"),
        "a command that fails": lambda: resolve(profile="bad-command").credentials(),
        "a uri that fails": lambda: resolve(profile="bad-uri").credentials(),
        "no keys in a dict": lambda: resolve(credentials={"AccessKeySecret": secret}),
        "a vault that raises": lambda: _without_cause(lambda: resolve(credentials=raising).credentials()),
        "half an upload auth": with_upload(
            lambda up, info: up.set_upload_auth_and_address(info, facts["half_auth"], facts["half_auth"], "v")
        ),
        "half a token": with_upload(lambda up, info: up.set_sts_token(info, "", secret, "")),
        "unknown option": lambda: vw.VODUpload(access_key_secret="x"),
        "a secret is not pickled": lambda: pickle.dumps(vw.Secret(secret)),
    }


def _without_cause(action: Any) -> None:
    """The caller's own exception stays the caller's; ours must not repeat it."""
    try:
        action()
    except Exception as exc:
        exc.__cause__ = exc.__context__ = None
        raise


def run(facts_file: str, *, plant: str = "") -> None:
    """Do everything.

    Args:
        facts_file: JSON: folder, endpoint, journal, keys, profiles, variables, metadata, half_auth.
        plant: Name of a sink into which a secret is written on purpose, to show that the search finds it.
    """
    import vod_widget as vw

    facts = json.loads(Path(facts_file).read_text("utf-8"))
    sinks = Sinks(Path(facts["folder"]))
    handler = _log_everything(sinks)
    try:
        for name, how in _ways(facts).items():
            _upload(sinks, name, facts, **how)
            _log_everything(sinks).close()
        before = dict(os.environ)
        os.environ.update(facts["variables"])
        try:
            _upload(sinks, "environment", facts)
            sinks.put("told", vw.profiles(), vw.explain(), *_shows(vw.explain()))
            checks = vw.check(endpoint=facts["endpoint"], checkpoint_dir=facts["journal"])
            sinks.put("told", repr(checks), *_shows(checks), repr(vw.check(endpoint="http://127.0.0.1:9")))
        finally:
            for name in facts["variables"]:
                del os.environ[name]
        sinks.put("environment", json.dumps(dict(os.environ)), f"unchanged: {dict(os.environ) == before}")
        for action in _failures(facts).values():
            _verbose(sinks, action)
        sinks.put(
            "arguments", repr(sys.argv), Path("/proc/self/cmdline").read_bytes() if sys.platform == "linux" else ""
        )
        if plant:
            secret = facts["keys"]["dict"][1]
            if plant == "logs":
                logging.getLogger("somebody").debug("the key is %s", secret)
            else:
                sinks.put(plant, secret)
    finally:
        for one in list(logging.getLogger().handlers):
            if isinstance(one, logging.FileHandler) and one.baseFilename == handler.baseFilename:  # type: ignore[attr-defined]
                logging.getLogger().removeHandler(one)
                one.close()


if __name__ == "__main__":
    run(sys.argv[1], plant=sys.argv[2] if len(sys.argv) > 2 else "")
