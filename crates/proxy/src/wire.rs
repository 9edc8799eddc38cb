//! A TCP connection as the relay needs it: bytes can be put back, a handshake can be captured on
//! its way past, and the socket stays reachable below TLS for FIN and RST. Knows no protocol.

use crate::ciphertext::Ciphertext;
use crate::kernel_times;
use bytes::{Buf, Bytes, BytesMut};
use flow::round_trip::KernelTimes;
use flow::stream::Direction;
use flow::time::{SharedClock, Stamp};
use socket2::SockRef;
use std::io::{self, IoSlice, Read};
use std::net::{Shutdown, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// One side's TCP connection.
pub(crate) struct Wire {
    socket: Socket,
    /// TLS to the proxy itself, inside which the bytes of this wire pass.
    outer: Option<Box<TlsStream<Self>>>,
    /// Bytes that were read and put back; they are read first.
    unread: Bytes,
    /// Set where TLS reads this wire.
    ahead: Option<ReadAhead>,
    capture: Option<Capture>,
    /// Where all that passes is copied to, and which it waits for.
    ciphertext: Option<Ciphertext>,
}

/// The socket below a [`Wire`], for what TLS cannot express.
#[derive(Clone)]
pub(crate) struct Socket(Arc<TcpStream>);

/// Bytes taken from a socket before TLS asked for them. There is a buffer while the peer streams, and
/// none while it is waited for.
#[derive(Default)]
struct ReadAhead {
    buffer: Vec<u8>,
    /// What of the buffer was not handed on yet.
    next: usize,
    end: usize,
    /// The last read filled its buffer: more is likely to be there already.
    streaming: bool,
}

/// Collects the bytes that pass a wire with their times, up to a bound. Clones collect together,
/// so the bytes are there even when the wire was lost with a failed handshake.
#[derive(Clone)]
pub(crate) struct Capture {
    clock: SharedClock,
    /// What a read from the wire counts as.
    read_is: Direction,
    kept: Arc<Mutex<Kept>>,
}

#[derive(Default)]
struct Kept {
    passed: Vec<(Direction, Stamp, Bytes)>,
    room: usize,
    /// Bytes for which there was no room.
    dropped: u64,
    over: bool,
    /// Just before the first bytes were handed to the socket.
    written_from: Option<Stamp>,
}

/// What a capture collected.
pub(crate) struct Captured {
    /// The bytes in the order in which they passed.
    pub(crate) passed: Vec<(Direction, Stamp, Bytes)>,
    /// Bytes that passed after there was no more room.
    pub(crate) dropped: u64,
    /// Just before the first bytes were handed to the socket.
    pub(crate) written_from: Option<Stamp>,
}

impl Capture {
    pub(crate) fn new(clock: SharedClock, read_is: Direction, room: usize) -> Self {
        let kept = Arc::new(Mutex::new(Kept { room, ..Kept::default() }));
        Self { clock, read_is, kept }
    }

    /// What passed so far; nothing is collected after.
    pub(crate) fn take(&self) -> Captured {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.over = true;
        let passed = std::mem::take(&mut kept.passed);
        Captured { passed, dropped: kept.dropped, written_from: kept.written_from }
    }

    /// Bytes are about to be written. Noted before they are, as the task may be held up right after.
    fn writing(&self) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.written_from.get_or_insert_with(|| self.clock.now());
    }

    /// Keeps a copy as far as there is room; `false` when the capture is over.
    fn keep(&self, direction: Direction, bytes: &[u8]) -> bool {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.over {
            return false;
        }
        let length = bytes.len().min(kept.room);
        kept.room -= length;
        kept.dropped += (bytes.len() - length) as u64;
        if let Some(copied) = bytes.get(..length).filter(|copied| !copied.is_empty()) {
            kept.passed.push((direction, self.clock.now(), Bytes::copy_from_slice(copied)));
        }
        true
    }
}

impl Wire {
    /// Takes a connected socket over: small writes at once, keep-alive probes when idle.
    pub(crate) fn new(tcp: TcpStream, keepalive_time: Duration) -> Self {
        // Either option may be refused on a socket whose peer has gone; reading will tell.
        let keepalive = socket2::TcpKeepalive::new()
            .with_time(keepalive_time)
            .with_interval(keepalive_time.min(PROBE_INTERVAL))
            .with_retries(PROBES);
        drop(SockRef::from(&tcp).set_tcp_keepalive(&keepalive));
        drop(tcp.set_nodelay(true));
        Self::of(Socket(Arc::new(tcp)), None)
    }

    /// What passes inside a TLS connection, which ends in order when this does.
    pub(crate) fn inside(outer: TlsStream<Self>) -> Self {
        Self::of(outer.get_ref().0.socket.clone(), Some(Box::new(outer)))
    }

    fn of(socket: Socket, outer: Option<Box<TlsStream<Self>>>) -> Self {
        let unread = Bytes::new();
        let (ahead, capture, ciphertext) = (None, None, None);
        Self { socket, outer, unread, ahead, capture, ciphertext }
    }

    /// Moves the wire out, leaving one to the same socket in its place.
    pub(crate) fn moved_out(&mut self) -> Self {
        let left = Self::of(self.socket.clone(), None);
        std::mem::replace(self, left)
    }

    /// From here on TLS reads this wire, a few KiB at a time. While the peer streams, more than it
    /// asks for is taken from the socket at once, where nobody else can see it any more.
    pub(crate) fn under_tls(self) -> Self {
        // Inside another TLS, that one reads ahead.
        let ahead = self.outer.is_none().then(ReadAhead::default);
        Self { ahead, ..self }
    }

    pub(crate) fn socket(&self) -> &Socket {
        &self.socket
    }

    /// Puts bytes back in front of what comes next.
    pub(crate) fn unread(&mut self, bytes: Bytes) {
        if self.unread.is_empty() {
            self.unread = bytes;
        } else if !bytes.is_empty() {
            let mut joined = BytesMut::from(bytes);
            joined.extend_from_slice(&self.unread);
            self.unread = joined.freeze();
        }
    }

    /// Takes what was put back and not read again.
    pub(crate) fn take_unread(&mut self) -> Bytes {
        std::mem::take(&mut self.unread)
    }

    /// Waits until there is something to read, the end included.
    pub(crate) async fn readable(&mut self) {
        if !self.unread.is_empty() {
            return;
        }
        // A failure is something to read as well: reading will tell.
        if self.outer.is_none() {
            drop(self.socket.has_spoken().await);
        } else {
            // What is readable at the socket need not be anything inside.
            let mut buffer = BytesMut::new();
            drop(self.read_more(&mut buffer, READ_BYTES).await);
            self.unread(buffer.freeze());
        }
    }

    /// Appends what can be read to `buffer`, at most `most` bytes; 0 at the end.
    pub(crate) async fn read_more(
        &mut self,
        buffer: &mut BytesMut,
        most: usize,
    ) -> io::Result<usize> {
        if buffer.capacity() - buffer.len() < READ_BYTES {
            buffer.reserve(READ_BYTES);
        }
        (&mut *self).take(most as u64).read_buf(buffer).await
    }

    /// Hands a copy of what passes from here on to `capture`, until that is over.
    pub(crate) fn capture(&mut self, capture: Capture) {
        self.capture = Some(capture);
    }

    /// The same without an end: what passes waits while too much of it is not taken yet.
    pub(crate) fn copy_to(&mut self, ciphertext: Ciphertext) {
        self.ciphertext = Some(ciphertext);
    }

    /// Ready while more may pass.
    fn poll_room(
        &self,
        direction: impl Fn(Direction) -> Direction,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        match &self.ciphertext {
            Some(ciphertext) => ciphertext.poll_room(direction(ciphertext.read_is()), cx),
            None => Poll::Ready(()),
        }
    }

    fn keep(&mut self, direction: impl Fn(Direction) -> Direction, bytes: &[u8]) {
        if let Some(ciphertext) = &self.ciphertext {
            ciphertext.push(direction(ciphertext.read_is()), bytes);
        }
        if let Some(capture) = &self.capture
            && !capture.keep(direction(capture.read_is), bytes)
        {
            self.capture = None;
        }
    }
}

impl Socket {
    /// Ends the outgoing direction with a bare FIN, without a TLS close_notify.
    pub(crate) fn finish(&self) {
        // A peer that has gone needs no FIN.
        drop(SockRef::from(&*self.0).shutdown(Shutdown::Write));
    }

    /// Makes the close of the socket a RST.
    pub(crate) fn reset_on_close(&self) {
        drop(SockRef::from(&*self.0).set_linger(Some(Duration::ZERO)));
    }

    /// What the kernel measured of the connection.
    pub(crate) fn kernel_times(&self) -> Option<KernelTimes> {
        kernel_times::of(&self.0)
    }

    /// Our end of the connection.
    pub(crate) fn local_address(&self) -> Option<SocketAddr> {
        self.0.local_addr().ok()
    }

    /// Reads what is there. A read that does not fill its buffer has emptied the socket, so that the
    /// next one waits for the system's word instead of asking in vain.
    fn poll_read(&self, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        let room = into.len();
        loop {
            ready!(self.0.poll_read_ready(cx))?;
            let mut short = None;
            let read = self.0.try_io(Interest::READABLE, || {
                let length = (&*SockRef::from(&*self.0)).read(into)?;
                if length > 0 && length < room {
                    short = Some(length);
                    // What `try_io` takes as: not readable any more.
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                Ok(length)
            });
            match (short, read) {
                (Some(length), _) => return Poll::Ready(Ok(length)),
                (None, Err(error)) if error.kind() == io::ErrorKind::WouldBlock => {}
                (None, read) => return Poll::Ready(read),
            }
        }
    }

    fn poll_read_buf(&self, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let length = ready!(self.poll_read(cx, into.initialize_unfilled()))?;
        into.advance(length);
        Poll::Ready(Ok(()))
    }

    /// Waits until the peer has sent something or closed; `true` when there are bytes.
    pub(crate) async fn has_spoken(&self) -> io::Result<bool> {
        Ok(self.0.peek(&mut [0]).await? > 0)
    }
}

impl ReadAhead {
    fn poll_read(
        &mut self,
        socket: &Socket,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let room = into.remaining();
        if self.next == self.end {
            if !self.streaming || room >= READ_AHEAD_BYTES {
                self.buffer = Vec::new();
                ready!(socket.poll_read_buf(cx, into))?;
                self.streaming = into.remaining() == 0;
                return Poll::Ready(Ok(()));
            }
            // TLS asks for 4 KiB at a time, four times a record.
            let Poll::Ready(read) = self.fill(socket, cx) else {
                self.buffer = Vec::new();
                return Poll::Pending;
            };
            (self.next, self.end) = (0, read?);
            self.streaming = self.end >= room;
        }
        let bytes = self.buffer.get(self.next..self.end).unwrap_or_default();
        let bytes = bytes.get(..room).unwrap_or(bytes);
        into.put_slice(bytes);
        self.next += bytes.len();
        Poll::Ready(Ok(()))
    }

    fn fill(&mut self, socket: &Socket, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        ready!(socket.0.poll_read_ready(cx))?;
        self.buffer.resize(READ_AHEAD_BYTES, 0);
        socket.poll_read(cx, &mut self.buffer)
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_room(|read| read, cx));
        let before = buffer.filled().len();
        if self.unread.has_remaining() {
            let length = self.unread.len().min(buffer.remaining());
            buffer.put_slice(&self.unread.split_to(length));
        } else if let Some(outer) = &mut self.outer {
            ready!(Pin::new(&mut **outer).poll_read(cx, buffer))?;
        } else {
            let Self { socket, ahead, .. } = &mut *self;
            match ahead {
                Some(ahead) => ready!(ahead.poll_read(socket, cx, buffer))?,
                None => ready!(socket.poll_read_buf(cx, buffer))?,
            }
        }
        self.keep(|read| read, buffer.filled().get(before..).unwrap_or_default());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_room(opposite, cx));
        if let Some(outer) = &mut self.outer {
            let length = ready!(Pin::new(&mut **outer).poll_write(cx, bytes))?;
            self.keep(opposite, bytes.get(..length).unwrap_or_default());
            return Poll::Ready(Ok(length));
        }
        if let Some(capture) = &self.capture {
            capture.writing();
        }
        loop {
            ready!(self.socket.0.poll_write_ready(cx))?;
            match self.socket.0.try_write(bytes) {
                Ok(length) => {
                    self.keep(opposite, bytes.get(..length).unwrap_or_default());
                    return Poll::Ready(Ok(length));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    /// Several TLS records leave with one call.
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.outer.is_some() {
            let first = slices.iter().find(|slice| !slice.is_empty());
            return self.poll_write(cx, first.map_or(&[], |slice| &**slice));
        }
        ready!(self.poll_room(opposite, cx));
        if let Some(capture) = &self.capture {
            capture.writing();
        }
        loop {
            ready!(self.socket.0.poll_write_ready(cx))?;
            match self.socket.0.try_write_vectored(slices) {
                Ok(length) => {
                    let mut left = length;
                    for slice in slices {
                        let taken = left.min(slice.len());
                        self.keep(opposite, slice.get(..taken).unwrap_or_default());
                        left -= taken;
                    }
                    return Poll::Ready(Ok(length));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.outer.is_none()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.outer {
            Some(outer) => Pin::new(&mut **outer).poll_flush(cx),
            None => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Its close_notify, then the end of the socket below it.
        if let Some(outer) = &mut self.outer {
            return Pin::new(&mut **outer).poll_shutdown(cx);
        }
        self.socket.finish();
        Poll::Ready(Ok(()))
    }
}

pub(crate) fn opposite(direction: Direction) -> Direction {
    match direction {
        Direction::Up => Direction::Down,
        Direction::Down => Direction::Up,
    }
}

/// Room that a read of a head gets at least.
const READ_BYTES: usize = 4096;
/// Read ahead while a peer streams: a few TLS records.
const READ_AHEAD_BYTES: usize = 64 << 10;
/// Linux's own interval and count of keep-alive probes: a phone may be without a network that long.
const PROBE_INTERVAL: Duration = Duration::from_secs(75);
const PROBES: u32 = 9;
