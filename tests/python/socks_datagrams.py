"""Sends datagrams through a SOCKS5 association and checks that each comes back as it was.

usage: socks_datagrams.py PROXY_ADDRESS:PORT HOST
"""

import socket
import struct
import sys

host, port = sys.argv[1].rsplit(":", 1)
name = sys.argv[2].encode()
control = socket.create_connection((host, int(port)), 30)


def exactly(length):
    data = b""
    while len(data) < length:
        more = control.recv(length - len(data))
        assert more, "the proxy closed"
        data += more
    return data


control.sendall(b"\x05\x01\x02")
assert exactly(2) == b"\x05\x02"
control.sendall(b"\x01\x08resolver\x06secret")
assert exactly(2) == b"\x01\x00"
control.sendall(b"\x05\x03\x00\x01" + bytes(6))
reply = exactly(10)
assert reply[:4] == b"\x05\x00\x00\x01", reply
relay = (socket.inet_ntoa(reply[4:8]), struct.unpack(">H", reply[8:])[0])

datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
datagrams.settimeout(30)
by_name = b"\x03" + bytes([len(name)]) + name + struct.pack(">H", 53)
datagrams.sendto(b"\0\0\x01" + by_name + b"a fragment", relay)
datagrams.sendto(b"\0\0\0\x01" + socket.inet_aton("127.0.0.1") + b"\0\x35" + b"blocked", relay)
back = 0
for number in range(100):
    payload = bytes((number + at) % 256 for at in range(number * 37 + 1))
    datagrams.sendto(b"\0\0\0" + by_name + payload, relay)
    got, sender = datagrams.recvfrom(65536)
    assert sender == relay, sender
    assert got[:4] == b"\0\0\0\x01" and got[8:10] == b"\0\x35", got[:10]
    assert got[10:] == payload, number
    back += 1
control.close()
print(back, "datagrams came back")
