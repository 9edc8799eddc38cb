//! The probes that were imported into a session, and what they add to the facts about a destination.
//! What follows from their times is said elsewhere.

use crate::error::ReviewFault;
use crate::probe::{AddressShape, ProbeFile};
use crate::read::{AddressSeen, DestinationRow};
use crate::record::probe::Standing;
use crate::record::review::{ReviewBody, ReviewRecord};
use crate::record::value::Base64;
use flow::assessment::{MeasuredFrom, NoStatement, Probe, ProbedWhen, RoundTrips, Samples};
use flow::id::RecordSeq;
use flow::round_trip::ChainRoots;
use flow::time::WallNanos;
use geoip::assess::Facts;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// A probe in the review log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportedProbe {
    /// The record that holds it.
    pub seq: u64,
    pub standing: Standing,
    pub file: ProbeFile,
    /// Of the file, hex.
    pub sha256: String,
}

/// Those of a review log, each file once, as it was imported last.
pub(super) fn imported(records: &[ReviewRecord]) -> Result<Vec<ImportedProbe>, ReviewFault> {
    let mut probes: Vec<ImportedProbe> = Vec::new();
    for ReviewRecord { seq, body, .. } in records {
        let ReviewBody::Probe(record) = body else { continue };
        let fault = ReviewFault::Probe(*seq);
        let file = ProbeFile::parse(record.file.as_bytes()).map_err(|_why| fault)?;
        let sha256 = file.sha256();
        if sha256 != record.sha256 || Base64::from(file.key().0) != record.key {
            return Err(fault);
        }
        probes.retain(|known| known.sha256 != sha256);
        probes.push(ImportedProbe { seq: *seq, standing: record.standing, file, sha256 });
    }
    Ok(probes)
}

impl ImportedProbe {
    /// What it measured of an address that the session saw.
    fn round_trips(&self, shape: &AddressShape, seen: &AddressSeen) -> Option<RoundTrips> {
        let probe = self.file.probe();
        let source = Probe {
            name: probe.name.clone(),
            vantage: probe.declared()?,
            key: self.file.key().to_string(),
            standing: self.standing.into(),
            record: RecordSeq(self.seq),
            when: when([probe.began.0, probe.ended.0], seen),
            silence: self.silence(),
        };
        let nanos = |nanos: u64| Duration::from_nanos(nanos);
        let public = shape.samples.iter().filter(|sample| sample.chain.0 == ChainRoots::Public);
        let connected = shape.samples.iter().filter_map(|sample| sample.connect_ns);
        Some(RoundTrips {
            from: MeasuredFrom::Probe(Arc::new(source)),
            signature: least(public.map(|sample| nanos(sample.signature_ns.0))),
            connect: least(connected.map(|connect| nanos(connect.0))),
            kernel: None,
            records: Vec::new(),
        })
    }

    /// Why nothing may be concluded from its times, by what it says of its network.
    fn silence(&self) -> Option<NoStatement> {
        let network = &self.file.probe().network;
        let tunnel = |tunnel: &String| NoStatement::Tunnel(tunnel.clone());
        match (&network.uplink, network.upstream_proxy) {
            (_, true) => Some(NoStatement::UpstreamProxy),
            (None, false) => Some(NoStatement::NetworkUnknown),
            (Some(uplink), false) => uplink.tunnel.as_ref().map(tunnel),
        }
    }
}

/// Adds what probes measured to the facts about a destination.
pub(super) fn add(
    probes: &[ImportedProbe],
    facts: &mut Facts,
    row: &DestinationRow,
    ports: &BTreeSet<u16>,
) {
    for address in &mut facts.addresses {
        let of = address.annotation.address;
        let Some(seen) = row.addresses.iter().find(|seen| seen.address == of) else { continue };
        for probe in probes {
            let shapes = probe.file.measured(&facts.host, ports, of);
            let before = address.round_trips.len();
            address.round_trips.extend(shapes.filter_map(|shape| probe.round_trips(shape, seen)));
            let any = address.round_trips.len() > before;
            facts.simulated |= any && probe.file.probe().is_simulated();
        }
    }
}

/// When something took place, seen from the time in which the session saw an address.
fn when([began, ended]: [WallNanos; 2], seen: &AddressSeen) -> ProbedWhen {
    let between =
        |from: WallNanos, to: WallNanos| Duration::from_nanos(to.0.saturating_sub(from.0));
    if ended < seen.first_seen {
        ProbedWhen::Before(between(ended, seen.first_seen))
    } else if began > seen.last_seen {
        ProbedWhen::After(between(seen.last_seen, began))
    } else {
        ProbedWhen::Meanwhile
    }
}

fn least(times: impl Iterator<Item = Duration>) -> Option<Samples> {
    times.fold(None, |samples, time| {
        let known = samples.unwrap_or(Samples { least: time, count: 0 });
        Some(Samples { least: known.least.min(time), count: known.count + 1 })
    })
}
