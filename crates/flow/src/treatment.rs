//! How a connection was treated, and why. Every connection ends up with exactly one treatment.

use crate::bound::Bound;
use crate::distrust::{Distrust, DistrustClass};
use crate::id::ConnectionId;
use crate::time::WallNanos;
use std::fmt;

/// How a connection was treated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Treatment {
    /// TLS terminated on both legs; plaintext seen.
    Intercepted,
    /// Relayed without decryption.
    Passthrough(PassthroughWhy),
    /// Nothing to decrypt.
    Plaintext(PlaintextWhy),
    /// Ended before bytes could be relayed.
    Failed(Failure),
    /// Refused by Landfall.
    Blocked(BlockedWhy),
}

impl Treatment {
    /// The one word used in filters, tables and exports.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Intercepted => "intercepted",
            Self::Passthrough(_) => "passthrough",
            Self::Plaintext(_) => "plaintext",
            Self::Failed(_) => "failed",
            Self::Blocked(_) => "blocked",
        }
    }

    /// The reason, as a clause.
    pub fn why(&self) -> String {
        match self {
            Self::Intercepted => "the default for TLS".to_owned(),
            Self::Passthrough(why) => why.to_string(),
            Self::Plaintext(why) => why.to_string(),
            Self::Failed(failure) => failure.to_string(),
            Self::Blocked(why) => why.to_string(),
        }
    }

    /// The bound that led to it, where one did.
    pub fn bound(&self) -> Option<Bound> {
        match self {
            Self::Blocked(BlockedWhy::DeviceLimit(most)) => Some(Bound::DeviceConnections(*most)),
            Self::Failed(Failure { cause: Cause::TooLarge(bound), .. }) => Some(*bound),
            _ => None,
        }
    }

    /// What can be done about it, where that is not plain from [`Self::why`]: an imperative
    /// sentence without a full stop.
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Blocked(BlockedWhy::NoCredentials) => {
                "give the client a user name and password of the proxy's users (see --credentials)"
            }
            Self::Blocked(BlockedWhy::WrongCredentials) => {
                "compare what the client gives with the proxy's users (see --credentials)"
            }
            Self::Passthrough(PassthroughWhy::Distrusted { .. }) => FAIL_OPEN_HINT,
            Self::Failed(Failure { cause: Cause::Unverified(_), .. }) => UNVERIFIED_HINT,
            _ => return self.bound().map(Bound::hint),
        };
        Some(text.to_owned())
    }

    /// How the device refused our leaf, here or on the connection that this one follows from.
    pub fn distrust(&self) -> Option<DistrustClass> {
        match self {
            Self::Failed(failure) => failure.distrust(),
            Self::Passthrough(PassthroughWhy::Distrusted { distrust, .. })
            | Self::Blocked(BlockedWhy::Distrusted { distrust, .. }) => Some(distrust.class),
            _ => None,
        }
    }
}

/// How the passing through of an app that distrusts us is ended.
pub const FAIL_OPEN_HINT: &str =
    "open its next connection all the same with an `intercept` rule, or --on-distrust keep";
/// How an upstream whose chain does not verify is reached.
pub const UNVERIFIED_HINT: &str =
    "trust its authority with --upstream-ca FILE, or relay it with --upstream-verify record";

/// Why TLS was not terminated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PassthroughWhy {
    /// A rule of the `passthrough` list matched.
    Rule(String),
    /// The same device refused our leaf for this name on an earlier connection, and
    /// `--on-distrust passthrough` is in force, until this time.
    Distrusted { on: ConnectionId, distrust: Distrust, until: WallNanos },
    /// TLS that we cannot speak: the client's own bytes were sent on instead. What was in the way.
    UpstreamIncompatible(String),
}

impl fmt::Display for PassthroughWhy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rule(rule) => write!(f, "the passthrough rule {rule} matches"),
            Self::Distrusted { on, distrust, until } => {
                let class = distrust.class;
                write!(f, "the client refused our certificate on {on}: {class}; ")?;
                write!(f, "passed through until {until}, or until it accepts ours")
            }
            Self::UpstreamIncompatible(fact) => write!(f, "upstream incompatible: {fact}"),
        }
    }
}

/// What was seen instead of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlaintextWhy {
    Http,
    /// The client's first bytes are neither TLS nor HTTP.
    NotTls,
    /// The server spoke before the client.
    ServerSpokeFirst,
    /// The connection closed without a byte from either side.
    Silent,
    /// Landfall's own pages, never dialled.
    OwnPages,
    /// Datagrams, which are relayed and kept but not decoded.
    Datagrams,
    /// A SOCKS5 association, whose datagrams are connections of their own.
    Association,
    /// An OPTIONS or TRACE whose Max-Forwards was used up (RFC 9110 section 7.6.2), never dialled.
    LastHop,
}

impl fmt::Display for PlaintextWhy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http => "plain HTTP",
            Self::NotTls => "neither TLS nor HTTP",
            Self::ServerSpokeFirst => "the server spoke first",
            Self::Silent => "no byte was sent",
            Self::OwnPages => "Landfall's own pages",
            Self::Datagrams => "datagrams are not decoded",
            Self::Association => "a SOCKS5 association for datagrams",
            Self::LastHop => "answered by Landfall, as Max-Forwards was 0",
        })
    }
}

/// Why Landfall refused a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlockedWhy {
    /// The client's address is outside the ranges that are served.
    ClientNotAllowed,
    /// A loopback address, or another address of this machine.
    DestinationLoopback,
    DestinationLinkLocal,
    DestinationUnspecified,
    DestinationMulticast,
    /// A cloud provider's metadata service.
    DestinationMetadata,
    /// One of Landfall's own listeners: a loop.
    OwnListener,
    /// The proxy has users, and the client named none.
    NoCredentials,
    /// The user name and password that the client gave are those of no user of the proxy.
    WrongCredentials,
    /// SOCKS4 has no names, no IPv6 and no passwords.
    Socks4,
    /// A SOCKS5 command other than CONNECT and UDP ASSOCIATE; its code.
    SocksCommand(u8),
    /// A kind of address that SOCKS5 does not have; its code.
    SocksAddressType(u8),
    /// None of the SOCKS5 authentication methods offered is taken.
    SocksMethods,
    /// A rule of the `block` list matched.
    Rule(String),
    /// The same device refused our leaf for this name on an earlier connection, and
    /// `--on-distrust block` is in force.
    Distrusted {
        on: ConnectionId,
        distrust: Distrust,
    },
    /// Datagrams to a host that is reached through the upstream proxy, which passes none.
    DatagramsNotProxied,
    /// The device has as many connections open as one may have; how many that are.
    DeviceLimit(usize),
    /// Nothing can be recorded any more. Told to the client alone: there is no record to write to.
    RecordingStopped,
}

impl fmt::Display for BlockedWhy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SocksCommand(2) => "SOCKS5 BIND is not offered",
            Self::SocksCommand(code) => return write!(f, "SOCKS5 has no command {code}"),
            Self::SocksAddressType(code) => {
                return write!(f, "SOCKS5 has no address type {code}");
            }
            Self::Rule(rule) => return write!(f, "the block rule {rule} matches"),
            Self::DeviceLimit(most) => {
                let bound = Bound::DeviceConnections(*most);
                return write!(f, "device has as many connections open as one may have ({bound})");
            }
            Self::Distrusted { on, distrust } => {
                let class = distrust.class;
                return write!(
                    f,
                    "the client refused our certificate on {on}: {class} (see --on-distrust)"
                );
            }
            Self::ClientNotAllowed => "client address is outside the ranges served (see --allow)",
            Self::DestinationLoopback => "destination is this machine (see --allow-local)",
            Self::DestinationLinkLocal => "destination is a link-local address (see --allow-local)",
            Self::DestinationUnspecified => "destination is the unspecified address",
            Self::DestinationMulticast => "destination is a multicast or broadcast address",
            Self::DestinationMetadata => "destination is a cloud metadata service",
            Self::OwnListener => "destination is Landfall itself",
            Self::NoCredentials => "the proxy asks for a user name and password, none was given",
            Self::WrongCredentials => "the user name or the password is none of the proxy's users",
            Self::Socks4 => "SOCKS4 is not offered (use SOCKS5 or an HTTP proxy)",
            Self::SocksMethods => {
                "the SOCKS5 client offers neither no authentication nor a password"
            }
            Self::DatagramsNotProxied => "datagrams do not go through the upstream proxy",
            Self::RecordingStopped => "recording has stopped, and nothing passes unrecorded",
        })
    }
}

/// A connection that ended before bytes could be relayed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub stage: Stage,
    pub side: Side,
    pub cause: Cause,
}

impl Failure {
    /// What it says of the device's trust in our authority; `None` where it is about something
    /// else.
    pub fn distrust(&self) -> Option<DistrustClass> {
        if (self.stage, self.side) != (Stage::ClientTls, Side::Client) {
            return None;
        }
        match &self.cause {
            Cause::Distrust(distrust) => Some(distrust.class),
            Cause::Closed | Cause::Reset => Some(DistrustClass::Probable),
            Cause::Alert(_) | Cause::TimedOut | Cause::Io(_) => Some(DistrustClass::Unknown),
            // The two sides share no parameter, or the bytes were no TLS.
            _ => None,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.cause, self.side) {
            (Cause::Distrust(distrust), Side::Client) => {
                let (alert, class) = (alert_name(distrust.alert), distrust.class);
                write!(f, "client distrusts our certificate (alert {alert}): {class}")
            }
            (cause, side) => write!(f, "{side} {cause} ({})", self.stage),
        }
    }
}

/// The step at which a connection failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Reading what the client asked for.
    Request,
    /// The TLS handshake with the proxy itself, before anything is asked for.
    ProxyTls,
    Resolve,
    Connect,
    ClientHello,
    UpstreamTls,
    ClientTls,
}

impl Stage {
    pub fn word(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::ProxyTls => "proxy-tls",
            Self::Resolve => "resolve",
            Self::Connect => "connect",
            Self::ClientHello => "client-hello",
            Self::UpstreamTls => "upstream-tls",
            Self::ClientTls => "client-tls",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Request => "reading the request",
            Self::ProxyTls => "TLS handshake with the proxy itself",
            Self::Resolve => "resolving the name",
            Self::Connect => "connecting",
            Self::ClientHello => "reading the ClientHello",
            Self::UpstreamTls => "TLS handshake with the upstream",
            Self::ClientTls => "TLS handshake with the client",
        })
    }
}

/// Whose fault it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Client,
    Upstream,
    Landfall,
}

impl Side {
    pub fn word(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Upstream => "upstream",
            Self::Landfall => "landfall",
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The client answered our leaf with an alert: it does not trust the authority, or pins.
    Distrust(Distrust),
    /// Another TLS alert.
    Alert(u8),
    /// The upstream's chain did not verify; the reason.
    Unverified(String),
    Refused,
    Reset,
    Closed,
    TimedOut,
    Unreachable(String),
    NoSuchName,
    NoAddresses,
    ResolverFailed(String),
    /// Bytes that the protocol forbids; what was wrong.
    Malformed(String),
    /// The peers share no version, suite or other parameter; the reason.
    Incompatible(String),
    /// More than this bound allows.
    TooLarge(Bound),
    /// The proxy on the way to the upstream failed or refused; how, as a clause without subject.
    UpstreamProxy(String),
    /// Nothing failed: the run ended before the step did.
    RunEnded,
    Io(String),
}

impl Cause {
    pub fn word(&self) -> &'static str {
        match self {
            Self::Distrust(_) => "distrust",
            Self::Alert(_) => "alert",
            Self::Unverified(_) => "unverified",
            Self::Refused => "refused",
            Self::Reset => "reset",
            Self::Closed => "closed",
            Self::TimedOut => "timed-out",
            Self::Unreachable(_) => "unreachable",
            Self::NoSuchName => "no-such-name",
            Self::NoAddresses => "no-addresses",
            Self::ResolverFailed(_) => "resolver-failed",
            Self::Malformed(_) => "malformed",
            Self::Incompatible(_) => "incompatible",
            Self::TooLarge(_) => "too-large",
            Self::UpstreamProxy(_) => "upstream-proxy",
            Self::RunEnded => "run-ended",
            Self::Io(_) => "io",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Distrust(Distrust { alert, .. }) | Self::Alert(alert) => {
                write!(f, "sent the TLS alert {}", alert_name(*alert))
            }
            Self::Unverified(reason) => write!(f, "certificate did not verify: {reason}"),
            Self::Refused => f.write_str("refused the connection"),
            Self::Reset => f.write_str("reset the connection"),
            Self::Closed => f.write_str("closed the connection"),
            Self::TimedOut => f.write_str("did not answer in time"),
            Self::Unreachable(reason) => write!(f, "is unreachable: {reason}"),
            Self::NoSuchName => f.write_str("name does not exist"),
            Self::NoAddresses => f.write_str("name has no addresses"),
            Self::ResolverFailed(reason) => write!(f, "name could not be resolved: {reason}"),
            Self::Malformed(reason) => write!(f, "sent malformed data: {reason}"),
            Self::Incompatible(reason) => write!(f, "could not agree: {reason}"),
            Self::TooLarge(bound) => write!(f, "sent more than {bound}"),
            Self::UpstreamProxy(how) => write!(f, "proxy {how}"),
            Self::RunEnded => f.write_str("ended the run before this was done"),
            Self::Io(reason) => write!(f, "failed: {reason}"),
        }
    }
}

/// The registered name of a TLS alert (RFC 8446 section 6, IANA TLS Alerts).
pub fn alert_name(code: u8) -> &'static str {
    match code {
        0 => "close_notify",
        10 => "unexpected_message",
        20 => "bad_record_mac",
        22 => "record_overflow",
        40 => "handshake_failure",
        42 => "bad_certificate",
        43 => "unsupported_certificate",
        44 => "certificate_revoked",
        45 => "certificate_expired",
        46 => "certificate_unknown",
        47 => "illegal_parameter",
        48 => "unknown_ca",
        49 => "access_denied",
        50 => "decode_error",
        51 => "decrypt_error",
        70 => "protocol_version",
        71 => "insufficient_security",
        80 => "internal_error",
        86 => "inappropriate_fallback",
        90 => "user_canceled",
        109 => "missing_extension",
        110 => "unsupported_extension",
        112 => "unrecognized_name",
        113 => "bad_certificate_status_response",
        115 => "unknown_psk_identity",
        116 => "certificate_required",
        120 => "no_application_protocol",
        121 => "ech_required",
        _ => "unassigned",
    }
}

/// How a relayed connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Both directions ended in order, and nothing passed after the first of them had.
    Completed,
    /// The side ended its direction in order while the other went on, which then ended too.
    HalfClosed(Side),
    /// The side ended its direction in order, and did not take what the other still sent.
    ClosedEarly(Side),
    ClientReset,
    UpstreamReset,
    /// The side closed its transport without the TLS close_notify.
    Truncated(Side),
    /// The side answered nothing any more, not even the system's probes: it is gone without a word.
    Vanished(Side),
    IdleTimeout,
    /// The observer lost sync, and the run refuses what is malformed.
    Malformed,
    /// Landfall was shut down before the connection ended.
    Shutdown,
    /// The client sent this alert after the handshake (late distrust among them).
    ClientAlert(u8),
    UpstreamAlert(u8),
    /// It never came to relaying: see the treatment.
    NotRelayed,
    /// The same, and the client, which no answer can reach, was told by a reset.
    NotRelayedReset,
    Io {
        side: Side,
        reason: String,
    },
}

impl Outcome {
    /// The word used in records and exports.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::HalfClosed(Side::Client) => "client-half-closed",
            Self::HalfClosed(_) => "upstream-half-closed",
            Self::ClosedEarly(Side::Client) => "client-closed-early",
            Self::ClosedEarly(_) => "upstream-closed-early",
            Self::ClientReset => "client-reset",
            Self::UpstreamReset => "upstream-reset",
            Self::Truncated(Side::Client) => "client-truncated",
            Self::Truncated(_) => "upstream-truncated",
            Self::Vanished(Side::Client) => "client-vanished",
            Self::Vanished(_) => "upstream-vanished",
            Self::IdleTimeout => "idle-timeout",
            Self::Malformed => "malformed",
            Self::Shutdown => "shutdown",
            Self::ClientAlert(_) => "client-alert",
            Self::UpstreamAlert(_) => "upstream-alert",
            Self::NotRelayed => "not-relayed",
            Self::NotRelayedReset => "not-relayed-reset",
            Self::Io { .. } => "io",
        }
    }
}
