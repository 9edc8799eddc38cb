//! Records about TLS: what the device offered, what the upstream showed, what was agreed.

use super::sealed::{EachSealed, Sealed};
use super::value::{Base64, Count, Spelled, Text};
use bytes::Bytes;
use flow::id::ConnectionId;
use flow::tls::{self, Verification};
use serde::{Deserialize, Serialize};

/// `tls.client.hello`: what the device offered. Lists are in wire order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsClientHello {
    pub alpn: Vec<Text>,
    pub cipher_suites: Vec<u16>,
    pub connection: Spelled<ConnectionId>,
    /// ECH or GREASE.
    pub encrypted_client_hello: bool,
    pub extensions: Vec<u16>,
    pub groups: Vec<u16>,
    pub ja3: String,
    pub ja4: String,
    pub legacy_version: u16,
    /// The extension's code, as sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_fragment_length: Option<u8>,
    pub point_formats: Vec<u8>,
    /// The handshake message.
    pub raw: Base64,
    /// Bytes, as sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record_size_limit: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
    pub signature_algorithms: Vec<u16>,
    pub versions: Vec<u16>,
}

impl TlsClientHello {
    pub(crate) fn new(connection: ConnectionId, hello: &tls::ClientHello) -> Self {
        Self {
            alpn: hello.alpn.iter().map(|name| text(name)).collect(),
            cipher_suites: hello.cipher_suites.clone(),
            connection: Spelled(connection),
            encrypted_client_hello: hello.encrypted_client_hello,
            extensions: hello.extensions.clone(),
            groups: hello.groups.clone(),
            ja3: hello.ja3.clone(),
            ja4: hello.ja4.clone(),
            legacy_version: hello.legacy_version,
            max_fragment_length: hello.max_fragment_length,
            point_formats: hello.point_formats.clone(),
            raw: Base64(hello.raw.clone()),
            record_size_limit: hello.record_size_limit,
            server_name: hello.server_name.clone(),
            signature_algorithms: hello.signature_algorithms.clone(),
            versions: hello.versions.clone(),
        }
    }
}

/// `tls.client`: the handshake with the device is complete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsClient {
    pub agreed: Agreed,
    pub connection: Spelled<ConnectionId>,
}

/// `tls.relayed`: what the records of TLS that is relayed unopened show; the last one counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsRelayed {
    /// As the server chose it, and the version.
    pub cipher_suite: u16,
    pub connection: Spelled<ConnectionId>,
    /// `completed`: the device's handshake with the server is; `data-sent`: and it sent application
    /// data.
    pub shows: String,
    pub version: u16,
}

impl TlsRelayed {
    pub(crate) fn new(connection: ConnectionId, tls: tls::RelayedTls) -> Self {
        Self {
            cipher_suite: tls.cipher_suite,
            connection: Spelled(connection),
            shows: tls.shows.word().to_owned(),
            version: tls.version,
        }
    }
}

/// `tls.leaf`: the certificate that the device was shown in the upstream's place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsLeaf {
    /// DER, minted by Landfall.
    pub certificate: Base64,
    pub connection: Spelled<ConnectionId>,
}

/// What a handshake agreed on; numbers are those on the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Agreed {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alpn: Option<Text>,
    pub cipher_suite: u16,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<u16>,
    pub version: u16,
}

impl From<&tls::Agreed> for Agreed {
    fn from(agreed: &tls::Agreed) -> Self {
        Self {
            alpn: agreed.alpn.as_deref().map(text),
            cipher_suite: agreed.cipher_suite,
            group: agreed.group,
            version: agreed.version,
        }
    }
}

/// `tls.upstream`: what the upstream showed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsUpstream {
    /// Absent when the handshake failed before both sides agreed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agreed: Option<Agreed>,
    /// The upstream asked for a client certificate; absent when it did not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub asked_for_certificate: bool,
    /// DER, leaf first, as sent.
    pub chain: Vec<Base64>,
    /// The client certificate that Landfall answered with, DER.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_certificate: Option<Sealed<Base64>>,
    pub connection: Spelled<ConnectionId>,
    /// Bytes of the handshake that are not in the stream store, past `limits.handshake-bytes`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handshake_not_kept: Option<Count>,
    /// The stapled OCSP response, DER.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ocsp: Option<Base64>,
    /// Fingerprints of Landfall's own ClientHello.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ours: Option<OwnHello>,
    /// Why the chain did not verify; absent when it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    pub server_name: String,
    /// `verified`; `refused` or `recorded` when it did not verify.
    pub verification: String,
}

/// The ClientHello that the upstream answered in place of the device's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OwnHello {
    pub ja3: String,
    pub ja4: String,
}

impl TlsUpstream {
    pub(super) fn each_sealed(&mut self, each: &mut impl EachSealed) {
        self.client_certificate.iter_mut().for_each(|certificate| each.value(certificate));
    }
}

impl TlsUpstream {
    pub(crate) fn new(connection: ConnectionId, upstream: &tls::UpstreamTls) -> Self {
        let (verification, reason) = match &upstream.verification {
            Verification::Verified => ("verified", None),
            Verification::Refused(reason) => ("refused", Some(reason.clone())),
            Verification::Recorded(reason) => ("recorded", Some(reason.clone())),
        };
        Self {
            agreed: upstream.agreed.as_ref().map(Into::into),
            asked_for_certificate: upstream.asked_for_certificate,
            chain: upstream.chain.iter().cloned().map(Base64).collect(),
            client_certificate: upstream.client_certificate.clone().map(Base64).map(Sealed::Open),
            connection: Spelled(connection),
            handshake_not_kept: Some(upstream.handshake_not_kept).filter(|n| *n > 0).map(Count),
            ocsp: (!upstream.ocsp.is_empty()).then(|| Base64(upstream.ocsp.clone())),
            ours: upstream
                .ours
                .as_ref()
                .map(|ours| OwnHello { ja3: ours.ja3.clone(), ja4: ours.ja4.clone() }),
            reason,
            server_name: upstream.server_name.clone(),
            verification: verification.to_owned(),
        }
    }
}

fn text(bytes: &[u8]) -> Text {
    Text(Bytes::copy_from_slice(bytes))
}
