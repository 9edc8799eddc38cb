//! The table of `docs/DESTINATIONS.md`, made again by the program from the list beside it: what the bundled
//! databases say of addresses of Chinese clouds abroad, and where they disagree.

use harness::case::Case;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

/// One line of the list.
struct Listed {
    address: String,
    cloud: String,
    why: String,
}

fn documents() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs")
}

fn list() -> Vec<Listed> {
    let text = std::fs::read_to_string(documents().join("destinations.csv")).unwrap();
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("address,cloud,why"));
    lines
        .map(|line| {
            let mut cells = line.splitn(3, ',').map(str::to_owned);
            let mut next = || cells.next().unwrap();
            Listed { address: next(), cloud: next(), why: next() }
        })
        .collect()
}

fn text<'a>(row: &'a Value, key: &str) -> &'a str {
    row[key].as_str().unwrap_or("—")
}

/// Who runs it, by the lists; what rests on public reporting alone is possible, and no more.
fn operator(row: &Value) -> String {
    if let Some(group) = row["operator"].as_str() {
        return format!("{group}, seat {}", text(row, "operator_country"));
    }
    let claims = row["claims"].as_array().unwrap();
    match claims.iter().find(|claim| claim["about"] == "operator") {
        Some(claim) => format!("possibly {}", text(claim, "value")),
        None => "not in the lists".to_owned(),
    }
}

/// The part of the page that is made.
fn made(case: &Case) -> String {
    let list = list();
    let words: Vec<&str> = list.iter().map(|listed| listed.address.as_str()).collect();
    let rows = case.rows(&[&["lookup"], words.as_slice()].concat());
    assert_eq!(rows.len(), list.len());
    let mut page = String::new();
    let status = case.rows(&["geo", "status"]);
    for source in ["dbip-country", "ipfire", "rir-delegated", "iptoasn-country", "operators"] {
        let file = status.iter().find(|file| file["name"] == source).unwrap();
        let notice = file["attribution"].as_str().map(|notice| format!("; {notice}"));
        let (built, licence) = (text(file, "built"), text(file, "licence"));
        let hash = &text(file, "sha256")[..16];
        writeln!(
            page,
            "- `{source}` of {built}, SHA-256 `{hash}…`, {licence}{}",
            notice.unwrap_or_default()
        )
        .unwrap();
    }
    page.push_str(
        "\n| address | cloud | DB-IP | IPFire | | AS | operated by | address registered |\n",
    );
    page.push_str("|---|---|---|---|---|---|---|---|\n");
    let (mut agree, mut disagree) = (0, 0);
    for (listed, row) in list.iter().zip(&rows) {
        assert_eq!(row["address"], listed.address.as_str());
        let [dbip, ipfire] =
            ["dbip-country", "ipfire"].map(|source| text(&row["countries"], source));
        let differs = dbip != ipfire;
        *(if differs { &mut disagree } else { &mut agree }) += 1;
        writeln!(
            page,
            "| {} | {} | {dbip} | {ipfire} | {} | {} {} | {} | {} |",
            listed.address,
            listed.cloud,
            if differs { "disagree" } else { "" },
            row["asn"],
            text(row, "as_name"),
            operator(row),
            text(row, "registered_country"),
        )
        .unwrap();
    }
    writeln!(page, "\n{agree} agree, {disagree} disagree.").unwrap();
    page
}

#[test]
fn the_table_of_known_destinations_is_what_the_program_says() {
    let case = Case::new();
    let page = std::fs::read_to_string(documents().join("DESTINATIONS.md")).unwrap();
    let (_, rest) = page.split_once(BEGIN).expect("the page has a begin of the table");
    let (table, _) = rest.split_once(END).expect("the page has an end of the table");
    let made = made(&case);
    println!("{}", made.lines().last().unwrap());
    assert!(table.trim() == made.trim(), "put this between the marks in the page:\n{made}");
}

#[test]
fn every_destination_of_the_list_has_a_reason_to_be_in_it() {
    let list = list();
    assert_eq!(list.len(), 30);
    let addresses: BTreeSet<&str> = list.iter().map(|listed| listed.address.as_str()).collect();
    assert_eq!(addresses.len(), list.len(), "each once");
    assert!(list.iter().all(|listed| listed.why.len() > 10 && !listed.cloud.is_empty()));
    let clouds: BTreeSet<&str> = list.iter().map(|listed| listed.cloud.as_str()).collect();
    assert!(clouds.len() >= 6, "{clouds:?}");
}

const BEGIN: &str = "<!-- made by tests/known_destinations.rs -->\n";
const END: &str = "<!-- end -->\n";
