"""Keys stay alive: files are read again, roles are renewed at 80 % of life, by one thread for all."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.until import LONG_S
from vod_widget.credentials import resolve
from vod_widget.credentials.policies import upload_policy
from vod_widget.credentials.providers import HOLD_S, RenewingProvider, SingleFlight
from vod_widget.errors import ConnectError, CredentialError, ThrottledError
from vod_widget.interfaces import CredentialProvider
from vod_widget.model import Credentials

from .helpers import CANARY, KEY_ID, ROLE, TOKEN, FakeClock, ak, keys_env, touch_later, write_cli, write_ini

DEADLINE_S = LONG_S


class FakeSts:
    """Answers AssumeRole with numbered keys that live for an hour, and remembers what it was asked."""

    def __init__(self, clock: FakeClock, life_s: float = 3600.0) -> None:
        self.clock = clock
        self.life_s = life_s
        self.calls: list[dict[str, Any]] = []
        self.fails: list[Exception] = []

    def __call__(self, credentials: Credentials, **asked: Any) -> Credentials:
        self.calls.append({"from": credentials.access_key_id, **asked})
        if self.fails:
            raise self.fails.pop(0)
        number = len(self.calls)
        return Credentials(f"STS.key{number:08d}", CANARY, TOKEN, self.clock.now_s() + self.life_s)


def role_row(name: str = "role", **more: Any) -> dict[str, Any]:
    return {**ak(name), "mode": "RamRoleArn", "ram_role_arn": ROLE, **more}


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def sts(clock: FakeClock) -> FakeSts:
    return FakeSts(clock)


@pytest.fixture
def role(home: Path, clock: FakeClock, sts: FakeSts) -> CredentialProvider:
    write_cli(home, role_row())
    return resolve(profile="role", env={}, home=home, assume_role=sts, clock=clock)


def in_threads(count: int, work: Callable[[], Any]) -> list[Any]:
    """Run the same work in several threads at once; results and errors in no order."""
    results: list[Any] = []
    barrier = threading.Barrier(count)

    def run() -> None:
        barrier.wait(DEADLINE_S)
        try:
            results.append(work())
        except Exception as exc:
            results.append(exc)

    threads = [threading.Thread(target=run, daemon=True) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE_S)
        assert not thread.is_alive()
    return results


def test_s33_a_role_is_assumed_on_first_use_with_the_policy_of_an_upload(
    role: CredentialProvider, sts: FakeSts
) -> None:
    assert sts.calls == []
    assert role.credentials().access_key_id == "STS.key00000001"
    assert sts.calls == [
        {
            "from": KEY_ID,
            "role_arn": ROLE,
            "session_name": "vod_widget",
            "duration_s": 3600,
            "policy": upload_policy(),
            "external_id": None,
            "region": None,
        }
    ]
    assert len(upload_policy()) <= 1024


def test_a_profile_may_state_its_own_role_settings(home: Path, sts: FakeSts, clock: FakeClock) -> None:
    write_cli(
        home,
        role_row(
            ram_session_name="me@host",
            expired_seconds=1200,
            policy="{}",
            external_id="ext",
            sts_region="cn-beijing",
        ),
    )
    resolve(profile="role", env={}, home=home, assume_role=sts, clock=clock, region="cn-x").credentials()
    (asked,) = sts.calls
    assert (asked["session_name"], asked["duration_s"], asked["policy"]) == ("me@host", 1200, "{}")
    assert (asked["external_id"], asked["region"]) == ("ext", "cn-beijing")


@pytest.mark.parametrize(
    ("wished", "asked_s"), [(1, 900), (900, 900), (43200, 3600), ("nan", 3600), ("x", 3600), (None, 3600)]
)
def test_a_role_session_lives_between_15_minutes_and_an_hour(
    home: Path, sts: FakeSts, clock: FakeClock, wished: Any, asked_s: int
) -> None:
    write_cli(home, role_row(expired_seconds=wished))
    resolve(profile="role", env={}, home=home, assume_role=sts, clock=clock).credentials()
    assert sts.calls[0]["duration_s"] == asked_s


def test_the_region_given_in_code_chooses_the_sts_when_the_profile_is_silent(
    home: Path, sts: FakeSts, clock: FakeClock
) -> None:
    write_cli(home, role_row())
    resolve(profile="role", env={}, home=home, assume_role=sts, clock=clock, region="ap-southeast-1").credentials()
    assert sts.calls[0]["region"] == "ap-southeast-1"


def test_an_ini_role_is_assumed_too(home: Path, sts: FakeSts, clock: FakeClock) -> None:
    write_ini(
        home,
        f"[default]\ntype = ram_role_arn\naccess_key_id = {KEY_ID}\naccess_key_secret = {CANARY}\n"
        f"role_arn = {ROLE}\nrole_session_name = ini-me\n",
    )
    provider = resolve(env={}, home=home, assume_role=sts, clock=clock)
    assert provider.credentials().access_key_id.startswith("STS.")
    assert (sts.calls[0]["role_arn"], sts.calls[0]["session_name"]) == (ROLE, "ini-me")


def test_a_chain_assumes_each_role_and_narrows_only_the_last(home: Path, sts: FakeSts, clock: FakeClock) -> None:
    chained = {"name": "last", "mode": "ChainableRamRoleArn", "source_profile": "role", "ram_role_arn": f"{ROLE}-2"}
    write_cli(home, role_row(), chained)
    provider = resolve(profile="last", env={}, home=home, assume_role=sts, clock=clock)
    assert provider.credentials().access_key_id == "STS.key00000002"
    assert [(call["from"], call["role_arn"], call["policy"]) for call in sts.calls] == [
        (KEY_ID, ROLE, None),
        ("STS.key00000001", f"{ROLE}-2", upload_policy()),
    ]


def test_a_role_is_renewed_at_80_percent_of_its_life(role: CredentialProvider, sts: FakeSts, clock: FakeClock) -> None:
    first = role.credentials()
    clock.advance(0.8 * 3600 - 1)
    assert role.credentials() is first
    clock.advance(1)
    assert role.credentials().access_key_id == "STS.key00000002"
    assert len(sts.calls) == 2


def test_a_forced_refresh_asks_again(role: CredentialProvider, sts: FakeSts) -> None:
    role.credentials()
    assert role.credentials(force_refresh=True).access_key_id == "STS.key00000002"
    assert role.credentials().access_key_id == "STS.key00000002"


def test_a_failed_renewal_keeps_the_old_key_while_it_lives(
    role: CredentialProvider, sts: FakeSts, clock: FakeClock
) -> None:
    first = role.credentials()
    clock.advance(3000)
    sts.fails = [ConnectError("no route")]
    assert role.credentials() is first
    assert role.credentials() is first, "nobody waits for another attempt at once"
    assert len(sts.calls) == 2
    clock.advance(HOLD_S)
    assert role.credentials().access_key_id == "STS.key00000003"


def test_a_failed_renewal_is_raised_when_forced_or_when_the_key_has_ended(
    role: CredentialProvider, sts: FakeSts, clock: FakeClock
) -> None:
    role.credentials()
    sts.fails = [ConnectError("no route"), ThrottledError("flow control", status=400)]
    with pytest.raises(ConnectError):
        role.credentials(force_refresh=True)
    clock.advance(3600)
    with pytest.raises(ThrottledError):
        role.credentials()
    assert role.credentials().access_key_id == "STS.key00000004"


def test_keys_rotated_in_the_file_sign_the_next_assume_role(
    home: Path, role: CredentialProvider, sts: FakeSts, clock: FakeClock
) -> None:
    role.credentials()
    write_cli(home, {**role_row(), "access_key_id": "LTAInewnewnewnew"})
    clock.advance(3600)
    role.credentials()
    assert [call["from"] for call in sts.calls] == [KEY_ID, "LTAInewnewnewnew"]


@pytest.mark.parametrize("life_s", [-7200.0, 0.0, 10.0, 3600.0 + 7200.0])
def test_a_wrong_clock_of_this_machine_does_not_spoil_a_role(
    role: CredentialProvider, sts: FakeSts, clock: FakeClock, life_s: float
) -> None:
    sts.life_s = life_s  # what STS states, seen from here
    first = role.credentials()
    clock.advance(2879)
    assert role.credentials() is first
    clock.advance(1)
    assert role.credentials() is not first


def test_credentials_of_a_function_that_have_ended_on_arrival_are_an_error(clock: FakeClock) -> None:
    ended = Credentials("STS.abcdefgh", CANARY, TOKEN, clock.now_s())
    with pytest.raises(CredentialError, match="have ended already"):
        resolve(credentials=lambda: ended, clock=clock).credentials()


def test_a_role_without_a_way_to_ask_sts_says_so(home: Path) -> None:
    write_cli(home, role_row())
    with pytest.raises(CredentialError, match="no way to ask STS"):
        resolve(profile="role", env={}, home=home)


def renewing(fetch: Callable[[], Credentials], clock: FakeClock, wait_s: float = DEADLINE_S) -> RenewingProvider:
    return RenewingProvider(
        name="p",
        place="test",
        mode="callable",
        account="a",
        region=None,
        fetch=fetch,
        clock=clock,
        wait_s=wait_s,
    )


def test_many_threads_cause_one_fetch(clock: FakeClock) -> None:
    calls: list[int] = []
    entered, go = threading.Event(), threading.Event()

    def fetch() -> Credentials:
        calls.append(1)
        entered.set()
        assert go.wait(DEADLINE_S)
        return Credentials("STS.abcdefgh", CANARY, TOKEN, clock.now_s() + 3600)

    provider = renewing(fetch, clock)
    opener = threading.Thread(target=lambda: (entered.wait(DEADLINE_S), go.set()), daemon=True)
    opener.start()
    keys = in_threads(8, provider.credentials)
    opener.join(DEADLINE_S)
    assert len(calls) == 1
    assert {id(key) for key in keys} == {id(keys[0])}


def test_others_take_the_old_key_while_one_thread_renews(clock: FakeClock) -> None:
    entered, go = threading.Event(), threading.Event()
    numbers = iter(range(9))

    def fetch() -> Credentials:
        number = next(numbers)
        if number:
            entered.set()
            assert go.wait(DEADLINE_S)
        return Credentials(f"STS.number{number}", CANARY, TOKEN, clock.now_s() + 1000)

    provider = renewing(fetch, clock)
    provider.credentials()
    clock.advance(801)
    leader = threading.Thread(target=provider.credentials, daemon=True)
    leader.start()
    assert entered.wait(DEADLINE_S)
    assert provider.credentials().access_key_id == "STS.number0"
    go.set()
    leader.join(DEADLINE_S)
    assert provider.credentials().access_key_id == "STS.number1"


def test_a_thread_that_waits_for_another_has_a_deadline(clock: FakeClock) -> None:
    entered, go = threading.Event(), threading.Event()

    def fetch() -> Credentials:
        entered.set()
        assert go.wait(DEADLINE_S)
        return Credentials(KEY_ID, CANARY)

    provider = renewing(fetch, clock, wait_s=0.01)
    leader = threading.Thread(target=provider.credentials, daemon=True)
    leader.start()
    assert entered.wait(DEADLINE_S)
    with pytest.raises(CredentialError, match="did not end within") as caught:
        provider.credentials()
    assert caught.value.code == "Auth.Timeout"
    go.set()
    leader.join(DEADLINE_S)


def test_followers_get_the_error_of_the_leader_and_the_next_call_tries_again() -> None:
    flight: SingleFlight[int] = SingleFlight("it")
    entered, go = threading.Event(), threading.Event()
    outcomes: list[Exception] = []

    def work() -> int:
        entered.set()
        assert go.wait(DEADLINE_S)
        raise ConnectError("no route")

    def lead() -> None:
        try:
            flight.run(work)
        except ConnectError as exc:
            outcomes.append(exc)

    def follow() -> None:
        try:
            flight.run(lambda: 1)
        except ConnectError as exc:
            outcomes.append(exc)

    leader = threading.Thread(target=lead, daemon=True)
    leader.start()
    assert entered.wait(DEADLINE_S)
    follower = threading.Thread(target=follow, daemon=True)
    follower.start()
    # The follower must be inside before the leader ends; it is when the flight's event has a waiter.
    running = flight._flight
    assert running is not None
    while not running.done._cond._waiters:  # type: ignore[attr-defined]
        assert follower.is_alive()
    go.set()
    for thread in (leader, follower):
        thread.join(DEADLINE_S)
    assert len(outcomes) == 2
    assert flight.run(lambda: 7) == 7


def test_an_interrupted_leader_leaves_nobody_hanging() -> None:
    flight: SingleFlight[int] = SingleFlight("it")

    def interrupted() -> int:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        flight.run(interrupted)
    assert not flight.is_busy()
    assert flight.run(lambda: 1) == 1


def test_a_file_is_read_again_when_it_changes(home: Path) -> None:
    write_cli(home, ak("p", "LTAIoldoldoldold"))
    provider = resolve(profile="p", env={}, home=home)
    account = provider.account
    first = provider.credentials()
    assert provider.credentials() is first
    touch_later(write_cli(home, ak("p", "LTAInewnewnewnew", region_id="cn-beijing")))
    assert provider.credentials().access_key_id == "LTAInewnewnewnew"
    assert provider.region == "cn-beijing"
    assert provider.account != account


@pytest.mark.parametrize("content", ["", "{", '{"profiles": []}'])
def test_a_file_in_the_middle_of_a_rewrite_does_no_harm(home: Path, content: str) -> None:
    path = write_cli(home, ak("p"))
    provider = resolve(profile="p", env={}, home=home)
    path.write_text(content)
    assert provider.credentials().access_key_id == KEY_ID
    path.unlink()
    assert provider.credentials().access_key_id == KEY_ID


def test_a_profile_that_became_a_role_does_not_lend_its_key_directly(home: Path) -> None:
    write_cli(home, ak("p"))
    provider = resolve(profile="p", env={}, home=home)
    touch_later(write_cli(home, role_row("p", access_key_id="LTAInewnewnewnew")))
    assert provider.credentials().access_key_id == KEY_ID


def test_an_ini_token_that_was_replaced_is_taken(home: Path) -> None:
    text = "[default]\ntype = sts\naccess_key_id = STS.abcdefgh\naccess_key_secret = {0}\nsecurity_token = {1}\n"
    write_ini(home, text.format(CANARY, TOKEN))
    provider = resolve(env={}, home=home)
    with pytest.raises(CredentialError, match="has ended") as caught:
        provider.credentials(force_refresh=True)
    assert caught.value.code == "Auth.Expired"
    touch_later(write_ini(home, text.format(CANARY, "another-token")))
    token = provider.credentials(force_refresh=True).security_token
    assert token is not None
    assert token.reveal() == "another-token"


def test_a_forced_refresh_of_a_long_lived_key_gives_the_same_key(home: Path) -> None:
    provider = resolve(env=keys_env(), home=home)
    assert provider.credentials(force_refresh=True).access_key_id == KEY_ID
    inline = resolve(credentials=Credentials(KEY_ID, CANARY))
    assert inline.credentials(force_refresh=True).access_key_id == KEY_ID


def test_an_ended_token_of_the_environment_is_looked_up_again(home: Path) -> None:
    env = keys_env("STS.oldoldoldold", token=TOKEN)
    provider = resolve(env=env, home=home)
    env.update(keys_env("STS.newnewnewnew", token="new-token"))
    assert provider.credentials().access_key_id == "STS.oldoldoldold"
    assert provider.credentials(force_refresh=True).access_key_id == "STS.newnewnewnew"


def test_inline_keys_end_at_their_expiry(clock: FakeClock) -> None:
    given = Credentials("STS.abcdefgh", CANARY, TOKEN, clock.now_s() + 10)
    provider = resolve(credentials=given, clock=clock)
    assert provider.credentials().access_key_id == "STS.abcdefgh"
    clock.advance(10)
    with pytest.raises(CredentialError, match="has ended"):
        provider.credentials()


ANSWER = {
    "RequestId": "r",
    "Credentials": {
        "AccessKeyId": "STS.abcdefgh",
        "AccessKeySecret": CANARY,
        "SecurityToken": TOKEN,
        "Expiration": "2027-01-15T08:10:00Z",
    },
}


class VendorCredential:
    access_key_id = "STS.abcdefgh"
    access_key_secret = CANARY
    security_token = TOKEN


class VendorClient:
    def get_credential(self) -> VendorCredential:
        return VendorCredential()


@pytest.mark.parametrize(
    "value",
    [
        Credentials("STS.abcdefgh", CANARY, TOKEN),
        ANSWER,
        ANSWER["Credentials"],
        {"access_key_id": "STS.abcdefgh", "access_key_secret": CANARY, "security_token": TOKEN},
        VendorCredential(),
        VendorClient(),
        lambda: ANSWER,
        lambda: Credentials("STS.abcdefgh", CANARY, TOKEN),
    ],
)
def test_credentials_are_taken_in_every_usual_form(value: Any, clock: FakeClock) -> None:
    keys = resolve(credentials=value, clock=clock).credentials()
    assert keys.security_token is not None
    assert (keys.access_key_id, keys.access_key_secret.reveal(), keys.security_token.reveal()) == (
        "STS.abcdefgh",
        CANARY,
        TOKEN,
    )


def test_a_provider_is_used_as_it_is(role: CredentialProvider) -> None:
    assert resolve(credentials=role) is role


def test_a_function_is_called_again_at_80_percent_of_what_it_gave(clock: FakeClock) -> None:
    calls: list[float] = []

    def give() -> dict[str, Any]:
        calls.append(clock.now_s())
        return {
            "AccessKeyId": "STS.abcdefgh",
            "AccessKeySecret": CANARY,
            "SecurityToken": TOKEN,
            "Expiration": clock.now_s() + 100,
        }

    provider = resolve(credentials=give, clock=clock)
    assert calls == []
    for seconds in (0, 79, 1, 79, 1):
        clock.advance(seconds)
        provider.credentials()
    assert [at - calls[0] for at in calls] == [0, 80, 160]


def test_a_long_lived_key_from_a_function_is_asked_for_once(clock: FakeClock) -> None:
    calls: list[int] = []
    provider = resolve(credentials=lambda: calls.append(1) or Credentials(KEY_ID, CANARY), clock=clock)
    provider.credentials()
    clock.advance(10**6)
    provider.credentials()
    assert len(calls) == 1


@pytest.mark.parametrize(
    "answer", [None, {}, {"AccessKeyId": KEY_ID}, "text", {**ANSWER["Credentials"], "Expiration": "x"}]
)
def test_a_function_that_returns_something_else_is_an_error_in_words(answer: Any) -> None:
    with pytest.raises(CredentialError, match="returned something else") as caught:
        resolve(credentials=lambda: answer).credentials()
    assert caught.value.code == "Auth.Callback"


def test_a_function_that_raises_is_an_error_without_the_secret() -> None:
    known = Credentials(KEY_ID, CANARY)

    def give() -> None:
        raise RuntimeError(f"vault said {CANARY}")

    with pytest.raises(CredentialError, match="raised RuntimeError") as caught:
        resolve(credentials=give).credentials()
    assert known.access_key_id == KEY_ID
    assert caught.value.code == "Auth.Callback"


def test_accounts_are_stable_and_tell_apart(home: Path, role: CredentialProvider) -> None:
    one = resolve(credentials=Credentials(KEY_ID, CANARY)).account
    assert one == resolve(env=keys_env(), home=home).account
    assert one != resolve(credentials=Credentials(KEY_ID + "x", CANARY)).account
    assert KEY_ID not in one
    assert role.account == f"role:{ROLE}"
    write_cli(home, {**ak("s", "STS.abcdefgh"), "mode": "StsToken", "sts_token": TOKEN})
    assert resolve(profile="s", env={}, home=home).account == "profile:s"


def test_a_long_lived_key_is_advised_against_and_a_role_is_not(home: Path, role: CredentialProvider) -> None:
    provider: Any = resolve(env=keys_env(), home=home)
    assert [(notice.code, notice.is_warning) for notice in provider.notices] == [("Auth.LongLived", False)]
    assert role.notices == ()  # type: ignore[attr-defined]
