//! `datapackage.json`: the tables of a bundle, described for programs (Data Package, Frictionless).

use crate::error::Error;
use crate::shape::{DESTINATION_KEYS, FLOW_KEYS};
use recorder::read::Session;
use serde::Serialize;
use std::io::Write;

#[derive(Serialize)]
struct Package<'a> {
    name: String,
    profile: &'static str,
    resources: [Resource<'a>; 2],
}

#[derive(Serialize)]
struct Resource<'a> {
    name: &'static str,
    path: &'static str,
    profile: &'static str,
    format: &'static str,
    mediatype: &'static str,
    encoding: &'static str,
    schema: Schema<'a>,
}

#[derive(Serialize)]
struct Schema<'a> {
    fields: Vec<Field<'a>>,
}

#[derive(Serialize)]
struct Field<'a> {
    name: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
}

/// Writes the description.
pub(super) fn write(session: &Session, out: &mut dyn Write) -> Result<(), Error> {
    let package = Package {
        name: format!("landfall-{}", session.id()?),
        profile: "tabular-data-package",
        resources: [
            table("flows", "flows.csv", &FLOW_KEYS),
            table("destinations", "destinations.csv", &DESTINATION_KEYS),
        ],
    };
    serde_json::to_writer_pretty(&mut *out, &package)?;
    Ok(out.write_all(b"\n")?)
}

fn table<'a>(name: &'static str, path: &'static str, keys: &[&'a str]) -> Resource<'a> {
    // Guarded against formulas, a cell is text whatever stands in it; counts and sizes never are.
    let field = |name: &&'a str| Field {
        name,
        kind: if NUMBERS.contains(name) { "integer" } else { "string" },
    };
    Resource {
        name,
        path,
        profile: "tabular-data-resource",
        format: "csv",
        mediatype: "text/csv",
        encoding: "utf-8",
        schema: Schema { fields: keys.iter().map(field).collect() },
    }
}

const NUMBERS: [&str; 11] = [
    "asn",
    "bytes_down",
    "bytes_up",
    "connections",
    "flows",
    "messages",
    "port",
    "request_bytes",
    "response_bytes",
    "schema",
    "status",
];
