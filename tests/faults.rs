//! What must not be lost silently: a full disk, a recorder that is held up, peers that vanish, stall
//! and reset. Takes root, for file systems and a network of its own.

use harness::case::Case;
use harness::device::{Device, read_head};
use harness::landfall::Landfall;
use harness::network::{Network, Place, V4};
use harness::origin::Origin;
use harness::pattern;
use harness::tool::{self, SHORT};
use harness::volume::Volume;
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;

const HOST: &str = "origin.example";
const ADDRESS: &str = "8.136.0.1";
const MIB: u64 = 1 << 20;

/// Serves one request per connection with so many bytes of the pattern.
async fn origin(bytes: u64) -> Origin {
    Origin::plain(move |mut stream| async move {
        while read_head(&mut stream).await.ends_with("\r\n\r\n") {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {bytes}\r\n\r\n");
            stream.write_all(head.as_bytes()).await.unwrap();
            let mut noise = pattern::Noise::new(1);
            let mut block = vec![0; 1 << 16];
            for _ in 0..bytes >> 16 {
                noise.fill(&mut block);
                if stream.write_all(&block).await.is_err() {
                    return;
                }
            }
        }
    })
    .await
}

/// What [`origin`] sends.
fn sent(bytes: u64) -> pattern::Sum {
    let mut summing = pattern::Summing::new();
    let mut noise = pattern::Noise::new(1);
    let mut block = vec![0; 1 << 16];
    for _ in 0..bytes >> 16 {
        noise.fill(&mut block);
        summing.add(&block);
    }
    summing.sum()
}

/// A tunnel, and the request through it.
async fn ask(landfall: &Landfall, path: &str) -> TcpStream {
    let device = Device::distrusting(landfall.proxy());
    let (head, mut stream) = device.connect(&format!("{HOST}:80")).await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let request = format!("GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

/// Reads to the end, orderly or not; how much came.
async fn rest(stream: &mut TcpStream) -> usize {
    let mut count = 0;
    let mut block = vec![0; 1 << 16];
    let reading = async {
        while let Ok(read @ 1..) = stream.read(&mut block).await {
            count += read;
        }
    };
    tokio::time::timeout(SHORT, reading).await.expect("the connection does not end");
    count
}

async fn says(landfall: &Landfall, text: &str) {
    let begun = Instant::now();
    while !landfall.stderr().contains(text) {
        assert!(begun.elapsed() < SHORT, "{}", landfall.stderr());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn below_the_floor_recording_stops_visibly_and_nothing_passes_unrecorded() {
    let mut case = Case::new();
    let origin = origin(MIB).await;
    case.place(HOST, ADDRESS, origin.socket());
    case.setting("limits.free-disk-bytes = \"100MiB\"");
    let volume = Volume::memory(case.data(), 512);
    let landfall = case.start();
    let mut before = ask(&landfall, "/before").await;
    assert!(read_head(&mut before).await.starts_with("HTTP/1.1 200"));
    assert_eq!(pattern::receive(&mut before, MIB).await, sent(MIB));

    volume.leave_free(90);
    // The floor is noticed now or with this connection: what is answered still is recorded still.
    let device = Device::distrusting(landfall.proxy());
    let (head, mut last) = device.connect(&format!("{HOST}:80")).await;
    let passed = head.starts_with("HTTP/1.1 200");
    if passed {
        let request = format!("GET /last HTTP/1.1\r\nHost: {HOST}\r\n\r\n");
        last.write_all(request.as_bytes()).await.ok();
    } else {
        assert!(head.starts_with("HTTP/1.1 503"), "{head}");
    }
    let answered = rest(&mut last).await > 0;
    says(&landfall, "RECORDING STOPPED").await;
    rest(&mut before).await;
    let refused = Device::distrusting(landfall.proxy()).connect(&format!("{HOST}:80")).await;
    let (head, mut stream) = refused;
    assert!(head.starts_with("HTTP/1.1 503"), "{head}");
    let mut why = String::new();
    stream.read_to_string(&mut why).await.unwrap();
    assert!(why.contains("recording has stopped"), "{why}");
    drop(stream);

    let ended = landfall.stop();
    assert_eq!(ended.status.code(), Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("hint: free some space"), "{}", ended.stderr);
    assert!(ended.stdout.contains("\"stopped\":"), "{}", ended.stdout);
    let session = &case.rows(&["session", "list"])[0];
    assert_eq!(
        (&session["state"], &session["closed_why"]),
        (&"closed".into(), &"disk-floor".into())
    );
    let flow = case.flow("path:/before");
    assert_eq!((&flow["response_bytes"], &flow["outcome"]), (&MIB.into(), &"complete".into()));
    if passed && answered {
        assert_eq!(case.flows("path:/last").len(), 1, "answered, and not on record");
    }
    volume.free_again();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_request_after_a_disk_filled_in_idle_time_was_answered_unrecorded() {
    let mut case = Case::new();
    let origin = origin(MIB).await;
    case.place(HOST, ADDRESS, origin.socket());
    case.setting("limits.free-disk-bytes = \"20MiB\"");
    let volume = Volume::memory(case.data(), 512);
    let landfall = case.start();
    volume.leave_free(1);
    says(&landfall, "RECORDING STOPPED").await;
    let (head, _) = Device::distrusting(landfall.proxy()).connect(&format!("{HOST}:80")).await;
    assert!(head.starts_with("HTTP/1.1 503"), "{head}");
    let ended = landfall.stop();
    assert_eq!(ended.status.code(), Some(1), "{}", ended.stderr);
    volume.free_again();
    assert_eq!(case.flows("").len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_can_end_the_run_instead() {
    let mut case = Case::new();
    let origin = origin(MIB).await;
    case.place(HOST, ADDRESS, origin.socket());
    case.setting("limits.free-disk-bytes = \"100MiB\"");
    case.setting("on-full = \"exit\"");
    let volume = Volume::memory(case.data(), 512);
    let landfall = case.start();
    volume.leave_free(90);
    // What passes now is recorded still, unless the floor was noticed with what had come before.
    let device = Device::distrusting(landfall.proxy());
    let (head, mut last) = device.connect(&format!("{HOST}:80")).await;
    if head.starts_with("HTTP/1.1 200") {
        // The run may end while this is sent.
        let request = format!("GET /last HTTP/1.1\r\nHost: {HOST}\r\n\r\n");
        last.write_all(request.as_bytes()).await.ok();
        rest(&mut last).await;
    }
    let ended = landfall.ended();
    assert_eq!(ended.status.code(), Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("the floor is"), "{}", ended.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_really_full_leaves_a_session_that_says_so() {
    let mut case = Case::new();
    let bytes = 64 * MIB;
    let origin = origin(bytes).await;
    case.place(HOST, ADDRESS, origin.socket());
    case.setting("limits.free-disk-bytes = \"0B\"");
    let volume = Volume::memory(case.data(), 512);
    let landfall = case.start();
    let before = landfall.resident_kib();
    volume.leave_free(8);
    let mut stream = ask(&landfall, "/large").await;
    let received = rest(&mut stream).await as u64;
    assert!(received < bytes, "it passed although it cannot have been recorded");
    says(&landfall, "RECORDING STOPPED").await;
    let (head, _) = Device::distrusting(landfall.proxy()).connect(&format!("{HOST}:80")).await;
    assert!(head.starts_with("HTTP/1.1 503"), "{head}");
    let grown = landfall.most_resident_kib().saturating_sub(before);
    assert!(grown < MOST_GROWN_KIB, "{grown} KiB");
    let ended = landfall.stop();
    assert_eq!(ended.status.code(), Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("No space left"), "{}", ended.stderr);

    volume.free_again();
    assert_eq!(case.rows(&["session", "list"])[0]["state"], "interrupted");
    let next = case.start();
    assert!(next.stderr().contains("had been interrupted; it is closed now"), "{}", next.stderr());
    assert!(next.stop().status.success());
    let sessions = case.rows(&["session", "list"]);
    let recovered = |row: &&serde_json::Value| row["closed_why"] == "recovered";
    assert_eq!(sessions.iter().filter(recovered).count(), 1, "{sessions:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recorder_that_is_held_up_holds_up_traffic_and_loses_nothing() {
    let mut case = Case::new();
    let bytes = 128 * MIB;
    let origin = origin(bytes).await;
    case.place(HOST, ADDRESS, origin.socket());
    let mut volume = Volume::image(case.data(), &case.path("disk.img"), 1024);
    case.setting("limits.free-disk-bytes = \"16MiB\"");
    let landfall = case.start();
    let before = landfall.resident_kib();
    volume.freeze();
    let mut stream = ask(&landfall, "/held").await;
    assert!(read_head(&mut stream).await.starts_with("HTTP/1.1 200"));
    let mut summing = pattern::Summing::new();
    let (mut received, mut block) = (0, vec![0; 1 << 16]);
    let held = async {
        loop {
            let read = stream.read(&mut block).await.unwrap();
            assert!(read > 0, "the connection ended");
            summing.add(&block[..read]);
            received += read as u64;
        }
    };
    tokio::time::timeout(HELD_UP, held).await.expect_err("never returns");
    assert!(received < bytes / 2, "{received} bytes passed that nobody could record");
    volume.thaw();
    while received < bytes {
        let read = stream.read(&mut block).await.unwrap();
        assert!(read > 0, "the connection ended");
        summing.add(&block[..read]);
        received += read as u64;
    }
    assert_eq!(summing.sum(), sent(bytes));
    let grown = landfall.most_resident_kib().saturating_sub(before);
    assert!(grown < MOST_GROWN_KIB, "{grown} KiB");
    drop(stream);
    assert!(landfall.stop().status.success());
    let flow = case.flow("path:/held");
    let mut body = case.command(&["flow", "body", flow["id"].as_str().unwrap()]);
    let mut child = body.stdout(Stdio::piped()).spawn().unwrap();
    let recorded = pattern::sum_all(child.stdout.take().unwrap());
    assert!(child.wait().unwrap().success());
    assert_eq!(recorded, sent(bytes));
}

#[test]
fn an_upstream_that_vanishes_is_noticed_by_the_systems_probes() {
    let mut case = Case::new();
    let network = Network::new();
    let (server, port) =
        Talking::start(network.command(Place::Server, "python3"), SERVER, V4.server);
    case.place(HOST, ADDRESS, format!("{}:{port}", V4.server).parse().unwrap());
    case.setting("limits.keepalive-time = \"1s\"");
    let landfall = case.start_under(network.exec(Place::Gateway));
    let proxy = landfall.proxy().to_string();
    let (mut client, said) =
        Talking::start(network.command(Place::Gateway, "python3"), CLIENT, &proxy);
    assert_eq!(said, "hello");
    // From here on nothing comes out of it, no RST either.
    let rules = "add table inet gone; \
                 add chain inet gone input { type filter hook input priority 0; policy drop; }";
    tool::run(network.command(Place::Server, "nft").arg(rules), SHORT).expect_success();
    assert_eq!(client.line(), "reset");
    assert!(landfall.stop().status.success());
    case.flow("outcome:upstream-vanished");
    drop(server);
}

/// A Python script that says what it does line by line; killed when dropped.
struct Talking {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Talking {
    /// Starts it and returns its first line.
    fn start(mut python: Command, script: &str, argument: &str) -> (Self, String) {
        python.args(["-u", "-c", script, argument]).stdout(Stdio::piped());
        let mut child = python.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        let mut talking = Self { child, lines };
        let first = talking.line();
        (talking, first)
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }
}

impl Drop for Talking {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn peers_that_stall_and_reset_are_told_apart_in_listings() {
    let mut case = Case::new();
    case.setting("limits.idle-time = \"500ms\"");
    case.setting("limits.device-connections = 1");
    let head_read = Arc::new(Notify::new());
    let may_reset = Arc::clone(&head_read);
    let origin = Origin::plain(move |mut stream| {
        let may_reset = Arc::clone(&may_reset);
        async move {
            let head = read_head(&mut stream).await;
            let half = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf";
            match head.split(' ').nth(1).unwrap_or_default() {
                "/stall" => {
                    stream.read_to_end(&mut Vec::new()).await.ok();
                }
                "/reset" => {
                    stream.write_all(half).await.unwrap();
                    may_reset.notified().await;
                    stream.set_zero_linger().unwrap();
                }
                _ => {
                    stream.write_all(half).await.unwrap();
                    stream.read_to_end(&mut Vec::new()).await.ok();
                }
            }
        }
    })
    .await;
    case.place(HOST, ADDRESS, origin.socket());
    let landfall = case.start();
    rest(&mut retried(&landfall, "/stall").await).await;
    let mut reset = retried(&landfall, "/reset").await;
    read_head(&mut reset).await;
    head_read.notify_one();
    rest(&mut reset).await;
    let mut aborted = retried(&landfall, "/abort").await;
    let (refused, _) = Device::distrusting(landfall.proxy()).connect(&format!("{HOST}:80")).await;
    assert!(refused.starts_with("HTTP/1.1 503"), "{refused}");
    read_head(&mut aborted).await;
    aborted.set_zero_linger().unwrap();
    drop(aborted);
    assert!(landfall.stop().status.success());
    for (path, outcome, connection) in [
        ("/stall", "no-response", "idle-timeout"),
        ("/reset", "truncated", "upstream-reset"),
        ("/abort", "truncated", "client-reset"),
    ] {
        let filter = format!("path:{path} outcome:{outcome} connection-outcome:{connection}");
        let flow = case.flow(&filter);
        let milliseconds = |key: &str| flow[key].as_f64().unwrap_or_default();
        let phases: f64 = ["send_ms", "wait_ms", "receive_ms"].map(milliseconds).iter().sum();
        let lasted = flow["duration_ms"].as_f64().unwrap();
        assert!((lasted..lasted + 1.0).contains(&(phases + 0.003)), "{flow:#}");
    }
    assert!(!case.flows("treatment:blocked why:\"as many connections\"").is_empty());
}

/// As [`ask`], once the device's only place is free.
async fn retried(landfall: &Landfall, path: &str) -> TcpStream {
    let device = Device::distrusting(landfall.proxy());
    let begun = Instant::now();
    loop {
        let (head, mut stream) = device.connect(&format!("{HOST}:80")).await;
        if head.starts_with("HTTP/1.1 200") {
            let request = format!("GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n");
            stream.write_all(request.as_bytes()).await.unwrap();
            return stream;
        }
        assert!(begun.elapsed() < SHORT, "{head}");
    }
}

/// Longer than any buffer lasts.
const HELD_UP: Duration = Duration::from_secs(10);
/// The events in flight, and what buffers along the way hold.
const MOST_GROWN_KIB: u64 = 48 * 1024;
/// Says which port it serves, and `hello` to its client.
const SERVER: &str = "
import socket, sys
server = socket.create_server((sys.argv[1], 0))
print(server.getsockname()[1])
client, _ = server.accept()
client.sendall(b'hello')
client.recv(1)
";
/// Asks the proxy for the server, and says what it hears and how it ends.
const CLIENT: &str = "
import socket, sys
host, port = sys.argv[1].split(':')
proxy = socket.create_connection((host, int(port)), 60)
proxy.sendall(b'CONNECT origin.example:80 HTTP/1.1\\r\\nHost: origin.example\\r\\n\\r\\n')
heard = b''
while not heard.endswith(b'hello'):
    heard += proxy.recv(1)
print('hello')
try:
    print('more' if proxy.recv(1) else 'end')
except ConnectionResetError:
    print('reset')
";
