"""What calls cost: what is billed, and the known list prices, each with its source and date.

Most services have no price here, because few of the pages name one; an unknown price stays unknown, and is not guessed
by analogy. A user's own prices override these.

Billed are only responses with the code 200, and a post's submission (280) too; polling results and requesting upload
tokens is free as far as documented (the vendor's pages of the four operations).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from enum import StrEnum
from functools import cache

from msgspec import Struct, field
from msgspec.structs import replace

from moderate_cli.catalog import load_data
from moderate_cli.catalog.services import copied_service
from moderate_cli.models import Call, Json

TEXT_UNIT = 1000  # characters; a started one counts as a whole (the vendor's page on multimodal moderation)
DEFAULT_FRAMES = 10  # what `maxFrameNum` is unless set (the vendor's page of the async operation)
_LONG_SIDE, _LONG_RATIO = 400, 2.5  # pixels, and the ratio of the sides, above which an image is cut (same page)


class Unit(StrEnum):
    """What services charge for: an image or a frame, and a started thousand of characters."""

    IMAGE = "image"
    TEXT = "text"


class Billed(Struct, frozen=True):
    """What each service charges one input for: images or frames, and started thousands of characters."""

    images: int = 0
    text_units: int = 0


def image_calls(services: Sequence[str]) -> int:
    """Return the billed calls of an image judged by some services: one each, also in one batch call."""
    return len(services)


def frame_calls(frames: int | None, *, interval: int | None, max_frames: int | None) -> int:
    """Return the most billed calls of a queued image: one per judged frame.

    `frames` is how many frames or slices the image has, None if unknown. Without `interval` the service judges only the
    first frame; `max_frames` without it counts here too, so that the bound holds.
    """
    if interval is None and max_frames is None:
        return 1
    most = DEFAULT_FRAMES if max_frames is None else max_frames
    return most if frames is None else max(1, min(frames, most))


def slices(width: int, height: int) -> int:
    """Return into how many slices an image (sides in pixels) is cut if `interval` is set; 1 unless it is long."""
    short, long = sorted((width, height))
    is_long = short > 0 and long > _LONG_SIDE and long / short > _LONG_RATIO
    # Halves go up, as in Java; the page says "round" and no more, and Python's round would make 4 of 4.5.
    return int(long / short + 0.5) if is_long else 1


def post_calls(post: Json) -> Billed:
    """Return what a post in the API's own shape is billed for: its images, and the text of the whole call."""
    parts = [post.get("mainData") or {}, *comments_of(post)]
    texts = [part.get(key) or "" for part in parts for key in ("mainTitle", "mainContent", "content")]
    images = [part.get(key) or () for part in parts for key in ("mainImages", "images")]
    characters = sum(map(len, texts))
    return Billed(images=sum(map(len, images)), text_units=-(-characters // TEXT_UNIT))


def comments_of(part: Json) -> Iterator[Json]:
    """Yield the comments of a post, each with the replies below it."""
    for comment in part.get("commentDatas") or ():
        yield comment
        yield from comments_of(comment)


_FILE = "prices.json"
_MAINLAND = "cn-"  # the regions of the vendor's site for mainland China
_SMALLEST = Decimal("0.000001")  # to which sums of money are rounded when they are shown


class Price(Struct, frozen=True, kw_only=True):
    """What `per` images, or `per` started thousands of characters, cost.

    `date` (ISO 8601, maybe without day or month) is that of the source, None for a user's own price. `uncertain` means
    that a third party names the price, or that no page settles whether the service has it.
    """

    amount: Decimal
    currency: str
    per: int
    source: str
    date: str | None = None
    uncertain: bool = False

    def times(self, calls: int) -> Decimal:
        """Return what so many calls cost."""
        return self.amount * calls / self.per


class BillingTypes(Struct, frozen=True):
    """The vendor's names for what a service is billed as, by unit; `uncertain` where no page says so."""

    names: Mapping[Unit, str]
    uncertain: bool


Prices = Mapping[str, Price]  # by the name of a service or of a billing type


def billing_types(service: str) -> BillingTypes | None:
    """Return what a service is billed as, None where no source tells; a custom copy as the service that it copies."""
    types = _billing_types()
    if service in types:
        return types[service]
    copied = types.get(copied_service(service) or "")
    return replace(copied, uncertain=True) if copied else None  # no page says what copies cost


def price_of(service: str, unit: Unit, region: str, own: Prices | None = None) -> Price | None:
    """Return what a service charges for a unit in a region, None where that is not known.

    `own` are a user's prices, in force in every region: by the service, by the one that it copies, by the billing type.
    What is billed by both image and text has its prices by type alone.
    """
    types = billing_types(service)
    names = [types.names[unit]] if types and unit in types.names else []
    if unit is Unit.IMAGE and not (types and Unit.TEXT in types.names):
        copied = copied_service(service)
        names = [service, *([copied] if copied else []), *names]
    mine = next((own[name] for name in names if name in own), None) if own else None
    if mine:
        return mine
    listed = next((price for name in names if (price := _list_prices().get((name, _is_mainland(region))))), None)
    is_doubtful = types.uncertain if types else copied_service(service) is not None
    return replace(listed, uncertain=True) if listed and is_doubtful else listed


def package_calls_of(service: str, unit: Unit, region: str) -> Decimal | None:
    """Return how many calls of a resource package a unit takes, None where no page says so."""
    types = billing_types(service)
    if types is None or unit not in types.names:
        return None
    return _deductions().get((types.names[unit], _is_mainland(region)))


class Estimate(Struct):
    """The billed calls of a run, and what they cost; memory does not grow with the number of inputs.

    `own` are a user's prices.
    """

    own: Prices = field(default_factory=dict)
    counts: Counter[tuple[str, Unit, str]] = field(default_factory=Counter)

    def add(self, call: Call, billed: Billed) -> None:
        """Count what each service of a call charges for; the local engine, which has no region, charges nothing."""
        if call.region is None:
            return
        for service in call.services:
            self.counts[service, Unit.IMAGE, call.region] += billed.images
            self.counts[service, Unit.TEXT, call.region] += billed.text_units

    @property
    def calls(self) -> int:
        """How many calls are billed: images, frames and started thousands of characters, by each service."""
        return self.counts.total()

    @property
    def sums(self) -> dict[str, Decimal]:
        """What the calls cost whose price is known, by currency."""
        sums: dict[str, Decimal] = {}
        for _, count, price in self._priced():
            if price:
                sums[price.currency] = sums.get(price.currency, Decimal()) + price.times(count)
        return dict(sorted(sums.items()))

    @property
    def unknown(self) -> dict[str, int]:
        """How many calls have no known price, by service."""
        unknown: Counter[str] = Counter()
        for service, count, price in self._priced():
            if price is None:
                unknown[service] += count
        return dict(unknown)

    @property
    def uncertain(self) -> tuple[str, ...]:
        """The services whose prices are doubtful."""
        return tuple(dict.fromkeys(name for name, _, price in self._priced() if price and price.uncertain))

    @property
    def dates(self) -> tuple[str, ...]:
        """The dates of the list prices that are used, the oldest first."""
        return tuple(sorted({price.date for *_, price in self._priced() if price and price.date}))

    @property
    def package_calls(self) -> Decimal:
        """How many calls of a resource package those are that such a package can pay for."""
        taken = ((package_calls_of(*counted), number) for counted, number in self.counts.items() if number)
        return sum((each * number for each, number in taken if each is not None), start=Decimal())

    def in_words(self) -> str:
        """Return the sums, and what is unknown or uncertain about them: `USD 0.60, unknown for X (20 calls)`.

        What a resource package can pay for is told in its calls too.
        """
        known = " + ".join(f"{currency} {_money(amount)}" for currency, amount in self.sums.items())
        remarks = [f"list prices of {' and '.join(self.dates)}"] if self.dates else []
        remarks += [f"uncertain for {', '.join(self.uncertain)}"] if self.uncertain else []
        parts = [known + (f" ({', '.join(remarks)})" if remarks else "")] if known else []
        parts += [f"unknown for {name} ({_calls(count)})" for name, count in self.unknown.items()]
        parts += [f"or {self.package_calls.normalize():f} calls of a resource package"] if self.package_calls else []
        return ", ".join(parts) or "nothing"

    def _priced(self) -> Iterator[tuple[str, int, Price | None]]:
        for (service, unit, region), count in self.counts.items():
            if count:
                yield service, count, price_of(service, unit, region, self.own)


@cache
def _billing_types() -> dict[str, BillingTypes]:
    return {
        entry["service"]: BillingTypes({unit: entry[unit] for unit in Unit if unit in entry}, entry["uncertain"])
        for entry in load_data(_FILE)["billing"]
    }


@cache
def _list_prices() -> dict[tuple[str, bool], Price]:
    """Return the list prices by billing type, or by service where its type is not known, and by the vendor's site."""
    return {
        (entry["of"], entry["mainland"]): Price(
            amount=Decimal(entry["amount"]),
            currency=entry["currency"],
            per=entry["per"],
            source=entry["source"],
            date=entry["date"],
            uncertain=entry["uncertain"],
        )
        for entry in load_data(_FILE)["prices"]
    }


@cache
def _deductions() -> dict[tuple[str, bool], Decimal]:
    """Return how many calls of a resource package a unit takes, by billing type and by the vendor's site."""
    return {(entry["of"], entry["mainland"]): Decimal(entry["deducts"]) for entry in load_data(_FILE)["packages"]}


def _is_mainland(region: str) -> bool:
    return region.startswith(_MAINLAND)


def _money(amount: Decimal) -> str:
    """Return an amount with as many decimals as it needs, and two at least."""
    whole, _, decimals = f"{amount.quantize(_SMALLEST):f}".partition(".")
    return f"{whole}.{decimals.rstrip('0').ljust(2, '0')}"


def _calls(count: int) -> str:
    return "1 call" if count == 1 else f"{count} calls"
