//! `landfall geo prune`: what updates leave behind, removed as far as nobody needs it. It knows which
//! sessions there are; what belongs to which set is known to `geoip`.

use crate::args::OutputArgs;
use crate::context::Context;
use crate::error::{Error, Exit};
use crate::output::cell::bytes;
use crate::output::row::{Column, Kind, Row};
use evidence::shape::SCHEMA;
use geoip::{Keep, Pruned, Pruning, SetStatus};
use recorder::read::Sessions;
use recorder::review::Reviews;
use serde::Serialize;
use std::collections::BTreeMap;

/// Removes sets, or says which it would remove.
pub(crate) fn run(
    context: &Context,
    newest: usize,
    pruning: Pruning,
    output: OutputArgs,
) -> Result<Exit, Error> {
    let settings = &context.settings;
    let sessions = Sessions::at(settings.data.path());
    let mut named = sessions.databases()?;
    for (directory, session) in sessions.directories()? {
        // What an opinion rests on can be checked for as long as the opinion is kept.
        let reviews = Reviews::read(&directory, session)?;
        named.extend(reviews.databases().map(str::to_owned));
    }
    let output = context.output(output);
    let mut rows = output.rows::<PrunedRow<'_>>()?;
    let pruned = geoip::prune(&settings.geoip, Keep { newest, named: &named }, pruning)?;
    for set in &pruned.sets {
        if !rows.push(&PrunedRow::new(set, pruning))? {
            break;
        }
    }
    rows.finish()?;
    context.say(&told(&pruned, pruning));
    Ok(Exit::Ok)
}

/// How much it is. Files go only where no set has them that stays, so their sizes are no sum of the rows.
fn told(pruned: &Pruned, pruning: Pruning) -> String {
    let Pruned { sets, files, bytes: size } = pruned;
    if sets.is_empty() && *files == 0 {
        return "There is nothing to remove.".to_owned();
    }
    let word = match pruning {
        Pruning::Real => "Removed",
        Pruning::Dry => "Would remove",
    };
    let plural = |number: usize| if number == 1 { "" } else { "s" };
    format!(
        "{word} {} set{} and {files} file{} of {} together.",
        sets.len(),
        plural(sets.len()),
        plural(*files),
        bytes(*size)
    )
}

#[derive(Serialize)]
struct PrunedRow<'a> {
    schema: u32,
    result: &'static str,
    set: &'a str,
    built: BTreeMap<&'a str, &'a str>,
}

impl<'a> PrunedRow<'a> {
    fn new(set: &'a SetStatus, pruning: Pruning) -> Self {
        Self {
            schema: SCHEMA,
            result: match pruning {
                Pruning::Real => "removed",
                Pruning::Dry => "would-remove",
            },
            set: set.id.as_str(),
            built: set.files.iter().map(|file| (file.name.as_str(), file.built.as_str())).collect(),
        }
    }
}

impl Row for PrunedRow<'_> {
    const COLUMNS: &'static [Column] = &[
        Column::hidden("schema", Kind::Number),
        Column::shown("result", "result", Kind::Text),
        Column::shown("set", "set", Kind::Text).room(12),
        Column::shown("built", "built", Kind::Sources).room(60),
    ];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_removed_is_counted() {
        let none = Pruned::default();
        assert_eq!(told(&none, Pruning::Real), "There is nothing to remove.");
        let left = Pruned { files: 1, bytes: 8_000_000, ..none };
        assert!(told(&left, Pruning::Dry).starts_with("Would remove 0 sets and 1 file of "));
    }
}
