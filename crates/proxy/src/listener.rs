//! The ports at which devices reach Landfall, and what a connection at each of them is for: one that
//! asks a proxy, or one that the kernel took on its way to somebody else (Linux). Decides nothing.

use flow::address::{Host, Target};
use flow::event::Ingress;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::task::Poll;
use tokio::net::{TcpListener, TcpStream};

/// An open port.
#[derive(Debug)]
pub struct Listener {
    tcp: TcpListener,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Proxy,
    Transparent(TransparentMode),
}

/// How the kernel hands connections over that were meant for somebody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransparentMode {
    /// By a NAT rule (`redirect`), which remembers the original destination.
    Redirect,
    /// By routing (`tproxy`): the accepted socket has the original destination as its own address.
    /// The listener needs the capability CAP_NET_ADMIN.
    Tproxy,
}

/// Where a connection that was taken transparently was going to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Original {
    pub(crate) ingress: Ingress,
    pub(crate) address: SocketAddr,
}

impl Original {
    /// The address itself: a name that the client gives later only labels it.
    pub(crate) fn target(self) -> Target {
        Target { host: Host::Ip(self.address.ip()), port: self.address.port() }
    }
}

impl Listener {
    /// A port for clients that know that they talk to a proxy.
    ///
    /// # Errors
    /// The operating system's.
    pub async fn proxy(address: SocketAddr) -> io::Result<Self> {
        Ok(Self { tcp: TcpListener::bind(address).await?, kind: Kind::Proxy })
    }

    /// A port for connections that the kernel takes on their way to somebody else. An IPv6 one takes
    /// IPv6 alone, so that both families can have the same port.
    ///
    /// # Errors
    /// The operating system's; `Unsupported` where it is not Linux.
    pub fn transparent(address: SocketAddr, mode: TransparentMode) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        kernel::prepare(&socket, address, mode)?;
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        socket.set_nonblocking(true)?;
        let tcp = TcpListener::from_std(socket.into())?;
        Ok(Self { tcp, kind: Kind::Transparent(mode) })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// The operating system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }

    /// Where the connection that it accepted was going to. One that came to the listener itself has
    /// no original destination, and is for the listener.
    pub(crate) fn original(&self, tcp: &TcpStream) -> Option<Original> {
        let Kind::Transparent(mode) = self.kind else { return None };
        let reached = tcp.local_addr().or_else(|_gone| self.local_addr()).ok()?;
        let (ingress, address) = match mode {
            TransparentMode::Redirect => {
                let original = kernel::redirected(SockRef::from(tcp), reached);
                (Ingress::Redirect, original.unwrap_or(reached))
            }
            TransparentMode::Tproxy => (Ingress::Tproxy, reached),
        };
        let address = SocketAddr::new(address.ip().to_canonical(), address.port());
        Some(Original { ingress, address })
    }
}

/// Accepts from whichever listener has a connection. `turn` is where the search begins, so that a
/// busy listener does not starve the others.
pub(crate) async fn accept(
    listeners: &[Listener],
    turn: usize,
) -> io::Result<(&Listener, TcpStream, SocketAddr)> {
    poll_fn(|cx| {
        let start = turn.checked_rem(listeners.len()).unwrap_or(0);
        for listener in listeners.iter().cycle().skip(start).take(listeners.len()) {
            if let Poll::Ready(accepted) = listener.tcp.poll_accept(cx) {
                return Poll::Ready(accepted.map(|(tcp, device)| (listener, tcp, device)));
            }
        }
        Poll::Pending
    })
    .await
}

#[cfg(target_os = "linux")]
mod kernel {
    use super::TransparentMode;
    use socket2::{SockRef, Socket};
    use std::io;
    use std::net::SocketAddr;

    pub(super) fn prepare(
        socket: &Socket,
        address: SocketAddr,
        mode: TransparentMode,
    ) -> io::Result<()> {
        match mode {
            TransparentMode::Redirect => Ok(()),
            TransparentMode::Tproxy if address.is_ipv6() => socket.set_ip_transparent_v6(true),
            TransparentMode::Tproxy => socket.set_ip_transparent_v4(true),
        }
    }

    /// What a NAT rule replaced. `None` where none did, or its connection tracking is gone.
    pub(super) fn redirected(socket: SockRef<'_>, reached: SocketAddr) -> Option<SocketAddr> {
        let original = match reached.ip().to_canonical().is_ipv4() {
            true => socket.original_dst_v4(),
            false => socket.original_dst_v6(),
        };
        original.ok()?.as_socket()
    }
}

#[cfg(not(target_os = "linux"))]
mod kernel {
    use super::TransparentMode;
    use socket2::{SockRef, Socket};
    use std::io;
    use std::net::SocketAddr;

    pub(super) fn prepare(_: &Socket, _: SocketAddr, _: TransparentMode) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn redirected(_: SockRef<'_>, _: SocketAddr) -> Option<SocketAddr> {
        None
    }
}

/// Connections that the kernel holds until they are accepted.
const BACKLOG: i32 = 1024;
