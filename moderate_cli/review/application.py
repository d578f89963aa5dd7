"""How is a review served to a browser on this machine? As a page and its data, for nobody without the token."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Sequence
from http import HTTPStatus
from math import inf

import msgspec
from msgspec import Struct

from moderate_cli.common.errors import ModerateError
from moderate_cli.common.text import with_hint
from moderate_cli.gate.gate import today
from moderate_cli.models import Outcome, QueuedTask
from moderate_cli.render.html.review_page import review_page
from moderate_cli.review.picture import Places, frame_starts, part_picture_of, picture_of
from moderate_cli.review.queue import AHEAD, Desk, Item, Progress, ReviewQueue
from moderate_cli.review.result_facts import ResultFacts, facts_of
from moderate_cli.review.suppressing import checked_decision
from moderate_cli.serving import Request, Response, line

MAX_BODY = 16 * 1024  # bytes of a request
_JSON = "application/json"
_READING = ("GET", "HEAD")
_MAX_NAME = 64  # characters of a page's own name
_MAX_DIGITS = 18  # of a number in an address
_PICTURES = "picture/"
_OPEN = "/open/"
_TICKET_LIFE = 60.0  # seconds, for a browser to start
_OWN = frozenset({"same-origin", "none"})  # what Sec-Fetch-Site says of a request that no other page made
# Nothing of a review is kept by the browser, told to others, or shown inside of another page.
_HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_NO_PAGE = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox"
_PAGE = (
    "default-src 'none'; script-src 'nonce-{0}'; style-src 'nonce-{0}'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class Ask(Struct, frozen=True, forbid_unknown_fields=True):
    """What a page asks for: its own name, and of a decision the result, the word, the note and the last day."""

    page: str
    id: int = 0
    word: str = ""
    note: str = ""
    expires: str = ""


class Shown(Struct, frozen=True):
    """A result as a page shows it; `picture` says whether there is one to be fetched."""

    facts: ResultFacts
    picture: bool


class State(Struct, frozen=True):
    """What a page has before it: the results, how far the review is, and what went wrong, if anything did."""

    items: list[Shown]
    progress: Progress
    note: str


class ReviewApplication:
    """Serves a review under a path that begins with `token`; `person` is whoever decides.

    `entrance` is a path that leads there once, within a minute: what starts a browser shows its arguments to everybody
    on this machine, and the token is not among them. `places` finds files by their content and `tasks` the task of a
    result. Once it is set, `host` is the only one that is answered to. `finished` is set when somebody ends the review,
    and `asked_at` is when a page last asked for anything, by `clock`.
    """

    def __init__(
        self,
        queue: ReviewQueue,
        *,
        person: str | None,
        places: Places,
        tasks: Callable[[Outcome], QueuedTask | None],
        clock: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        self.token = secrets.token_urlsafe(24)
        self.entrance = f"{_OPEN}{secrets.token_urlsafe(24)}"
        self.host = ""
        self.finished = threading.Event()
        self._queue = queue
        self._person = person
        self._places = places
        self._tasks = tasks
        self._clock = clock
        self._monotonic = monotonic
        self.asked_at = monotonic()
        self._opens_until = self.asked_at + _TICKET_LIFE
        self._opening = threading.Lock()
        self._actions: dict[str, Callable[[Desk, Ask], str]] = {
            "items": lambda desk, ask: "",
            "decide": self._decide,
            "skip": self._skip,
            "undo": self._undo,
            "finish": self._finish,
        }

    def refusal(self, request: Request) -> Response | None:
        """Return the refusal of a request by its head: a wrong host, a foreign page, or no token."""
        headers = request.headers
        # A name that leads here (DNS rebinding) is not this host, and another page's request has its own origin.
        if headers.get_all("Host", []) != [self.host]:
            return self.refuse(HTTPStatus.MISDIRECTED_REQUEST, "this is another host")
        origins = headers.get_all("Origin", [])
        is_own = origins == [f"http://{self.host}"] or (not origins and request.method in _READING)
        if not is_own or any(each not in _OWN for each in headers.get_all("Sec-Fetch-Site", [])):
            return self.refuse(HTTPStatus.FORBIDDEN, "another page may not ask this")
        if self._is_entrance(request):
            return None if request.method == "GET" else self._only(("GET",))
        name = self._name(request)
        if name is None or not (name == "" or name in self._actions or name.startswith(_PICTURES)):
            return self.refuse(HTTPStatus.NOT_FOUND, "nothing is here")
        methods = ("POST",) if name in self._actions else _READING
        if request.method not in methods:
            return self._only(methods)
        if request.method == "POST" and headers.get_content_type() != _JSON:
            return self.refuse(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"not {_JSON}")
        return None

    def respond(self, request: Request) -> Response:
        """Return the page or the way to it, a picture, or what a page asks for."""
        self.asked_at = self._monotonic()
        if self._is_entrance(request):
            return self._enter()
        name = self._name(request) or ""
        try:
            if name == "":
                return self._page()
            if name.startswith(_PICTURES):
                return self._picture(name.removeprefix(_PICTURES))
            return self._act(name, msgspec.json.decode(request.body, type=Ask))
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return self.refuse(HTTPStatus.BAD_REQUEST, "not a readable request")
        except ModerateError as error:
            return self.refuse(HTTPStatus.CONFLICT, with_hint(error))

    def refuse(self, status: int, reason: str) -> Response:
        """Return a refusal; it says nothing of what is here."""
        return self._line(status, reason)

    def _only(self, methods: Sequence[str]) -> Response:
        allowed = ", ".join(methods)
        return self._line(HTTPStatus.METHOD_NOT_ALLOWED, f"only {allowed}", Allow=allowed)

    def _line(self, status: int, text: str, **headers: str) -> Response:
        return line(int(status), text, **_HEADERS, **headers)

    def _is_entrance(self, request: Request) -> bool:
        return secrets.compare_digest(request.path.encode("utf-8", "replace"), self.entrance.encode())

    def _enter(self) -> Response:
        """Lead to the page, the first time."""
        with self._opening:
            is_open, self._opens_until = self._monotonic() < self._opens_until, -inf
        if is_open:
            return self._line(HTTPStatus.SEE_OTHER, "the review is there", Location=f"/{self.token}/")
        return self.refuse(
            HTTPStatus.GONE,
            "this address led to the review once, within a minute: open the one that the terminal shows, "
            "or end the review there and start it again",
        )

    def _name(self, request: Request) -> str | None:
        """Return what stands behind the token in the path; None without the right token."""
        token, slash, name = request.path.removeprefix("/").partition("/")
        is_right = secrets.compare_digest(token.encode("utf-8", "replace"), self.token.encode())
        return name if slash and is_right else None

    def _page(self) -> Response:
        nonce = secrets.token_urlsafe(16)
        headers = _HEADERS | {"Content-Security-Policy": _PAGE.format(nonce)}
        return Response(200, review_page(nonce).encode(), headers, "text/html; charset=utf-8")

    def _picture(self, name: str) -> Response:
        """Return the picture of a result that somebody has before them, or of a part of it, and of no other."""
        number, slash, part = name.partition("/")
        outcome = self._queue.shows(int(number)) if _is_number(number) else None
        picture = None
        if outcome is not None and not slash:
            picture = picture_of(outcome, self._places)
        elif outcome is not None and _is_number(part):
            picture = part_picture_of(outcome, self._tasks(outcome), int(part))
        if picture is None:
            return self.refuse(HTTPStatus.NOT_FOUND, "nothing is here")
        return Response(200, picture.content, _HEADERS | {"Content-Security-Policy": _NO_PAGE}, picture.kind)

    def _act(self, name: str, ask: Ask) -> Response:
        if not (ask.page.isascii() and ask.page.isalnum() and len(ask.page) <= _MAX_NAME):
            return self.refuse(HTTPStatus.BAD_REQUEST, "not the name of a page")
        desk = self._queue.desk(ask.page)
        try:
            note = self._actions[name](desk, ask)
        except ModerateError as error:  # it stays where it was, or is gone; the page says so and goes on
            note = with_hint(error)
        desk = self._queue.desk(ask.page)
        state = State(list(map(self._shown, desk.items[:AHEAD])), self._queue.progress(), note)
        return Response(200, msgspec.json.encode(state), _HEADERS, _JSON)

    def _decide(self, desk: Desk, ask: Ask) -> str:
        decision = checked_decision(ask.word, ask.note, ask.expires, self._person, today(self._clock))
        self._queue.decide(desk, ask.id, decision)
        return ""

    def _skip(self, desk: Desk, ask: Ask) -> str:
        self._queue.skip(desk, ask.id)
        return ""

    def _undo(self, desk: Desk, ask: Ask) -> str:
        return "" if self._queue.undo(desk, self._person) else "there is nothing to undo"

    def _finish(self, desk: Desk, ask: Ask) -> str:
        self.finished.set()
        return ""

    def _shown(self, item: Item) -> Shown:
        outcome, entry = item.outcome, item.entry
        task = self._tasks(outcome)
        starts = frame_starts(outcome, task, self._places)
        facts = facts_of(entry.number, outcome, entry.decisions, task, starts)
        return Shown(facts, picture=outcome.sha256 is not None)


def _is_number(word: str) -> bool:
    return word.isascii() and word.isdecimal() and len(word) <= _MAX_DIGITS
