//! Listings of flows: the query, and rows of the index as rows of the API.

use super::annotations::Annotations;
use super::condition::{Condition, Known};
use super::error::ReadError;
use super::flags_now::FlagsNow;
use super::query::{FlowColumn, FlowQuery, Order};
use super::records::Records;
use super::reviewed::Reviewed;
use super::rows::FlowRow;
use crate::index::cell::number;
use flow::address::Host;
use flow::distrust::DistrustClass;
use flow::event::Timings;
use flow::filter::TreatmentKind;
use flow::id::{ConnectionId, ExchangeId, FlowId};
use flow::phases::{Moments, Phases};
use flow::time::{MonoNanos, WallNanos};
use rusqlite::types::Value;
use rusqlite::{OptionalExtension, Row, params, params_from_iter};
use std::net::IpAddr;
use std::ops::ControlFlow;
use std::str::FromStr;
use std::time::Duration;

/// Hands each row of the listing to `each`, until it breaks. Memory does not grow with the rows.
pub(super) fn for_each(
    records: &Records<'_>,
    annotations: &Annotations,
    query: &FlowQuery,
    each: &mut dyn FnMut(FlowRow) -> ControlFlow<()>,
) -> Result<(), ReadError> {
    let reviewed = &*query.reviewed;
    let flags_now = FlagsNow::asked(&query.filter, records, annotations, reviewed)?;
    let known = Known { now: query.now, reviewed, flags_now };
    let Condition { sql: condition, mut values } = Condition::compile(&query.filter, &known)?;
    let mut sql = format!("SELECT {COLUMNS} FROM listing WHERE {condition} ORDER BY ");
    for (column, order) in &query.sort {
        let (expression, direction) = (expression(*column), direction(*order));
        if !is_always_known(*column) {
            sql.push_str(&format!("({expression}) IS NULL, "));
        }
        sql.push_str(&format!("{expression} {direction}, "));
    }
    sql.push_str("connection, exchange LIMIT ? OFFSET ?");
    values.push(Value::Integer(query.limit.map_or(-1, number)));
    values.push(Value::Integer(number(query.offset)));

    let mut statement = records.db.prepare(&sql).map_err(|source| records.failed(source))?;
    let mut rows =
        statement.query(params_from_iter(values)).map_err(|source| records.failed(source))?;
    while let Some(row) = rows.next().map_err(|source| records.failed(source))? {
        let (flow, assessment) = flow_row(row).map_err(|source| records.failed(source))?;
        let flow = annotated(records, annotations, flow, assessment, reviewed)?;
        if each(flow).is_break() {
            break;
        }
    }
    Ok(())
}

/// The row of one flow. A connection has one also where listings show its exchanges in its place.
pub(super) fn one(
    records: &Records<'_>,
    annotations: &Annotations,
    id: FlowId,
) -> Result<Option<FlowRow>, ReadError> {
    let Ok(connection) = i64::try_from(id.connection().0) else { return Ok(None) };
    let found = match id {
        FlowId::Exchange(exchange) => records.db.query_row(
            &format!("SELECT {COLUMNS} FROM listing WHERE connection = ?1 AND exchange = ?2"),
            params![connection, exchange.number],
            flow_row,
        ),
        FlowId::Connection(_) => records.db.query_row(
            &format!("SELECT {COLUMNS_OF_CONNECTION} FROM connections WHERE id = ?1"),
            params![connection],
            flow_row,
        ),
    };
    let found = found.optional().map_err(|source| records.failed(source))?;
    let Some((flow, assessment)) = found.filter(|(flow, _)| flow.id == id) else { return Ok(None) };
    annotated(records, annotations, flow, assessment, &Reviewed::default()).map(Some)
}

fn annotated(
    records: &Records<'_>,
    annotations: &Annotations,
    mut flow: FlowRow,
    assessment: Option<i64>,
    reviewed: &Reviewed,
) -> Result<FlowRow, ReadError> {
    if let Some(assessment) = assessment
        && let Some(assessed) = annotations.get(records, assessment)?
    {
        flow.flags_now = reviewed.flags(&assessed.annotation, &assessed.names, flow.port);
        flow.annotation = Some(assessed.annotation.clone());
    }
    flow.judged = reviewed.judged(flow.host.as_ref());
    Ok(flow)
}

/// A row of [`COLUMNS`], with the number of its assessment.
fn flow_row(row: &Row<'_>) -> rusqlite::Result<(FlowRow, Option<i64>)> {
    let connection = ConnectionId(count(row, 0)?.unwrap_or(0));
    let exchange: u32 = row.get(1)?;
    let id = match exchange {
        0 => FlowId::Connection(connection),
        number => FlowId::Exchange(ExchangeId { connection, number }),
    };
    let treatment: Option<String> = row.get(7)?;
    let flow = FlowRow {
        id,
        time: WallNanos(count(row, 2)?.unwrap_or(0)),
        device: parsed::<IpAddr>(row, 3)?,
        host: parsed::<Host>(row, 4)?,
        port: row.get(5)?,
        address: parsed(row, 6)?,
        treatment: treatment.as_deref().and_then(treatment_kind),
        why: row.get(8)?,
        protocol: row.get(9)?,
        method: row.get(10)?,
        path: row.get(11)?,
        status: row.get(12)?,
        request_bytes: count(row, 13)?,
        response_bytes: count(row, 14)?,
        media_type: row.get(15)?,
        duration: nanos(row, 16)?,
        outcome: row.get(17)?,
        ja4: row.get(18)?,
        simulated: row.get(19)?,
        looked_up: row.get(20)?,
        app: row.get(21)?,
        distrust: row.get::<_, Option<String>>(22)?.as_deref().and_then(distrust_class),
        annotation: None,
        flags_now: None,
        judged: None,
        connection_outcome: row.get(24)?,
        steps: Timings {
            dns: nanos(row, 25)?,
            connect: nanos(row, 26)?,
            upstream_tls: nanos(row, 27)?,
            client_tls: nanos(row, 28)?,
        },
        phases: phases(row)?,
        messages: count(row, 32)?,
    };
    Ok((flow, row.get(23)?))
}

fn nanos(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Duration>> {
    Ok(count(row, column)?.map(Duration::from_nanos))
}

/// The phases of an exchange that has ended.
fn phases(row: &Row<'_>) -> rusqlite::Result<Option<Phases>> {
    let (asked, sent, answered) = (count(row, 29)?, count(row, 30)?, count(row, 31)?);
    let (Some(asked), Some(sent), Some(lasted)) = (asked, sent, count(row, 16)?) else {
        return Ok(None);
    };
    let moments = Moments {
        asked: MonoNanos(asked),
        sent: MonoNanos(sent),
        answered: answered.map(MonoNanos),
        ended: MonoNanos(asked.saturating_add(lasted)),
    };
    Ok(Some(moments.phases()))
}

/// A column that is never negative.
pub(super) fn count(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<u64>> {
    let value: Option<i64> = row.get(column)?;
    Ok(value.and_then(|value| u64::try_from(value).ok()))
}

/// A column that holds the text form of a value; one that does not is as good as none.
pub(super) fn parsed<T: FromStr>(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<T>> {
    let text: Option<String> = row.get(column)?;
    Ok(text.and_then(|text| text.parse().ok()))
}

pub(super) fn treatment_kind(word: &str) -> Option<TreatmentKind> {
    TreatmentKind::ALL.into_iter().find(|kind| kind.word() == word)
}

fn distrust_class(word: &str) -> Option<DistrustClass> {
    DistrustClass::ALL.into_iter().find(|class| class.word() == word)
}

/// What a listing is sorted by.
fn expression(column: FlowColumn) -> &'static str {
    match column {
        FlowColumn::Id => "connection",
        FlowColumn::Time => "time",
        FlowColumn::Device => "device",
        FlowColumn::App => "app",
        FlowColumn::Host => "host",
        FlowColumn::Port => "port",
        FlowColumn::Address => "address_key",
        FlowColumn::Treatment => "treatment",
        FlowColumn::Why => "why",
        FlowColumn::Distrust => "distrust",
        FlowColumn::Protocol => "protocol",
        FlowColumn::Method => "method",
        FlowColumn::Path => "path",
        FlowColumn::Status => "status",
        FlowColumn::RequestBytes => "request_bytes",
        FlowColumn::ResponseBytes => "response_bytes",
        FlowColumn::Type => "type",
        FlowColumn::Duration => "duration",
        FlowColumn::Outcome => "outcome",
        FlowColumn::Country => "country",
        FlowColumn::Asn => "asn",
        FlowColumn::AsName => "as_name",
        FlowColumn::Operator => "operator",
        FlowColumn::OperatorCountry => "operator_country",
        FlowColumn::Flags => "flagged",
    }
}

fn direction(order: Order) -> &'static str {
    match order {
        Order::Ascending => "ASC",
        Order::Descending => "DESC",
    }
}

/// Columns that hold a value in every row, so that an index can give the order.
fn is_always_known(column: FlowColumn) -> bool {
    matches!(column, FlowColumn::Id | FlowColumn::Time | FlowColumn::Device | FlowColumn::Flags)
}

/// [`COLUMNS`] of the table of connections.
const COLUMNS_OF_CONNECTION: &str = "id, 0, opened, device, host, port, address, treatment, why,
    protocol, NULL, NULL, NULL, bytes_up, bytes_down, NULL, duration, outcome, ja4,
    simulated OR EXISTS (SELECT 1 FROM session WHERE session.simulated),
    EXISTS (SELECT 1 FROM answers WHERE answers.address = connections.address), app, distrust,
    assessment, NULL, dns, connect, upstream_tls, tls_to_client, NULL, NULL, NULL, NULL";

const COLUMNS: &str = "connection, exchange, time, device, host, port, address, treatment, why,
    protocol, method, path, status, request_bytes, response_bytes, type, duration, outcome, ja4,
    simulated, looked_up, app, distrust, assessment, connection_outcome, dns, connect, upstream_tls,
    tls_to_client, mono, sent, answered, messages";
