//! `landfall ca`: the certificate that devices are told to trust.

use crate::args::{CertificateFormat, OutputArgs};
use crate::clock;
use crate::context::Context;
use crate::error::{Error, Exit};
use crate::output::row::{Column, Kind, Row};
use certs::Authority;
use evidence::shape::SCHEMA;
use recorder::record::value::Wall;
use serde::Serialize;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Prints what the authority is and how a device gets to trust it.
pub(crate) fn show(context: &Context, output: OutputArgs) -> Result<Exit, Error> {
    let authority = open(context)?;
    let row = AuthorityRow::new(&authority, &certificate_path(context));
    context.output(output).one(&row, |page| {
        page.section("Authority");
        page.line("name", &row.name);
        page.line("SHA-256", &row.fingerprint);
        page.line("valid from", super::session::time(row.not_before.0));
        page.line("valid until", super::session::time(row.not_after.0));
        page.line("certificate", &row.certificate);
        page.section("What to do");
        page.note(
            "iOS      open the certificate on the phone, install the profile, then turn it on in",
        );
        page.note("         Settings > General > About > Certificate Trust Settings");
        page.note(
            "Android  Settings > Security > Encryption & credentials > Install a certificate > CA;",
        );
        page.note(
            "         apps trust it only if they say so, or in the system's store of a test phone",
        );
        page.note(format_args!(
            "both     through the running proxy, the phone gets it from http://{}/",
            proxy::OWN_HOST
        ));
        page.note(
            "Compare the name and the fingerprint on the phone with those above, and remove the",
        );
        page.note("certificate from the phone when you are done.");
    })?;
    Ok(Exit::Ok)
}

/// Writes the certificate, never the key.
pub(crate) fn export(
    context: &Context,
    format: CertificateFormat,
    out: &Path,
) -> Result<Exit, Error> {
    context.no_rows()?;
    let authority = open(context)?;
    let bytes = match format {
        CertificateFormat::Pem => authority.certificate_pem().as_bytes().to_vec(),
        CertificateFormat::Der => authority.certificate_der().to_vec(),
    };
    if out == Path::new("-") {
        std::io::stdout().lock().write_all(&bytes).map_err(|error| Error::output(&error))?;
    } else {
        std::fs::write(out, bytes).map_err(|error| {
            Error::runtime("the certificate could not be written")
                .at(out.display())
                .because(&error)
                .hint("name a file in a directory that you can write to, or - for stdout")
        })?;
    }
    Ok(Exit::Ok)
}

fn open(context: &Context) -> Result<Authority, Error> {
    let directory = context.settings.data.authority();
    Ok(Authority::load_or_create(&directory, SystemTime::now())?)
}

fn certificate_path(context: &Context) -> PathBuf {
    context.settings.data.authority().join("landfall-ca.pem")
}

/// `3F:2A:…`, as devices show it.
pub(crate) fn fingerprint(sha256: [u8; 32]) -> String {
    let mut text = String::with_capacity(95);
    for (index, byte) in sha256.iter().enumerate() {
        let colon = if index == 0 { "" } else { ":" };
        // Writing to a String cannot fail.
        let written = write!(text, "{colon}{byte:02X}");
        debug_assert!(written.is_ok());
    }
    text
}

#[derive(Serialize)]
struct AuthorityRow {
    schema: u32,
    name: String,
    /// SHA-256 of the certificate, hex with colons.
    fingerprint: String,
    not_before: Wall,
    not_after: Wall,
    certificate: String,
}

impl AuthorityRow {
    fn new(authority: &Authority, certificate: &Path) -> Self {
        Self {
            schema: SCHEMA,
            name: authority.name().to_owned(),
            fingerprint: fingerprint(authority.fingerprint_sha256()),
            not_before: Wall(clock::wall(authority.not_before())),
            not_after: Wall(clock::wall(authority.not_after())),
            certificate: certificate.display().to_string(),
        }
    }
}

impl Row for AuthorityRow {
    const COLUMNS: &'static [Column] = &[
        Column::hidden("schema", Kind::Number),
        Column::shown("name", "name", Kind::Text),
        Column::shown("fingerprint", "SHA-256", Kind::Text),
        Column::shown("not_before", "valid from", Kind::Time),
        Column::shown("not_after", "valid until", Kind::Time),
        Column::shown("certificate", "certificate", Kind::Text),
    ];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_look_as_on_devices() {
        let mut sha256 = [0; 32];
        sha256[0] = 0x3f;
        sha256[31] = 0xa0;
        let text = fingerprint(sha256);
        assert!(text.starts_with("3F:00:") && text.ends_with(":00:A0") && text.len() == 95);
    }
}
