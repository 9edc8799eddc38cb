//! The round trips to an address, by the epochs of the machine's network: times of different epochs
//! are never added up. Says why there is nothing to be said; what follows from times is not said here.

use super::error::ReadError;
use super::listing::parsed;
use super::records::{Records, whole};
use flow::address::Host;
use flow::assessment::{MeasuredFrom, NoStatement, RoundTrips, Samples};
use flow::id::RecordSeq;
use flow::physics::Vantage;
use flow::round_trip::ChainRoots;
use rusqlite::params;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

/// What was measured of an address.
#[derive(Default)]
pub(super) struct Measured {
    /// One for each epoch whose times may count, and each name that was asked for in it.
    pub(super) round_trips: Vec<RoundTrips>,
    /// Why the times of other epochs do not.
    pub(super) not_counted: Option<NoStatement>,
}

/// The times to one address of a host, seen from `vantage`. Those to other hosts at the same address
/// are not among them, as what stands there can hand them on by name.
pub(super) fn of(
    records: &Records<'_>,
    vantage: Vantage,
    host: &Host,
    address: IpAddr,
) -> Result<Measured, ReadError> {
    let sql = "SELECT r.epoch, r.seq, r.chain, r.signature, r.connect, r.samples,
                   n.seq, n.known, n.tunnel, r.server_name, r.kernel
               FROM round_trips r JOIN networks n ON n.epoch = r.epoch
               JOIN connections c ON c.id = r.connection
               WHERE r.address = ?1 AND c.host = ?2 ORDER BY r.seq";
    let failed = |source| records.failed(source);
    let mut query = records.db.prepare_cached(sql).map_err(failed)?;
    let mut rows = query
        .query(params![address.to_canonical().to_string(), host.to_string()])
        .map_err(failed)?;
    let mut epochs: BTreeMap<(i64, String), RoundTrips> = BTreeMap::new();
    let mut not_counted = None;
    while let Some(row) = rows.next().map_err(failed)? {
        let sample = Sample::read(row).map_err(failed)?;
        if let Some(why) = sample.why_not {
            not_counted = Some(why);
            continue;
        }
        let epoch = epochs.entry((sample.epoch, sample.name)).or_insert_with(|| RoundTrips {
            from: MeasuredFrom::Here(vantage),
            signature: None,
            connect: None,
            kernel: None,
            records: vec![RecordSeq(sample.network)],
        });
        if sample.public {
            add(&mut epoch.signature, sample.signature, sample.samples);
            if epoch.records.len() < MOST_CITED {
                epoch.records.push(RecordSeq(sample.seq));
            }
        }
        if let Some(connect) = sample.connect {
            add(&mut epoch.connect, connect, 1);
        }
        if let Some(kernel) = sample.kernel {
            add(&mut epoch.kernel, kernel, 1);
        }
    }
    Ok(Measured { round_trips: epochs.into_values().collect(), not_counted })
}

/// The least times of handshakes with an address in one epoch of the network, whatever may follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeastTimes {
    pub address: IpAddr,
    pub epoch: u64,
    /// How many handshakes they are of.
    pub samples: u64,
    /// To the server's signature, under whatever chain.
    pub signature: Duration,
    pub connect: Option<Duration>,
    /// By the kernel's measurements.
    pub kernel: Option<Duration>,
}

/// Those of a host, in the order in which they were measured. Times that the configuration gives are
/// left out; no connecting belongs to them.
pub(super) fn least(records: &Records<'_>, host: &Host) -> Result<Vec<LeastTimes>, ReadError> {
    let sql =
        "SELECT r.address, r.epoch, sum(r.samples), min(r.signature), min(r.connect), min(r.kernel)
               FROM round_trips r JOIN connections c ON c.id = r.connection
               WHERE c.host = ?1 AND r.connect NOT NULL GROUP BY r.address, r.epoch ORDER BY min(r.seq)";
    let read = |row: &rusqlite::Row<'_>| {
        let (connect, kernel): (Option<i64>, Option<i64>) = (row.get(4)?, row.get(5)?);
        let (epoch, samples, signature) = (whole(row, 1)?, whole(row, 2)?, nanos(row.get(3)?));
        let address = parsed::<IpAddr>(row, 0)?;
        let (connect, kernel) = (connect.map(nanos), kernel.map(nanos));
        Ok(address.map(|address| LeastTimes {
            address,
            epoch,
            samples,
            signature,
            connect,
            kernel,
        }))
    };
    let failed = |source| records.failed(source);
    let mut query = records.db.prepare_cached(sql).map_err(failed)?;
    let found = query
        .query_map([host.to_string()], read)
        .and_then(Iterator::collect::<rusqlite::Result<Vec<_>>>)
        .map_err(failed)?;
    Ok(found.into_iter().flatten().collect())
}

fn nanos(nanos: i64) -> Duration {
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(0))
}

/// Why nothing could be measured at the end of the session, if so.
pub(super) fn unmeasurable(records: &Records<'_>) -> Result<Option<NoStatement>, ReadError> {
    let sql = "SELECT known, tunnel, upstream_proxy FROM networks ORDER BY epoch DESC LIMIT 1";
    let failed = |source| records.failed(source);
    let mut query = records.db.prepare_cached(sql).map_err(failed)?;
    let mut rows = query.query([]).map_err(failed)?;
    let Some(row) = rows.next().map_err(failed)? else { return Ok(None) };
    if row.get(2).map_err(failed)? {
        return Ok(Some(NoStatement::UpstreamProxy));
    }
    Ok(network(row.get(0).map_err(failed)?, row.get(1).map_err(failed)?))
}

struct Sample {
    epoch: i64,
    name: String,
    seq: u64,
    /// The chain verified under publicly trusted roots.
    public: bool,
    signature: Duration,
    connect: Option<Duration>,
    kernel: Option<Duration>,
    samples: u64,
    /// The record of the network.
    network: u64,
    why_not: Option<NoStatement>,
}

impl Sample {
    fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        let (connect, kernel): (Option<i64>, Option<i64>) = (row.get(4)?, row.get(10)?);
        Ok(Self {
            epoch: row.get(0)?,
            name: row.get(9)?,
            seq: whole(row, 1)?,
            public: row.get::<_, String>(2)? == ChainRoots::Public.word(),
            signature: nanos(row.get(3)?),
            connect: connect.map(nanos),
            kernel: kernel.map(nanos),
            samples: whole(row, 5)?,
            network: whole(row, 6)?,
            why_not: network(row.get(7)?, row.get(8)?),
        })
    }
}

/// Why times that were measured in a network do not count.
fn network(known: bool, tunnel: Option<String>) -> Option<NoStatement> {
    match (known, tunnel) {
        (false, _) => Some(NoStatement::NetworkUnknown),
        (true, Some(tunnel)) => Some(NoStatement::Tunnel(tunnel)),
        (true, None) => None,
    }
}

fn add(samples: &mut Option<Samples>, time: Duration, count: u64) {
    let known = samples.get_or_insert(Samples { least: time, count: 0 });
    known.least = known.least.min(time);
    known.count = known.count.saturating_add(count);
}

/// Records of one epoch that an assessment names.
const MOST_CITED: usize = 100;
