"""Speaks one protocol in one way and checks the answer. Arguments: way (`connect`, `socks5`,
`transparent`), where that leads, authority file, protocol, host, port. Prints `ok`."""

import http.client
import ssl
import sys

import h2.config
import h2.connection
import h2.events
from ways import dial
from websockets.sync.client import connect as websocket

way, at, authority, protocol, host, port = sys.argv[1:]
HELLO = b"hello matrix"
EVENTS = b"".join(b"data: event %d\n\n" % number for number in (1, 2, 3))


def tls(alpn):
    context = ssl.create_default_context(cafile=authority)
    if alpn:
        context.set_alpn_protocols([alpn])
    stream = context.wrap_socket(dial(way, at, host, int(port)), server_hostname=host)
    assert stream.selected_alpn_protocol() == alpn, stream.selected_alpn_protocol()
    return stream


def http1(method, path, body=None):
    client = http.client.HTTPConnection(host, int(port))
    client.sock = tls("http/1.1")
    client.request(method, path, body)
    answer = client.getresponse()
    assert answer.status == 200, answer.status
    return answer.read()


def http2(method, path, body=b"", kind=None):
    """The body, and the trailers."""
    stream = tls("h2")
    client = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
    client.initiate_connection()
    head = [(":method", method), (":scheme", "https"), (":authority", f"{host}:{port}")]
    head += [(":path", path), *([("content-type", kind), ("te", "trailers")] if kind else [])]
    client.send_headers(1, head, end_stream=not body)
    if body:
        client.send_data(1, body, end_stream=True)
    got, trailers, ended = b"", {}, False
    while not ended:
        stream.sendall(client.data_to_send())
        data = stream.recv(65536)
        assert data, "closed too early"
        for event in client.receive_data(data):
            if isinstance(event, h2.events.ResponseReceived):
                assert dict(event.headers)[":status"] == "200", event.headers
            elif isinstance(event, h2.events.DataReceived):
                got += event.data
            elif isinstance(event, h2.events.TrailersReceived):
                trailers = dict(event.headers)
            ended = ended or isinstance(event, h2.events.StreamEnded)
    client.close_connection()
    stream.sendall(client.data_to_send())
    stream.unwrap()
    return got, trailers


def greeted(stream):
    lines = stream.makefile("rb")
    assert lines.readline().startswith(b"220 ")
    stream.sendall(b"NOOP\r\n")
    assert lines.readline() == b"250 NOOP\r\n"
    stream.sendall(b"QUIT\r\n")
    assert lines.read() == b"250 QUIT\r\n"


if protocol == "h1":
    assert http1("POST", "/echo", HELLO) == HELLO
elif protocol == "h2":
    assert http2("POST", "/echo", HELLO)[0] == HELLO
elif protocol == "websocket":
    uri = f"ws://{host}:{port}/chat"
    with websocket(uri, sock=tls(None), compression=None, proxy=None) as socket:
        socket.send("hello")
        assert socket.recv() == "hello"
elif protocol == "grpc":
    message = b"\0" + len(HELLO).to_bytes(4, "big") + HELLO
    got, trailers = http2("POST", "/test.Echo/Say", message, "application/grpc")
    assert (got, trailers) == (message, {"grpc-status": "0"}), (got, trailers)
elif protocol == "sse":
    assert http1("GET", "/events") == EVENTS
elif protocol == "sse-h2":
    assert http2("GET", "/events")[0] == EVENTS
elif protocol == "opaque":
    greeted(tls(None))
else:
    greeted(dial(way, at, host, int(port)))
print("ok")
