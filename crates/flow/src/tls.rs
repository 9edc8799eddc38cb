//! TLS facts: what the device offered, what the upstream showed, what was agreed on each leg.

use bytes::Bytes;

/// What the device's ClientHello says (RFC 8446 section 4.1.2), in wire order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientHello {
    /// The handshake message with its 4-byte header, reassembled from its records.
    pub raw: Bytes,
    pub legacy_version: u16,
    /// `supported_versions`, or the legacy version alone when the extension is absent.
    pub versions: Vec<u16>,
    pub cipher_suites: Vec<u16>,
    pub extensions: Vec<u16>,
    pub groups: Vec<u16>,
    pub point_formats: Vec<u8>,
    pub signature_algorithms: Vec<u16>,
    /// `server_name`, as sent; hostile bytes that are no UTF-8 are replaced.
    pub server_name: Option<String>,
    /// Protocol names (RFC 7301), as sent.
    pub alpn: Vec<Vec<u8>>,
    /// `max_fragment_length` (RFC 6066 section 4), the code as sent: 1 to 4 for 2^9 to 2^12 bytes.
    pub max_fragment_length: Option<u8>,
    /// `record_size_limit` (RFC 8449), bytes, as sent.
    pub record_size_limit: Option<u16>,
    /// An `encrypted_client_hello` extension is there: ECH or GREASE, which nobody can tell apart
    /// from the ClientHello alone.
    pub encrypted_client_hello: bool,
    /// JA3: MD5 of the text form, 32 hex digits (GREASE removed).
    pub ja3: String,
    /// JA4 of FoxIO's specification, such as `t13d1516h2_8daaf6152771_02713d6af862`.
    pub ja4: String,
}

/// What a finished handshake agreed on, on either leg.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// Protocol version on the wire, such as 0x0304 for TLS 1.3.
    pub version: u16,
    pub cipher_suite: u16,
    /// Named group of the key exchange, where one was used.
    pub group: Option<u16>,
    pub alpn: Option<Vec<u8>>,
}

/// What the records of TLS that is relayed unopened show of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RelayedTls {
    /// As the server chose them.
    pub version: u16,
    pub cipher_suite: u16,
    pub shows: Shown,
}

/// How far the device demonstrably came; the weaker first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Shown {
    /// Its handshake with the server is complete.
    Completed,
    /// And it sent application data.
    DataSent,
}

impl Shown {
    pub fn word(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::DataSent => "data-sent",
        }
    }
}

/// Whether the upstream's chain verified, and what followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verification {
    /// Verified against the roots in use, for the name asked.
    Verified,
    /// It did not verify and the connection was refused; the reason.
    Refused(String),
    /// It did not verify and `--upstream-verify record` let it through; the reason.
    Recorded(String),
}

/// What the upstream showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamTls {
    /// The name sent as SNI and verified against.
    pub server_name: String,
    /// `None` when the handshake failed before both sides agreed.
    pub agreed: Option<Agreed>,
    /// The certificate chain as sent, DER, leaf first.
    pub chain: Vec<Bytes>,
    /// The stapled OCSP response, DER; empty when there is none.
    pub ocsp: Bytes,
    pub verification: Verification,
    /// Our own ClientHello, which the upstream answered in place of the device's; `None` when the
    /// handshake ended before it was sent whole.
    pub ours: Option<Fingerprints>,
    /// The upstream asked for a client certificate.
    pub asked_for_certificate: bool,
    /// The client certificate that we answered with, DER.
    pub client_certificate: Option<Bytes>,
    /// Bytes of the handshake, both directions together, past what is kept of one.
    pub handshake_not_kept: u64,
}

/// Names for the software that sent a ClientHello.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprints {
    /// As [`ClientHello::ja3`].
    pub ja3: String,
    /// As [`ClientHello::ja4`].
    pub ja4: String,
}

/// A line of an `SSLKEYLOGFILE`, with the leg that it decrypts.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    pub leg: crate::stream::Leg,
    pub line: String,
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secret").field("leg", &self.leg).finish_non_exhaustive()
    }
}
