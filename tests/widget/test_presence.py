"""Which pages are kept in mind, and for how long a silent one counts as there."""

from __future__ import annotations

import pytest

from vod_widget.widget.presence import ROLL_S, Presence


def test_a_tab_that_lives_is_not_forgotten_for_the_reloads_of_another() -> None:
    pages = Presence(reload_ends=False)
    living = pages.greet(0)
    for n in range(200):
        reloaded = pages.greet(n)
        pages.give_up({reloaded})
    assert living in pages
    assert pages.number_of(living) == 1


def test_of_many_living_pages_the_oldest_is_forgotten() -> None:
    pages = Presence(reload_ends=False)
    greeted = [pages.greet(n) for n in range(65)]
    assert [token in pages for token in greeted] == [False] + [True] * 64


@pytest.mark.parametrize(("reload_ends", "lasts_s"), [(False, 120.0), (True, 10.5)])
def test_a_page_whose_bytes_are_wanted_may_be_silent_for_so_long(reload_ends: bool, lasts_s: float) -> None:
    pages = Presence(reload_ends=reload_ends)
    page = pages.greet(0)
    assert pages.late({page: 1e9}, lasts_s - 0.1) == set()
    assert pages.late({page: 1.0}, lasts_s) == set(), "bytes come: it lives"
    assert pages.late({page: 1e9}, lasts_s) == {page}


def test_the_pages_before_a_new_one_are_to_speak_soon() -> None:
    pages = Presence(reload_ends=False)
    gone, lives = pages.greet(0), pages.greet(0)
    new = pages.greet(10)
    assert not pages.hear(lives, 11)
    assert pages.late({}, 10 + ROLL_S) == {gone}
    assert pages.give_up({gone}) == {gone}
    assert pages.give_up({gone, "of another kernel"}) == set()
    assert pages.hear(gone, 20), "it came back"
    assert pages.page_of("") == "" != new


def test_the_last_words_of_a_page_that_is_left_are_no_sign_of_life() -> None:
    pages = Presence(reload_ends=False)
    page = pages.greet(0)
    pages.leave(page, 10)
    pages.give_up({page})
    assert not pages.hear(page, 11)
    assert pages.hear(page, 12)
