//! The servers' own signatures: every intercepted connection whose handshake was kept.

use super::report::{Answer, Line, Question};
use super::trust::Trust;
use crate::error::Error;
use crate::handshake::{ChainCheck, Kept, KeyLog, Proof, prove};
use bytes::Bytes;
use flow::id::ConnectionId;
use flow::stream::{Direction, Extent, Leg, StreamKey};
use recorder::read::{ReadError, Recorded, Session};
use recorder::record::tls::TlsUpstream;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs::File;
use std::io::BufReader;
use std::time::Duration;

/// What became of all of them.
#[derive(Default)]
struct Tally {
    proven: u64,
    /// Signed, and the chain leads to a root.
    led: u64,
    /// Why others are not, and how many.
    unproven: BTreeMap<String, u64>,
    contradicted: Vec<(String, String)>,
    /// Connections with a handshake, and the randoms of those that are proven.
    shaken: BTreeSet<ConnectionId>,
    randoms: HashSet<[u8; 32]>,
}

/// `intercepted` are the connections that the log says were opened.
pub(super) fn check(
    session: &Session,
    intercepted: &BTreeSet<ConnectionId>,
    trust: &Trust,
) -> Result<Line, Error> {
    let secrets = match File::open(session.directory().key_log_file()) {
        Ok(file) => KeyLog::read(BufReader::new(file)).map_err(Error::File)?,
        Err(_) => KeyLog::default(),
    };
    let mut tally = Tally::default();
    session.for_each_upstream(&mut |upstream| {
        if upstream.body.agreed.is_some() {
            tally.shaken.insert(upstream.body.connection.0);
            tally.add(session, &upstream, &secrets, trust)?;
        }
        Ok(())
    })?;
    for _ in 0..intercepted.difference(&tally.shaken).count() {
        tally.not("no handshake is recorded");
    }
    Ok(tally.line())
}

impl Tally {
    fn add(
        &mut self,
        session: &Session,
        upstream: &Recorded<TlsUpstream>,
        secrets: &KeyLog,
        trust: &Trust,
    ) -> Result<(), ReadError> {
        let body = &upstream.body;
        let connection = body.connection.0;
        let kept = |direction| -> Result<Vec<u8>, ReadError> {
            let stream = StreamKey { connection, leg: Leg::Upstream, direction };
            let end = session.kept(stream)?.min(MOST_HANDSHAKE);
            let mut bytes = Vec::new();
            session.range(stream, Extent { start: 0, end }, &mut bytes).map(|()| bytes)
        };
        let (up, down) = (kept(Direction::Up)?, kept(Direction::Down)?);
        let proof = match prove(Kept { up: &up, down: &down }, secrets) {
            Ok(proof) => proof,
            Err(why) if why.is_contradiction() => {
                self.contradicts(upstream, &why.to_string());
                return Ok(());
            }
            Err(why) => {
                let kept = !(up.is_empty() && down.is_empty());
                self.not(&if kept { why.to_string() } else { NOT_KEPT.to_owned() });
                return Ok(());
            }
        };
        if let Some(what) = differs(&proof, body) {
            self.contradicts(upstream, what);
            return Ok(());
        }
        if !self.randoms.insert(proof.client_random) {
            self.contradicts(upstream, "its handshake is that of another connection");
            return Ok(());
        }
        self.proven += 1;
        let at = Duration::from_nanos(upstream.at.wall.0);
        match trust.roots.check(&proof.chain, &body.server_name, at) {
            ChainCheck::Leads => self.led += 1,
            ChainCheck::DoesNot(_) => self.not("signed, under a root that is not known"),
            ChainCheck::NoRoots => self.not("signed, and there are no roots"),
        }
        Ok(())
    }

    fn contradicts(&mut self, upstream: &Recorded<TlsUpstream>, what: &str) {
        let place = format!("record {}, {}", upstream.seq, upstream.body.connection.0);
        self.contradicted.push((place, what.to_owned()));
    }

    fn not(&mut self, why: &str) {
        *self.unproven.entry(why.to_owned()).or_default() += 1;
    }

    fn line(self) -> Line {
        let of = Question::Servers;
        let all = self.proven + self.unproven_count() + self.contradicted.len() as u64;
        if let Some((place, what)) = self.contradicted.first() {
            let what = format!("{place}: {what}");
            let more = self.contradicted.len().saturating_sub(MOST_TOLD) as u64;
            let findings = self.contradicted.into_iter().take(MOST_TOLD).collect();
            return Line { findings, more, ..Line::new(of, Answer::Fail, what) };
        }
        if all == 0 {
            return Line::new(of, Answer::Pass, "no connection was intercepted");
        }
        let signed = format!("{} of {all} servers signed their handshakes", self.proven);
        if self.unproven.is_empty() {
            let what = format!("{signed}, and their chains lead to known roots");
            return Line::new(of, Answer::Pass, what);
        }
        let why: Vec<String> =
            self.unproven.iter().map(|(why, count)| format!("{count}: {why}")).collect();
        Line::new(of, Answer::NotProven, format!("{signed}; {}", why.join(", ")))
    }

    /// Those that are not proven at all: a chain that leads nowhere has its signature.
    fn unproven_count(&self) -> u64 {
        let all: u64 = self.unproven.values().sum();
        all.saturating_sub(self.proven - self.led)
    }
}

/// What the log tells otherwise than the handshake shows.
fn differs(proof: &Proof, told: &TlsUpstream) -> Option<&'static str> {
    let chain: Vec<Bytes> = told.chain.iter().map(|certificate| certificate.0.clone()).collect();
    if proof.chain != chain {
        return Some("the recorded certificates are not those of the handshake");
    }
    let asked = proof.server_name.as_deref();
    if asked.is_some_and(|asked| !asked.eq_ignore_ascii_case(&told.server_name)) {
        return Some("the recorded name is not the one that the handshake asked for");
    }
    let version = told.agreed.as_ref().map(|agreed| agreed.version);
    (version != Some(proof.version)).then_some("the recorded version is not the handshake's")
}

/// Handshakes are shorter; with all of the wire kept, what follows is not looked at.
const MOST_HANDSHAKE: u64 = 2 << 20;
const NOT_KEPT: &str = "the handshake was not kept";
const MOST_TOLD: usize = 50;
