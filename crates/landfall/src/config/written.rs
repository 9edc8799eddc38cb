//! The configuration file as written: one struct per table, every key optional, unknown keys
//! refused. What the values mean together is [`super::settings`]'s business.

use super::credentials::User;
use super::flags::FlagTable;
use super::limits::LimitsTable;
use super::resolve::Answer;
use super::text::{DialKey, FilterText, Text};
use super::unit::DurationText;
use crate::fetch::url::SourceUrl;
use flow::address::{DnsName, Host};
use flow::assessment::Says;
use flow::claim::Country;
use flow::network::Network;
use geoip::SetChoice;
use proxy::Rule;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::path::PathBuf;

/// `landfall.toml`. The keys at the top are those of `landfall run`'s options.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Written {
    pub(super) listen: Option<SocketAddr>,
    pub(super) case: Option<String>,
    pub(super) session: Option<String>,
    pub(super) device: Option<String>,
    /// Who reviews, unless the command line names somebody.
    pub(super) reviewer: Option<String>,
    pub(super) upstream_verify: Option<UpstreamVerify>,
    pub(super) on_malformed: Option<OnMalformed>,
    pub(super) wire: Option<Wire>,
    pub(super) upstream_ca: Vec<PathBuf>,
    pub(super) intercept: Vec<Text<Rule>>,
    pub(super) passthrough: Vec<Text<Rule>>,
    pub(super) block: Vec<Text<Rule>>,
    pub(super) on_distrust: Option<OnDistrust>,
    pub(super) allow: Vec<Text<Network>>,
    pub(super) allow_local: Option<bool>,
    /// The key of an authority that is made; one that is there keeps its own.
    pub(super) authority_key: Option<AuthorityKey>,
    pub(super) geoip: Vec<PathBuf>,
    pub(super) duration: Option<Text<DurationText>>,
    pub(super) fail_on: Option<Text<FilterText>>,
    pub(super) proxy: ProxyTable,
    pub(super) client_certificate: Vec<ClientCertificate>,
    pub(super) transparent: TransparentTable,
    pub(super) upstream_proxy: UpstreamProxyTable,
    pub(super) on_full: Option<OnFull>,
    pub(super) limits: LimitsTable,
    pub(super) resolver: ResolverTable,
    /// Host name -> what it resolves to, in place of a look-up.
    pub(super) resolve: BTreeMap<Text<DnsName>, Answer>,
    /// Address, or address and port -> the socket that is dialled in its place.
    pub(super) dial: BTreeMap<Text<DialKey>, SocketAddr>,
    pub(super) geo: GeoTable,
    pub(super) statement: Vec<StatementTable>,
    pub(super) flag: Vec<FlagTable>,
    pub(super) evidence: EvidenceTable,
    pub(super) vantage: Option<VantageTable>,
    pub(super) simulate: SimulateTable,
}

/// What happens to an upstream whose certificate chain does not verify.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum UpstreamVerify {
    /// The connection is refused; the chain and the reason are recorded.
    Refuse,
    /// The connection goes on, marked in the record.
    Record,
}

/// Which TLS bytes are kept of connections that are intercepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Wire {
    /// Those of the handshake with the upstream.
    Handshake,
    /// All of both legs: about three times the bytes.
    Full,
}

/// `[proxy]`: who may use the port.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct ProxyTable {
    pub(super) credentials: Vec<User>,
    /// Files with a `user:password` per line.
    pub(super) credentials_file: Vec<PathBuf>,
    /// Peers whose PROXY protocol header is demanded and believed.
    pub(super) trusted_forwarders: Vec<Text<Network>>,
}

/// What follows when a device refuses our leaf with an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum OnDistrust {
    /// The app's next connection is relayed without decryption.
    Passthrough,
    /// The app's next connection is intercepted too.
    Keep,
    /// The app's next connection is refused.
    Block,
}

/// `[[client-certificate]]`: for upstreams that demand one.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct ClientCertificate {
    pub(super) host: Text<Rule>,
    /// PEM, the leaf first.
    pub(super) certificate: PathBuf,
    /// PEM, not encrypted.
    pub(super) key: PathBuf,
}

/// `[transparent]`: connections that the kernel takes on their way to somebody else (Linux).
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct TransparentTable {
    pub(super) listen: Vec<SocketAddr>,
    pub(super) mode: Option<TransparentMode>,
    /// `SO_MARK` of outgoing sockets.
    pub(super) mark: Option<NonZeroU32>,
}

/// How the kernel hands over connections that were meant for somebody else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum TransparentMode {
    /// A NAT rule replaces the destination, and the kernel remembers it.
    #[default]
    Redirect,
    /// Routing delivers the connection with its destination as it was; needs CAP_NET_ADMIN.
    Tproxy,
}

impl TransparentMode {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Redirect => "redirect",
            Self::Tproxy => "tproxy",
        }
    }
}

/// `[upstream-proxy]`: the proxy through which upstreams are dialled.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct UpstreamProxyTable {
    /// Not read here: the error of a text that may hold a password must not show it.
    pub(super) url: Option<Hidden>,
    /// A file with `user:password`.
    pub(super) credentials: Option<PathBuf>,
    /// Hosts that are dialled directly.
    pub(super) except: Vec<Text<Rule>>,
}

/// A text that may hold a password.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub(crate) struct Hidden(pub(crate) String);

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hidden")
    }
}

impl From<&str> for Hidden {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

/// Kinds of the authority's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum AuthorityKey {
    /// ECDSA on P-256, for all but very old clients.
    P256,
    /// RSA with 2048 bits, for clients that know no ECDSA.
    Rsa2048,
}

impl From<AuthorityKey> for certs::KeyKind {
    fn from(key: AuthorityKey) -> Self {
        match key {
            AuthorityKey::P256 => Self::P256,
            AuthorityKey::Rsa2048 => Self::Rsa2048,
        }
    }
}

/// What a run does once the disk has no room for the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum OnFull {
    /// It stays up and refuses connections, so that nothing passes unrecorded, until it is stopped.
    Refuse,
    /// It ends.
    Exit,
}

/// What happens to a connection whose bytes cannot be followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum OnMalformed {
    /// It is relayed on, and recorded without being decoded.
    Relay,
    /// It is ended.
    Close,
}

/// `[resolver]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct ResolverTable {
    /// Empty = the system's configuration.
    pub(super) servers: Vec<Text<resolver::Server>>,
    /// Look names up again that devices asked for, to see whether their answers change.
    pub(super) watch: Option<bool>,
}

/// `[geo]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct GeoTable {
    /// MMDB files asked beside the publishers' databases.
    pub(super) databases: Vec<PathBuf>,
    /// Which set of the publishers' databases is asked.
    pub(super) set: Option<Text<SetChoice>>,
    pub(super) update: GeoUpdate,
    #[serde(rename = "override")]
    pub(super) overrides: Vec<GeoOverride>,
}

/// `[evidence]`: who stands for the record.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct EvidenceTable {
    /// A private key of OpenSSH's, which signs in place of the installation's.
    pub(super) key: Option<PathBuf>,
}

/// `[vantage]`: where the machine stands that records.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct VantageTable {
    /// Degrees north.
    pub(super) lat: f64,
    /// Degrees east.
    pub(super) lon: f64,
    /// How far from there it may be.
    pub(super) uncertainty_km: f64,
}

/// `[simulate]`: measurements that are made up.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct SimulateTable {
    /// Address -> milliseconds that stand for what a handshake with it takes.
    pub(super) rtt_ms: BTreeMap<Text<IpAddr>, f64>,
}

/// `[[statement]]`: what somebody says of a destination, to be put to the test.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct StatementTable {
    /// In the words of whoever says it.
    pub(super) text: String,
    pub(super) host: Text<Host>,
    /// The same in terms that can be tested.
    pub(super) says: Text<Says>,
}

/// `[geo.update]`: where `landfall geo update` fetches from.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct GeoUpdate {
    pub(super) dbip_country: Option<Text<SourceUrl>>,
    pub(super) ipfire: Option<Text<SourceUrl>>,
    pub(super) iptoasn_country: Option<Text<SourceUrl>>,
    /// PEM: the public key that signs the database, where it is not IPFire's own.
    pub(super) ipfire_key: Option<PathBuf>,
}

/// `[[geo.override]]`: the analyst's own correction.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct GeoOverride {
    pub(super) network: Text<Network>,
    pub(super) country: Option<Text<Country>>,
    pub(super) asn: Option<u32>,
    pub(super) operator: Option<String>,
    pub(super) note: Option<String>,
}
