#![no_main]

use flow::event::Event;
use flow::id::ConnectionId;
use flow::time::{MonoNanos, Stamp, WallNanos};
use libfuzzer_sys::fuzz_target;
use observe::relayed_tls::{Offers, TlsRecords};

const AT: Stamp = Stamp { wall: WallNanos(0), mono: MonoNanos(0) };

/// What is shown of a script, cut into pieces of at most this many bytes.
fn shown(input: &[u8], offers: Offers, most: usize) -> Vec<flow::tls::RelayedTls> {
    let mut records = TlsRecords::new(ConnectionId(1), offers);
    let mut events = Vec::new();
    for piece in script::pieces(input) {
        for bytes in piece.bytes.chunks(most) {
            records.feed(piece.direction, AT, bytes, &mut events);
        }
    }
    let tls = |event| match event {
        Event::RelayedTls { tls, .. } => tls,
        other => panic!("{other:?}"),
    };
    events.into_iter().map(tls).collect()
}

fuzz_target!(|input: &[u8]| {
    let whole = shown(input, Offers::default(), usize::MAX);
    assert_eq!(whole, shown(input, Offers::default(), 1), "segmentation changes what is shown");
    assert!(whole.is_sorted_by_key(|tls| tls.shows) && whole.len() <= 2);
    let early = Offers { early_data: true, ..Offers::default() };
    let no13 = |tls: &&flow::tls::RelayedTls| tls.version != 0x0304;
    assert_eq!(shown(input, early, 7), whole.iter().filter(no13).copied().collect::<Vec<_>>());
});
