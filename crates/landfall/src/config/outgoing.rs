//! The upstream proxy as meant: URL, credentials and exceptions from file and command line
//! together. A text that may hold a password is never part of an error.

use super::place::Place;
use super::text::Text;
use super::written::UpstreamProxyTable;
use crate::args::RunArgs;
use crate::error::Error;
use proxy::{HopCredentials, UpstreamProxy};
use std::path::{Path, PathBuf};

/// The proxy, and the file that its credentials are from. A URL of the command line goes before
/// the file's, whose credentials are then not used: they are another proxy's.
///
/// # Errors
/// Usage: no such URL, no such credentials, both or exceptions from nothing.
pub(super) fn upstream_proxy(
    run: &RunArgs,
    written: UpstreamProxyTable,
    place: &Place<'_>,
) -> Result<Option<(UpstreamProxy, Option<PathBuf>)>, Error> {
    let from_file = |path| place.resolve(path);
    let (url, file) = match &run.upstream_proxy {
        Some(url) => (Some(url.clone()), run.upstream_proxy_credentials.clone()),
        None => {
            let file = written.credentials.map(from_file);
            (written.url, run.upstream_proxy_credentials.clone().or(file))
        }
    };
    let except = written.except.into_iter().map(|Text(pattern)| pattern);
    let except: Vec<_> = run.upstream_proxy_except.iter().cloned().chain(except).collect();
    let Some(url) = url else {
        if file.is_some() || !run.upstream_proxy_except.is_empty() {
            return Err(place
                .refuse("upstream-proxy.url", "is missing")
                .hint("name the proxy with --upstream-proxy http://HOST:PORT"));
        }
        return Ok(None);
    };
    let mut proxy: UpstreamProxy = url.0.parse().map_err(|error: proxy::NotAnUpstreamProxy| {
        place.refuse("upstream-proxy.url", &format!("is of no use: {error}")).hint(TAKES)
    })?;
    proxy.except = except;
    if let Some(file) = &file {
        if proxy.credentials.is_some() {
            return Err(place
                .refuse("upstream-proxy.credentials", "are in the URL as well")
                .hint("leave them out of the URL"));
        }
        proxy.credentials = Some(credentials(file)?);
    }
    Ok(Some((proxy, file)))
}

fn credentials(file: &Path) -> Result<HopCredentials, Error> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        Error::usage("the credentials of the upstream proxy cannot be read")
            .at(file.display())
            .because(&error)
            .hint("name a readable file with one line, user:password")
    })?;
    text.parse().map_err(|_shown_nowhere: proxy::NotAnUpstreamProxy| {
        Error::usage("the file does not hold the credentials of the upstream proxy")
            .at(file.display())
            .hint("write one line into it, user:password, each of 1 to 255 bytes")
    })
}

const TAKES: &str = "write http://HOST:PORT, socks5://HOST:PORT or socks5h://HOST:PORT, with \
    USER:PASSWORD@ before the host if it takes credentials";

#[cfg(test)]
mod tests {
    use super::super::settings::{DataDir, Settings};
    use super::super::{File, canonical, parse};
    use super::*;

    fn settings(text: &str, run: RunArgs) -> Result<Settings, Error> {
        let written = parse(text, Path::new("landfall.toml")).unwrap();
        Settings::new(
            File { written, ..File::default() },
            run,
            DataDir::new(Some("d".into())).unwrap(),
        )
    }

    #[test]
    fn a_password_is_in_no_error_and_in_no_record() {
        for url in ["http://name:se%cret@a", "gopher://name:secret@a:1", "name:secret@a:1"] {
            let shown = settings(&format!("[upstream-proxy]\nurl = {url:?}"), RunArgs::default());
            let shown = shown.unwrap_err().to_string();
            assert!(!shown.contains("cret") && shown.contains("hint: "), "{shown}");
        }
        let text = "[upstream-proxy]\nurl = \"http://name:secret@a:1\"";
        let settings = settings(text, RunArgs::default()).unwrap();
        let recorded = canonical(&settings).unwrap();
        assert!(recorded.contains("http://a:1"), "{recorded}");
        assert!(!format!("{recorded}{settings:?}").contains("secret"));
    }

    #[test]
    fn the_command_line_s_proxy_does_not_get_the_file_s_credentials() {
        let text = "[upstream-proxy]\nurl = \"http://a:1\"\ncredentials = \"/nowhere\"";
        let error = settings(text, RunArgs::default()).unwrap_err().to_string();
        assert!(error.contains("/nowhere"), "{error}");
        let run = RunArgs { upstream_proxy: Some("socks5://b:2".into()), ..RunArgs::default() };
        let proxy = settings(text, run).unwrap().upstream_proxy.unwrap();
        assert!(proxy.credentials.is_none() && proxy.to_string() == "socks5://b:2");
    }

    #[test]
    fn credentials_come_from_a_file_or_from_the_url_but_not_from_both() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("credentials");
        std::fs::write(&file, "name:secret\n").unwrap();
        let run = |url: &str| RunArgs {
            upstream_proxy: Some(url.into()),
            upstream_proxy_credentials: Some(file.clone()),
            ..RunArgs::default()
        };
        let proxy = settings("", run("http://a:1")).unwrap().upstream_proxy.unwrap();
        assert_eq!(proxy.credentials, HopCredentials::new("name", "secret").ok());
        let both = settings("", run("http://u:p@a:1")).unwrap_err().to_string();
        assert!(both.contains("as well"), "{both}");
    }
}
