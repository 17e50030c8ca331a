"""The ipywidgets shell: traits, messages over a comm, threads, what a notebook saves."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import contextvars
import gc
import html.parser
import inspect
import json
import logging
import sys
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import ipywidgets
import pytest
from IPython.lib.pretty import pretty

from tests.helpers.until import until
from tests.widget.fakes import FakeComm, FakeUploader, Mirror, failure
from vod_widget import Policy, VODUploadWidget
from vod_widget.errors import (
    AccessDeniedError,
    ConnectionLostError,
    InvalidArgumentError,
    MissingCredentialError,
    SourceNotFoundError,
)
from vod_widget.model import Credentials, UploaderState, UploadState
from vod_widget.secret import Secret

FAULT_KIND = "W"

CANARY = "CanaryCanarySecret0123456789"


@pytest.fixture
def uploader() -> FakeUploader:
    return FakeUploader()


@pytest.fixture
def widget(comms: type[FakeComm], uploader: FakeUploader) -> Iterator[VODUploadWidget]:
    made = VODUploadWidget(uploader)
    yield made
    made.close()


def comm_of(widget: VODUploadWidget) -> FakeComm:
    assert isinstance(widget.comm, FakeComm)
    return widget.comm


def ask(widget: VODUploadWidget, number: int, kind: str, buffers: Any = None, **keys: Any) -> dict[str, Any]:
    comm = comm_of(widget)
    comm.receive({"method": "custom", "content": {"id": number, "kind": kind, **keys}}, buffers)
    until(lambda: any(a["id"] == number for a in comm.answers()), f"an answer to {kind}")
    return next(a for a in comm.answers() if a["id"] == number)


# ---- the shell --------------------------------------------------------------------------------------


@pytest.mark.parametrize("secret", [CANARY, 'it\'s a "Canary" with spaces, {and} marks'])
def test_no_typed_key_reaches_the_logs_of_the_kernel_at_debug(
    widget: VODUploadWidget, caplog: pytest.LogCaptureFixture, secret: str
) -> None:
    from comm.base_comm import BaseComm

    class WireComm(BaseComm):
        """The comm of the package, which logs what it carries."""

        def publish_msg(self, *_args: Any, **_keys: Any) -> None:
            pass

    keys = {"access_key_id": "LTAI5tCanaryCanary0001", "access_key_secret": secret, "security_token": secret + "-token"}
    content = {"id": 1, "kind": "set_credentials", **keys, "region": "cn-shanghai"}
    message = {"content": {"data": {"method": "custom", "content": content}}, "buffers": []}
    wire = WireComm(comm_id="wire")
    wire.on_msg(comm_of(widget).callback)
    loggers = [logging.getLogger(name) for name in ("Comm", "IPKernelApp", "traitlets")]
    with contextlib.ExitStack() as stack:
        for logger in loggers:
            stack.enter_context(caplog.at_level(logging.DEBUG, logger.name))
        wire.handle_msg(message)
        for logger in loggers[1:]:
            logger.debug("   Content: %s\n   --->\n   ", message["content"])
            logger.debug("%s", json.dumps(message["content"]))
    until(lambda: any(a["id"] == 1 for a in comm_of(widget).answers()), "an answer")
    texts = [r.getMessage() for r in caplog.records if r.name in ("Comm", "IPKernelApp", "traitlets")]
    assert len([t for t in texts if "set_credentials" in t]) == 5
    everything = " ".join([*texts, caplog.text])
    assert "Canary" not in everything
    assert secret not in everything


def test_it_is_an_ordinary_widget(widget: VODUploadWidget) -> None:
    assert isinstance(widget, ipywidgets.DOMWidget)
    assert widget.layout.flex == "1 1 auto", "in an HBox it takes the width that is left"
    box = ipywidgets.VBox([widget])
    bar = ipywidgets.FloatProgress(max=1.0)
    ipywidgets.link((widget, "progress"), (bar, "value"))
    box.close()


def test_the_synced_traits_are_those_of_the_protocol(widget: VODUploadWidget) -> None:
    ours = {name for name in widget.keys if not name.startswith("_")} - set(ipywidgets.DOMWidget().keys)
    assert ours == {"state", "progress", "done", "failed", "total", "speed", "locale"}
    assert "results" not in widget.get_state()


def test_the_page_talks_and_is_answered(widget: VODUploadWidget, uploader: FakeUploader) -> None:
    uploader.add_many(3)
    answer = ask(widget, 1, "hello", version=2, locale="en")
    assert set(answer["data"]) == {
        "comm_id", "token", "page", "policy", "reload_ends", "roots", "limits", "profiles", "current_profile", "origin",
    }  # fmt: skip
    until(lambda: any(c["kind"] == "snapshot" and c["matching"] == 3 for c in comm_of(widget).custom()), "a snapshot")


def test_one_thread_alone_speaks(widget: VODUploadWidget, uploader: FakeUploader) -> None:
    ids = uploader.add_many(50)
    ask(widget, 1, "hello", version=2, locale="en")

    def hammer(part: list[str]) -> None:
        for file_id in part:
            uploader.put(file_id, state=UploadState.UPLOADING)
            uploader.put(file_id, sent_bytes=500)
            uploader.put(file_id, state=UploadState.SUCCESS)

    threads = [threading.Thread(target=hammer, args=(ids[n::4],)) for n in range(4)]
    threads += [
        threading.Thread(
            target=lambda n=n: [
                comm_of(widget).receive({"method": "custom", "content": {"id": 100 * n + k, "kind": "ping"}})
                for k in range(50)
            ]
        )
        for n in range(1, 4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    until(lambda: widget.done == 50, "the traits are true")
    until(lambda: len(comm_of(widget).answers()) == 151, "every ping is answered")
    speakers = {m["thread"] for m in comm_of(widget).sent}
    assert speakers == {"vod-widget-publisher"}
    assert sorted(a["id"] for a in comm_of(widget).answers()) == sorted(
        [1, *(100 * n + k for n in range(1, 4) for k in range(50))]
    )


def test_traits_are_written_by_the_publisher_in_one_message(widget: VODUploadWidget, uploader: FakeUploader) -> None:
    seen: list[tuple[str, str]] = []
    widget.observe(lambda change: seen.append((change["name"], threading.current_thread().name)), ["done", "total"])
    uploader.add_many(2, state=UploadState.SUCCESS)
    until(lambda: widget.done == 2, "the traits are true")
    assert {thread for _, thread in seen} == {"vod-widget-publisher"}
    assert all(
        set(state) == {"state", "progress", "done", "failed", "total", "speed"} for state in comm_of(widget).updates()
    )


def test_an_observer_that_raises_costs_nobody_anything(
    widget: VODUploadWidget, uploader: FakeUploader, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(_change: Any) -> None:
        raise RuntimeError("not my day")

    widget.observe(refuse, ["total", "results"])
    uploader.add_many(2, state=UploadState.SUCCESS)
    until(lambda: widget.done == 2, "the other traits are true")
    uploader.turn(UploaderState.START)
    until(lambda: widget.state == "Start", "the publisher goes on")
    assert "an observer of total raised RuntimeError" in caplog.text


def test_the_context_of_the_cell_is_kept(comms: type[FakeComm], uploader: FakeUploader) -> None:
    cell: contextvars.ContextVar[str] = contextvars.ContextVar("cell", default="none")
    seen: list[str] = []
    cell.set("cell 7")
    widget = VODUploadWidget(uploader)
    cell.set("cell 8")
    widget.observe(lambda _: seen.append(cell.get()), "total")
    uploader.add_many(1)
    until(lambda: seen, "a trait changed")
    widget.close()
    assert seen[0] == "cell 7"


# ---- nothing that a page says is believed -----------------------------------------------------------


def test_s16_an_update_of_any_key_changes_nothing_and_is_answered_with_the_truth(
    widget: VODUploadWidget, uploader: FakeUploader
) -> None:
    before = widget.get_state()
    for key in sorted(widget.keys):
        comm_of(widget).receive({"method": "update", "state": {key: "<script>evil</script>"}, "buffer_paths": []})
        until(lambda key=key: any(key in s for s in comm_of(widget).updates("echo_update")), f"an echo of {key}")
        until(lambda key=key: any(key in s for s in comm_of(widget).updates()), f"the truth of {key}")
    assert widget.get_state() == before
    assert "evil" not in json.dumps(comm_of(widget).updates() + comm_of(widget).updates("echo_update"))
    assert uploader.calls == []


def test_an_echo_is_sent_in_the_context_of_the_page_s_message(widget: VODUploadWidget) -> None:
    # A front-end waits for an echo whose parent is its own message before it takes that key again.
    parent: contextvars.ContextVar[str] = contextvars.ContextVar("parent", default="cell")
    parents: list[str] = []
    comm = comm_of(widget)
    real = comm.send

    def send(data: Any = None, **rest: Any) -> None:
        if data["method"] == "echo_update":
            parents.append(parent.get())
        real(data, **rest)

    comm.send = send  # type: ignore[method-assign]
    parent.set("message 5")
    comm.receive({"method": "update", "state": {"progress": 1.0}, "buffer_paths": []})
    until(lambda: parents, "an echo")
    assert parents == ["message 5"]


@pytest.mark.parametrize(
    "data", [None, 7, {}, {"method": "custom"}, {"method": "update"}, {"method": "update", "state": 7}, {"method": "x"}]
)
def test_a_broken_comm_message_harms_nothing(widget: VODUploadWidget, data: Any) -> None:
    comm_of(widget).receive(data)
    assert ask(widget, 5, "ping")["ok"] is True


def test_a_front_end_may_ask_for_the_state(widget: VODUploadWidget) -> None:
    comm_of(widget).receive({"method": "request_state"})
    assert "progress" in comm_of(widget).updates()[-1]


def test_s15_the_policy_is_no_trait(comms: type[FakeComm], uploader: FakeUploader) -> None:
    widget = VODUploadWidget(uploader, policy=Policy.public())
    assert not any("policy" in name for name in widget.trait_names())
    with pytest.raises(AttributeError):
        widget._policy.kinds = frozenset()  # type: ignore[misc]
    assert ask(widget, 1, "list_dir", path="")["error"]["code"] == "Policy"
    widget.close()


# ---- secrets ----------------------------------------------------------------------------------------


def forms(secret: str) -> list[str]:
    raw = secret.encode()
    aligned = [base64.b64encode(b"\0" * n + raw).decode()[4:-4] for n in range(3)]
    return [secret, raw.hex(), json.dumps(secret)[1:-1], *aligned]


def test_s2_no_key_reaches_state_page_repr_log_or_notebook(
    widget: VODUploadWidget, uploader: FakeUploader, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(0)
    ids = uploader.add_many(2)
    ask(widget, 1, "hello", version=2, locale="en")
    keys = {"access_key_id": "LTAI5tExampleExample", "access_key_secret": CANARY, "security_token": CANARY * 2}
    assert ask(widget, 2, "set_credentials", region="", **keys)["data"]["masked_id"] == "LTAI…mple"
    uploader.put(ids[0], **failure(AccessDeniedError(f"SecurityToken={CANARY} is not allowed")))
    ask(widget, 3, "detail", file_id=ids[0])
    ask(widget, 4, "list_profiles")
    uploader.fail_with = RuntimeError(f"broken {CANARY}")
    ask(widget, 5, "cancel", file_ids=ids)
    ask(widget, 6, "set_credentials", region="", **{**keys, "access_key_id": ""})
    until(lambda: widget.failed == 1, "the failure shows")
    sinks = {
        "state": json.dumps(widget.get_state()),
        "manager": json.dumps(ipywidgets.Widget.get_manager_state()),
        "comm": json.dumps(comm_of(widget).sent, default=str),
        "repr": repr(widget) + repr(widget.uploader.credentials),
        "bundle": json.dumps(widget._repr_mimebundle_()),
        "results": json.dumps(widget.results),
        "log": caplog.text,
        "vars": repr(vars(widget)),
    }
    leaks = [(name, form) for name, text in sinks.items() for form in forms(CANARY) if form in text]
    assert leaks == []
    assert uploader.credentials.access_key_secret.reveal() == CANARY


def test_keys_by_method_go_the_same_way(widget: VODUploadWidget, uploader: FakeUploader) -> None:
    assert widget.set_credentials("LTAI5tExampleExample", CANARY, region="ap-southeast-1") == "LTAI…mple"
    assert uploader.credentials.access_key_secret.reveal() == CANARY
    widget.set_credentials("LTAI5tExampleExample", Secret(CANARY), Secret("token"))
    assert uploader.credentials.security_token.reveal() == "token"
    assert widget.forget_credentials() is None
    assert uploader.credentials is None


# ---- what the notebook keeps ------------------------------------------------------------------------


class Cells(html.parser.HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[str] = []
        self.attributes: list[Any] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_the_saved_output_holds_widget_text_and_table(widget: VODUploadWidget, uploader: FakeUploader) -> None:
    done, failed = uploader.add_many(2, duration_s=2.0)
    uploader.put(done, state=UploadState.SUCCESS, video_id="a" * 32)
    uploader.put(failed, **failure(ConnectionLostError("the connection broke")))
    until(lambda: len(widget.results) == 2, "results")
    bundle = widget._repr_mimebundle_()
    assert bundle is not None
    data, _ = bundle
    assert set(data) == {"text/plain", "text/html", "application/vnd.jupyter.widget-view+json"}
    assert data["text/plain"] == "VODUploadWidget(Init: 1 of 2 files done, 1 failed)"
    cells = Cells(data["text/html"])
    assert set(cells.tags) == {"table", "caption", "thead", "tbody", "tfoot", "tr", "th", "td"}
    assert {"✓ Done", "✕ Failed", "a" * 32, "Network.Lost: the connection broke"} <= set(cells.texts)
    assert "UTC" in cells.texts[0]
    assert cells.texts[-1] == "Run the cell to go on."
    widget.locale = "zh-CN"
    bundle = widget._repr_mimebundle_()
    assert bundle is not None
    chinese = Cells(bundle[0]["text/html"]).texts
    assert {"✓ 完成", "✕ 失败", "名称", "状态", "Network.Lost: the connection broke"} <= set(chinese)
    assert chinese[0].startswith("共 2 个文件，完成 1 个 · 失败 1 个 · ")
    assert chinese[-1] == "运行此单元格即可继续。"


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>.mp4", '"><img src=x onerror=alert(1)>.mp4', "a&lt;b.mp4", "'-->.mp4"]
)
def test_s24_a_name_is_never_markup(widget: VODUploadWidget, uploader: FakeUploader, name: str) -> None:
    uploader._add(name, 5)
    uploader.put("f000001", **failure(ConnectionLostError(name)))
    until(lambda: widget.results, "results")
    bundle = widget._repr_mimebundle_()
    assert bundle is not None
    cells = Cells(bundle[0]["text/html"])
    assert not {"script", "img"} & set(cells.tags)
    assert name in cells.texts
    assert [a for a in cells.attributes if a[0] != "colspan"] == []


def test_the_saved_state_is_small_whatever_the_queue(widget: VODUploadWidget, uploader: FakeUploader) -> None:
    uploader.add_many(10_000, quiet=True)
    uploader.turn(UploaderState.START)
    until(lambda: widget.total == 10_000, "the traits are true")
    state = {k: v for k, v in widget.get_state().items() if k not in ("_esm", "_css")}
    assert len(json.dumps(state)) < 2_000


def test_a_long_table_is_cut_and_says_so(widget: VODUploadWidget, uploader: FakeUploader) -> None:
    uploader.add_many(500, state=UploadState.SUCCESS)
    until(lambda: len(widget.results) == 500, "results")
    bundle = widget._repr_mimebundle_()
    assert bundle is not None
    cells = Cells(bundle[0]["text/html"])
    assert cells.tags.count("tr") == 202
    assert cells.texts[-1] == "300 more. Run the cell to go on."


def test_long_results_are_printed_short(widget: VODUploadWidget, uploader: FakeUploader, tmp_path: Path) -> None:
    uploader.add_many(500, state=UploadState.SUCCESS)
    until(lambda: len(widget.results) == 500, "results")
    assert pretty(widget.results).endswith("… and 450 more]")
    assert json.loads(json.dumps(widget.results)) == widget.results
    refused = widget.add_paths(*(str(tmp_path / f"{number}.mp4") for number in range(120)))
    assert "… and 70 more]" in pretty(refused)


class _Shell:
    """What IPython's shell is to a widget in a kernel: events of a cell, and a place for outputs."""

    kernel: Any = object()

    def __init__(self) -> None:
        self.events = self.display_pub = self
        self.at_the_end: list[Any] = []
        self.outputs: list[tuple[str, bool, str]] = []

    def register(self, event: str, job: Any) -> None:
        assert event == "post_execute"
        self.at_the_end.append(job)

    def unregister(self, _event: str, job: Any) -> None:
        self.at_the_end.remove(job)

    def publish(self, data: dict[str, str], _metadata: Any, *, transient: dict[str, str], update: bool) -> None:
        self.outputs.append((transient["display_id"], update, data["text/html"]))

    def end_cell(self) -> None:
        for job in list(self.at_the_end):
            job()


def test_the_cell_gets_an_output_for_the_results_which_follows_them(
    widget: VODUploadWidget, uploader: FakeUploader, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell = _Shell()
    monkeypatch.setattr(sys.modules["IPython"], "get_ipython", lambda: shell)
    widget._repr_mimebundle_()
    widget._repr_mimebundle_()
    assert shell.outputs == []
    shell.end_cell()
    [(display_id, update, html_text)] = shell.outputs
    assert (update, html_text) == (False, '<div class="vod-saved"></div>')
    uploader.add_many(1, state=UploadState.SUCCESS)
    until(lambda: widget.results, "results")
    widget.wait(60)
    assert [(one, again) for one, again, _ in shell.outputs[1:]] == [(display_id, True)]
    assert "✓ Done" in shell.outputs[1][2]
    again = widget._repr_mimebundle_()
    assert again is not None
    assert "table" not in again[0]["text/html"], "it would stand there twice"
    shell.end_cell()
    shell.outputs.pop()
    uploader.add_many(1, state=UploadState.SUCCESS)
    until(lambda: len(widget.results) == 2, "results")
    widget.close()
    assert shell.outputs[2][2].count("✓ Done") == 2, "the last word is not lost"
    shell.end_cell()
    assert len(shell.outputs) == 3


def test_the_saved_table_follows_the_page_that_came_last_where_the_screen_follows_its_page(
    widget: VODUploadWidget, uploader: FakeUploader, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell = _Shell()
    monkeypatch.setattr(sys.modules["IPython"], "get_ipython", lambda: shell)
    uploader.add_many(1, state=UploadState.SUCCESS)
    until(lambda: widget.results, "results")
    widget._repr_mimebundle_()
    shell.end_cell()
    assert "✓ Done" in shell.outputs[-1][2], "no page came yet"
    ask(widget, 1, "hello", version=2, locale="en")
    ask(widget, 2, "hello", version=2, locale="zh-CN")
    until(lambda: len(shell.outputs) == 2, "the table is written anew")
    assert "✓ 完成" in shell.outputs[-1][2]
    bundle = widget._repr_mimebundle_()
    assert bundle is not None
    assert "运行此单元格" in bundle[0]["text/html"]
    widget.locale = "en"
    assert "✓ Done" in widget._table()


def test_results_stay_when_the_list_is_cleared_of_what_is_done(widget: VODUploadWidget, uploader: FakeUploader) -> None:
    done, failed = uploader.add_many(2)
    uploader.put(done, state=UploadState.SUCCESS, video_id="v1")
    uploader.put(failed, **failure(ConnectionLostError("lost")))
    until(lambda: len(widget.results) == 2, "results")
    widget.clear("done")
    widget.clear("failed")
    until(lambda: [r["video_id"] for r in widget.results] == ["v1"], "only what is stored stays")


# ---- methods ----------------------------------------------------------------------------------------


def test_everything_that_the_screen_can_do_is_a_method(widget: VODUploadWidget, uploader: FakeUploader) -> None:
    a, b = widget.add("a.mp4", "b.mp4")
    assert [widget.pause(a), widget.resume(0), widget.cancel(b.file_id)] == [1, 1, 1]
    uploader.put(a.file_id, **failure(ConnectionLostError("lost")))
    assert widget.retry() == 1
    assert widget.retry(a) == 0
    widget.stop()
    with pytest.raises(MissingCredentialError):
        widget.start()
    uploader.credentials = Credentials("LTAI5tExampleExample", Secret(CANARY))
    widget.start()
    assert ("start_upload",) in uploader.calls
    assert widget.remove(b) == 1
    assert widget.clear("all") == 1
    assert widget.wait(60) is True
    assert widget.run() == []
    asyncio.run(widget.finished())
    assert widget.choose_profile("emulator") == "emulator"
    assert [p["name"] for p in widget.profiles() if p["is_current"]] == ["emulator"]


def test_unknown_files_and_words_are_named(widget: VODUploadWidget) -> None:
    with pytest.raises(InvalidArgumentError, match="f9"):
        widget.cancel("f9")
    with pytest.raises(IndexError):
        widget.cancel(4)
    with pytest.raises(InvalidArgumentError, match="some"):
        widget.clear("some")


@pytest.mark.parametrize(
    ("options", "meant"),
    [
        ({"retry_counts": 5}, "retry_count"),
        ({"polcy": None}, "policy"),
        ({"on_upload_succeded": print}, "on_upload_succeed"),
    ],
)
def test_an_unknown_option_is_named_with_the_nearest_one(
    comms: type[FakeComm], options: dict[str, Any], meant: str
) -> None:
    with pytest.raises(InvalidArgumentError, match=f"did you mean '{meant}'"):
        VODUploadWidget(**options)


def test_options_do_not_go_together_with_an_uploader(comms: type[FakeComm], uploader: FakeUploader) -> None:
    with pytest.raises(InvalidArgumentError, match="retry_count"):
        VODUploadWidget(uploader, retry_count=5)
    with pytest.raises(InvalidArgumentError, match="str"):
        VODUploadWidget("prod")  # type: ignore[arg-type]


def test_options_of_the_shell_are_taken(comms: type[FakeComm], uploader: FakeUploader) -> None:
    widget = VODUploadWidget(uploader, locale="zh-CN", layout={"width": "50%"})
    assert (widget.locale, widget.layout.width) == ("zh-CN", "50%")
    widget.close()


def test_the_traits_are_true_when_run_returns_and_were_sent_by_the_running_cell(
    comms: type[FakeComm], uploader: FakeUploader
) -> None:
    cell: contextvars.ContextVar[str] = contextvars.ContextVar("running", default="none")
    widget = VODUploadWidget(uploader)
    parents: list[tuple[str, int]] = []
    comm = comm_of(widget)
    comm.send = lambda data=None, **_: parents.append((cell.get(), data["state"].get("done", 0)))  # type: ignore[method-assign]

    def run() -> list[Any]:
        uploader.add_many(2, state=UploadState.SUCCESS)
        uploader.turn(UploaderState.END)
        return []

    uploader.run = run  # type: ignore[method-assign]
    cell.set("cell 9")
    widget.run()
    assert (widget.state, widget.done) == ("End", 2)
    assert ("cell 9", 2) in parents
    widget.close()


# ---- two views, lost comms, the end -----------------------------------------------------------------


def test_f136_two_views_show_the_same(widget: VODUploadWidget, uploader: FakeUploader) -> None:
    ids = uploader.add_many(10)
    ask(widget, 1, "hello", version=2, locale="en")
    ask(widget, 2, "hello", version=2, locale="zh-CN")
    for file_id in ids:
        uploader.put(file_id, state=UploadState.SUCCESS)
    one, two = Mirror(), Mirror()

    def caught_up() -> bool:
        for page in (one, two):
            page.__init__()  # type: ignore[misc]
            for message in comm_of(widget).custom():
                page.take(message)
        return one.summary.get("done") == 10 == two.summary.get("done")

    until(caught_up, "both pages show the end")
    assert one.rows == two.rows
    assert one.order == ids


def test_f137_a_comm_that_is_gone_slows_nobody_and_heals(widget: VODUploadWidget, uploader: FakeUploader) -> None:
    ids = uploader.add_many(5)
    ask(widget, 1, "hello", version=2, locale="en")
    comm_of(widget).broken = True
    for file_id in ids:
        uploader.put(file_id, state=UploadState.SUCCESS)
    until(lambda: widget.done == 5, "the kernel goes on")
    comm_of(widget).broken = False
    until(
        lambda: any(c["kind"] == "snapshot" and c["summary"]["done"] == 5 for c in comm_of(widget).custom()),
        "a snapshot heals",
    )


def names_of_threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith("vod-widget")]


def test_close_ends_its_threads_and_leaves_your_uploader_alone(comms: type[FakeComm], uploader: FakeUploader) -> None:
    widget = VODUploadWidget(uploader)
    comm = comm_of(widget)
    assert names_of_threads() == ["vod-widget-publisher"]
    widget.close()
    widget.close()
    assert names_of_threads() == []
    assert comm.closed
    assert uploader.listeners == []
    assert ("close",) not in uploader.calls
    comm.receive({"method": "custom", "content": {"id": 1, "kind": "start"}})
    assert uploader.calls == []


def test_close_leaves_the_final_truth_in_the_traits(comms: type[FakeComm], uploader: FakeUploader) -> None:
    widget = VODUploadWidget(uploader)
    uploader.add_many(3, state=UploadState.SUCCESS)
    widget.close()
    assert (widget.done, widget.total, len(widget.results)) == (3, 3, 3)


def test_a_widget_that_nobody_holds_ends_its_thread(comms: type[FakeComm], uploader: FakeUploader) -> None:
    widget = VODUploadWidget(uploader)
    until(names_of_threads, "the publisher runs")
    ipywidgets.widgets.widget._instances.pop(widget.model_id, None)
    comm_of(widget).callback = None
    gone = weakref.ref(widget)
    FakeComm.opened.clear()
    del widget

    def collected() -> bool:
        gc.collect()
        return gone() is None

    until(collected, "the widget is collected")
    until(lambda: not names_of_threads(), "its thread ends")
    assert uploader.listeners == []


def test_a_clean_comm_of_ipykernel_7_4_is_routed_by_its_own_default(
    comms: type[FakeComm], monkeypatch: pytest.MonkeyPatch, uploader: FakeUploader
) -> None:
    monkeypatch.setattr(FakeComm, "_reply_subshell_for", lambda self, data, default: "main", raising=False)
    widget = VODUploadWidget(uploader)
    assert comm_of(widget)._reply_subshell_for({}, "subshell") == "subshell"  # type: ignore[attr-defined]
    widget.close()


def test_a_page_that_names_a_subshell_of_the_kernel_before_is_heard_in_the_main_shell(
    comms: type[FakeComm], monkeypatch: pytest.MonkeyPatch, uploader: FakeUploader
) -> None:
    monkeypatch.setattr(FakeComm, "_reply_subshell_for", lambda self, data, default: "main", raising=False)
    shell = _Shell()
    shell.kernel = SimpleNamespace(
        shell_channel_thread=SimpleNamespace(manager=SimpleNamespace(list_subshell=lambda: ["alive"]))
    )
    monkeypatch.setattr(sys.modules["IPython"], "get_ipython", lambda: shell)
    widget = VODUploadWidget(uploader)
    route = comm_of(widget)._reply_subshell_for  # type: ignore[attr-defined]
    assert [route({}, name) for name in ("alive", "of the kernel before", None)] == ["alive", None, None]
    widget.close()


def test_the_installed_ipykernel_has_the_hook_or_routes_by_itself() -> None:
    import ipykernel
    from ipykernel.comm.comm import BaseComm
    from ipykernel.kernelbase import Kernel

    hooked = hasattr(BaseComm, "_reply_subshell_for")
    uses = "_reply_subshell_for" in inspect.getsource(Kernel)
    assert hooked == uses, f"look again at let_clicks_through for ipykernel {ipykernel.__version__}"


@pytest.mark.parametrize("sends_past", [True, False], ids=["7.0 to 7.3", "others"])
def test_replies_go_through_the_stream_that_reads_requests(
    monkeypatch: pytest.MonkeyPatch, uploader: FakeUploader, sends_past: bool
) -> None:
    stream = SimpleNamespace(send_multipart=None)
    manager = SimpleNamespace(_shell_socket="socket") if sends_past else SimpleNamespace()
    kernel = SimpleNamespace(shell_stream=stream, shell_channel_thread=SimpleNamespace(_manager=manager))
    shell = _Shell()
    shell.kernel = kernel
    monkeypatch.setattr(sys.modules["IPython"], "get_ipython", lambda: shell)
    VODUploadWidget(uploader).close()
    assert vars(manager) == ({"_shell_socket": stream} if sends_past else {})


@pytest.mark.parametrize(("state", "words"), [("Start", "the uploads go on"), ("Init", "nothing is being sent")])
def test_an_interrupt_of_wait_leaves_the_upload_alone(
    widget: VODUploadWidget, uploader: FakeUploader, state: str, words: str
) -> None:
    def interrupted(timeout_s: float | None = None) -> bool:
        raise KeyboardInterrupt

    uploader.wait = interrupted  # type: ignore[method-assign]
    uploader.state = UploaderState(state)
    with pytest.raises(KeyboardInterrupt, match=words) as caught:
        widget.wait()
    assert [entry.name for entry in caught.traceback][1:] == ["wait", "interruptible"], "IPython draws each frame"
    assert caught.value.__suppress_context__
    assert ask(widget, 1, "ping")["ok"] is True
    assert ("stop_upload",) not in uploader.calls


@pytest.mark.parametrize("path", ["clips", "clips/*.mp4", "clips/none-[0-9].mp4"])
def test_add_names_the_method_that_takes_folders_and_patterns(
    comms: type[FakeComm], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clips").mkdir()
    widget = VODUploadWidget()
    with pytest.raises(SourceNotFoundError) as refused:
        widget.add(path)
    assert "widget.add_paths" in refused.value.hint
    with pytest.raises(SourceNotFoundError) as missing:
        widget.add(tmp_path / "talk.mp4")
    assert "add_paths" not in missing.value.hint
    widget.close()
