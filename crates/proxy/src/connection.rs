//! A device's connection from accept to close. This is the one place that branches: each step is a
//! function that returns a value, and no step calls the next.
//!
//! Steps are boxed: a future has room for the largest of its steps for as long as it lives, and that
//! of a connection lives for hours in the smallest of them.

use crate::association;
use crate::client::{Client, Served, Speaks};
use crate::client_needs::ClientNeeds;
use crate::ingress;
use crate::ingress::ask::{Ask, Refusal, Single, request_failed};
use crate::interception::{Tunnel, judged};
use crate::journal::Journal;
use crate::memory::{Asked, Asker};
use crate::opening::{self, Opening};
use crate::relay::{self, End};
use crate::setup::Setup;
use crate::upstream_tls::asked_host;
use crate::wire::Wire;
use crate::{broken, client_tls, forward, onboarding, reply, tls_failure, upstream};
use feed::RecorderGone;
use flow::address::Target;
use flow::event::{Event, Ingress};
use flow::stream::{Direction, Leg};
use flow::treatment::{BlockedWhy, Cause, Failure, Outcome, PlaintextWhy, Side, Stage, Treatment};
use observe::Observer;
use std::sync::atomic::Ordering;

/// Serves one connection of a device. However it ends, its record is closed.
pub(crate) async fn run(mut client: Client, served: &Served) {
    let mut accepted = served.setup.clock.now();
    if served.recording_has_stopped() {
        return not_recorded(&mut client, served).await;
    }
    let mut ask = match client.original {
        Some(original) => ingress::taken(&mut client, original, served),
        None => tokio::select! {
            ask = Box::pin(ingress::read(&mut client, served)) => ask,
            () = served.abort.cancelled() => Ask::nothing(Cause::RunEnded),
        },
    };
    let ended = loop {
        let ended = match ask {
            Ask::Forward(request) => {
                Box::pin(forward::run(*request, &mut client, accepted, served)).await
            }
            Ask::Associate(asked) => {
                break Box::pin(association::run(asked, client, accepted, served)).await;
            }
            Ask::Single(asked) => break single(asked, client, accepted, served).await,
        };
        match ended {
            // The client goes on with a request for somebody else.
            Ok(Some(next)) => ask = next,
            Ok(None) => break Ok(()),
            Err(gone) => break Err(gone),
        }
        accepted = served.setup.clock.now();
    };
    if let Err(gone) = ended {
        tracing::debug!(error = %gone, "Ended a connection because nothing can be recorded");
    }
}

/// Says no to a client because nothing can be recorded any more.
async fn not_recorded(client: &mut Client, served: &Served) {
    served.unrecorded.fetch_add(1, Ordering::Relaxed);
    let (setup, why) = (&served.setup, BlockedWhy::RecordingStopped);
    let saying = async {
        let treatment = match client.original {
            Some(_) => Treatment::Blocked(why),
            None => ingress::hear_out(client, setup, why).await.treatment,
        };
        reply::refused(&mut client.wire, client.speaks, &treatment, &setup.limits).await;
    };
    tokio::select! {
        () = Box::pin(saying) => {}
        () = served.over.cancelled() => {}
    }
}

/// A client connection that is one conversation, which is every kind but plain forwarding.
async fn single(
    asked: Single,
    mut client: Client,
    accepted: flow::time::Stamp,
    served: &Served,
) -> Result<(), RecorderGone> {
    let ingress = match (&asked, client.original) {
        (Single::Tunnel(..) | Single::Refused(..), Some(original)) => original.ingress,
        (Single::Tunnel(..) | Single::Refused(..), None) if client.speaks.is_socks5() => {
            Ingress::Socks5
        }
        (Single::Tunnel(..), None) => Ingress::Connect,
        (Single::Own(_), _) => Ingress::Onboarding,
        (Single::Refused(refusal), None) => refusal.ingress.unwrap_or(Ingress::Unknown),
        (Single::Nothing(_), _) => Ingress::Unknown,
    };
    let journal = served.journal();
    let opened = client.opened(journal.connection(), accepted, ingress);
    journal.tell(Event::Opened(opened)).await?;
    let outcome = {
        let steps = async {
            match asked {
                Single::Tunnel(target, raw) => {
                    journal.passed(Leg::Client, Direction::Up, raw).await?;
                    tunnel(client, served, &journal, &target).await
                }
                Single::Own(request) => {
                    if let Some(target) = onboarding::own_target() {
                        journal.targeted(target).await?;
                    }
                    journal.treated(Treatment::Plaintext(PlaintextWhy::OwnPages)).await?;
                    let (setup, wire) = (&served.setup, client.wire);
                    Box::pin(onboarding::answer(wire, setup, &journal, &request)).await
                }
                Single::Refused(refusal) => {
                    let Refusal { treatment, raw, target, .. } = refusal;
                    let original = client.original.map(|original| original.target());
                    if let Some(target) = original.or(target) {
                        journal.targeted(target).await?;
                    }
                    journal.passed(Leg::Client, Direction::Up, raw).await?;
                    let (limits, speaks) = (&served.setup.limits, client.speaks);
                    let wire = &mut client.wire;
                    Box::pin(reply::refuse(wire, speaks, limits, &journal, treatment)).await
                }
                Single::Nothing(cause) => journal.not_relayed(request_failed(cause)).await,
            }
        };
        tokio::select! {
            // What waits for bytes notices by itself that the run ends, and says what there was.
            biased;
            outcome = steps => outcome?,
            () = served.abort.cancelled() => Outcome::Shutdown,
        }
    };
    journal.finish(outcome).await
}

/// A tunnel: dial, look at what the client opens with, then treat it accordingly.
async fn tunnel(
    client: Client,
    served: &Served,
    journal: &Journal,
    target: &Target,
) -> Result<Outcome, RecorderGone> {
    let setup = &*served.setup;
    let Client { wire: mut client, own, device, app, speaks, .. } = client;
    let asker = Asker { device: device.0.ip(), app };
    journal.targeted(target.clone()).await?;
    if onboarding::is_own(target) {
        return Box::pin(own_pages(client, speaks, served, journal, target, asker)).await;
    }
    let upstream = match Box::pin(upstream::reach(setup, journal, target, &own)).await? {
        Ok(upstream) => upstream,
        Err(treatment) => {
            let limits = &setup.limits;
            return Box::pin(reply::refuse(&mut client, speaks, limits, journal, treatment)).await;
        }
    };
    let bound = upstream.socket().local_address();
    if let Err(error) = reply::established(&mut client, speaks, bound).await {
        return journal.not_relayed(client_gone(&error)).await;
    }
    let reading = opening::read(&mut client, Some(&upstream), &setup.limits, &served.abort);
    let why = match Box::pin(reading).await {
        Opening::Tls(hello) => {
            let tunnel = Tunnel { client, upstream, asker, target, own: &own, setup, journal };
            return Box::pin(tunnel.run(hello)).await;
        }
        Opening::Failed(failure) => return hello_failed(client, setup, journal, failure).await,
        Opening::UpstreamFailed(error) => {
            let outcome = broken::outcome(Side::Upstream, &error);
            return not_opened(client, journal, outcome).await;
        }
        Opening::RunEnded => return not_opened(client, journal, Outcome::Shutdown).await,
        Opening::Http1 => {
            journal.observe(Observer::http1(journal.connection(), &setup.limits)).await;
            PlaintextWhy::Http
        }
        Opening::Http2 => {
            journal.observe(Observer::http2(journal.connection(), &setup.limits)).await;
            PlaintextWhy::Http
        }
        Opening::Other => PlaintextWhy::NotTls,
        Opening::ServerFirst => PlaintextWhy::ServerSpokeFirst,
        Opening::Silent => PlaintextWhy::Silent,
        Opening::Idle => {
            journal.treated(Treatment::Plaintext(PlaintextWhy::Silent)).await?;
            upstream.socket().reset_on_close();
            return Ok(idled(&client));
        }
    };
    journal.treated(Treatment::Plaintext(why)).await?;
    let (client, upstream) = (End::plain(client), End::plain(upstream));
    Box::pin(relay::run(journal, client, upstream, &setup.limits)).await
}

/// A tunnel to Landfall's own pages, which is never dialled.
async fn own_pages(
    mut client: Wire,
    speaks: Speaks,
    served: &Served,
    journal: &Journal,
    target: &Target,
    asker: Asker,
) -> Result<Outcome, RecorderGone> {
    let setup = &*served.setup;
    if let Err(error) = reply::established(&mut client, speaks, None).await {
        return journal.not_relayed(client_gone(&error)).await;
    }
    let failure = match opening::read(&mut client, None, &setup.limits, &served.abort).await {
        Opening::Tls(hello) => {
            let (connection, at) = (journal.connection(), journal.now());
            let host = asked_host(&hello, &target.host).unwrap_or_else(|| target.host.clone());
            let (name, ja4) = (host.to_string(), hello.ja4.clone());
            let asked = Asked { by: asker, name, port: target.port, ja4 };
            let needs = ClientNeeds::of(&hello);
            journal.tell(Event::ClientHello { connection, at, hello }).await?;
            let alpn: &[u8] = b"http/1.1";
            match client_tls::secure(setup, journal, client, &host, Some(alpn), needs).await? {
                Ok(client) => {
                    journal.treated(Treatment::Plaintext(PlaintextWhy::OwnPages)).await?;
                    return onboarding::serve(client, setup, journal).await;
                }
                Err(failure) => judged(failure, &asked, setup, journal),
            }
        }
        Opening::Failed(failure) => return hello_failed(client, setup, journal, failure).await,
        Opening::Idle => {
            journal.treated(Treatment::Plaintext(PlaintextWhy::OwnPages)).await?;
            return Ok(idled(&client));
        }
        Opening::RunEnded => return not_opened(client, journal, Outcome::Shutdown).await,
        _ => {
            journal.treated(Treatment::Plaintext(PlaintextWhy::OwnPages)).await?;
            return onboarding::serve(client, setup, journal).await;
        }
    };
    journal.not_relayed(Treatment::Failed(failure)).await
}

/// Ends a tunnel that nobody used, as the relay ends one that nobody uses any more.
fn idled(client: &Wire) -> Outcome {
    client.socket().reset_on_close();
    Outcome::IdleTimeout
}

/// Ends a tunnel before anything was relayed, because its upstream or the run ended.
async fn not_opened(
    mut client: Wire,
    journal: &Journal,
    outcome: Outcome,
) -> Result<Outcome, RecorderGone> {
    let unread = client.take_unread();
    let why = if unread.is_empty() { PlaintextWhy::Silent } else { PlaintextWhy::NotTls };
    journal.passed(Leg::Client, Direction::Up, unread).await?;
    journal.treated(Treatment::Plaintext(why)).await?;
    client.socket().reset_on_close();
    Ok(outcome)
}

/// Keeps what there is of a ClientHello, and tells the client that it was none.
async fn hello_failed(
    mut client: Wire,
    setup: &Setup,
    journal: &Journal,
    failure: Failure,
) -> Result<Outcome, RecorderGone> {
    journal.passed(Leg::Client, Direction::Up, client.take_unread()).await?;
    reply::alert(&mut client, tls_failure::NOT_A_CLIENT_HELLO, &setup.limits).await;
    journal.not_relayed(Treatment::Failed(failure)).await
}

fn client_gone(error: &std::io::Error) -> Treatment {
    let cause = tls_failure::cause(error);
    Treatment::Failed(Failure { stage: Stage::Request, side: Side::Client, cause })
}
