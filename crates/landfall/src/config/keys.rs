//! Where keys stand in the text of a configuration file: for errors that say so. It reads lines, not
//! TOML: what it cannot place it leaves out.

/// The line of this byte, from 1, and the key that it belongs to, with its table.
pub(super) fn at(text: &str, byte: usize) -> (usize, Option<String>) {
    let before = text.get(..byte).unwrap_or(text);
    let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
    (line, places(text).find(|place| place.line == line).and_then(|place| place.key))
}

/// The lines that give this key a value, or open the table of this name.
pub(super) fn lines_of(text: &str, key: &str) -> Vec<usize> {
    let is_it = |place: &Place| place.begins && place.key.as_deref() == Some(key);
    places(text).filter(is_it).map(|place| place.line).collect()
}

struct Place {
    line: usize,
    key: Option<String>,
    /// The line begins what the key means, and does not go on with it.
    begins: bool,
}

fn places(text: &str) -> impl Iterator<Item = Place> {
    let mut table = String::new();
    let mut key = None;
    text.lines().enumerate().map(move |(index, line)| {
        let line = line.trim();
        let mut begins = true;
        if let Some(name) = header(line) {
            table = name;
            key = Some(table.clone());
        } else if let Some(name) = assigned(line) {
            let within = if table.is_empty() { String::new() } else { format!("{table}.") };
            key = Some(format!("{within}{name}"));
        } else {
            begins = false;
        }
        Place { line: index + 1, key: key.clone(), begins }
    })
}

/// The name of `[name]` or `[[name]]`.
fn header(line: &str) -> Option<String> {
    let line = line.split('#').next().unwrap_or(line).trim();
    let name = line.strip_prefix('[')?.strip_suffix(']')?;
    let name = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    is_bare(name.trim()).then(|| name.trim().to_owned())
}

/// The key of `key = value`; a quoted one as it is meant.
fn assigned(line: &str) -> Option<&str> {
    let (name, rest) = match line.strip_prefix('"') {
        Some(quoted) => quoted.split_once('"')?,
        None => line.split_once('=').map(|(name, _)| (name.trim(), "="))?,
    };
    let quoted = line.starts_with('"');
    (rest.trim_start().starts_with('=') && (quoted || is_bare(name))).then_some(name)
}

fn is_bare(name: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !name.is_empty() && name.chars().all(is_part)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "case = \"a\"\n# x = 1\nblock = [\n  \"a=b\",\n]\n\n[limits] # all\nidle-time = \"1s\"\n[dial]\n\"8.8.8.8\" = \"127.0.0.1:1\"\n[[geo.override]]\nnetwork = \"::/0\"\n[[geo.override]]\nnetwork = \"::/1\"\n";

    #[test]
    fn a_place_has_a_line_and_a_key() {
        for (word, line, key) in [
            ("\"a\"", 1, "case"),
            ("\"a=b\"", 4, "block"),
            ("\"1s\"", 8, "limits.idle-time"),
            ("\"127", 10, "dial.8.8.8.8"),
            ("\"::/1", 14, "geo.override.network"),
        ] {
            let byte = TEXT.find(word).unwrap();
            assert_eq!(at(TEXT, byte), (line, Some(key.to_owned())), "{word}");
        }
        assert_eq!(at("= 3", 0), (1, None));
        assert_eq!(lines_of(TEXT, "limits.idle-time"), [8]);
        assert_eq!(lines_of(TEXT, "geo.override"), [11, 13]);
        assert_eq!(lines_of(TEXT, "x"), [0_usize; 0]);
    }
}
