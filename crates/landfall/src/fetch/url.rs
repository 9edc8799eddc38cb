//! Where files are fetched from: `https://` anywhere, `http://` on this machine alone, without a
//! user's name in it. In the configuration a URL may name the month, as publishers of monthly files
//! do. Nothing is looked up here.

use hyper::Uri;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use time::{Date, Month};

/// A URL as it is configured, with `{YYYY}` and `{MM}` in place of year and month, or without.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SourceUrl(String);

/// A place that may be contacted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Location(Uri);

/// Why a text is no place that may be contacted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotALocation {
    NoUrl,
    /// Neither `https://`, nor `http://` on this machine.
    Unprotected,
    /// A name or password stands before the host.
    NamesAUser,
}

impl SourceUrl {
    /// Where the file of a month lies, and that of the month before, if the URL names months: in its
    /// first days a month has none yet.
    pub(crate) fn locations(&self, today: Date) -> Vec<Location> {
        let (year, month) = (today.year(), today.month());
        let before = match month {
            Month::January => (year - 1, Month::December),
            month => (year, month.previous()),
        };
        let mut found: Vec<Location> = Vec::new();
        for (year, month) in [(year, month), before] {
            let month = format!("{:02}", u8::from(month));
            let text = self.0.replace("{YYYY}", &format!("{year:04}")).replace("{MM}", &month);
            found.extend(text.parse().ok().filter(|at| !found.contains(at)));
        }
        found
    }
}

impl FromStr for SourceUrl {
    type Err = NotALocation;

    fn from_str(text: &str) -> Result<Self, NotALocation> {
        text.replace("{YYYY}", "2000").replace("{MM}", "01").parse::<Location>()?;
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for SourceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Location {
    /// Where a redirect from here leads: to another URL, or to a path on the same host.
    pub(crate) fn join(&self, target: &str) -> Result<Self, NotALocation> {
        if !target.starts_with('/') || target.starts_with("//") {
            return target.parse();
        }
        let scheme = self.0.scheme_str().unwrap_or_default();
        format!("{scheme}://{}{target}", self.authority()).parse()
    }

    pub(crate) fn is_tls(&self) -> bool {
        self.0.scheme_str() == Some("https")
    }

    /// Name or address, without brackets.
    pub(crate) fn host(&self) -> &str {
        let host = self.0.host().unwrap_or_default();
        host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
    }

    pub(crate) fn port(&self) -> u16 {
        self.0.port_u16().unwrap_or(if self.is_tls() { 443 } else { 80 })
    }

    pub(crate) fn authority(&self) -> &str {
        self.0.authority().map_or("", |authority| authority.as_str())
    }

    /// Path and query.
    pub(crate) fn path(&self) -> &str {
        self.0.path_and_query().map_or("/", |path| path.as_str())
    }
}

impl FromStr for Location {
    type Err = NotALocation;

    fn from_str(text: &str) -> Result<Self, NotALocation> {
        let uri: Uri = text.parse().map_err(|_invalid| NotALocation::NoUrl)?;
        let Some(authority) = uri.authority() else { return Err(NotALocation::NoUrl) };
        if authority.as_str().contains('@') {
            return Err(NotALocation::NamesAUser);
        }
        let location = Self(uri);
        let here = location.host() == "localhost"
            || location.host().parse().is_ok_and(|ip: IpAddr| ip.to_canonical().is_loopback());
        match location.0.scheme_str() {
            Some("https") => Ok(location),
            Some("http") if here => Ok(location),
            _ => Err(NotALocation::Unprotected),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for NotALocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoUrl => "no whole URL",
            Self::Unprotected => "not https, nor http on this machine",
            Self::NamesAUser => "a user's name or password does not belong into it",
        })
    }
}

impl std::error::Error for NotALocation {}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(text: &str, why: NotALocation) {
        assert_eq!(text.parse::<Location>(), Err(why), "{text}");
        assert_eq!(text.parse::<SourceUrl>(), Err(why), "{text}");
    }

    #[test]
    fn plain_http_is_for_this_machine_alone() {
        for text in ["http://127.0.0.1:1/a", "http://localhost/a", "http://[::1]:8/", "https://a"] {
            assert!(text.parse::<Location>().is_ok(), "{text}");
        }
        refused("http://a.example/a", NotALocation::Unprotected);
        refused("http://127.0.0.1.example/a", NotALocation::Unprotected);
        refused("http://10.0.0.1/a", NotALocation::Unprotected);
        refused("ftp://127.0.0.1/a", NotALocation::Unprotected);
        refused("file:///etc/passwd", NotALocation::NoUrl);
        refused("https://user:secret@a.example/", NotALocation::NamesAUser);
        refused("/a", NotALocation::NoUrl);
        refused("", NotALocation::NoUrl);
    }

    #[test]
    fn a_monthly_file_is_looked_for_in_this_month_and_the_one_before() {
        let url: SourceUrl = "https://a.example/x-{YYYY}-{MM}.gz".parse().unwrap();
        let on = |year, month| {
            let date = Date::from_calendar_date(year, month, 1).unwrap();
            url.locations(date).iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        let [january, december] =
            ["2027-01", "2026-12"].map(|m| format!("https://a.example/x-{m}.gz"));
        assert_eq!(on(2027, Month::January), [january, december]);
        let plain: SourceUrl = "https://a.example/x".parse().unwrap();
        assert_eq!(plain.locations(Date::MIN).len(), 1);
    }

    #[test]
    fn a_redirect_stays_within_the_rules() {
        let at: Location = "https://a.example:8443/b/c?d".parse().unwrap();
        let joined = |target: &str| at.join(target).map(|at| at.to_string());
        assert_eq!(joined("/e?f").unwrap(), "https://a.example:8443/e?f");
        assert_eq!(joined("https://b.example/").unwrap(), "https://b.example/");
        assert_eq!(joined("http://a.example:8443/e"), Err(NotALocation::Unprotected));
        assert!(joined("//b.example/e").is_err() && joined("e").is_err() && joined("").is_err());
        assert_eq!((at.host(), at.port(), at.path()), ("a.example", 8443, "/b/c?d"));
        let at: Location = "http://[::1]:8/".parse().unwrap();
        assert_eq!((at.host(), at.port(), at.authority()), ("::1", 8, "[::1]:8"));
    }
}
