//! A TCP connection made around the bytes of a leg: opened before the first of them, each read in segments,
//! ended where the log says that it ended. Sequence numbers follow the offsets in the stream, so that bytes
//! which were not kept leave a gap.

use super::block::{Blocks, Link, Packet};
use super::packet::{self, ACK, Ends, FIN, MOST_SEGMENT_BYTES, PSH, RST, SYN, Segment};
use crate::error::Error;
use flow::id::ConnectionId;
use flow::stream::Direction;
use flow::time::WallNanos;

/// Where a packet comes from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cited {
    pub(super) connection: ConnectionId,
    /// The record that says so, or that commits to the frame.
    pub(super) record: u64,
    pub(super) at: WallNanos,
}

impl Cited {
    /// The comment that every packet has.
    pub(super) fn comment(&self, more: &str) -> String {
        let separator = if more.is_empty() { "" } else { "; " };
        format!("connection={} record={}{separator}{more}", self.connection, self.record)
    }
}

#[derive(Debug)]
pub(super) struct Conversation {
    ends: Ends,
    up: Side,
    down: Side,
}

/// What one end has sent.
#[derive(Clone, Copy, Debug)]
struct Side {
    initial: u32,
    /// Bytes of the stream.
    sent: u64,
    finished: bool,
}

impl Side {
    /// The number of what it sends next.
    fn next(self) -> u32 {
        // They start again at 2^32.
        self.initial
            .wrapping_add(1)
            .wrapping_add(self.sent as u32)
            .wrapping_add(self.finished.into())
    }
}

impl Conversation {
    /// Opens the connection. `number` tells conversations of the same ends apart; `told` is what is to be
    /// known of the ends.
    pub(super) fn open(
        ends: Ends,
        number: u64,
        cited: Cited,
        told: &str,
        blocks: &mut Blocks<'_>,
    ) -> Result<Self, Error> {
        let initial = (number as u32).wrapping_mul(SPREAD);
        let side = |initial| Side { initial, sent: 0, finished: false };
        let made = Self { ends, up: side(initial), down: side(!initial) };
        let [client, server] = [made.up.initial, made.down.initial];
        let segment = |sequence, acknowledged, flags| Segment { sequence, acknowledged, flags };
        let opening = segment(client, 0, SYN);
        made.write(Direction::Up, opening, &[], cited, &format!("made up; {told}"), blocks)?;
        let answer = segment(server, made.up.next(), SYN | ACK);
        made.write(Direction::Down, answer, &[], cited, MADE_UP, blocks)?;
        let last = segment(made.up.next(), made.down.next(), ACK);
        made.write(Direction::Up, last, &[], cited, MADE_UP, blocks)?;
        Ok(made)
    }

    /// What follows begins at this offset of the stream.
    pub(super) fn seek(&mut self, direction: Direction, offset: u64) {
        self.side(direction).sent = offset;
    }

    /// Bytes that passed.
    pub(super) fn data(
        &mut self,
        direction: Direction,
        bytes: &[u8],
        cited: Cited,
        blocks: &mut Blocks<'_>,
    ) -> Result<(), Error> {
        for piece in bytes.chunks(MOST_SEGMENT_BYTES) {
            self.write(direction, self.segment(direction, PSH | ACK), piece, cited, "", blocks)?;
            self.side(direction).sent += piece.len() as u64;
        }
        Ok(())
    }

    /// The sender of a direction ended it, if it had not yet.
    pub(super) fn finish(
        &mut self,
        direction: Direction,
        cited: Cited,
        told: &str,
        blocks: &mut Blocks<'_>,
    ) -> Result<(), Error> {
        if self.side(direction).finished {
            return Ok(());
        }
        let told = format!("{MADE_UP}; {told}");
        self.write(direction, self.segment(direction, FIN | ACK), &[], cited, &told, blocks)?;
        self.side(direction).finished = true;
        let other = opposite(direction);
        self.write(other, self.segment(other, ACK), &[], cited, MADE_UP, blocks)
    }

    /// The sender of a direction aborted the connection.
    pub(super) fn reset(
        &mut self,
        direction: Direction,
        cited: Cited,
        told: &str,
        blocks: &mut Blocks<'_>,
    ) -> Result<(), Error> {
        let told = format!("{MADE_UP}; {told}");
        self.write(direction, self.segment(direction, RST | ACK), &[], cited, &told, blocks)
    }

    fn segment(&self, direction: Direction, flags: u8) -> Segment {
        let (sender, receiver) = match direction {
            Direction::Up => (self.up, self.down),
            Direction::Down => (self.down, self.up),
        };
        Segment { sequence: sender.next(), acknowledged: receiver.next(), flags }
    }

    fn side(&mut self, direction: Direction) -> &mut Side {
        match direction {
            Direction::Up => &mut self.up,
            Direction::Down => &mut self.down,
        }
    }

    fn write(
        &self,
        direction: Direction,
        segment: Segment,
        payload: &[u8],
        cited: Cited,
        told: &str,
        blocks: &mut Blocks<'_>,
    ) -> Result<(), Error> {
        let bytes = packet::tcp(&self.ends, direction, segment, payload);
        let comment = cited.comment(told);
        blocks.packet(&Packet { link: Link::Raw, at: cited.at, bytes: &bytes, comment: &comment })
    }
}

fn opposite(direction: Direction) -> Direction {
    match direction {
        Direction::Up => Direction::Down,
        Direction::Down => Direction::Up,
    }
}

const MADE_UP: &str = "made up";
/// Odd, so that no two of the first 2^32 conversations begin with the same number.
const SPREAD: u32 = 0x9e37_79b1;

#[cfg(test)]
mod tests {
    use super::*;

    /// Direction, flags, sequence and acknowledgement of each packet, as differences to the initial numbers.
    fn segments(bytes: &[u8]) -> Vec<(bool, u8, u32, u32)> {
        let number = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        let word = |bytes: &[u8]| u32::from_be_bytes(bytes[..4].try_into().unwrap());
        let (mut at, mut first, mut found) = (0, None, Vec::new());
        while at < bytes.len() {
            let packet = &bytes[at + 28..at + 28 + number(at + 20)];
            let (sequence, acknowledged) = (word(&packet[24..]), word(&packet[28..]));
            let is_up = packet[20..22] == [0, 5];
            let up = *first.get_or_insert(sequence);
            let (own, other) = if is_up { (up, !up) } else { (!up, up) };
            let acknowledged =
                if packet[33] & ACK == 0 { 0 } else { acknowledged.wrapping_sub(other) };
            found.push((is_up, packet[33], sequence.wrapping_sub(own), acknowledged));
            at += number(at + 4);
        }
        found
    }

    #[test]
    fn numbers_follow_the_bytes_from_the_first_to_the_last_packet() {
        let ends = Ends::new("10.0.0.1:5".parse().unwrap(), "10.0.0.2:443".parse().unwrap());
        let cited = Cited { connection: ConnectionId(1), record: 2, at: WallNanos(3) };
        let mut out = Vec::new();
        let mut blocks = Blocks::new(&mut out);
        let mut made = Conversation::open(ends, 7, cited, "", &mut blocks).unwrap();
        made.data(Direction::Up, &vec![0; MOST_SEGMENT_BYTES + 1], cited, &mut blocks).unwrap();
        made.data(Direction::Down, b"answer", cited, &mut blocks).unwrap();
        made.seek(Direction::Down, 10);
        made.finish(Direction::Down, cited, "", &mut blocks).unwrap();
        made.finish(Direction::Down, cited, "", &mut blocks).unwrap();
        made.reset(Direction::Up, cited, "", &mut blocks).unwrap();
        let most = MOST_SEGMENT_BYTES as u32;
        let expected = [
            (true, SYN, 0, 0),
            (false, SYN | ACK, 0, 1),
            (true, ACK, 1, 1),
            (true, PSH | ACK, 1, 1),
            (true, PSH | ACK, 1 + most, 1),
            (false, PSH | ACK, 1, 2 + most),
            (false, FIN | ACK, 11, 2 + most),
            (true, ACK, 2 + most, 12),
            (true, RST | ACK, 2 + most, 12),
        ];
        assert_eq!(segments(&out), expected);
    }
}
