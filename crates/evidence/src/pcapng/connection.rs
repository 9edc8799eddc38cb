//! One connection on its way into a capture: which packets its bytes become, by what its records say of it.
//! What of its two TCP connections nobody recorded is written as addresses that are kept for documentation.

use super::block::{Blocks, Link, Packet};
use super::conversation::{Cited, Conversation};
use super::exported;
use super::packet::{self, Ends};
use super::plaintext::{Piece, Plaintext};
use crate::error::Error;
use bytes::Bytes;
use flow::address::Host;
use flow::id::ConnectionId;
use flow::stream::{Direction, Leg, StreamKey};
use recorder::record::connection::{ConnectionDial, ConnectionOpen, ConnectionTreatment};
use recorder::record::{Body, Record};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// A connection that is open at this place of the log.
pub(super) struct Connection {
    id: ConnectionId,
    open: ConnectionOpen,
    target: Option<(Host, u16)>,
    /// The dial that counts: the last one, or the last that succeeded.
    dial: Option<ConnectionDial>,
    alpn: Option<Bytes>,
    relayed: Option<Relayed>,
    conversations: Conversations,
}

/// The TCP connections that there are so far.
#[derive(Default)]
struct Conversations {
    relay: Option<Conversation>,
    client_tls: Option<Conversation>,
    upstream: Option<Conversation>,
}

impl Conversations {
    /// `None` for a leg that is not written.
    fn of(&mut self, leg: Leg) -> Option<&mut Option<Conversation>> {
        match leg {
            Leg::Relay => Some(&mut self.relay),
            Leg::ClientTls => Some(&mut self.client_tls),
            Leg::Upstream => Some(&mut self.upstream),
            Leg::Client => None,
        }
    }
}

/// What the bytes of the relay leg are.
enum Relayed {
    /// What passed between the two sockets, encrypted or never encrypted.
    AsItCame,
    Datagrams,
    /// What was inside TLS that is not kept.
    Plaintext(Box<Plaintext>),
    /// What was inside TLS that is kept: that is written in its place.
    InsideKept,
}

impl Connection {
    pub(super) fn new(open: ConnectionOpen) -> Self {
        Self {
            id: open.connection.0,
            open,
            target: None,
            dial: None,
            alpn: None,
            relayed: None,
            conversations: Conversations::default(),
        }
    }

    /// Takes what a record says. `tls_is_kept`: of connections whose TLS was opened, all of it is in the store.
    pub(super) fn recorded(&mut self, record: Record, tls_is_kept: bool) {
        match record.body {
            Body::ConnectionTarget(target) => self.target = Some((target.host.0, target.port)),
            Body::ConnectionDial(dial) => {
                let reached = |dial: &ConnectionDial| dial.error.is_none();
                if reached(&dial) || !self.dial.as_ref().is_some_and(reached) {
                    self.dial = Some(dial);
                }
            }
            Body::TlsUpstream(tls) => {
                self.alpn = tls.agreed.and_then(|agreed| agreed.alpn).map(|alpn| alpn.0);
            }
            Body::ConnectionTreatment(treatment) => {
                if self.relayed.is_none() {
                    self.relayed = relayed(&treatment, self.alpn.as_deref(), tls_is_kept);
                }
            }
            body => {
                if let Some(Relayed::Plaintext(plaintext)) = &mut self.relayed {
                    plaintext.recorded(&body);
                }
            }
        }
    }

    /// What a commit holds of a stream begins at this offset.
    pub(super) fn seek(
        &mut self,
        stream: StreamKey,
        offset: u64,
        blocks: &mut Blocks<'_>,
    ) -> Result<(), Error> {
        let direction = stream.direction;
        if let Some(Some(conversation)) = self.conversations.of(stream.leg) {
            conversation.seek(direction, offset);
        }
        if stream.leg != Leg::Relay {
            return Ok(());
        }
        while let Some(Relayed::Plaintext(plaintext)) = &mut self.relayed
            && let Some((cited, piece)) = plaintext.seek(direction, offset)
        {
            self.export(direction, cited, &piece, blocks)?;
        }
        Ok(())
    }

    /// The bytes of one read.
    pub(super) fn passed(
        &mut self,
        stream: StreamKey,
        bytes: &[u8],
        cited: Cited,
        blocks: &mut Blocks<'_>,
    ) -> Result<(), Error> {
        let direction = stream.direction;
        match (stream.leg, &mut self.relayed) {
            // What the device said to the proxy has no place in a conversation with the target.
            (Leg::Client, _) | (Leg::Relay, Some(Relayed::InsideKept)) => Ok(()),
            (Leg::Relay, Some(Relayed::Datagrams)) => {
                let bytes = packet::udp(&self.device_ends(), direction, bytes);
                let comment = cited.comment("");
                blocks.packet(&Packet {
                    link: Link::Raw,
                    at: cited.at,
                    bytes: &bytes,
                    comment: &comment,
                })
            }
            (Leg::Relay, Some(Relayed::Plaintext(plaintext))) => {
                plaintext.passed(direction, bytes, cited);
                self.export_whole(blocks)
            }
            (leg, _) => {
                let conversation = match self.conversations.of(leg) {
                    Some(Some(conversation)) => conversation,
                    _ => self.converse(leg, cited, blocks)?,
                };
                conversation.data(direction, bytes, cited, blocks)
            }
        }
    }

    /// Opens the TCP connection of a leg.
    fn converse(
        &mut self,
        leg: Leg,
        cited: Cited,
        blocks: &mut Blocks<'_>,
    ) -> Result<&mut Conversation, Error> {
        let (ends, told) = match leg {
            Leg::Upstream => (self.upstream_ends(), self.upstream_told()),
            Leg::Relay | Leg::Client | Leg::ClientTls => (self.device_ends(), self.device_told()),
        };
        let (number, place) = match leg {
            Leg::Relay | Leg::Client => (0, &mut self.conversations.relay),
            Leg::ClientTls => (1, &mut self.conversations.client_tls),
            Leg::Upstream => (2, &mut self.conversations.upstream),
        };
        let number = self.id.0.wrapping_mul(4).wrapping_add(number);
        Ok(place.insert(Conversation::open(ends, number, cited, &told, blocks)?))
    }

    /// Writes the pieces of plaintext that are whole by now.
    pub(super) fn export_whole(&mut self, blocks: &mut Blocks<'_>) -> Result<(), Error> {
        while let Some(Relayed::Plaintext(plaintext)) = &mut self.relayed
            && let Some((direction, cited, piece)) = plaintext.next()
        {
            self.export(direction, cited, &piece, blocks)?;
        }
        Ok(())
    }

    /// A direction of the relay leg was ended in order.
    pub(super) fn ended(
        &mut self,
        direction: Direction,
        cited: Cited,
        blocks: &mut Blocks<'_>,
    ) -> Result<(), Error> {
        match &mut self.conversations.relay {
            Some(relay) => relay.finish(direction, cited, "the sender ended it", blocks),
            None => Ok(()),
        }
    }

    /// The connection is over.
    pub(super) fn closed(
        mut self,
        outcome: &str,
        cited: Cited,
        blocks: &mut Blocks<'_>,
    ) -> Result<(), Error> {
        self.left(blocks)?;
        let told = format!("outcome={outcome}");
        let reset = match outcome {
            "client-reset" => Some(Direction::Up),
            "upstream-reset" => Some(Direction::Down),
            _ => None,
        };
        // The relay leg stands for both sockets, each other one for its own.
        let Conversations { relay, client_tls, upstream } = self.conversations;
        let reset_on = |direction| reset.filter(|reset| *reset == direction);
        for (conversation, reset) in [
            (relay, reset),
            (client_tls, reset_on(Direction::Up)),
            (upstream, reset_on(Direction::Down)),
        ] {
            let Some(mut conversation) = conversation else { continue };
            if let Some(direction) = reset {
                conversation.reset(direction, cited, &told, blocks)?;
                continue;
            }
            for direction in [Direction::Up, Direction::Down] {
                conversation.finish(direction, cited, &told, blocks)?;
            }
        }
        Ok(())
    }

    /// Writes the plaintext that waits for its end.
    pub(super) fn left(&mut self, blocks: &mut Blocks<'_>) -> Result<(), Error> {
        self.export_whole(blocks)?;
        while let Some(Relayed::Plaintext(plaintext)) = &mut self.relayed
            && let Some((direction, cited, piece)) = plaintext.finish()
        {
            self.export(direction, cited, &piece, blocks)?;
        }
        Ok(())
    }

    fn export(
        &self,
        direction: Direction,
        cited: Cited,
        piece: &Piece,
        blocks: &mut Blocks<'_>,
    ) -> Result<(), Error> {
        let bytes = exported::pdu(&self.device_ends(), direction, piece.dissector, &piece.bytes);
        let comment = cited.comment("plaintext of TLS, exported by Landfall");
        blocks.packet(&Packet {
            link: Link::Exported,
            at: cited.at,
            bytes: &bytes,
            comment: &comment,
        })
    }

    /// The device's socket, where it is not withheld.
    fn device(&self) -> SocketAddr {
        self.open.device.open().copied().unwrap_or(WITHHELD)
    }

    fn device_ends(&self) -> Ends {
        Ends::new(self.device(), self.server())
    }

    fn upstream_ends(&self) -> Ends {
        let number = self.id.0;
        let port = FIRST_PORT + (number % PORTS) as u16;
        let host = 1 + (number / PORTS % 254) as u8;
        Ends::new(SocketAddr::new(Ipv4Addr::new(192, 0, 2, host).into(), port), self.server())
    }

    /// The address that stands for the target.
    fn server(&self) -> SocketAddr {
        let dialled = self.dial.as_ref().and_then(|dial| dial.address.as_ref());
        match (dialled, &self.target) {
            (Some(address), _) => address.0,
            (None, Some((Host::Ip(ip), port))) => SocketAddr::new(*ip, *port),
            (None, Some((Host::Name(_), port))) => SocketAddr::new(UNKNOWN, *port),
            // Landfall's own pages.
            (None, None) => self.open.listener.0,
        }
    }

    fn device_told(&self) -> String {
        let mut told = format!(
            "leg of the device, which was connected to {} by {}",
            self.open.listener.0, self.open.ingress
        );
        self.push_simulated(&mut told);
        told
    }

    fn upstream_told(&self) -> String {
        let mut told = "leg of the upstream, from a socket that was not recorded".to_owned();
        if let Some(through) = self.dial.as_ref().and_then(|dial| dial.through.as_ref()) {
            told.push_str(&format!(" through the {} proxy {}", through.kind, through.address.0));
        }
        self.push_simulated(&mut told);
        told
    }

    fn push_simulated(&self, told: &mut String) {
        if let Some(socket) = self.dial.as_ref().and_then(|dial| dial.simulated_by) {
            told.push_str(&format!(
                "; simulated: {} was dialled in place of the address",
                socket.0
            ));
        }
    }
}

/// `None` for a treatment under which no byte passes.
fn relayed(treatment: &ConnectionTreatment, alpn: Option<&[u8]>, kept: bool) -> Option<Relayed> {
    match (treatment.treatment.as_str(), treatment.reason.as_str()) {
        ("intercepted", _) if kept => Some(Relayed::InsideKept),
        ("intercepted", _) => Some(Relayed::Plaintext(Box::new(Plaintext::new(alpn)))),
        ("plaintext", "datagrams") => Some(Relayed::Datagrams),
        ("failed" | "blocked", _) => None,
        _ => Some(Relayed::AsItCame),
    }
}

/// For a target of which no address is known: TEST-NET-2 (RFC 5737).
const UNKNOWN: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 1));
/// For a device whose address is withheld: TEST-NET-3.
const WITHHELD: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(203, 0, 113, 1)), FIRST_PORT);
const FIRST_PORT: u16 = 1024;
const PORTS: u64 = (u16::MAX - FIRST_PORT) as u64 + 1;
