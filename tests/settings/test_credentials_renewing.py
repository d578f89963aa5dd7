"""Credentials that end: renewed in time, once for all threads, and asked for again after a refusal."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import pytest

from moderate_cli.client import Credentials
from moderate_cli.common.errors import CredentialsError
from moderate_cli.settings.credentials.providers import MARGIN, PAUSE, RenewingCredentials

START = 1_000_000.0


class Issuer:
    """Hands out what it is told to, by a clock that a test turns."""

    def __init__(self, answers: Iterable[float | Credentials | CredentialsError | None] = ()) -> None:
        self.now = START
        self.asked = 0
        self.answers = list(answers)
        self.source = RenewingCredentials("a role", self.fetch, clock=lambda: self.now)

    def fetch(self) -> Credentials:
        self.asked += 1
        answer = self.answers.pop(0)
        if isinstance(answer, CredentialsError):
            raise answer
        if isinstance(answer, Credentials):
            return answer
        return Credentials(f"id-{self.asked}", "CANARY", "CANARY", None if answer is None else START + answer)

    def key(self) -> str:
        return self.source.current().access_key_id


def _error() -> CredentialsError:
    return CredentialsError("a role: refused", hint="a hint")


def test_credentials_are_held_until_shortly_before_their_end() -> None:
    issuer = Issuer([3600.0, 7200.0])
    assert [issuer.key(), issuer.key()] == ["id-1", "id-1"]
    issuer.now = START + 3600 - MARGIN - 1
    assert issuer.key() == "id-1"
    issuer.now += 1
    assert issuer.key() == "id-2"
    assert issuer.asked == 2


def test_credentials_without_an_end_are_held() -> None:
    issuer = Issuer([None])
    issuer.now += issuer.key() == "id-1" and 10**9
    assert issuer.key() == "id-1"


def test_credentials_that_last_shorter_than_the_margin_are_used_for_half_of_their_time() -> None:
    issuer = Issuer([100.0, 200.0])
    issuer.key()
    issuer.now = START + 49
    assert issuer.key() == "id-1"
    issuer.now = START + 51
    assert issuer.key() == "id-2"


def test_credentials_that_have_ended_already_are_not_asked_for_at_each_call() -> None:
    issuer = Issuer([-1.0, 3600.0])
    assert [issuer.key() for _ in range(5)] == ["id-1"] * 5
    issuer.now += PAUSE
    assert issuer.key() == "id-2"


def test_a_failed_renewal_is_tried_again_while_the_old_ones_hold(caplog: pytest.LogCaptureFixture) -> None:
    issuer = Issuer([3600.0, _error(), _error(), 9000.0])
    issuer.key()
    issuer.now = START + 3600 - MARGIN
    assert [issuer.key(), issuer.key()] == ["id-1", "id-1"]
    assert issuer.asked == 2, "not at each call"
    issuer.now = START + 3600 - 1
    assert issuer.key() == "id-1"
    issuer.now = START + 3600
    assert issuer.key() == "id-4"
    assert "a role: renewal failed" in caplog.text
    assert "CANARY" not in caplog.text


def test_a_failure_is_told_to_everybody_and_tried_again_after_a_pause() -> None:
    issuer = Issuer([_error(), 3600.0])
    for _ in range(3):
        with pytest.raises(CredentialsError) as caught:
            issuer.key()
        assert (caught.value.message, caught.value.hint) == ("a role: refused", "a hint")
    assert issuer.asked == 1
    issuer.now += PAUSE
    assert issuer.key() == "id-2"


def test_an_end_without_others_is_a_failure() -> None:
    issuer = Issuer([3600.0, _error()])
    issuer.key()
    issuer.now = START + 3600
    for _ in range(2):
        with pytest.raises(CredentialsError):
            issuer.key()


def test_many_threads_ask_once() -> None:
    issuer = Issuer([3600.0, 7200.0])
    inside = threading.Event()
    fetch = issuer.fetch

    def slowly() -> Credentials:
        inside.wait(1)
        return fetch()

    issuer.source = RenewingCredentials("a role", slowly, clock=lambda: issuer.now)
    with ThreadPoolExecutor(16) as pool:
        found = [pool.submit(issuer.key) for _ in range(64)]
        inside.set()
        assert {future.result() for future in found} == {"id-1"}
        refused = issuer.source.current()
        renewed = [pool.submit(issuer.source.renew, refused) for _ in range(64)]
        assert all(future.result() for future in renewed)
    assert (issuer.asked, issuer.key()) == (2, "id-2")


def test_a_refusal_brings_others_where_there_are_any(caplog: pytest.LogCaptureFixture) -> None:
    same = Credentials("id-1", "CANARY", "CANARY", START + 9999)
    issuer = Issuer([3600.0, same, _error(), 3600.0])
    refused = issuer.source.current()
    assert not issuer.source.renew(refused), "the same with another end are no others"
    assert not issuer.source.renew(refused)
    assert issuer.asked == 2, "not at each refusal"
    issuer.now += PAUSE
    assert not issuer.source.renew(refused)
    assert "no others are available: a role: refused" in caplog.text
    issuer.now += PAUSE
    assert issuer.source.renew(refused)
    assert issuer.key() == "id-4"
    assert "CANARY" not in caplog.text + repr(issuer.source)
