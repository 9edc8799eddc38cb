use super::super::facts::Questions;
use super::destinations::host;
use super::*;
use flow::id::RecordSeq;

/// The kinds of the records that a destination's facts cite, by axis.
fn kinds(made: &Made, name: &str) -> [Vec<String>; 2] {
    let records = made.records();
    let kind = |seq: &RecordSeq| {
        let record = records.iter().find(|record| record.seq == seq.0).unwrap();
        record.body.kind().to_owned()
    };
    let facts = open(made).facts(&host(made, name), &Questions::default()).unwrap().unwrap();
    [facts.contact.unwrap().records, facts.content.unwrap().records]
        .map(|records| records.iter().map(kind).collect())
}

#[test]
fn the_highest_levels_name_the_records_that_show_them() {
    let made = sample();
    let request = vec!["exchange.request".to_owned()];
    assert_eq!(kinds(&made, "api.example.com"), [request.clone(), request]);
    let [contact, content] = kinds(&made, "169.254.169.254");
    assert_eq!(contact, ["connection.target"]);
    assert_eq!(content, ["connection.close"]);
    let [contact, _] = kinds(&made, "114.114.114.114");
    assert_eq!(contact, ["connection.treatment"], "its streams are still open");
}

#[test]
fn an_address_that_nobody_was_asked_about_is_counted() {
    let facts = |name| {
        let made = sample();
        open(&made).facts(&host(&made, name), &Questions::default()).unwrap().unwrap()
    };
    assert_eq!((facts("169.254.169.254").not_asked, facts("api.example.com").not_asked), (1, 0));
}
