"""Rendering: events and what they bring along, as the JSON that a request asked to see.

Default fields come unasked, an expansion puts the ids into the event and the objects into
`includes`, and what does not apply or has no value is left out rather than null. Of what is gone
there is an entry in `errors` instead. Bodies are built in classic names or, if the query used
them, in today's. What is seen of a user, a post or media is told by `profiles`, `posts` and
`media`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import attrs

from .authentication import Caller
from .media import render_media
from .naming import Body, renamed
from .objects import Event, User
from .pagination import Page
from .parameters import Query
from .posts import render_post
from .problems import not_included
from .profiles import affiliations_of, render_user
from .world import World

_EXPANDED: Final = {
    "affiliation.user_id": "affiliation",
    "most_recent_tweet_id": "most_recent_tweet_id",
    "pinned_tweet_id": "pinned_tweet_id",
}
"""The field of a user that an expansion puts in."""


@attrs.frozen
class View:
    """Who looks at what there is, and how much of it was asked for."""

    world: World
    query: Query
    caller: Caller


def render_page(page: Page, view: View) -> Body:
    """A list of events. A page without any has neither `data` nor `includes`."""
    meta: Body = {"result_count": len(page.events)}
    if page.older is not None:
        meta["next_token"] = page.older.token()
    if page.newer is not None:
        meta["previous_token"] = page.newer.token()
    if not page.events:
        return {"meta": meta}
    body: Body = {"data": [_event(event, view.query) for event in page.events]}
    body |= _Included(view).events(page.events).body()
    body["meta"] = meta
    return body


def render_event(event: Event, view: View) -> Body:
    """A single event."""
    return {"data": _event(event, view.query), **_Included(view).events((event,)).body()}


def render_single_user(user: User, view: View) -> Body:
    """A single user."""
    included = _Included(view)
    data = included.user(user)
    return {"data": data, **included.of_user(user).body()}


def _event(event: Event, query: Query) -> Body:
    wanted, expansions = query.event_fields, query.expansions
    body: Body = {"id": event.id, "event_type": event.event_type}
    if event.text is not None:
        body["text"] = event.text
    if event.participant_ids:
        body["participant_ids"] = event.participant_ids
    if event.sender_id is not None and ("sender_id" in wanted or "sender_id" in expansions):
        body["sender_id"] = event.sender_id
    if event.post_ids and ("referenced_tweets" in wanted or "referenced_tweets.id" in expansions):
        name = renamed("referenced_tweets", query.todays_names)
        body[name] = [{"id": post_id} for post_id in event.post_ids]
    if event.media is not None and (
        "attachments" in wanted or "attachments.media_keys" in expansions
    ):
        body["attachments"] = {"media_keys": [event.media.key]}
    if "dm_conversation_id" in wanted:
        body["dm_conversation_id"] = event.dm_conversation_id
    if "created_at" in wanted:
        body["created_at"] = event.created_at
    if event.entities and "entities" in wanted:
        body["entities"] = event.entities
    return body


class _Included:
    """What one answer brings along: each object once, and each that is gone once as an error."""

    def __init__(self, view: View) -> None:
        self._world = view.world
        self._query = view.query
        self._caller = view.caller
        self._reader_id = None if view.caller.user is None else view.caller.user.id
        self._users: dict[str, Body] = {}
        self._posts: dict[str, Body] = {}
        self._media: dict[str, Body] = {}
        self._errors: dict[tuple[str, str], Body] = {}

    def events(self, events: Sequence[Event]) -> _Included:
        """Bring along what the expansions of a request for events ask for."""
        for expansion in self._query.expansions:
            match expansion:
                case "sender_id":
                    ids = (event.sender_id for event in events if event.sender_id is not None)
                    self._bring_users(expansion, ids)
                case "participant_ids":
                    for event in events:
                        self._bring_users(expansion, event.participant_ids)
                case "referenced_tweets.id":
                    for event in events:
                        self._bring_posts(expansion, event.post_ids)
                case "attachments.media_keys":
                    for event in events:
                        if event.media is not None:
                            self._media[event.media.key] = render_media(
                                event.media, self._query.media_fields, self._reader_id
                            )
        return self

    def of_user(self, user: User) -> _Included:
        """Bring along what the expansions of a request for a user ask for."""
        for expansion in self._query.expansions:
            match expansion:
                case "pinned_tweet_id":
                    self._bring_posts(expansion, (self._world.posts.pinned_id(user),))
                case "most_recent_tweet_id":
                    self._bring_posts(expansion, (self._world.posts.most_recent_id(user),))
                case "affiliation.user_id":
                    self._bring_users(expansion, affiliations_of(user))
        return self

    def user(self, user: User) -> Body:
        """A user as this request sees it."""
        query = self._query
        expanded = {_EXPANDED[name] for name in query.expansions if name in _EXPANDED}
        return render_user(
            user,
            query.user_fields | expanded,
            self._world,
            self._caller,
            todays_names=query.todays_names,
        )

    def body(self) -> Body:
        """`includes` and `errors`, where there is something in them."""
        posts = "posts" if self._query.todays_names else "tweets"
        lists = {"users": self._users, posts: self._posts, "media": self._media}
        includes = {name: [*objects.values()] for name, objects in lists.items() if objects}
        body: Body = {"includes": includes} if includes else {}
        if self._errors:
            body["errors"] = [*self._errors.values()]
        return body

    def _bring_users(self, expansion: str, user_ids: Iterable[str]) -> None:
        for user_id in user_ids:
            if user_id in self._users:
                continue
            user = self._world.user(user_id)
            if user is None:
                self._miss("user", expansion, user_id)
            else:
                self._users[user_id] = self.user(user)

    def _bring_posts(self, expansion: str, post_ids: Iterable[str]) -> None:
        query = self._query
        for post_id in post_ids:
            if post_id in self._posts:
                continue
            post = self._world.posts.get(post_id)
            if post is None:
                self._miss("post" if query.todays_names else "tweet", expansion, post_id)
            else:
                self._posts[post_id] = render_post(
                    post, query.post_fields, self._reader_id, todays_names=query.todays_names
                )

    def _miss(self, kind: str, expansion: str, value: str) -> None:
        if (expansion, value) not in self._errors:
            parameter = renamed(expansion, self._query.todays_names)
            error = not_included(kind, parameter, value, self._query.host)
            self._errors[expansion, value] = error
