//! What a client can ask of the proxy, whatever protocol it asks in; and how it can fail to.

use crate::received::Received;
use bytes::Bytes;
use flow::address::Target;
use flow::event::Ingress;
use flow::treatment::{Cause, Failure, Side, Stage, Treatment};
use observe::http1::framing::BodyLength;

/// What a client asks for. What follows it stays in the wire.
pub(crate) enum Ask {
    /// A request in absolute form (RFC 9112 section 3.2.2), which others may follow.
    Forward(Box<Forwarded>),
    /// A SOCKS5 association for datagrams.
    Associate(Associate),
    Single(Single),
}

/// What makes the client's connection one conversation. Bytes are those that ask so, as they are
/// kept: without a password.
pub(crate) enum Single {
    /// A tunnel: `CONNECT host:port` (RFC 9110 section 9.3.6), or SOCKS5's CONNECT.
    Tunnel(Target, Bytes),
    /// A request for Landfall itself.
    Own(Box<Received>),
    /// A request that is not served.
    Refused(Refusal),
    /// The client ended, or let the time pass, without a byte; or the run ended.
    Nothing(Cause),
}

impl Ask {
    pub(crate) fn tunnel(target: Target, raw: Bytes) -> Self {
        Self::Single(Single::Tunnel(target, raw))
    }

    pub(crate) fn own(received: Received) -> Self {
        Self::Single(Single::Own(Box::new(received)))
    }

    /// A request that is not served, of which nothing more is known.
    pub(crate) fn refused(treatment: Treatment, raw: Bytes) -> Self {
        Self::Single(Single::Refused(Refusal::new(treatment, raw)))
    }

    pub(crate) fn nothing(cause: Cause) -> Self {
        Self::Single(Single::Nothing(cause))
    }
}

/// A request that is not served: what came of it, and what could be read of it.
pub(crate) struct Refusal {
    pub(crate) treatment: Treatment,
    pub(crate) raw: Bytes,
    /// The way in, where the protocol that the client speaks does not tell it.
    pub(crate) ingress: Option<Ingress>,
    /// Whom it asked for.
    pub(crate) target: Option<Target>,
}

impl Refusal {
    pub(crate) fn new(treatment: Treatment, raw: Bytes) -> Self {
        Self { treatment, raw, ingress: None, target: None }
    }

    /// The same of a request that was read.
    pub(crate) fn of(self, ingress: Ingress, target: Target) -> Self {
        Self { ingress: Some(ingress), target: Some(target), ..self }
    }
}

/// A request to pass on.
pub(crate) struct Forwarded {
    pub(crate) received: Received,
    pub(crate) target: Target,
    /// The target in origin form: path and query.
    pub(crate) path: Bytes,
    pub(crate) body: BodyLength,
}

/// A request for an association.
pub(crate) struct Associate {
    /// The port from which the client says that it will send.
    pub(crate) port: Option<u16>,
    pub(crate) raw: Bytes,
}

/// A request that makes no sense.
pub(crate) fn malformed(reason: &str) -> Treatment {
    request_failed(Cause::Malformed(reason.to_owned()))
}

/// A request that was not read to its end. An alert is about the TLS below it.
pub(crate) fn request_failed(cause: Cause) -> Treatment {
    let stage = match cause {
        Cause::Alert(_) => Stage::ProxyTls,
        _ => Stage::Request,
    };
    let side = match cause {
        Cause::RunEnded => Side::Landfall,
        _ => Side::Client,
    };
    Treatment::Failed(Failure { stage, side, cause })
}
