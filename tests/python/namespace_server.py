"""A server for the tests in network namespaces, on fixed ports of both families.

HTTPS/1.1 on 443 and plain HTTP on 80 answer with the request's own head, a POST with its body and
/events with three server-sent events; 25, and 465 over TLS, greet before the client speaks and then
repeat what they get, up to QUIT in either case. Arguments: certificate, key. Prints 443 when it listens.
"""

import http.server
import socket
import socketserver
import ssl
import sys
import threading


EVENTS = b"".join(b"data: event %d\n\n" % number for number in (1, 2, 3))


class Echo(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/events":
            self.answer("text/event-stream", EVENTS)
        else:
            self.answer("text/plain", f"{self.requestline}\n{self.headers}".encode())

    def do_POST(self):
        self.answer("text/plain", self.rfile.read(int(self.headers["Content-Length"])))

    def answer(self, kind, body):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Access-Control-Allow-Origin", "*")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Greeter(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(b"220 mail.example at your service\r\n")
        for line in self.rfile:
            self.wfile.write(b"250 " + line)
            if line.upper().startswith(b"QUIT"):
                return


class Server(socketserver.ThreadingTCPServer):
    address_family = socket.AF_INET6
    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, port, handler, tls=None):
        super().__init__(("::", port), handler)
        self.tls = tls
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def server_bind(self):
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()

    def finish_request(self, request, address):
        if self.tls:
            request = self.tls.wrap_socket(request, server_side=True)
        super().finish_request(request, address)

    def handle_error(self, request, address):
        pass


tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
tls.load_cert_chain(sys.argv[1], sys.argv[2])
tls.set_alpn_protocols(["http/1.1"])
bare_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
bare_tls.load_cert_chain(sys.argv[1], sys.argv[2])
servers = [Server(443, Echo, tls), Server(80, Echo), Server(25, Greeter), Server(465, Greeter, bare_tls)]
print(443, flush=True)
threading.Event().wait()
