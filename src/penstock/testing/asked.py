"""What answers by calling back, asked in a loop of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

Question = TypeVar("Question")
Given = TypeVar("Given")


def asked(answer: Callable[[Question, Callable[[Given], None]], None], question: Question) -> Given:
    """What is given to a question, at once or later."""

    async def once() -> Given:
        coming: asyncio.Future[Given] = asyncio.get_running_loop().create_future()
        answer(question, coming.set_result)
        return await coming

    return asyncio.run(once())
