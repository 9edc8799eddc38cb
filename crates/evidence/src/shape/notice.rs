//! One live line of a running session, with the keys of a flow as far as they are known by then.

use super::known::Known;
use super::{SCHEMA, Shown};
use flow::address::Host;
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
    protocol: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    /// Absent while the connection runs, of which only the treatment is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    request_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_bytes: Option<u64>,
    /// Absent as a whole when the databases were not asked.
    #[serde(flatten)]
    known: Option<Known<'a>>,
    simulated: bool,
}

impl<'a> NoticeShape<'a> {
    /// The line of a notice in a session that is simulated, or is not.
    pub fn new(notice: &'a Notice, simulated: bool) -> Self {
        let exchanged = match &notice.moment {
            Moment::Exchanged(exchanged) => Some(exchanged),
            Moment::Treated | Moment::Closed => None,
        };
        let is_over = notice.moment != Moment::Treated;
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
            protocol: exchanged.and_then(|exchanged| exchanged.protocol),
            method: exchanged.map(|exchanged| exchanged.method.as_str()),
            path: exchanged.map(|exchanged| exchanged.path.as_str()),
            status: exchanged.and_then(|exchanged| exchanged.status),
            request_bytes: is_over.then_some(notice.bytes_up),
            response_bytes: is_over.then_some(notice.bytes_down),
            known: known.map(Known::new),
            simulated,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flow::address::{DeviceAddr, Target};
    use flow::annotation::{Annotation, Location};
    use flow::claim::Country;
    use flow::claim::{Asn, Claim, Source, Statement};
    use flow::id::{ConnectionId, ExchangeId};
    use flow::time::{MonoNanos, Stamp, WallNanos};
    use flow::treatment::PassthroughWhy;
    use recorder::Exchanged;
    use serde_json::{Value, json};
    use std::sync::Arc;

    fn annotation() -> Annotation {
        let source =
            Source { name: "dbip".into(), licence: "none".into(), built: None, sha256: None };
        Annotation {
            address: "192.0.2.1".parse().unwrap(),
            claims: vec![Claim {
                source: Arc::new(source),
                statement: Statement::Located(Country::CN),
                matched: "192.0.2.0/24".into(),
            }],
            location: Location::Disagreed { answers: vec![("dbip".into(), Country::CN)], asked: 2 },
            asn: Some(Asn(64496)),
            as_name: Some("Example".into()),
            operator: None,
            address_registered: None,
            as_registered: None,
            anycast: false,
            special_range: None,
            flags: Vec::new(),
        }
    }

    fn line(moment: Moment) -> Value {
        let connection = ConnectionId(7);
        let notice = Notice {
            at: Stamp { wall: WallNanos(1_795_173_185_000_000_001), mono: MonoNanos(0) },
            flow: match moment {
                Moment::Exchanged(_) => FlowId::Exchange(ExchangeId { connection, number: 1 }),
                Moment::Treated | Moment::Closed => FlowId::Connection(connection),
            },
            moment,
            device: DeviceAddr("192.168.1.7:50000".parse().unwrap()),
            target: Target::parse("a.example:443", None).ok(),
            treatment: Some(Treatment::Passthrough(PassthroughWhy::Rule("a.example".into()))),
            destination: Some(Arc::new(annotation())),
            bytes_up: 0,
            bytes_down: 9,
        };
        serde_json::to_value(NoticeShape::new(&notice, false)).unwrap()
    }

    #[test]
    fn a_connection_that_has_only_begun_was_said_to_have_sent_nothing() {
        let begun = line(Moment::Treated);
        assert_eq!((begun.get("request_bytes"), begun.get("response_bytes")), (None, None));
        assert_eq!(begun.get("protocol"), None);
        let ended = line(Moment::Closed);
        let bytes = (ended.get("request_bytes"), ended.get("response_bytes"));
        assert_eq!(bytes, (Some(&json!(0)), Some(&json!(9))));
    }

    #[test]
    fn what_is_known_of_the_address_is_there_even_where_sources_disagree() {
        let exchanged = Exchanged { protocol: Some("h2"), ..Exchanged::default() };
        let line = line(Moment::Exchanged(exchanged));
        assert_eq!(line.get("country"), None);
        for (key, expected) in [
            ("countries", json!({"dbip": "CN"})),
            ("asn", json!(64496)),
            ("as_name", json!("Example")),
            ("protocol", json!("h2")),
        ] {
            assert_eq!(line.get(key), Some(&expected), "{key}");
        }
    }
}
