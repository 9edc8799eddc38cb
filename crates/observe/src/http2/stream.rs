//! One HTTP/2 stream that carries an exchange: its two bodies and how far each has come
//! (RFC 9113 section 8.1). It emits nothing by itself.

use super::fault::Fault;
use crate::messages::MessageFollower;
use crate::tally::BodyTally;
use flow::event::Event;
use flow::http::{Body, BodyEnd, ExchangeEnd, Field, Framing, Upgrade};
use flow::id::ExchangeId;
use flow::stream::Direction;
use flow::time::Stamp;

/// An exchange that has not ended on both sides.
#[derive(Debug)]
pub(super) struct Stream {
    exchange: ExchangeId,
    stream_id: u32,
    request: Half,
    /// The request's body where it passed before the connection was HTTP/2.
    earlier: Option<Body>,
    response: Answer,
    /// What the exchange turns into if it is answered with success.
    asked: Option<Upgrade>,
    upgrade: Option<Upgrade>,
}

/// A body after its head.
#[derive(Debug)]
struct Half {
    tally: BodyTally,
    end: Option<BodyEnd>,
    trailers: Vec<Field>,
}

#[derive(Debug)]
enum Answer {
    /// No final head so far.
    Expected,
    /// None came, and none can come any more.
    Never,
    Begun(Half),
}

/// The moment and place at which a head ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct HeadSeen {
    /// Offset behind the head.
    pub(super) offset: u64,
    pub(super) at: Stamp,
    /// The head was all that this side sends.
    pub(super) end_stream: bool,
    /// A body that follows is hashed if it has at most so many bytes.
    pub(super) hashed_bytes: usize,
}

impl Stream {
    /// A stream opened by a request's head. A promised one is a request that has already ended.
    pub(super) fn new(
        exchange: ExchangeId,
        stream_id: u32,
        head: HeadSeen,
        asked: Option<Upgrade>,
    ) -> Self {
        Self {
            exchange,
            stream_id,
            request: Half::new(stream_id, head),
            earlier: None,
            response: Answer::Expected,
            asked,
            upgrade: None,
        }
    }

    /// Stream 1 of a connection that an Upgrade made HTTP/2; its request has ended.
    pub(super) fn adopted(exchange: ExchangeId, request_body: Body, head: HeadSeen) -> Self {
        let mut stream = Self::new(exchange, 1, head, None);
        stream.earlier = Some(request_body);
        stream.upgrade = Some(Upgrade::Http2);
        stream
    }

    /// Reads the body of `direction` as messages as well.
    pub(super) fn follow(
        &mut self,
        direction: Direction,
        messages: MessageFollower,
        out: &mut Vec<Event>,
    ) {
        if let Ok(tally) = self.body(direction) {
            tally.follow(messages, out);
        }
    }

    /// What the exchange has turned into.
    pub(super) fn upgrade(&self) -> Option<Upgrade> {
        self.upgrade
    }

    pub(super) fn exchange(&self) -> ExchangeId {
        self.exchange
    }

    /// Whether the final head of `direction` has passed.
    pub(super) fn has_head(&self, direction: Direction) -> bool {
        direction == Direction::Up || matches!(self.response, Answer::Begun(_))
    }

    /// The final response head has passed.
    pub(super) fn answer(&mut self, status: u16, head: HeadSeen) {
        self.response = Answer::Begun(Half::new(self.stream_id, head));
        if (200..300).contains(&status) {
            self.upgrade = self.asked.or(self.upgrade);
        }
    }

    /// The body that DATA or trailers in `direction` belong to, if they may come now.
    pub(super) fn body(&mut self, direction: Direction) -> Result<&mut BodyTally, Fault> {
        let stream_id = self.stream_id;
        let half = match (direction, &mut self.response) {
            (Direction::Up, _) => &mut self.request,
            (Direction::Down, Answer::Begun(half)) => half,
            (Direction::Down, Answer::Expected) => {
                return Err(Fault::DataBeforeHead { stream_id });
            }
            (Direction::Down, Answer::Never) => return Err(Fault::AfterEnd { stream_id }),
        };
        match half.end {
            None => Ok(&mut half.tally),
            Some(_) => Err(Fault::AfterEnd { stream_id }),
        }
    }

    /// Ends what `direction` sends, unless it has already ended.
    pub(super) fn end(&mut self, direction: Direction, end: BodyEnd, trailers: Vec<Field>) {
        match (direction, &mut self.response) {
            (Direction::Up, _) => self.request.end(end, trailers),
            (Direction::Down, Answer::Begun(half)) => half.end(end, trailers),
            (Direction::Down, response) => *response = Answer::Never,
        }
    }

    /// Ends both directions, where they have not ended.
    pub(super) fn abandon(&mut self, end: BodyEnd) {
        self.end(Direction::Up, end, Vec::new());
        self.end(Direction::Down, end, Vec::new());
    }

    /// Whether both directions have ended.
    pub(super) fn is_over(&self) -> bool {
        let answered = match &self.response {
            Answer::Expected => false,
            Answer::Never => true,
            Answer::Begun(half) => half.end.is_some(),
        };
        answered && self.request.end.is_some()
    }

    /// Bytes that the trailers seen so far take up.
    pub(super) fn trailer_bytes(&self) -> usize {
        let response = match &self.response {
            Answer::Begun(half) => half.trailer_bytes(),
            Answer::Expected | Answer::Never => 0,
        };
        self.request.trailer_bytes() + response
    }

    /// The account of the exchange. Of what has not ended it says that it was not followed.
    pub(super) fn finish(self, at: Stamp, out: &mut Vec<Event>) -> ExchangeEnd {
        ExchangeEnd {
            at,
            request_body: match self.earlier {
                Some(body) => body,
                None => self.request.finish(out),
            },
            response_body: match self.response {
                Answer::Begun(half) => Some(half.finish(out)),
                Answer::Expected | Answer::Never => None,
            },
            upgrade: self.upgrade,
        }
    }
}

impl Half {
    fn new(stream_id: u32, head: HeadSeen) -> Self {
        let (framing, end) = if head.end_stream {
            (Framing::None, Some(BodyEnd::Complete))
        } else {
            (Framing::Http2 { stream_id }, None)
        };
        let tally = BodyTally::new(framing, head.offset, head.at, head.hashed_bytes);
        Self { tally, end, trailers: Vec::new() }
    }

    fn end(&mut self, end: BodyEnd, trailers: Vec<Field>) {
        if self.end.is_none() {
            self.end = Some(end);
            self.trailers = trailers;
        }
    }

    fn trailer_bytes(&self) -> usize {
        let bytes = |field: &Field| size_of::<Field>() + field.name.len() + field.value.len();
        self.trailers.iter().map(bytes).sum()
    }

    fn finish(self, out: &mut Vec<Event>) -> Body {
        self.tally.finish(self.end.unwrap_or(BodyEnd::NotFollowed), self.trailers, out)
    }
}
