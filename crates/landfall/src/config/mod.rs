//! The configuration: `landfall.toml` as written, the command line over it, and the [`Settings`]
//! that both mean together. Everything is checked here, before any port opens; nothing here opens
//! one, reads a database or touches a session.

mod canonical;
pub(crate) mod credentials;
mod diagnosis;
mod flags;
mod keys;
pub(crate) mod limits;
mod outgoing;
mod place;
mod resolve;
#[cfg(test)]
mod sample;
pub(crate) mod settings;
mod text;
mod unit;
mod vantage;
mod written;

pub(crate) use canonical::canonical;
pub(crate) use text::{FilterText, rule_hint};
pub(crate) use unit::{DurationText, UnitError};
pub(crate) use written::{
    AuthorityKey, Hidden, OnDistrust, OnFull, OnMalformed, TransparentMode, UpstreamVerify, Wire,
};

use crate::error::Error;
use std::path::{Path, PathBuf};
use written::Written;

/// A configuration file, read and well-formed.
#[derive(Debug, Default)]
pub(crate) struct File {
    /// Where it was found; `None` when there is none.
    pub(crate) path: Option<PathBuf>,
    /// What it says, for errors that name a line.
    pub(crate) text: String,
    pub(crate) written: Written,
}

/// Reads `--config`, else `<data>/landfall.toml` if it is there, else nothing.
///
/// # Errors
/// A named file that cannot be read (runtime); syntax, an unknown key or a value that is not what
/// its key takes (usage), with file, line and key.
pub(crate) fn read(named: Option<&Path>, data: &Path) -> Result<File, Error> {
    let path = named.map_or_else(|| data.join(FILE_NAME), Path::to_owned);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => {
            return Ok(File::default());
        }
        Err(error) => {
            return Err(Error::usage("the configuration file could not be read")
                .at(path.display())
                .because(&error)
                .hint(match named {
                    Some(_) => "name a readable file with --config, or leave it out",
                    None => "choose another directory with --data",
                }));
        }
    };
    let written = parse(&text, &path)?;
    Ok(File { path: Some(path), text, written })
}

fn parse(text: &str, path: &Path) -> Result<Written, Error> {
    toml::from_str(text).map_err(|error| diagnosis::explain(text, path, &error))
}

const FILE_NAME: &str = "landfall.toml";

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(text: &str, place: &str, says: &[&str]) {
        let error = parse(text, Path::new("landfall.toml")).unwrap_err();
        let shown = error.to_string();
        assert_eq!(error.exit().code(), 2, "{shown}");
        assert!(shown.contains(&format!("(landfall.toml, {place}")), "{shown}");
        assert!(shown.lines().last().unwrap().starts_with("hint: "), "{shown}");
        assert!(!shown.contains("landfall --help"), "{shown}");
        for word in says {
            assert!(shown.contains(word), "{word} is missing from: {shown}");
        }
    }

    #[test]
    fn errors_name_file_line_and_key() {
        refused("case = \"a\"\nlisen = \"1.2.3.4:1\"", "line 2", &["\"lisen\"", "\"listen\"?"]);
        refused("[limits]\nidel-time = \"1s\"", "line 2", &["\"idel-time\"", "\"idle-time\"?"]);
        refused("[limts]\nidle-time = \"1s\"", "line 1", &["\"limts\"", "\"limits\"?"]);
        refused("[limits]\nidle-time = \"1 parsec\"", "line 2", &["1 parsec", "90s"]);
        refused(
            "[limits]\nidle-time = 7",
            "line 2",
            &["integer `7`", "expected a duration", "hint: write a duration such as \"90s\""],
        );
        refused("[limits]\nconnections = \"10MiB\"", "line 2", &["expected a whole number"]);
        refused("[limits]\nconnections = -1", "line 2", &["expected a whole number"]);
        refused("[transparent]\nmark = 0", "line 2", &["whole number"]);
        refused("allow-local = 1", "line 1", &["true or false"]);
        refused("allow = \"10.0.0.0/8\"", "line 1", &["expected a list"]);
        refused("listen = \"abc\"", "line 1", &["hint: write", "\"127.0.0.1:8080\""]);
        refused(
            "fail-on = \"a contry:CN\"",
            "line 1",
            &["\"contry\"", "hint: did you mean \"country\"?"],
        );
        refused("passthrough = [7]", "line 1", &["expected a rule"]);
        refused("block = [\"port:0\"]", "line 1", &["port:0", "1 to 65535"]);
        refused("intercept = [\"country:CHN\"]", "line 1", &["two-letter"]);
        refused("on-distrust = \"ignore\"", "line 1", &["ignore", "keep"]);
        refused(
            "[[client-certificate]]\nhost = \"a.example\"\nkey = \"k\"",
            "line 1",
            &["certificate"],
        );
        refused("[limits]\n\nrecorded-connection-bytes = \"64 kib\"", "line 3", &["64 kib", "KiB"]);
        refused("listen = ", "line 1", &["hint: "]);
        refused("allow = [\"10.0.0.1/8\"]", "line 1", &["beyond the prefix"]);
        refused("[resolve]\n\"a b\" = [\"1.2.3.4\"]", "line 2", &["host name"]);
        refused("[resolve]\n\"a.b\" = { adresses = [] }", "line 2", &["\"addresses\"?"]);
        refused("[dial]\n\"8.136.0.1\" = \"127.0.0.1\"", "line 2", &["socket address"]);
        refused("[[geo.override]]\ncountry = \"CN\"", "line 1", &["network"]);
        refused(
            "[[geo.override]]\nnetwork = \"::/0\"\ncountry = \"China\"",
            "line 3",
            &["two-letter"],
        );
        refused("[vantage]\nlat = 1.5\nlon = 2", "line 1", &["uncertainty-km"]);
        refused("[vantage]\nlat = \"north\"", "line 2", &["a number such as 1.5"]);
        refused("[vantage]\nlatitude = 1", "line 2", &["\"lat\""]);
        refused("[simulate.rtt-ms]\n\"a.example\" = 4", "line 2", &["IP address"]);
        refused("[geo]\nset = \"newest\"", "line 2", &["newest", "\"embedded\""]);
        refused("[geo.update]\nipfire = \"http://a.example/\"", "line 2", &["not https"]);
        refused("upstream-verify = \"maybe\"", "line 1", &["maybe", "write one of refuse, record"]);
        refused("case = \"a\"\ncase = \"b\"", "line 2", &["duplicate key"]);
    }

    /// All wrong inputs have one shape: what, where with file, line and key, and what to do.
    #[test]
    fn every_error_says_what_where_and_what_to_do() {
        for (text, place, what, hint) in [
            (
                "listen = \"8080\"",
                "1, key listen",
                "\"8080\" is no socket address",
                "127.0.0.1:8080",
            ),
            ("lisen = 1", "1, key lisen", "no key \"lisen\"", "did you mean \"listen\"?"),
            (
                "idle-time = \"1s\"",
                "1, key idle-time",
                "no key",
                "write \"idle-time\" below [limits]",
            ),
            ("[limits]\ncase = \"a\"", "2, key limits.case", "no key", "\"case\" at the top of"),
            ("[limits]\nzzz = 1", "2, key limits.zzz", "no key \"zzz\"", "the keys here are conn"),
            ("[limits]\nidle-time = 3", "2, key limits.idle-time", "integer `3`", "\"90s\""),
            ("on-full = \"exti\"", "1, key on-full", "\"exti\" is none", "did you mean \"exit\"?"),
            ("on-full = \"stop\"", "1, key on-full", "\"stop\" is none", "one of refuse, exit"),
            ("block = [\"contry:CN\"]", "1, key block", "key \"contry\"", "mean \"country:…\"?"),
            ("block = [\"zz:1\"]", "1, key block", "key \"zz\"", "rules are port, asn, country"),
            ("block = [\n\"a.b:443\"\n]", "2, key block", "not about both", "or port:443 for"),
            ("block = [\"https://a.b/c\"]", "1, key block", "a URL is no rule", "host alone: a.b"),
            ("block = [\"a*.b\"]", "1, key block", "* stands alone", "write *.a.example"),
            ("block = [\"port:0\"]", "1, key block", "no port", "from 1 to 65535"),
            ("block = [\"AS9999999999\"]", "1, key block", "no AS number", "such as AS37963"),
            ("block = [\"10.0.0.1/8\"]", "1, key block", "no network", "beyond the prefix"),
            ("block = [\"a b\"]", "1, key block", "this is no rule", "write a rule such as"),
            (
                "[resolve]\n\"a.b\" = [\"1.2.3\"]",
                "2, key resolve.a.b",
                "\"1.2.3\" is no IP",
                "write",
            ),
            (
                "[dial]\n\"8.8.8.8\" = \"::1\"",
                "2, key dial.8.8.8.8",
                "\"::1\" is no socket",
                "write",
            ),
            (
                "[[client-certificate]]\nhost = \"a\"\nkey = \"k\"",
                "1, key client-certificate",
                "\"certificate\" is missing",
                "add \"certificate\"",
            ),
            ("case = a", "1, key case", "must be quoted", "with texts in quotes"),
            ("case = \"a\"\ncase = \"b\"", "2, key case", "duplicate key", "keep one"),
            ("[limits\nx = 3", "1", "unclosed table", "close"),
        ] {
            let shown = parse(text, Path::new("landfall.toml")).unwrap_err().to_string();
            assert!(shown.contains(&format!("(landfall.toml, line {place})")), "{text}: {shown}");
            let (first, last) = shown.rsplit_once("\nhint: ").unwrap();
            assert!(first.starts_with("error: ") && first.contains(what), "{text}: {shown}");
            assert!(last.contains(hint) && !last.contains('\n'), "{text}: {shown}");
        }
    }

    #[test]
    fn no_file_is_no_error_unless_it_was_named() {
        let empty = tempfile::tempdir().unwrap();
        assert!(read(None, empty.path()).unwrap().path.is_none());
        let missing = empty.path().join("x.toml");
        assert_eq!(read(Some(&missing), empty.path()).unwrap_err().exit().code(), 2);
    }

    #[test]
    fn the_file_of_the_data_directory_is_found() {
        let data = tempfile::tempdir().unwrap();
        std::fs::write(data.path().join("landfall.toml"), "case = \"c\"").unwrap();
        let file = read(None, data.path()).unwrap();
        assert_eq!(file.written.case.as_deref(), Some("c"));
        assert_eq!(file.path, Some(data.path().join("landfall.toml")));
    }
}
