"""A line that somebody types or pipes in, and nobody who is kept waiting for it."""

import asyncio
import os
from collections.abc import AsyncIterator
from typing import TextIO

import pytest

from xdm_async.cli.asking import MOST, Answers


@pytest.fixture
async def pipe() -> AsyncIterator[tuple[TextIO, TextIO]]:
    """What is written to the second is read from the first."""
    reader, writer = os.pipe()
    with os.fdopen(reader, encoding="utf-8") as read, os.fdopen(writer, "w") as write:
        yield read, write
        write.close()  # whoever still reads ends by it


Pipe = tuple[TextIO, TextIO]


async def test_each_line_answers_one_question(pipe: Pipe) -> None:
    """However they come in; the empty ones are no answers, and the last may have no end."""
    read, write = pipe
    write.write("\n  one \r\ntwo\n \nthr")
    write.flush()
    answers = Answers(read)

    assert [await answers.next(), await answers.next()] == ["one", "two"]
    third = asyncio.ensure_future(answers.next())
    write.write("ee")
    write.close()

    assert await third == "three"
    assert await answers.next() is None


async def test_what_has_no_end_is_not_read_for_ever(pipe: Pipe) -> None:
    read, write = pipe
    answers = Answers(read)
    asking = asyncio.ensure_future(answers.next())

    def much() -> None:
        write.write("x" * (MOST + 4096))
        write.flush()

    await asyncio.to_thread(much)

    assert len(await asking or "") > MOST


async def test_who_asks_can_stop_while_nobody_answers(pipe: Pipe) -> None:
    asking = asyncio.ensure_future(Answers(pipe[0]).next())
    await asyncio.sleep(0)

    asking.cancel()

    with pytest.raises(asyncio.CancelledError):
        await asking


async def test_an_input_that_is_closed_is_at_its_end(pipe: Pipe) -> None:
    pipe[0].close()

    assert await Answers(pipe[0]).next() is None
