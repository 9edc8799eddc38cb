//! The active path: plain requests in absolute form, whose head a proxy must rewrite (RFC 9112
//! section 3.2.2, RFC 9110 section 7.6). Bodies and responses pass untouched. The head as the
//! client sent it is recorded beside the one that was sent on.

use crate::broken::Broken;
use crate::client::{Client, Served};
use crate::ingress;
use crate::ingress::ask::{Ask, Forwarded};
use crate::journal::Journal;
use crate::reply::{self, LINGER_TIME};
use crate::upstream;
use crate::wire::Wire;
use bytes::{Bytes, BytesMut};
use feed::RecorderGone;
use flow::event::{Event, Ingress};
use flow::http::{Field, HttpVersion};
use flow::limits::Limits;
use flow::stream::{Direction, Leg};
use flow::time::Stamp;
use flow::treatment::{Outcome, PlaintextWhy, Side, Treatment};
use observe::Observer;
use observe::http1::message_body::MessageBody;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::Notify;
use tokio::time::timeout;

/// Passes on requests to one target for as long as the client has some. What it asks for next, if
/// that is something else, is returned.
pub(crate) async fn run(
    first: Forwarded,
    client: &mut Client,
    accepted: Stamp,
    served: &Served,
) -> Result<Option<Ask>, RecorderGone> {
    let journal = served.journal();
    let opened = client.opened(journal.connection(), accepted, Ingress::AbsoluteForm);
    journal.tell(Event::Opened(opened)).await?;
    let mut next = None;
    let outcome = tokio::select! {
        outcome = conversation(first, client, served, &journal, &mut next) => outcome?,
        () = served.abort.cancelled() => Outcome::Shutdown,
    };
    journal.finish(outcome).await?;
    Ok(next)
}

async fn conversation(
    first: Forwarded,
    client: &mut Client,
    served: &Served,
    journal: &Journal,
    next: &mut Option<Ask>,
) -> Result<Outcome, RecorderGone> {
    let setup = &served.setup;
    let app = client.app.clone();
    let target = first.target.clone();
    journal.targeted(target.clone()).await?;
    journal.passed(Leg::Client, Direction::Up, first.received.raw.clone()).await?;
    let mut upstream = match upstream::reach(setup, journal, &target, &client.own).await? {
        Ok(upstream) => upstream,
        Err(treatment) => {
            journal.treated(treatment.clone()).await?;
            reply::refused(&mut client.wire, client.speaks, &treatment).await;
            return Ok(Outcome::NotRelayed);
        }
    };
    journal.treated(Treatment::Plaintext(PlaintextWhy::Http)).await?;
    journal.observe(Observer::http1(journal.connection(), &setup.limits)).await;
    let mut request = first;
    loop {
        let limits = &setup.limits;
        let exchanged = tokio::select! {
            exchanged = exchange(&mut client.wire, &mut upstream, journal, &request, limits) => {
                exchanged
            }
            () = journal.idle(limits.idle_time) => Err(Broken::Transport(Outcome::IdleTimeout)),
        };
        match exchanged {
            Ok(rest) => client.wire.unread(rest),
            Err(Broken::Recorder(gone)) => return Err(gone),
            Err(Broken::Transport(outcome)) => {
                if outcome == Outcome::Completed {
                    end(&mut client.wire).await;
                } else {
                    // A FIN would make a body that lasts until the close look whole.
                    client.wire.socket().reset_on_close();
                }
                return Ok(outcome);
            }
        }
        // Only waiting may be given up for the upstream's close, reading may not.
        let upstream_is_gone = tokio::select! {
            biased;
            () = client.wire.readable() => false,
            _ = upstream.socket().has_spoken() => true,
            () = journal.idle(limits.idle_time) => return Ok(Outcome::IdleTimeout),
        };
        if upstream_is_gone {
            end(&mut client.wire).await;
            return Ok(Outcome::Completed);
        }
        match ingress::http::read(client, setup).await {
            Ask::Nothing(_) => {
                end(&mut client.wire).await;
                return Ok(Outcome::Completed);
            }
            Ask::Forward(more)
                if more.target == target && client.app == app && !is_gone(&upstream).await =>
            {
                request = *more;
                let raw = request.received.raw.clone();
                journal.passed(Leg::Client, Direction::Up, raw).await?;
            }
            other => {
                *next = Some(other);
                return Ok(Outcome::Completed);
            }
        }
    }
}

/// Ends our direction in order; a client that has gone needs no end.
async fn end(client: &mut Wire) {
    drop(timeout(LINGER_TIME, client.shutdown()).await);
}

/// Whether the upstream has closed, or said something that nobody asked for.
async fn is_gone(upstream: &Wire) -> bool {
    tokio::select! {
        biased;
        _ = upstream.socket().has_spoken() => true,
        () = tokio::task::yield_now() => false,
    }
}

/// One request and its response, both directions at once. Returns what the client sent after it.
async fn exchange(
    client: &mut Wire,
    upstream: &mut Wire,
    journal: &Journal,
    request: &Forwarded,
    limits: &Limits,
) -> Result<Bytes, Broken> {
    let before = journal.exchanges_ended().await;
    let head = rewritten(request);
    journal.passed(Leg::Relay, Direction::Up, head.clone()).await?;
    let sent = upstream.write_all(&head).await;
    sent.map_err(|error| Broken::transport(Side::Upstream, &error))?;
    let body = MessageBody::new(request.body, limits.request_head_bytes);
    let sent_all = Notify::new();
    let (client_reader, client_writer) = tokio::io::split(client);
    let (upstream_reader, upstream_writer) = tokio::io::split(upstream);
    let (rest, ()) = tokio::try_join!(
        send_body(journal, body, client_reader, upstream_writer, &sent_all),
        receive(journal, before, upstream_reader, client_writer, &sent_all),
    )?;
    Ok(rest)
}

/// Passes the request's body on; returns the bytes after it.
async fn send_body(
    journal: &Journal,
    mut body: MessageBody,
    mut client: ReadHalf<&mut Wire>,
    mut upstream: WriteHalf<&mut Wire>,
    sent_all: &Notify,
) -> Result<Bytes, Broken> {
    let mut rest = Bytes::new();
    while !body.is_done() {
        let mut buffer = BytesMut::with_capacity(READ_BYTES);
        let read = client.read_buf(&mut buffer).await;
        if read.map_err(|error| Broken::transport(Side::Client, &error))? == 0 {
            return Err(Broken::Transport(Outcome::Truncated(Side::Client)));
        }
        // A broken coding ends at the byte that breaks it; the upstream sees the same cut.
        let (length, is_broken) = match body.feed(&buffer, &mut |_payload| {}) {
            Ok(length) => (length, false),
            Err(defect) => (defect.at.min(buffer.len()), true),
        };
        let bytes = buffer.split_to(length).freeze();
        rest = buffer.freeze();
        journal.passed(Leg::Relay, Direction::Up, bytes.clone()).await?;
        if upstream.write_all(&bytes).await.is_err() {
            // It may have answered before it stopped reading: receiving goes on and will tell.
            return std::future::pending().await;
        }
        if is_broken {
            return Err(Broken::Transport(Outcome::Truncated(Side::Client)));
        }
    }
    sent_all.notify_one();
    Ok(rest)
}

/// Passes the response on until the observer has seen the exchange end.
async fn receive(
    journal: &Journal,
    before: u32,
    mut upstream: ReadHalf<&mut Wire>,
    mut client: WriteHalf<&mut Wire>,
    sent_all: &Notify,
) -> Result<(), Broken> {
    while journal.exchanges_ended().await == before {
        let mut buffer = BytesMut::with_capacity(READ_BYTES);
        let read = tokio::select! {
            read = upstream.read_buf(&mut buffer) => read,
            () = sent_all.notified() => continue,
        };
        if read.map_err(|error| Broken::transport(Side::Upstream, &error))? == 0 {
            journal.ended(Direction::Down).await?;
            return Err(Broken::Transport(Outcome::Completed));
        }
        let bytes = buffer.freeze();
        journal.passed(Leg::Relay, Direction::Down, bytes.clone()).await?;
        let sent = async {
            client.write_all(&bytes).await?;
            client.flush().await
        };
        sent.await.map_err(|error| Broken::transport(Side::Client, &error))?;
    }
    Ok(())
}

/// The head as sent on: origin form, the target's own Host, hop-by-hop fields consumed, Via added.
/// All other fields keep their order, case and repeats.
fn rewritten(request: &Forwarded) -> Bytes {
    let head = &request.received.head;
    let dropped = |field: &Field| {
        let name = field.name.as_ref();
        HOP_BY_HOP.iter().any(|own| name.eq_ignore_ascii_case(own.as_bytes()))
            || is_listed(&head.fields, name)
    };
    let mut out = BytesMut::with_capacity(request.received.raw.len() + 64);
    let version = head.version.as_str().as_bytes();
    push(&mut out, &[&head.method, b" ", &request.path, b" ", version, b"\r\n"]);
    let host = authority(request);
    let mut host_sent = false;
    for field in &head.fields {
        if field.name.eq_ignore_ascii_case(b"host") {
            if !std::mem::replace(&mut host_sent, true) {
                push(&mut out, &[&field.name, b": ", host.as_bytes(), b"\r\n"]);
            }
        } else if !dropped(field) {
            push(&mut out, &[&field.name, b": ", &field.value, b"\r\n"]);
        }
    }
    if !host_sent {
        push(&mut out, &[b"Host: ", host.as_bytes(), b"\r\n"]);
    }
    let protocol: &[u8] = if head.version == HttpVersion::Http10 { b"1.0" } else { b"1.1" };
    push(&mut out, &[b"Via: ", protocol, b" landfall\r\n"]);
    if listed(&head.fields).any(|option| option.eq_ignore_ascii_case(b"close")) {
        push(&mut out, &[b"Connection: close\r\n"]);
    }
    push(&mut out, &[b"\r\n"]);
    out.freeze()
}

/// The authority as the client wrote it in the request target.
fn authority(request: &Forwarded) -> String {
    match (&request.target.host, request.target.port) {
        (flow::address::Host::Name(name), 80) => name.to_string(),
        (flow::address::Host::Ip(ip), 80) if ip.is_ipv4() => ip.to_string(),
        (flow::address::Host::Ip(ip), 80) => format!("[{ip}]"),
        _ => request.target.to_string(),
    }
}

fn push(out: &mut BytesMut, parts: &[&[u8]]) {
    parts.iter().for_each(|part| out.extend_from_slice(part));
}

/// Connection options: fields that are for the next hop alone (RFC 9110 section 7.6.1).
fn listed(fields: &[Field]) -> impl Iterator<Item = &[u8]> {
    let is_connection = |field: &&Field| {
        field.name.eq_ignore_ascii_case(b"connection")
            || field.name.eq_ignore_ascii_case(b"proxy-connection")
    };
    let values = fields.iter().filter(is_connection);
    values.flat_map(|field| field.value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii))
}

/// Whether the client names the field as a connection option. Framing and routing fields stay,
/// whatever it says: without them the request would mean something else.
fn is_listed(fields: &[Field], name: &[u8]) -> bool {
    let kept = KEPT.iter().any(|own| name.eq_ignore_ascii_case(own.as_bytes()));
    !kept && listed(fields).any(|option| option.eq_ignore_ascii_case(name))
}

const HOP_BY_HOP: [&str; 7] = [
    "connection",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "proxy-authenticate",
    "te",
    "upgrade",
];
const KEPT: [&str; 3] = ["content-length", "host", "transfer-encoding"];
const READ_BYTES: usize = 32 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::received::Received;
    use observe::http1::framing::request_framing;
    use observe::http1::head::RequestHeadParts;

    #[track_caller]
    fn check(request: &'static str, target: &str, expected: &str) {
        let raw = Bytes::from_static(request.as_bytes());
        let head = RequestHeadParts::parse(&raw).unwrap();
        let body = request_framing(&head).unwrap();
        let request = Forwarded {
            target: flow::address::Target::parse(target, None).unwrap(),
            path: Bytes::from_static(b"/p"),
            body,
            received: Received { raw, head },
        };
        assert_eq!(String::from_utf8(rewritten(&request).to_vec()).unwrap(), expected);
    }

    #[test]
    fn heads_are_rewritten_as_a_proxy_must_and_no_further() {
        check(
            "GET http://a.example/p HTTP/1.1\r\nhOsT: other\r\nX-b: 1\r\nX-B: 2\r\n\
             Connection: close, x-hop\r\nX-Hop: 1\r\nProxy-Authorization: secret\r\n\r\n",
            "a.example:80",
            "GET /p HTTP/1.1\r\nhOsT: a.example\r\nX-b: 1\r\nX-B: 2\r\nVia: 1.1 landfall\r\n\
             Connection: close\r\n\r\n",
        );
        check(
            "POST http://[::1]:81/p HTTP/1.0\r\nContent-Length: 1\r\n\
             Connection: content-length\r\n\r\n",
            "[::1]:81",
            "POST /p HTTP/1.0\r\nContent-Length: 1\r\nHost: [::1]:81\r\nVia: 1.0 landfall\r\n\r\n",
        );
    }
}
