//! Records about the machine's network and about round trips into the tables.

use super::cell::{InsertError, clean, execute, id, number, number_of_id};
use crate::record::network::{Network, Rtt};
use rusqlite::{Connection, params};

pub(super) fn network(db: &Connection, network: &Network, seq: u64) -> Result<(), InsertError> {
    let tunnel = network.uplink.as_ref().and_then(|uplink| uplink.tunnel.as_deref());
    execute(
        db,
        "INSERT OR IGNORE INTO networks (epoch, seq, known, tunnel, upstream_proxy)
         VALUES (?1, ?2, ?3, ?4, ?5)",
        params![
            number_of_id(network.epoch.0)?,
            number(seq),
            network.uplink.is_some(),
            tunnel.map(clean),
            network.upstream_proxy
        ],
    )
}

pub(super) fn rtt(db: &Connection, rtt: &Rtt, seq: u64) -> Result<(), InsertError> {
    execute(
        db,
        "INSERT OR IGNORE INTO round_trips
             (seq, connection, address, server_name, epoch, chain, signature, connect, kernel, samples)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        params![
            number(seq),
            id(rtt.connection.0)?,
            rtt.address.0.to_canonical().to_string(),
            clean(&rtt.server_name),
            number_of_id(rtt.epoch.0)?,
            rtt.chain.0.word(),
            number(rtt.signature_ns.0),
            rtt.connect_ns.map(|time| number(time.0)),
            rtt.tcp_min_rtt_ns.map(|time| number(time.0)),
            number(rtt.samples.0)
        ],
    )
}
