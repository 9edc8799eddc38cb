//! TLS in a tunnel: left alone, refused or intercepted, by the rules and by what the device did
//! before; and what follows when a handshake fails. Reads no ClientHello and speaks no TLS itself.

use crate::client_needs::ClientNeeds;
use crate::incompatible::CERTIFICATE_DEMANDED;
use crate::journal::Journal;
use crate::memory::{Asked, Asker, Refusal};
use crate::policy::{OnDistrust, Verdict};
use crate::relay::{self, End};
use crate::setup::{KeptWire, Setup};
use crate::upstream_tls::{Unsecured, asked_host};
use crate::wire::Wire;
use crate::{client_tls, reply, tls_failure, upstream, upstream_tls};
use feed::RecorderGone;
use flow::address::Target;
use flow::event::Event;
use flow::stream::{Direction, Leg};
use flow::tls::ClientHello;
use flow::treatment::{
    BlockedWhy, Cause, Failure, Outcome, PassthroughWhy, Side, Stage, Treatment,
};
use observe::Observer;
use observe::relayed_tls::Offers;
use std::net::SocketAddr;
use std::sync::Arc;

/// A tunnel whose client opens with TLS.
pub(crate) struct Tunnel<'a> {
    /// The ClientHello is unread in it.
    pub(crate) client: Wire,
    pub(crate) upstream: Wire,
    pub(crate) asker: Asker,
    pub(crate) target: &'a Target,
    /// Addresses at which Landfall listens.
    pub(crate) own: &'a [SocketAddr],
    pub(crate) setup: &'a Setup,
    pub(crate) journal: &'a Journal,
}

/// What is done with a tunnel.
enum Plan {
    /// `insisted`: by a rule, so that nothing but a failure may come of it.
    Intercept {
        insisted: bool,
    },
    Passthrough(PassthroughWhy),
    Block(BlockedWhy, [u8; 7]),
}

impl Tunnel<'_> {
    /// Serves the tunnel to its end.
    pub(crate) async fn run(mut self, hello: Box<ClientHello>) -> Result<Outcome, RecorderGone> {
        let (connection, at) = (self.journal.connection(), self.journal.now());
        let told = Event::ClientHello { connection, at, hello: hello.clone() };
        self.journal.tell(told).await?;
        let name =
            asked_host(&hello, &self.target.host).unwrap_or_else(|| self.target.host.clone());
        let asked = Asked {
            by: self.asker.clone(),
            name: name.to_string(),
            port: self.target.port,
            ja4: hello.ja4.clone(),
        };
        match self.plan(&asked).await {
            Plan::Intercept { insisted } => self.intercept(hello, asked, insisted).await,
            Plan::Passthrough(why) => {
                let Self { client, upstream, setup, journal, .. } = self;
                splice(client, upstream, (&*hello).into(), setup, journal, why).await
            }
            Plan::Block(why, alert) => {
                self.journal.treated(Treatment::Blocked(why)).await?;
                reply::alert(&mut self.client, alert, &self.setup.limits).await;
                Ok(Outcome::NotRelayed)
            }
        }
    }

    async fn plan(&self, asked: &Asked) -> Plan {
        let host = self.target.host.to_string();
        let names = [asked.name.as_str(), host.as_str()];
        let address = self.journal.reached().await.map(|address| address.ip());
        match self.setup.verdict(&names, self.target.port, address) {
            Some(Verdict::Intercept(_)) => return Plan::Intercept { insisted: true },
            Some(Verdict::Passthrough(rule)) => {
                return Plan::Passthrough(PassthroughWhy::Rule(rule.to_string()));
            }
            Some(Verdict::Block(rule)) => {
                let why = BlockedWhy::Rule(rule.to_string());
                return Plan::Block(why, tls_failure::UNRECOGNIZED_NAME);
            }
            None => {}
        }
        let now = self.journal.now().mono;
        let memory = &self.setup.memory;
        if let Some(Refusal { on, distrust, until }) = memory.refusal(now, asked) {
            match self.setup.rules.on_distrust {
                OnDistrust::Passthrough => {
                    return Plan::Passthrough(PassthroughWhy::Distrusted { on, distrust, until });
                }
                OnDistrust::Block => {
                    let why = BlockedWhy::Distrusted { on, distrust };
                    return Plan::Block(why, tls_failure::ACCESS_DENIED);
                }
                OnDistrust::Keep => {}
            }
        }
        match memory.certificate_demand(now, self.target, &asked.name) {
            Some(on) => {
                let fact = format!("{CERTIFICATE_DEMANDED} (seen on {on})");
                Plan::Passthrough(PassthroughWhy::UpstreamIncompatible(fact))
            }
            None => Plan::Intercept { insisted: false },
        }
    }

    /// Shakes hands with the upstream, then with the client, and relays the plaintext.
    async fn intercept(
        self,
        hello: Box<ClientHello>,
        asked: Asked,
        insisted: bool,
    ) -> Result<Outcome, RecorderGone> {
        let Self { mut client, mut upstream, target, own, setup, journal, .. } = self;
        let (client_socket, upstream_socket) = (client.socket().clone(), upstream.socket().clone());
        keep(setup, journal, &mut upstream, Leg::Upstream, Direction::Down);
        let securing = upstream_tls::secure(setup, journal, upstream, &hello, target);
        let secured = match journal.recording(Box::pin(securing)).await?? {
            Ok(secured) => secured,
            Err(Unsecured { incompatible: Some(fact), .. }) if !insisted => {
                // Some servers serve one connection at a time, and ours is over.
                drop(upstream_socket);
                let why = PassthroughWhy::UpstreamIncompatible(fact);
                let redialling = redial(client, target, own, (&*hello).into(), setup, journal, why);
                return Box::pin(redialling).await;
            }
            Err(Unsecured { failure, .. }) => {
                let alert = tls_failure::alert_record(&failure.cause);
                reply::alert(&mut client, alert, &setup.limits).await;
                return journal.not_relayed(Treatment::Failed(failure)).await;
            }
        };
        let host = asked_host(&hello, &target.host).unwrap_or_else(|| target.host.clone());
        let needs = ClientNeeds::of(&hello);
        drop(hello);
        let alpn = secured.alpn.as_deref();
        keep(setup, journal, &mut client, Leg::ClientTls, Direction::Up);
        let securing = client_tls::secure(setup, journal, client, &host, alpn, needs);
        let client = match journal.recording(Box::pin(securing)).await?? {
            Ok(client) => client,
            Err(failure) => {
                let failure = judged(failure, &asked, setup, journal);
                return journal.not_relayed(Treatment::Failed(failure)).await;
            }
        };
        journal.treated(Treatment::Intercepted).await?;
        observe(journal, alpn, setup).await;
        let (memory, accepted) = (Arc::clone(&setup.memory), asked.clone());
        journal.when_client_speaks(move || memory.accepted(&accepted)).await;
        let ends = (
            End { stream: client, socket: client_socket },
            End { stream: secured.stream, socket: upstream_socket },
        );
        let relaying = relay::run(journal, ends.0, ends.1, &setup.limits);
        let outcome = journal.recording(Box::pin(relaying)).await??;
        late(&outcome, &asked, target, secured.answered_with_certificate, setup, journal).await?;
        Ok(outcome)
    }
}

/// Has the TLS bytes of a wire kept, where the run keeps them.
fn keep(setup: &Setup, journal: &Journal, wire: &mut Wire, leg: Leg, read_is: Direction) {
    if setup.wire == KeptWire::Full {
        wire.copy_to(journal.keep(leg, read_is, setup.limits.waiting_ciphertext_bytes));
    }
}

/// What the end of a relay says of a handshake: TLS 1.3 lets a side finish before the other has
/// judged its certificate.
async fn late(
    outcome: &Outcome,
    asked: &Asked,
    target: &Target,
    answered_with_certificate: bool,
    setup: &Setup,
    journal: &Journal,
) -> Result<(), RecorderGone> {
    match *outcome {
        Outcome::ClientAlert(alert)
            if tls_failure::is_distrust(alert) && journal.relayed(Direction::Up).await == 0 =>
        {
            let cause = Cause::Alert(alert);
            let failure = Failure { stage: Stage::ClientTls, side: Side::Client, cause };
            let failure = judged(failure, asked, setup, journal);
            journal.treated(Treatment::Failed(failure)).await
        }
        Outcome::UpstreamAlert(alert)
            if alert == tls_failure::CERTIFICATE_REQUIRED && !answered_with_certificate =>
        {
            let now = journal.now().mono;
            let on = journal.connection();
            setup.memory.demanded_certificate(now, target, &asked.name, on);
            Ok(())
        }
        _ => Ok(()),
    }
}

/// A client's failed handshake with what its alert means.
pub(crate) fn judged(failure: Failure, asked: &Asked, setup: &Setup, journal: &Journal) -> Failure {
    match failure.cause {
        Cause::Alert(alert) if tls_failure::is_distrust(alert) => {
            let now = journal.now();
            let distrust = setup.memory.refused(now, asked, journal.connection(), alert);
            Failure { cause: Cause::Distrust(distrust), ..failure }
        }
        _ => failure,
    }
}

/// Relays the client's own TLS to an upstream that has not had a byte of ours.
async fn splice(
    client: Wire,
    upstream: Wire,
    offers: Offers,
    setup: &Setup,
    journal: &Journal,
    why: PassthroughWhy,
) -> Result<Outcome, RecorderGone> {
    journal.treated(Treatment::Passthrough(why)).await?;
    journal.observe(Observer::relayed_tls(journal.connection(), offers)).await;
    let (client, upstream) = (End::plain(client), End::plain(upstream));
    Box::pin(relay::run(journal, client, upstream, &setup.limits)).await
}

/// The same over a second connection to the same address, after ours could not be used.
async fn redial(
    mut client: Wire,
    target: &Target,
    own: &[SocketAddr],
    offers: Offers,
    setup: &Setup,
    journal: &Journal,
    why: PassthroughWhy,
) -> Result<Outcome, RecorderGone> {
    match upstream::reach_again(setup, journal, target, own).await? {
        Ok(upstream) => splice(client, upstream, offers, setup, journal, why).await,
        Err(treatment) => {
            reply::alert(&mut client, tls_failure::INTERNAL_ERROR, &setup.limits).await;
            journal.not_relayed(treatment).await
        }
    }
}

async fn observe(journal: &Journal, alpn: Option<&[u8]>, setup: &Setup) {
    let observer = match alpn {
        Some(b"h2") => Observer::http2,
        Some(b"http/1.1" | b"http/1.0") => Observer::http1,
        Some(_) => return,
        None => Observer::undecided,
    };
    journal.observe(observer(journal.connection(), &setup.limits)).await;
}
