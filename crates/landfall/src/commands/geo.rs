//! `landfall geo`: the databases behind every statement on an address.

use crate::args::OutputArgs;
use crate::context::Context;
use crate::error::{Error, Exit};
use crate::output::Format;
use crate::output::colour::Ink;
use crate::output::row::{Column, Kind, Row};
use evidence::shape::SCHEMA;
use geoip::{
    DatabaseOrigin, DatabaseStatus, Databases, SetFile, SetId, SetOrigin, SetStatus, Shapes,
};
use serde::Serialize;
use std::collections::BTreeMap;
use time::macros::format_description;
use time::{Date, OffsetDateTime};

/// Lists the databases and the shapes of countries, and the notices that their licences ask for. When strict, a stale database
/// of the set makes the exit code 5.
pub(crate) fn status(context: &Context, strict: bool, output: OutputArgs) -> Result<Exit, Error> {
    let databases = Databases::open(&context.settings.geoip)?;
    let output = context.output(output);
    let today = OffsetDateTime::now_utc().date();
    let mut rows = output.rows::<DatabaseRow<'_>>()?;
    let mut all = databases.status();
    all.push(Shapes::status()?);
    for status in &all {
        if !rows.push(&DatabaseRow::new(status, databases.set(), today))? {
            break;
        }
    }
    rows.finish()?;
    let stale: Vec<&str> =
        all.iter().filter(|status| is_stale(status, today)).map(|s| s.name.as_str()).collect();
    if output.format == Format::Table {
        output.page(|page| {
            page.gap();
            page.section("Set");
            page.line("name", databases.set());
            page.line("kind", origin_of(&all));
            if !stale.is_empty() {
                let text =
                    format!("{}; `landfall geo update` fetches newer ones", stale.join(", "));
                page.inked_line("stale", text, Ink::Notice);
            }
            page.section("Notices");
            for notice in databases.attributions() {
                page.note(notice);
            }
        })?;
    }
    if strict && !stale.is_empty() {
        return Err(Error::new(
            Exit::Databases,
            format!("databases are older than {OLD_DAYS} days: {}", stale.join(", ")),
        )
        .hint("`landfall geo update` fetches newer ones"));
    }
    Ok(Exit::Ok)
}

/// Lists the sets that can be asked, the active one first.
pub(crate) fn sets(context: &Context, output: OutputArgs) -> Result<Exit, Error> {
    let output = context.output(output);
    let mut rows = output.rows::<SetRow<'_>>()?;
    for set in &geoip::sets(context.settings.data.path())? {
        if !rows.push(&SetRow::new(set))? {
            break;
        }
    }
    rows.finish()?;
    Ok(Exit::Ok)
}

/// Whether a database of the set is so old that places have moved since. The user's own files are
/// the user's business, and the program's change with the program.
pub(super) fn is_stale(status: &DatabaseStatus, today: Date) -> bool {
    matches!(status.origin, DatabaseOrigin::Embedded | DatabaseOrigin::Updated)
        && age_days(status.built.as_deref(), today).is_some_and(|days| days > OLD_DAYS)
}

fn origin_of(all: &[DatabaseStatus]) -> &'static str {
    match all.iter().any(|status| status.origin == DatabaseOrigin::Updated) {
        true => "updated: it stands in place of the one in the program",
        false => "embedded: it came with the program",
    }
}

/// Addresses move: older databases are warned of.
const OLD_DAYS: u64 = 90;

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
    origin: &'static str,
    /// For the files of a set.
    #[serde(skip_serializing_if = "Option::is_none")]
    set: Option<&'a str>,
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
    fn new(status: &'a DatabaseStatus, set: &'a SetId, today: Date) -> Self {
        let of_set = matches!(status.origin, DatabaseOrigin::Embedded | DatabaseOrigin::Updated);
        Self {
            schema: SCHEMA,
            name: &status.name,
            kind: status.kind.as_str(),
            origin: status.origin.as_str(),
            set: of_set.then(|| set.as_str()),
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
        Column::shown("origin", "from", Kind::Text).whole(),
        Column::hidden("set", Kind::Text),
        Column::shown("built", "built", Kind::Text).whole(),
        Column::shown("age_days", "days", Kind::Number),
        Column::shown("licence", "licence", Kind::Text).spare(1).room(17),
        Column::shown("networks", "networks", Kind::Number).spare(3),
        Column::shown("sha256", "SHA-256", Kind::Text).spare(2).room(12),
        Column::shown("file", "file", Kind::Text).spare(4),
        Column::hidden("attribution", Kind::Text),
    ];
}

/// A set of databases.
#[derive(Serialize)]
struct SetRow<'a> {
    schema: u32,
    set: &'a str,
    active: bool,
    origin: &'static str,
    /// All files together; sets share files.
    bytes: u64,
    built: BTreeMap<&'a str, &'a str>,
    sha256: BTreeMap<&'a str, &'a str>,
    from: BTreeMap<&'a str, &'a str>,
}

impl<'a> SetRow<'a> {
    fn new(set: &'a SetStatus) -> Self {
        let each = |what: fn(&'a SetFile) -> &'a str| {
            set.files.iter().map(|file| (file.name.as_str(), what(file))).collect()
        };
        Self {
            schema: SCHEMA,
            set: set.id.as_str(),
            active: set.active,
            origin: match set.origin {
                SetOrigin::Embedded => "embedded",
                SetOrigin::Kept => "kept",
            },
            bytes: set.files.iter().map(|file| file.bytes).sum(),
            built: each(|file| &file.built),
            sha256: each(|file| &file.sha256),
            from: each(|file| &file.origin),
        }
    }
}

impl Row for SetRow<'_> {
    const COLUMNS: &'static [Column] = &[
        Column::hidden("schema", Kind::Number),
        Column::shown("set", "set", Kind::Text).room(12),
        Column::shown("active", "active", Kind::Mark),
        Column::shown("origin", "from", Kind::Text),
        Column::shown("bytes", "size", Kind::Bytes),
        Column::shown("built", "built", Kind::Sources).room(60),
        Column::hidden("sha256", Kind::Text),
        Column::hidden("from", Kind::Text),
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
