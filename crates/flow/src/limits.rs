//! Every bound of the product in one place, with its unit. Defaults suit one test phone or a small
//! lab; each is a key of `[limits]` in `landfall.toml`.

use std::time::Duration;

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;
const GIB: u64 = 1024 * MIB;

/// Bounds and deadlines. The relay itself has none of the observers' bounds: past one of them
/// bytes still pass, only their decoding stops, and the record says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Client connections served at once; further ones wait in the accept queue.
    pub connections: usize,
    /// Connections of one device, which is one address, served at once; further ones are refused.
    pub device_connections: usize,
    /// Bytes of a ClientHello before it is given up as one.
    pub client_hello_bytes: usize,
    /// Bytes of a request head read by the active path (CONNECT, absolute form, onboarding), and
    /// of an upstream proxy's answer.
    pub request_head_bytes: usize,
    /// Bytes of one observed header block, after which decoding of the connection ends.
    pub observed_header_bytes: usize,
    /// Streams observed at once on one HTTP/2 connection.
    pub observed_streams: usize,
    /// Bytes of a body up to which each KiB of it is hashed, so that the record can commit to every
    /// one by itself; of a larger one nothing is hashed, as the frames commit to it. While a body
    /// passes, its hashes take 32 bytes for each KiB, and what is not hashed yet up to 1 KiB.
    pub observed_body_bytes: usize,
    /// Messages (WebSocket, gRPC, server-sent events) recorded of one body; the rest is counted.
    pub observed_messages: u64,
    /// Time for a request head to arrive on the active path.
    pub request_head_time: Duration,
    /// Time that a client gets to go on after first bytes that could begin several protocols.
    pub undecided_time: Duration,
    /// Time that a client gets to take an answer of Landfall's own before the connection closes.
    pub answer_time: Duration,
    /// Time for one name look-up.
    pub resolve_time: Duration,
    /// Connections to one encrypted DNS server, each of one question at a time; further ones wait.
    pub resolver_connections: usize,
    /// Time without a question after which a connection to an encrypted DNS server is not used again.
    pub resolver_idle_time: Duration,
    /// Names that are watched at once, the ones asked for last; a run watches none unless it is told to.
    pub watched_names: usize,
    /// Least time between two look-ups by which a name is watched.
    pub watch_interval: Duration,
    /// Time for one dialled address to connect.
    pub connect_time: Duration,
    /// Addresses of one look-up that are tried, all together within twice `connect_time`.
    pub dialled_addresses: usize,
    /// Time after which the next address is tried while the one before has not answered (RFC 8305
    /// section 5).
    pub dial_stagger: Duration,
    /// Time for an upstream proxy to say whether it reached the upstream, its connecting included.
    pub upstream_proxy_time: Duration,
    /// Time for each TLS handshake, ClientHello included.
    pub tls_time: Duration,
    /// Bytes of one upstream handshake that are kept, both directions together.
    pub handshake_bytes: usize,
    /// Bytes of the ciphertext of one leg that wait for the recorder, where all of it is kept; past
    /// them the leg waits.
    pub waiting_ciphertext_bytes: usize,
    /// Time for which a device's refusal of our leaf, or an upstream's demand for a client
    /// certificate, decides over further connections.
    pub fail_open_time: Duration,
    /// Refusals, and pairs of device and host, that are remembered, each.
    pub fail_open_entries: usize,
    /// Time without a byte in either direction after which a relayed connection is ended.
    pub idle_time: Duration,
    /// Conversations of datagrams, each with one destination of one association, that the whole run
    /// has at once; datagrams to further destinations are refused and counted.
    pub datagram_flows: usize,
    /// Destinations that one SOCKS5 association for datagrams has at once.
    pub association_destinations: usize,
    /// Bytes of datagrams of one association that wait for a look-up, or to be sent.
    pub association_bytes: usize,
    /// Time without a datagram after which a destination of an association is forgotten.
    pub datagram_idle_time: Duration,
    /// Time that the rest of one direction gets after the other can no longer be written.
    pub drain_time: Duration,
    /// Time without a byte after which the system probes whether a peer is still there. Nine
    /// probes without an answer, at most 75 s apart, end the connection.
    pub keepalive_time: Duration,
    /// Time that running connections get to finish at shutdown.
    pub shutdown_grace: Duration,
    /// Bytes of one connection kept in the stream store; the rest is relayed and counted.
    pub recorded_connection_bytes: u64,
    /// Time after which a log that has grown is signed again.
    pub checkpoint_time: Duration,
    /// Free space below which recording stops: the session is closed validly, connections end.
    pub free_disk_bytes: u64,
    /// Bytes of events between proxy and recorder; past them connections wait.
    pub events_in_flight_bytes: usize,
    /// Leaf certificates kept.
    pub leaf_cache_entries: usize,
    /// Names kept in the resolver's cache, each for its TTL.
    pub dns_cache_entries: u64,
    /// Answers of the databases remembered; past them an address is asked about and recorded anew.
    pub assessment_cache_entries: usize,
    /// Hosts that the summary of a run can tell apart; the record has all of them.
    pub counted_hosts: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            device_connections: 4_000,
            client_hello_bytes: (64 * KIB) as usize,
            request_head_bytes: (64 * KIB) as usize,
            observed_header_bytes: (256 * KIB) as usize,
            observed_streams: 1_000,
            observed_body_bytes: MIB as usize,
            observed_messages: 10_000,
            request_head_time: Duration::from_secs(30),
            undecided_time: Duration::from_millis(500),
            answer_time: Duration::from_secs(2),
            resolve_time: Duration::from_secs(10),
            resolver_connections: 8,
            resolver_idle_time: Duration::from_secs(10),
            watched_names: 1_000,
            watch_interval: Duration::from_secs(60 * 60),
            connect_time: Duration::from_secs(10),
            dialled_addresses: 8,
            dial_stagger: Duration::from_millis(250),
            upstream_proxy_time: Duration::from_secs(20),
            tls_time: Duration::from_secs(10),
            handshake_bytes: (256 * KIB) as usize,
            waiting_ciphertext_bytes: (256 * KIB) as usize,
            fail_open_time: Duration::from_secs(10 * 60),
            fail_open_entries: 10_000,
            idle_time: Duration::from_secs(2 * 60 * 60),
            datagram_flows: 4_096,
            association_destinations: 256,
            association_bytes: MIB as usize,
            datagram_idle_time: Duration::from_secs(5 * 60),
            drain_time: Duration::from_secs(5),
            keepalive_time: Duration::from_secs(120),
            shutdown_grace: Duration::from_secs(10),
            recorded_connection_bytes: 16 * GIB,
            checkpoint_time: Duration::from_secs(10),
            free_disk_bytes: GIB,
            events_in_flight_bytes: (3 * MIB) as usize,
            leaf_cache_entries: 10_000,
            dns_cache_entries: 10_000,
            assessment_cache_entries: 20_000,
            counted_hosts: 500_000,
        }
    }
}
