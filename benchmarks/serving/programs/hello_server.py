"""What Penstock's HTTP costs without a model: `hello_server.py PORT` answers the same to every request."""

import asyncio
import os
import socket
import sys

import uvloop

from penstock.adapters.predictor.http import Give, Reply, Request
from penstock.adapters.predictor.listener import Listener

HELLO = Reply(200, b'{"hello":"world"}')


class Hello:
    """Answers everybody alike."""

    def answer(self, _request: Request, give: Give) -> None:
        """See `Application.answer`."""
        give(HELLO)


async def main(port: int) -> None:
    with socket.create_server(("127.0.0.1", port), backlog=2048) as listening:
        listener = Listener(Hello(), [listening], lambda: None)
        await listener.begin()
        print("up", os.getpid(), flush=True)
        await asyncio.to_thread(sys.stdin.read)
        await listener.end(1)


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
