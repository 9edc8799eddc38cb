//! Sequences of records, as both versions of TLS send them and as they might be made to look.

use super::*;
use flow::time::{MonoNanos, WallNanos};
use proptest::prelude::*;

type Step = (Direction, Vec<u8>);

const AT: Stamp = Stamp { wall: WallNanos(0), mono: MonoNanos(0) };

fn record(kind: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
    [&[kind, 3, 3], &length[..], payload].concat()
}

fn up(kind: u8, bytes: usize) -> Step {
    (Direction::Up, record(kind, &vec![0; bytes]))
}

fn down(kind: u8, bytes: usize) -> Step {
    (Direction::Down, record(kind, &vec![0; bytes]))
}

fn hello(random: [u8; 32], suite: u16, version: Option<u16>) -> Step {
    let extensions = version.map_or_else(Vec::new, |version| {
        [&[0, 51, 0, 2, 0, 29, 0, 43, 0, 2][..], &version.to_be_bytes()].concat()
    });
    let length = u16::try_from(extensions.len()).unwrap().to_be_bytes();
    let body = [&[3, 3], &random[..], &[0], &suite.to_be_bytes(), &[0], &length, &extensions];
    let body = body.concat();
    let header = [SERVER_HELLO, 0, 0, u8::try_from(body.len()).unwrap()];
    (Direction::Down, record(HANDSHAKE, &[&header[..], &body].concat()))
}

const SERVER_HELLO: u8 = 2;
const ALERT: u8 = 21;

/// A ClientHello and what the server answers in TLS 1.3 with AES-128.
fn opening13() -> Vec<Step> {
    vec![up(HANDSHAKE, 200), hello([7; 32], 0x1301, Some(TLS13)), down(20, 1), down(DATA, 3_000)]
}

/// The same of TLS 1.2 with AES-128-GCM, up to both Finished.
fn opening12() -> Vec<Step> {
    vec![
        up(HANDSHAKE, 200),
        hello([7; 32], 0xc02f, None),
        down(HANDSHAKE, 3_000),
        up(HANDSHAKE, 70),
        up(CHANGE_CIPHER_SPEC, 1),
        up(HANDSHAKE, 40),
        down(CHANGE_CIPHER_SPEC, 1),
        down(HANDSHAKE, 40),
    ]
}

fn shown(offers: Offers, steps: &[Step], piece: usize) -> Vec<Shown> {
    let mut records = TlsRecords::new(ConnectionId(1), offers);
    let mut events = Vec::new();
    for (direction, bytes) in steps {
        for piece in bytes.chunks(piece) {
            records.feed(*direction, AT, piece, &mut events);
        }
    }
    let shows = |event| match event {
        Event::RelayedTls { tls, .. } => tls.shows,
        other => panic!("{other:?}"),
    };
    events.into_iter().map(shows).collect()
}

#[track_caller]
fn check(opening: Vec<Step>, more: Vec<Step>, expected: &[Shown]) {
    let steps = [opening, more].concat();
    for piece in [1, 7, usize::MAX] {
        assert_eq!(shown(Offers::default(), &steps, piece), expected, "by {piece}");
    }
}

const COMPLETED: Shown = Shown::Completed;
const SENT: Shown = Shown::DataSent;

#[test]
fn tls13_is_completed_once_the_device_finished_and_the_server_went_on() {
    let finished = || up(DATA, 53);
    check(opening13(), vec![], &[]);
    check(opening13(), vec![finished()], &[]);
    check(opening13(), vec![up(20, 1), finished(), down(DATA, 250)], &[COMPLETED]);
    check(opening13(), vec![finished(), up(DATA, 120)], &[]);
    check(opening13(), vec![finished(), up(DATA, 120), down(DATA, 250)], &[SENT]);
    check(opening13(), vec![finished(), down(DATA, 250), up(DATA, 26)], &[COMPLETED, SENT]);
    // An alert, and a change of keys, are no data.
    check(opening13(), vec![finished(), down(DATA, 250), up(DATA, 19)], &[COMPLETED]);
    check(opening13(), vec![finished(), down(DATA, 250), up(DATA, 22)], &[COMPLETED]);
}

#[test]
fn what_may_be_something_else_in_tls13_shows_nothing() {
    let went_on = || down(DATA, 900);
    // A refusal of the certificate, and what may be one with padding.
    check(opening13(), vec![up(DATA, 19), went_on()], &[]);
    check(opening13(), vec![up(DATA, 529), up(DATA, 529), went_on(), up(DATA, 529)], &[]);
    // A client certificate before the Finished: where that ends nobody knows.
    check(opening13(), vec![up(DATA, 1_200), up(DATA, 53), went_on(), up(DATA, 100)], &[]);
    // The server answers with an alert.
    check(opening13(), vec![up(DATA, 53), up(DATA, 100), down(DATA, 19)], &[]);
    // An alert in the clear.
    check(opening13(), vec![up(ALERT, 2), up(DATA, 53), went_on()], &[]);
    let steps = [opening13(), vec![up(DATA, 53), up(DATA, 100), went_on()]].concat();
    let early = Offers { early_data: true, ..Offers::default() };
    assert_eq!(shown(early, &steps, 9), []);
    let later = Offers { post_handshake_authentication: true, ..Offers::default() };
    assert_eq!(shown(later, &steps, 9), [SENT], "before the server can have asked");
    let steps = [opening13(), vec![up(DATA, 53), went_on(), up(DATA, 100)]].concat();
    assert_eq!(shown(later, &steps, 9), [COMPLETED]);
}

#[test]
fn a_server_that_asks_for_another_hello_is_read_on() {
    let retry = [
        up(HANDSHAKE, 200),
        (Direction::Down, hello(server_hello::RETRY, 0x1302, Some(TLS13)).1),
        down(20, 1),
        up(20, 1),
    ];
    let opening = retry.into_iter().chain([
        up(HANDSHAKE, 230),
        hello([7; 32], 0x1302, Some(TLS13)),
        down(DATA, 3_000),
    ]);
    check(
        opening.clone().collect(),
        vec![up(DATA, 69), down(DATA, 90), up(DATA, 90)],
        &[COMPLETED, SENT],
    );
    check(opening.collect(), vec![up(DATA, 53), down(DATA, 90), up(DATA, 90)], &[]);
}

#[test]
fn tls12_tells_the_kind_of_what_is_encrypted() {
    check(opening12(), vec![], &[]);
    check(opening12(), vec![up(ALERT, 26)], &[]);
    check(opening12(), vec![up(DATA, 100)], &[SENT]);
    // A record that may be empty.
    check(opening12(), vec![up(DATA, 24), up(DATA, 25)], &[COMPLETED, SENT]);
    let mut cbc = opening12();
    cbc[1] = hello([7; 32], 0xc013, None);
    check(cbc, vec![up(DATA, 320), up(DATA, 321)], &[COMPLETED, SENT]);
    // Data before the server's Finished does not show that the device took that.
    let false_start = opening12().into_iter().take(6).chain([up(DATA, 100)]).collect();
    check(false_start, vec![down(20, 1), down(HANDSHAKE, 40), down(DATA, 90)], &[]);
    let resumed = vec![
        up(HANDSHAKE, 200),
        hello([7; 32], 0xc02f, None),
        down(20, 1),
        down(HANDSHAKE, 40),
        up(20, 1),
    ];
    check(resumed, vec![up(HANDSHAKE, 40), up(DATA, 100)], &[COMPLETED, SENT]);
}

#[test]
fn what_is_no_tls_shows_nothing() {
    check(vec![(Direction::Down, b"HTTP/1.1 400 Bad".to_vec())], opening13(), &[]);
    check(vec![(Direction::Up, vec![22, 3, 1, 0xff, 0xff])], opening13(), &[]);
    check(vec![down(HANDSHAKE, 5_000)], vec![], &[]);
    // Not a ServerHello, and one that does not end.
    check(vec![(Direction::Down, record(HANDSHAKE, &[2, 0xff, 0xff, 0xff]))], opening13(), &[]);
}

proptest! {
    #[test]
    fn any_bytes_say_the_same_however_they_are_cut(
        steps in prop::collection::vec((any::<bool>(), 20..25_u8, 0..90_usize), 0..20),
        junk: Vec<u8>,
        tls13: bool,
    ) {
        let opening = if tls13 { opening13() } else { opening12() };
        let steps = steps.into_iter().map(|(is_up, kind, bytes)| match is_up {
            true => up(kind, bytes),
            false => down(kind, bytes),
        });
        let steps: Vec<Step> =
            opening.into_iter().chain(steps).chain([(Direction::Up, junk)]).collect();
        let whole = shown(Offers::default(), &steps, usize::MAX);
        prop_assert_eq!(&whole, &shown(Offers::default(), &steps, 1));
        prop_assert!(whole.is_sorted() && whole.len() <= 2);
    }
}
