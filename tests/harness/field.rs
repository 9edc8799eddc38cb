//! Landfall on a gateway between a phone and its servers: a case in a network of its own, the rules
//! that take the phone's connections, and servers on fixed ports of the server's place.

use crate::case::Case;
use crate::landfall::Landfall;
use crate::network::{Family, Network, Place, V4};
use crate::server::{self, Server};
use crate::test_ca::PemFiles;
use crate::tool;
use serde_json::Value;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// A network with its servers, and a case whose Landfall is to run on the gateway.
pub struct Field {
    pub case: Case,
    /// Landfall's, as its clients are to trust it.
    pub authority: PathBuf,
    mode: String,
    certificate: PemFiles,
    // Processes go before the network that they are in.
    servers: Vec<Server>,
    pub network: Network,
}

/// Ports of the servers.
pub const HTTP1: u16 = 443;
pub const HTTP2: u16 = 8443;
pub const WEBSOCKET: u16 = 8444;
pub const STREAMS: u16 = 8445;
pub const GREETER: u16 = 25;
pub const GREETER_TLS: u16 = 465;

impl Field {
    /// One whose servers have a certificate for these names, and none is started yet.
    pub fn new(names: &[&str], mode: &str) -> Self {
        let network = Network::new();
        let mut case = Case::new();
        for flag in ["--transparent", "0.0.0.0:8081", "--transparent", "[::]:8081"] {
            case.flag(flag);
        }
        case.flag(&format!("--transparent-mode={mode}"));
        let certificate = case.ca().write_pem(names, &case.path(""));
        let authority = case.authority();
        let mode = mode.to_owned();
        Self { case, authority, mode, certificate, servers: Vec::new(), network }
    }

    /// Puts the rules in force that `landfall setup transparent` prints with these options.
    pub fn enforce(&self, options: &[&str]) {
        self.network.shell(Place::Gateway, &self.rules(options));
    }

    pub fn rules(&self, options: &[&str]) -> String {
        let mode = ["setup", "transparent", "--mode", &self.mode, "--interface", "phones"];
        self.case.cli(&[&mode, options].concat()).expect_success().text()
    }

    pub fn start(&self) -> Landfall {
        self.case.start_under(self.network.exec(Place::Gateway))
    }

    /// HTTP/1.1 with and without TLS, and a greeter that speaks first, with and without.
    pub fn serve_http1(&mut self) {
        let mut python = self.python(Place::Server, "namespace_server.py");
        python.arg(&self.certificate.certificate).arg(&self.certificate.key);
        self.started(python.stdout(Stdio::piped()), HTTP1);
    }

    /// nghttpd, which serves the case's directory and gives uploads back.
    pub fn serve_http2(&mut self) {
        let mut nghttpd = self.network.command(Place::Server, "nghttpd");
        std::fs::write(self.case.path("index.html"), "over HTTP/2").unwrap();
        nghttpd.args(["--echo-upload", "--htdocs"]).arg(self.case.path(""));
        nghttpd.arg(HTTP2.to_string()).arg(&self.certificate.key);
        let child = nghttpd.arg(&self.certificate.certificate).stdout(Stdio::null()).spawn();
        self.servers.push(Server::of(child.unwrap(), address(HTTP2)));
        self.network.wait_for(Place::Server, HTTP2);
    }

    /// An echoing WebSocket.
    pub fn serve_websocket(&mut self) {
        self.serve_python("websocket_server.py", WEBSOCKET);
    }

    /// gRPC and server-sent events over HTTP/2.
    pub fn serve_streams(&mut self) {
        self.serve_python("stream_server.py", STREAMS);
    }

    /// A name server whose every answer is too long for a datagram, and that has no TCP.
    pub fn serve_names(&mut self) {
        let mut python = self.python(Place::Server, "marked.py");
        self.started(python.args(["serve", "53"]).stdout(Stdio::piped()), 53);
    }

    /// One of the tests' Python programs in one of the places.
    pub fn python(&self, place: Place, script: &str) -> Command {
        let interpreter = tool::python().get_program().to_string_lossy().into_owned();
        let mut python = self.network.command(place, &interpreter);
        python.arg(server::script(script));
        python
    }

    /// The one flow of a server's port and the phone's family, and its connection's records.
    #[track_caller]
    pub fn flow(&self, family: Family, port: u16) -> (Value, Value) {
        let flow = self.case.flow(&format!("address:{} port:{port}", family.server));
        let detail = self.detail(&flow);
        (flow, detail)
    }

    /// What `flow show` tells.
    #[track_caller]
    pub fn detail(&self, flow: &Value) -> Value {
        let id = flow["id"].as_str().unwrap().to_owned();
        self.case.rows(&["flow", "show", &id]).remove(0)
    }

    fn serve_python(&mut self, script: &str, port: u16) {
        let mut python = self.python(Place::Server, script);
        python.arg(&self.certificate.certificate).arg(&self.certificate.key);
        python.args(["0.0.0.0", &port.to_string()]);
        self.started(python.stdout(Stdio::piped()), port);
    }

    fn started(&mut self, command: &mut Command, port: u16) {
        let server = Server::announced(command);
        assert_eq!(server.socket().port(), port);
        self.servers.push(server);
    }
}

fn address(port: u16) -> SocketAddr {
    SocketAddr::new(V4.server.parse().unwrap(), port)
}
