"""Uses the proxy as `httpx` does, with HTTP/2, 100 requests at once. Arguments: proxy URL,
authority file, URL of a server that gives back what is uploaded."""

import asyncio
import ssl
import sys

import httpx

proxy, authority, url = sys.argv[1:]


async def echo(client, number):
    body = bytes([number]) * (1000 * number)
    answer = await client.post(f"{url}/echo/{number}", content=body)
    assert answer.status_code == 200, answer
    assert answer.http_version == "HTTP/2", answer.http_version
    assert answer.content == body, (number, len(answer.content))


async def main():
    trust = ssl.create_default_context(cafile=authority)
    # httpx opens many connections before it knows that one would do, and closes those beyond 20 even
    # while their first request is on its way (httpcore 1.0).
    limits = httpx.Limits(max_keepalive_connections=None)
    async with httpx.AsyncClient(
        http2=True, proxy=proxy, verify=trust, trust_env=False, timeout=60, limits=limits
    ) as client:
        await asyncio.gather(*(echo(client, number) for number in range(1, 101)))


asyncio.run(main())
print("ok")
