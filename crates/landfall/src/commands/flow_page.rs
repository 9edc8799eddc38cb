//! One flow as a page for people: what was asked for, what was sent, over which handshakes, to
//! whom, and how well each of it is known.

use super::{flow_tls, levels, lookup, session};
use crate::output::cell::bytes;
use crate::output::colour::Ink;
use crate::output::page::Page;
use flow::treatment::{FAIL_OPEN_HINT, UNVERIFIED_HINT};
use recorder::read::{ConnectionDetail, DestinationRow, ExchangeDetail, FlowDetail};
use recorder::record::connection::ConnectionTreatment;
use recorder::record::dns::Dns;
use recorder::record::exchange::{BodyShape, End};
use recorder::record::sealed::{Sealed, WITHHELD};
use recorder::record::session::GapWhy;
use recorder::record::value::{Count, Text};
use std::time::Duration;

/// Fills the page.
pub(super) fn fill(page: &mut Page, detail: &FlowDetail, levels: Option<&DestinationRow>) {
    overview(page, detail);
    if let Some(exchange) = &detail.exchange {
        request(page, exchange);
        response(page, exchange);
        grpc_status(page, exchange);
    }
    flow_tls::fill(page, &detail.connection);
    dns(page, &detail.connection);
    if let Some(annotation) = detail.row.annotation.as_deref() {
        lookup::facts(page, annotation);
        lookup::claims(page, annotation);
    }
    phases(page, detail);
    timing(page, &detail.connection);
    if let Some(row) = levels {
        levels::fill(page, row);
    }
    if detail.cut {
        page.section("More");
        page.note("There are more records of this flow than are shown; the log holds all of them.");
    }
}

fn overview(page: &mut Page, detail: &FlowDetail) {
    let row = &detail.row;
    page.section(&format!("Flow {}", row.id));
    page.line("time", session::time(row.time));
    page.line("device", row.device.map_or(WITHHELD.to_owned(), |device| device.to_string()));
    page.some("app", row.app.as_deref());
    if let Some(open) = detail.connection.open.as_ref().map(|open| &open.body) {
        let over_tls = if open.over_tls { ", over TLS to the proxy" } else { "" };
        page.line("way in", format_args!("{}{over_tls}", open.ingress));
        page.some("forwarded by", open.forwarded_by.as_ref());
    }
    page.some("host", row.host.as_ref());
    page.some("port", row.port);
    page.some("address", row.address);
    if let Some(treatment) = row.treatment {
        page.inked_line("treatment", treatment.word(), Ink::of_word(treatment.word()));
    }
    page.some("why", row.why.as_deref());
    let treatment = detail.connection.treatments.last().map(|treatment| &treatment.body);
    page.some("hint", treatment.and_then(hint));
    if let Some(class) = row.distrust {
        page.inked_line("distrust", class, Ink::Notice);
        page.line("known then", known_then(&detail.connection));
    }
    page.some("protocol", row.protocol.as_deref());
    page.some("outcome", row.outcome.as_deref());
    // Of an exchange its bodies are counted, of a connection all that was relayed.
    let of = if detail.exchange.is_some() { " of body" } else { " relayed" };
    page.some("sent", row.request_bytes.map(|count| bytes(count) + of));
    page.some("received", row.response_bytes.map(|count| bytes(count) + of));
    page.some("lasted", row.duration.map(duration));
    if row.simulated {
        page.inked_line(
            "simulated",
            "names, addresses or times of this session are: no finding on real traffic",
            Ink::Notice,
        );
    }
    if row.address.is_some() && !row.looked_up {
        page.line("look-up", "no answer of this session holds the address");
    }
    if detail.exchange.is_some() && detail.connection.has_rewritten_heads() {
        page.line("request head", "rewritten by Landfall; the device's own: stream leg client, up");
    }
    for lost in &detail.connection.lost_sync {
        let text = format!("at byte {}: {}", lost.body.offset.0, lost.body.reason);
        match &lost.body.exchange {
            Some(exchange) => {
                let text = format!("of {} {text}", exchange.0);
                page.inked_line("messages ended", text, Ink::Notice);
            }
            None => page.inked_line("decoding ended", text, Ink::Notice),
        }
    }
    left_out(page, &detail.connection);
}

/// What was not relayed, and what was not kept.
fn left_out(page: &mut Page, connection: &ConnectionDetail) {
    if let Some(dropped) = connection.datagrams_dropped.as_ref().map(|told| &told.body) {
        let mut text = format!(
            "{} fragments, {} malformed, {} of others, {} refused, {} past a bound",
            dropped.fragmented.0,
            dropped.malformed.0,
            dropped.foreign.0,
            dropped.refused.0,
            dropped.overflowed.0
        );
        if let Some(count) = dropped.over_flow_limit {
            text.push_str(&format!(", {} past limits.datagram-flows of the run", count.0));
        }
        page.inked_line("not relayed", text, Ink::Notice);
    }
    for gap in &connection.gaps {
        let key = match gap.body.why {
            GapWhy::ConnectionLimit => "limits.recorded-connection-bytes = ",
            GapWhy::DiskFloor => "limits.free-disk-bytes = ",
            GapWhy::RecordTooLong => "",
        };
        let text = format!("past {key}{}", bytes(gap.body.limit.0));
        page.inked_line("not kept", text, Ink::Notice);
    }
}

/// What can be done about a treatment: of a limit, by the key that its record names.
fn hint(treatment: &ConnectionTreatment) -> Option<String> {
    match (treatment.treatment.as_str(), treatment.reason.as_str()) {
        ("passthrough", "distrusted") => return Some(FAIL_OPEN_HINT.to_owned()),
        ("failed", "unverified") => return Some(UNVERIFIED_HINT.to_owned()),
        _ => {}
    }
    let by_limit = treatment.reason == "device-limit" || treatment.reason == "too-large";
    let key = treatment.why.split(&[' ', '(']).find(|word| word.starts_with("limits."))?;
    by_limit.then(|| format!("raise {key} in landfall.toml if that much is meant to be served"))
}

/// What was known of the device when the class was written down.
fn known_then(connection: &ConnectionDetail) -> String {
    let treatment = connection.treatments.last().map(|treatment| &treatment.body);
    let distrust = treatment.and_then(|treatment| treatment.distrust.as_ref());
    match distrust.and_then(|d| Some((d.trusted_hosts?.0, d.refused_hosts?.0))) {
        Some((trusted, refused)) => {
            format!("our certificate accepted for {trusted} hosts, refused for {refused}")
        }
        None => "no alert says more".to_owned(),
    }
}

fn request(page: &mut Page, exchange: &ExchangeDetail) {
    let Some(request) = exchange.request.as_ref().map(|request| &request.body) else { return };
    page.section("Request");
    let (method, target) = (request.method.to_string_lossy(), request.target.to_string_lossy());
    page.note(format_args!("{method} {target} {}", request.version));
    page.some("protocol", request.protocol.as_ref().map(Text::to_string_lossy));
    page.some("HTTP/2 opening", request.h2_fingerprint.as_deref());
    fields(page, &request.fields);
    if let Some(close) = &exchange.close {
        body(page, &close.body.request_body);
    }
}

fn response(page: &mut Page, exchange: &ExchangeDetail) {
    for response in exchange.responses.iter().map(|response| &response.body) {
        page.section("Response");
        let reason = response.reason.to_string_lossy();
        page.note(format_args!("{} {} {reason}", response.version, response.status));
        fields(page, &response.fields);
    }
    if let Some(shape) = exchange.close.as_ref().and_then(|c| c.body.response_body.as_ref()) {
        body(page, shape);
    }
}

/// How a gRPC call ended, from the trailers, or from the head where there is nothing else.
fn grpc_status(page: &mut Page, exchange: &ExchangeDetail) {
    let body = exchange.close.as_ref().and_then(|close| close.body.response_body.as_ref());
    let trailers = body.map(|body| body.trailers.as_slice()).unwrap_or_default();
    let head = exchange.responses.iter().rfind(|response| response.body.is_final());
    let head = head.map(|response| response.body.fields.as_slice()).unwrap_or_default();
    let value = |name: &str| {
        let named = |(own, _): &&(Text, Sealed<Text>)| own.0.eq_ignore_ascii_case(name.as_bytes());
        trailers.iter().chain(head).find(named).map(|(_, value)| value.to_string_lossy())
    };
    let Some(status) = value("grpc-status") else { return };
    let code: Option<usize> = status.parse().ok();
    let name = code.and_then(|code| GRPC_STATUS.get(code)).copied().unwrap_or("unknown code");
    let message = value("grpc-message").map(|message| format!(": {message}"));
    page.line("gRPC status", format_args!("{status} {name}{}", message.unwrap_or_default()));
}

fn fields(page: &mut Page, fields: &[(Text, Sealed<Text>)]) {
    for (name, value) in fields {
        page.note(format_args!("{}: {}", name.to_string_lossy(), value.to_string_lossy()));
    }
}

fn body(page: &mut Page, shape: &BodyShape) {
    if shape.bytes.0 > 0 {
        page.line("body", format_args!("{}, {}", bytes(shape.bytes.0), end(shape)));
    }
    if let Some(messages) = &shape.messages {
        let recorded = messages.recorded.map(|recorded| {
            format!(", the first {} recorded (limits.observed-messages)", recorded.0)
        });
        page.line("messages", format_args!("{}{}", messages.seen.0, recorded.unwrap_or_default()));
    }
    fields(page, &shape.trailers);
}

/// How a body ended, in the record's words.
fn end(shape: &BodyShape) -> String {
    match (shape.end, shape.reset_code) {
        (End::Complete, _) => "complete".to_owned(),
        (End::Truncated, _) => "truncated".to_owned(),
        (End::Reset, Some(code)) => format!("reset with code {code}"),
        (End::Reset, None) => "reset".to_owned(),
        (End::NotFollowed, _) => "not-followed".to_owned(),
    }
}

fn dns(page: &mut Page, connection: &ConnectionDetail) {
    for lookup in connection.lookups.iter().map(|lookup| &lookup.body) {
        page.section(&format!("Look-up {}", lookup.lookup.0));
        page.line("name", &lookup.name.0);
        page.line("resolver", resolver(lookup));
        if let Some((_, aliases)) = lookup.chain.split_first() {
            for alias in aliases {
                page.line("alias", &alias.0);
            }
        }
        for answer in &lookup.answers {
            if let Some(address) = &answer.address {
                page.line("address", format_args!("{} (TTL {} s)", address.0, answer.ttl));
            }
        }
        let detail = lookup.detail.as_deref().map(|d| format!(": {d}")).unwrap_or_default();
        let cached = if lookup.cached { ", from our cache" } else { "" };
        let took = nanos(lookup.took_ns);
        page.line("outcome", format_args!("{}{detail}, {took}{cached}", lookup.outcome));
        if lookup.dnssec.as_deref() == Some("said-to-be-validated") {
            page.line("DNSSEC", "validated, says the resolver");
        }
        if let Some(subnet) = lookup.edns.as_ref().and_then(|edns| edns.subnet.as_ref()) {
            page.line("meant for", format_args!("clients in {subnet}, says the resolver"));
        }
    }
    if !connection.dials.is_empty() {
        page.section("Dialled");
    }
    for (number, dial) in connection.dials.iter().map(|dial| &dial.body).enumerate() {
        let mut result = match (&dial.error, dial.took_ns) {
            (Some(error), _) => error.clone(),
            (None, Some(took)) => format!("connected in {}", nanos(took)),
            (None, None) => "connected".to_owned(),
        };
        result.push_str(used_for(connection, number));
        match &dial.address {
            Some(address) => page.line("address", format_args!("{}: {result}", address.0)),
            None => page.line("address", format_args!("known to the upstream proxy: {result}")),
        }
        let through = dial.through.as_ref();
        page.some("through", through.map(|hop| format!("{}://{}", hop.kind, hop.address.0)));
        page.some("in its place", dial.simulated_by.as_ref().map(|socket| socket.0));
    }
}

/// What a connection to an upstream served, where there was one for our handshake and another for
/// the client's own.
fn used_for(connection: &ConnectionDetail, number: usize) -> &'static str {
    let reason = connection.treatments.last().map(|treatment| treatment.body.reason.as_str());
    let reached: Vec<_> =
        (0..).zip(&connection.dials).filter(|(_, dial)| dial.body.error.is_none()).collect();
    match reached.as_slice() {
        [.., (ours, _), (relayed, _)] if reason == Some("upstream-incompatible") => match number {
            number if number == *ours => ", for our handshake, which failed",
            number if number == *relayed => ", for the client's own TLS, which was relayed",
            _ => "",
        },
        _ => "",
    }
}

fn resolver(lookup: &Dns) -> String {
    let resolver = &lookup.resolver;
    match (&resolver.address, &resolver.name) {
        (Some(address), Some(name)) => {
            format!("{} at {} ({}), asked by the proxy", name.0, address.0, resolver.by)
        }
        (Some(address), None) => format!("{} ({}), asked by the proxy", address.0, resolver.by),
        (None, _) => resolver.by.clone(),
    }
}

fn phases(page: &mut Page, detail: &FlowDetail) {
    let Some(phases) = detail.row.phases else { return };
    page.section("Timing of the exchange");
    page.line("send", duration(phases.send));
    page.line("wait", duration(phases.wait));
    page.some("receive", phases.receive.map(duration));
}

fn timing(page: &mut Page, connection: &ConnectionDetail) {
    let Some(close) = connection.close.as_ref().map(|close| &close.body) else { return };
    page.section("Timing of the connection");
    page.some("look-up", close.timings.dns_ns.map(nanos));
    page.some("connect", close.timings.connect_ns.map(nanos));
    page.some("upstream TLS", close.timings.upstream_tls_ns.map(nanos));
    page.some("device TLS", close.timings.client_tls_ns.map(nanos));
    page.line("relayed up", bytes(close.relayed_up.0));
    page.line("relayed down", bytes(close.relayed_down.0));
    page.line("end", &close.outcome);
    page.some("detail", close.detail.as_deref());
}

fn nanos(count: Count) -> String {
    duration(Duration::from_nanos(count.0))
}

/// `1.234 s`, `56.7 ms`.
fn duration(duration: Duration) -> String {
    if duration >= Duration::from_secs(1) {
        format!("{}.{:03} s", duration.as_secs(), duration.subsec_millis())
    } else {
        let tenths = duration.as_micros() / 100;
        format!("{}.{} ms", tenths / 10, tenths % 10)
    }
}

/// The names of gRPC's status codes, from 0.
const GRPC_STATUS: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

#[cfg(test)]
mod tests {
    use super::*;
    use flow::time::{MonoNanos, Stamp, WallNanos};
    use recorder::read::Recorded;

    #[test]
    fn durations_are_short() {
        assert_eq!(duration(Duration::from_micros(56_789)), "56.7 ms");
        assert_eq!(duration(Duration::from_millis(1_234)), "1.234 s");
        assert_eq!(duration(Duration::ZERO), "0.0 ms");
    }

    #[test]
    fn a_body_s_end_has_the_record_s_words() {
        let shape = |end: &str| -> BodyShape {
            serde_json::from_value(serde_json::json!({
                "at": "2026-11-20T11:38:06.000000000Z", "bytes": 5, "end": end,
                "extent": {"start": 0, "end": 5}, "framing": "identity", "mono": "0",
            }))
            .unwrap()
        };
        for word in ["complete", "truncated", "reset", "not-followed"] {
            assert_eq!(end(&shape(word)), word);
        }
        let reset = BodyShape { reset_code: Some(8), ..shape("reset") };
        assert_eq!(end(&reset), "reset with code 8");
    }

    #[test]
    fn two_dials_of_one_incompatible_server_looked_the_same() {
        fn recorded<T: serde::de::DeserializeOwned>(body: serde_json::Value) -> Recorded<T> {
            let at = Stamp { wall: WallNanos(0), mono: MonoNanos(0) };
            Recorded { seq: 0, at, body: serde_json::from_value(body).unwrap() }
        }
        let failed = serde_json::json!({"connection": "c1", "error": "refused"});
        let reached = serde_json::json!({"connection": "c1", "took_ns": 5});
        let treatment = |reason: &str| serde_json::json!({"connection": "c1", "reason": reason, "treatment": "passthrough", "why": ""});
        let mut detail = ConnectionDetail {
            dials: [failed, reached.clone(), reached].map(recorded).to_vec(),
            treatments: vec![recorded(treatment("upstream-incompatible"))],
            ..ConnectionDetail::default()
        };
        let used = [0, 1, 2].map(|number| used_for(&detail, number));
        assert!(used[0].is_empty() && used[1].contains("failed") && used[2].contains("relayed"));
        detail.treatments = vec![recorded(treatment("rule"))];
        assert_eq!([0, 1, 2].map(|number| used_for(&detail, number)), [""; 3]);
    }
}
