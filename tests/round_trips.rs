//! What round trips say of a destination: the dispute of 2022 replayed, from a vantage that can decide
//! it and from one that cannot; and when nothing may be said at all.

use harness::case::Case;
use harness::device::{Device, read_head};
use harness::network::{Network, Place};
use harness::origin::{Origin, answer_ok};
use harness::tool::{self, SHORT};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::AsyncWriteExt;

/// A name in a zone of a delivery network whose group has its headquarters in CN.
const HOST: &str = "clips.example";
const ALIAS: &str = "clips-example.bsgslb.com";
/// Both databases place it in SG; it is registered in NL, and its AS in US.
const ADDRESS: &str = "147.90.200.7";
const SINGAPORE: &str = "{ lat = 1.3521, lon = 103.8198, uncertainty-km = 25 }";
const SYDNEY: &str = "{ lat = -33.8688, lon = 151.2093, uncertainty-km = 25 }";

/// A recorded session with one request to the host, measured from there in that time.
async fn disputed(vantage: Option<&str>, milliseconds: &str) -> Case {
    let mut case = Case::new();
    let origin = Origin::tls(case.ca().server(&[HOST], &["http/1.1"]), answer_ok).await;
    case.name(HOST, &[ALIAS], ADDRESS);
    case.dial(ADDRESS, origin.socket());
    if let Some(vantage) = vantage {
        case.setting(&format!("vantage = {vantage}"));
    }
    case.setting(&format!("simulate = {{ rtt-ms = {{ {ADDRESS:?} = {milliseconds} }} }}"));
    case.setting(&format!(
        "statement = [
             {{ text = \"run by Guizhou Baishan Cloud\", host = {HOST:?}, says = \"operator:Baishan Cloud\" }},
             {{ text = \"located in Singapore\", host = {HOST:?}, says = \"located:SG\" }},
         ]"
    ));
    let landfall = case.start();
    request(&Device::trusting(landfall.proxy(), &case.authority()), HOST).await;
    assert!(landfall.stop().status.success());
    case
}

async fn request(device: &Device, host: &str) {
    let mut stream = device.tls(host, &["http/1.1"]).await;
    let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    assert!(read_head(&mut stream).await.starts_with("HTTP/1.1 200"));
}

/// What `dest show` prints for people.
#[track_caller]
fn shown(case: &Case, host: &str) -> String {
    case.cli(&["dest", "show", host, "-o", "table"]).expect_success().text()
}

#[track_caller]
fn says(shown: &str, sentences: &[&str]) {
    for sentence in sentences {
        assert!(shown.contains(sentence), "`{sentence}` is missing from\n{shown}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn from_singapore_four_milliseconds_exclude_mainland_china() {
    let case = disputed(Some(SINGAPORE), "4").await;
    let shown = shown(&case, HOST);
    says(
        &shown,
        &[
            "located in SG according to 2 of 2 databases",
            "operated by Baishan Cloud (confidence B), a group headquartered in CN",
            "located elsewhere: SG",
            "physics excludes CN",
            "CN is physically impossible: a verified signature took 4.0 ms at least (3 samples)",
            "the nearest land of CN, Spratly Island at",
            "supports at O2 \u{201c}run by Guizhou Baishan Cloud\u{201d}: operated by Baishan Cloud",
            "public routing-rule lists that name the operator",
            "supports at G2 \u{201c}located in Singapore\u{201d}",
            "simulated",
        ],
    );
    assert!(!shown.contains("no vantage"), "{shown}");
    let flow = case.flow("");
    assert_eq!(flow["simulated"], true, "{flow:#}");
    assert!(case.rows(&["session", "list"])[0].to_string().contains("simulated"));
}

#[tokio::test(flavor = "multi_thread")]
async fn from_sydney_ninety_five_milliseconds_decide_nothing() {
    let case = disputed(Some(SYDNEY), "95").await;
    // By what was declared when it was recorded, not by what is now.
    let mut later = case;
    later.setting("case = \"later\"");
    let shown = shown(&later, HOST);
    says(
        &shown,
        &[
            "operated by Baishan Cloud (confidence B), a group headquartered in CN",
            "cannot tell whether it is in CN: a verified signature took 95.0 ms at least",
            "supports at O2 \u{201c}run by Guizhou Baishan Cloud\u{201d}",
            "supports at G2 \u{201c}located in Singapore\u{201d}",
            "a signature would exclude CN from Singapore under",
        ],
    );
    assert!(!shown.contains("physics excludes CN"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_vantage_no_time_says_anything() {
    let case = disputed(None, "4").await;
    let shown = shown(&case, HOST);
    says(&shown, &["no vantage is declared"]);
    assert!(!shown.contains("physically impossible"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_publicly_trusted_signatures_count_and_three_of_them() {
    for (public, times, expected) in [
        (true, 2, "2 of at least 3 samples within one network epoch"),
        (true, 3, "(3 samples) from -54.8000, -68.3000"),
        (false, 3, "no server signature under a publicly trusted chain was timed"),
    ] {
        let mut case = Case::new();
        case.flag("--allow-local");
        case.setting("vantage = { lat = -54.8, lon = -68.3, uncertainty-km = 25 }");
        let tls = case.ca().server(&["127.0.0.1"], &["http/1.1"]);
        let origin = Origin::tls(tls, answer_ok).await;
        let platform = case.path("platform.pem");
        if public {
            std::fs::write(&platform, case.ca().pem()).unwrap();
        }
        let mut wrapper = tool::command("env");
        if public {
            wrapper.arg(format!("SSL_CERT_FILE={}", platform.display()));
        }
        let landfall = case.start_under(wrapper);
        let device = Device::trusting(landfall.proxy(), &case.authority());
        for _ in 0..times {
            let mut stream = device
                .tls_to(&origin.socket().to_string(), "127.0.0.1", &["http/1.1"])
                .await
                .unwrap();
            stream.write_all(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").await.unwrap();
            assert!(read_head(&mut stream).await.starts_with("HTTP/1.1 200"));
        }
        assert!(landfall.stop().status.success());
        says(&shown(&case, "127.0.0.1"), &[expected]);
        let flow = case.flows("").remove(0);
        let shown = case.cli(&["flow", "show", flow["id"].as_str().unwrap(), "-o", "table"]);
        let chain = if public { "chain: public" } else { "chain: own" };
        says(
            &shown.expect_success().text(),
            &["from ClientHello to the server's signature", chain],
        );
    }
}

#[test]
fn routes_into_a_tunnel_silence_physics() {
    let network = Network::new();
    // As VPNs do it: the default route stays, routes to both halves of all addresses go before it.
    network.shell(
        Place::Gateway,
        "ip tuntap add dev tun9 mode tun
         ip address add 10.9.9.1/24 dev tun9
         ip link set tun9 up
         ip route add 0.0.0.0/1 dev tun9
         ip route add 128.0.0.0/1 dev tun9",
    );
    let mut case = Case::new();
    case.name(HOST, &[], ADDRESS);
    case.dial(ADDRESS, "127.0.0.1:9".parse().unwrap());
    case.setting(&format!("vantage = {SINGAPORE}"));
    let landfall = case.start_under(network.exec(Place::Gateway));
    let mut curl = network.command(Place::Gateway, "curl");
    curl.args(["--silent", "--max-time", "20", "--proxy", &landfall.proxy_url()]);
    let output = tool::run(curl.arg(format!("https://{HOST}/")), SHORT);
    assert!(!output.status.success());
    assert!(landfall.stop().status.success());
    says(&shown(&case, HOST), &["the default route leads into a tunnel (tun9)"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_up_measures_when_it_is_asked_to_and_never_else() {
    let mut case = Case::new();
    let accepted = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&accepted);
    let tls = case.ca().server(&["127.0.0.1", "origin.example"], &["http/1.1"]);
    let origin = Origin::tls(tls, move |stream| {
        counted.fetch_add(1, Ordering::Relaxed);
        async move { drop(stream) }
    })
    .await;
    case.setting("vantage = { lat = -54.8, lon = -68.3, uncertainty-km = 25 }");
    case.name("origin.example", &[], "127.0.0.1");
    let platform = case.path("platform.pem");
    std::fs::write(&platform, case.ca().pem()).unwrap();
    let socket = origin.socket().to_string();
    let named = format!("origin.example:{}", origin.socket().port());
    let look_up = |what: &[&str], public: bool| {
        let mut command = case.command(&[&["lookup"], what].concat());
        if public {
            command.env("SSL_CERT_FILE", &platform);
        }
        tool::run(&mut command, SHORT)
    };

    look_up(&["127.0.0.1", "-o", "jsonl"], true).expect_success();
    let refused = look_up(&[&socket, "--rtt", "-o", "table"], true).expect_success();
    says(&refused.text(), &["not measured", "loopback"]);
    assert_eq!(refused.error_text(), "", "nothing is contacted, so nothing is said of it");
    assert_eq!(accepted.load(Ordering::Relaxed), 0);

    let contacts = async |expected: usize| {
        let reached = async {
            while accepted.load(Ordering::Relaxed) < expected {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(SHORT, reached).await.expect("too few handshakes");
        assert_eq!(accepted.load(Ordering::Relaxed), expected);
    };
    let allowed = ["--rtt", "--allow-local"];
    let output = look_up(&[&[&*socket, "-o", "table"], &allowed[..]].concat(), true);
    let output = output.expect_success();
    contacts(3).await;
    says(&output.error_text(), &[&format!("Contacting {socket} as 127.0.0.1: 3 TLS handshakes")]);
    says(&output.text(), &["chain: public, connected in", "(3 samples) from -54.8000, -68.3000"]);

    let words = [&*socket, &*named, "-o", "jsonl"];
    let output = look_up(&[&words[..], &allowed[..]].concat(), false).expect_success();
    contacts(9).await;
    let rows: Vec<Value> =
        output.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), 2);
    for row in rows {
        let handshakes = row["round_trips"]["handshakes"].as_array().unwrap();
        assert_eq!(handshakes.len(), 3, "{row:#}");
        assert!(handshakes.iter().all(|one| one["chain"] == "unverified"), "{row:#}");
        let said = row["round_trips"]["sentences"].to_string();
        says(&said, &["no server signature under a publicly trusted chain was timed"]);
    }
}

#[test]
fn a_simulated_time_contacts_nobody() {
    let mut case = Case::new();
    case.setting(&format!("vantage = {SINGAPORE}"));
    case.setting(&format!("simulate = {{ rtt-ms = {{ {ADDRESS:?} = 4 }} }}"));
    let output = case.cli(&["lookup", ADDRESS, "--rtt", "-o", "table"]).expect_success();
    assert_eq!(output.error_text(), "");
    says(&output.text(), &["CN is physically impossible", "the configuration gives the time"]);
    let row = case.rows(&["lookup", ADDRESS, "--rtt"]).remove(0);
    assert_eq!((&row["rtt"], &row["simulated"]), (&Value::from("4.0 ms"), &Value::from(true)));
}

#[test]
fn a_look_up_asked_about_mainland_china_alone() {
    let mut case = Case::new();
    case.setting(&format!("vantage = {SINGAPORE}"));
    case.setting(&format!("simulate = {{ rtt-ms = {{ {ADDRESS:?} = 4 }} }}"));
    case.setting("flag = [{ name = \"japan\", when = \"location:JP\", severity = \"info\" }]");
    let says_of = |country: &str| {
        format!("statement = [{{ text = \"t\", host = {HOST:?}, says = {country:?} }}]")
    };
    case.setting(&says_of("not-located:BR"));
    let row = case.rows(&["lookup", ADDRESS, "--rtt"]).remove(0);
    let said = row["round_trips"]["sentences"].to_string();
    for country in ["JP", "BR"] {
        says(&said, &[&format!("{country} is physically impossible")]);
    }
    assert!(!said.contains("CN is"), "nobody asks about it: {said}");
}
