"""Makes Landfall send what the test on marks counts: datagrams through a SOCKS5 association, to an
address and to a name that has to be looked up.

usage: marked.py send PROXY_ADDRESS:PORT ADDRESS NAME   (through the proxy)
       marked.py serve PORT                             (a name server that always answers: too long for UDP)
"""

import socket
import struct
import sys


def serve(port):
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("0.0.0.0", port))
    print(port, flush=True)
    while True:
        query, client = server.recvfrom(512)
        # A response, truncated, with the question as it came (RFC 1035 section 4.1.1).
        server.sendto(query[:2] + b"\x83\x80" + query[4:6] + bytes(6) + query[12:], client)


def send(proxy, address, name):
    host, port = proxy.rsplit(":", 1)
    control = socket.create_connection((host, int(port)), 30)
    control.sendall(b"\x05\x01\x00\x05\x03\x00\x01" + bytes(6))
    reply = b""
    while len(reply) < 12:
        more = control.recv(12 - len(reply))
        assert more, "the proxy closed"
        reply += more
    assert reply[2:6] == b"\x05\x00\x00\x01", reply
    relay = (socket.inet_ntoa(reply[6:10]), struct.unpack(">H", reply[10:])[0])
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    to_address = b"\x01" + socket.inet_aton(address) + struct.pack(">H", 5353)
    to_name = b"\x03" + bytes([len(name)]) + name.encode() + struct.pack(">H", 5353)
    for destination in (to_address, to_name):
        datagrams.sendto(b"\0\0\0" + destination + b"x", relay)
    # The look-up fails once TCP was refused: its end is awaited by asking for a tunnel to the name.
    tunnel = socket.create_connection((host, int(port)), 30)
    tunnel.sendall(f"CONNECT {name}:443 HTTP/1.1\r\n\r\n".encode())
    assert tunnel.recv(12) == b"HTTP/1.1 502", "the name was found"
    control.close()


if sys.argv[1] == "serve":
    serve(int(sys.argv[2]))
else:
    send(*sys.argv[2:])
