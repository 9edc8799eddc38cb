"""For clients that know no proxies: a local port each of whose connections is taken through the
proxy to one target. Arguments: way, proxy, host, port. Prints its port."""

import socket
import sys
import threading

from ways import dial

way, at, host, port = sys.argv[1:]


def pump(source, sink):
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # One of them has gone.


def serve(inside):
    outside = dial(way, at, host, int(port))
    outside.settimeout(None)
    threading.Thread(target=pump, args=(outside, inside), daemon=True).start()
    pump(inside, outside)


listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
