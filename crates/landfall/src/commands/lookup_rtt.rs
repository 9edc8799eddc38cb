//! `landfall lookup --rtt`: dials an address because it was asked for, and says what its handshakes
//! took and what that excludes. Nothing else of `lookup` contacts what it is asked about.

use super::measuring::{Asked, announce, measuring, runtime};
use crate::config::settings::Settings;
use crate::context::Context;
use crate::error::Error;
use crate::output::page::Page;
use evidence::shape::{HandshakeShape, RoundTripsShape};
use flow::annotation::Annotation;
use flow::assessment::{Caveat, MIN_SAMPLES, MeasuredFrom, NoStatement, RoundTrips, Samples};
use flow::claim::Country;
use flow::physics::{RoundTrip, Vantage};
use flow::round_trip::ChainRoots;
use geoip::assess::{About, AddressFacts, Facts, assess, sentences};
use geoip::{Databases, Shapes};
use proxy::{Handshaken, Measured, Measuring, read_uplink};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;

/// Measures, and knows what for.
pub(super) struct Ruler {
    runtime: Runtime,
    measuring: Measuring,
    shapes: Shapes,
    vantage: Option<Vantage>,
    /// Connections would leave through another proxy, so that nothing is dialled.
    proxied: bool,
    /// The countries that times are asked about whatever databases say.
    asked_about: Vec<Country>,
}

impl Ruler {
    pub(super) fn new(context: &Context, databases: &Arc<Databases>) -> Result<Self, Error> {
        let settings = &context.settings;
        let (_, shapes) = Shapes::bundled()?;
        Ok(Self {
            runtime: runtime()?,
            measuring: measuring(context, databases)?,
            shapes,
            vantage: settings.vantage,
            proxied: settings.upstream_proxy.is_some(),
            asked_about: asked_about(settings),
        })
    }

    /// Measures the address of the annotation, and says what follows.
    pub(super) fn measure(&self, asked: &Asked, annotation: &Annotation) -> RoundTripsShape {
        let socket = SocketAddr::new(annotation.address, asked.port);
        let mut shape = RoundTripsShape {
            socket,
            handshakes: Vec::new(),
            not_measured: None,
            simulated: false,
            sentences: Vec::new(),
        };
        if self.proxied {
            shape.not_measured = Some(NoStatement::UpstreamProxy.to_string());
            return shape;
        }
        if let Err(why) = self.measuring.allowed(&asked.host, socket) {
            shape.not_measured = Some(why.to_string());
            return shape;
        }
        if !self.measuring.simulated_times.contains_key(&annotation.address) {
            announce(asked, socket, MIN_SAMPLES);
        }
        let before = read_uplink(self.measuring.mark);
        let measured =
            self.runtime.block_on(self.measuring.measure(&asked.host, socket, MIN_SAMPLES));
        let silence = match &before {
            None => Some(NoStatement::NetworkUnknown),
            Some(uplink) => uplink.tunnel().map(|name| NoStatement::Tunnel(name.to_owned())),
        };
        match &measured.failed {
            Some(why) => shape.not_measured = Some(why.to_string()),
            None if before != read_uplink(self.measuring.mark) => {
                shape.not_measured = Some("the network of this machine changed".to_owned());
            }
            None => {
                shape.simulated = measured.simulated;
                let one =
                    |h: &Handshaken| HandshakeShape::new(h.signature, h.connect, h.kernel, h.chain);
                shape.handshakes = measured.handshakes.iter().map(one).collect();
                shape.sentences = self.follows(asked, annotation, &measured, silence);
            }
        }
        shape
    }

    /// What the times exclude, in sentences; or why they say nothing.
    fn follows(
        &self,
        asked: &Asked,
        annotation: &Annotation,
        measured: &Measured,
        silence: Option<NoStatement>,
    ) -> Vec<String> {
        let public = measured.handshakes.iter().filter(|h| h.chain == ChainRoots::Public);
        let round_trips = self.vantage.map(|vantage| RoundTrips {
            from: MeasuredFrom::Here(vantage),
            signature: least(public.map(|handshake| handshake.signature)),
            connect: least(measured.handshakes.iter().filter_map(|h| h.connect)),
            kernel: least(measured.handshakes.iter().filter_map(|h| h.kernel?.least)),
            records: Vec::new(),
        });
        let no_statement = match self.vantage {
            None => Some(NoStatement::NoVantage),
            Some(_) => silence,
        };
        let facts = Facts {
            host: asked.host.clone(),
            not_asked: 0,
            sightings: Vec::new(),
            contact: None,
            content: None,
            aliases: Vec::new(),
            addresses: vec![AddressFacts {
                annotation: Arc::new(annotation.clone()),
                records: Vec::new(),
                later: Vec::new(),
                looked_up: asked.host.name().is_some(),
                round_trips: round_trips.into_iter().collect(),
            }],
            no_statement,
            resolved_by_proxy: false,
            simulated: measured.simulated,
            statements: Vec::new(),
            asked_about: self.asked_about.clone(),
        };
        let mut assessment = assess(&facts, &self.shapes);
        assessment.caveats.retain(bears_on_times);
        let told = |about| matches!(about, About::Exclusion | About::Decision | About::Caveat);
        let told = sentences(&assessment).into_iter().filter(|sentence| told(sentence.about));
        told.map(|sentence| sentence.text).collect()
    }
}

/// The times for people.
pub(super) fn fill(page: &mut Page, shape: &RoundTripsShape) {
    page.section(&format!("Round trips to {}", shape.socket));
    for handshake in &shape.handshakes {
        let time = |nanos| RoundTrip(Duration::from_nanos(nanos));
        let connect = match handshake.connect_ns {
            Some(connect) => format!(", connected in {}", time(connect)),
            None => String::new(),
        };
        let kernel = match handshake.tcp_min_rtt_ns.or(handshake.tcp_rtt_ns) {
            Some(kernel) => format!(", TCP {}", time(kernel)),
            None => String::new(),
        };
        let (signature, chain) = (time(handshake.signature_ns), handshake.chain.0);
        page.line("signature", format_args!("{signature}, chain: {chain}{connect}{kernel}"));
    }
    page.some("not measured", shape.not_measured.as_ref());
    if shape.simulated {
        page.line("simulated", "the configuration gives the time; nothing was contacted");
    }
    for sentence in &shape.sentences {
        page.line("what follows", sentence);
    }
}

/// What is to be known of a sentence about times.
fn bears_on_times(caveat: &Caveat) -> bool {
    matches!(
        caveat,
        Caveat::Simulated
            | Caveat::NothingBehindTheEnd
            | Caveat::AnycastInstance
            | Caveat::PossibleMiddlebox { .. }
            | Caveat::NoPhysics(_)
    )
}

/// The countries that flag policies and statements under test name.
fn asked_about(settings: &Settings) -> Vec<Country> {
    let policies = settings.geoip.policies.countries();
    let stated = settings.statements.iter().filter_map(|(_host, stated)| stated.says.country());
    let countries: BTreeSet<Country> = policies.into_iter().chain(stated).collect();
    countries.into_iter().collect()
}

fn least(times: impl Iterator<Item = Duration>) -> Option<Samples> {
    times.fold(None, |samples, time| {
        let known = samples.unwrap_or(Samples { least: time, count: 0 });
        Some(Samples { least: known.least.min(time), count: known.count + 1 })
    })
}
