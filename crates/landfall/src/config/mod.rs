//! The configuration: `landfall.toml` as written, the command line over it, and the [`Settings`]
//! that both mean together. Everything is checked here, before any port opens; nothing here opens
//! one, reads a database or touches a session.

mod canonical;
pub(crate) mod credentials;
mod diagnosis;
pub(crate) mod limits;
mod outgoing;
mod place;
mod resolve;
#[cfg(test)]
mod sample;
pub(crate) mod settings;
mod text;
mod unit;
mod written;

pub(crate) use canonical::canonical;
pub(crate) use text::FilterText;
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
    Ok(File { path: Some(path), written })
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
        assert!(shown.contains(&format!("(landfall.toml, {place})")), "{shown}");
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
        refused("listen = \"8080\"", "line 1", &["socket address"]);
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
        refused("upstream-verify = \"maybe\"", "line 1", &["maybe", "refuse"]);
        refused("case = \"a\"\ncase = \"b\"", "line 2", &["duplicate key"]);
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
