"""Secrets refuse to be shown, and foreign texts are cleaned of them."""

from __future__ import annotations

import copy
import json
import logging
import pickle

import pytest

from vod_widget.secret import RedactingFilter, Secret, mask, redact

CANARY = "canary-0123456789-secret"


@pytest.mark.parametrize("show", [repr, str, "{}".format, lambda s: f"{s!s:>30}"])
def test_s1_no_way_of_showing_gives_the_value(show) -> None:
    assert CANARY not in show(Secret(CANARY))


@pytest.mark.parametrize("take", [pickle.dumps, copy.copy, copy.deepcopy, json.dumps])
def test_s1_it_is_not_copied_pickled_or_dumped(take) -> None:
    with pytest.raises(TypeError):
        take(Secret(CANARY))


def test_it_has_no_dict_and_is_never_empty() -> None:
    with pytest.raises(TypeError):
        vars(Secret(CANARY))
    with pytest.raises(ValueError, match="not empty"):
        Secret("")


def test_values_are_compared_without_being_shown() -> None:
    assert Secret(CANARY).matches(Secret(CANARY))
    assert not Secret(CANARY).matches(Secret(CANARY + "x"))


@pytest.mark.parametrize(
    ("key_id", "shown"), [("LTAI5tAbCdEfGhIjKlMnOpQr", "LTAI…OpQr"), ("short", "sh…"), ("elevenchars", "el…")]
)
def test_ids_are_masked(key_id: str, shown: str) -> None:
    assert mask(key_id) == shown


@pytest.mark.parametrize(
    "text",
    [
        f"x-oss-security-token: {CANARY}",
        f"SecurityToken={CANARY}&x=1",
        f'{{"AccessKeySecret": "{CANARY}"}}',
        f"<StringToSign>PUT\n{CANARY}</StringToSign>",
        f"no match. server string to sign is:GET&{CANARY}",
        f"Authorization: OSS {CANARY}",
        f"Signature={CANARY}",
    ],
)
def test_fields_that_hold_secrets_are_cleaned_even_of_unknown_values(text: str) -> None:
    assert CANARY not in redact(text)


def test_known_values_are_cleaned_wherever_they_stand() -> None:
    secret = Secret(CANARY)
    assert redact(f"a{secret.reveal()}b") == "a***b"


def test_key_ids_in_texts_are_masked() -> None:
    assert redact("the key STS.NUabcdefghijklmnop is bad") == "the key STS.NUab…mnop is bad"


def test_the_filter_cleans_messages_and_tracebacks(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("tests.secret")
    keep = RedactingFilter()
    logger.addFilter(keep)
    try:
        secret = Secret(CANARY)
        logger.warning("token %s", secret.reveal())
        try:
            raise ValueError(f"the server said {secret.reveal()}")
        except ValueError:
            logger.exception("it failed")
    finally:
        logger.removeFilter(keep)
    assert "token ***" in caplog.text
    assert "it failed" in caplog.text
    assert CANARY not in caplog.text
