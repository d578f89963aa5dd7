"""Who is let in to a review, and what they get: nothing without the token, from another page, or that is no picture."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import sqlite3
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import pytest
from review_builders import Clock, add_animation, add_post, draw, fill, found, queue_of, task_of

from moderate_cli.review.application import MAX_BODY, ReviewApplication
from moderate_cli.serving import Limits, Listener
from moderate_cli.store import Store

_PAGE = "a" * 32


class Served(NamedTuple):
    """A review, as it is served, and the clock by which its tickets end."""

    application: ReviewApplication
    listener: Listener
    folder: Path
    store: Store
    monotonic: Clock

    def ask(self, path: str | None = None, method: str = "GET", body: object = None, **headers: str) -> Any:
        """Ask as a page of the review does, unless headers say otherwise; an empty one is left out."""
        connection = http.client.HTTPConnection(*self.listener.address, timeout=30)
        usual = {"Host": self.application.host}
        if method == "POST":
            usual |= {"Origin": f"http://{self.application.host}", "Content-Type": "application/json"}
        given = usual | {name.replace("_", "-"): value for name, value in headers.items()}
        target = f"/{self.application.token}/" if path is None else path.replace("TOKEN", self.application.token)
        try:
            connection.putrequest(method, target, skip_host=True)
            data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
            if method == "POST":
                connection.putheader("Content-Length", str(len(data)))
            for name, value in given.items():
                if value:
                    connection.putheader(name, value)
            connection.endheaders(data)
            response = connection.getresponse()
            return response.status, response.read(), dict(response.headers)
        finally:
            connection.close()

    def items(self) -> list[dict[str, Any]]:
        """The results that the page has before it."""
        status, body, _ = self.ask("/TOKEN/items", "POST", {"page": _PAGE})
        assert status == 200, body
        items: list[dict[str, Any]] = json.loads(body)["items"]
        return items


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    fill(tmp_path / "store.db", tmp_path / "images", "hmmm")
    monotonic = Clock()
    with Store.open(tmp_path / "store.db") as store:
        application = ReviewApplication(
            queue_of(store),
            person="mo",
            places=lambda sha256: store.places_of(sha256, limit=10),
            tasks=partial(task_of, store),
            clock=lambda: 1000.0,
            monotonic=monotonic,
        )
        listener = Listener.bound("127.0.0.1", 0, application, Limits(MAX_BODY))
        application.host = listener.origin.removeprefix("http://")
        listener.start()
        try:
            yield Served(application, listener, tmp_path, store, monotonic)
        finally:
            listener.stop(grace=5.0)


def test_the_page_may_load_nothing_and_is_not_kept(served: Served) -> None:
    status, body, headers = served.ask()
    assert status == 200
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'nonce-")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["Cache-Control"] == "no-store"
    assert (headers["X-Content-Type-Options"], headers["Referrer-Policy"]) == ("nosniff", "no-referrer")
    nonce = policy.split("'nonce-")[1].split("'")[0]
    assert body.decode().count(f'nonce="{nonce}"') == 2
    assert nonce not in served.ask()[2]["Content-Security-Policy"]
    assert served.application.token not in body.decode()


def test_a_ticket_leads_to_the_page_once(served: Served) -> None:
    assert served.application.token not in served.application.entrance
    for method in ("HEAD", "POST"):
        status, _, headers = served.ask(served.application.entrance, method)
        assert (status, headers["Allow"]) == (405, "GET")
    assert served.ask(served.application.entrance, Host="evil.example")[0] == 421
    assert served.ask(served.application.entrance, Sec_Fetch_Site="cross-site")[0] == 403
    status, body, headers = served.ask(served.application.entrance, Sec_Fetch_Site="none")
    assert (status, headers["Location"]) == (303, f"/{served.application.token}/")
    assert (headers["Cache-Control"], headers["Referrer-Policy"]) == ("no-store", "no-referrer")
    assert served.application.token not in body.decode()
    status, body, headers = served.ask(served.application.entrance)
    assert (status, "Location" in headers) == (410, False)
    assert b"open the one that the terminal shows" in body
    assert served.ask()[0] == 200


@pytest.mark.parametrize(("seconds", "status"), [(59, 303), (61, 410)])
def test_a_ticket_is_good_for_a_minute(served: Served, seconds: float, status: int) -> None:
    served.monotonic.now += seconds
    assert served.ask(served.application.entrance)[0] == status


@pytest.mark.parametrize("host", ["", "evil.example", "localhost", "127.0.0.1", "127.0.0.1:1", "evil.example:{port}"])
@pytest.mark.parametrize(("path", "method"), [(None, "GET"), ("/TOKEN/items", "POST"), ("/", "GET")])
def test_another_host_is_refused(served: Served, host: str, path: str | None, method: str) -> None:
    named = host.format(port=served.listener.address[1])
    assert served.ask(path, method, {"page": _PAGE}, Host=named)[0] == 421


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://{host}", "http://127.0.0.1", ""])
def test_the_origin_of_another_site_is_refused(served: Served, origin: str) -> None:
    said = origin.format(host=served.application.host)
    assert served.ask("/TOKEN/decide", "POST", {"page": _PAGE}, Origin=said)[0] == 403
    if said:
        assert served.ask(Origin=said)[0] == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_what_another_page_asks_for_is_refused(served: Served, site: str) -> None:
    number = served.items()[0]["facts"]["id"]
    for path in (None, f"/TOKEN/picture/{number}"):
        assert served.ask(path, Sec_Fetch_Site=site)[0] == 403
    assert served.ask(f"/TOKEN/picture/{number}", Sec_Fetch_Site="same-origin")[0] == 200


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/TOKEN", "/wrong/", "/wrong/items", "/wrong/picture/1", "/TOKEN/../TOKEN/", "/TOKEN//"),
        *("/TOKENx/", "/xTOKEN/", "/%54OKEN/", "/TOKEN/nothing", "/favicon.ico", "/?TOKEN/", "/TOKEN/items/x"),
        *("/open", "/open/", "/open/TOKEN", "/open/wrong", "/TOKEN/open/"),
    ],
)
def test_without_the_token_there_is_nothing(served: Served, path: str) -> None:
    for method in ("GET", "POST"):
        status, body, headers = served.ask(path, method, {"page": _PAGE})
        assert (status, body) == (404, b"nothing is here\n")
        assert headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(("path", "method"), [(None, "POST"), ("/TOKEN/items", "GET"), ("/TOKEN/picture/1", "POST")])
def test_each_path_has_its_methods(served: Served, path: str | None, method: str) -> None:
    status, _, headers = served.ask(path, method)
    assert status == 405
    assert headers["Allow"]


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "BREW"])
def test_no_other_method_is_known(served: Served, method: str) -> None:
    for path in (None, "/TOKEN/items", "/"):
        own = f"http://{served.application.host}"
        assert served.ask(path, method, Origin=own)[0] in {404, 405, 501}


def test_a_picture_is_that_of_a_result_that_somebody_has(served: Served) -> None:
    shown = [item["facts"]["id"] for item in served.items()]
    assert shown == [1, 4]
    status, body, headers = served.ask("/TOKEN/picture/1")
    assert (status, headers["Content-Type"], headers["Cache-Control"]) == (200, "image/png", "no-store")
    assert body == (served.folder / "images" / "000-h.png").read_bytes()
    assert headers["Content-Security-Policy"].endswith("sandbox")
    assert served.ask("/TOKEN/picture/2")[0] == 404


@pytest.mark.parametrize(
    "name",
    [
        *("", "0", "99", "-1", "1.0", " 1", "1/..", "../picture/2", "..%2f..%2fetc%2fpasswd", "%31", "١", "9" * 50),
        *("../../../../etc/passwd", "/etc/passwd", "1?x=/etc/passwd\\..", "store.db", "images/000-h.png"),
    ],
)
def test_no_path_leads_to_a_file(served: Served, name: str) -> None:
    served.items()
    status, body, _ = served.ask(f"/TOKEN/picture/{quote(name, safe='/%?=.')}")
    assert status == (200 if name.startswith("1?") else 404)
    assert b"root:" not in body


@pytest.mark.parametrize("kind", ["text", "changed", "no hash", "a link to a secret", "a folder", "gone"])
def test_only_the_image_that_was_judged_is_shown(served: Served, kind: str) -> None:
    path = served.folder / "images" / "secret.png"
    said = found(path, 77, "high", request_id="R-secret")
    if kind == "text":
        path.write_text("password: hunter2")
        said |= {"sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    elif kind == "changed":
        draw(path, 78)
    elif kind == "no hash":
        said |= {"sha256": None}
    elif kind == "a link to a secret":
        path.unlink()
        path.symlink_to("/etc/passwd")
    else:
        path.unlink()
        if kind == "a folder":
            path.mkdir()
    served.store.add_result(None, said)
    [mine] = [item for item in served.items() if item["facts"]["source"] == str(path)]
    status, body, _ = served.ask(f"/TOKEN/picture/{mine['facts']['id']}")
    assert (status, body) == (404, b"nothing is here\n")


@pytest.mark.parametrize("kind", ["post", "frame"])
def test_of_the_parts_only_what_was_judged_or_saved_is_shown(served: Served, kind: str) -> None:
    add = add_post if kind == "post" else add_animation
    paths = add(served.store, served.folder)
    [mine] = [item for item in served.items() if item["facts"]["parts"] or item["facts"]["frames"]]
    address = f"/TOKEN/picture/{mine['facts']['id']}"
    status, body, headers = served.ask(f"{address}/0")
    assert (status, body) == (200, paths[0].read_bytes())
    assert headers["Content-Type"] == ("image/png" if kind == "post" else "image/jpeg")
    assert headers["Content-Security-Policy"].endswith("sandbox")
    for name in ("2", "3", "99", "9" * 18, "9" * 40, "-1", "0/", "0/0", "../0", "..%2f0", "", "x", "/etc/passwd"):
        status, body, _ = served.ask(f"{address}/{quote(name, safe='/%.')}")
        assert (status, body) == (404, b"nothing is here\n")
    paths[0].write_text("password: hunter2")
    paths[1].unlink()
    paths[1].symlink_to("/etc/passwd")
    for number in (0, 1):
        assert served.ask(f"{address}/{number}")[0] == 404


def test_a_file_that_a_record_names_with_its_hash_must_be_a_picture(served: Served) -> None:
    secret = served.folder / "secret.txt"
    secret.write_text("password: hunter2")
    [frame, _] = add_animation(served.store, served.folder)
    with sqlite3.connect(served.store.path) as connection:
        digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in (frame, secret)]
        for old, new in ((str(frame), str(secret)), digests):
            connection.execute("UPDATE results SET record = replace(record, ?, ?)", (old, new))
    [mine] = [item for item in served.items() if item["facts"]["frames"]]
    assert served.ask(f"/TOKEN/picture/{mine['facts']['id']}/0")[0] == 404


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"no json", 400),
        (b"\xff", 400),
        (b"[]", 400),
        ({"page": "../x"}, 400),
        ({"page": ""}, 400),
        ({"page": "a" * 65}, 400),
        ({"page": _PAGE, "id": "1"}, 400),
        ({"page": _PAGE, "path": "/etc/passwd"}, 400),
        ({"page": _PAGE, "note": "x" * MAX_BODY}, 413),
    ],
)
def test_a_request_that_no_page_makes_is_refused(served: Served, body: object, status: int) -> None:
    assert served.ask("/TOKEN/decide", "POST", body)[0] == status


def test_only_json_is_taken(served: Served) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""):
        assert served.ask("/TOKEN/decide", "POST", {"page": _PAGE}, Content_Type=kind)[0] == 415


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"word": "wrong"}, "'wrong' is no decision"),
        ({"word": "suppressed"}, "a suppression needs a reason"),
        ({"word": "suppressed", "note": "x", "expires": "soon"}, "the last day must be a date"),
        ({"word": "suppressed", "note": "x", "expires": "1970-01-01"}, None),
        ({"word": "confirmed", "id": 3}, "result 3 is not at this desk"),
        ({"word": "confirmed", "note": "x" * 1001}, "a note has 1,000 characters at most"),
    ],
)
def test_what_cannot_be_decided_is_said(served: Served, more: dict[str, Any], said: str | None) -> None:
    first = served.items()[0]["facts"]["id"]
    status, body, _ = served.ask("/TOKEN/decide", "POST", {"page": _PAGE, "id": first} | more)
    state = json.loads(body)
    assert status == 200
    assert (said or "") in state["note"]
    assert (state["items"][0]["facts"]["id"] == first) is (said is not None)


def test_there_is_a_bound_on_pages(served: Served) -> None:
    statuses = [served.ask("/TOKEN/items", "POST", {"page": f"p{number}"})[0] for number in range(40)]
    assert statuses == [200] * 32 + [409] * 8


def test_the_token_is_long_and_new_each_time(served: Served) -> None:
    assert len(served.application.token) >= 32
    assert os.sep not in served.application.token
