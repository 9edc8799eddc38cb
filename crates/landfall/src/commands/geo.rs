//! `landfall geo`: the databases behind every statement on an address.

use crate::args::OutputArgs;
use crate::context::Context;
use crate::error::{Error, Exit};
use crate::output::Format;
use crate::output::row::{Column, Kind, Row};
use evidence::shape::SCHEMA;
use geoip::{DatabaseStatus, Databases};
use serde::Serialize;
use time::macros::format_description;
use time::{Date, OffsetDateTime};

/// Lists the databases, and the notices that their licences ask for.
pub(crate) fn status(context: &Context, output: OutputArgs) -> Result<Exit, Error> {
    let databases = Databases::open(&context.settings.geoip)?;
    let output = context.output(output);
    let today = OffsetDateTime::now_utc().date();
    let mut rows = output.rows::<DatabaseRow<'_>>()?;
    for status in databases.status() {
        if !rows.push(&DatabaseRow::new(&status, today))? {
            break;
        }
    }
    rows.finish()?;
    if output.format == Format::Table {
        output.page(|page| {
            page.gap();
            page.section("Notices");
            for notice in databases.attributions() {
                page.note(notice);
            }
        })?;
    }
    Ok(Exit::Ok)
}

/// Whole days since a database was built, where that is known.
pub(crate) fn age_days(built: Option<&str>, today: Date) -> Option<u64> {
    let built = Date::parse(built?, format_description!("[year]-[month]-[day]")).ok()?;
    u64::try_from((today - built).whole_days()).ok()
}

#[derive(Serialize)]
struct DatabaseRow<'a> {
    schema: u32,
    name: &'a str,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    built: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    age_days: Option<u64>,
    licence: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    networks: Option<u64>,
    sha256: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attribution: Option<&'a str>,
}

impl<'a> DatabaseRow<'a> {
    fn new(status: &'a DatabaseStatus, today: Date) -> Self {
        Self {
            schema: SCHEMA,
            name: &status.name,
            kind: status.kind.as_str(),
            built: status.built.as_deref(),
            age_days: age_days(status.built.as_deref(), today),
            licence: &status.licence,
            networks: status.networks,
            sha256: &status.sha256,
            file: status.path.as_ref().map(|path| path.display().to_string()),
            attribution: status.attribution.as_deref(),
        }
    }
}

impl Row for DatabaseRow<'_> {
    const COLUMNS: &'static [Column] = &[
        Column::hidden("schema", Kind::Number),
        Column::shown("name", "name", Kind::Text).whole(),
        Column::shown("kind", "says", Kind::Text).whole(),
        Column::shown("built", "built", Kind::Text).whole(),
        Column::shown("age_days", "days", Kind::Number),
        Column::shown("licence", "licence", Kind::Text).spare(1).room(17),
        Column::shown("networks", "networks", Kind::Number).spare(3),
        Column::shown("sha256", "SHA-256", Kind::Text).spare(2),
        Column::shown("file", "file", Kind::Text).spare(4),
        Column::hidden("attribution", Kind::Text),
    ];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_whole_days_and_never_negative() {
        let today = Date::from_calendar_date(2026, time::Month::November, 20).unwrap();
        assert_eq!(age_days(Some("2026-11-19"), today), Some(1));
        assert_eq!(age_days(Some("2026-06-01"), today), Some(172));
        assert_eq!(age_days(Some("2026-11-21"), today), None);
        assert_eq!(age_days(Some("yesterday"), today), None);
        assert_eq!(age_days(None, today), None);
    }
}
