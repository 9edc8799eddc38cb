//! Reading sessions back, made by hand: which index is used, what listings and filters find, what
//! details, bodies and destinations say.

mod bodies;
mod compare;
mod destinations;
mod facts;
mod filters;
mod history;
mod names;
mod opening;
mod probes;
mod recorded;
mod round_trips;

use super::query::{DestinationQuery, FlowQuery, GroupBy};
use super::session::Session;
use crate::index::testing::{Made, START, annotation, at, body, exchange, relay};
use flow::address::{DnsName, Host};
use flow::annotation::{Annotation, Flag, FlagReason, Severity};
use flow::claim::{Asn, Confidence, Country, Operator};
use flow::event::Ingress;
use flow::filter;
use flow::http::Framing;
use flow::stream::Direction;
use flow::time::WallNanos;
use flow::treatment::{BlockedWhy, PassthroughWhy, Treatment};

/// Ten minutes after the session began.
const NOW: WallNanos = WallNanos(START + 600_000_000_000);

/// Five connections:
/// - c1 `api.example.com`, intercepted, SG by both sources: `GET /v1/users?id=1` 200
///   `application/json` with 5 bytes of response, `POST /upload` 404 with 2,000 bytes of request;
/// - c2 `cdn.example.net` over an alias in Alibaba's zone, passed through, SG against CN, flagged;
/// - c3 the literal address `114.114.114.114`, plaintext that is no HTTP, no look-up;
/// - c4 blocked, `169.254.169.254` without claims;
/// - c5 Landfall's own pages.
fn sample() -> Made {
    let mut made = Made::new();
    made.open(1, 1, Ingress::Connect);
    made.target(1, "api.example.com", None);
    made.look_up(1, &["api.example.com"], &["8.8.4.4"]);
    let number = made.assess(&["api.example.com"], &google());
    made.dial(1, "8.8.4.4", number, true);
    made.treat(1, &Treatment::Intercepted);
    made.request(exchange(1, 1), 2, "GET", "/v1/users?id=1");
    made.response(exchange(1, 1), 200, "application/json; charset=utf-8");
    made.end(
        exchange(1, 1),
        4,
        body(Framing::None, 0, 0, 0),
        Some(body(Framing::Identity, 0, 5, 5)),
    );
    made.request(exchange(1, 2), 300, "POST", "/upload");
    made.response(exchange(1, 2), 404, "text/html");
    let upload = body(Framing::Identity, 0, 2000, 2000);
    made.end(exchange(1, 2), 301, upload, Some(body(Framing::None, 5, 5, 0)));
    made.close(1, 302, 2500, 700);

    made.open(2, 10, Ingress::Connect);
    made.target(2, "cdn.example.net", None);
    made.look_up(2, &["cdn.example.net", "x.alicdn.com"], &["8.136.0.1"]);
    let number = made.assess(&["cdn.example.net", "x.alicdn.com"], &alibaba());
    made.dial(2, "8.136.0.1", number, true);
    made.treat(2, &Treatment::Passthrough(PassthroughWhy::Rule("*.example.net".into())));
    made.close(2, 12, 600_000, 1000);

    made.open(3, 20, Ingress::Connect);
    let number = made.assess(&[], &annotation("114.114.114.114", &[("dbip", "CN")]));
    made.target(3, "114.114.114.114", Some(number));
    made.dial(3, "114.114.114.114", number, true);
    made.treat(3, &Treatment::Plaintext(flow::treatment::PlaintextWhy::NotTls));
    made.close(3, 21, 10, 0);

    made.open(4, 30, Ingress::AbsoluteForm);
    made.target(4, "169.254.169.254", None);
    made.treat(4, &Treatment::Blocked(BlockedWhy::DestinationMetadata));
    made.close(4, 30, 0, 0);

    made.open(5, 40, Ingress::Onboarding);
    made.target(5, "setup.test", None);
    made.treat(5, &Treatment::Plaintext(flow::treatment::PlaintextWhy::OwnPages));
    made.close(5, 41, 0, 0);
    made
}

fn google() -> Annotation {
    Annotation {
        asn: Some(Asn(15169)),
        as_name: Some("Google LLC".into()),
        anycast: true,
        ..annotation("8.8.4.4", &[("dbip", "SG"), ("ipfire", "SG")])
    }
}

fn alibaba() -> Annotation {
    let reasons = vec![
        FlagReason::Located { country: Country::CN, saying: 1, asked: 2 },
        FlagReason::AsRegistered { country: Country::CN, asn: Some(Asn(37963)) },
    ];
    Annotation {
        asn: Some(Asn(37963)),
        as_name: Some("Hangzhou Alibaba 100%_Cloud".into()),
        operator: Some(Operator {
            group: "Alibaba Cloud".into(),
            headquarters: Some(Country::CN),
            confidence: Confidence::A,
            basis: "registered holder".into(),
            matched: "alicdn.com".into(),
        }),
        address_registered: "SG".parse().ok(),
        as_registered: Some(Country::CN),
        flags: vec![Flag { policy: "mainland-china".into(), severity: Severity::Notice, reasons }],
        ..annotation("8.136.0.1", &[("dbip", "CN"), ("ipfire", "SG")])
    }
}

fn open(made: &Made) -> Session {
    Session::open(made.session.path()).unwrap()
}

/// The ids that a filter finds, in order of time.
fn ids(session: &Session, text: &str) -> Vec<String> {
    let filter = filter::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let rows = session.flows(&FlowQuery::all(filter, NOW)).unwrap();
    rows.iter().map(|row| row.id.to_string()).collect()
}
