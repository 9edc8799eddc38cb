"""Says the cases to an echoing WebSocket through the proxy and compares what comes back. Arguments:
proxy URL, authority file, URL, compression (`none`, `takeover`, `no-takeover`). Prints `ok`."""

import asyncio
import ssl
import sys

from websockets.asyncio.client import connect
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

proxy, authority, url, compression = sys.argv[1:]

FACTORIES = {
    "none": None,
    "takeover": [ClientPerMessageDeflateFactory(client_max_window_bits=True)],
    "no-takeover": [
        ClientPerMessageDeflateFactory(
            server_no_context_takeover=True, client_no_context_takeover=True
        )
    ],
}


async def main():
    trust = ssl.create_default_context(cafile=authority)
    async with connect(
        url,
        proxy=proxy,
        ssl=trust,
        compression=None,
        extensions=FACTORIES[compression],
        max_size=None,
    ) as socket:
        negotiated = [extension.name for extension in socket.protocol.extensions]
        assert negotiated == ([] if compression == "none" else ["permessage-deflate"]), negotiated
        for length in (0, 125, 126, 127, 65535, 65536, 200_000):
            for message in ("x" * length, bytes(i * 7 % 256 for i in range(length))):
                await socket.send(message)
                assert await socket.recv() == message, length
        for _ in range(3):
            await socket.send("the same words, the same words")
            assert await socket.recv() == "the same words, the same words"
        await socket.send(["frag", "men", "", "ted \u4e2d"])
        assert await socket.recv() == "fragmented \u4e2d"
        await (await socket.ping(b"are you there"))
        await socket.close(code=4001, reason="done \u00e9")


asyncio.run(main())
print("ok")
