import re

import pytest

ALL_MEDIA = (
    "alt_text,duration_ms,height,media_key,non_public_metrics,organic_metrics,preview_image_url,"
    "promoted_metrics,public_metrics,type,url,variants,width"
)
PHOTO = {"type": "photo", "width": 640, "height": 480, "alt_text": "a cat"}


async def shown(ask, user, **params):
    page = await ask.page(user, expansions="attachments.media_keys", **params)
    return page["data"][0], page["includes"]["media"]


async def test_a_photo_is_a_link_in_the_text_a_key_and_an_object(ask, x, ann, bob):
    ids = x.deliver(ann, bob, "look #here", media=PHOTO)
    event, (media,) = await shown(
        ask, bob, dm_event__fields="attachments,entities", media__fields=ALL_MEDIA
    )
    text = re.fullmatch(r"look #here (https://t\.co/\w{10})", event["text"])
    assert text is not None
    (url,) = event["entities"]["urls"]
    assert url == {
        "start": 11,
        "end": 11 + len(text[1]),
        "url": text[1],
        "expanded_url": f"https://twitter.com/messages/media/{ids.dm_event_id}",
        "display_url": text[1].replace("https://t.co/", "pic.twitter.com/"),
    }
    assert event["entities"]["hashtags"] == [{"start": 5, "end": 10, "tag": "here"}]
    (key,) = event["attachments"]["media_keys"]
    assert key.startswith("5_")
    media_id = key.removeprefix("5_")
    place = f"https://ton.twitter.com/1.1/ton/data/dm/{ids.dm_event_id}/{media_id}/"
    assert media.pop("url").startswith(place)
    assert media == {"media_key": key, **PHOTO}


async def test_media_come_only_with_their_expansion_and_the_fields_asked_for(ask, x, ann, bob):
    x.deliver(ann, bob, "look", media="video")
    plain = await ask.page(bob, media__fields=ALL_MEDIA)
    assert "includes" not in plain
    assert "attachments" not in plain["data"][0]
    by_field = await ask.page(bob, dm_event__fields="attachments")
    assert "includes" not in by_field
    event, (media,) = await shown(ask, bob)
    assert media == {"media_key": event["attachments"]["media_keys"][0], "type": "video"}
    assert by_field["data"][0]["attachments"] == event["attachments"]


async def test_a_video_comes_in_sizes_and_only_its_sender_sees_how_far_it_was_played(
    ask, x, ann, bob
):
    x.deliver(ann, bob, "", media={"type": "video", "duration_ms": 4_000})
    event, (video,) = await shown(ask, bob, media__fields=ALL_MEDIA)
    assert re.fullmatch(r"https://t\.co/\w{10}", event["text"])
    assert video["duration_ms"] == 4_000
    assert video.keys() == {
        *("media_key", "type", "width", "height", "duration_ms", "preview_image_url"),
        *("variants", "public_metrics"),
    }
    assert ["bit_rate" in variant for variant in video["variants"]] == [False, True, True, True]
    _, (own,) = await shown(ask, ann, media__fields=ALL_MEDIA)
    private = {"non_public_metrics", "organic_metrics", "promoted_metrics"}
    assert own.keys() - video.keys() == private
    assert {f"playback_{part}_count" for part in (0, 25, 50, 75, 100)} <= own[
        "non_public_metrics"
    ].keys()


async def test_an_animated_gif_has_a_preview_and_no_duration(ask, x, ann, bob):
    x.deliver(ann, bob, "ha", media="animated_gif")
    _, (gif,) = await shown(ask, bob, media__fields=ALL_MEDIA)
    assert gif.keys() == {"media_key", "type", "width", "height", "preview_image_url", "variants"}
    assert [variant["content_type"] for variant in gif["variants"]] == ["video/mp4"]


def test_messages_of_one_instant_have_ids_that_grow_with_media_or_without(x, ann, bob):
    ids = [
        int(x.deliver(ann, bob, "now", media=media).dm_event_id)
        for media in (None, "photo", "photo", None, "video")
    ]
    assert ids == sorted(set(ids))


@pytest.mark.parametrize(
    ("media", "message"),
    [
        ("sticker", "one of photo, video, animated_gif, not 'sticker'"),
        ({}, "not None"),
        ({"type": "photo", "duration_ms": 1}, "media of type photo has no duration_ms"),
        ({"type": "video", "alt_text": "a cat"}, "media of type video has no alt_text"),
        ({"type": "video", "width": 0}, "width of a video is a whole number from 1, not 0"),
        ({"type": "photo", "alt_text": 1}, "alt_text of a photo is a str, not 1"),
    ],
)
def test_media_that_cannot_be_are_refused_and_nothing_is_stored(x, ann, bob, media, message):
    with pytest.raises(ValueError, match=message):
        x.deliver(ann, bob, "look", media=media)
    assert x.messages() == []
