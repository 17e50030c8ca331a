"""Running a cell again goes on with its queue: no upload is orphaned, no result and no typed key is lost."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextvars import ContextVar
from types import SimpleNamespace
from typing import Any

import pytest

from tests.helpers.until import until
from tests.widget.fakes import FakeComm, FakeUploader
from vod_widget import VODUploadWidget
from vod_widget.errors import InvalidArgumentError
from vod_widget.model import UploadState
from vod_widget.widget import widget as shell
from vod_widget.widget.cells import Cells, Place, running_place


class Notebook:
    """Says which cell runs."""

    def __init__(self) -> None:
        self.place: Place | None = None
        self._runs = 0

    def run(self, cell: str) -> None:
        self._runs += 1
        self.place = Place(cell, f"run-{self._runs}")


@pytest.fixture
def notebook(comms: type[FakeComm], monkeypatch: pytest.MonkeyPatch) -> Iterator[Notebook]:
    made = Notebook()
    monkeypatch.setattr(shell, "_CELLS", Cells(lambda: made.place))
    yield made
    for one in list(comms.opened):
        widget = next((w for w in _alive() if w.comm is one), None)
        if widget is not None:
            widget.close()


def _alive() -> list[Any]:
    import ipywidgets

    return [w for w in ipywidgets.widgets.widget._instances.values() if isinstance(w, VODUploadWidget)]


def test_the_same_cell_goes_on_with_its_queue_and_the_old_screen_ends(notebook: Notebook) -> None:
    notebook.run("a")
    first = VODUploadWidget()
    info = first.add(b"x" * 10, name="a.mp4")[0]
    notebook.run("a")
    second = VODUploadWidget(max_bandwidth_bytes_per_s=4096)
    assert second.uploader is first.uploader
    assert second.uploader.list_files() == [info]
    assert second.uploader.max_bandwidth_bytes_per_s == 4096
    assert not first._is_open
    until(lambda: second.total == 1, "the new screen shows the file")
    second.close()
    with pytest.raises(Exception, match="closed"):
        second.uploader.add_file(b"x", name="b.mp4")


def test_other_cells_and_scripts_share_nothing(notebook: Notebook) -> None:
    notebook.run("a")
    first = VODUploadWidget()
    notebook.run("b")
    second = VODUploadWidget()
    notebook.place = None
    third = VODUploadWidget()
    assert len({id(w.uploader) for w in (first, second, third)}) == 3
    assert first._is_open
    third.close()


def test_two_widgets_of_one_cell_keep_their_places(notebook: Notebook) -> None:
    notebook.run("a")
    one, two = VODUploadWidget(), VODUploadWidget()
    notebook.run("a")
    again, also = VODUploadWidget(), VODUploadWidget()
    assert (again.uploader, also.uploader) == (one.uploader, two.uploader)


def test_callbacks_and_options_are_those_of_the_newest_run(notebook: Notebook) -> None:
    notebook.run("a")
    VODUploadWidget(on_upload_succeed=lambda _: None, parallel=2)
    notebook.run("a")

    def mine(_info: Any) -> None:
        """Do nothing."""

    second = VODUploadWidget(on_upload_succeed=mine)
    assert second.uploader.on_upload_succeed is mine
    assert (second.uploader.parallel, second.uploader.patience_s) == (None, 900.0)


def test_another_destination_is_another_queue_and_says_what_goes_on_unseen(notebook: Notebook) -> None:
    notebook.run("a")
    first = VODUploadWidget()
    first.add(b"x" * 10, name="a.mp4")
    notebook.run("a")
    with pytest.warns(UserWarning, match="1 of its files are not sent yet"):
        second = VODUploadWidget(region="cn-beijing")
    assert second.uploader is not first.uploader
    assert first._is_open
    notebook.run("a")
    third = VODUploadWidget()
    assert third.uploader is first.uploader


def test_a_profile_that_was_chosen_on_the_screen_stays(notebook: Notebook) -> None:
    notebook.run("a")
    first = VODUploadWidget()
    first.set_credentials("LTAI5tExampleExample", "the-secret-of-the-example")
    notebook.run("a")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        second = VODUploadWidget()
    assert second.uploader.credentials is not None
    assert [p["name"] for p in second.profiles() if p["is_current"]] == ["session"]


def test_a_bad_option_leaves_the_running_queue_alone(notebook: Notebook) -> None:
    notebook.run("a")
    first = VODUploadWidget()
    notebook.run("a")
    with pytest.raises(InvalidArgumentError):
        VODUploadWidget(parallel=-1)
    assert first._is_open
    notebook.run("a")
    assert VODUploadWidget().uploader is first.uploader


def test_an_uploader_of_one_s_own_gets_a_new_screen_and_keeps_its_browser_files(notebook: Notebook) -> None:
    uploader = FakeUploader()
    notebook.run("a")
    first = VODUploadWidget(uploader)  # type: ignore[arg-type]
    file = {"client_id": "c", "name": "talk.mp4", "size_bytes": 5, "last_modified_ms": 1, "type": "video/mp4"}
    page = first._pages.greet()
    first._pages.offer([file], page, again=False)
    notebook.run("a")
    second = VODUploadWidget(uploader)  # type: ignore[arg-type]
    assert not first._is_open
    new_page = second._pages.greet()
    data, _ = second._pages.offer([file], new_page, again=True)
    assert [one["file_id"] for one in data["added"]] == list(uploader.infos)
    assert uploader.infos["f000001"].state == UploadState.READY


def test_no_cell_is_named_outside_a_notebook() -> None:
    assert running_place() is None


@pytest.mark.parametrize(("mode", "place"), [("edit", Place("Hbol", "evaluation-1")), ("run", None), ("script", None)])
def test_marimo_names_the_cell_in_its_editor_alone(
    monkeypatch: pytest.MonkeyPatch, mode: str, place: Place | None
) -> None:
    """Served as an app it runs the same cells for all visitors in one process: none may see another's files."""
    running: ContextVar[Any] = ContextVar("running")
    app = SimpleNamespace(app_meta=lambda: SimpleNamespace(mode=mode))
    monkeypatch.setitem(sys.modules, "marimo", app)
    monkeypatch.setitem(sys.modules, "marimo._messaging.context", SimpleNamespace(EXECUTION_CTX=running))
    assert running_place() is None, "no cell runs"
    running.set(SimpleNamespace(cell_id="Hbol", id="evaluation-1"))
    assert running_place() == place
    monkeypatch.setitem(sys.modules, "marimo._messaging.context", SimpleNamespace())
    assert running_place() is None, "another marimo than we know"
