//! Whether a failed handshake with an upstream failed because of what we are, so that the client's
//! own bytes may fare better. A chain that merely does not verify is no such case.

use crate::client_identity::Answerer;
use crate::upstream_trust::Shown;
use flow::treatment::{Cause, alert_name};
use rustls::AlertDescription;

/// What is in the way, as a clause; `None` where the client would fare no better.
pub(crate) fn fact(cause: &Cause, shown: &Shown, answerer: &Answerer) -> Option<String> {
    if let Some(reason) = &shown.unreadable {
        return Some(format!("its certificate cannot be read: {reason}"));
    }
    let unanswered = answerer.was_asked() && answerer.answer().is_none();
    match cause {
        Cause::Incompatible(reason) => Some(format!("no parameter in common: {reason}")),
        // Before TLS 1.3 there was no alert for it.
        Cause::Alert(_) | Cause::Closed | Cause::Reset if unanswered => {
            Some(CERTIFICATE_DEMANDED.to_owned())
        }
        Cause::Alert(code) if is_about_parameters(*code) => {
            Some(format!("it answers our ClientHello with the alert {}", alert_name(*code)))
        }
        _ => None,
    }
}

/// Whether an alert says that what we offered does not suit (RFC 8446 section 6.2).
fn is_about_parameters(code: u8) -> bool {
    [
        AlertDescription::HandshakeFailure,
        AlertDescription::IllegalParameter,
        AlertDescription::ProtocolVersion,
        AlertDescription::InsufficientSecurity,
        AlertDescription::MissingExtension,
        AlertDescription::UnsupportedExtension,
        AlertDescription::CertificateRequired,
    ]
    .into_iter()
    .any(|alert| u8::from(alert) == code)
}

pub(crate) const CERTIFICATE_DEMANDED: &str =
    "it demands a client certificate, and none is configured for it";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client_identity::ClientIdentity;
    use flow::tls::Verification;
    use rustls::client::ResolvesClientCert;

    fn shown(unreadable: Option<&str>) -> Shown {
        Shown {
            chain: Vec::new(),
            ocsp: bytes::Bytes::new(),
            verification: Verification::Verified,
            roots: flow::round_trip::ChainRoots::Own,
            unreadable: unreadable.map(str::to_owned),
        }
    }

    #[track_caller]
    fn check(cause: &Cause, asked: bool, expected: Option<&str>) {
        let answerer = Answerer::new(None::<&ClientIdentity>);
        if asked {
            assert!(answerer.resolve(&[], &[]).is_none());
        }
        let fact = fact(cause, &shown(None), &answerer);
        let holds = |expected: &str| fact.as_deref().is_some_and(|fact| fact.contains(expected));
        assert!(expected.map_or(fact.is_none(), holds), "{cause:?}: {fact:?}");
    }

    #[test]
    fn what_the_client_might_do_better() {
        check(&Cause::Alert(40), false, Some("handshake_failure"));
        check(&Cause::Alert(70), false, Some("protocol_version"));
        check(&Cause::Alert(116), false, Some("certificate_required"));
        check(&Cause::Incompatible("x".to_owned()), false, Some("x"));
        check(&Cause::Alert(42), true, Some("client certificate"));
        check(&Cause::Closed, true, Some("client certificate"));
        let cause = Cause::Unverified("v1".to_owned());
        let answerer = Answerer::new(None);
        assert!(fact(&cause, &shown(Some("version 1")), &answerer).unwrap().contains("version 1"));
    }

    #[test]
    fn what_it_would_not() {
        check(&Cause::Unverified("expired".to_owned()), false, None);
        check(&Cause::Unverified("expired".to_owned()), true, None);
        check(&Cause::Alert(112), false, None);
        check(&Cause::Alert(120), false, None);
        check(&Cause::Alert(80), false, None);
        check(&Cause::Closed, false, None);
        check(&Cause::Reset, false, None);
        check(&Cause::TimedOut, true, None);
        check(&Cause::Malformed("x".to_owned()), false, None);
    }
}
