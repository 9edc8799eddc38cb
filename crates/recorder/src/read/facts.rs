//! The facts about one destination, each with the records that it is from: what an assessment is
//! made of. Says nothing about what they add up to.

use super::destination::{AddressSeen, DestinationKey, DestinationRow};
use super::error::ReadError;
use super::history::NameHistory;
use super::records::Records;
use super::round_trips::{self, Measured};
use crate::record::Body;
use crate::record::session::StatementShape;
use flow::address::{DnsName, Host};
use flow::assessment::{Contact, ContentLevel, NoStatement, RoundTrips, Statement, Supported};
use flow::claim::Country;
use flow::id::{ConnectionId, RecordSeq};
use flow::stream::{Direction, Leg};
use geoip::assess::{AddressFacts, Cited, Facts, Sighting};
use rusqlite::params;

/// What is asked about destinations, beside what is known of them.
#[derive(Clone, Debug, Default)]
pub struct Questions {
    /// With the host that each is about.
    pub statements: Vec<(Host, Statement)>,
    /// The countries that flag policies name.
    pub countries: Vec<Country>,
}

/// The facts about a destination that is one host; `None` when the row is another kind of group.
pub(super) fn of(
    records: &Records<'_>,
    row: &DestinationRow,
    history: Option<&NameHistory>,
    questions: &Questions,
) -> Result<Option<Facts>, ReadError> {
    let DestinationKey::Host(Some(host)) = &row.key else { return Ok(None) };
    let [contact, content] = row.shown_by;
    let open = match records.get(0)?.body {
        Body::SessionOpen(open) => Some(*open),
        // A log that lost its first record has nobody's word on what was declared.
        _ => None,
    };
    let vantage = open.as_ref().and_then(|open| open.vantage?.declared());
    let mut addresses = Vec::new();
    let mut not_counted = None;
    for seen in &row.addresses {
        let measured = match vantage {
            Some(vantage) => round_trips::of(records, vantage, host, seen.address)?,
            None => Measured::default(),
        };
        not_counted = measured.not_counted.or(not_counted);
        addresses.extend(address(records, seen, measured.round_trips)?);
    }
    let counts = |address: &AddressFacts| address.round_trips.iter().any(|r| r.signature.is_some());
    let no_statement = match vantage {
        None => Some(NoStatement::NoVantage),
        Some(_) if addresses.iter().any(counts) => None,
        Some(_) => match not_counted {
            Some(why) => Some(why),
            None => round_trips::unmeasurable(records)?,
        },
    };
    Ok(Some(Facts {
        host: host.clone(),
        contact: Some(Supported {
            level: row.contact,
            records: match row.contact {
                Contact::NameOnly | Contact::NameAsked => records_of(records, contact, &["dns"])?,
                Contact::ConnectionAsked => records_of(records, contact, &["connection.target"])?,
                Contact::TlsCompleted => {
                    records_of(records, contact, &["tls.client", "tls.relayed"])?
                }
                Contact::BytesSent => {
                    let kinds = ["connection.treatment", "tls.relayed", "stream.close"];
                    records_of(records, contact, &kinds)?
                }
                Contact::PlaintextSeen | Contact::PlantedValueSeen => {
                    first_request(records, contact)?
                }
            },
        }),
        content: Some(Supported {
            level: row.content_level,
            records: match row.content_level {
                ContentLevel::Opaque => records_of(records, content, &["connection.close"])?,
                ContentLevel::SizesAndTimes => records_of(records, content, &["stream.close"])?,
                _ => first_request(records, content)?,
            },
        }),
        aliases: aliases(records, host, &row.cnames)?,
        not_asked: row.addresses.iter().filter(|seen| seen.annotation.is_none()).count(),
        sightings: sightings(row, history),
        addresses,
        no_statement,
        resolved_by_proxy: row.addresses.iter().any(|seen| seen.looked_up),
        simulated: row.simulated,
        statements: statements(
            open.map(|open| open.statements).unwrap_or_default(),
            host,
            questions,
        ),
        asked_about: questions.countries.clone(),
    }))
}

/// The statements about the host: those that were under test when the session was recorded, then
/// those that are now.
fn statements(recorded: Vec<StatementShape>, host: &Host, questions: &Questions) -> Vec<Statement> {
    let of_session = recorded
        .into_iter()
        .map(|shape| (shape.host.0, Statement { text: shape.text, says: shape.says.0 }));
    let mut statements: Vec<Statement> = Vec::new();
    for (about, statement) in of_session.chain(questions.statements.iter().cloned()) {
        if about == *host && !statements.contains(&statement) {
            statements.push(statement);
        }
    }
    statements
}

/// The record of the first request that was decoded on a connection.
fn first_request(
    records: &Records<'_>,
    connection: Option<ConnectionId>,
) -> Result<Vec<RecordSeq>, ReadError> {
    let Some(number) = connection.and_then(|id| i64::try_from(id.0).ok()) else {
        return Ok(Vec::new());
    };
    let sql = "SELECT request_offset, request_length FROM flows
               WHERE connection = ?1 AND exchange > 0 AND request_offset NOT NULL
               ORDER BY exchange LIMIT 1";
    let first = records.listed(sql, [number])?;
    Ok(first.iter().map(|record| RecordSeq(record.seq)).collect())
}

/// The last record of each kind about a connection: it is the one that counts. Of streams, what the
/// device sent.
fn records_of(
    records: &Records<'_>,
    connection: Option<ConnectionId>,
    kinds: &[&str],
) -> Result<Vec<RecordSeq>, ReadError> {
    let Some(number) = connection.and_then(|id| i64::try_from(id.0).ok()) else {
        return Ok(Vec::new());
    };
    let sql = "SELECT seq FROM records WHERE connection = ?1 AND kind = ?2 ORDER BY seq DESC";
    let mut found = Vec::new();
    for kind in kinds {
        for seq in records.seqs(sql, params![number, kind])? {
            if shows(&records.get(seq)?.body) {
                found.push(RecordSeq(seq));
                break;
            }
        }
    }
    Ok(found)
}

/// Whether a record of a fitting kind is about what the device sent.
fn shows(body: &Body) -> bool {
    match body {
        Body::StreamClose(close) => {
            Leg::from(close.leg) == Leg::Relay && Direction::from(close.direction) == Direction::Up
        }
        _ => true,
    }
}

/// The names behind the host, each with the first look-up that led to it.
fn aliases(
    records: &Records<'_>,
    host: &Host,
    names: &[DnsName],
) -> Result<Vec<Cited<DnsName>>, ReadError> {
    let Some(asked) = host.name() else { return Ok(Vec::new()) };
    let sql = "SELECT min(lookups.seq) FROM lookups JOIN chain ON chain.lookup = lookups.id
               WHERE lookups.name = ?1 AND chain.name = ?2 HAVING count(*) > 0";
    let mut cited = Vec::new();
    for name in names {
        let seqs = records.seqs(sql, [asked.as_str(), name.as_str()])?;
        let records = seqs.into_iter().map(RecordSeq).collect();
        cited.push(Cited { value: name.clone(), records });
    }
    Ok(cited)
}

/// `None` when the databases were not asked about the address yet.
fn address(
    records: &Records<'_>,
    seen: &AddressSeen,
    round_trips: Vec<RoundTrips>,
) -> Result<Option<AddressFacts>, ReadError> {
    let Some(annotation) = &seen.annotation else { return Ok(None) };
    let number = seen.assessment.and_then(|number| i64::try_from(number).ok());
    let seqs = match number {
        Some(number) => records.of_assessment(number)?,
        None => None,
    };
    Ok(Some(AddressFacts {
        annotation: annotation.clone(),
        records: seqs
            .map_or_else(Vec::new, |(claims, sum)| vec![RecordSeq(claims), RecordSeq(sum)]),
        later: Vec::new(),
        looked_up: seen.looked_up,
        round_trips,
    }))
}

/// Where the host was when: by what look-ups answered, and by what was dialled for it though none
/// did, as where the device resolves by itself.
fn sightings(row: &DestinationRow, history: Option<&NameHistory>) -> Vec<Sighting> {
    let known = |address| {
        let of = history.iter().flat_map(|history| &history.addresses);
        of.filter(|seen| seen.address == address).find_map(|seen| seen.annotation.clone())
    };
    let stretches = history.iter().flat_map(|history| &history.stretches);
    let answered = stretches.map(|stretch| Sighting {
        first: stretch.first,
        last: stretch.last,
        annotations: stretch.addresses.iter().filter_map(|address| known(*address)).collect(),
        records: [stretch.records.0, stretch.records.1].map(RecordSeq).into(),
    });
    let by_itself = row.addresses.iter().filter(|seen| !seen.looked_up).map(|seen| Sighting {
        first: seen.first_seen,
        last: seen.last_seen,
        annotations: seen.annotation.clone().into_iter().collect(),
        records: Vec::new(),
    });
    answered.chain(by_itself).collect()
}
