//! Who reviews: whom the command line names, else the configuration, else the user of this machine.
//! It is what they say of themselves; the key that signs the log is the installation's.

use crate::context::Context;
use crate::error::Error;

/// The reviewer's name.
///
/// # Errors
/// Usage: a name that cannot be one, or none.
pub(in crate::commands) fn reviewer(
    context: &Context,
    named: Option<String>,
) -> Result<String, Error> {
    let asked = named.or_else(|| context.settings.reviewer.clone());
    match asked.or_else(user) {
        Some(name) => text("--reviewer", &name, LONGEST_NAME_BYTES),
        None => Err(Error::usage("nobody is named as the reviewer")
            .hint("name one with --reviewer, or with `reviewer` in landfall.toml")),
    }
}

/// A text that a person wrote, trimmed: not empty, not endless, without control characters other than
/// line breaks and tabs.
///
/// # Errors
/// Usage, with the option that it was given for.
pub(super) fn text(option: &str, written: &str, most_bytes: usize) -> Result<String, Error> {
    let text = written.trim();
    let refuse = |why: String, hint: &str| Err(Error::usage(why).at(option).hint(hint));
    let odd = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    if text.is_empty() {
        return refuse("the text is empty".to_owned(), "say something that others can follow");
    }
    if text.len() > most_bytes {
        let why = format!("the text is longer than {most_bytes} bytes");
        return refuse(why, "say the essence here and keep the rest elsewhere");
    }
    if text.contains(odd) {
        return refuse("the text holds control characters".to_owned(), "leave them out");
    }
    Ok(text.to_owned())
}

fn user() -> Option<String> {
    ["LOGNAME", "USER", "USERNAME"]
        .into_iter()
        .filter_map(|name| std::env::var(name).ok())
        .find(|name| !name.trim().is_empty())
        .or_else(entry_of_user)
}

/// The name of the process's user in the system's list.
fn entry_of_user() -> Option<String> {
    use std::os::unix::fs::MetadataExt;
    let user = std::fs::metadata("/proc/self").ok()?.uid().to_string();
    let list = std::fs::read_to_string("/etc/passwd").ok()?;
    list.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, _password, id) = (fields.next()?, fields.next()?, fields.next()?);
        (id == user).then(|| name.to_owned())
    })
}

const LONGEST_NAME_BYTES: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_people_are_trimmed_and_bounded() {
        assert_eq!(text("--reason", " a\nb ", 9).unwrap(), "a\nb");
        for (bad, says) in
            [("", "empty"), (" \n", "empty"), ("\u{1b}[m", "control"), ("aaaa", "longer")]
        {
            let error = text("--reason", bad, 3).unwrap_or_else(|error| error.to_string());
            assert!(error.contains(says) && error.contains("--reason"), "{bad:?}: {error}");
        }
    }
}
