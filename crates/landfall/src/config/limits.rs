//! `[limits]`: what each bound of the program may be, as written and as meant. What they bound is
//! said in [`flow::limits`].

use super::place::Place;
use super::text::Text;
use super::unit::{DurationText, SizeText};
use crate::error::Error;
use flow::limits::Limits;
use serde::Deserialize;
use std::time::Duration;

/// `[limits]`: the fields of [`flow::limits::Limits`].
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct LimitsTable {
    pub(super) connections: Option<usize>,
    pub(super) device_connections: Option<usize>,
    pub(super) client_hello_bytes: Option<Text<SizeText>>,
    pub(super) request_head_bytes: Option<Text<SizeText>>,
    pub(super) observed_header_bytes: Option<Text<SizeText>>,
    pub(super) observed_streams: Option<usize>,
    pub(super) observed_body_bytes: Option<Text<SizeText>>,
    pub(super) observed_messages: Option<u64>,
    pub(super) request_head_time: Option<Text<DurationText>>,
    pub(super) undecided_time: Option<Text<DurationText>>,
    pub(super) answer_time: Option<Text<DurationText>>,
    pub(super) resolve_time: Option<Text<DurationText>>,
    pub(super) resolver_connections: Option<usize>,
    pub(super) resolver_idle_time: Option<Text<DurationText>>,
    pub(super) watched_names: Option<usize>,
    pub(super) watch_interval: Option<Text<DurationText>>,
    pub(super) connect_time: Option<Text<DurationText>>,
    pub(super) dialled_addresses: Option<usize>,
    pub(super) dial_stagger: Option<Text<DurationText>>,
    pub(super) upstream_proxy_time: Option<Text<DurationText>>,
    pub(super) tls_time: Option<Text<DurationText>>,
    pub(super) handshake_bytes: Option<Text<SizeText>>,
    pub(super) waiting_ciphertext_bytes: Option<Text<SizeText>>,
    pub(super) fail_open_time: Option<Text<DurationText>>,
    pub(super) fail_open_entries: Option<usize>,
    pub(super) idle_time: Option<Text<DurationText>>,
    pub(super) datagram_flows: Option<usize>,
    pub(super) association_destinations: Option<usize>,
    pub(super) association_bytes: Option<Text<SizeText>>,
    pub(super) datagram_idle_time: Option<Text<DurationText>>,
    pub(super) drain_time: Option<Text<DurationText>>,
    pub(super) keepalive_time: Option<Text<DurationText>>,
    pub(super) shutdown_grace: Option<Text<DurationText>>,
    pub(super) recorded_connection_bytes: Option<Text<SizeText>>,
    pub(super) checkpoint_time: Option<Text<DurationText>>,
    pub(super) free_disk_bytes: Option<Text<SizeText>>,
    pub(super) events_in_flight_bytes: Option<Text<SizeText>>,
    pub(super) leaf_cache_entries: Option<usize>,
    pub(super) dns_cache_entries: Option<u64>,
    pub(super) assessment_cache_entries: Option<usize>,
    pub(super) counted_hosts: Option<usize>,
}

/// What the table means; a key that is not there means its default.
pub(super) fn limits(written: &LimitsTable, place: &Place<'_>) -> Result<Limits, Error> {
    let mut limits = Limits::default();
    let place = &Checked(place);
    for (key, value, limit) in [
        ("connections", written.connections, &mut limits.connections),
        ("device-connections", written.device_connections, &mut limits.device_connections),
        ("observed-streams", written.observed_streams, &mut limits.observed_streams),
        ("resolver-connections", written.resolver_connections, &mut limits.resolver_connections),
        ("watched-names", written.watched_names, &mut limits.watched_names),
        ("dialled-addresses", written.dialled_addresses, &mut limits.dialled_addresses),
        ("fail-open-entries", written.fail_open_entries, &mut limits.fail_open_entries),
        ("datagram-flows", written.datagram_flows, &mut limits.datagram_flows),
        (
            "association-destinations",
            written.association_destinations,
            &mut limits.association_destinations,
        ),
        ("leaf-cache-entries", written.leaf_cache_entries, &mut limits.leaf_cache_entries),
        (
            "assessment-cache-entries",
            written.assessment_cache_entries,
            &mut limits.assessment_cache_entries,
        ),
        ("counted-hosts", written.counted_hosts, &mut limits.counted_hosts),
    ] {
        place.count(key, value, limit)?;
    }
    for (key, value, limit) in [
        ("handshake-bytes", written.handshake_bytes, &mut limits.handshake_bytes),
        (
            "waiting-ciphertext-bytes",
            written.waiting_ciphertext_bytes,
            &mut limits.waiting_ciphertext_bytes,
        ),
        ("association-bytes", written.association_bytes, &mut limits.association_bytes),
        (
            "events-in-flight-bytes",
            written.events_in_flight_bytes,
            &mut limits.events_in_flight_bytes,
        ),
    ] {
        place.bytes(key, value, limit)?;
    }
    for (key, value, limit) in [
        ("client-hello-bytes", written.client_hello_bytes, &mut limits.client_hello_bytes),
        ("request-head-bytes", written.request_head_bytes, &mut limits.request_head_bytes),
        ("observed-header-bytes", written.observed_header_bytes, &mut limits.observed_header_bytes),
    ] {
        place.recorded_bytes(key, value, limit)?;
    }
    times(written, place, &mut limits)?;
    // Zero means something for the rest: nothing kept, no floor, no message, no cache.
    if let Some(Text(SizeText(bytes))) = written.recorded_connection_bytes {
        limits.recorded_connection_bytes = bytes;
    }
    if let Some(Text(SizeText(bytes))) = written.free_disk_bytes {
        limits.free_disk_bytes = bytes;
    }
    if let Some(Text(SizeText(bytes))) = written.observed_body_bytes {
        limits.observed_body_bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
    }
    let messages = &mut limits.observed_messages;
    *messages = written.observed_messages.unwrap_or(*messages);
    let entries = &mut limits.dns_cache_entries;
    *entries = written.dns_cache_entries.unwrap_or(*entries);
    Ok(limits)
}

fn times(written: &LimitsTable, place: &Checked<'_>, limits: &mut Limits) -> Result<(), Error> {
    for (key, value, limit) in [
        ("request-head-time", written.request_head_time, &mut limits.request_head_time),
        ("undecided-time", written.undecided_time, &mut limits.undecided_time),
        ("answer-time", written.answer_time, &mut limits.answer_time),
        ("resolve-time", written.resolve_time, &mut limits.resolve_time),
        ("resolver-idle-time", written.resolver_idle_time, &mut limits.resolver_idle_time),
        ("watch-interval", written.watch_interval, &mut limits.watch_interval),
        ("connect-time", written.connect_time, &mut limits.connect_time),
        ("dial-stagger", written.dial_stagger, &mut limits.dial_stagger),
        ("upstream-proxy-time", written.upstream_proxy_time, &mut limits.upstream_proxy_time),
        ("tls-time", written.tls_time, &mut limits.tls_time),
        ("fail-open-time", written.fail_open_time, &mut limits.fail_open_time),
        ("idle-time", written.idle_time, &mut limits.idle_time),
        ("datagram-idle-time", written.datagram_idle_time, &mut limits.datagram_idle_time),
        ("drain-time", written.drain_time, &mut limits.drain_time),
        ("checkpoint-time", written.checkpoint_time, &mut limits.checkpoint_time),
    ] {
        place.time(key, value, limit)?;
    }
    place.probed("keepalive-time", written.keepalive_time, &mut limits.keepalive_time)?;
    // Zero means no grace.
    if let Some(Text(DurationText(time))) = written.shutdown_grace {
        limits.shutdown_grace = time;
    }
    Ok(())
}

/// The limits that a session was recorded with. A key of another version, and a value that is none
/// in this one, counts as its default: an old session must stay readable.
pub(crate) fn recorded_limits(configuration: &str) -> Limits {
    let table: toml::Table = configuration.parse().unwrap_or_default();
    let Some(toml::Value::Table(limits)) = table.get("limits") else { return Limits::default() };
    let mut known = toml::Table::new();
    for (key, value) in limits {
        let mut with = known.clone();
        with.insert(key.clone(), value.clone());
        if meant(&with).is_some() {
            known = with;
        }
    }
    meant(&known).unwrap_or_default()
}

fn meant(table: &toml::Table) -> Option<Limits> {
    let written: LimitsTable = table.clone().try_into().ok()?;
    limits(&written, &Place::default()).ok()
}

/// Puts a value that is there, and may be, in the place of a default.
struct Checked<'a>(&'a Place<'a>);

impl Checked<'_> {
    fn count(&self, key: &str, value: Option<usize>, limit: &mut usize) -> Result<(), Error> {
        match value {
            Some(0) => return Err(self.refuse(key, "must be at least 1")),
            Some(count) => *limit = count,
            None => {}
        }
        Ok(())
    }

    fn bytes(
        &self,
        key: &str,
        value: Option<Text<SizeText>>,
        limit: &mut usize,
    ) -> Result<(), Error> {
        let Some(Text(SizeText(bytes))) = value else { return Ok(()) };
        if bytes == 0 {
            return Err(self.refuse(key, "must be at least 1B"));
        }
        *limit = usize::try_from(bytes).map_err(|_wide| self.refuse(key, "is too large here"))?;
        Ok(())
    }

    /// As [`Checked::bytes`], of what becomes one record, whose line is bounded.
    fn recorded_bytes(
        &self,
        key: &str,
        value: Option<Text<SizeText>>,
        limit: &mut usize,
    ) -> Result<(), Error> {
        self.bytes(key, value, limit)?;
        if *limit as u64 > MOST_RECORDED_BYTES {
            let why = format!("must not be over {}", SizeText(MOST_RECORDED_BYTES));
            let hint = "what it bounds is written as one record, which has a limit";
            return Err(self.refuse(key, &why).hint(hint));
        }
        Ok(())
    }

    fn time(
        &self,
        key: &str,
        value: Option<Text<DurationText>>,
        limit: &mut Duration,
    ) -> Result<(), Error> {
        let Some(Text(DurationText(time))) = value else { return Ok(()) };
        if time.is_zero() {
            return Err(self.refuse(key, "must be at least 1ms"));
        }
        *limit = time;
        Ok(())
    }

    /// As [`Checked::time`], of what the system counts in whole seconds.
    fn probed(
        &self,
        key: &str,
        value: Option<Text<DurationText>>,
        limit: &mut Duration,
    ) -> Result<(), Error> {
        self.time(key, value, limit)?;
        if !(SHORTEST_PROBED..=LONGEST_PROBED).contains(limit) {
            return Err(self.refuse(key, "must be 1s to 9h"));
        }
        Ok(())
    }

    fn refuse(&self, key: &str, why: &str) -> Error {
        self.0.refuse(&format!("limits.{key}"), why)
    }
}

/// What Linux takes for TCP_KEEPIDLE is 1 to 32,767 s.
const SHORTEST_PROBED: Duration = Duration::from_secs(1);
const LONGEST_PROBED: Duration = Duration::from_secs(9 * 60 * 60);
/// The most that goes into one record of the log: a ClientHello, a head.
const MOST_RECORDED_BYTES: u64 = 2 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recorded_limits_are_those_that_this_version_knows() {
        let text = "listen = 7\n[limits]\nobserved-streams = 3\nnew-key = true\n\
                    observed-header-bytes = \"1KiB\"\nconnections = 0\nidle-time = \"x\"";
        let expected =
            Limits { observed_streams: 3, observed_header_bytes: 1024, ..Limits::default() };
        assert_eq!(recorded_limits(text), expected);
        assert_eq!(recorded_limits("no TOML"), Limits::default());
    }
}
