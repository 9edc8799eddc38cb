//! Which records are derived: an observer makes them of the bytes of the relay leg, while a session
//! is recorded and again whenever somebody asks ([`crate::reobserve`]). Both go through here.

use super::Body;
use super::exchange::{ExchangeClose, ExchangeRequest, ExchangeResponse, LostSync};
use super::message::ExchangeMessage;
use crate::body::{BodySecret, Side};
use flow::event::Event;
use flow::http;
use flow::time::Stamp;

impl Body {
    /// The record of what an observer saw, with its time; `None` for all other events. Without the
    /// secret it commits to no body.
    pub(crate) fn derived(event: &Event, bodies: Option<&BodySecret>) -> Option<(Stamp, Self)> {
        Some(match event {
            Event::Request { exchange, head } => {
                (head.at, Self::ExchangeRequest(Box::new(ExchangeRequest::new(*exchange, head))))
            }
            Event::Response { exchange, head } => {
                (head.at, Self::ExchangeResponse(ExchangeResponse::new(*exchange, head)))
            }
            Event::Message { exchange, message } => (
                message.at,
                Self::ExchangeMessage(Box::new(ExchangeMessage::new(*exchange, message))),
            ),
            Event::ExchangeEnded { exchange, end } => {
                let commitment = |side, body: &http::Body| {
                    Some(bodies?.commit(*exchange, side, body.digests.as_ref()?))
                };
                let request = commitment(Side::Request, &end.request_body);
                let response = end.response_body.as_ref();
                let response = response.and_then(|body| commitment(Side::Response, body));
                let close = ExchangeClose::new(*exchange, end, [request, response]);
                (end.at, Self::ExchangeClose(Box::new(close)))
            }
            Event::LostSync { connection, lost } => {
                (lost.at, Self::LostSync(LostSync::new(*connection, lost)))
            }
            _ => return None,
        })
    }

    /// Leaves out what only somebody with the secret can derive.
    pub(crate) fn without_body_commitments(&mut self) {
        if let Self::ExchangeClose(close) = self {
            close.request_body.commitment = None;
            close.response_body.iter_mut().for_each(|body| body.commitment = None);
        }
    }

    /// Whether [`Body::derived`] makes records of this kind.
    pub(crate) fn is_derived(&self) -> bool {
        matches!(
            self,
            Self::ExchangeRequest(_)
                | Self::ExchangeResponse(_)
                | Self::ExchangeMessage(_)
                | Self::ExchangeClose(_)
                | Self::LostSync(_)
        )
    }
}
