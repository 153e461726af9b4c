import random
import re

import pytest

from xdm_async.emulator.links import Rewritten, Shortener

SHORT = re.compile(r"https://t\.co/[A-Za-z0-9]{10}")


@pytest.fixture
def shortener() -> Shortener:
    return Shortener(random.Random(1))


def rewrite(shortener: Shortener, text: str) -> Rewritten:
    return shortener.rewrite(text, {"ann": "17"}.get)


def test_a_text_without_links_stays_as_it_is(shortener: Shortener) -> None:
    text = "Grüße\nan dich & <alle> 🎉"
    assert rewrite(shortener, text) == Rewritten(text, {}, ())


def test_a_link_is_shortened_and_remembered(shortener: Shortener) -> None:
    stored = rewrite(shortener, "🎉 see https://www.example.com/a/very/long/path/indeed?q=1, ok")
    (url,) = stored.entities["urls"]
    assert SHORT.fullmatch(str(url["url"]))
    assert stored.text == f"🎉 see {url['url']}, ok"
    assert stored.text[url["start"] : url["end"]] == url["url"]
    assert url["expanded_url"] == "https://www.example.com/a/very/long/path/indeed?q=1"
    assert url["display_url"] == "example.com/a/very/long/pa…"


def test_every_link_is_a_new_one_and_has_its_place(shortener: Shortener) -> None:
    link = "http://example.com/(x)"
    stored = rewrite(shortener, f"({link}) {link}. {link}")
    urls = stored.entities["urls"]
    assert len({url["url"] for url in urls}) == 3
    assert {url["expanded_url"] for url in urls} == {link}
    assert all(stored.text[url["start"] : url["end"]] == url["url"] for url in urls)


def test_a_text_read_back_and_sent_again_keeps_its_link(shortener: Shortener) -> None:
    first = rewrite(shortener, "https://example.com/x")
    again = rewrite(shortener, first.text)
    assert again == first


@pytest.mark.parametrize(
    "link",
    [
        "https://x.com/ann/status/1578900353814519810",
        "https://twitter.com/ann/status/1578900353814519810?s=20",
        "http://www.twitter.com/ann/status/1578900353814519810/photo/1",
        "https://mobile.x.com/ann/status/1578900353814519810",
    ],
)
def test_a_link_to_a_post_is_a_reference_to_it(shortener: Shortener, link: str) -> None:
    stored = rewrite(shortener, f"{link} {link}")
    assert [(post.username, post.id) for post in stored.posts] == [("ann", "1578900353814519810")]
    assert SHORT.match(stored.text)


def test_other_links_to_x_are_no_posts(shortener: Shortener) -> None:
    text = "https://x.com/ann https://example.com/x.com/ann/status/12 https://x.com/i/lists/1"
    assert rewrite(shortener, text).posts == ()


def test_tags_and_mentions_are_found_in_the_text_as_stored(shortener: Shortener) -> None:
    stored = rewrite(shortener, "https://example.com/#no #yes $XYZ @ann @who a@b.c #1")
    found = {
        kind: [stored.text[entity["start"] : entity["end"]] for entity in entities]
        for kind, entities in stored.entities.items()
        if kind != "urls"
    }
    assert found == {"hashtags": ["#yes"], "cashtags": ["$XYZ"], "mentions": ["@ann", "@who"]}
    assert [entity.get("id") for entity in stored.entities["mentions"]] == ["17", None]
