//! The verbs, each a noun of the product.

use super::run::mark;
use super::{ExportArgs, OutputArgs, ProbeArgs, ReviewVerb, RunArgs, VerifyArgs};
use crate::config::{AuthorityKey, TransparentMode};
use flow::id::FlowId;
use geoip::SetChoice;
use recorder::probe::PublicKey;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;

/// What to do.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Verb {
    /// Serve devices as their proxy and record a session.
    Run(RunArgs),
    /// The same with a simulated phone and servers on loopback; ends with the phone, or with
    /// `--duration`.
    Demo(RunArgs),
    /// The authority that devices are told to trust.
    #[command(subcommand)]
    Ca(CaVerb),
    /// Recorded sessions.
    #[command(subcommand)]
    Session(SessionVerb),
    /// Flows of a session: exchanges, and connections that hold none.
    #[command(subcommand)]
    Flow(FlowVerb),
    /// Destinations of a session: hosts and the addresses behind them.
    #[command(subcommand)]
    Dest(DestVerb),
    /// What people make of the destinations that were flagged.
    #[command(subcommand)]
    Review(ReviewVerb),
    /// What the databases say of any address.
    Lookup {
        /// Addresses and host names; `-` reads them from stdin, one per line.
        #[arg(required = true, value_name = "IP|HOST")]
        what: Vec<String>,
        /// Dial each of them, on port 443 or that of HOST:PORT, and measure TLS handshakes; nothing is
        /// contacted without it.
        #[arg(long)]
        rtt: bool,
        /// Let loopback and link-local addresses be dialled (tests).
        #[arg(long, requires = "rtt")]
        allow_local: bool,
        /// MMDB file to ask beside the bundled databases; repeatable.
        #[arg(long, value_name = "FILE")]
        geoip: Vec<PathBuf>,
        /// Set of databases to ask: active, embedded or the beginning of a set's name (see `landfall
        /// geo status --sets`).
        #[arg(long, value_name = "SET")]
        databases: Option<SetChoice>,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Measure from this machine what TLS handshakes with hosts take, and write it signed, for
    /// `landfall session import` elsewhere.
    Probe(ProbeArgs),
    /// The databases behind every statement on an address.
    #[command(subcommand)]
    Geo(GeoVerb),
    /// Check what a run needs: port, addresses, clock, authority, databases, disk, resolver.
    Doctor {
        /// Address and port to try [default: that of the configuration].
        #[arg(long, value_name = "ADDR:PORT")]
        listen: Option<SocketAddr>,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Commands that a person runs to set a machine up; nothing is changed here.
    #[command(subcommand)]
    Setup(SetupVerb),
    /// Write a session in a form that other programs read.
    Export(ExportArgs),
    /// Check a bundle or a session, offline; exits with 4 when something is contradicted, with 3 when
    /// something is not proven.
    Verify(VerifyArgs),
    /// A completion script for a shell, on stdout.
    Completions { shell: clap_complete::Shell },
}

#[derive(Debug, clap::Subcommand)]
pub(crate) enum CaVerb {
    /// Make the authority, with a key of the kind that is asked for; refused if there is one.
    Create {
        /// Kind of key [default: that of the configuration, else p256].
        #[arg(long, value_name = "KIND")]
        key: Option<AuthorityKey>,
    },
    /// Name, fingerprint, validity and place of the certificate, and how to install it; creates the
    /// authority if there is none.
    Show {
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Write the certificate for a device to install; creates the authority if there is none.
    Export {
        #[arg(long, visible_alias = "format", value_name = "FORM", default_value = "pem")]
        form: CertificateForm,
        /// File to write, or a directory, in which it gets its usual name; `-` for stdout, which for
        /// a binary form must not be a terminal.
        #[arg(short = 'o', long = "out", value_name = "FILE", default_value = "-")]
        out: PathBuf,
        /// Password of the p12 form. It protects nothing secret: the form holds no key.
        #[arg(long, value_name = "TEXT", default_value = "landfall")]
        password: String,
    },
    /// Make a new authority in place of the old one, whose key is destroyed; devices must be told
    /// to trust the new one.
    Rotate {
        /// Kind of the new key [default: that of the configuration, else p256].
        #[arg(long, value_name = "KIND")]
        key: Option<AuthorityKey>,
    },
    /// Destroy the authority's key and remove its certificate, after asking.
    Remove {
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
}

/// Forms of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum CertificateForm {
    /// Text, for curl, Firefox, Linux.
    Pem,
    /// Bytes, for phones and Windows.
    Der,
    /// PKCS #12 with the certificate alone, for Java and whatever takes nothing else.
    P12,
    /// A profile for iOS, iPadOS and macOS.
    Mobileconfig,
    /// A file for Android's system store, named by the hash that Android looks for.
    Android,
    /// A module for Magisk, KernelSU or APatch on a rooted Android.
    Magisk,
}

#[derive(Debug, clap::Subcommand)]
pub(crate) enum SessionVerb {
    /// All sessions, the newest first.
    List {
        #[command(flatten)]
        output: OutputArgs,
    },
    /// One session.
    Show {
        /// A name, an id or the beginning of one [default: that of -S, else the newest].
        session: Option<String>,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Build the index of a session again from its record log.
    Reindex {
        /// A name, an id or the beginning of one [default: that of -S, else the newest].
        session: Option<String>,
    },
    /// Derive the exchanges of a session again from its recorded bytes, and list where the log says
    /// something else; exits with 3 when it does.
    Reobserve {
        /// A name, an id or the beginning of one [default: that of -S, else the newest].
        session: Option<String>,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Take in what `landfall probe` measured on other machines, into the review log of a session.
    Import {
        /// A name, an id or the beginning of one.
        session: String,
        /// What `landfall probe` wrote.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Public key of the installation that measured, as its operator told it to you; repeatable.
        /// Files that are signed with another one are refused.
        #[arg(long, value_name = "KEY")]
        trust: Vec<PublicKey>,
        /// Who imports [default: `reviewer` of the configuration, else the user of this machine].
        #[arg(long, value_name = "NAME")]
        reviewer: Option<String>,
    },
    /// In what the destinations of two sessions differ; exits with 3 when they do.
    Compare {
        /// A name, an id, the beginning of one, or the path of a session's directory.
        a: String,
        /// The other session, in the same way.
        b: String,
        /// Which flows of both count, such as: not(host:*.apple.com).
        filter: Vec<String>,
        /// Leave amounts and treatment out, which differ between any two runs.
        #[arg(long)]
        no_traffic: bool,
        #[command(flatten)]
        output: OutputArgs,
    },
}

#[derive(Debug, clap::Subcommand)]
pub(crate) enum FlowVerb {
    /// The flows that match a filter, in the order of time.
    List {
        /// Such as: host:*.example.com country:CN not(status:2xx).
        filter: Vec<String>,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Everything known of one flow.
    Show {
        /// cN (a connection) or cN.M (an exchange).
        id: FlowId,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// The messages of an exchange: WebSocket and gRPC messages, server-sent events.
    Messages {
        /// cN.M (an exchange).
        id: FlowId,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// A body on stdout, as transferred unless told otherwise; of a connection without exchanges what
    /// the device (request) or the upstream (response) sent.
    Body {
        /// cN.M (an exchange), or cN (a connection without exchanges).
        id: FlowId,
        #[arg(long, default_value = "response")]
        part: Part,
        /// Undo the content encoding: gzip, deflate, br, zstd.
        #[arg(long)]
        decoded: bool,
    },
    /// The TLS bytes of a connection as they passed, into a file or pipe: all of them where the
    /// session was recorded with `--wire full`, else those of the handshake with the upstream.
    Wire {
        /// cN, or cN.M for its connection.
        id: FlowId,
        #[arg(long, default_value = "upstream")]
        leg: WireLeg,
        #[arg(long, default_value = "response")]
        part: Part,
    },
}

/// Whose TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum WireLeg {
    /// That with the device.
    Client,
    /// That with the upstream.
    Upstream,
}

/// Which message's body, or which direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Part {
    Request,
    Response,
}

#[derive(Debug, clap::Subcommand)]
pub(crate) enum DestVerb {
    /// The destinations of the flows that match a filter.
    List {
        /// What to group the flows by.
        #[arg(long, value_name = "WHAT", default_value = "host")]
        by: By,
        /// Such as: country:CN or flag:mainland-china.
        filter: Vec<String>,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Everything known of one destination.
    Show {
        /// A host name or an address.
        name: String,
        /// Ask another set of databases as well, and print its opinion beside the session's own:
        /// active, embedded or the beginning of a set's name.
        #[arg(long, value_name = "SET")]
        also_with: Option<SetChoice>,
        #[command(flatten)]
        output: OutputArgs,
    },
}

/// What destinations are grouped by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum By {
    Host,
    Operator,
    Asn,
    /// The country on which nothing disagrees.
    Country,
    Address,
}

impl From<By> for recorder::read::GroupBy {
    fn from(by: By) -> Self {
        match by {
            By::Host => Self::Host,
            By::Operator => Self::Operator,
            By::Asn => Self::Asn,
            By::Country => Self::Country,
            By::Address => Self::Address,
        }
    }
}

#[derive(Debug, clap::Subcommand)]
pub(crate) enum GeoVerb {
    /// Dates, hashes, licences and age of the databases, and which set of them is asked.
    Status {
        /// List the sets of databases on this machine in place of the files that are asked.
        #[arg(long)]
        sets: bool,
        /// Exit with 5 when a database of the set is missing or older than 90 days.
        #[arg(long)]
        strict: bool,
        /// MMDB file to look at beside the bundled databases; repeatable.
        #[arg(long, value_name = "FILE")]
        geoip: Vec<PathBuf>,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Fetch newer databases from their publishers, check all of each and ask them from now on. The
    /// one command that contacts them; sessions that run keep what they have.
    Update {
        /// Source to update; repeatable [default: all: dbip-country, ipfire, iptoasn-country].
        #[arg(long, value_name = "NAME")]
        only: Vec<String>,
        /// Take a file although it is older than the one in use, or very different from it.
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Remove sets of databases that nobody needs. Those stay that are active, came with the program, are
    /// named by the configuration, or were asked by a session in the data directory or an opinion on it.
    Prune {
        /// How many of the others stay, the newest first.
        #[arg(long, value_name = "NUMBER", default_value_t = 2)]
        keep: usize,
        /// Only say what would be removed.
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Check the databases that are asked, or any files, from end to end: hash, form, every network,
    /// answers that are known; exits with 4 when one fails.
    Verify {
        /// MMDB files and IPFire location databases [default: all that are asked].
        files: Vec<PathBuf>,
        #[command(flatten)]
        output: OutputArgs,
    },
}

#[derive(Debug, clap::Subcommand)]
pub(crate) enum SetupVerb {
    /// Print the packet filter rules by which a Linux gateway hands connections to Landfall.
    Transparent(TransparentArgs),
}

/// Options of `landfall setup transparent`.
#[derive(Debug, clap::Args)]
pub(crate) struct TransparentArgs {
    /// How the kernel hands connections over [default: that of the configuration, else redirect].
    #[arg(long)]
    pub(crate) mode: Option<TransparentMode>,
    /// Interface that the devices are behind [default: all but loopback].
    #[arg(long, value_name = "INTERFACE")]
    pub(crate) interface: Option<String>,
    /// Address and port where Landfall listens for them; repeatable [default: those of the
    /// configuration, else 0.0.0.0:8081 and [::]:8081].
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) listen: Vec<SocketAddr>,
    /// Take this machine's own connections too, except those of this user, as which Landfall runs.
    #[arg(long, value_name = "UID", conflicts_with = "mark")]
    pub(crate) uid: Option<u32>,
    /// Take this machine's own connections too, except those with this mark (see `landfall run
    /// --transparent-mark`).
    #[arg(long, value_name = "NUMBER", value_parser = mark)]
    pub(crate) mark: Option<NonZeroU32>,
    /// Print the commands that take it all back.
    #[arg(long)]
    pub(crate) undo: bool,
}
