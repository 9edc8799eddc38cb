//! What a crash costs: at most the last 200 ms, never the session, never the next run.

use harness::case::Case;
use harness::device::{Device, read_head};
use harness::origin::Origin;
use harness::pattern::Noise;
use harness::tool;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

const HOST: &str = "origin.example";
const ADDRESS: &str = "8.136.0.1";

/// The stated loss window.
const WINDOW: Duration = Duration::from_millis(200);

/// Answers with a body that never ends, about 10 MB a second.
async fn endless(mut stream: TlsStream<TcpStream>) {
    read_head(&mut stream).await;
    let mut noise = Noise::new(9);
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 100000000000\r\n\r\n";
    let mut written = stream.write_all(head).await;
    while written.is_ok() {
        written = stream.write_all(&noise.bytes(100_000)).await;
        stream.flush().await.ok();
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_in_mid_download_loses_no_more_than_the_window() {
    let mut case = Case::new();
    let origin = Origin::tls(case.ca().server(&[HOST], &["http/1.1"]), endless).await;
    case.place(HOST, ADDRESS, origin.socket());
    let landfall = case.start();
    let killed_session = landfall.session().to_owned();
    let device = Device::trusting(landfall.proxy(), &case.authority());
    let mut stream = device.tls(HOST, &["http/1.1"]).await;
    stream.write_all(b"GET /endless HTTP/1.1\r\nHost: origin.example\r\n\r\n").await.unwrap();
    read_head(&mut stream).await;
    // What had arrived, and when.
    let mut arrived: Vec<(Instant, usize)> = Vec::new();
    let mut body = Vec::new();
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(2) {
        assert!(stream.read_buf(&mut body).await.unwrap() > 0);
        arrived.push((Instant::now(), body.len()));
    }
    let killed = Instant::now();
    landfall.kill();

    let safe = arrived.iter().rev().find(|(at, _)| killed.duration_since(*at) > WINDOW).unwrap().1;
    let flow = case.flow("path:/endless");
    assert_eq!(flow["host"], HOST);
    let shown = case.cli(&["session", "show", &killed_session]).expect_success();
    assert!(!shown.text().is_empty());
    let id = flow["id"].as_str().unwrap();
    let kept = case.cli(&["flow", "body", id]).stdout;
    println!("{} bytes had arrived, {safe} of them safe, {} kept", body.len(), kept.len());
    assert!(kept.len() >= safe, "{} bytes kept, {safe} were older than the window", kept.len());
    let compared = kept.len().min(body.len());
    assert!(kept[..compared] == body[..compared]);

    let again = case.start();
    assert_ne!(again.session(), killed_session);
    let device = Device::trusting(again.proxy(), &case.authority());
    let mut stream = device.tls(HOST, &["http/1.1"]).await;
    stream.write_all(b"GET /again HTTP/1.1\r\nHost: origin.example\r\n\r\n").await.unwrap();
    assert!(read_head(&mut stream).await.starts_with("HTTP/1.1 200"));
    drop(stream);
    assert!(again.stop().status.success());
    case.flow("path:/again");
    let old = case.rows(&["flow", "list", "path:/endless", "-S", &killed_session]);
    assert_eq!(old.len(), 1);
    assert_eq!(case.rows(&["session", "list"]).len(), 2);
}

/// Ctrl-C in mid-download: the connection is recorded as aborted, the session is closed.
#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_in_mid_download_closes_the_session() {
    let mut case = Case::new();
    case.setting("limits = { shutdown-grace = \"500ms\" }");
    let origin = Origin::tls(case.ca().server(&[HOST], &["http/1.1"]), endless).await;
    case.place(HOST, ADDRESS, origin.socket());
    let landfall = case.start();
    let device = Device::trusting(landfall.proxy(), &case.authority());
    let mut stream = device.tls(HOST, &["http/1.1"]).await;
    stream.write_all(b"GET /endless HTTP/1.1\r\nHost: origin.example\r\n\r\n").await.unwrap();
    read_head(&mut stream).await;
    let reading = tokio::spawn(async move {
        let mut block = vec![0; 100_000];
        while stream.read(&mut block).await.is_ok_and(|read| read > 0) {}
    });
    tokio::time::sleep(Duration::from_millis(500)).await;
    let begun = Instant::now();
    let ended = landfall.stop();
    assert!(ended.status.success(), "{ended:?}");
    assert!(begun.elapsed() < Duration::from_secs(10), "took {:?}", begun.elapsed());
    reading.await.unwrap();
    assert_eq!(case.flow("path:/endless")["status"], 200);
}

/// Every write to a file of the session is followed by its fdatasync within the window.
#[tokio::test(flavor = "multi_thread")]
async fn every_write_is_synced_within_the_window() {
    let mut case = Case::new();
    let origin = Origin::tls(case.ca().server(&[HOST], &["http/1.1"]), endless).await;
    case.place(HOST, ADDRESS, origin.socket());
    case.cli(&["ca", "export", "--format", "pem"]).expect_success();
    let trace = case.path("trace");
    let mut strace = tool::command("strace");
    // -D keeps the process itself our child; -y names the files behind descriptors.
    strace.args(["-D", "-f", "-q", "-y", "-ttt", "-s", "0", "-e", "signal=none", "-e"]);
    strace.arg("trace=write,writev,pwrite64,pwritev,fdatasync,fsync").arg("-o").arg(&trace);
    let landfall = case.start_under(strace);
    let device = Device::trusting(landfall.proxy(), &case.authority());
    let mut stream = device.tls(HOST, &["http/1.1"]).await;
    stream.write_all(b"GET /endless HTTP/1.1\r\nHost: origin.example\r\n\r\n").await.unwrap();
    let begun = Instant::now();
    let mut block = vec![0; 100_000];
    while begun.elapsed() < Duration::from_secs(3) {
        assert!(stream.read(&mut block).await.unwrap() > 0);
    }
    landfall.kill();
    let trace = std::fs::read_to_string(trace).unwrap();
    let worst = longest_until_synced(&trace);
    println!("longest time from a write to its fdatasync: {worst:?}");
    assert!(worst.len() >= 2, "stream store and record log are written: {worst:?}");
    for (file, longest) in &worst {
        assert!(*longest <= WINDOW, "{file}: {longest:?}");
    }
}

/// For each file of a session: the longest time from the first write that was not yet synced to
/// the beginning of the fdatasync that covers it.
fn longest_until_synced(trace: &str) -> BTreeMap<String, Duration> {
    let mut waiting: BTreeMap<String, f64> = BTreeMap::new();
    let mut worst: BTreeMap<String, Duration> = BTreeMap::new();
    let mut last = 0.0;
    for line in trace.lines() {
        // `PID TIME call(FD</path/of/the/file>, …`, the process left-aligned in its column.
        let mut words = line.split_whitespace().skip(1);
        let Some(time) = words.next().and_then(|word| word.parse::<f64>().ok()) else { continue };
        let Some((call, rest)) = words.next().and_then(|word| word.split_once('(')) else {
            continue;
        };
        let Some(path) = rest.split_once('<').and_then(|(_, path)| path.split('>').next()) else {
            continue;
        };
        let Some((_, file)) = path.split_once("/sessions/") else { continue };
        // The files that are the truth; the index is derived and may lag.
        let is_log = ["/log/records.jsonl", "/log/openings.jsonl"].map(|log| file.ends_with(log));
        if !is_log.contains(&true) && !file.contains("/streams/") {
            continue;
        }
        last = time;
        if call.contains("write") {
            waiting.entry(file.to_owned()).or_insert(time);
        } else if let Some(since) = waiting.remove(file) {
            spent(&mut worst, file, time - since);
        }
    }
    // What was still waiting when the process was killed.
    for (file, since) in waiting {
        spent(&mut worst, &file, last - since);
    }
    worst
}

fn spent(worst: &mut BTreeMap<String, Duration>, file: &str, seconds: f64) {
    let longest = worst.entry(file.to_owned()).or_default();
    *longest = (*longest).max(Duration::from_secs_f64(seconds.max(0.0)));
}

#[test]
fn runs_that_start_together_leave_each_other_alone() {
    const RUNS: usize = 5;
    let case = Case::new();
    case.cli(&["ca", "create"]).expect_success();
    let running: Vec<_> = std::thread::scope(|scope| {
        let runs: Vec<_> = (0..RUNS).map(|_| scope.spawn(|| case.start())).collect();
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    });
    for landfall in running {
        let name = landfall.session().to_owned();
        let ended = landfall.stop();
        assert!(ended.status.success(), "{}", ended.stderr);
        assert!(!ended.stderr.contains("had been interrupted"), "{}", ended.stderr);
        assert!(!ended.stderr.contains("it is signed now"), "{}", ended.stderr);
        case.cli(&["session", "show", &name]).expect_success();
    }
    let sessions = case.rows(&["session", "list"]);
    assert_eq!(sessions.len(), RUNS);
    for session in sessions {
        assert_eq!(session["closed_why"], "finished", "{session:#}");
    }
    let directories = std::fs::read_dir(case.data().join("sessions")).unwrap();
    assert_eq!(directories.count(), RUNS, "no draft stays");
}
