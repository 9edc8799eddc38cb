//! The effective configuration as canonical text: a `landfall.toml` with every key that has a value,
//! in a fixed order. Equal settings give equal text, and the text means the settings, but
//! for the passwords: in their place stands a word that is refused as one.

use super::credentials::{REDACTED, User};
use super::flags;
use super::settings::{CertificateFiles, Settings, Transparent};
use super::unit::{DurationText, SizeText};
use super::vantage::{canonical_simulate, canonical_vantage};
use super::written::{OnFull, OnMalformed, UpstreamVerify, Wire};
use crate::error::Error;
use flow::address::Host;
use flow::assessment::Statement;
use flow::limits::Limits;
use proxy::{OnDistrust, UpstreamProxy};
use serde_json::{Map, Value, json};
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// All settings that a run depends on, defaults included: what a session records. Paths are as they
/// are used.
///
/// # Errors
/// A value that TOML cannot express; the settings have none.
pub(crate) fn canonical(settings: &Settings) -> Result<String, Error> {
    let verify = match settings.upstream_verify {
        UpstreamVerify::Refuse => "refuse",
        UpstreamVerify::Record => "record",
    };
    let on_full = match settings.on_full {
        OnFull::Refuse => "refuse",
        OnFull::Exit => "exit",
    };
    let on_malformed = match settings.on_malformed {
        OnMalformed::Relay => "relay",
        OnMalformed::Close => "close",
    };
    let wire = match settings.wire {
        Wire::Handshake => "handshake",
        Wire::Full => "full",
    };
    let mut value = json!({
        "listen": settings.listen,
        "upstream-verify": verify,
        "on-full": on_full,
        "on-malformed": on_malformed,
        "wire": wire,
        "upstream-ca": paths(&settings.upstream_ca),
        "intercept": texts(&settings.rules.intercept),
        "passthrough": texts(&settings.rules.passthrough),
        "block": texts(&settings.rules.block),
        "on-distrust": on_distrust(settings.rules.on_distrust),
        "allow": texts(&settings.rules.allowed_clients),
        "allow-local": settings.rules.allow_local,
        "proxy": proxy(settings),
        "client-certificate": certificates(&settings.client_certificates),
        "authority-key": settings.authority_key.word(),
        "limits": limits(&settings.limits),
        "resolver": {"servers": texts(&settings.resolver.servers), "watch": settings.watch},
        "resolve": resolve(settings),
        "dial": dial(settings),
        "transparent": transparent(settings),
        "geo": geo(settings),
        "statement": statements(settings),
        "flag": flags::canonical(&settings.geoip.policies),
        "simulate": canonical_simulate(&settings.simulated_times),
    });
    if let Some(object) = value.as_object_mut() {
        let optional = [
            ("case", settings.case.clone()),
            ("session", settings.session.clone()),
            ("device", settings.device.clone()),
            ("reviewer", settings.reviewer.clone()),
            ("duration", settings.duration.map(time)),
            ("fail-on", settings.fail_on.as_ref().map(ToString::to_string)),
        ];
        if let Some(proxy) = &settings.upstream_proxy {
            let credentials = settings.upstream_proxy_credentials.as_deref();
            object.insert("upstream-proxy".to_owned(), upstream_proxy(proxy, credentials));
        }
        if let Some(key) = &settings.signing_key {
            object.insert("evidence".to_owned(), json!({ "key": key }));
        }
        if let Some(vantage) = settings.vantage {
            object.insert("vantage".to_owned(), canonical_vantage(vantage));
        }
        let given =
            optional.into_iter().filter_map(|(key, text)| Some((key.to_owned(), text?.into())));
        object.extend(given);
    }
    text(&value)
}

fn resolve(settings: &Settings) -> Map<String, Value> {
    settings
        .resolver
        .overrides
        .iter()
        .map(|(name, answer)| {
            let answer = json!({"cnames": texts(&answer.cnames), "addresses": answer.addresses});
            (name.to_string(), answer)
        })
        .collect()
}

/// An empty text must never pass for a configuration.
fn text(value: &Value) -> Result<String, Error> {
    toml::to_string(value).map_err(|error| {
        Error::runtime("the effective configuration cannot be written down").because(&error)
    })
}

fn limits(limits: &Limits) -> Value {
    let size = |bytes: usize| SizeText(bytes as u64).to_string();
    json!({
        "connections": limits.connections,
        "device-connections": limits.device_connections,
        "client-hello-bytes": size(limits.client_hello_bytes),
        "request-head-bytes": size(limits.request_head_bytes),
        "observed-header-bytes": size(limits.observed_header_bytes),
        "observed-streams": limits.observed_streams,
        "observed-body-bytes": size(limits.observed_body_bytes),
        "observed-messages": limits.observed_messages,
        "request-head-time": time(limits.request_head_time),
        "undecided-time": time(limits.undecided_time),
        "answer-time": time(limits.answer_time),
        "resolve-time": time(limits.resolve_time),
        "resolver-connections": limits.resolver_connections,
        "resolver-idle-time": time(limits.resolver_idle_time),
        "watched-names": limits.watched_names,
        "watch-interval": time(limits.watch_interval),
        "connect-time": time(limits.connect_time),
        "dialled-addresses": limits.dialled_addresses,
        "dial-stagger": time(limits.dial_stagger),
        "upstream-proxy-time": time(limits.upstream_proxy_time),
        "tls-time": time(limits.tls_time),
        "handshake-bytes": size(limits.handshake_bytes),
        "waiting-ciphertext-bytes": size(limits.waiting_ciphertext_bytes),
        "fail-open-time": time(limits.fail_open_time),
        "fail-open-entries": limits.fail_open_entries,
        "idle-time": time(limits.idle_time),
        "datagram-flows": limits.datagram_flows,
        "association-destinations": limits.association_destinations,
        "association-bytes": size(limits.association_bytes),
        "datagram-idle-time": time(limits.datagram_idle_time),
        "drain-time": time(limits.drain_time),
        "keepalive-time": time(limits.keepalive_time),
        "shutdown-grace": time(limits.shutdown_grace),
        "recorded-connection-bytes": SizeText(limits.recorded_connection_bytes).to_string(),
        "checkpoint-time": time(limits.checkpoint_time),
        "free-disk-bytes": SizeText(limits.free_disk_bytes).to_string(),
        "events-in-flight-bytes": size(limits.events_in_flight_bytes),
        "leaf-cache-entries": limits.leaf_cache_entries,
        "dns-cache-entries": limits.dns_cache_entries,
        "assessment-cache-entries": limits.assessment_cache_entries,
        "counted-hosts": limits.counted_hosts,
    })
}

/// Without the passwords, in whose place stands that they are left out.
fn proxy(settings: &Settings) -> Value {
    let user = |user: &User| json!({"user": user.user, "password": REDACTED});
    json!({
        "credentials": settings.users.iter().map(user).collect::<Vec<_>>(),
        "credentials-file": paths(&settings.credentials_files),
        "trusted-forwarders": texts(&settings.rules.trusted_forwarders),
    })
}

fn on_distrust(on_distrust: OnDistrust) -> &'static str {
    match on_distrust {
        OnDistrust::Passthrough => "passthrough",
        OnDistrust::Keep => "keep",
        OnDistrust::Block => "block",
    }
}

/// Where the files are; what is in them is no part of the configuration.
fn certificates(files: &[CertificateFiles]) -> Vec<Value> {
    let file = |files: &CertificateFiles| {
        let (certificate, key) = (files.certificate.display(), files.key.display());
        json!({
            "host": files.host.to_string(),
            "certificate": certificate.to_string(),
            "key": key.to_string(),
        })
    };
    files.iter().map(file).collect()
}

fn transparent(settings: &Settings) -> Map<String, Value> {
    let Transparent { listen, mode, mark } = &settings.transparent;
    let all = [
        ("listen", Some(listen.iter().map(ToString::to_string).collect())),
        ("mode", Some(mode.word().into())),
        ("mark", mark.map(Value::from)),
    ];
    all.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()
}

/// Without the credentials of its URL: what is recorded must not let anybody in.
fn upstream_proxy(proxy: &UpstreamProxy, credentials: Option<&Path>) -> Value {
    let mut table = json!({"url": proxy.to_string(), "except": texts(&proxy.except)});
    if let (Some(path), Some(object)) = (credentials, table.as_object_mut()) {
        object.insert("credentials".to_owned(), path.display().to_string().into());
    }
    table
}

fn dial(settings: &Settings) -> Map<String, Value> {
    let by_address = settings.dial.by_address.iter().map(|(k, v)| (k.to_string(), v.to_string()));
    let by_socket = settings.dial.by_socket.iter().map(|(k, v)| (k.to_string(), v.to_string()));
    by_address.chain(by_socket).map(|(key, socket)| (key, socket.into())).collect()
}

fn geo(settings: &Settings) -> Value {
    let overrides: Vec<Value> = settings
        .geoip
        .overrides
        .iter()
        .map(|o| {
            let optional = [
                ("country", o.country.map(|country| country.to_string().into())),
                ("asn", o.asn.map(|asn| asn.0.into())),
                ("operator", o.operator.clone().map(Value::from)),
                ("note", (!o.note.is_empty()).then(|| o.note.clone().into())),
            ];
            let given = optional.into_iter().filter_map(|(key, value)| Some((key, value?)));
            let network = ("network", Value::from(o.network.to_string()));
            given.chain([network]).map(|(key, value)| (key.to_owned(), value)).collect()
        })
        .map(Value::Object)
        .collect();
    let urls = &settings.database_urls;
    let mut update = json!({
        "dbip-country": urls.dbip_country.to_string(),
        "ipfire": urls.ipfire.to_string(),
        "iptoasn-country": urls.iptoasn_country.to_string(),
    });
    if let (Some(key), Some(table)) = (&urls.ipfire_key, update.as_object_mut()) {
        table.insert("ipfire-key".to_owned(), key.display().to_string().into());
    }
    json!({
        "databases": paths(&settings.geoip.extra_mmdb),
        "set": settings.geoip.set.to_string(),
        "update": update,
        "override": overrides,
    })
}

fn statements(settings: &Settings) -> Vec<Value> {
    let written = |(host, statement): &(Host, Statement)| json!({"text": statement.text, "host": host.to_string(), "says": statement.says.to_string()});
    settings.statements.iter().map(written).collect()
}

fn time(duration: Duration) -> String {
    DurationText(duration).to_string()
}

fn texts<T: Display>(values: &[T]) -> Vec<String> {
    values.iter().map(ToString::to_string).collect()
}

fn paths(paths: &[PathBuf]) -> Vec<String> {
    paths.iter().map(|path| path.display().to_string()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::sample::EVERYTHING;
    use super::super::settings::DataDir;
    use super::super::{File, parse};
    use super::*;
    use crate::args::RunArgs;

    fn settings(text: &str, path: Option<&str>) -> Settings {
        let written = parse(text, Path::new("landfall.toml")).unwrap();
        let file = File { path: path.map(PathBuf::from), text: text.to_owned(), written };
        let data = DataDir::new(Some("data".into())).unwrap();
        Settings::new(file, RunArgs::default(), data).unwrap()
    }

    #[test]
    fn the_effective_configuration_is_complete_and_means_the_same() {
        let text = canonical(&settings(EVERYTHING, Some("conf/landfall.toml"))).unwrap();
        for line in [
            "idle-time = \"1h\"",
            "recorded-connection-bytes = \"16GiB\"",
            "\"8.136.0.1\" = \"127.0.0.1:18443\"",
            "fail-on = \"country:CN\"",
            "lat = 1.3521",
            "\"8.136.0.1\" = 4.5",
            "authority-key = \"rsa2048\"",
            "network = \"203.0.113.0/24\"",
            "upstream-ca = [\"conf/ca.pem\"]",
            "trusted-forwarders = [\"10.0.0.0/8\"]",
            "user = \"weather\"",
            "on-distrust = \"block\"",
            "certificate = \"conf/client.pem\"",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is missing from\n{text}");
        }
        assert!(!text.contains("sunny"), "{text}");
        let table: toml::Table = text.parse().unwrap();
        assert_eq!(table.get("limits").and_then(|limits| limits.as_table()).unwrap().len(), 41);
        // The recorded text is refused until it has real passwords again.
        let refused = parse(&text, Path::new("landfall.toml")).map(|written| {
            let data = DataDir::new(Some("data".into())).unwrap();
            Settings::new(File { written, ..File::default() }, RunArgs::default(), data).is_err()
        });
        assert!(refused.unwrap_or(true), "{text}");
        let again = text.replace("[redacted]", "sunny");
        assert_eq!(canonical(&settings(&again, None)).unwrap(), text);
    }

    #[test]
    fn a_configuration_that_cannot_be_written_down_is_not_recorded_as_an_empty_one() {
        let error = text(&json!("no table")).unwrap_err();
        assert!(error.to_string().contains("\n  because: "), "{error}");
    }
}
