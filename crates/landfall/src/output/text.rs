//! Text in a given number of the terminal's columns: cut, padded or wrapped by display width. The
//! text must be printable already.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// The text in at most `width` columns of the terminal, with `…` in place of what is missing.
pub(crate) fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut used = 0;
    for c in text.chars() {
        used += c.width().unwrap_or(0);
        if used >= width {
            break;
        }
        out.push(c);
    }
    if width > 0 {
        out.push('…');
    }
    out
}

/// The text on lines of at most `width` columns, broken at spaces, and inside a word only where the
/// word has no room on a line of its own. At least one line.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let mut lines = vec![String::new()];
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let line = lines.last_mut().map_or(0, |line| line.width());
        if line > 0 && line + 1 + word.width() > width {
            lines.push(String::new());
        } else if line > 0 {
            push(&mut lines, ' ');
        }
        for c in word.chars() {
            let used = lines.last().map_or(0, |line| line.width());
            if used + c.width().unwrap_or(0) > width && used > 0 {
                lines.push(String::new());
            }
            push(&mut lines, c);
        }
    }
    lines
}

fn push(lines: &mut [String], c: char) {
    if let Some(line) = lines.last_mut() {
        line.push(c);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_by_display_width() {
        for (text, width, shown) in [
            ("abc", 3, "abc"),
            ("abcd", 3, "ab…"),
            ("例え.jp", 4, "例…"),
            ("abc", 1, "…"),
            ("abc", 0, ""),
        ] {
            assert_eq!(cut(text, width), shown);
        }
    }

    #[test]
    fn a_text_is_wrapped_at_spaces() {
        for (text, width, lines) in [
            ("", 5, &[""][..]),
            ("one two three", 7, &["one two", "three"]),
            ("one two three", 4, &["one", "two", "thre", "e"]),
            ("a  b", 9, &["a b"]),
            ("例え 例え", 4, &["例え", "例え"]),
        ] {
            assert_eq!(wrap(text, width), lines, "{text}");
        }
    }
}
