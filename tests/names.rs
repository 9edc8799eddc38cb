//! Names and what they resolve to in the course of a session: look-ups whose answers change, and what
//! is said of it.

use harness::case::Case;
use harness::device::read_head;
use harness::nameserver::NameServer;
use harness::origin::Origin;
use harness::tool::{self, SHORT};
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::task::block_in_place;

/// Answers every request with two bytes.
async fn origin() -> Origin {
    Origin::plain(|mut stream| async move {
        read_head(&mut stream).await;
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
        stream.write_all(answer).await.ok();
    })
    .await
}

fn get(proxy: &str, host: &str) {
    let mut curl = tool::command("curl");
    curl.args(["-sS", "--proxy", proxy, &format!("http://{host}/")]);
    block_in_place(|| tool::run(&mut curl, SHORT)).expect_success();
}

fn shown(case: &Case, host: &str) -> Value {
    let mut rows = case.rows(&["dest", "show", host]);
    assert_eq!(rows.len(), 1);
    rows.remove(0)
}

fn texts<'a>(row: &'a Value, about: &str) -> Vec<&'a str> {
    let sentences = row["assessment"]["sentences"].as_array().unwrap();
    let of = sentences.iter().filter(|sentence| sentence["about"] == about);
    of.map(|sentence| sentence["text"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_changes_within_a_session_is_told_with_its_places() {
    const HOST: &str = "moving.example";
    let (origin, names) = (origin().await, NameServer::start().await);
    let mut case = Case::new();
    case.setting(&names.setting());
    for address in ["119.29.29.29", "8.136.0.1"] {
        case.dial(address, origin.socket());
    }
    let landfall = case.start();
    names.answer(HOST, &["sg.edge.example"], &["119.29.29.29"]);
    get(&landfall.proxy_url(), HOST);
    get(&landfall.proxy_url(), HOST);
    // Answered, but not dialled: the first one connects.
    names.answer(HOST, &["cn.edge.example"], &["8.136.0.1", "223.5.5.5"]);
    get(&landfall.proxy_url(), HOST);
    block_in_place(|| landfall.stop());

    let row = shown(&case, HOST);
    let history = &row["name_history"];
    assert_eq!(history["lookups"], 3, "{history:#}");
    let stretches = history["stretches"].as_array().unwrap();
    let counts: Vec<_> = stretches.iter().map(|s| s["lookups"].as_u64().unwrap()).collect();
    assert_eq!(counts, [2, 1], "{history:#}");
    assert!(stretches[0].get("changes").is_none(), "{history:#}");
    let resolver = &stretches[1]["resolver"];
    assert_eq!(
        (&resolver["by"], &resolver["address"]),
        (&"udp".into(), &names.socket().to_string().into())
    );
    assert_eq!(stretches[1]["ttl_most"], 0);
    let changes = stretches[1]["changes"].as_array().unwrap();
    assert_eq!(changes[0]["added"], serde_json::json!(["8.136.0.1", "223.5.5.5"]));
    assert_eq!(changes[0]["gone"], serde_json::json!(["119.29.29.29"]));
    assert_eq!(changes[1]["former_chain"], serde_json::json!([HOST, "sg.edge.example"]));
    let places: Vec<_> = history["addresses"]
        .as_array()
        .unwrap()
        .iter()
        .map(|seen| {
            let text = |key: &str| seen[key].as_str().unwrap().to_owned();
            assert_eq!(seen["countries"]["ipfire"], seen["country"], "{seen}");
            (text("address"), text("country"), seen["dialled"].as_bool().unwrap())
        })
        .collect();
    let place =
        |address: &str, country: &str, dialled| (address.to_owned(), country.to_owned(), dialled);
    assert_eq!(
        places,
        [
            place("119.29.29.29", "SG", true),
            place("8.136.0.1", "CN", true),
            place("223.5.5.5", "CN", false),
        ]
    );
    let flow = case.flows("").pop().unwrap();
    let lookup =
        case.rows(&["flow", "show", flow["id"].as_str().unwrap()])[0]["connection"]["lookups"][0]
            .clone();
    assert_eq!(lookup["dnssec"], "said-to-be-validated", "{lookup:#}");
    assert_eq!(lookup["edns"], serde_json::json!({"reply": "unanswered"}));
    let verdicts = texts(&row, "verdict");
    let moved =
        verdicts.iter().find(|text| text.starts_with("the location changed, by databases: "));
    let moved = moved.unwrap_or_else(|| panic!("{verdicts:?}"));
    assert!(moved.contains("SG until ") && moved.contains(", CN from "), "{moved}");

    page_tells_of_the_change(&case, HOST);
}

fn page_tells_of_the_change(case: &Case, host: &str) {
    let page = case.cli(&["dest", "show", host, "-o", "table"]).expect_success().text();
    for says in [
        "Look-ups of moving.example",
        "addresses: now also 8.136.0.1, 223.5.5.5; no longer 119.29.29.29",
        "CNAME chain: was moving.example -> sg.edge.example",
        "CN according to 2 of 2 databases, not dialled",
        "the location changed, by databases: SG until ",
    ] {
        assert!(page.contains(says), "{says}: {page}");
    }
}

/// A name is only looked up for a connection that was asked for; what came of it is told apart.
#[tokio::test(flavor = "multi_thread")]
async fn names_that_led_nowhere_are_listed_and_counted() {
    let (origin, names) = (origin().await, NameServer::start().await);
    let mut case = Case::new();
    case.setting(&names.setting());
    case.setting("block = [\"AS45102\"]");
    case.dial("119.29.29.29", origin.socket());
    case.dial("223.5.5.5", origin.socket());
    names.answer("up.example", &[], &["119.29.29.29"]);
    names.answer("blocked.example", &[], &["223.5.5.5"]);
    let landfall = case.start();
    let status = |host: &str| {
        let mut curl = tool::command("curl");
        curl.args(["-sS", "-o", "/dev/null", "-w", "%{http_code}", "--proxy"]);
        curl.args([&landfall.proxy_url(), &format!("http://{host}/")]);
        block_in_place(|| tool::run(&mut curl, SHORT)).expect_success().text()
    };
    assert_eq!(status("up.example"), "200");
    assert_ne!(status("gone.example"), "200");
    assert_ne!(status("blocked.example"), "200");
    assert_eq!(status("119.29.29.29"), "200");
    block_in_place(|| landfall.stop());

    let hosts = |filter: &str| -> Vec<(String, String)> {
        let text = |row: &Value, key: &str| row[key].as_str().unwrap().to_owned();
        let rows = case.rows(&["dest", "list", filter]);
        rows.iter().map(|row| (text(row, "host"), text(row, "contact"))).collect()
    };
    let asked = |host: &str| (host.to_owned(), "C2".to_owned());
    assert_eq!(
        hosts("has:asked not(has:upstream)"),
        [asked("blocked.example"), asked("gone.example")]
    );
    assert_eq!(hosts("has:upstream not(has:asked)")[0].0, "119.29.29.29");
    let session = &case.rows(&["session", "show"])[0];
    let count = |key: &str| session[key].as_u64().unwrap();
    assert_eq!(
        (count("names_looked_up"), count("names_unresolved"), count("names_not_reached")),
        (3, 1, 1)
    );
    // The answer for the name holds the address that was also dialled as it is.
    assert_eq!(count("addresses_without_lookup"), 0);
    let page = case.cli(&["session", "show", "-o", "table"]).expect_success().text();
    assert!(page.contains("(1 without an answer, 1 not reached)"), "{page}");
}

/// The same name in two sessions, once in Singapore and once in China.
#[tokio::test(flavor = "multi_thread")]
async fn two_sessions_are_compared_by_name_and_by_path() {
    let (origin, names) = (origin().await, NameServer::start().await);
    let mut case = Case::new();
    case.setting(&names.setting());
    for address in ["119.29.29.29", "8.136.0.1"] {
        case.dial(address, origin.socket());
    }
    names.answer("only.example", &[], &["119.29.29.29"]);
    let mut sessions = Vec::new();
    for (address, also) in [("119.29.29.29", "only.example"), ("8.136.0.1", "moving.example")] {
        names.answer("moving.example", &[], &[address]);
        let landfall = case.start();
        get(&landfall.proxy_url(), "moving.example");
        get(&landfall.proxy_url(), also);
        sessions.push(landfall.session().to_owned());
        block_in_place(|| landfall.stop());
    }
    let (a, b) = (sessions[0].as_str(), sessions[1].as_str());
    let compared = |arguments: &[&str]| {
        let all = [&["session", "compare"], arguments, &["-o", "jsonl"]].concat();
        let output = case.cli(&all);
        let lines = output.text();
        let rows: Vec<Value> =
            lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        (output.status.code(), output.error_text(), rows)
    };
    let row = |rows: &[Value], host: &str, what: &str| {
        let found = rows.iter().find(|row| row["host"] == host && row["what"] == what);
        found.cloned().unwrap_or_else(|| panic!("{host} {what}: {rows:#?}"))
    };
    let (code, told, rows) = compared(&[a, b]);
    assert_eq!(code, Some(3), "{told}");
    assert!(told.contains("1 only in ") && told.contains("of 1 in both, 1 differ"), "{told}");
    assert_eq!(row(&rows, "only.example", "connections")["difference"], "only-in-a");
    let moved = row(&rows, "moving.example", "country");
    assert_eq!(
        (&moved["difference"], &moved["a"][0], &moved["b"][0]),
        (&"claims".into(), &"SG".into(), &"CN".into())
    );
    let connections = row(&rows, "moving.example", "connections");
    assert_eq!((&connections["a"], &connections["b"]), (&1.into(), &2.into()));
    let flags = row(&rows, "moving.example", "flags");
    assert!(flags["b"].to_string().contains("located in CN by 2 of 2"), "{flags}");

    let path = case.data().join("sessions").join(a);
    let (code, _, by_path) = compared(&[&path.to_string_lossy(), b, "--no-traffic"]);
    assert_eq!(code, Some(3));
    assert!(by_path.iter().all(|row| row["difference"] != "traffic"), "{by_path:#?}");
    let (code, told, rows) = compared(&[a, a]);
    assert_eq!((code, rows), (Some(0), Vec::new()), "{told}");
    assert!(told.contains("2 destinations, no difference"), "{told}");
    let (code, _, rows) = compared(&[a, b, "host:only.example"]);
    assert_eq!((code, rows.len()), (Some(3), 1));
    assert_eq!(compared(&[a, b, "host:nowhere.example"]).0, Some(0));
    let csv = case.cli(&["session", "compare", a, b, "-o", "csv"]).text();
    assert!(csv.starts_with("schema,host,difference,what,a,b\r\n"), "{csv}");
    let table = case.cli(&["session", "compare", a, b, "-o", "table"]).text();
    assert!(table.contains("only-in-a"), "{table}");
    assert_eq!(case.cli(&["session", "compare", a, "nothing"]).status.code(), Some(1));
}
