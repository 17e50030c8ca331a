"""The papers tell the truth: names exist, links lead somewhere, tables are those of the code."""

from __future__ import annotations

import ast
import inspect
import json
import os
import re
from pathlib import Path

import pytest

import vod_widget
from tests.helpers.error_codes import MEANINGS, codes_in_source, warnings_in_source
from tests.helpers.reference import CALLBACK_SIGNATURES, PLAIN_TEXTS, methods, render
from tests.helpers.reference_texts import CONFIG_JSON, CREDENTIALS_INI, GET_AUTH
from vod_widget import errors
from vod_widget.application import Application
from vod_widget.credentials import find_profiles
from vod_widget.options import CALLBACKS, OPTIONS, PLAIN

VENDORS = {
    *("add_file", "delete_file", "cancel_file", "resume_file", "list_files", "clean_list", "start_upload"),
    *("stop_upload", "set_upload_auth_and_address", "set_sts_token", "resume_upload_with_auth"),
    "resume_upload_with_sts_token",
}
ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text("utf-8")
REFERENCE = (ROOT / "docs" / "reference.md").read_text("utf-8")
# Words of enumerations, and the version; the states are in the README.
UNSEEN = {"MediaType", "Phase", "UploadState", "UploaderState", "__version__"}
PAPERS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def _python_blocks() -> list[str]:
    return re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def _code_cells(path: Path) -> list[str]:
    cells = json.loads(path.read_text("utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


def test_reference_page_is_that_of_the_code() -> None:
    assert (ROOT / "docs" / "reference.md").read_text("utf-8") == render(), "run scripts/reference"


def test_each_code_in_the_source_is_explained_and_no_other() -> None:
    """Those of the widget's own answers stand in the protocol."""
    raised = {*codes_in_source(), *warnings_in_source()}
    assert raised ^ set(MEANINGS) == set(), "tell what it means in tests/helpers/error_codes.py"
    assert [
        code for code, text in MEANINGS.items() if not text.endswith(".") or not REFERENCE.count(f"| `{code}` |")
    ] == []


def test_codes_are_raised_by_classes_of_the_tree() -> None:
    classes = {name for names in codes_in_source().values() for name in names}
    assert {name for name in classes if not issubclass(getattr(errors, name, int), vod_widget.VODError)} == set()


def test_each_public_name_is_in_the_reference() -> None:
    assert [name for name in vod_widget.__all__ if name not in UNSEEN and f"`{name}" not in REFERENCE] == []


def test_profiles_are_written_as_the_reference_shows(tmp_path: Path) -> None:
    for name, text in ((".aliyun/config.json", CONFIG_JSON), (".alibabacloud/credentials.ini", CREDENTIALS_INI)):
        path = tmp_path / name
        path.parent.mkdir()
        path.write_text(text)
        path.chmod(0o600)
    found = {(row.place, row.name): row for row in find_profiles({}, home=tmp_path) if row.place != "built-in"}
    assert {key: row.reason for key, row in found.items() if not row.usable} == {}
    assert sorted(name for _, name in found) == ["cron", "default", "prod", "role"]
    won = vod_widget.explain(env={}, home=tmp_path).profile
    assert won is not None
    assert won.name == "prod"


def test_answer_of_get_auth_has_the_keys_that_are_read() -> None:
    read = inspect.getsource(Application._read_answer)
    assert [key for key in re.findall(r'"(\w+)":', GET_AUTH) if f'answer.get("{key}")' not in read] == []


def test_each_callback_and_plain_attribute_is_described() -> None:
    assert set(CALLBACK_SIGNATURES) == set(CALLBACKS)
    assert set(PLAIN_TEXTS) == set(PLAIN)
    assert [name for name in CALLBACKS if f"`{name}" not in README] == []


def test_each_option_says_what_it_does() -> None:
    assert [o.name for o in OPTIONS if not o.text.endswith(".")] == []


def test_each_public_method_has_a_docstring_and_the_vendors_are_in_the_readme() -> None:
    assert [name for name in methods() if not inspect.getdoc(getattr(vod_widget.VODUpload, name))] == []
    table = README.partition("## From the vendor's SDK")[2].partition("\n## ")[0]
    named = set(re.findall(r"`(\w+)(?:\(|`)", table)) & set(methods())
    assert named >= VENDORS


def test_readme_words_for_states_are_those_of_the_code() -> None:
    row = next(line for line in README.splitlines() if line.startswith("| states of a file"))
    assert row.split("`")[1].split() == [state.value for state in vod_widget.UploadState]


@pytest.mark.parametrize("paper", PAPERS, ids=lambda p: p.name)
def test_links_lead_somewhere(paper: Path) -> None:
    targets = re.findall(r"\]\((?!https?://|#)([^)#\s]+)", paper.read_text("utf-8"))
    assert [target for target in targets if not (paper.parent / target).exists()] == []


def test_commands_of_the_readme_can_be_run() -> None:
    commands = re.findall(r"^(scripts/\w+)$", README, re.MULTILINE)
    assert commands == ["scripts/demo", "scripts/test"]
    assert [c for c in (*commands, "scripts/check", ".ci/run") if not os.access(ROOT / c, os.X_OK)] == []


@pytest.mark.parametrize("source", [*_python_blocks(), *(c for path in NOTEBOOKS for c in _code_cells(path))])
def test_examples_use_names_that_exist(source: str) -> None:
    tree = compile(source, "example", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT | ast.PyCF_ONLY_AST)
    used = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "vw"
    }
    assert used <= set(vod_widget.__all__)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.name)
def test_notebooks_are_stored_without_outputs(path: Path) -> None:
    cells = json.loads(path.read_text("utf-8"))["cells"]
    assert [c["id"] for c in cells if c["cell_type"] == "code" and (c["outputs"] or c["execution_count"])] == []
