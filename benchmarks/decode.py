"""What does it cost to make models of a page of 100 events, and to read one over HTTP?

    python benchmarks/decode.py [--rounds N] [--json FILE]

One page, from bytes to objects, by

- *orjson*: ``orjson.loads`` alone, which is where ours begins as well;
- *msgspec*: typed Structs. They have the fields of our models, instants as datetimes, and the
  types of events as a tagged union; ids are plain strings, nothing is resolved, and a field that
  no Struct knows, or a value of another kind, is not kept but dropped or refused;
- *ours*: frozen attrs models, with users, media and posts resolved on the events, ids that order
  as numbers, and whatever is unknown or odd kept. A user who was on a page before is not made
  again, as long as the server says the same of them; with *new users*, nobody is known;
- *pydantic*: frozen models of the same fields as the Structs;
- *cattrs*: a converter as it comes, over our own classes, told only how wire names differ and
  what to make of ids and instants;
- *tweepy*: its models, of what orjson has read.

The page is as X would serve it for ``Fields.ALL``: 100 messages with 20 partners, every tenth
with a link, every twentieth with a photo and every 25th with a shared post; about 45 KB.

*linking* is what resolving costs: ours, less ours with nothing resolved. *GET* is one page over
HTTP, one request after the other, of a list of 1,000 events: the endpoint's coroutine, a typed page
through the whole stack; ``Account.events`` read by its pages, which are also held against those
before, and once more with a new stream for each page; an aiohttp session as it
comes with orjson; and tweepy's AsyncClient as it comes, with a session for each request, and once
more with a session that it was given to keep. The server is a process of
its own. All are measured interleaved, round by round; ratios are of the same round. It
measures and does not judge: the exit status is 0 whatever the numbers are.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gzip
import itertools
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints
from unittest.mock import patch

import aiohttp
import attrs
import cattrs
import msgspec
import orjson
import pydantic
import tweepy
import tweepy.asynchronous
from cattrs.gen import make_dict_structure_fn, override
from request_overhead import LIST, UNLIMITED, Canned, Counts, listen, url_of

from xdm_async import App, OAuth2, plans
from xdm_async.endpoints.events import LIST as ROUTE
from xdm_async.endpoints.events import list_events
from xdm_async.endpoints.queries import list_query
from xdm_async.models import Event, Fields, Includes, Meta, Page, UrlEntity
from xdm_async.models.base import Model
from xdm_async.models.events import MessageCreate, ParticipantsJoin, ParticipantsLeave
from xdm_async.testing import answered
from xdm_async.wire import fields, pages
from xdm_async.wire import structs as structs_of_ours
from xdm_async.wire.bodies import read_page
from xdm_async.wire.exchange import Response
from xdm_async.wire.fields import CLASSIC_NAMES, RESOLVED

EVENTS = 100
PARTNERS = 20
EACH = 10
"""Pages, or requests, of one contestant in one round."""
TOKEN = "a-token-that-nobody-checks"
NEWEST = datetime(2026, 9, 21, 12, tzinfo=UTC)


# The page


def page_body(number: int = 0) -> bytes:
    """One of the `EACH` pages of a list, the newest by default."""
    chance = random.Random(0)
    reader, *others = (user(i, chance) for i in range(PARTNERS + 1))
    chance = random.Random(number)
    events: list[dict[str, Any]] = []
    posts, media = [], []
    for i in range(number * EVENTS, (number + 1) * EVENTS):
        other = others[i % PARTNERS]
        words = " ".join(f"{chance.getrandbits(24):x}" for _ in range(chance.randint(4, 24)))
        sender = other if i % 3 else reader
        pair = sorted((reader["id"], other["id"]), key=int)
        event = {"id": snowflake(i), "event_type": "MessageCreate", "text": words}
        event["sender_id"] = sender["id"]
        if i % 25 == 5:
            posts.append(post(snowflake(1_000 + i), others[i % 7]["id"], i))
            event["referenced_tweets"] = [{"id": posts[-1]["id"]}]
        event["dm_conversation_id"] = "-".join(pair)
        event["created_at"] = printed(i)
        if i % 10 == 0 or i % 25 == 5:
            link = url(len(words) + 1, f"example.com/orders/{i}")
            event["text"] += f" {link['url']}"
            event["entities"] = {"urls": [link]}
        elif i % 20 == 3:
            media.append(photo(event["id"], 1_583_157_113_245_011_970 + i))
            event["attachments"] = {"media_keys": [media[-1]["media_key"]]}
        events.append(event)
    meta: dict[str, Any] = {"result_count": EVENTS}
    if number + 1 < EACH:
        meta["next_token"] = f"18LAA581J5II7LA00C00ZZ{number:02}"
    includes = {"users": [reader, *others], "tweets": posts, "media": media}
    return orjson.dumps({"data": events, "includes": includes, "meta": meta})


def printed(i: int) -> str:
    return f"{NEWEST - timedelta(minutes=7 * i):%Y-%m-%dT%H:%M:%S}.000Z"


def snowflake(i: int) -> str:
    at = NEWEST - timedelta(minutes=7 * i)
    return str((int(at.timestamp() * 1_000) - 1_288_834_974_657) << 22 | i)


def user(i: int, chance: random.Random) -> dict[str, Any]:
    long = i % 3 == 0
    user_id = str(10**18 + chance.randrange(10**17) if long else chance.randrange(10**7, 10**10))
    return {
        "id": user_id,
        "name": f"User {i}",
        "username": f"user_{i}",
        "created_at": f"20{10 + i % 14}-07-27T16:27:33.000Z",
        "description": f"User {i}, who writes now and then.",
        "location": "Loopback",
        "profile_image_url": f"https://pbs.twimg.com/profile_images/{user_id}/normal.jpg",
        "protected": False,
        "public_metrics": {
            "followers_count": chance.randrange(10_000),
            "following_count": chance.randrange(1_000),
            "tweet_count": chance.randrange(100_000),
            "listed_count": chance.randrange(20),
            "like_count": chance.randrange(10_000),
            "media_count": chance.randrange(100),
        },
        "subscription_type": "None",
        "verified": False,
        "verified_followers_count": 0,
        "verified_type": "none",
        "is_identity_verified": False,
        "parody": False,
        "receives_your_dm": True,
        "connection_status": [],
    }


def post(post_id: str, author_id: str, i: int) -> dict[str, Any]:
    return {
        "id": post_id,
        "text": f"Post {post_id}",
        "edit_history_tweet_ids": [post_id],
        "author_id": author_id,
        "conversation_id": post_id,
        "created_at": printed(1_000 + i),
        "display_text_range": [0, 24],
        "lang": "en",
        "possibly_sensitive": False,
        "public_metrics": {
            "retweet_count": 4,
            "reply_count": 1,
            "like_count": 14,
            "quote_count": 0,
            "bookmark_count": 2,
            "impression_count": 257,
        },
        "reply_settings": "everyone",
    }


def photo(event_id: str, number: int) -> dict[str, Any]:
    return {
        "media_key": f"5_{number}",
        "type": "photo",
        "url": f"https://ton.twitter.com/1.1/ton/data/dm/{event_id}/{number}/x.jpg",
        "width": 1_200,
        "height": 675,
    }


def url(start: int, target: str) -> dict[str, Any]:
    return {
        "start": start,
        "end": start + 23,
        "url": "https://t.co/IYFbRIdXHg",
        "expanded_url": f"https://{target}",
        "display_url": target,
    }


def without_links() -> Callable[[bytes], Any]:
    """What reads a page as ours does, but resolves nothing."""
    nothing = {
        name: (source, "()" if source in ("participant_ids", "referenced_posts") else "None")
        for name, (source, _) in RESOLVED.items()
    }
    with (
        patch.object(fields, "RESOLVED", nothing),
        patch.object(structs_of_ours, "_PAIRED", {}),
        patch.object(pages, "STRUCTS", structs_of_ours._Structs()),
    ):
        return pages._Fast().read


# The models of others, made from the fields of ours

EVENT_CLASSES = (MessageCreate, ParticipantsJoin, ParticipantsLeave)
Fieldset = dict[str, tuple[Any, Any]]
WIRE_NAMES = CLASSIC_NAMES | {"posts": "tweets"}
Make = Callable[[type[Model], Fieldset], Any]


class Likeness:
    """Makes a class of somebody else's for each of ours: with the same fields, but ``extra``."""

    def __init__(self, make: Make) -> None:
        self._make = make
        self._made: dict[type[Model], Any] = {}

    def of(self, cls: type[Model]) -> Any:
        """The class that is like ``cls``."""
        if cls not in self._made:
            hints = get_type_hints(cls)
            fields: Fieldset = {}
            for field in attrs.fields(cls):
                if field.name == "extra" or is_resolved(cls, field.name):
                    continue
                default = None if isinstance(field.default, attrs.Factory) else field.default
                fields[field.name] = (self._kind(hints[field.name]), default)
            self._made[cls] = self._make(cls, fields)
        return self._made[cls]

    def _kind(self, kind: Any) -> Any:
        if get_origin(kind) is tuple:
            return tuple[self._kind(get_args(kind)[0]), ...]
        if get_origin(kind) is Mapping:
            return dict[str, Any]
        if get_args(kind):  # None is the last
            return Union[tuple(self._kind(k) for k in get_args(kind))]  # noqa: UP007
        if issubclass(kind, Model):
            return self.of(kind)
        return str if issubclass(kind, str) else kind


def is_resolved(cls: type[Model], name: str) -> bool:
    names = {field.name for field in attrs.fields(cls)}
    return name in RESOLVED and RESOLVED[name][0] in names


def structs() -> Callable[[bytes], Any]:
    def make(cls: type[Model], fields: Fieldset) -> Any:
        listed = [
            (name, kind) if default is attrs.NOTHING else (name, kind, default)
            for name, (kind, default) in fields.items()
        ]
        tag = {"tag_field": "event_type", "tag": cls.__name__} if cls in EVENT_CLASSES else {}
        return msgspec.defstruct(
            cls.__name__, listed, rename=WIRE_NAMES, frozen=True, kw_only=True, **tag
        )

    like = Likeness(make)
    whole = msgspec.defstruct(
        "Page",
        [
            ("data", tuple[Union[tuple(map(like.of, EVENT_CLASSES))], ...], ()),  # noqa: UP007
            ("includes", like.of(Includes) | None, None),
            ("meta", like.of(Meta) | None, None),
            ("errors", tuple[dict[str, Any], ...], ()),
        ],
        frozen=True,
    )
    return msgspec.json.Decoder(whole).decode


def pydantics() -> Callable[[bytes], Any]:
    def make(cls: type[Model], fields: Fieldset) -> Any:
        made: dict[str, Any] = {
            name: (kind, pydantic.Field(... if default is attrs.NOTHING else default, alias=alias))
            for name, (kind, default) in fields.items()
            for alias in [WIRE_NAMES.get(name)]
        }
        if cls in EVENT_CLASSES:
            made["event_type"] = (Literal[cls.__name__], ...)
        config = pydantic.ConfigDict(frozen=True)
        return pydantic.create_model(cls.__name__, __config__=config, **made)

    like = Likeness(make)
    union = Union[tuple(map(like.of, EVENT_CLASSES))]  # noqa: UP007
    whole = pydantic.create_model(
        "Page",
        data=(tuple[Annotated[union, pydantic.Field(discriminator="event_type")], ...], ()),
        includes=(like.of(Includes) | None, None),
        meta=(like.of(Meta) | None, None),
        errors=(tuple[dict[str, Any], ...], ()),
    )
    return whole.model_validate_json


def plain_cattrs() -> Callable[[bytes], Any]:
    converter = cattrs.Converter(detailed_validation=False)

    def is_id(kind: Any) -> bool:
        return isinstance(kind, type) and issubclass(kind, str) and kind is not str

    def is_model(kind: Any) -> bool:
        return isinstance(kind, type) and issubclass(kind, Model) and attrs.has(kind)

    @converter.register_structure_hook_factory(is_model)
    def hook(cls: Any) -> Any:
        names = {
            field.name: override(rename=WIRE_NAMES[field.name])
            for field in attrs.fields(cls)
            if field.name in WIRE_NAMES and not is_resolved(cls, field.name)
        }
        left_out = {
            field.name: override(omit=True)
            for field in attrs.fields(cls)
            if is_resolved(cls, field.name)
        }
        return make_dict_structure_fn(cls, converter, **names, **left_out)

    def event(raw: Any, _: Any) -> Any:
        return converter.structure(raw, types[raw["event_type"]])

    types = {cls.__name__: cls for cls in EVENT_CLASSES}
    converter.register_structure_hook_func(is_id, lambda text, kind: kind(text))
    converter.register_structure_hook(datetime, lambda text, _: datetime.fromisoformat(text))
    converter.register_structure_hook_func(lambda kind: kind == Event, event)
    converter.register_structure_hook_func(
        lambda kind: {UrlEntity, str} <= set(get_args(kind)), lambda either, _: either
    )
    return lambda body: converter.structure(orjson.loads(body), Page[Event])


def tweepy_models(body: bytes) -> Any:
    page = orjson.loads(body)
    includes = page["includes"]
    return (
        [tweepy.DirectMessageEvent(event) for event in page["data"]],
        [tweepy.User(user) for user in includes["users"]],
        [tweepy.Tweet(post) for post in includes["tweets"]],
        [tweepy.Media(media) for media in includes["media"]],
    )


def decoders(body: bytes) -> dict[str, Callable[[], object]]:
    """Each contestant's way from the bytes of the page to its objects, and ours without links."""
    response, apart = answered(200, body), without_links()
    struct, model, plain = structs(), pydantics(), plain_cattrs()
    return {
        "orjson": lambda: orjson.loads(body),
        "msgspec": lambda: struct(body),
        "ours": lambda: read_page(ROUTE, response),
        "pydantic": lambda: model(body),
        "cattrs": lambda: plain(body),
        "tweepy": lambda: tweepy_models(body),
        "ours, new users": lambda: forgetful(response),
        "unlinked": lambda: apart(body),
    }


def forgetful(response: Response) -> Page[Event]:
    """Read a page as if none of its users had ever been on one before."""
    pages.fast()._users._known.clear()
    return read_page(ROUTE, response)


# Over HTTP


async def serve() -> None:
    """Serve the page on a port for each client until standard input ends."""
    pages = []
    for number in range(EACH):
        body = gzip.compress(page_body(number), mtime=0)
        head = (
            "HTTP/1.1 200 OK\r\ncontent-type: application/json; charset=utf-8\r\n"
            f"content-encoding: gzip\r\ncontent-length: {len(body)}\r\n"
        )
        pages.append(Canned(head.encode(), body))
    servers = {name: await listen(Listed(pages), Counts()) for name in CLIENTS}
    print(json.dumps({name: url_of(server) for name, server in servers.items()}), flush=True)
    await asyncio.to_thread(sys.stdin.read)


class Listed(dict[bytes, Canned]):
    """Answers every request with the next page of a list, and begins again after the last."""

    def __init__(self, pages: list[Canned]) -> None:
        super().__init__({b"GET": pages[0]})
        self._pages = itertools.cycle(pages)

    def __getitem__(self, method: bytes) -> Canned:
        return next(self._pages)


class Ours:
    """The whole of xdm_async."""

    def __init__(self, base: str, how: str = "stream") -> None:
        self._how = how
        self._query = list_query()
        self._pages: AsyncIterator[Page[Event]] | None = None
        budgets = [b.name for group in plans.DEFAULT.groups.values() for b in group]
        plan = plans.DEFAULT.override(dict.fromkeys(budgets, UNLIMITED))
        self._app = App(client_id="bench", base_url=base, plan=plan)
        self._account = self._app.account(OAuth2(TOKEN), user_id="2737176053")

    async def page(self) -> int:
        """Read the next page of `Account.events`, one of a new stream, or one alone."""
        if self._how == "endpoint":
            return len((await list_events(self._account._hands, self._query)).data)
        if self._how == "anew":
            return len((await anext(self._account.events(limit=EVENTS).pages())).data)
        if self._pages is None:
            self._pages = self._account.events().pages()
        page = await anext(self._pages)
        if page.meta.next_token is None:
            self._pages = None
        return len(page.data)

    async def close(self) -> None:
        """Close the App."""
        await self._app.aclose()


class Plain:
    """An aiohttp session as it comes, and orjson."""

    def __init__(self, base: str) -> None:
        self._url = f"{base}{LIST}?{list_query()}"
        self._session = aiohttp.ClientSession()

    async def page(self) -> int:
        """GET the list and read it as it lies in the JSON."""
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with self._session.get(self._url, headers=headers) as answer:
            answer.raise_for_status()
            return len(orjson.loads(await answer.read())["data"])

    async def close(self) -> None:
        """Close the session."""
        await self._session.close()


class Redirected:
    """A session that goes to the local server instead of X, since tweepy takes no address."""

    def __init__(self, base: str) -> None:
        self._base = base
        self._session = aiohttp.ClientSession()
        self.close = self._session.close

    def request(self, method: str, url: str, **kwargs: Any) -> Any:
        """As `aiohttp.ClientSession.request`."""
        there = url.replace("https://api.twitter.com", self._base)
        return self._session.request(method, there, **kwargs)


class OneEach(Redirected):
    """The same with a session for each request, as tweepy has it by itself."""

    @contextlib.asynccontextmanager
    async def request(self, method: str, url: str, **kwargs: Any) -> Any:
        """Open a session, ask, and close both."""
        there = url.replace("https://api.twitter.com", self._base)
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, there, **kwargs) as answer,
        ):
            yield answer


class Tweepy:
    """tweepy's AsyncClient, with a session for each request or with one that is kept."""

    def __init__(self, base: str, kind: type[Redirected] = OneEach) -> None:
        self._client = tweepy.asynchronous.AsyncClient(TOKEN)
        self._client.session = self._session = kind(base)
        self._fields = {
            "dm_event_fields": list(CLASSIC_FIELDS["event"]),
            "expansions": list(CLASSIC_FIELDS["expansions"]),
            "user_fields": list(CLASSIC_FIELDS["user"]),
            "tweet_fields": list(CLASSIC_FIELDS["post"]),
            "media_fields": list(CLASSIC_FIELDS["media"]),
        }

    async def page(self) -> int:
        """Read a page by its method for it."""
        answer = await self._client.get_direct_message_events(
            max_results=EVENTS, user_auth=False, **self._fields
        )
        return len(answer.data)

    async def close(self) -> None:
        """Close the session."""
        await self._session.close()


CLASSIC_FIELDS = attrs.asdict(Fields.ALL)
CLIENTS: dict[str, Callable[[str], Ours | Plain | Tweepy]] = {
    "ours": lambda base: Ours(base, "endpoint"),
    "ours, stream": Ours,
    "ours, anew": lambda base: Ours(base, "anew"),
    "plain": Plain,
    "tweepy": Tweepy,
    "tweepy, kept": lambda base: Tweepy(base, Redirected),
}


# Measuring and telling


class Spread(NamedTuple):
    """The least, the middle and the most of some rounds."""

    least: float
    median: float
    most: float

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.least:.2f} to {self.most:.2f})"


def spread(values: Iterable[float]) -> Spread:
    known = sorted(values)
    return Spread(known[0], statistics.median(known), known[-1])


Times = dict[str, list[float]]


def ratio(times: Times, of: str, to: str) -> Spread:
    return spread(a / b for a, b in zip(times[of], times[to], strict=True))


def decode(rounds: int) -> Times:
    """Seconds a page, of each contestant in each round."""
    contestants = decoders(page_body())
    times: Times = {name: [] for name in contestants}
    order = random.Random(0)
    for once in contestants.values():  # also generates what is generated at first sight
        for _ in range(EACH):
            once()
    for _ in range(rounds):
        for name in order.sample(list(contestants), len(contestants)):
            once = contestants[name]
            began = time.perf_counter()
            for _ in range(EACH):
                once()
            times[name].append((time.perf_counter() - began) / EACH)
    return times


async def read_over_http(urls: dict[str, str], rounds: int) -> Times:
    """Seconds a request, of each client in each round."""
    clients = {name: make(urls[name]) for name, make in CLIENTS.items()}
    times: Times = {name: [] for name in clients}
    order = random.Random(0)

    async def measure(once: Callable[[], Awaitable[int]]) -> float:
        began = time.perf_counter()
        for _ in range(EACH):
            assert await once() == EVENTS
        return (time.perf_counter() - began) / EACH

    try:
        for client in clients.values():
            await measure(client.page)
        for _ in range(rounds):
            for name in order.sample(list(clients), len(clients)):
                times[name].append(await measure(clients[name].page))
    finally:
        for client in clients.values():
            await client.close()
    return times


def over_http(rounds: int) -> Times:
    with subprocess.Popen(
        [sys.executable, str(Path(__file__).resolve()), "--serve"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    ) as server:  # leaving it closes the server's standard input, and waits for its end
        assert server.stdout is not None
        return asyncio.run(read_over_http(json.loads(server.stdout.readline()), rounds))


def linking(times: Times) -> Spread:
    """What resolving takes, in decodes of Structs."""
    rows = zip(times["ours"], times["unlinked"], times["msgspec"], strict=True)
    return spread((ours - unlinked) / struct for ours, unlinked, struct in rows)


def tell(decoding: Times, reading: Times) -> Iterable[str]:
    yield f"{'decode a page':16}{'best, µs':>10}{'median':>10}   to msgspec, round by round"
    for name, times in decoding.items():
        if name == "unlinked":
            continue
        yield (
            f"{name:16}{min(times) * 1e6:>10,.0f}{statistics.median(times) * 1e6:>10,.0f}"
            f"   {ratio(decoding, name, 'msgspec')}"
        )
    yield f"{'linking alone':36}   {linking(decoding)}"
    yield ""
    title = f"{'GET a page':16}{'best, µs':>10}{'requests/s':>12}"
    yield f"{title}   rate of ours to it, round by round"
    for name, times in reading.items():
        least, median = min(times) * 1e6, 1 / statistics.median(times)
        yield f"{name:16}{least:>10,.0f}{median:>12,.0f}   {ratio(reading, name, 'ours')}"


def as_json(decoding: Times, reading: Times, rounds: int) -> dict[str, Any]:
    """All of it as plain data, for whoever compares two runs."""

    def row(times: Times, name: str, to: str) -> dict[str, Any]:
        return {
            "least_us": round(min(times[name]) * 1e6, 1),
            "median_us": round(statistics.median(times[name]) * 1e6, 1),
            f"to_{to}": ratio(times, name, to)._asdict(),
        }

    return {
        "python": platform.python_version(),
        "machine": platform.platform(),
        "versions": {name: version(name) for name in LIBRARIES},
        "rounds": rounds,
        "bytes": len(page_body()),
        "decode": {name: row(decoding, name, "msgspec") for name in decoding},
        "linking_to_msgspec": linking(decoding)._asdict(),
        "get": {name: row(reading, name, "ours") for name in reading},
    }


LIBRARIES = ("orjson", "msgspec", "pydantic", "cattrs", "attrs", "tweepy", "aiohttp")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there too")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        asyncio.run(serve())
        return
    rounds = max(options.rounds, 1)
    libraries = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    print(f"Python {platform.python_version()}, {libraries}")
    print(f"a page of {len(page_body()):,} bytes, {rounds} rounds of {EACH}\n")
    decoding, reading = decode(rounds), over_http(rounds)
    for line in tell(decoding, reading):
        print(line)
    if options.json is not None:
        data = as_json(decoding, reading, rounds)
        options.json.write_text(json.dumps(data, indent=2) + "\n")


if __name__ == "__main__":
    main()
