//! `landfall geo verify`: the databases in use, or any files, checked from end to end.

use super::geo_update::signing_key;
use crate::args::OutputArgs;
use crate::context::Context;
use crate::error::{Error, Exit, chain};
use crate::output::Format;
use crate::output::row::{Column, Kind, Row};
use evidence::shape::SCHEMA;
use geoip::{Signature, Verified, verify_all, verify_files};
use serde::Serialize;
use std::path::PathBuf;

/// Checks the files that are named, or all that are asked; exits with 4 when one is not sound or
/// not signed by its publisher.
pub(crate) fn run(context: &Context, files: &[PathBuf], output: OutputArgs) -> Result<Exit, Error> {
    let config = &context.settings.geoip;
    let key = signing_key(context.settings.database_urls.ipfire_key.as_deref())?;
    let checked = match files {
        [] => verify_all(config, &key)?,
        files => verify_files(config, files, &key)?,
    };
    let output = context.output(output);
    let mut rows = output.rows::<VerifiedRow>()?;
    for verified in &checked {
        if !rows.push(&VerifiedRow::new(verified))? {
            break;
        }
    }
    rows.finish()?;
    if output.format == Format::Table {
        output.page(|page| {
            if checked.iter().any(|verified| verified.result.is_err()) {
                page.gap();
            }
            for verified in &checked {
                let Err(error) = &verified.result else { continue };
                page.section(&verified.path.display().to_string());
                for what in chain(error) {
                    page.line("fault", what);
                }
                page.line("hint", error.hint());
            }
        })?;
    }
    let sound = checked.iter().all(|verified| verified.result.is_ok());
    Ok(if sound { Exit::Ok } else { Exit::Verification })
}

#[derive(Serialize)]
struct VerifiedRow {
    schema: u32,
    result: &'static str,
    file: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    built: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    networks: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signature: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

impl VerifiedRow {
    fn new(verified: &Verified) -> Self {
        let found = verified.result.as_ref().ok();
        let error = verified.result.as_ref().err();
        Self {
            schema: SCHEMA,
            result: if found.is_some() { "sound" } else { "failed" },
            file: verified.path.display().to_string(),
            name: verified.name.clone(),
            format: found.map(|found| found.format.as_str()),
            kind: found.map(|found| found.kind.as_str()),
            built: found.and_then(|found| found.built.clone()),
            networks: found.map(|found| found.networks),
            bytes: found.map(|found| found.bytes),
            signature: found.and_then(|found| found.signature).map(|signature| match signature {
                Signature::Valid => "valid",
                Signature::Missing => "missing",
                Signature::Wrong => "wrong",
            }),
            sha256: found.map(|found| found.sha256.clone()),
            fault: error.map(|error| chain(error).join(": ")),
            hint: error.map(geoip::Error::hint),
        }
    }
}

impl Row for VerifiedRow {
    const COLUMNS: &'static [Column] = &[
        Column::hidden("schema", Kind::Number),
        Column::shown("result", "result", Kind::Text),
        Column::shown("name", "name", Kind::Text),
        Column::shown("format", "format", Kind::Text),
        Column::shown("kind", "says", Kind::Text),
        Column::shown("built", "built", Kind::Text),
        Column::shown("networks", "networks", Kind::Number),
        Column::hidden("bytes", Kind::Number),
        Column::shown("signature", "signature", Kind::Text),
        Column::shown("sha256", "SHA-256", Kind::Text),
        Column::shown("file", "file", Kind::Text),
        Column::hidden("fault", Kind::Text),
        Column::hidden("hint", Kind::Text),
    ];
}
