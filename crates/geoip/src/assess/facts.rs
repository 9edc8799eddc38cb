//! What an assessment is made of. Values only, each with the records that it is from; gathering
//! them is up to whoever holds a session.

use flow::address::{DnsName, Host};
use flow::annotation::Annotation;
use flow::assessment::{Contact, ContentLevel, NoStatement, RoundTrips, Statement, Supported};
use flow::claim::Country;
use flow::id::RecordSeq;
use flow::time::WallNanos;
use std::sync::Arc;

/// What is known of one destination: a host and the addresses behind it.
#[derive(Clone, Debug)]
pub struct Facts {
    pub host: Host,
    /// The highest of its connections, judged on the device's leg.
    pub contact: Option<Supported<Contact>>,
    pub content: Option<Supported<ContentLevel>>,
    /// The names behind the host: the CNAME chain without the host itself.
    pub aliases: Vec<Cited<DnsName>>,
    pub addresses: Vec<AddressFacts>,
    /// Further addresses, of which the databases were not asked.
    pub not_asked: usize,
    /// Where the host was when, in the order of time: what look-ups of its name answered, and what was
    /// dialled for it without one.
    pub sightings: Vec<Sighting>,
    /// Why round trips measured by this machine say nothing, whatever they are.
    pub no_statement: Option<NoStatement>,
    /// The names were resolved for the device, not by it.
    pub resolved_by_proxy: bool,
    pub simulated: bool,
    pub statements: Vec<Statement>,
    /// Countries that are asked about whatever else is known, as flag policies do.
    pub asked_about: Vec<Country>,
}

/// What is known of one address of a destination.
#[derive(Clone, Debug)]
pub struct AddressFacts {
    /// What the databases of the session said when the address was first seen.
    pub annotation: Arc<Annotation>,
    pub records: Vec<RecordSeq>,
    /// What later look-ups said, in their order: in the session, or with other databases after it.
    pub later: Vec<Opinion>,
    /// An answer to a look-up holds the address.
    pub looked_up: bool,
    pub round_trips: Vec<RoundTrips>,
}

/// The addresses of a host at a time.
#[derive(Clone, Debug)]
pub struct Sighting {
    pub first: WallNanos,
    pub last: WallNanos,
    /// What the databases of the session say of each that they were asked about.
    pub annotations: Vec<Arc<Annotation>>,
    pub records: Vec<RecordSeq>,
}

/// What databases said of an address at another time.
#[derive(Clone, Debug)]
pub struct Opinion {
    pub annotation: Arc<Annotation>,
    pub records: Vec<RecordSeq>,
}

/// A value, and the records that it is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cited<T> {
    pub value: T,
    pub records: Vec<RecordSeq>,
}

/// What is known of one connection, as far as levels depend on it.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionFacts {
    pub treatment: Option<flow::filter::TreatmentKind>,
    /// The handshake with the device is complete: ours, or one that was relayed.
    pub client_tls: bool,
    /// Inside TLS that was relayed unopened, records from the device hold application data.
    pub tls_data_sent: bool,
    /// Bytes relayed from the device.
    pub bytes_up: u64,
    pub bytes_down: u64,
    /// A request head was decoded.
    pub exchanges: bool,
}
