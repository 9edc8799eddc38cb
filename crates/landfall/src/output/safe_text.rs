//! A writer before a terminal, for files that other code writes (JSON, CSV): hostile characters
//! leave it as `\\uXXXX`, which is the same value within a JSON string. It knows no format.

use super::escape::is_hostile;
use std::io::{self, Write};

/// Passes UTF-8 text on with everything but plain text, tabs and line ends spelled out.
pub(crate) struct SafeText<W> {
    out: W,
    /// What may be the beginning of a character, or of CR LF.
    begun: Vec<u8>,
}

impl<W: Write> SafeText<W> {
    pub(crate) fn new(out: W) -> Self {
        Self { out, begun: Vec::new() }
    }

    /// Writes what was begun and never went on.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        let begun = std::mem::take(&mut self.begun);
        self.pass(&String::from_utf8_lossy(&begun))?;
        self.out.flush()
    }

    fn pass(&mut self, text: &str) -> io::Result<()> {
        let mut utf8 = [0; 4];
        let mut utf16 = [0; 2];
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            let is_line_end = c == '\n' || (c == '\r' && chars.peek() == Some(&'\n'));
            if is_hostile(c) && c != '\t' && !is_line_end {
                for unit in c.encode_utf16(&mut utf16) {
                    write!(self.out, "\\u{unit:04x}")?;
                }
            } else {
                self.out.write_all(c.encode_utf8(&mut utf8).as_bytes())?;
            }
        }
        Ok(())
    }
}

impl<W: Write> Write for SafeText<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut all = std::mem::take(&mut self.begun);
        all.extend_from_slice(bytes);
        let whole = whole(&all);
        let (now, later) = all.split_at_checked(whole).unwrap_or((&all, &[]));
        self.begun = later.to_vec();
        self.pass(&String::from_utf8_lossy(now))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// How many of the bytes do not depend on those that follow.
fn whole(bytes: &[u8]) -> usize {
    let valid = match std::str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() => error.valid_up_to(),
        // An invalid byte is replaced; a character that is cut short behind it is replaced too.
        _ => bytes.len(),
    };
    match bytes.get(..valid) {
        Some([.., b'\r']) => valid - 1,
        _ => valid,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(parts: &[&[u8]]) -> String {
        let mut out = Vec::new();
        let mut safe = SafeText::new(&mut out);
        for part in parts {
            safe.write_all(part).unwrap();
        }
        safe.finish().unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn hostile_characters_are_spelled_as_in_json() {
        assert_eq!(written(&[b"{\"a\":\"\x7f\xc2\x9b2J\"}\n"]), "{\"a\":\"\\u007f\\u009b2J\"}\n");
        assert_eq!(written(&["\u{202e}\u{e0041}".as_bytes()]), "\\u202e\\udb40\\udc41");
        assert_eq!(written(&[b"a,b\tc\r\n"]), "a,b\tc\r\n");
        assert_eq!(written(&[b"over\rwritten\r"]), "over\\u000dwritten\\u000d");
        assert_eq!(written(&[b"\xff\x1b"]), "\u{fffd}\\u001b");
        assert_eq!(written(&[b"cut \xe4\xb8"]), "cut \u{fffd}");
    }

    proptest! {
        #[test]
        fn it_does_not_matter_how_the_text_arrives(text in any::<String>(), size in 1..9_usize) {
            let parts: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
            let whole = written(&[text.as_bytes()]);
            prop_assert_eq!(written(&parts), whole.clone());
            let is_safe = |c: char| !is_hostile(c) || matches!(c, '\t' | '\n' | '\r');
            prop_assert!(whole.chars().all(is_safe));
        }
    }
}
