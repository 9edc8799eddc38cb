//! The exchanges under way on one HTTP/1 connection, oldest first. A response belongs to the oldest
//! exchange, a request body to the newest.

use super::framing::Asked;
use flow::event::Event;
use flow::http::{Body, ExchangeEnd, Upgrade};
use flow::id::ExchangeId;
use flow::time::Stamp;
use std::collections::VecDeque;

/// An exchange whose request head has been seen and whose end has not.
#[derive(Debug)]
pub(super) struct OpenExchange {
    pub(super) id: ExchangeId,
    pub(super) asked: Asked,
    /// The request asks for another protocol on this connection: CONNECT or Upgrade.
    pub(super) asks_switch: bool,
    /// The final response head has been seen.
    pub(super) answered: bool,
    pub(super) request_body: Option<Body>,
    pub(super) response_body: Option<Body>,
    pub(super) upgrade: Option<Upgrade>,
}

impl OpenExchange {
    pub(super) fn new(id: ExchangeId, asked: Asked, asks_switch: bool) -> Self {
        Self {
            id,
            asked,
            asks_switch,
            answered: false,
            request_body: None,
            response_body: None,
            upgrade: None,
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct OpenExchanges {
    queue: VecDeque<OpenExchange>,
    trailer_bytes: usize,
}

impl OpenExchanges {
    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    pub(super) fn push(&mut self, exchange: OpenExchange) {
        self.queue.push_back(exchange);
    }

    /// The exchange that the next response head belongs to.
    pub(super) fn oldest(&mut self) -> Option<&mut OpenExchange> {
        self.queue.front_mut()
    }

    /// Hands the request body that was under way to the newest exchange; `None` without one.
    pub(super) fn end_request(&mut self, body: Body) -> Option<&OpenExchange> {
        let open = self.queue.back_mut()?;
        self.trailer_bytes += trailer_bytes(&body);
        open.request_body = Some(body);
        Some(open)
    }

    /// The exchange's connection is another protocol from here on: its request body is what the
    /// client sends in that. A request body of its own stays.
    pub(super) fn reopen_request(&mut self) -> bool {
        let Some(open) = self.queue.front_mut() else { return false };
        let is_empty = open.request_body.as_ref().is_some_and(|body| body.bytes == 0);
        if is_empty {
            open.request_body = None;
        }
        is_empty
    }

    /// Takes the oldest exchange out, with its request body, to go on elsewhere.
    pub(super) fn hand_over(&mut self) -> Option<(ExchangeId, Body)> {
        let open = self.queue.pop_front()?;
        Some((open.id, open.request_body?))
    }

    /// Hands the response body that was under way to the oldest exchange.
    pub(super) fn end_response(&mut self, body: Body) {
        if let Some(open) = self.queue.front_mut() {
            self.trailer_bytes += trailer_bytes(&body);
            open.response_body = Some(body);
        }
    }

    /// Bytes of trailer fields that are held until their exchanges end.
    pub(super) fn trailer_bytes(&self) -> usize {
        self.trailer_bytes
    }

    /// Ends the exchanges that have nothing more to come. `no_more_responses` says that those
    /// without a response will not get one.
    pub(super) fn settle(&mut self, no_more_responses: bool, at: Stamp, events: &mut Vec<Event>) {
        while let Some(open) = self.queue.front()
            && open.request_body.is_some()
            && (open.response_body.is_some() || no_more_responses)
        {
            let Some(open) = self.queue.pop_front() else { return };
            let Some(request_body) = open.request_body else { return };
            let bodies = [Some(&request_body), open.response_body.as_ref()];
            let released: usize = bodies.into_iter().flatten().map(trailer_bytes).sum();
            self.trailer_bytes = self.trailer_bytes.saturating_sub(released);
            let end = ExchangeEnd {
                at,
                request_body,
                response_body: open.response_body,
                upgrade: open.upgrade,
            };
            events.push(Event::ExchangeEnded { exchange: open.id, end: Box::new(end) });
        }
    }
}

fn trailer_bytes(body: &Body) -> usize {
    body.trailers.iter().map(|field| field.name.len() + field.value.len()).sum()
}
