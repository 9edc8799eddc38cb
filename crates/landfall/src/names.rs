//! The resolver of the configuration, with the roots that its encrypted servers are verified by.

use crate::config::settings::Settings;
use crate::error::Error;
use crate::run::trust;
use flow::limits::Limits;
use flow::time::SharedClock;
use resolver::NameResolver;
use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;

/// Makes the resolver; `extra` is one more root.
///
/// # Errors
/// The system's configuration or a file of roots cannot be read.
pub(crate) fn resolver(
    settings: &Settings,
    limits: &Limits,
    clock: SharedClock,
    extra: Option<&CertificateDer<'static>>,
) -> Result<NameResolver, Error> {
    let config = settings.resolver.clone();
    // Reading the platform's roots takes time that most runs can do without.
    let roots = match config.is_encrypted() {
        true => trust::roots(&settings.upstream_ca, extra)?,
        false => RootCertStore::empty(),
    };
    Ok(NameResolver::new(config, roots, limits, clock)?)
}
