//! Measuring because somebody asked for it, as `landfall lookup --rtt` and `landfall probe` share it:
//! what it takes, whom it is about, and that it is said before anybody is contacted.

use crate::clock::SystemClock;
use crate::config::UpstreamVerify;
use crate::context::Context;
use crate::error::Error;
use crate::output::escape::printable;
use crate::run::{origin, trust};
use flow::address::Host;
use geoip::Databases;
use proxy::Measuring;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::runtime::{Builder, Runtime};

/// What is measured: an address, and the host that it was asked for as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) host: Host,
    pub(super) port: u16,
}

/// What measuring takes, by the configuration of a run.
pub(super) fn measuring(context: &Context, databases: &Arc<Databases>) -> Result<Measuring, Error> {
    let settings = &context.settings;
    Ok(Measuring {
        // A chain that does not verify is told; nothing follows from it.
        trust: trust::load(&settings.upstream_ca, None, UpstreamVerify::Record)?,
        rules: settings.rules.clone(),
        origin_of: origin::of(databases),
        dial: settings.dial.clone(),
        simulated_times: settings.simulated_times.clone(),
        limits: settings.limits.clone(),
        mark: settings.transparent.mark,
        clock: Arc::new(SystemClock::start()),
    })
}

pub(super) fn runtime() -> Result<Runtime, Error> {
    Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::runtime("the runtime did not start").because(&error))
}

/// Says whom it is about to contact.
pub(super) fn announce(asked: &Asked, socket: SocketAddr, samples: u64) {
    let host = asked.host.to_string();
    let host = printable(&host);
    let written = writeln!(
        std::io::stderr(),
        "Contacting {socket} as {host}: {samples} TLS handshakes, nothing is asked for in them"
    );
    // Without a stderr there is nobody to tell.
    drop(written);
}
