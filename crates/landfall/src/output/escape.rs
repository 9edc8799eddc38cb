//! Captured strings come from adversaries. Nothing here lets one reach the terminal as a control
//! sequence, as invisible text or as text that reorders what stands around it.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io;

/// The text with everything that is not plain visible text spelled out: `\n`, `\x1b`, `\u{202e}`.
/// A backslash stays as it is: this is for reading, not for reading back (JSON is).
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    spelled(text, |_| false)
}

/// The same of text with lines: line feeds and tabs stay.
pub(crate) fn printable_lines(text: &str) -> Cow<'_, str> {
    spelled(text, |c| matches!(c, '\n' | '\t'))
}

fn spelled(text: &str, stays: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.chars().any(|c| is_hostile(c) && !stays(c)) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            c if stays(c) => out.push(c),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if is_hostile(c) => {
                // Writing to a String cannot fail.
                let written = match u32::from(c) {
                    code if code < 0x100 => write!(out, "\\x{code:02x}"),
                    code => write!(out, "\\u{{{code:x}}}"),
                };
                debug_assert!(written.is_ok());
            }
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// JSON strings with the same characters as `\uXXXX`: the same JSON value, safe on a terminal.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SafeJson;

impl serde_json::ser::Formatter for SafeJson {
    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        // Control characters below 0x20 never come here: serde_json escapes them itself.
        if fragment.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
            return writer.write_all(fragment.as_bytes());
        }
        let mut utf8 = [0; 4];
        let mut utf16 = [0; 2];
        for c in fragment.chars() {
            if is_hostile(c) {
                for unit in c.encode_utf16(&mut utf16) {
                    write!(writer, "\\u{unit:04x}")?;
                }
            } else {
                writer.write_all(c.encode_utf8(&mut utf8).as_bytes())?;
            }
        }
        Ok(())
    }
}

/// Appends `value` to `out` as one line of JSON without a newline.
pub(crate) fn write_json<T: serde::Serialize + ?Sized>(
    out: &mut Vec<u8>,
    value: &T,
) -> Result<(), serde_json::Error> {
    value.serialize(&mut serde_json::Serializer::with_formatter(out, SafeJson))
}

/// Controls (C0, DEL, C1), bidirectional controls, separators that break lines, and characters
/// that are invisible (Unicode 16, general categories Cc, Cf, Zl, Zp as far as they are in use).
pub(super) fn is_hostile(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}'
                | '\u{34f}'
                | '\u{61c}'
                | '\u{115f}'
                | '\u{1160}'
                | '\u{180b}'..='\u{180f}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{3164}'
                | '\u{fe00}'..='\u{fe0f}'
                | '\u{feff}'
                | '\u{ffa0}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{1d173}'..='\u{1d17a}'
                | '\u{e0000}'..='\u{e0fff}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn hostile_characters_are_spelled_out() {
        for (text, shown) in [
            ("plain \u{e9}\u{4e2d}", "plain \u{e9}\u{4e2d}"),
            ("\u{1b}[31mred", "\\x1b[31mred"),
            ("a\r\nb\tc", "a\\r\\nb\\tc"),
            ("\u{9b}2J\u{7f}", "\\x9b2J\\x7f"),
            ("evil\u{202e}gpj.exe", "evil\\u{202e}gpj.exe"),
            ("zero\u{200b}width", "zero\\u{200b}width"),
            ("tag\u{e0041}", "tag\\u{e0041}"),
        ] {
            assert_eq!(printable(text), shown);
        }
    }

    fn json(text: &str) -> String {
        let mut out = Vec::new();
        write_json(&mut out, text).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn json_is_safe_on_a_terminal_and_means_the_same() {
        assert_eq!(json("a\u{1b}\u{9b}\u{202e}"), "\"a\\u001b\\u009b\\u202e\"");
        assert_eq!(json("\u{e0041}"), "\"\\udb40\\udc41\"");
        assert_eq!(json("q\"\\"), "\"q\\\"\\\\\"");
    }

    proptest! {
        #[test]
        fn no_hostile_character_survives(text in any::<String>()) {
            prop_assert!(!printable(&text).chars().any(is_hostile));
            let encoded = json(&text);
            prop_assert!(!encoded.chars().any(is_hostile));
            prop_assert_eq!(serde_json::from_str::<String>(&encoded).unwrap(), text);
        }
    }
}
