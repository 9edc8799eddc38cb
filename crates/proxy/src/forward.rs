//! The active path: plain requests in absolute form, whose head a proxy must rewrite (RFC 9112
//! section 3.2.2, RFC 9110 section 7.6). Bodies and responses pass untouched. The head as the
//! client sent it is recorded beside the one that was sent on. A connection that turns into a
//! WebSocket is relayed as a tunnel from there on.

use crate::broken::{self, Broken};
use crate::client::{Client, Served};
use crate::ingress;
use crate::ingress::ask::{Ask, Forwarded, Single};
use crate::journal::Journal;
use crate::relay::{self, End};
use crate::reply;
use crate::response_end::ResponseEnd;
use crate::setup::Setup;
use crate::wire::Wire;
use crate::{forward_head, last_hop, upstream};
use bytes::{Bytes, BytesMut};
use feed::RecorderGone;
use flow::event::{Event, Ingress};
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
    journal.targeted(first.target.clone()).await?;
    journal.passed(Leg::Client, Direction::Up, first.received.raw.clone()).await?;
    if forward_head::ends_here(&first) {
        return last_hop::answer(&mut client.wire, setup, journal, &first).await;
    }
    let upstream = match upstream::reach(setup, journal, &first.target, &client.own).await? {
        Ok(upstream) => upstream,
        Err(treatment) => {
            let Client { wire, speaks, .. } = client;
            return reply::refuse(wire, *speaks, &setup.limits, journal, treatment).await;
        }
    };
    journal.treated(Treatment::Plaintext(PlaintextWhy::Http)).await?;
    journal.observe(Observer::http1(journal.connection(), &setup.limits)).await;
    exchanges(first, client, upstream, setup, journal, next).await
}

/// One exchange after the other on one upstream connection.
async fn exchanges(
    first: Forwarded,
    client: &mut Client,
    mut upstream: Wire,
    setup: &Setup,
    journal: &Journal,
    next: &mut Option<Ask>,
) -> Result<Outcome, RecorderGone> {
    let (app, target) = (client.app.clone(), first.target.clone());
    let mut request = first;
    loop {
        let limits = &setup.limits;
        let exchanged = tokio::select! {
            exchanged = exchange(&mut client.wire, &mut upstream, journal, &request, limits) => {
                exchanged
            }
            () = journal.idle(limits.idle_time) => Err(Broken::Transport(Outcome::IdleTimeout)),
        };
        let (rest, answered) = match exchanged {
            Ok(exchanged) => exchanged,
            Err(Broken::Recorder(gone)) => return Err(gone),
            Err(Broken::Transport(outcome)) => {
                end_as(&outcome, &mut client.wire, limits).await;
                return Ok(outcome);
            }
        };
        client.wire.unread(rest);
        match answered {
            Answered::Whole => {}
            Answered::WithMore => {
                // The response is whole, so that the client may have it in peace.
                end(&mut client.wire, limits).await;
                return Ok(Outcome::Malformed);
            }
            Answered::Switched => {
                let socket = client.wire.socket().clone();
                let client = End { stream: &mut client.wire, socket };
                return relay::run(journal, client, End::plain(upstream), limits).await;
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
            end(&mut client.wire, limits).await;
            return leave(journal, &mut upstream).await;
        }
        match ingress::http::read(client, setup).await {
            Ask::Single(Single::Nothing(_)) => {
                end(&mut client.wire, limits).await;
                return leave(journal, &mut upstream).await;
            }
            Ask::Forward(more)
                if more.target == target
                    && client.app == app
                    && !forward_head::ends_here(&more)
                    && !is_gone(&upstream).await =>
            {
                request = *more;
                let raw = request.received.raw.clone();
                journal.passed(Leg::Client, Direction::Up, raw).await?;
            }
            other => {
                *next = Some(other);
                return leave(journal, &mut upstream).await;
            }
        }
    }
}

/// Ends the client's connection as the upstream's ended.
async fn end_as(outcome: &Outcome, client: &mut Wire, limits: &Limits) {
    if *outcome == Outcome::Completed {
        end(client, limits).await;
    } else {
        // A FIN would make a body that lasts until the close look whole.
        client.socket().reset_on_close();
    }
}

/// Ends our direction in order; a client that has gone needs no end.
async fn end(client: &mut Wire, limits: &Limits) {
    drop(timeout(limits.answer_time, client.shutdown()).await);
}

/// Whether the upstream has closed, or said something that nobody asked for.
async fn is_gone(upstream: &Wire) -> bool {
    tokio::select! {
        biased;
        _ = upstream.socket().has_spoken() => true,
        () = tokio::task::yield_now() => false,
    }
}

/// Ends the record of an upstream between two requests. What it said unasked is recorded and goes
/// nowhere.
async fn leave(journal: &Journal, upstream: &mut Wire) -> Result<Outcome, RecorderGone> {
    let mut buffer = BytesMut::with_capacity(READ_BYTES);
    let read = tokio::select! {
        biased;
        read = upstream.read_buf(&mut buffer) => read,
        () = tokio::task::yield_now() => Ok(0),
    };
    let mut outcome = Outcome::Completed;
    match read {
        Ok(0) => journal.ended(Direction::Down).await?,
        Ok(_) => journal.passed(Leg::Relay, Direction::Down, buffer.freeze()).await?,
        Err(error) => outcome = broken::outcome(Side::Upstream, &error),
    }
    journal.ended(Direction::Up).await?;
    Ok(outcome)
}

/// What came in answer to a request.
enum Answered {
    Whole,
    /// A whole response, and bytes behind it that nobody asked for.
    WithMore,
    /// The protocol that the client asked for.
    Switched,
}

/// One request and its response, both directions at once. Returns what the client sent after it.
async fn exchange(
    client: &mut Wire,
    upstream: &mut Wire,
    journal: &Journal,
    request: &Forwarded,
    limits: &Limits,
) -> Result<(Bytes, Answered), Broken> {
    let head = forward_head::rewritten(request);
    journal.passed(Leg::Relay, Direction::Up, head.clone()).await?;
    let sent = upstream.write_all(&head).await;
    sent.map_err(|error| Broken::transport(Side::Upstream, &error))?;
    let body = MessageBody::new(request.body, limits.request_head_bytes);
    let response = ResponseEnd::new(request, limits);
    let sent_all = Notify::new();
    let (client_reader, client_writer) = tokio::io::split(client);
    let (upstream_reader, upstream_writer) = tokio::io::split(upstream);
    tokio::try_join!(
        send_body(journal, body, client_reader, upstream_writer, &sent_all),
        receive(journal, response, upstream_reader, client_writer, &sent_all),
    )
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

/// Passes the response on, to its end and no further.
async fn receive(
    journal: &Journal,
    mut response: ResponseEnd,
    mut upstream: ReadHalf<&mut Wire>,
    mut client: WriteHalf<&mut Wire>,
    sent_all: &Notify,
) -> Result<Answered, Broken> {
    let mut sent = false;
    while !(response.is_whole() && sent) {
        let mut buffer = BytesMut::with_capacity(READ_BYTES);
        let read = tokio::select! {
            biased;
            () = sent_all.notified(), if !sent => {
                sent = true;
                continue;
            }
            read = upstream.read_buf(&mut buffer) => read,
        };
        if read.map_err(|error| Broken::transport(Side::Upstream, &error))? == 0 {
            journal.ended(Direction::Down).await?;
            if sent {
                journal.ended(Direction::Up).await?;
            }
            return Err(Broken::Transport(Outcome::Completed));
        }
        let mut bytes = buffer.freeze();
        journal.passed(Leg::Relay, Direction::Down, bytes.clone()).await?;
        if journal.refuses() {
            return Err(Broken::Transport(Outcome::Malformed));
        }
        let fed = response.feed(&bytes);
        let behind = bytes.split_off(fed.as_ref().map_or_else(|broken| broken.at, |taken| *taken));
        let passing = async {
            client.write_all(&bytes).await?;
            client.flush().await
        };
        passing.await.map_err(|error| Broken::transport(Side::Client, &error))?;
        match fed {
            Ok(_) if response.has_switched() => return Ok(Answered::Switched),
            Ok(_) if behind.is_empty() => {}
            Ok(_) if sent => return Ok(Answered::WithMore),
            _ => return Err(Broken::Transport(Outcome::Malformed)),
        }
    }
    Ok(Answered::Whole)
}

const READ_BYTES: usize = 32 * 1024;
