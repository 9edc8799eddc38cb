//! One entry of an archive: an exchange, or a connection on which none was seen.

use super::content::Content;
use super::message::{Request, Response};
use super::messages::{self, WebSocketMessage};
use super::timings::Timings;
use crate::error::Error;
use crate::shape::{Countries, Shown, policies};
use flow::address::Host;
use flow::claim::Country;
use flow::filter::TreatmentKind;
use flow::id::{ConnectionId, FlowId};
use recorder::read::{FlowDetail, FlowRow, Session};
use recorder::record::value::Wall;
use serde::Serialize;
use std::net::IpAddr;

/// An entry.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Entry<'a> {
    started_date_time: Wall,
    /// Milliseconds: the sum of the timings that apply, `ssl` being part of `connect`.
    time: f64,
    request: Request,
    response: Response,
    cache: Cache,
    timings: Timings,
    #[serde(rename = "serverIPAddress", skip_serializing_if = "Option::is_none")]
    server_ip_address: Option<IpAddr>,
    connection: Shown<ConnectionId>,
    #[serde(rename = "_id")]
    id: Shown<FlowId>,
    #[serde(rename = "_treatment", skip_serializing_if = "Option::is_none")]
    treatment: Option<&'static str>,
    #[serde(rename = "_why", skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    #[serde(rename = "_host", skip_serializing_if = "Option::is_none")]
    host: Option<Shown<Host>>,
    #[serde(rename = "_country", skip_serializing_if = "Option::is_none")]
    country: Option<Shown<Country>>,
    #[serde(rename = "_countries", skip_serializing_if = "Option::is_none")]
    countries: Option<Countries<'a>>,
    #[serde(rename = "_operator", skip_serializing_if = "Option::is_none")]
    operator: Option<String>,
    #[serde(rename = "_flags", skip_serializing_if = "Vec::is_empty")]
    flags: Vec<String>,
    #[serde(rename = "_flagsNow", skip_serializing_if = "Option::is_none")]
    flags_now: Option<Vec<&'a str>>,
    #[serde(rename = "_verdict", skip_serializing_if = "Option::is_none")]
    verdict: Option<&'static str>,
    #[serde(rename = "_reviewer", skip_serializing_if = "Option::is_none")]
    reviewer: Option<&'a str>,
    #[serde(rename = "_reviewedAt", skip_serializing_if = "Option::is_none")]
    reviewed_at: Option<Wall>,
    #[serde(rename = "_bytesUp", skip_serializing_if = "Option::is_none")]
    bytes_up: Option<u64>,
    #[serde(rename = "_bytesDown", skip_serializing_if = "Option::is_none")]
    bytes_down: Option<u64>,
    #[serde(rename = "_simulated", skip_serializing_if = "std::ops::Not::not")]
    simulated: bool,
    /// Why there is no whole response.
    #[serde(rename = "_error", skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// As Chromium has it.
    #[serde(rename = "_resourceType", skip_serializing_if = "Option::is_none")]
    resource_type: Option<&'static str>,
    #[serde(rename = "_webSocketMessages", skip_serializing_if = "Option::is_none")]
    web_socket_messages: Option<Vec<WebSocketMessage>>,
    #[serde(rename = "_note", skip_serializing_if = "Option::is_none")]
    note: Option<&'static str>,
}

/// What a browser's cache did: there is none.
#[derive(Serialize)]
struct Cache {}

impl<'a> Entry<'a> {
    /// Reads what the entry needs beside its row.
    pub(super) fn read(session: &Session, row: &'a FlowRow) -> Result<Self, Error> {
        let detail = session.flow(row.id)?;
        let timings = Timings::new(row);
        let (request, response) = match row.id {
            FlowId::Exchange(id) => {
                let sent = Content::read(session, id, recorder::read::Part::Request, &detail)?;
                let received = Content::read(session, id, recorder::read::Part::Response, &detail)?;
                (Request::of_exchange(&detail, sent), Response::of_exchange(&detail, received))
            }
            FlowId::Connection(_) => (Request::of_connection(&detail), Response::none()),
        };
        let web_socket_messages = messages::of(session, &detail)?;
        let annotation = row.annotation.as_deref();
        let judged = row.judged.as_deref();
        let of_connection = matches!(row.id, FlowId::Connection(_));
        Ok(Self {
            started_date_time: Wall(row.time),
            time: timings.total(),
            request,
            response,
            cache: Cache {},
            timings,
            server_ip_address: row.address,
            connection: Shown(row.connection()),
            id: Shown(row.id),
            treatment: row.treatment.map(TreatmentKind::word),
            why: row.why.clone(),
            host: row.host.clone().map(Shown),
            country: annotation.and_then(|a| a.location.country()).map(Shown),
            countries: annotation.map(Countries).filter(|countries| !countries.is_empty()),
            operator: annotation.and_then(|a| a.operator.as_ref()).map(|o| o.group.clone()),
            flags: annotation
                .map(|a| a.flags.iter().map(|flag| flag.policy.clone()).collect())
                .unwrap_or_default(),
            flags_now: row.flags_now.as_deref().map(policies),
            verdict: judged.map(|judged| judged.verdict.word()),
            reviewer: judged.map(|judged| judged.reviewer.as_str()),
            reviewed_at: judged.map(|judged| Wall(judged.at)),
            bytes_up: row.request_bytes.filter(|_| of_connection),
            bytes_down: row.response_bytes.filter(|_| of_connection),
            simulated: row.simulated,
            error: error(row, &detail),
            resource_type: web_socket_messages.is_some().then_some("websocket"),
            web_socket_messages,
            note: (!of_connection && detail.connection.has_rewritten_heads()).then_some(REWRITTEN),
        })
    }
}

/// Why there is no response, or no whole one.
fn error(row: &FlowRow, detail: &FlowDetail) -> Option<String> {
    let has_ended = detail.connection.close.is_some();
    match row.id {
        FlowId::Connection(_) => Some(no_exchange(row, has_ended)),
        FlowId::Exchange(_) => match row.outcome.as_deref() {
            Some("complete") => None,
            Some(outcome) => Some(outcome.to_owned()),
            None if has_ended => Some("not followed to its end".to_owned()),
            None => Some("still running".to_owned()),
        },
    }
}

/// Why there is no request of a connection to show.
fn no_exchange(row: &FlowRow, has_ended: bool) -> String {
    let because = |what: &str| match &row.why {
        Some(why) => format!("{what}: {why}"),
        None => what.to_owned(),
    };
    match row.treatment {
        Some(TreatmentKind::Failed | TreatmentKind::Blocked) => {
            row.why.clone().unwrap_or_else(|| "failed".to_owned())
        }
        Some(TreatmentKind::Passthrough) => because("passed through, not opened"),
        Some(TreatmentKind::Plaintext) => because("no request was seen"),
        Some(TreatmentKind::Intercepted) => "no request was seen".to_owned(),
        None if has_ended => {
            "the connection ended before it was decided how to treat it".to_owned()
        }
        None => "it is not decided yet how to treat the connection".to_owned(),
    }
}

const REWRITTEN: &str = "head rewritten by Landfall as RFC 9110 demands of a proxy; the device's \
                         own is in the stream leg client";
