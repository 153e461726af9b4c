"""Events in words: who, where, what, and nothing that a terminal would act on."""

import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xdm_async import MessageCreate, ParticipantsLeave, UnknownEvent, User
from xdm_async.cli.lines import Lines, Printer, harmless, json_line, local
from xdm_async.models.events import EventAttachments
from xdm_async.models.ids import ConversationId, EventId, UserId
from xdm_async.models.objects import Media, Post, PostReference

GROUP = ConversationId("1582103724607971328")
ID = EventId("1585800613253812228")


def words(event: object) -> str:
    line = Lines(everything=True).line(event)  # type: ignore[arg-type]
    return f"{line.who}: {line.text}"


@settings(max_examples=200)
@given(st.text())
def test_no_text_leaves_its_line_or_moves_the_cursor(text: str) -> None:
    shown = harmless(text)

    assert len(f"x{shown}x".splitlines()) == 1
    assert all(c.isprintable() or c.isspace() or ord(c) > 0xA0 for c in shown)
    shown.encode()


@settings(max_examples=200)
@given(st.text())
def test_a_line_of_json_is_one_line_and_says_the_same(text: str) -> None:
    line = json_line(MessageCreate(id=ID, text=text))

    assert line.endswith("}\n")
    assert len(line.splitlines()) == 1
    assert json.loads(line.encode())["text" if text else "id"] == (text or ID)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, ünïcode, 日本, 👩‍👩‍👧", "plain, ünïcode, 日本, 👩‍👩‍👧"),
        ("two\nlines\r\nand more", "two ⏎ lines ⏎ and more"),
        ("red \x1b[31m and \x9b31m", r"red \x1b[31m and \x9b31m"),
        ("\x07\x08\x7f\t.", r"\x07\x08\x7f ."),
        ("abc\u202edef", r"abc\u202edef"),
        ("\ud800", r"\ud800"),
    ],
)
def test_what_a_terminal_would_act_on_is_written_out(text: str, shown: str) -> None:
    assert harmless(text) == shown


def test_an_event_is_told_by_names_as_far_as_they_are_known() -> None:
    lines = Lines(everything=False)
    ben = User(id=UserId("7"), username="ben\x1b")

    told = lines.line(MessageCreate(id=ID, text="hi", sender_id=UserId("7"), sender=ben))
    left = lines.line(ParticipantsLeave(id=ID, participant_ids=(UserId("7"), UserId("8"))))

    assert (told.who, told.text) == (r"ben\x1b", "hi")
    assert (left.who, left.text) == (r"ben\x1b, 8", "left")


def test_attachments_and_shared_posts_are_named_also_where_they_did_not_come_along() -> None:
    event = MessageCreate(
        id=ID,
        text="look",
        sender_id=UserId("7"),
        dm_conversation_id=GROUP,
        attachments=EventAttachments(media_keys=("3_1", "3_2")),
        media=(Media(media_key="3_1", type="photo"),),
        referenced_posts=(PostReference(id="1"), PostReference(id="2")),  # type: ignore[arg-type]
        posts=(Post(id="1", text="a\n" + "b" * 100, author=User(id="9", username="cid")),),  # type: ignore[arg-type]
    )

    assert words(event) == (
        f"7 in {GROUP}: look [photo] [attachment] [post of cid: a ⏎ {'b' * 75}…] [post 2]"
    )


def test_an_event_of_a_kind_that_is_not_known_is_a_line_all_the_same() -> None:
    told = words(UnknownEvent(event_type="Reaction\x1b", extra={"emoji": "👍"}))

    assert told == r"(somebody): [an event Reaction\x1b that is not known here]"
    assert words(MessageCreate(id=ID, text="")) == "(sender not known): "


def test_an_event_without_a_time_has_that_of_its_id(clean: None) -> None:
    assert Lines(everything=True).line(UnknownEvent(id=ID)).at == "2022-10-28 03:08:23"
    assert local(None) == "(time not known)"


def test_a_pipe_that_takes_no_unicode_is_told_escapes() -> None:
    event = MessageCreate(id=ID, text="é 👍", sender_id=UserId("7"))
    told = []
    for as_json in (True, False):
        pipe = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
        Printer(pipe, as_json=as_json)(event)
        told.append(pipe.buffer.getvalue().decode())  # type: ignore[attr-defined]

    assert json.loads(told[0])["text"] == "é 👍"
    assert told[1].endswith("7  \\xe9 \\U0001f44d\n")
