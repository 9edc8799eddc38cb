//! Makes a sample of round-trip time of a finished handshake with an upstream, or of what `[simulate]`
//! says in its place. Whether anything follows from it is not decided here.

use crate::journal::Journal;
use crate::setup::Setup;
use crate::upstream_trust::Witness;
use crate::wire::Wire;
use flow::event::Dialled;
use flow::round_trip::{ChainRoots, RoundTripSample};
use flow::time::Stamp;
use rustls::HandshakeKind;
use rustls_pki_types::ServerName;
use std::io;
use tokio_rustls::client::TlsStream;

/// A handshake's beginning.
pub(crate) struct Handshake<'a> {
    /// Just before its first bytes were handed to the socket.
    pub(crate) written_from: Option<Stamp>,
    pub(crate) name: &'a ServerName<'static>,
    /// The epoch of the network.
    pub(crate) epoch: u64,
}

/// `None` where nothing was measured: of a handshake that failed, or during which the network changed;
/// of a connection through an upstream proxy, whose far end may be elsewhere; and of a socket that
/// stands for another address.
pub(crate) fn sample<E>(
    setup: &Setup,
    journal: &Journal,
    witness: &Witness,
    handshake: Handshake<'_>,
    finished: &Result<io::Result<TlsStream<Wire>>, E>,
) -> Option<RoundTripSample> {
    let Ok(Ok(stream)) = finished else { return None };
    let Dialled { upstream, through, result, .. } = journal.dialled()?;
    let (upstream, signed) = (upstream?, witness.signed()?);
    if through.is_some() || handshake.epoch != setup.epochs.current() {
        return None;
    }
    let kind = stream.get_ref().1.handshake_kind();
    let address = upstream.address.ip().to_canonical();
    let sample = RoundTripSample {
        connection: journal.connection(),
        at: signed,
        address,
        server_name: handshake.name.to_str().into_owned(),
        epoch: handshake.epoch,
        signature: signed.mono.since(handshake.written_from?.mono),
        chain: witness.roots(),
        retried: kind == Some(HandshakeKind::FullWithHelloRetryRequest),
        connect: result.ok(),
        // After the signature's time was taken, which it must not lengthen.
        kernel: stream.get_ref().0.socket().kernel_times(),
        simulated: false,
    };
    match setup.simulated_times.get(&address) {
        Some(time) => Some(RoundTripSample {
            signature: *time,
            chain: ChainRoots::Public,
            retried: false,
            connect: None,
            kernel: None,
            simulated: true,
            ..sample
        }),
        None => upstream.simulated_by.is_none().then_some(sample),
    }
}
