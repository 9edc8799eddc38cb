"""Fetches http://HOST/ through the proxy as a forwarder of 192.168.7.8, and prints the body.

usage: proxy_protocol.py PROXY_ADDRESS:PORT HOST
"""

import socket
import struct
import sys

host, port = sys.argv[1].rsplit(":", 1)
connection = socket.create_connection((host, int(port)), 30)
addresses = socket.inet_aton("192.168.7.8") + socket.inet_aton("127.0.0.1")
header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11" + struct.pack(">H", 12) + addresses
header += struct.pack(">HH", 50000, 8080)
request = f"GET http://{sys.argv[2]}/ HTTP/1.1\r\nHost: {sys.argv[2]}\r\n\r\n"
connection.sendall(header + request.encode())
data = b""
while b"\r\n\r\n" not in data:
    data += connection.recv(65536)
head, body = data.split(b"\r\n\r\n", 1)
assert head.startswith(b"HTTP/1.1 200 "), head
length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
while len(body) < length:
    more = connection.recv(65536)
    assert more, "the proxy closed"
    body += more
sys.stdout.buffer.write(body)
