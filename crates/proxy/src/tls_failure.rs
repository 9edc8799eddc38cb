//! What a failed TLS handshake or read means, and which alert tells the other side.

use flow::treatment::Cause;
use rustls::{AlertDescription, Error};
use std::io;

/// What went wrong in a handshake.
pub(crate) fn cause(error: &io::Error) -> Cause {
    match tls_error(error) {
        Some(Error::AlertReceived(alert)) => Cause::Alert(u8::from(*alert)),
        Some(Error::PeerIncompatible(reason)) => Cause::Incompatible(format!("{reason:?}")),
        Some(
            Error::InvalidMessage(_)
            | Error::PeerMisbehaved(_)
            | Error::InappropriateMessage { .. }
            | Error::InappropriateHandshakeMessage { .. }
            | Error::DecryptError
            | Error::PeerSentOversizedRecord,
        ) => Cause::Malformed(error.to_string()),
        Some(other) => Cause::Io(other.to_string()),
        None => match error.kind() {
            io::ErrorKind::UnexpectedEof => Cause::Closed,
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => Cause::Reset,
            io::ErrorKind::TimedOut => Cause::TimedOut,
            _ => Cause::Io(error.to_string()),
        },
    }
}

/// The alert that a read ended with.
pub(crate) fn alert_received(error: &io::Error) -> Option<u8> {
    match tls_error(error)? {
        Error::AlertReceived(alert) => Some(u8::from(*alert)),
        _ => None,
    }
}

/// Whether an alert says that the sender does not accept our certificate (RFC 8446 section 6.2).
pub(crate) fn is_distrust(code: u8) -> bool {
    [
        AlertDescription::BadCertificate,
        AlertDescription::UnsupportedCertificate,
        AlertDescription::CertificateRevoked,
        AlertDescription::CertificateExpired,
        AlertDescription::CertificateUnknown,
        AlertDescription::UnknownCA,
    ]
    .into_iter()
    .any(|alert| u8::from(alert) == code)
}

/// The fatal alert, as a whole TLS record, that tells the client how the upstream's handshake
/// failed: the upstream's own alert where it sent one.
pub(crate) fn alert_record(cause: &Cause) -> [u8; 7] {
    let alert = match cause {
        Cause::Alert(code) => *code,
        Cause::Unverified(_) => u8::from(AlertDescription::CertificateUnknown),
        Cause::Incompatible(_) => u8::from(AlertDescription::HandshakeFailure),
        Cause::Malformed(_) => u8::from(AlertDescription::DecodeError),
        _ => u8::from(AlertDescription::InternalError),
    };
    fatal(alert)
}

/// A whole alert record: content type alert, version TLS 1.2, length 2, level fatal (RFC 8446
/// sections 5.1 and 6).
const fn fatal(alert: u8) -> [u8; 7] {
    [21, 3, 3, 0, 2, 2, alert]
}

fn tls_error(error: &io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref()
}

/// The alert with which a server says that it wanted a client certificate (RFC 8446 section 6.2).
pub(crate) const CERTIFICATE_REQUIRED: u8 = 116;
/// For a client whose destination a rule refuses.
pub(crate) const UNRECOGNIZED_NAME: [u8; 7] = fatal(112);
/// For a client that is not served, or is refused because it refused us.
pub(crate) const ACCESS_DENIED: [u8; 7] = fatal(49);
/// For a client whose upstream cannot be reached a second time.
pub(crate) const INTERNAL_ERROR: [u8; 7] = fatal(80);
/// The alert `decode_error`, for a client whose hello is none or is cut off.
pub(crate) const NOT_A_CLIENT_HELLO: [u8; 7] = fatal(50);
