"""Hands connections on, from one host's own address to another's: python -m tests.support.machine.forwarder FROM TO

For what listens on 127.0.0.1 alone. FROM and TO are HOST:PORT.
"""

import asyncio
import contextlib
import sys

CHUNK = 1 << 16


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()
    with contextlib.suppress(OSError):
        writer.close()


async def forward(listen_at: str, to: str) -> None:
    """Until it is cancelled."""
    host, _, port = to.rpartition(":")

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there_reader, there_writer = await asyncio.open_connection(host, int(port))
        except OSError:
            writer.close()
            return
        await asyncio.gather(_pump(reader, there_writer), _pump(there_reader, writer))

    own_host, _, own_port = listen_at.rpartition(":")
    server = await asyncio.start_server(accept, own_host, int(own_port))
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(forward(*sys.argv[1:3]))
