"""What masks a secret in all its spellings, and what grants access in an address."""

from __future__ import annotations

import threading
from urllib.parse import quote

import pytest

from moderate_cli.common.masking import Secrets, mask_address, mask_text, mask_tree, mentions

SECRET = "CAISabc/DEF+ghi=="
SPELLINGS = {
    "as it is": SECRET,
    "in another case": SECRET.lower(),
    "percent-encoded": quote(SECRET, safe=""),
    "percent-encoded but for slashes": quote(SECRET),
    "in small digits": quote(SECRET, safe="").replace("%2F", "%2f").replace("%2B", "%2b").replace("%3D", "%3d"),
    "encoded twice": quote(quote(SECRET, safe="")),
    "by numbers": "CAISabc&#47;DEF&#43;ghi&#61;&#61;",
    "by hexadecimal numbers": "CAISabc&#x2F;DEF&#x02b;ghi&#X3d;&#x3d;",
    "by names": "CAISabc&sol;DEF&plus;ghi&equals;&equals;",
    "by numbers, escaped": "CAISabc&amp;#47;DEF&amp;#43;ghi&amp;#61;&amp;#61;",
    "in JSON": "CAISabc\\/DEF\\u002bghi\\u003D=",
    "in JSON in JSON": "CAISabc\\\\\\/DEF\\\\u002Bghi==",
}


@pytest.mark.parametrize("text", SPELLINGS.values(), ids=SPELLINGS)
def test_a_secret_is_masked_in_each_spelling(text: str) -> None:
    assert mentions(f"<{text}>".encode(), (None, SECRET))
    assert mask_text(f"<{text}>", (None, SECRET)) == "<***>"
    assert mask_tree({text: [text, 1, None]}, (SECRET,)) == {"***": ["***", 1, None]}


@pytest.mark.parametrize("text", ["CAISabc", "CAISabc DEF ghi", "CAISabc/DEF+ghi", "another answer"])
def test_another_text_stays(text: str) -> None:
    assert mask_text(text, (SECRET, None, "", "short")) == text


def test_a_secret_may_be_any_text() -> None:
    for secret in ("/+=/+=/+=", "\ud800\ud800 ascii ü", "........x", "\\\\\\\\\\\\\\\\"):
        assert mentions(f"<{secret}>".encode("utf-8", "surrogatepass"), (secret,))
        assert mask_text(f"<{secret}>", (secret,)) == "<***>"


def test_threads_add_secrets_and_lose_none() -> None:
    secrets = Secrets()
    together = threading.Barrier(4)

    def work(number: int) -> None:
        together.wait()
        for count in range(20):
            secrets.add(f"secret {number} {count}", None)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(secrets.known) == len(set(secrets.known)) == 80
    for count in range(1_000):
        secrets.add(f"latest {count}")
    assert secrets.known[-1] == "latest 999"
    assert len(secrets.known) == 100


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://h/a.png?OSSAccessKeyId=A&Signature=S%3D&x=1", "https://h/a.png?OSSAccessKeyId=A&Signature=***&x=1"),
        ("https://h/a.png?x-oss-signature=S", "https://h/a.png?x-oss-signature=***"),
        ("https://h/a.png?X-Amz-Security-Token=S&sig=S", "https://h/a.png?X-Amz-Security-Token=***&sig=***"),
        ("https://h/a.png?auth_key=1-0-0-S", "https://h/a.png?auth_key=***"),
        ("https://h/a.png?q-ak=A&q-signature=S", "https://h/a.png?q-ak=A&q-signature=***"),
        ("https://h/a.png?%53ignature=S", "https://h/a.png?%53ignature=***"),
        ("https://h/a.png?%2553ign%61ture%3DS&x=1", "https://h/a.png?%2553ign%61ture%3D***&x=1"),
        ("https://h/a.png;Signature=S", "https://h/a.png;Signature=***"),
        ("https://h/a.png#Signature=S", "https://h/a.png#Signature=***"),
        ("https://h/?u=https%3A%2F%2Fb%2Fa%3Fx%3D1%26Signature%3DS", None),
        ("https://user:PW@h/a.png", "https://***@h/a.png"),
        ("https://user:P@W@h/a.png?x=a@b", "https://***@h/a.png?x=a@b"),
        ("no https://PW@h/a.png, see https://h/?sig=S.", "no https://***@h/a.png, see https://h/?sig=***"),
        (
            "https://h/@a.png?design=1&signature_version=4&sign=leo",
            "https://h/@a.png?design=1&signature_version=4&sign=leo",
        ),
        ("photos/a@2x.png", "photos/a@2x.png"),
        ("photos/50%=a.png", "photos/50%=a.png"),
    ],
)
def test_what_grants_access_is_masked_in_an_address(address: str, shown: str | None) -> None:
    assert mask_address(address) == (shown or f"{address[:-1]}***")
