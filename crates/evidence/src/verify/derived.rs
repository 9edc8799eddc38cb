//! What was made of a session, made again: its exchanges out of the recorded bytes, and the files that a
//! bundle has beside them.

use super::report::{Answer, Line, Question};
use super::trust::Trust;
use crate::bundle::{AGENT, Part, parts, reviewed};
use crate::error::Error;
use flow::limits::Limits;
use recorder::read::Session;
use recorder::reobserve::{Difference, reobserve};
use std::fs::File;
use std::io::{self, BufReader, Read, Write};

/// `bag_by` is the program that wrote the bundle, by its own word; `None` of a session.
pub(super) fn check(session: &Session, bag_by: Option<&str>, trust: &Trust) -> Result<Line, Error> {
    let limits =
        session.configuration()?.map_or_else(Limits::default, |text| (trust.limits)(&text));
    let mut told = Vec::new();
    let mut more = 0;
    let found = reobserve(session.directory(), &limits, &mut |difference: &Difference| {
        if told.len() < MOST_TOLD {
            let what = format!(
                "{}{} is recorded otherwise than the bytes say",
                difference.record,
                dotted(&difference.field)
            );
            told.push((difference.flow.to_string(), what));
        } else {
            more += 1;
        }
        Ok(())
    })?;
    let mut answer = Answer::Pass;
    let mut what = format!("{} exchanges follow from the recorded bytes", found.exchanges);
    if found.differ > found.differ_by_version {
        (answer, what) =
            (Answer::Fail, format!("{} exchanges do not follow from the bytes", found.differ));
    } else if found.differ > 0 {
        let others = found.differ_by_version;
        (answer, what) =
            (Answer::NotProven, format!("{others} exchanges were derived by another version"));
    } else if found.cut > 0 {
        let cut = found.cut;
        (answer, what) = (Answer::NotProven, format!("of {cut} exchanges not all bytes are there"));
    }
    let Some(by) = bag_by else {
        return Ok(Line { findings: told, more, ..Line::new(Question::Derived, answer, what) });
    };
    let (mut files, reviewed) = (0, reviewed(session)?);
    for (name, part) in parts(session)? {
        let Part::Derived(_) = part else { continue };
        files += 1;
        let path = session.directory().path().join(&name);
        let same = File::open(&path).map_err(Error::File).and_then(|file| {
            let mut comparing = Comparing { file: BufReader::new(file), same: true };
            part.write(session, &reviewed, &mut comparing)?;
            comparing.finish()
        });
        if !matches!(same, Ok(true)) {
            told.push((format!("data/{name}"), "it does not follow from the records".to_owned()));
            if by == AGENT {
                answer = Answer::Fail;
                what = format!("data/{name} does not follow from the records");
            } else if answer == Answer::Pass {
                answer = Answer::NotProven;
                what = format!("data/{name} was made by another version");
            }
        }
    }
    if answer == Answer::Pass {
        what = format!("{what}, and {files} files from the records");
    }
    Ok(Line { findings: told, more, ..Line::new(Question::Derived, answer, what) })
}

fn dotted(field: &str) -> String {
    if field.is_empty() { String::new() } else { format!(".{field}") }
}

/// Takes what is written and compares it with a file.
struct Comparing {
    file: BufReader<File>,
    same: bool,
}

impl Comparing {
    /// Whether the file was the same, and ends here too.
    fn finish(mut self) -> Result<bool, Error> {
        let mut more = [0];
        let ended = self.file.read(&mut more).map_err(Error::File)? == 0;
        Ok(self.same && ended)
    }
}

impl Write for Comparing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.same {
            let mut stands = vec![0; bytes.len()];
            self.same = self.file.read_exact(&mut stands).is_ok() && stands == bytes;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

const MOST_TOLD: usize = 50;
