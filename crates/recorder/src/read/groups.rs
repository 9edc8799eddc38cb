//! Destinations out of connections: one pass over the connections that have a flow that counts,
//! then one row per group. Memory grows with the destinations, not with the flows.

use super::annotations::{Annotations, Assessed};
use super::condition::{Condition, Known};
use super::destination::{AddressSeen, DestinationKey, DestinationRow, Held};
use super::error::ReadError;
use super::flags_now::FlagsNow;
use super::listing::{count, parsed, treatment_kind};
use super::query::{DestinationQuery, GroupBy};
use super::records::Records;
use super::reviewed::Reviewed;
use super::rows::located;
use flow::address::{DnsName, Host};
use flow::annotation::{Annotation, Flag, Location};
use flow::assessment::{Contact, ContentLevel, OperatorLevel};
use flow::claim::Country;
use flow::filter::TreatmentKind;
use flow::id::ConnectionId;
use flow::time::WallNanos;
use geoip::assess::{self, ConnectionFacts};
use rusqlite::{Row, params_from_iter};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

/// All groups, in the order of their keys.
pub(super) fn collect(
    records: &Records<'_>,
    annotations: &Annotations,
    query: &DestinationQuery,
) -> Result<Vec<DestinationRow>, ReadError> {
    let failed = |source| records.failed(source);
    let reviewed = &*query.reviewed;
    let flags_now = FlagsNow::asked(&query.filter, records, annotations, reviewed)?;
    let known = Known { now: query.now, reviewed, flags_now };
    let Condition { sql, values } = Condition::compile(&query.filter, &known)?;
    // Landfall's own pages are no destination.
    let sql = format!(
        "SELECT host, address, treatment, client_tls, exchanges, connection_up, connection_down,
             simulated, looked_up, assessment, count(*), min(time), max(time), connection, port,
             tls_data_sent
         FROM listing WHERE {sql} AND host IS NOT NULL AND ingress <> 'onboarding'
         GROUP BY connection ORDER BY connection"
    );
    let mut groups: BTreeMap<DestinationKey, Group> = BTreeMap::new();
    let mut statement = records.db.prepare(&sql).map_err(failed)?;
    let mut rows = statement.query(params_from_iter(values)).map_err(failed)?;
    while let Some(row) = rows.next().map_err(failed)? {
        let Some(connection) = Counted::read(row).map_err(failed)? else { continue };
        let assessed = match connection.assessment {
            Some(number) => annotations.get(records, number)?.map(|assessed| (number, assessed)),
            None => None,
        };
        let key = connection.key(query.by, assessed.as_ref().map(|(_, assessed)| &**assessed));
        groups.entry(key).or_default().add(connection, assessed);
    }
    groups.into_iter().map(|(key, group)| group.row(records, key, reviewed)).collect()
}

/// One connection with the flows of it that count.
#[derive(Debug)]
struct Counted {
    host: Host,
    address: Option<IpAddr>,
    facts: ConnectionFacts,
    simulated: bool,
    looked_up: bool,
    assessment: Option<i64>,
    flows: u64,
    first: WallNanos,
    last: WallNanos,
    id: Option<ConnectionId>,
    port: Option<u16>,
}

impl Counted {
    fn read(row: &Row<'_>) -> rusqlite::Result<Option<Self>> {
        let Some(host) = parsed::<Host>(row, 0)? else { return Ok(None) };
        let treatment: Option<String> = row.get(2)?;
        Ok(Some(Self {
            host,
            address: parsed(row, 1)?,
            facts: ConnectionFacts {
                treatment: treatment.as_deref().and_then(treatment_kind),
                client_tls: row.get(3)?,
                tls_data_sent: row.get(15)?,
                exchanges: count(row, 4)?.unwrap_or(0) > 0,
                bytes_up: count(row, 5)?.unwrap_or(0),
                bytes_down: count(row, 6)?.unwrap_or(0),
            },
            simulated: row.get(7)?,
            looked_up: row.get(8)?,
            assessment: row.get(9)?,
            flows: count(row, 10)?.unwrap_or(0),
            first: WallNanos(count(row, 11)?.unwrap_or(0)),
            last: WallNanos(count(row, 12)?.unwrap_or(0)),
            id: count(row, 13)?.map(ConnectionId),
            port: count(row, 14)?.and_then(|port| u16::try_from(port).ok()),
        }))
    }

    fn key(&self, by: GroupBy, assessed: Option<&Assessed>) -> DestinationKey {
        let annotation = assessed.map(|assessed| &*assessed.annotation);
        match by {
            GroupBy::Host => DestinationKey::Host(Some(self.host.clone())),
            GroupBy::Operator => DestinationKey::Operator(
                annotation.and_then(|a| a.operator.as_ref()).map(|operator| operator.group.clone()),
            ),
            GroupBy::Asn => DestinationKey::Asn(annotation.and_then(|a| a.asn)),
            GroupBy::Country => match annotation.map(|a| &a.location) {
                Some(Location::Disagreed { .. }) => DestinationKey::CountryDisagreed,
                location => DestinationKey::Country(location.and_then(Location::country)),
            },
            GroupBy::Address => DestinationKey::Address(self.address),
        }
    }
}

/// What has been gathered for one destination.
#[derive(Debug, Default)]
struct Group {
    hosts: BTreeSet<Host>,
    addresses: BTreeMap<IpAddr, AddressSeen>,
    /// By their numbers, which is the order of first sight.
    assessed: BTreeMap<i64, Arc<Assessed>>,
    /// The ports of the connections of each.
    ports: BTreeSet<(i64, Option<u16>)>,
    /// The highest level, and the first connection that has it.
    contact: Option<(Contact, Option<ConnectionId>)>,
    content: Option<(ContentLevel, Option<ConnectionId>)>,
    seen: Option<(WallNanos, WallNanos)>,
    flows: u64,
    connections: u64,
    bytes_up: u64,
    bytes_down: u64,
    treatments: BTreeMap<TreatmentKind, u64>,
    simulated: bool,
    /// An address of which the databases were not asked yet.
    unassessed: bool,
}

impl Group {
    fn add(&mut self, connection: Counted, assessed: Option<(i64, Arc<Assessed>)>) {
        let facts = connection.facts;
        raise(&mut self.contact, assess::contact_level(facts), connection.id);
        raise(&mut self.content, assess::content_level(facts), connection.id);
        self.seen = Some(match self.seen {
            Some((first, last)) => (first.min(connection.first), last.max(connection.last)),
            None => (connection.first, connection.last),
        });
        self.flows += connection.flows;
        self.connections += 1;
        self.bytes_up = self.bytes_up.saturating_add(facts.bytes_up);
        self.bytes_down = self.bytes_down.saturating_add(facts.bytes_down);
        if let Some(treatment) = facts.treatment {
            *self.treatments.entry(treatment).or_default() += 1;
        }
        self.simulated |= connection.simulated;
        if let Some(address) = connection.address {
            let annotation = assessed.as_ref().map(|(_, assessed)| assessed.annotation.clone());
            self.unassessed |= annotation.is_none();
            let seen = self.addresses.entry(address).or_insert_with(|| AddressSeen {
                address,
                annotation: None,
                assessment: None,
                first_seen: connection.first,
                last_seen: connection.last,
                connections: 0,
                looked_up: false,
                simulated: false,
            });
            if annotation.is_some() {
                seen.annotation = annotation;
                seen.assessment = connection.assessment.and_then(|n| u64::try_from(n).ok());
            }
            seen.first_seen = seen.first_seen.min(connection.first);
            seen.last_seen = seen.last_seen.max(connection.last);
            seen.connections += 1;
            seen.looked_up |= connection.looked_up;
            seen.simulated |= connection.simulated;
        }
        self.hosts.insert(connection.host);
        self.ports.extend(assessed.as_ref().map(|(number, _)| (*number, connection.port)));
        self.assessed.extend(assessed);
    }

    fn row(
        self,
        records: &Records<'_>,
        key: DestinationKey,
        reviewed: &Reviewed,
    ) -> Result<DestinationRow, ReadError> {
        let all = || self.assessed.values().map(|assessed| &*assessed.annotation);
        let operator_level = self.assessed.values().map(|assessed| self.operator(assessed)).min();
        let named = self.hosts.iter().any(|host| host.name().is_some());
        let location_level = match self.unassessed {
            true => None,
            false => {
                all().map(|annotation| assess::location_level(Some(annotation))).min().flatten()
            }
        };
        let (first_seen, last_seen) = self.seen.unwrap_or((WallNanos(0), WallNanos(0)));
        let judged = match &key {
            DestinationKey::Host(host) => reviewed.judged(host.as_ref()),
            _ => None,
        };
        let row = DestinationRow {
            key,
            cnames: cnames(records, &self.hosts)?,
            country: common_country(all()),
            countries: countries(all()),
            asn: all().filter_map(|a| a.asn).collect(),
            as_name: all().filter_map(|a| a.as_name.clone()).collect(),
            operator: all().filter_map(|a| a.operator.clone()).collect(),
            registered_country: all().filter_map(|a| a.address_registered).collect(),
            as_registered_country: all().filter_map(|a| a.as_registered).collect(),
            anycast: all().any(|a| a.anycast),
            contact: self.contact.map_or(Contact::NameOnly, |(level, _)| level),
            operator_level: operator_level
                .unwrap_or_else(|| assess::operator_level(None, named, &[])),
            location_level,
            content_level: self.content.map_or(ContentLevel::Opaque, |(level, _)| level),
            shown_by: [self.contact.and_then(|(_, id)| id), self.content.and_then(|(_, id)| id)],
            flags: merged(all().flat_map(|annotation| annotation.flags.iter().cloned())),
            flags_now: self.flags_by(reviewed),
            judged,
            first_seen,
            last_seen,
            flows: self.flows,
            connections: self.connections,
            bytes_up: self.bytes_up,
            bytes_down: self.bytes_down,
            treatments: self.treatments.into_iter().collect(),
            simulated: self.simulated,
            hosts: self.hosts.into_iter().collect(),
            addresses: by_first_sight(self.addresses),
        };
        Ok(row)
    }

    /// The flags by other policies than those at capture.
    fn flags_by(&self, reviewed: &Reviewed) -> Option<Vec<Flag>> {
        reviewed.policies.as_ref()?;
        Some(merged(self.ports.iter().flat_map(|(number, port)| {
            let assessed = self.assessed.get(number);
            let flags = |a: &Arc<Assessed>| reviewed.flags(&a.annotation, &a.names, *port);
            assessed.and_then(flags).unwrap_or_default()
        })))
    }

    fn operator(&self, assessed: &Assessed) -> Option<OperatorLevel> {
        let is_host = |name: &&DnsName| self.hosts.iter().any(|host| host.name() == Some(*name));
        let aliases: Vec<DnsName> =
            assessed.names.iter().filter(|name| !is_host(name)).cloned().collect();
        let named = self.hosts.iter().any(|host| host.name().is_some());
        assess::operator_level(Some(&assessed.annotation), named, &aliases)
    }
}

/// Keeps the higher level, and who was the first to have it.
fn raise<L: Ord + Copy>(
    held: &mut Option<(L, Option<ConnectionId>)>,
    level: L,
    by: Option<ConnectionId>,
) {
    if held.is_none_or(|(highest, _)| level > highest) {
        *held = Some((level, by));
    }
}

fn by_first_sight(addresses: BTreeMap<IpAddr, AddressSeen>) -> Vec<AddressSeen> {
    let mut addresses: Vec<AddressSeen> = addresses.into_values().collect();
    addresses.sort_by_key(|seen| (seen.first_seen, seen.address));
    addresses
}

/// The names behind the hosts, in the order in which they came up.
fn cnames(records: &Records<'_>, hosts: &BTreeSet<Host>) -> Result<Vec<DnsName>, ReadError> {
    let sql = "SELECT chain.name FROM lookups JOIN chain ON chain.lookup = lookups.id
               WHERE lookups.name = ?1 AND chain.position > 0
               GROUP BY chain.name ORDER BY min(lookups.id), min(chain.position)";
    let failed = |source| records.failed(source);
    let mut query = records.db.prepare_cached(sql).map_err(failed)?;
    let mut names: Vec<DnsName> = Vec::new();
    for name in hosts.iter().filter_map(Host::name) {
        let found = query
            .query_map([name.as_str()], |row| parsed::<DnsName>(row, 0))
            .and_then(Iterator::collect::<rusqlite::Result<Vec<_>>>)
            .map_err(failed)?;
        for name in found.into_iter().flatten() {
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    Ok(names)
}

/// The countries of all addresses. Where sources disagree about one, their answers count as
/// several, so that the agreement about another address does not hide it.
fn common_country<'a>(annotations: impl Iterator<Item = &'a Annotation>) -> Held<Country> {
    let mut disputed = false;
    let mut answers: Vec<Country> = Vec::new();
    for annotation in annotations {
        match &annotation.location {
            Location::Disagreed { answers: of_sources, .. } => {
                disputed = true;
                answers.extend(of_sources.iter().map(|(_, country)| *country));
            }
            location => answers.extend(location.country()),
        }
    }
    match answers.into_iter().collect() {
        Held::One(country) if disputed => Held::Several(vec![country]),
        held => held,
    }
}

/// Each source's answers, sources and answers in the order in which they came up.
fn countries<'a>(annotations: impl Iterator<Item = &'a Annotation>) -> Vec<(String, Vec<Country>)> {
    let mut sources: Vec<(String, Vec<Country>)> = Vec::new();
    for (source, country) in annotations.flat_map(located) {
        match sources.iter_mut().find(|(name, _)| name == source) {
            Some((_, countries)) if countries.contains(&country) => {}
            Some((_, countries)) => countries.push(country),
            None => sources.push((source.to_owned(), vec![country])),
        }
    }
    sources
}

/// Each policy once, with all different reasons.
fn merged(all: impl Iterator<Item = Flag>) -> Vec<Flag> {
    let mut flags: Vec<Flag> = Vec::new();
    for flag in all {
        match flags.iter_mut().find(|known| known.policy == flag.policy) {
            Some(known) => {
                for reason in flag.reasons {
                    if !known.reasons.contains(&reason) {
                        known.reasons.push(reason);
                    }
                }
            }
            None => flags.push(flag),
        }
    }
    flags
}
