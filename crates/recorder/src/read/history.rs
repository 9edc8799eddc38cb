//! What look-ups of one name answered in the course of a session: successive equal answers as one
//! stretch, and what changed from one to the next. As recorded; what it means is not judged here.

use super::annotations::Annotations;
use super::error::ReadError;
use super::records::{Records, whole};
use crate::record::Body;
use crate::record::dns::{Dns, ResolverShape};
use flow::address::DnsName;
use flow::annotation::Annotation;
use flow::claim::Country;
use flow::time::WallNanos;
use rusqlite::{OptionalExtension, params};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

/// The look-ups of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameHistory {
    pub name: DnsName,
    /// All of the session but those by which the name was watched.
    pub lookups: u64,
    /// Look-ups that no device caused: the operator has the name watched.
    pub watched: u64,
    /// The oldest of both that were not read: only so many are.
    pub left_out: u64,
    /// In the order of time.
    pub stretches: Vec<Stretch>,
    /// Every address that was answered, in the order of first sight.
    pub addresses: Vec<AddressAnswered>,
}

/// Successive look-ups with the same result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stretch {
    pub first: WallNanos,
    pub last: WallNanos,
    pub lookups: u64,
    /// Those by which the name was watched, which are not among them.
    pub watched: u64,
    /// Those of `lookups` that Landfall's cache answered.
    pub cached: u64,
    pub resolver: ResolverShape,
    pub outcome: String,
    pub detail: Option<String>,
    /// The asked name first.
    pub chain: Vec<DnsName>,
    pub addresses: BTreeSet<IpAddr>,
    /// The least and the greatest TTL that a resolver gave for an address, seconds.
    pub ttl: Option<(u32, u32)>,
    /// The first and the last record.
    pub records: (u64, u64),
    /// What is different from before; empty for the first.
    pub changes: Vec<NameChange>,
}

/// What changed between two look-ups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NameChange {
    /// Against the last answer that held addresses.
    Addresses { added: Vec<IpAddr>, gone: Vec<IpAddr> },
    /// The CNAME chain, against the last answer that held addresses; the former one.
    Chain(Vec<DnsName>),
    /// How the look-up ended; the former word.
    Outcome(String),
    /// Who was asked; the former one.
    Resolver(ResolverShape),
}

impl NameChange {
    /// The word for tables and files.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Addresses { .. } => "addresses",
            Self::Chain(_) => "chain",
            Self::Outcome(_) => "outcome",
            Self::Resolver(_) => "resolver",
        }
    }
}

/// An address that look-ups answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressAnswered {
    pub address: IpAddr,
    pub first: WallNanos,
    pub last: WallNanos,
    pub lookups: u64,
    /// Look-ups by which the name was watched, which are not among them.
    pub watched: u64,
    /// The least and the greatest TTL that a resolver gave for it, seconds.
    pub ttl: Option<(u32, u32)>,
    /// What the databases of the session say of it, where they were asked.
    pub annotation: Option<Arc<Annotation>>,
    /// A connection to this name went there.
    pub dialled: bool,
}

/// The look-ups of `name`; `None` when there was none.
pub(super) fn of(
    records: &Records<'_>,
    annotations: &Annotations,
    name: &DnsName,
) -> Result<Option<NameHistory>, ReadError> {
    let ((lookups, watched), seqs) = recorded(records, name)?;
    if lookups + watched == 0 {
        return Ok(None);
    }
    let mut stretches: Vec<Stretch> = Vec::new();
    let mut answered = BTreeMap::<IpAddr, AddressAnswered>::new();
    let left_out = (lookups + watched).saturating_sub(seqs.len() as u64);
    for seq in seqs {
        let record = records.get(seq)?;
        let Body::Dns(dns) = record.body else {
            return Err(ReadError::Record { seq, what: "look-up" });
        };
        gather(&mut answered, &dns, record.at.wall);
        let stretch = Stretch::new(dns, record.at.wall, seq);
        match stretches.last_mut().filter(|last| last.is_like(&stretch)) {
            Some(last) => last.join(&stretch),
            None => {
                let changes = stretch.changes_since(&stretches);
                stretches.push(Stretch { changes, ..stretch });
            }
        }
    }
    let dialled = dialled(records, name)?;
    let mut addresses: Vec<AddressAnswered> = answered.into_values().collect();
    addresses.sort_by_key(|seen| (seen.first, seen.address));
    for seen in &mut addresses {
        seen.dialled = dialled.contains(&seen.address);
        seen.annotation = annotation(records, annotations, seen.address)?;
    }
    let name = name.clone();
    Ok(Some(NameHistory { name, lookups, watched, left_out, stretches, addresses }))
}

impl NameHistory {
    /// Where the databases place the addresses of a stretch. Empty where they do not say so of one of
    /// them, or one is anycast, in no one place.
    pub fn countries(&self, stretch: &Stretch) -> BTreeSet<Country> {
        let place = |address: &IpAddr| {
            let known = self.addresses.iter().find(|seen| seen.address == *address)?;
            let known = known.annotation.as_deref().filter(|known| !known.anycast)?;
            known.location.country()
        };
        stretch.addresses.iter().map(place).collect::<Option<_>>().unwrap_or_default()
    }
}

impl Stretch {
    fn new(dns: Dns, at: WallNanos, seq: u64) -> Self {
        let ttls = dns.answers.iter().filter(|answer| answer.address.is_some()).map(|a| a.ttl);
        // What is left of a TTL in a cache is nothing that a resolver said.
        let ttl = ttls.filter(|_| !dns.cached).fold(None, widest);
        let addresses = dns.answers.iter().filter_map(|answer| answer.address.as_ref());
        Self {
            first: at,
            last: at,
            lookups: u64::from(!dns.is_watch()),
            watched: u64::from(dns.is_watch()),
            cached: u64::from(dns.cached),
            addresses: addresses.map(|address| address.0.to_canonical()).collect(),
            ttl,
            records: (seq, seq),
            changes: Vec::new(),
            resolver: dns.resolver,
            outcome: dns.outcome,
            detail: dns.detail,
            chain: dns.chain.into_iter().map(|name| name.0).collect(),
        }
    }

    fn is_like(&self, other: &Self) -> bool {
        self.outcome == other.outcome
            && self.detail == other.detail
            && self.resolver == other.resolver
            && self.chain == other.chain
            && self.addresses == other.addresses
    }

    fn join(&mut self, next: &Self) {
        self.last = next.last;
        self.lookups += next.lookups;
        self.watched += next.watched;
        self.cached += next.cached;
        self.ttl = [next.ttl.map(|(least, _)| least), next.ttl.map(|(_, most)| most)]
            .into_iter()
            .flatten()
            .fold(self.ttl, widest);
        self.records.1 = next.records.1;
    }

    /// A failure says nothing of addresses, so these are compared with the last that were answered.
    fn changes_since(&self, before: &[Self]) -> Vec<NameChange> {
        let mut changes = Vec::new();
        let Some(last) = before.last() else { return changes };
        if !self.addresses.is_empty()
            && let Some(found) = before.iter().rfind(|former| !former.addresses.is_empty())
        {
            let only = |these: &BTreeSet<IpAddr>, those| these.difference(those).copied().collect();
            if self.addresses != found.addresses {
                let added = only(&self.addresses, &found.addresses);
                let gone = only(&found.addresses, &self.addresses);
                changes.push(NameChange::Addresses { added, gone });
            }
            if self.chain != found.chain {
                changes.push(NameChange::Chain(found.chain.clone()));
            }
        }
        if self.outcome != last.outcome {
            changes.push(NameChange::Outcome(last.outcome.clone()));
        }
        if self.resolver != last.resolver {
            changes.push(NameChange::Resolver(last.resolver.clone()));
        }
        changes
    }
}

fn gather(answered: &mut BTreeMap<IpAddr, AddressAnswered>, dns: &Dns, at: WallNanos) {
    let mut ttls = BTreeMap::<IpAddr, u32>::new();
    for answer in &dns.answers {
        if let Some(address) = &answer.address {
            ttls.entry(address.0.to_canonical()).or_insert(answer.ttl);
        }
    }
    for (address, ttl) in ttls {
        let seen = answered.entry(address).or_insert_with(|| AddressAnswered {
            address,
            first: at,
            last: at,
            lookups: 0,
            watched: 0,
            ttl: None,
            annotation: None,
            dialled: false,
        });
        seen.last = seen.last.max(at);
        match dns.is_watch() {
            true => seen.watched += 1,
            false => seen.lookups += 1,
        }
        if !dns.cached {
            seen.ttl = widest(seen.ttl, ttl);
        }
    }
}

fn widest(so_far: Option<(u32, u32)>, ttl: u32) -> Option<(u32, u32)> {
    let (least, most) = so_far.unwrap_or((ttl, ttl));
    Some((least.min(ttl), most.max(ttl)))
}

/// How many look-ups there were, those for devices and those by which the name was watched, and the
/// records of the newest, in the order of time.
fn recorded(records: &Records<'_>, name: &DnsName) -> Result<((u64, u64), Vec<u64>), ReadError> {
    let failed = |source| records.failed(source);
    let all = "SELECT count(*) - coalesce(sum(watch), 0), coalesce(sum(watch), 0)
               FROM lookups WHERE name = ?1";
    let newest = "SELECT seq FROM (SELECT seq, at FROM lookups WHERE name = ?1
                  ORDER BY at DESC, seq DESC LIMIT ?2) ORDER BY at, seq";
    let count = records
        .db
        .prepare_cached(all)
        .and_then(|mut query| {
            query.query_row([name.as_str()], |row| Ok((whole(row, 0)?, whole(row, 1)?)))
        })
        .map_err(failed)?;
    Ok((count, records.seqs(newest, params![name.as_str(), MOST_LOOKUPS])?))
}

/// The addresses to which connections for the name went.
fn dialled(records: &Records<'_>, name: &DnsName) -> Result<BTreeSet<IpAddr>, ReadError> {
    let sql = "SELECT DISTINCT address FROM connections WHERE host = ?1 AND address NOT NULL";
    let failed = |source| records.failed(source);
    let mut query = records.db.prepare_cached(sql).map_err(failed)?;
    let found = query
        .query_map([name.as_str()], |row| super::listing::parsed::<IpAddr>(row, 0))
        .and_then(Iterator::collect::<rusqlite::Result<Vec<_>>>)
        .map_err(failed)?;
    Ok(found.into_iter().flatten().collect())
}

/// What the databases first said of an address, whatever the names that they were asked with.
fn annotation(
    records: &Records<'_>,
    annotations: &Annotations,
    address: IpAddr,
) -> Result<Option<Arc<Annotation>>, ReadError> {
    let sql = "SELECT number FROM assessments WHERE address = ?1 ORDER BY number LIMIT 1";
    let number: Option<i64> = records
        .db
        .prepare_cached(sql)
        .and_then(|mut query| query.query_row([address.to_string()], |row| row.get(0)).optional())
        .map_err(|source| records.failed(source))?;
    let Some(number) = number else { return Ok(None) };
    Ok(annotations.get(records, number)?.map(|assessed| assessed.annotation.clone()))
}

/// Look-ups of one name that are read, the newest ones: some hours of a look-up each second.
const MOST_LOOKUPS: i64 = 10_000;
