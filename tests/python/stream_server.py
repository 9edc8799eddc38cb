"""HTTP/2 over TLS: a POST of gRPC or gRPC-Web is answered with its own body and the status 0, a GET
with three server-sent events. Arguments: certificate, key, address, port. Prints the port."""

import socketserver
import ssl
import sys

import h2.config
import h2.connection
import h2.events

EVENTS = b"".join(b"data: event %d\n\n" % number for number in (1, 2, 3))
ANYBODY = [
    ("access-control-allow-origin", "*"),
    ("access-control-allow-headers", "*"),
]
STATUS = ("grpc-status", "0")


class Handler(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.do_handshake()
        config = h2.config.H2Configuration(client_side=False, header_encoding="utf-8")
        self.h2 = h2.connection.H2Connection(config)
        self.h2.initiate_connection()
        self.asked = {}
        self.request.sendall(self.h2.data_to_send())
        while data := self.request.recv(65536):
            for event in self.h2.receive_data(data):
                self.on(event)
            self.request.sendall(self.h2.data_to_send())

    def on(self, event):
        if isinstance(event, h2.events.RequestReceived):
            self.asked[event.stream_id] = (dict(event.headers), bytearray())
        elif isinstance(event, h2.events.DataReceived):
            self.asked[event.stream_id][1].extend(event.data)
            self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.StreamEnded):
            self.answer(event.stream_id, *self.asked.pop(event.stream_id))


    def answer(self, stream, fields, body):
        kind = fields.get("content-type", "")
        head = [(":status", "200"), *ANYBODY]
        if fields[":method"] == "OPTIONS":
            self.h2.send_headers(stream, head, end_stream=True)
        elif fields[":method"] == "GET":
            self.h2.send_headers(stream, [*head, ("content-type", "text/event-stream")])
            self.h2.send_data(stream, EVENTS, end_stream=True)
        elif kind.startswith("application/grpc-web"):
            self.h2.send_headers(stream, [*head, ("content-type", kind)])
            trailers = b"grpc-status:0\r\n"
            frame = b"\x80" + len(trailers).to_bytes(4, "big") + trailers
            self.h2.send_data(stream, bytes(body) + frame, end_stream=True)
        else:
            self.h2.send_headers(stream, [*head, ("content-type", kind)])
            self.h2.send_data(stream, bytes(body))
            self.h2.send_headers(stream, [STATUS], end_stream=True)


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def handle_error(self, request, address):
        pass


certificate, key, address, port = sys.argv[1:]
tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
tls.load_cert_chain(certificate, key)
tls.set_alpn_protocols(["h2"])
server = Server((address, int(port)), Handler)
server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
print(server.server_address[1], flush=True)
server.serve_forever()
