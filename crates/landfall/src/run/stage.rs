//! `landfall demo`: the simulated phone and servers around an otherwise ordinary run. The cast's
//! names and addresses become `[resolve]` and `[dial]` entries, which marks the session.

use crate::config::settings::Settings;
use crate::error::Error;
use demo::cast::{CAST, CLIPS, CLIPS_STATEMENTS, CLIPS_TIME, LEFT_ALONE, VANTAGE};
use demo::origins::Origins;
use demo::phone::{Phone, Played};
use flow::assessment::Statement;
use flow::physics::Vantage;
use rustls::crypto::CryptoProvider;
use rustls_pki_types::CertificateDer;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

/// The running servers, and the phone to come.
pub(super) struct Stage {
    origins: Origins,
    provider: Arc<CryptoProvider>,
}

impl Stage {
    /// Starts the servers and points the settings at them.
    ///
    /// # Errors
    /// A server could not be started.
    pub(super) async fn set(settings: &mut Settings) -> Result<Self, Error> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let origins = Origins::start(&provider).await.map_err(|error| {
            Error::runtime("the demonstration could not be set up").because(&error)
        })?;
        settings.case.get_or_insert_with(|| "demonstration".to_owned());
        settings.device.get_or_insert_with(|| "simulated phone".to_owned());
        settings.dial.by_socket.extend(origins.sockets());
        if let Ok(pattern) = LEFT_ALONE.parse() {
            settings.rules.passthrough.push(pattern);
        }
        dispute(settings);
        for place in CAST {
            let Some(Ok(name)) = place.name.map(str::parse) else { continue };
            let cnames = place.aliases.iter().filter_map(|alias| alias.parse().ok()).collect();
            let answer = resolver::Override { cnames, addresses: vec![place.address] };
            settings.resolver.overrides.insert(name, answer);
        }
        Ok(Self { origins, provider })
    }

    /// The root that the servers' certificates are signed with.
    pub(super) fn root(&self) -> &CertificateDer<'static> {
        self.origins.root()
    }

    /// Lets the phone play its apps through the proxy.
    pub(super) async fn play(
        &self,
        proxy: SocketAddr,
        trusted: CertificateDer<'static>,
    ) -> Vec<Played> {
        let reachable = match proxy.ip() {
            ip if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            ip => ip,
        };
        let proxy = SocketAddr::new(reachable, proxy.port());
        let built_in = self.origins.root().clone();
        Phone::new(proxy, trusted, built_in, Arc::clone(&self.provider)).play().await
    }
}

/// Puts statements about one of the hosts to the test, with a made-up round trip from a made-up place.
fn dispute(settings: &mut Settings) {
    let (latitude, longitude, uncertainty_km) = VANTAGE;
    settings.vantage = Vantage::new(latitude, longitude, uncertainty_km).ok();
    settings.simulated_times.insert(CLIPS.address, CLIPS_TIME);
    for (text, says) in CLIPS_STATEMENTS {
        if let (Ok(host), Ok(says)) = (CLIPS.host().parse(), says.parse()) {
            settings.statements.push((host, Statement { text: text.to_owned(), says }));
        }
    }
}
