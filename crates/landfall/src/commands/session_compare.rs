//! `landfall session compare`: the destinations of two sessions side by side.

use super::flow::filter;
use super::review::Desk;
use crate::args::OutputArgs;
use crate::clock;
use crate::context::Context;
use crate::error::{Error, Exit};
use crate::output::cell::count;
use crate::output::escape::printable;
use crate::output::row::{Column, Kind, Row};
use evidence::shape::DifferenceShape;
use recorder::read::{DestinationQuery, Difference, DifferenceKind, Respects, Session, compare};
use std::collections::BTreeSet;
use std::io::Write;
use std::time::SystemTime;

/// Lists the differences on stdout, and what they come to on stderr.
pub(crate) fn run(
    context: &Context,
    [a, b]: [&str; 2],
    words: &[String],
    respects: Respects,
    output: OutputArgs,
) -> Result<Exit, Error> {
    let query = DestinationQuery::all(filter(words)?, clock::wall(SystemTime::now()));
    let (a, b) = (context.session_at(a)?, context.session_at(b)?);
    let [of_a, of_b] =
        [&a, &b].map(|session| Desk::or_without(context, session)?.destinations(query.clone()));
    let (of_a, of_b) = (of_a?, of_b?);
    let differences = compare(&of_a, &of_b, respects);
    let output = context.output(output);
    let mut rows = output.rows::<DifferenceShape<'_>>()?;
    for difference in &differences {
        if !rows.push(&DifferenceShape::from(difference))? {
            break;
        }
    }
    rows.finish()?;
    let both = of_a.iter().filter(|row| of_b.iter().any(|other| other.key == row.key)).count();
    let names = [&a, &b].map(|session| session.directory().name());
    let mut text = summary(&names, both, &differences);
    if databases(&a)? != databases(&b)? {
        text.push_str(
            "\nnote: the sessions asked different databases, which may be all that changed in a claim",
        );
    }
    drop(writeln!(std::io::stderr(), "{text}"));
    Ok(if differences.is_empty() { Exit::Ok } else { Exit::Condition })
}

fn summary([a, b]: &[String; 2], both: usize, differences: &[Difference]) -> String {
    let hosts = |kinds: &[DifferenceKind]| {
        let of = differences.iter().filter(|found| kinds.contains(&found.kind));
        of.map(|found| &found.destination).collect::<BTreeSet<_>>().len()
    };
    let (a, b) = (printable(a), printable(b));
    if differences.is_empty() {
        return format!("{a} and {b}: {}, no difference", count(both as u64, "destination"));
    }
    format!(
        "{} only in {a}, {} only in {b}; of {both} in both, {} differ",
        hosts(&[DifferenceKind::OnlyInA]),
        hosts(&[DifferenceKind::OnlyInB]),
        hosts(&[DifferenceKind::Claims, DifferenceKind::Traffic]),
    )
}

/// The databases' names and hashes.
fn databases(session: &Session) -> Result<BTreeSet<(String, Option<String>)>, Error> {
    let databases = session.databases()?;
    Ok(databases.into_iter().map(|source| (source.name, source.sha256)).collect())
}

impl Row for DifferenceShape<'_> {
    const COLUMNS: &'static [Column] = &[
        Column::hidden("schema", Kind::Number),
        Column::shown("host", "host", Kind::Text).room(24),
        Column::shown("difference", "difference", Kind::Text),
        Column::shown("what", "what", Kind::Text),
        Column::shown("a", "a", Kind::Text).room(18),
        Column::shown("b", "b", Kind::Text).room(18),
    ];
}

#[cfg(test)]
mod tests {
    use super::*;
    use recorder::read::{Compared, DestinationKey};

    #[test]
    fn the_summary_counts_destinations_and_not_respects() {
        let found = |host: &str, kind| Difference {
            destination: DestinationKey::Host(host.parse().ok()),
            kind,
            what: "flows",
            a: Compared::Count(1),
            b: Compared::Count(2),
        };
        let names = ["one".to_owned(), "two".to_owned()];
        let both = [DifferenceKind::Claims, DifferenceKind::Traffic, DifferenceKind::Traffic];
        let mut all: Vec<_> = both.map(|kind| found("a.example", kind)).into();
        all.push(found("b.example", DifferenceKind::OnlyInB));
        let expected = "0 only in one, 1 only in two; of 3 in both, 1 differ";
        assert_eq!(summary(&names, 3, &all), expected);
        assert_eq!(summary(&names, 3, &[]), "one and two: 3 destinations, no difference");
    }
}
