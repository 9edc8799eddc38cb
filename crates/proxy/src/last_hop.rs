//! Answers the OPTIONS and TRACE requests that may go no further than us (RFC 9110 sections 7.6.2,
//! 9.3.7 and 9.3.8). Recorded like any other exchange; nothing is dialled.

use crate::ingress::ask::Forwarded;
use crate::journal::Journal;
use crate::reply;
use crate::setup::Setup;
use crate::wire::Wire;
use bytes::Bytes;
use feed::RecorderGone;
use flow::stream::{Direction, Leg};
use flow::treatment::{Outcome, PlaintextWhy, Treatment};
use observe::Observer;
use observe::http1::framing::BodyLength;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

/// Answers as the last recipient, and closes.
pub(crate) async fn answer(
    client: &mut Wire,
    setup: &Setup,
    journal: &Journal,
    request: &Forwarded,
) -> Result<Outcome, RecorderGone> {
    journal.treated(Treatment::Plaintext(PlaintextWhy::LastHop)).await?;
    journal.observe(Observer::http1(journal.connection(), &setup.limits)).await;
    journal.passed(Leg::Relay, Direction::Up, request.received.raw.clone()).await?;
    let response = response(request);
    journal.passed(Leg::Relay, Direction::Down, response.clone()).await?;
    journal.ended(Direction::Down).await?;
    // A body is not waited for: it is cut.
    if request.body == BodyLength::None {
        journal.ended(Direction::Up).await?;
    }
    let sending = async {
        client.write_all(&response).await?;
        reply::linger(client).await
    };
    // A client that leaves early has its answer or did not want it.
    drop(timeout(setup.limits.answer_time, sending).await);
    Ok(Outcome::Completed)
}

fn response(request: &Forwarded) -> Bytes {
    let head = &request.received.head;
    let (fields, body) = match head.method.as_ref() {
        b"TRACE" => ("Content-Type: message/http\r\n", reflected(request)),
        _ => ("Allow: GET, HEAD, POST, PUT, DELETE, OPTIONS, TRACE\r\n", Vec::new()),
    };
    let length = body.len();
    let start =
        format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: {length}\r\nConnection: close\r\n\r\n");
    [start.as_bytes(), &body].concat().into()
}

/// The request as it came, without the fields that hold secrets: a script that may ask for a TRACE
/// must not read them in its answer.
fn reflected(request: &Forwarded) -> Vec<u8> {
    let head = &request.received.head;
    let is_secret = |name: &[u8]| SECRETS.iter().any(|own| name.eq_ignore_ascii_case(own));
    let version = head.version.as_str().as_bytes();
    let mut out = [&head.method, b" ".as_slice(), &head.target, b" ", version, b"\r\n"].concat();
    for field in head.fields.iter().filter(|field| !is_secret(&field.name)) {
        out.extend_from_slice(&[&field.name, b": ".as_slice(), &field.value, b"\r\n"].concat());
    }
    out.extend_from_slice(b"\r\n");
    out
}

const SECRETS: [&[u8]; 3] = [b"authorization", b"proxy-authorization", b"cookie"];
