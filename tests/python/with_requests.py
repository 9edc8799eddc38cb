"""Uses the proxy as `requests` does. Arguments: proxy URL, authority file, URL."""

import sys

import requests

proxy, authority, url = sys.argv[1:]
with requests.Session() as session:
    session.trust_env = False
    session.proxies = {"https": proxy, "http": proxy}
    session.verify = authority
    first = session.get(url + "/requests", timeout=30)
    assert first.status_code == 200 and first.text == "hello /requests", first.text
    body = bytes(range(256)) * 300
    for _ in range(3):
        echoed = session.post(url + "/echo", data=body, timeout=30)
        assert echoed.content == body, len(echoed.content)
print("ok")
