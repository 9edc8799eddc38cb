"""The ways to a server: through the proxy by CONNECT or SOCKS5, or straight, as the kernel takes it."""

import socket


def dial(way, at, host, port):
    """A socket to the host and port; `at` is where the proxy listens, or the server itself."""
    address, _, number = at.rpartition(":")
    if way == "transparent":
        return socket.create_connection((at, port), 30)
    stream = socket.create_connection((address, int(number)), 30)
    name = host.encode()
    if way == "connect":
        stream.sendall(b"CONNECT %s:%d HTTP/1.1\r\nHost: %s:%d\r\n\r\n" % (name, port, name, port))
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += exactly(stream, 1)
        assert head.startswith(b"HTTP/1.1 200 "), head
    else:
        stream.sendall(b"\x05\x01\x00")
        assert exactly(stream, 2) == b"\x05\x00"
        stream.sendall(b"\x05\x01\x00\x03%c%s" % (len(name), name) + port.to_bytes(2, "big"))
        reply = exactly(stream, 4)
        assert reply[:2] == b"\x05\x00", reply
        exactly(stream, {1: 6, 4: 18}[reply[3]])
    return stream


def exactly(stream, length):
    data = b""
    while len(data) < length:
        more = stream.recv(length - len(data))
        assert more, "closed too early"
        data += more
    return data
