//! Which records are derived: an observer makes them of the bytes of the relay leg, while a session
//! is recorded and again whenever somebody asks ([`crate::reobserve`]). Both go through here.

use super::Body;
use super::exchange::{ExchangeClose, ExchangeRequest, ExchangeResponse, LostSync};
use super::message::ExchangeMessage;
use flow::event::Event;
use flow::time::Stamp;

impl Body {
    /// The record of what an observer saw, with its time; `None` for all other events.
    pub(crate) fn derived(event: &Event) -> Option<(Stamp, Self)> {
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
                (end.at, Self::ExchangeClose(Box::new(ExchangeClose::new(*exchange, end))))
            }
            Event::LostSync { connection, lost } => {
                (lost.at, Self::LostSync(LostSync::new(*connection, lost)))
            }
            _ => return None,
        })
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
