//! `landfall ca`: the certificate that devices are told to trust.

use crate::args::OutputArgs;
use crate::authority;
use crate::clock;
use crate::config::AuthorityKey;
use crate::context::Context;
use crate::error::{Error, Exit};
use crate::output::row::{Column, Kind, Row};
use certs::{Authority, FormerAuthority, Hold};
use evidence::shape::SCHEMA;
use recorder::record::value::Wall;
use serde::Serialize;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Prints what the authority is and how a device gets to trust it.
pub(crate) fn show(context: &Context, output: OutputArgs) -> Result<Exit, Error> {
    let (_hold, authority) = open(context)?;
    let former = FormerAuthority::all(&context.settings.data.authority())?;
    let row = AuthorityRow::new(&authority, &certificate_path(context), &former);
    context.output(output).one(&row, |page| {
        page.section("Authority");
        page.line("name", &row.name);
        page.line("SHA-256", &row.fingerprint);
        page.line("valid from", super::session::time(row.not_before.0));
        page.line("valid until", super::session::time(row.not_after.0));
        page.line("key", &row.key);
        page.line("certificate", &row.certificate);
        if !row.former.is_empty() {
            page.section("Former ones, not to be trusted any more");
            for former in &row.former {
                page.line(&former.name, &former.fingerprint);
            }
        }
        page.section("What to do");
        page.note(
            "iOS      `landfall ca export --form mobileconfig`, install the profile, then turn it on",
        );
        page.note("         in Settings > General > About > Certificate Trust Settings");
        page.note(
            "Android  Settings > Security > Encryption & credentials > Install a certificate > CA;",
        );
        page.note("         apps trust it only if they say so: on a rooted test phone");
        page.note("         `landfall ca export --form magisk` puts it into the system's store");
        page.note(format_args!(
            "both     through the running proxy, the phone gets them from http://{}/",
            proxy::OWN_HOST
        ));
        page.note(
            "Compare the name and the fingerprint on the phone with those above, and remove the",
        );
        page.note("certificate from the phone when you are done.");
    })?;
    Ok(Exit::Ok)
}

/// Makes the authority, unless there is one.
pub(crate) fn create(context: &Context, key: Option<AuthorityKey>) -> Result<Exit, Error> {
    context.no_rows()?;
    let directory = context.settings.data.authority();
    let _hold = authority::enter(context)?;
    if let Some(authority) = Authority::load(&directory)? {
        return Err(Error::usage("there is an authority already")
            .at(authority.name())
            .hint("`landfall ca rotate` makes a new one in its place"));
    }
    let key = key.map_or(context.settings.authority_key, Into::into);
    let authority = Authority::load_or_create(&directory, key, SystemTime::now())?;
    context.say(&format!("Made the authority {} ({})", authority.name(), authority.key_text()));
    Ok(Exit::Ok)
}

/// The authority, made if there is none, with a share in it.
pub(super) fn open(context: &Context) -> Result<(Hold, Authority), Error> {
    let settings = &context.settings;
    let directory = settings.data.authority();
    let hold = authority::enter(context)?;
    let now = SystemTime::now();
    Ok((hold, Authority::load_or_create(&directory, settings.authority_key, now)?))
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
    /// Such as `ECDSA P-256`.
    key: String,
    certificate: String,
    /// Those that this one replaced.
    former: Vec<FormerRow>,
}

#[derive(Serialize)]
struct FormerRow {
    name: String,
    fingerprint: String,
    not_before: Wall,
    not_after: Wall,
}

impl AuthorityRow {
    fn new(authority: &Authority, certificate: &Path, former: &[FormerAuthority]) -> Self {
        Self {
            schema: SCHEMA,
            name: authority.name().to_owned(),
            fingerprint: fingerprint(authority.fingerprint_sha256()),
            not_before: Wall(clock::wall(authority.not_before())),
            not_after: Wall(clock::wall(authority.not_after())),
            key: authority.key_text().to_owned(),
            certificate: certificate.display().to_string(),
            former: former.iter().map(FormerRow::new).collect(),
        }
    }
}

impl FormerRow {
    fn new(former: &FormerAuthority) -> Self {
        Self {
            name: former.name.clone(),
            fingerprint: fingerprint(former.fingerprint_sha256),
            not_before: Wall(clock::wall(former.not_before)),
            not_after: Wall(clock::wall(former.not_after)),
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
        Column::shown("key", "key", Kind::Text),
        Column::shown("certificate", "certificate", Kind::Text),
        Column::hidden("former", Kind::Text),
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
