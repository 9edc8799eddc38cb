//! Who may use the proxy by user name and password, and what a client gave as such. Passwords are
//! kept as hashes, compared in constant time, and never shown, logged or recorded.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{Context, SHA256};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use flow::treatment::BlockedWhy;
use std::fmt;

/// The users of a proxy; without any, everybody is one.
#[derive(Clone, Default)]
pub struct Credentials {
    logins: Vec<LoginHash>,
}

impl Credentials {
    /// User names with their passwords.
    pub fn new<'a>(logins: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let hashed = |(user, password): (&str, &str)| {
            Login::new(user.as_bytes(), password.as_bytes()).hash()
        };
        Self { logins: logins.into_iter().map(hashed).collect() }
    }

    pub(crate) fn are_demanded(&self) -> bool {
        !self.logins.is_empty()
    }

    /// Lets a client that gave this use the proxy. How long it takes does not depend on which user
    /// or which part of a password is right.
    ///
    /// # Errors
    /// Why it may not.
    pub(crate) fn admit(&self, login: Option<&Login>) -> Result<(), BlockedWhy> {
        if !self.are_demanded() {
            return Ok(());
        }
        let given = login.ok_or(BlockedWhy::NoCredentials)?.hash();
        let right = |known: &&LoginHash| verify_slices_are_equal(*known, &given).is_ok();
        match self.logins.iter().filter(right).count() {
            0 => Err(BlockedWhy::WrongCredentials),
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({} users)", self.logins.len())
    }
}

type LoginHash = [u8; 32];

/// A user name and password that a client gave.
pub(crate) struct Login {
    user: Vec<u8>,
    password: Vec<u8>,
}

impl Login {
    pub(crate) fn new(user: &[u8], password: &[u8]) -> Self {
        Self { user: user.to_vec(), password: password.to_vec() }
    }

    /// What the value of `Proxy-Authorization` says. One that cannot be read is nobody's.
    pub(crate) fn of_field(value: &[u8]) -> Self {
        Self::of_basic(value).unwrap_or_else(|| Self::new(b"", b""))
    }

    /// Reads Basic credentials (RFC 7617 section 2).
    fn of_basic(value: &[u8]) -> Option<Self> {
        let value = value.trim_ascii();
        let (scheme, rest) = value.split_at_checked(BASIC.len())?;
        if !scheme.eq_ignore_ascii_case(BASIC) || !rest.starts_with(b" ") {
            return None;
        }
        let decoded = STANDARD.decode(rest.trim_ascii()).ok()?;
        let colon = decoded.iter().position(|byte| *byte == b':')?;
        let (user, password) = decoded.split_at_checked(colon)?;
        Some(Self::new(user, password.get(1..)?))
    }

    /// The user name as the app's label: a text of bounded length, or nothing.
    pub(crate) fn app(&self) -> Option<String> {
        let start = self.user.get(..MOST_APP_BYTES).unwrap_or(&self.user);
        Some(String::from_utf8_lossy(start).into_owned()).filter(|app| !app.is_empty())
    }

    /// The length of the user name keeps `a` with `bc` apart from `ab` with `c`.
    fn hash(&self) -> LoginHash {
        let mut context = Context::new(&SHA256);
        context.update(&(self.user.len() as u64).to_be_bytes());
        context.update(&self.user);
        context.update(&self.password);
        let mut hash = LoginHash::default();
        for (to, from) in hash.iter_mut().zip(context.finish().as_ref()) {
            *to = *from;
        }
        hash
    }
}

/// A request head, whole or torn, with the value of every `Proxy-Authorization` field replaced.
pub(crate) fn without_passwords(head: impl Into<Bytes>) -> Bytes {
    let head = head.into();
    let mut out = BytesMut::new();
    let mut secret = false;
    for line in head.split_inclusive(|byte| *byte == b'\n') {
        let text = line.trim_ascii();
        let name = text.get(..FIELD.len()).filter(|name| name.eq_ignore_ascii_case(FIELD));
        if let Some(name) = name {
            secret = true;
            out.extend_from_slice(name);
            out.extend_from_slice(b": ");
            out.extend_from_slice(REDACTED.as_bytes());
            let crlf = line.len() - line.trim_ascii_end().len();
            out.extend_from_slice(line.get(line.len() - crlf.min(2)..).unwrap_or_default());
        } else if !secret || !line.first().is_some_and(|byte| b" \t".contains(byte)) {
            // One that begins with a space goes on with the line before (RFC 9112 section 5.2).
            secret = false;
            out.extend_from_slice(line);
        }
    }
    if out == head { head } else { out.freeze() }
}

/// What is recorded in a password's place.
pub(crate) const REDACTED: &str = "[redacted]";
const FIELD: &[u8] = b"Proxy-Authorization";
const BASIC: &[u8] = b"Basic";
/// Bytes of the longest user name that SOCKS5 can express.
const MOST_APP_BYTES: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;

    fn login(user: &str, password: &str) -> Option<Login> {
        Some(Login::new(user.as_bytes(), password.as_bytes()))
    }

    #[test]
    fn only_known_users_are_admitted_where_there_are_some() {
        let anybody = Credentials::default();
        assert_eq!(anybody.admit(None), Ok(()));
        assert_eq!(anybody.admit(login("a", "b").as_ref()), Ok(()));
        let known = Credentials::new([("app", "secret"), ("ab", "c")]);
        for (given, admitted) in [
            (login("app", "secret"), Ok(())),
            (login("ab", "c"), Ok(())),
            (login("a", "bc"), Err(BlockedWhy::WrongCredentials)),
            (login("app", "secre"), Err(BlockedWhy::WrongCredentials)),
            (login("app", ""), Err(BlockedWhy::WrongCredentials)),
            (login("other", "secret"), Err(BlockedWhy::WrongCredentials)),
            (Some(Login::of_field(b"Bearer token")), Err(BlockedWhy::WrongCredentials)),
            (None, Err(BlockedWhy::NoCredentials)),
        ] {
            assert_eq!(known.admit(given.as_ref()), admitted);
        }
        assert!(!format!("{known:?}").contains("secret"));
    }

    #[track_caller]
    fn basic(value: &str, expected: Option<(&str, &str)>) {
        let got = Login::of_basic(value.as_bytes());
        let got = got.map(|login| (login.user, login.password));
        let wanted = expected.map(|(u, p)| (u.as_bytes().to_vec(), p.as_bytes().to_vec()));
        assert_eq!(got, wanted, "{value}");
    }

    #[test]
    fn basic_credentials() {
        basic("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", Some(("Aladdin", "open sesame")));
        basic("bASIC  YTpiOmM= ", Some(("a", "b:c")));
        basic("Basic Og==", Some(("", "")));
        basic("Basic YWI=", None);
        basic("Basic ???", None);
        basic("BasicYTpi", None);
        basic("Bearer YTpi", None);
        assert_eq!(Login::new(b"", b"x").app(), None);
        assert_eq!(Login::new(b"\xff!", b"").app().as_deref(), Some("\u{fffd}!"));
        assert_eq!(Login::new(&[b'a'; 999], b"").app().map(|app| app.len()), Some(255));
    }

    #[track_caller]
    fn redacted(head: &str, expected: &str) {
        let kept = without_passwords(Bytes::copy_from_slice(head.as_bytes()));
        assert_eq!(String::from_utf8_lossy(&kept), expected);
    }

    #[test]
    fn passwords_are_taken_out_of_heads_whatever_they_look_like() {
        redacted("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        redacted(
            "GET / HTTP/1.1\r\nProxy-Authorization: Basic YTpi\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.1\r\nProxy-Authorization: [redacted]\r\nHost: a\r\n\r\n",
        );
        redacted(
            "G\n proxy-authorization : Basic\n\tYTpi\nHost: a\n",
            "G\nproxy-authorization: [redacted]\nHost: a\n",
        );
        redacted("x\r\nProxy-Authorization:Basic YT", "x\r\nProxy-Authorization: [redacted]");
        redacted("Proxy-Authorization: a\r\n b\r\n\r\n", "Proxy-Authorization: [redacted]\r\n\r\n");
    }
}
