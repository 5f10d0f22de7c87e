"""Clients that send a byte of a request's headers now and then, in a separate process.

Takes a port and a number of clients; reports on stdout once all are connected, and runs until a
line arrives on stdin. Then it reports how many are still connected.
"""

import asyncio
import random
import sys

PAUSE_S = 0.5
HEAD = b"GET / HTTP/1.1\r\nX-"


async def drip(port: int, connected: asyncio.Semaphore, open_now: set[int], number: int) -> None:
    while True:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(HEAD)
        open_now.add(number)
        connected.release()
        while not writer.is_closing():
            await asyncio.sleep(random.uniform(0, 2 * PAUSE_S))
            writer.write(b"x")
        open_now.discard(number)


async def main(port: int, count: int) -> None:
    connected = asyncio.Semaphore(0)
    open_now: set[int] = set()
    async with asyncio.TaskGroup() as group:
        clients = [
            group.create_task(drip(port, connected, open_now, number)) for number in range(count)
        ]
        for _ in clients:
            await connected.acquire()
        print("connected", flush=True)  # noqa: T201  This is what the test waits for.
        await asyncio.to_thread(sys.stdin.readline)
        print(len(open_now), flush=True)  # noqa: T201  The test checks it.
        for client in clients:
            client.cancel()


asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
