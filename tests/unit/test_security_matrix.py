"""The requirements of security and the tests agree."""

from __future__ import annotations

import re
from pathlib import Path

from tests.security.matrix import ELSEWHERE, REQUIREMENTS, proofs, requirements_of

ROOT = Path(__file__).parents[2]


def test_every_requirement_has_a_test_or_a_reason() -> None:
    found = proofs(ROOT / "tests")
    assert sorted(REQUIREMENTS, key=lambda name: int(name[1:])) == [f"S{number}" for number in range(1, 39)]
    assert [name for name in found if name not in REQUIREMENTS] == []
    assert [name for name in REQUIREMENTS if name not in found and name not in ELSEWHERE] == []


def test_what_is_shown_elsewhere_is_there() -> None:
    for text in ELSEWHERE.values():
        for path in re.findall(r"(?:tests|vod_widget)/[\w/.]+|pyproject\.toml", text):
            assert (ROOT / path.rstrip(".")).exists(), path


def test_a_name_says_its_requirements() -> None:
    assert requirements_of("test_s8_no_redirect") == ("S8",)
    assert requirements_of("test_f23_s08_s9_no_redirect") == ("S8", "S9")
    assert requirements_of("test_f23_no_redirect") == ()
    assert requirements_of("test_some_s8_thing") == ()
