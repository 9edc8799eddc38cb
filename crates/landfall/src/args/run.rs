//! Options of `landfall run`. Each has its key in `landfall.toml`; a value given here goes before
//! the file's, and a list given here is added to the file's.

use crate::config::{
    DurationText, FilterText, Hidden, OnDistrust, OnFull, OnMalformed, TransparentMode,
    UpstreamVerify, Wire,
};
use flow::network::Network;
use geoip::SetChoice;
use proxy::Rule;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;

/// Options of `landfall run`.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct RunArgs {
    /// How to write the live lines [default: table on a terminal, jsonl into a pipe].
    #[arg(short = 'o', long = "output", value_name = "FORMAT")]
    pub(crate) output: Option<LiveFormat>,
    /// Address and port on which devices reach the proxy [default: 0.0.0.0:8080; of
    /// `landfall demo` a free port of 127.0.0.1].
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) listen: Option<SocketAddr>,
    /// What the recording belongs to.
    #[arg(long, value_name = "NAME")]
    pub(crate) case: Option<String>,
    /// Name of the new session [default: its time].
    #[arg(long, value_name = "NAME")]
    pub(crate) session: Option<String>,
    /// What to call the device.
    #[arg(long, value_name = "NAME")]
    pub(crate) device: Option<String>,
    /// What to do with an upstream whose certificate chain does not verify [default: refuse].
    #[arg(long, value_name = "WHAT")]
    pub(crate) upstream_verify: Option<UpstreamVerify>,
    /// What to do with a connection whose bytes cannot be followed [default: relay].
    #[arg(long, value_name = "WHAT")]
    pub(crate) on_malformed: Option<OnMalformed>,
    /// Which TLS bytes to keep of connections that are intercepted [default: handshake].
    #[arg(long, value_name = "WHAT")]
    pub(crate) wire: Option<Wire>,
    /// PEM file of root certificates to trust beside the platform's; repeatable.
    #[arg(long, value_name = "FILE")]
    pub(crate) upstream_ca: Vec<PathBuf>,
    /// Destinations whose TLS is always opened: `name`, `*.name`, an address or network, `port:N`,
    /// `AS37963`, `country:CC` or `*`; repeatable. The rule that names a destination most closely
    /// decides.
    #[arg(long, value_name = "RULES", value_delimiter = ',')]
    pub(crate) intercept: Vec<Rule>,
    /// Destinations whose TLS is not opened; still recorded; repeatable.
    #[arg(long, value_name = "RULES", value_delimiter = ',')]
    pub(crate) passthrough: Vec<Rule>,
    /// Destinations that are refused; repeatable.
    #[arg(long, value_name = "RULES", value_delimiter = ',')]
    pub(crate) block: Vec<Rule>,
    /// What to do with the next connection of an app that refused our certificate [default:
    /// passthrough].
    #[arg(long, value_name = "WHAT")]
    pub(crate) on_distrust: Option<OnDistrust>,
    /// Network whose clients are served beside private ones; repeatable.
    #[arg(long, value_name = "CIDR", value_delimiter = ',')]
    pub(crate) allow: Vec<Network>,
    /// File of the users that may use the proxy, a `user:password` per line; repeatable.
    #[arg(long, value_name = "FILE")]
    pub(crate) credentials: Vec<PathBuf>,
    /// Network of forwarders that must say with the PROXY protocol for whom they connect;
    /// repeatable.
    #[arg(long, value_name = "CIDR", value_delimiter = ',')]
    pub(crate) proxy_protocol_from: Vec<Network>,
    /// Permit loopback, link-local and metadata addresses as destinations.
    #[arg(long)]
    pub(crate) allow_local: bool,
    /// Address and port for connections that packet filter rules take (Linux; see `landfall setup
    /// transparent`); repeatable.
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) transparent: Vec<SocketAddr>,
    /// By which rules they are taken [default: redirect].
    #[arg(long, value_name = "MODE")]
    pub(crate) transparent_mode: Option<TransparentMode>,
    /// Mark of Landfall's own connections, by which the rules leave them alone.
    #[arg(long, value_name = "NUMBER", value_parser = mark)]
    pub(crate) transparent_mark: Option<NonZeroU32>,
    /// Proxy through which upstreams are dialled: http, socks5 or socks5h://HOST:PORT. Other users
    /// of the machine see a password that is written here.
    #[arg(long, value_name = "URL", value_parser = hidden)]
    pub(crate) upstream_proxy: Option<Hidden>,
    /// File with the credentials for it, user:password.
    #[arg(long, value_name = "FILE")]
    pub(crate) upstream_proxy_credentials: Option<PathBuf>,
    /// Hosts that are dialled without it: `name`, `*.name` or an address; repeatable.
    #[arg(long, value_name = "HOSTS", value_delimiter = ',')]
    pub(crate) upstream_proxy_except: Vec<Rule>,
    /// MMDB file to ask beside the bundled databases; repeatable.
    #[arg(long, value_name = "FILE")]
    pub(crate) geoip: Vec<PathBuf>,
    /// Which set of databases is asked; `lookup` has the option, a run has the file's key.
    #[arg(skip)]
    pub(crate) databases: Option<SetChoice>,
    /// Stop by itself after this time, such as 10m.
    #[arg(long, value_name = "TIME")]
    pub(crate) duration: Option<DurationText>,
    /// Exit with 3 when a recorded flow matches this filter.
    #[arg(long, value_name = "FILTER")]
    pub(crate) fail_on: Option<FilterText>,
    /// What to do when the disk has no room for the record any more [default: refuse].
    #[arg(long, value_name = "WHAT")]
    pub(crate) on_full: Option<OnFull>,
}

/// How live lines are written: one by one, so that there is no array and no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum LiveFormat {
    Table,
    Jsonl,
}

/// A mark as netfilter writes it: decimal, or hexadecimal with `0x`; 0 is no mark.
pub(super) fn mark(text: &str) -> Result<NonZeroU32, String> {
    let parsed = match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16),
        None => text.parse(),
    };
    parsed.ok().and_then(NonZeroU32::new).ok_or_else(|| "not a number such as 0x4c46".to_owned())
}

/// Takes any text: the error of another one would show it.
#[expect(clippy::unnecessary_wraps, reason = "clap asks for a result")]
fn hidden(text: &str) -> Result<Hidden, String> {
    Ok(Hidden(text.to_owned()))
}
