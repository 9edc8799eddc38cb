use super::super::history::{NameChange, NameHistory};
use super::*;

const HOST: &str = "moving.example";

fn history(made: &Made) -> NameHistory {
    open(made).name_history(&HOST.parse().unwrap()).unwrap().unwrap()
}

fn second(at: WallNanos) -> u64 {
    (at.0 - START) / 1_000_000_000
}

#[test]
fn successive_equal_answers_are_one_stretch_and_what_changes_is_told() {
    let mut made = Made::new();
    let (a, b) = ("192.0.2.1", "198.51.100.1");
    made.look_up_at(1, 1, &[HOST], &[a]);
    made.look_up_at(2, 2, &[HOST], &[a]);
    made.look_up_at(3, 3, &[HOST], &[]);
    made.look_up_at(4, 4, &[HOST, "edge.example"], &[b, a]);
    made.look_up_at(5, 5, &[HOST, "edge.example"], &[a, b]);
    made.look_up_at(6, 6, &["other.example"], &[b]);
    made.look_up_at(7, 7, &[HOST, "edge.example"], &[b]);
    let number = made.assess(&[HOST], &annotation(b, &[("dbip", "CN"), ("ipfire", "CN")]));
    made.open(7, 7, Ingress::Connect);
    made.target(7, HOST, None);
    made.dial(7, b, number, true);

    let history = history(&made);
    assert_eq!((history.lookups, history.left_out), (6, 0));
    let stretches: Vec<_> = history
        .stretches
        .iter()
        .map(|stretch| {
            let changes: Vec<_> = stretch.changes.iter().map(NameChange::word).collect();
            (second(stretch.first), second(stretch.last), stretch.lookups, changes.join(" "))
        })
        .collect();
    let expected = [
        (1, 2, 2, ""),
        (3, 3, 1, "outcome"),
        // Compared with what was answered before the failure.
        (4, 5, 2, "addresses chain outcome"),
        (7, 7, 1, "addresses"),
    ];
    assert_eq!(stretches, expected.map(|(f, l, n, what)| (f, l, n, what.to_owned())));
    let ip = |text: &str| text.parse().unwrap();
    assert_eq!(
        history.stretches[2].changes[0],
        NameChange::Addresses { added: vec![ip(b)], gone: Vec::new() }
    );
    assert_eq!(
        history.stretches[3].changes[0],
        NameChange::Addresses { added: Vec::new(), gone: vec![ip(a)] }
    );
    assert_eq!(history.stretches[0].ttl, Some((60, 60)));
    let addresses: Vec<_> = history
        .addresses
        .iter()
        .map(|seen| {
            let country = seen.annotation.as_ref().and_then(|known| known.location.country());
            let times = (second(seen.first), second(seen.last), seen.lookups);
            (seen.address.to_string(), times, country.map(|c| c.to_string()), seen.dialled)
        })
        .collect();
    assert_eq!(
        addresses,
        [
            (a.to_owned(), (1, 5, 4), None, false),
            (b.to_owned(), (4, 7, 3), Some("CN".to_owned()), true),
        ]
    );
}

#[test]
fn a_name_that_was_never_asked_for_has_no_history() {
    let made = sample();
    let session = open(&made);
    assert!(session.name_history(&"x.alicdn.com".parse().unwrap()).unwrap().is_none());
    let asked = session.name_history(&"cdn.example.net".parse().unwrap()).unwrap().unwrap();
    assert_eq!((asked.lookups, asked.stretches.len()), (1, 1));
}
