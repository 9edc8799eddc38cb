"""A WebSocket server over TLS that sends back what it gets. Prints its port. Arguments: certificate
file, key file, and the address and port, without which it takes a free one of loopback. On /greet it
speaks first, and closes without waiting for a word."""

import asyncio
import ssl
import sys

from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosedError


async def echo(socket):
    if socket.request.path == "/greet":
        await socket.send("hello")
        socket.transport.close()
        return
    try:
        await echo_all(socket)
    except ConnectionClosedError:
        pass  # The client closes with a status code of its own.


async def echo_all(socket):
    async for message in socket:
        # What came in fragments goes back in fragments.
        if len(message) > 100_000:
            half = len(message) // 2
            await socket.send([message[:half], message[half:]])
        else:
            await socket.send(message)


async def main():
    address, port = sys.argv[3:] or ("127.0.0.1", "0")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[1], sys.argv[2])
    async with serve(echo, address, int(port), ssl=context, max_size=None) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()


asyncio.run(main())
