//! A device's connection from accept to close. This is the one place that branches: each step is a
//! function that returns a value, and no step calls the next.

use crate::association;
use crate::client::{Client, Served, Speaks};
use crate::ingress;
use crate::ingress::ask::{Ask, request_failed};
use crate::journal::Journal;
use crate::opening::{self, Opening};
use crate::relay::{self, End};
use crate::setup::Setup;
use crate::upstream_tls::asked_host;
use crate::wire::Wire;
use crate::{client_tls, forward, onboarding, reply, tls_failure, upstream, upstream_tls};
use feed::RecorderGone;
use flow::address::{Host, Target};
use flow::event::{Event, Ingress};
use flow::stream::{Direction, Leg};
use flow::tls::ClientHello;
use flow::treatment::{Cause, Failure, Outcome, PlaintextWhy, Side, Stage, Treatment};
use observe::Observer;

/// Serves one connection of a device. However it ends, its record is closed.
pub(crate) async fn run(mut client: Client, served: &Served) {
    let mut accepted = served.setup.clock.now();
    let mut ask = tokio::select! {
        ask = ingress::read(&mut client, &served.setup) => ask,
        () = served.abort.cancelled() => Ask::Nothing(Cause::Closed),
    };
    let ended = loop {
        let ended = match ask {
            Ask::Forward(request) => forward::run(*request, &mut client, accepted, served).await,
            Ask::Associate(asked) => {
                break association::run(asked, client, accepted, served).await;
            }
            ask => break single(ask, client, accepted, served).await,
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

/// A client connection that is one conversation, which is every kind but plain forwarding.
async fn single(
    ask: Ask,
    client: Client,
    accepted: flow::time::Stamp,
    served: &Served,
) -> Result<(), RecorderGone> {
    let ingress = match &ask {
        Ask::Tunnel(..) | Ask::Refused(..) if client.speaks.is_socks5() => Ingress::Socks5,
        Ask::Tunnel(..) => Ingress::Connect,
        Ask::Own(_) => Ingress::Onboarding,
        Ask::Forward(_) => Ingress::AbsoluteForm,
        Ask::Associate(_) => Ingress::Socks5,
        Ask::Refused(..) | Ask::Nothing(_) => Ingress::Unknown,
    };
    let journal = served.journal();
    let opened = client.opened(journal.connection(), accepted, ingress);
    journal.tell(Event::Opened(opened)).await?;
    let outcome = {
        let steps = async {
            match ask {
                Ask::Tunnel(target, raw) => {
                    journal.passed(Leg::Client, Direction::Up, raw).await?;
                    tunnel(client, &served.setup, &journal, &target).await
                }
                Ask::Own(request) => {
                    journal.treated(Treatment::Plaintext(PlaintextWhy::OwnPages)).await?;
                    onboarding::answer(client.wire, &served.setup, &journal, &request).await
                }
                Ask::Refused(treatment, raw) => {
                    journal.passed(Leg::Client, Direction::Up, raw).await?;
                    refuse(client.wire, client.speaks, &journal, treatment).await
                }
                Ask::Nothing(cause) => not_relayed(&journal, request_failed(cause)).await,
                Ask::Forward(_) | Ask::Associate(_) => Ok(Outcome::NotRelayed),
            }
        };
        tokio::select! {
            outcome = steps => outcome?,
            () = served.abort.cancelled() => Outcome::Shutdown,
        }
    };
    journal.finish(outcome).await
}

/// A tunnel: dial, look at what the client opens with, then treat it accordingly.
async fn tunnel(
    client: Client,
    setup: &Setup,
    journal: &Journal,
    target: &Target,
) -> Result<Outcome, RecorderGone> {
    let Client { wire: mut client, own, speaks, .. } = client;
    journal.targeted(target.clone()).await?;
    if onboarding::is_own(target) {
        return own_pages(client, speaks, setup, journal, &target.host).await;
    }
    let upstream = match upstream::reach(setup, journal, target, &own).await? {
        Ok(upstream) => upstream,
        Err(treatment) => return refuse(client, speaks, journal, treatment).await,
    };
    let bound = upstream.socket().local_address();
    if let Err(error) = reply::established(&mut client, speaks, bound).await {
        return not_relayed(journal, client_gone(&error)).await;
    }
    let why = match opening::read(&mut client, Some(&upstream), &setup.limits).await {
        Opening::Tls(hello) => {
            return tls(client, upstream, setup, journal, target, *hello).await;
        }
        Opening::Failed(failure) => return hello_failed(client, journal, failure).await,
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
    };
    journal.treated(Treatment::Plaintext(why)).await?;
    relay::run(journal, End::plain(client), End::plain(upstream), setup.limits.idle_time).await
}

/// TLS in a tunnel: left alone by rule, or intercepted.
async fn tls(
    client: Wire,
    upstream: Wire,
    setup: &Setup,
    journal: &Journal,
    target: &Target,
    hello: ClientHello,
) -> Result<Outcome, RecorderGone> {
    let (connection, at) = (journal.connection(), journal.now());
    let told = Event::ClientHello { connection, at, hello: Box::new(hello.clone()) };
    journal.tell(told).await?;
    let asked = target.host.to_string();
    let names = hello.server_name.as_deref().into_iter().chain([asked.as_str()]);
    if let Some(why) = setup.rules.passthrough(names) {
        journal.treated(Treatment::Passthrough(why)).await?;
        let (client, upstream) = (End::plain(client), End::plain(upstream));
        return relay::run(journal, client, upstream, setup.limits.idle_time).await;
    }
    intercept(client, upstream, setup, journal, &target.host, hello).await
}

/// Shakes hands with the upstream, then with the client, and relays the plaintext.
async fn intercept(
    mut client: Wire,
    upstream: Wire,
    setup: &Setup,
    journal: &Journal,
    fallback: &Host,
    hello: ClientHello,
) -> Result<Outcome, RecorderGone> {
    let (client_socket, upstream_socket) = (client.socket().clone(), upstream.socket().clone());
    let secured = match upstream_tls::secure(setup, journal, upstream, &hello, fallback).await? {
        Ok(secured) => secured,
        Err(failure) => {
            reply::alert(&mut client, tls_failure::alert_record(&failure.cause)).await;
            return not_relayed(journal, Treatment::Failed(failure)).await;
        }
    };
    let host = asked_host(&hello, fallback).unwrap_or_else(|| fallback.clone());
    drop(hello);
    let alpn = secured.alpn.as_deref();
    let client = match client_tls::secure(setup, journal, client, &host, alpn).await? {
        Ok(client) => client,
        Err(failure) => return not_relayed(journal, Treatment::Failed(failure)).await,
    };
    journal.treated(Treatment::Intercepted).await?;
    match alpn {
        Some(b"h2") => {
            journal.observe(Observer::http2(journal.connection(), &setup.limits)).await;
        }
        None | Some(b"http/1.1" | b"http/1.0") => {
            journal.observe(Observer::http1(journal.connection(), &setup.limits)).await;
        }
        Some(_) => {}
    }
    let client = End { stream: client, socket: client_socket };
    let upstream = End { stream: secured.stream, socket: upstream_socket };
    let outcome = relay::run(journal, client, upstream, setup.limits.idle_time).await?;
    if let Outcome::ClientAlert(alert) = outcome
        && tls_failure::is_distrust(alert)
        && journal.relayed(Direction::Up).await == 0
    {
        // TLS 1.3 lets a server finish before the client has judged its certificate.
        let cause = Cause::Distrust(alert);
        let failure = Failure { stage: Stage::ClientTls, side: Side::Client, cause };
        journal.treated(Treatment::Failed(failure)).await?;
    }
    Ok(outcome)
}

/// A tunnel to Landfall's own pages, which is never dialled.
async fn own_pages(
    mut client: Wire,
    speaks: Speaks,
    setup: &Setup,
    journal: &Journal,
    host: &Host,
) -> Result<Outcome, RecorderGone> {
    if let Err(error) = reply::established(&mut client, speaks, None).await {
        return not_relayed(journal, client_gone(&error)).await;
    }
    let failure = match opening::read(&mut client, None, &setup.limits).await {
        Opening::Tls(hello) => {
            let (connection, at) = (journal.connection(), journal.now());
            let host = asked_host(&hello, host).unwrap_or_else(|| host.clone());
            journal.tell(Event::ClientHello { connection, at, hello }).await?;
            let alpn: &[u8] = b"http/1.1";
            match client_tls::secure(setup, journal, client, &host, Some(alpn)).await? {
                Ok(client) => {
                    journal.treated(Treatment::Plaintext(PlaintextWhy::OwnPages)).await?;
                    return onboarding::serve(client, setup, journal).await;
                }
                Err(failure) => failure,
            }
        }
        Opening::Failed(failure) => return hello_failed(client, journal, failure).await,
        _ => {
            journal.treated(Treatment::Plaintext(PlaintextWhy::OwnPages)).await?;
            return onboarding::serve(client, setup, journal).await;
        }
    };
    not_relayed(journal, Treatment::Failed(failure)).await
}

/// Keeps what there is of a ClientHello, and tells the client that it was none.
async fn hello_failed(
    mut client: Wire,
    journal: &Journal,
    failure: Failure,
) -> Result<Outcome, RecorderGone> {
    journal.passed(Leg::Client, Direction::Up, client.take_unread()).await?;
    reply::alert(&mut client, tls_failure::NOT_A_CLIENT_HELLO).await;
    not_relayed(journal, Treatment::Failed(failure)).await
}

/// Says no, in the record and to the client.
async fn refuse(
    mut client: Wire,
    speaks: Speaks,
    journal: &Journal,
    treatment: Treatment,
) -> Result<Outcome, RecorderGone> {
    journal.treated(treatment.clone()).await?;
    reply::refused(&mut client, speaks, &treatment).await;
    Ok(Outcome::NotRelayed)
}

async fn not_relayed(journal: &Journal, treatment: Treatment) -> Result<Outcome, RecorderGone> {
    journal.treated(treatment).await?;
    Ok(Outcome::NotRelayed)
}

fn client_gone(error: &std::io::Error) -> Treatment {
    let cause = match error.kind() {
        std::io::ErrorKind::ConnectionReset | std::io::ErrorKind::BrokenPipe => Cause::Reset,
        _ => Cause::Io(error.to_string()),
    };
    Treatment::Failed(Failure { stage: Stage::Request, side: Side::Client, cause })
}
