//! Finding the openings of a log's records again and putting their values in. A file of openings has
//! a line for each record that commits to values, in the order of the records; the whole file, or
//! the seed that its salts are made of, may be withheld, and the values are hidden then.
//!
//! What an opening proves is [`crate::seal`]'s business.

mod append;

pub(crate) use append::{OpeningsWriter, seed_or};

use crate::directory::SessionDir;
use crate::record::MAX_LINE_BYTES;
use crate::record::sealed::{HasSealed, Opening, OpeningFault};
use crate::seal::FieldSeed;
use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// The openings of one log. Nothing is read before the first is asked for. They are found fastest
/// in the order of the records.
#[derive(Debug)]
pub(crate) struct Openings {
    path: PathBuf,
    seed: PathBuf,
    state: State,
}

#[derive(Debug)]
enum State {
    Unread,
    /// The file or the seed is not there.
    Withheld,
    Here(FieldSeed, Lines),
}

/// Why the values of a record cannot be told.
#[derive(Debug)]
pub(crate) enum OpeningError {
    Io { path: PathBuf, source: io::Error },
    Fault { path: PathBuf, seq: u64, fault: OpeningFault },
}

impl Openings {
    /// Those of a session's record log.
    pub(crate) fn of_records(directory: &SessionDir) -> Self {
        Self::at(directory.openings_file(), directory.field_seed_file())
    }

    /// Those of its review log.
    pub(crate) fn of_reviews(directory: &SessionDir) -> Self {
        Self::at(directory.review_openings_file(), directory.review_seed_file())
    }

    fn at(path: PathBuf, seed: PathBuf) -> Self {
        Self { path, seed, state: State::Unread }
    }

    /// Puts its values into a record; leaves them hidden where the openings are withheld.
    pub(crate) fn open(
        &mut self,
        seq: u64,
        nonce: &[u8; 16],
        record: &mut impl HasSealed,
    ) -> Result<(), OpeningError> {
        if record.count_sealed() == 0 || self.line(seq)?.is_none() {
            return Ok(());
        }
        let State::Here(seed, lines) = &self.state else { return Ok(()) };
        let opened = match Opening::parse(&lines.line) {
            Some(opening) => seed.open(nonce, record, opening),
            None => Err(OpeningFault::Damaged),
        };
        opened.map_err(|fault| OpeningError::Fault { path: self.path.clone(), seq, fault })
    }

    /// The line of a record that commits to values, without its newline; `None` where the openings
    /// are withheld. Nothing of it is checked but its number.
    pub(crate) fn line(&mut self, seq: u64) -> Result<Option<&[u8]>, OpeningError> {
        if matches!(self.state, State::Unread) {
            self.state = self.begin()?;
        }
        let State::Here(_, lines) = &mut self.state else { return Ok(None) };
        let failed = |source| OpeningError::Io { path: self.path.clone(), source };
        if lines.find(seq).map_err(failed)? {
            return Ok(Some(&lines.line));
        }
        let fault = OpeningFault::Missing;
        Err(OpeningError::Fault { path: self.path.clone(), seq, fault })
    }

    fn begin(&self) -> Result<State, OpeningError> {
        let here = |path: &Path, read: io::Result<Vec<u8>>| match read {
            Ok(bytes) => Ok(Some(bytes)),
            Err(none) if none.kind() == ErrorKind::NotFound => Ok(None),
            Err(source) => Err(OpeningError::Io { path: path.to_owned(), source }),
        };
        let Some(seed) = here(&self.seed, std::fs::read(&self.seed))? else {
            return Ok(State::Withheld);
        };
        let no_seed = |_length| {
            let source = io::Error::new(ErrorKind::InvalidData, "a seed has 32 bytes");
            OpeningError::Io { path: self.seed.clone(), source }
        };
        let seed = FieldSeed::new(seed.try_into().map_err(no_seed)?);
        match File::open(&self.path) {
            Ok(file) => Ok(State::Here(seed, Lines::new(file))),
            Err(none) if none.kind() == ErrorKind::NotFound => Ok(State::Withheld),
            Err(source) => Err(OpeningError::Io { path: self.path.clone(), source }),
        }
    }
}

/// Bytes of the whole openings at the start of a file that belong to the first `records` records;
/// what follows them is to be cut off.
pub(crate) fn bytes_of(path: &Path, records: u64) -> io::Result<u64> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(none) if none.kind() == ErrorKind::NotFound => return Ok(0),
        Err(source) => return Err(source),
    };
    let mut lines = Lines::new(file);
    let mut next = 0;
    while lines.advance()? {
        let opening = Opening::parse(&lines.line);
        let Some(seq) = opening.map(|opening| opening.seq.0) else { return Ok(lines.begin) };
        if seq < next || seq >= records {
            return Ok(lines.begin);
        }
        next = seq + 1;
    }
    Ok(lines.end)
}

/// The lines of a file of openings, of which one is in hand.
#[derive(Debug)]
struct Lines {
    file: BufReader<File>,
    /// The line in hand, without its newline, and its number; `None` when there is none.
    line: Vec<u8>,
    seq: Option<u64>,
    /// Where it begins, and where the next one does.
    begin: u64,
    end: u64,
}

impl Lines {
    fn new(file: File) -> Self {
        Self { file: BufReader::new(file), line: Vec::new(), seq: None, begin: 0, end: 0 }
    }

    /// Takes the line with this number in hand; false when there is none.
    fn find(&mut self, seq: u64) -> io::Result<bool> {
        if self.seq != Some(seq) {
            self.advance()?;
        }
        if self.seq != Some(seq) {
            self.search(seq)?;
        }
        Ok(self.seq == Some(seq))
    }

    /// Takes the next whole line in hand; false when there is none, which may change while the file
    /// grows.
    fn advance(&mut self) -> io::Result<bool> {
        self.line.clear();
        (self.begin, self.seq) = (self.end, None);
        let read = self.file.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', &mut self.line)?;
        if self.line.pop() != Some(b'\n') {
            self.file.seek(SeekFrom::Start(self.end))?;
            return Ok(false);
        }
        self.end += read as u64;
        self.seq = number(&self.line);
        Ok(true)
    }

    /// Goes to the first line whose number is not lower, by halves: numbers grow from line to line.
    fn search(&mut self, seq: u64) -> io::Result<()> {
        let (mut low, mut high) = (0, self.file.get_ref().metadata()?.len());
        let mut found = high;
        while low < high {
            let middle = low + (high - low) / 2;
            self.go_to_line_after(middle)?;
            let whole = self.end < high && self.advance()?;
            if whole && self.seq.is_some_and(|at| at < seq) {
                low = self.end;
            } else {
                if whole {
                    found = self.begin;
                }
                high = middle;
            }
        }
        self.file.seek(SeekFrom::Start(found))?;
        self.end = found;
        self.advance().map(|_there| ())
    }

    /// The first line that begins at `offset` or later comes next.
    fn go_to_line_after(&mut self, offset: u64) -> io::Result<()> {
        self.end = offset;
        let Some(before) = offset.checked_sub(1) else {
            return self.file.seek(SeekFrom::Start(0)).map(|_at| ());
        };
        self.file.seek(SeekFrom::Start(before))?;
        self.end = before + self.file.skip_until(b'\n')? as u64;
        Ok(())
    }
}

/// The number at the start of a line: `{"seq":7,…`.
fn number(line: &[u8]) -> Option<u64> {
    let rest = line.strip_prefix(b"{\"seq\":")?;
    let digits = rest.split(|byte| *byte == b',').next()?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Body;
    use crate::record::sealed::Sealed;
    use crate::record::session::Marker;

    const NONCE: [u8; 16] = [7; 16];

    fn marker(text: &str) -> Body {
        Body::Marker(Marker { text: Sealed::Open(text.to_owned()) })
    }

    /// Openings of the markers with these numbers, and the sealed markers.
    fn made(numbers: &[u64]) -> (tempfile::TempDir, PathBuf, Openings, Vec<(u64, Body)>) {
        let temp = tempfile::tempdir().unwrap();
        let (path, seed) = (temp.path().join("openings"), temp.path().join("seed"));
        std::fs::write(&seed, [5; 32]).unwrap();
        let (mut lines, mut bodies) = (Vec::new(), Vec::new());
        for seq in numbers {
            let mut body = marker(&format!("{seq} {}", "x".repeat((*seq % 13) as usize * 9)));
            let seed = FieldSeed::new([5; 32]);
            seed.seal(&NONCE, *seq, &mut body, &mut Vec::new(), &mut lines);
            bodies.push((*seq, body));
        }
        std::fs::write(&path, lines).unwrap();
        let openings = Openings::at(path.clone(), seed);
        (temp, path, openings, bodies)
    }

    #[track_caller]
    fn check_opened(openings: &mut Openings, seq: u64, sealed: &Body) {
        let mut body = sealed.clone();
        openings.open(seq, &NONCE, &mut body).unwrap();
        let Body::Marker(Marker { text: Sealed::Open(text) }) = body else { panic!("{body:?}") };
        assert!(text.starts_with(&format!("{seq} ")), "{text}");
    }

    #[track_caller]
    fn check_fault(openings: &mut Openings, seq: u64, sealed: &Body, expected: OpeningFault) {
        let error = openings.open(seq, &NONCE, &mut sealed.clone()).unwrap_err();
        assert!(
            matches!(error, OpeningError::Fault { fault, .. } if fault == expected),
            "{error:?}"
        );
    }

    #[test]
    fn openings_are_found_in_any_order() {
        let numbers: Vec<u64> = (0..200).map(|n| n * n).collect();
        let (_temp, _, mut openings, bodies) = made(&numbers);
        for (seq, body) in &bodies {
            check_opened(&mut openings, *seq, body);
        }
        for (seq, body) in bodies.iter().rev().chain(bodies.iter().step_by(7)) {
            check_opened(&mut openings, *seq, body);
        }
        for missing in [2, 200 * 200, 17] {
            check_fault(&mut openings, missing, &bodies[0].1, OpeningFault::Missing);
        }
        check_opened(&mut openings, 0, &bodies[0].1);
    }

    #[test]
    fn a_file_that_grows_is_read_on() {
        let (_temp, path, mut openings, bodies) = made(&[0, 3, 8]);
        let all = std::fs::read(&path).unwrap();
        let cut = all.len() - 5;
        std::fs::write(&path, &all[..cut]).unwrap();
        check_opened(&mut openings, 3, &bodies[1].1);
        check_fault(&mut openings, 8, &bodies[2].1, OpeningFault::Missing);
        std::fs::write(&path, &all).unwrap();
        check_opened(&mut openings, 8, &bodies[2].1);
        // Recovery cuts what is torn, and what belongs to no record.
        assert_eq!(bytes_of(&path, 9).unwrap(), all.len() as u64);
        let two = bytes_of(&path, 8).unwrap();
        assert!(all[..two as usize].ends_with(b"]}\n") && two < cut as u64);
        std::fs::write(&path, &all[..cut]).unwrap();
        assert_eq!(bytes_of(&path, 9).unwrap(), two);
    }

    #[test]
    fn a_value_that_was_not_committed_to_is_found_out() {
        let (_temp, path, mut openings, bodies) = made(&[0, 1]);
        let lines = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, lines.replace("\"1 ", "\"2 ")).unwrap();
        check_opened(&mut openings, 0, &bodies[0].1);
        check_fault(&mut openings, 1, &bodies[1].1, OpeningFault::Other { value: 0 });
        // The same value of another record.
        check_fault(&mut openings, 0, &bodies[1].1, OpeningFault::Other { value: 0 });
        std::fs::write(&path, lines.replace("\"]}", "\",\"\"]}")).unwrap();
        let count = OpeningFault::Count { commitments: 1, values: 2 };
        let mut openings = Openings::at(path.clone(), path.with_file_name("seed"));
        check_fault(&mut openings, 0, &bodies[0].1, count);
        std::fs::write(&path, lines.replace("\"]}", "\"] }")).unwrap();
        let mut openings = Openings::at(path.clone(), path.with_file_name("seed"));
        check_fault(&mut openings, 0, &bodies[0].1, OpeningFault::Damaged);
    }

    #[test]
    fn what_is_withheld_stays_hidden() {
        for withheld in ["openings", "seed"] {
            let (temp, _, mut openings, bodies) = made(&[4]);
            std::fs::remove_file(temp.path().join(withheld)).unwrap();
            let mut body = bodies[0].1.clone();
            openings.open(4, &NONCE, &mut body).unwrap();
            assert_eq!(body, bodies[0].1, "{withheld}");
        }
    }
}
