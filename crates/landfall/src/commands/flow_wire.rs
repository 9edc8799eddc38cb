//! `landfall flow wire`: the TLS bytes of one leg and direction of a connection as they passed, on
//! stdout, for other programs. Never on a terminal: they are not for people.

use crate::args;
use crate::context::Context;
use crate::error::{Error, Exit};
use crate::output::cell::bytes;
use flow::filter::TreatmentKind;
use flow::id::{ConnectionId, FlowId};
use flow::stream::{Direction, Leg, StreamKey};
use recorder::read::ConnectionDetail;
use recorder::record::store;
use std::io::{self, BufWriter, IsTerminal, Write};

/// Writes what was kept of the leg.
///
/// # Errors
/// Nothing of it was kept; stdout is a terminal.
pub(crate) fn run(
    context: &Context,
    id: FlowId,
    leg: args::WireLeg,
    part: args::Part,
) -> Result<Exit, Error> {
    context.no_rows()?;
    let connection = match id {
        FlowId::Exchange(exchange) => exchange.connection,
        FlowId::Connection(connection) => connection,
    };
    let leg = match leg {
        args::WireLeg::Client => Leg::ClientTls,
        args::WireLeg::Upstream => Leg::Upstream,
    };
    let direction = match part {
        args::Part::Request => Direction::Up,
        args::Part::Response => Direction::Down,
    };
    let session = context.session(None)?;
    let kept = session.kept(StreamKey { connection, leg, direction })?;
    if kept == 0 {
        let treatment = session.flow(id)?.row.treatment;
        return Err(Error::runtime("no TLS bytes of this leg were kept")
            .at(id)
            .hint(instead(treatment, id, connection)));
    }
    let stdout = io::stdout();
    if stdout.is_terminal() {
        return Err(Error::usage("TLS bytes are not for a terminal")
            .at(id)
            .hint("redirect them to a file"));
    }
    let mut out = BufWriter::new(stdout.lock());
    session.raw(StreamKey { connection, leg, direction }, &mut out)?;
    out.flush().map_err(|error| Error::output(&error))?;
    Ok(Exit::Ok)
}

/// Where the bytes are, if anywhere.
fn instead(treatment: Option<TreatmentKind>, id: FlowId, connection: ConnectionId) -> String {
    match treatment {
        Some(TreatmentKind::Intercepted) => {
            "`landfall run --wire full` keeps all of both legs, of what it records then".to_owned()
        }
        Some(TreatmentKind::Passthrough) => format!(
            "it was passed through, so that its relayed bytes are the TLS bytes: `landfall flow body \
             {connection} --part request` (the device's) or `--part response`"
        ),
        Some(TreatmentKind::Plaintext) => {
            format!("there was no TLS to terminate: `landfall flow body {id}` has what was relayed")
        }
        Some(TreatmentKind::Blocked) => {
            format!("it was refused before any TLS: `landfall flow show {id}` tells why")
        }
        Some(TreatmentKind::Failed) | None => {
            format!("`landfall flow show {id}` tells how far the connection came")
        }
    }
}

/// What is kept of a connection's TLS, leg by leg: `device 1.2 KiB up, 3.4 KiB down; upstream 3.4 KiB
/// up, 1.2 KiB down`, or of the upstream's handshake alone.
pub(super) fn kept(connection: &ConnectionDetail) -> Option<String> {
    let of = |leg: store::Leg, direction: store::Direction| {
        let streams = connection.streams.iter().map(|stream| &stream.body);
        let mut found = streams.filter(|stream| (stream.leg, stream.direction) == (leg, direction));
        found.next().map_or((0, 0), |stream| (stream.kept.0, stream.relayed.0))
    };
    let told = |name: &str, leg| {
        let (up, down) = (of(leg, store::Direction::Up), of(leg, store::Direction::Down));
        if up.1 + down.1 == 0 {
            return None;
        }
        let cut = if (up.0, down.0) == (up.1, down.1) { "" } else { ", cut" };
        Some(format!("{name} {} up, {} down{cut}", bytes(up.0), bytes(down.0)))
    };
    let client = told("device", store::Leg::ClientTls);
    let name = if client.is_some() { "upstream" } else { "handshake of the upstream's leg:" };
    let upstream = told(name, store::Leg::Upstream);
    let parts: Vec<_> = [client, upstream].into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}
