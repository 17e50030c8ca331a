"""The contract: the very cases that the emulator passes over HTTP, run on the cloud in memory.

The cases are the test functions of the modules below; here they find another `emulator`. What needs a
socket, a file or an SDK is named and left out.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator
from typing import Any

import pytest

from tests.emulator.memory import MemoryEmulator

_MODULES = (
    "test_cors",
    "test_faults",
    "test_oss_console",
    "test_oss_copies",
    "test_oss_extras",
    "test_oss_gate",
    "test_oss_live",
    "test_oss_rules",
    "test_oss_settings",
    "test_oss_versions",
    "test_oss_multipart",
    "test_oss_auth",
    "test_oss_objects",
    "test_oss_forms",
    "test_rpc",
    "test_rpc_v3",
    "test_sts",
    "test_vod",
    "test_vod_library",
    "test_vod_limits",
    "test_vod_search",
)
# Not for memory: these look at files, sockets or threads, or make an emulator of their own.
_ONLY_OVER_HTTP = frozenset(
    {
        "test_a_refused_upload_keeps_the_connection",
        "test_a_token_may_not_delete_nor_list_uploads",
        "test_a_traffic_limit_slows_what_moves_bytes",
        "test_a_form_is_as_slow_as_it_asks_for",
        "test_a_switch_lets_the_role_use_oss",
        "test_abort_drops_the_parts",
        "test_answer_without_reading_the_body_closes_the_connection",
        "test_body_shorter_than_announced",
        "test_chunked_bodies_are_taken",
        "test_corrupt_body_shows_in_the_checksum",
        "test_delete_video_takes_object_and_fragments",
        "test_expect_continue_is_answered_before_the_body",
        "test_keys_are_signed_and_stored_as_they_are",
        "test_neither_length_nor_chunks",
        "test_object_path_is_one_plain_file_and_the_object_stays_readable",
        "test_overwriting_leaves_no_old_bytes_behind",
        "test_put_confirms_what_it_stored",
        "test_stall_for_some_time_and_after_the_effect",
        "test_stall_until_released",
        "test_the_mini_program_way",
        "test_too_large_is_told_before_the_body",
        "test_unlisted_parts_are_deleted",
        "test_wrong_content_md5_stores_nothing",
    }
)


@pytest.fixture
def emulator() -> Iterator[Any]:
    made = MemoryEmulator()
    yield made
    made.close()


def _adopt() -> Iterator[tuple[str, Any]]:
    for module_name in _MODULES:
        module = importlib.import_module(f"tests.emulator.{module_name}")
        for name, value in vars(module).items():
            if not name.startswith("test_") or not inspect.isfunction(value) or name in _ONLY_OVER_HTTP:
                continue
            if {"emulator", "grant", "shop", "kept"} & set(inspect.signature(value).parameters):
                yield f"{name}__{module_name.removeprefix('test_')}", value


globals().update(_adopt())


def test_no_excuse_is_stale() -> None:
    there = {name for module in _MODULES for name in vars(importlib.import_module(f"tests.emulator.{module}"))}
    assert there >= _ONLY_OVER_HTTP
