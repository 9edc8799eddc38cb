//! The command line: what it prints where, what it refuses, and its exit codes.

use harness::case::Case;
use harness::device::{Device, read_head};
use harness::origin::Origin;
use harness::tool::{self, SHORT};
use serde_json::Value;
use std::path::Path;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

#[track_caller]
fn refused(case: &Case, arguments: &[&str], code: i32, says: &[&str]) {
    let output = case.cli(arguments);
    let error = output.error_text();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {error}");
    assert!(output.stdout.is_empty(), "data of a failure: {}", output.text());
    for word in says {
        assert!(error.contains(word), "{arguments:?} should say `{word}`: {error}");
    }
}

#[test]
fn what_is_unknown_is_refused_with_a_suggestion() {
    let mut case = Case::new();
    refused(&case, &["run", "--lisen", "127.0.0.1:0"], 2, &["--listen"]);
    refused(&case, &["flow", "lst"], 2, &["list"]);
    refused(&case, &["flow", "list", "contry:CN"], 2, &["country"]);
    case.setting("upstream-verfy = \"record\"");
    refused(&case, &["run"], 2, &["upstream-verfy", "upstream-verify"]);
}

#[test]
fn nothing_recorded_is_said_clearly() {
    let case = Case::new();
    refused(&case, &["flow", "list"], 1, &["hint:"]);
    let list = case.cli(&["session", "list"]).expect_success();
    assert!(list.stdout.is_empty(), "{}", list.text());
    assert!(list.error_text().contains("\nhint: "), "{}", list.error_text());
}

#[test]
fn a_port_in_use_has_its_own_exit_code() {
    let case = Case::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    refused(&case, &["run", "--listen", &address], 6, &[&address, "hint:"]);
}

#[test]
fn the_authority_is_private_and_exports() {
    use std::os::unix::fs::PermissionsExt;
    let case = Case::new();
    let pem = case.cli(&["ca", "export", "--format", "pem"]).expect_success().text();
    assert!(pem.starts_with("-----BEGIN CERTIFICATE-----"), "{pem}");
    assert!(!pem.contains("PRIVATE"), "the key leaves");
    let again = case.cli(&["ca", "export", "--format", "pem"]).expect_success().text();
    assert_eq!(pem, again, "it is made once");
    let der = case.path("authority.der");
    case.cli(&["ca", "export", "--format", "der", "-o", &der.to_string_lossy()]).expect_success();
    let mut openssl = tool::command("openssl");
    openssl.args(["x509", "-inform", "der", "-noout", "-subject", "-fingerprint", "-sha256"]);
    let seen = tool::run(openssl.arg("-in").arg(der), SHORT).expect_success().text();
    assert!(seen.contains("Landfall"), "{seen}");
    let fingerprint = seen.rsplit('=').next().unwrap().trim().replace(':', "").to_lowercase();
    let shown = case.cli(&["ca", "show", "-o", "json"]).expect_success().text();
    assert!(shown.to_lowercase().replace(':', "").contains(&fingerprint), "{shown}");
    let directory = case.data().join("authority");
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&directory.join("landfall-ca.key")), 0o600);
    assert_eq!(mode(&directory), 0o700);
}
/// The vectors that every build must reproduce from the bundled databases.
#[test]
fn look_ups_give_the_known_answers() {
    let case = Case::new();
    let addresses = [
        "114.114.114.114",
        "223.5.5.5",
        "8.136.0.1",
        "119.29.29.29",
        "8.8.8.8",
        "202.64.0.1",
        "168.95.1.1",
        "202.175.3.3",
        "240e::1",
        "159.138.0.1",
        "::ffff:8.8.8.8",
    ];
    let rows = case.rows(&[&["lookup"], addresses.as_slice()].concat());
    let row = |address: &str| -> &Value {
        let found = rows.iter().find(|row| row["address"] == address);
        found.unwrap_or_else(|| panic!("{address} is missing: {rows:#?}"))
    };
    for (address, country) in [
        ("114.114.114.114", "CN"),
        ("223.5.5.5", "CN"),
        ("8.136.0.1", "CN"),
        ("119.29.29.29", "SG"),
        ("8.8.8.8", "US"),
        ("202.64.0.1", "HK"),
        ("168.95.1.1", "TW"),
        ("202.175.3.3", "MO"),
        ("240e::1", "CN"),
    ] {
        assert_eq!(row(address)["country"], country, "{address}");
    }
    for (address, asn) in [
        ("114.114.114.114", 21859),
        ("223.5.5.5", 45102),
        ("8.136.0.1", 37963),
        ("119.29.29.29", 132_203),
        ("8.8.8.8", 15169),
    ] {
        assert_eq!(row(address)["asn"], asn, "{address}");
    }
    assert_eq!(row("114.114.114.114")["registered_country"], "CN");
    assert_eq!(row("114.114.114.114")["as_registered_country"], "US");
    assert_eq!(row("8.136.0.1")["registered_country"], "SG");
    assert_eq!(row("8.136.0.1")["as_registered_country"], "CN");
    assert_eq!(row("119.29.29.29")["operator_country"], "CN");
    assert_eq!(row("8.8.8.8")["anycast"], true);
    let disputed = row("159.138.0.1");
    assert!(disputed.get("country").is_none(), "a disagreement has no country: {disputed:#}");
    let countries: Vec<_> = disputed["countries"].as_object().unwrap().values().collect();
    assert!(countries.contains(&&"HK".into()) && countries.contains(&&"CN".into()), "{disputed:#}");
}

#[test]
fn the_databases_say_what_they_are() {
    let case = Case::new();
    let text = case.cli(&["geo", "status", "-o", "jsonl"]).expect_success().text();
    // DB-IP's file, as published.
    assert!(
        text.contains("4e7f53dd9c6ebe0e7244d5dd4cc03639bc9dbe0a5a83eca90db50eeaeea72024"),
        "{text}"
    );
    assert!(text.contains("CC BY 4.0") || text.contains("CC-BY-4.0"), "{text}");
    let rows = case.rows(&["geo", "status"]);
    let shapes = rows.iter().find(|row| row["name"] == "country-shapes").unwrap();
    assert_eq!(
        (&shapes["kind"], &shapes["licence"]),
        (&"country shapes".into(), &"public domain".into())
    );
    assert!(shapes["built"].is_string() && shapes["sha256"].is_string(), "{shapes:#}");
}

#[test]
fn every_claim_of_a_look_up_can_be_checked_from_its_line_alone() {
    let case = Case::new();
    for row in case.rows(&["lookup", "8.136.0.1", "8.8.8.8"]) {
        assert!(row["asked"].as_str().unwrap().ends_with('Z'), "{row:#}");
        let claims = row["claims"].as_array().unwrap();
        assert!(claims.len() > 3, "{row:#}");
        for claim in claims {
            for key in ["source", "built", "licence", "sha256", "about", "matched"] {
                assert!(claim[key].is_string(), "{key}: {claim:#}");
            }
        }
    }
    let private = &case.rows(&["lookup", "10.0.0.1"])[0]["claims"][0];
    assert!(private["licence"].is_string() && private.get("sha256").is_none(), "{private:#}");
}

#[test]
fn a_broken_database_is_named_with_a_hint() {
    let case = Case::new();
    let broken = case.path("broken.mmdb");
    std::fs::write(&broken, b"not a database").unwrap();
    let broken = broken.to_string_lossy();
    refused(
        &case,
        &["run", "--listen", "127.0.0.1:0", "--geoip", &broken],
        5,
        &["broken.mmdb", "hint:"],
    );
}

#[test]
fn the_doctor_looks_at_everything() {
    let case = Case::new();
    let output = case.cli(&["doctor", "--listen", "127.0.0.1:0", "-o", "jsonl"]);
    for word in ["authority", "database", "disk", "resolver", "clock"] {
        assert!(output.text().contains(word), "{word}: {}", output.text());
    }
}

/// A session with one flow, for the views of it.
async fn recorded() -> Case {
    let mut case = Case::new();
    let serve = |mut stream: TlsStream<TcpStream>| async move {
        read_head(&mut stream).await;
        let answer = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 5\r\n\r\nhello";
        stream.write_all(answer.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
    };
    let origin = Origin::tls(case.ca().server(&["origin.example"], &["http/1.1"]), serve).await;
    case.place("origin.example", "8.136.0.1", origin.socket());
    let landfall = case.start();
    let device = Device::trusting(landfall.proxy(), &case.authority());
    let mut stream = device.tls("origin.example", &["http/1.1"]).await;
    let request = "GET /page?q==1+2 HTTP/1.1\r\nHost: origin.example\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    assert!(read_head(&mut stream).await.starts_with("HTTP/1.1 200"));
    drop(stream);
    let ended = landfall.stop();
    assert!(ended.status.success());
    let all = ended.stdout + &ended.stderr;
    for word in ["origin.example", "/page", "200", "CN"] {
        assert!(all.contains(word), "no live line with {word}: {all}");
    }
    case
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_can_be_listed_shown_and_exported() {
    let case = recorded().await;
    let flow = case.flow("");
    for (key, value) in [
        ("host", Value::from("origin.example")),
        ("port", 443.into()),
        ("address", "8.136.0.1".into()),
        ("treatment", "intercepted".into()),
        ("method", "GET".into()),
        ("status", 200.into()),
        ("response_bytes", 5.into()),
        ("country", "CN".into()),
        ("asn", 37963.into()),
    ] {
        assert_eq!(flow[key], value, "{key}: {flow:#}");
    }
    assert!(flow["flags"].to_string().contains("mainland-china"), "{flow:#}");
    assert!(flow["device"].as_str().is_some() && flow["time"].as_str().is_some(), "{flow:#}");
    let id = flow["id"].as_str().unwrap();
    assert_eq!(case.cli(&["flow", "body", id]).expect_success().text(), "hello");
    let shown = case.cli(&["flow", "show", id, "-o", "json"]).expect_success().text();
    assert!(shown.contains("Content-Type"), "headers with their case: {shown}");
    let page = case.cli(&["flow", "show", id, "-o", "table"]).expect_success().text();
    for line in ["received          5 B of body", "Leaf shown to the device", "minted by", "serial"]
    {
        assert!(page.contains(line), "{line}: {page}");
    }

    let destination = case.rows(&["dest", "list"]).remove(0);
    assert_eq!(destination["host"], "origin.example");
    assert_eq!(destination["registered_country"], "SG");
    assert_eq!(destination["as_registered_country"], "CN");
    case.cli(&["dest", "show", "origin.example"]).expect_success();
    let session = case.rows(&["session", "list"]).remove(0);
    assert!(session.to_string().contains("simulated"), "a [dial] entry was used: {session:#}");

    for format in ["jsonl", "csv", "har"] {
        let file = case.path(format);
        case.cli(&["export", "--format", format, "-o", &file.to_string_lossy()]).expect_success();
        let text = std::fs::read_to_string(file).unwrap();
        assert!(text.contains("origin.example") && text.contains("/page"), "{format}: {text}");
    }
    let har: Value = serde_json::from_slice(&std::fs::read(case.path("har")).unwrap()).unwrap();
    let entry = &har["log"]["entries"][0];
    assert_eq!(entry["serverIPAddress"], "8.136.0.1");
    assert_eq!(entry["response"]["content"]["text"], "hello");
    case.cli(&["session", "reindex"]).expect_success();
    assert_eq!(case.flow(""), flow, "the index is derived");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_without_rows_says_so_on_stderr() {
    let case = recorded().await;
    for (arguments, says) in [
        (&["flow", "list", "host:other.example"][..], "no flow of the session"),
        (&["dest", "list", "host:other.example"], "no destination of the session"),
        (&["flow", "messages", "c1.1"], "the flow c1.1 holds no messages"),
    ] {
        let output = case.cli(arguments).expect_success();
        assert!(output.stdout.is_empty(), "{}", output.text());
        let error = output.error_text();
        assert!(error.contains(says) && error.contains("\nhint: "), "{error}");
        assert_eq!(error.lines().count(), 2, "{error}");
        let quiet = case.cli(&[arguments, &["-q"]].concat()).expect_success();
        assert!(quiet.error_text().is_empty(), "{}", quiet.error_text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_pick_flows() {
    let case = recorded().await;
    for (filter, found) in [
        ("host:origin.example", 1),
        ("host:*.example", 1),
        ("host:other.example", 0),
        ("country:CN", 1),
        ("country:US,SG", 0),
        ("asn:37963", 1),
        ("flag:mainland-china", 1),
        ("operator:Alibaba", 1),
        ("treatment:intercepted status:2xx method:GET", 1),
        ("status:404 or method:GET", 1),
        ("not method:GET", 0),
        ("not(status:4xx)", 1),
        ("time:-1h", 1),
    ] {
        assert_eq!(case.flows(filter).len(), found, "{filter}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fail_on_tells_scripts() {
    let mut case = Case::new();
    let serve = |mut stream: TlsStream<TcpStream>| async move {
        read_head(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.unwrap();
    };
    let origin = Origin::tls(case.ca().server(&["origin.example"], &["http/1.1"]), serve).await;
    case.place("origin.example", "8.136.0.1", origin.socket());
    case.flag("--fail-on");
    case.flag("country:CN");
    let landfall = case.start();
    let device = Device::trusting(landfall.proxy(), &case.authority());
    let mut stream = device.tls("origin.example", &["http/1.1"]).await;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: origin.example\r\n\r\n").await.unwrap();
    read_head(&mut stream).await;
    drop(stream);
    assert_eq!(landfall.stop().status.code(), Some(3));
}

/// The proxy's own address answers a phone's browser with a page, and with the certificate.
#[tokio::test(flavor = "multi_thread")]
async fn a_phone_can_fetch_the_certificate() {
    let case = Case::new();
    let landfall = case.start();
    let get = |url: String, proxied: bool| {
        let mut curl = tool::command("curl");
        curl.args(["--silent", "--show-error", "--fail"]);
        if proxied {
            curl.args(["--proxy", &landfall.proxy_url()]);
        }
        tool::run(curl.arg(url), SHORT).expect_success()
    };
    let page = get(format!("http://{}/", landfall.proxy()), false).text();
    assert!(page.contains("certificate") && page.to_lowercase().contains("<html"), "{page}");
    let link = page.split('"').find(|word| word.contains("landfall") && word.contains('.'));
    let link = link.unwrap_or_else(|| panic!("no link to the certificate: {page}"));
    let path = link.rsplit('/').next().unwrap();
    let certificate = get(format!("http://{}/{path}", landfall.proxy()), false);
    assert!(certificate.stdout.len() > 300);
    assert!(landfall.stop().status.success());
}

/// A newcomer sees everything without a phone, and no packet leaves the machine.
#[test]
fn the_demonstration_runs_by_itself() {
    let case = Case::new();
    let mut demo = case.command(&["demo", "--listen", "127.0.0.1:0", "--duration", "15s"]);
    let output = tool::run(&mut demo, SHORT);
    assert!(output.status.success(), "{}\n{}", output.text(), output.error_text());
    let flows = case.flows("");
    assert!(flows.len() >= 6, "{flows:#?}");
    let treatments: Vec<_> = flows.iter().filter_map(|flow| flow["treatment"].as_str()).collect();
    for treatment in ["intercepted", "failed", "plaintext"] {
        assert!(treatments.contains(&treatment), "{treatments:?}");
    }
    let disputed = |flow: &Value| flow.get("country").is_none() && flow["countries"].is_object();
    assert!(flows.iter().any(disputed), "a host whose databases disagree");
    assert!(case.rows(&["session", "list"])[0].to_string().contains("simulated"));
}
