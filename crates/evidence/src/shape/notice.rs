//! One live line of a running session, with the keys of a flow as far as they are known by then.

use super::flag::{self, FlagReasons};
use super::{SCHEMA, Shown};
use flow::address::Host;
use flow::claim::Country;
use flow::id::FlowId;
use flow::treatment::Treatment;
use recorder::record::value::Wall;
use recorder::{Moment, Notice};
use serde::Serialize;
use std::net::IpAddr;

/// A flow that ended, or a connection that was treated.
#[derive(Clone, Debug, Serialize)]
pub struct NoticeShape<'a> {
    schema: u32,
    id: Shown<FlowId>,
    time: Wall,
    device: IpAddr,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<Shown<&'a Host>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    treatment: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    request_bytes: u64,
    response_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    country: Option<Shown<Country>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    operator: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    flags: Option<Vec<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    flag_reasons: Option<FlagReasons<'a>>,
    simulated: bool,
}

impl<'a> NoticeShape<'a> {
    /// The line of a notice in a session that is simulated, or is not.
    pub fn new(notice: &'a Notice, simulated: bool) -> Self {
        let exchanged = match &notice.moment {
            Moment::Exchanged(exchanged) => Some(exchanged),
            Moment::Treated | Moment::Closed => None,
        };
        let known = notice.destination.as_deref();
        Self {
            schema: SCHEMA,
            id: Shown(notice.flow),
            time: Wall(notice.at.wall),
            device: notice.device.0.ip(),
            host: notice.target.as_ref().map(|target| Shown(&target.host)),
            port: notice.target.as_ref().map(|target| target.port),
            address: known.map(|annotation| annotation.address),
            treatment: notice.treatment.as_ref().map(Treatment::word),
            why: notice.treatment.as_ref().map(Treatment::why),
            method: exchanged.map(|exchanged| exchanged.method.as_str()),
            path: exchanged.map(|exchanged| exchanged.path.as_str()),
            status: exchanged.and_then(|exchanged| exchanged.status),
            request_bytes: notice.bytes_up,
            response_bytes: notice.bytes_down,
            country: known.and_then(|annotation| annotation.location.country()).map(Shown),
            operator: known
                .and_then(|annotation| annotation.operator.as_ref())
                .map(|operator| operator.group.as_str()),
            flags: known.map(|annotation| flag::policies(&annotation.flags)),
            flag_reasons: known
                .filter(|annotation| !annotation.flags.is_empty())
                .map(|annotation| FlagReasons(&annotation.flags)),
            simulated,
        }
    }
}
