//! Upstreams reached through an upstream proxy, over real sockets: what the proxy is asked, what it
//! may answer, and what the record says of either.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use flow::address::{Hop, HopKind};
use flow::event::{Dialled, Event};
use flow::treatment::{BlockedWhy, Cause, Failure, Side, Stage, Treatment};
use proxy::{HopCredentials, Outgoing, UpstreamProxy};
use std::net::SocketAddr;
use std::time::Duration;
use support::{ORIGIN, ORIGIN_ADDRESS, Options, SOON, Story, listen, start};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;

fn through(kind: HopKind, hop: SocketAddr, credentials: Option<(&str, &str)>) -> Options {
    let mut proxy: UpstreamProxy = format!("{}://{hop}", kind.word()).parse().unwrap();
    proxy.credentials = credentials.map(|(user, pass)| HopCredentials::new(user, pass).unwrap());
    // Nothing listens there: whatever is reached, is reached through the proxy.
    let mut options = Options::with_origin("127.0.0.1:1".parse().unwrap());
    options.outgoing = Outgoing { proxy: Some(proxy), mark: None };
    options
}

/// One step of a hop's part: what it must get, then what it says.
type Step = (Vec<u8>, Vec<u8>);

/// A hop that plays its part to one client, then repeats what it gets, as an origin behind it.
async fn hop(part: Vec<Step>) -> (SocketAddr, JoinHandle<()>) {
    let (listener, address) = listen().await;
    let playing = tokio::spawn(async move {
        let (mut tcp, _) = listener.accept().await.unwrap();
        for (expected, answer) in part {
            let mut got = vec![0; expected.len()];
            timeout(SOON, tcp.read_exact(&mut got)).await.unwrap().unwrap();
            assert_eq!(String::from_utf8_lossy(&got), String::from_utf8_lossy(&expected));
            tcp.write_all(&answer).await.unwrap();
        }
        let (mut reader, mut writer) = tcp.split();
        // The end of either side ends it.
        tokio::io::copy(&mut reader, &mut writer).await.ok();
    });
    (address, playing)
}

fn dials(story: &Story) -> Vec<&Dialled> {
    let dialled = story.0.iter().filter_map(|event| match event {
        Event::Dialled(dialled) => Some(dialled),
        _ => None,
    });
    dialled.collect()
}

/// A tunnel through a hop that says yes; `origin_address` is whether we know the origin's address.
async fn passes(kind: HopKind, credentials: Option<(&str, &str)>, part: Vec<Step>, known: bool) {
    let (address, playing) = hop(part).await;
    let proxy = start(through(kind, address, credentials)).await;
    let mut client = proxy.tunnel(&format!("{ORIGIN}:7")).await;
    client.write_all(b"\x01echo").await.unwrap();
    let mut back = [0; 5];
    timeout(SOON, client.read_exact(&mut back)).await.unwrap().unwrap();
    assert_eq!(&back, b"\x01echo");
    drop(client);
    playing.await.unwrap();
    let story = proxy.finish().await;
    let [dialled] = dials(&story)[..] else { panic!("not one attempt") };
    assert_eq!(dialled.through, Some(Hop { kind, address }));
    assert!(dialled.result.is_ok());
    let upstream = dialled.upstream.map(|upstream| upstream.address.ip());
    assert_eq!(upstream, known.then_some(ORIGIN_ADDRESS));
    let looked = story.0.iter().any(|event| matches!(event, Event::Looked(_)));
    assert_eq!(looked, known, "who gives the name to the proxy does not look it up");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_is_asked_for_the_name_with_credentials() {
    let asked = format!(
        "CONNECT {ORIGIN}:7 HTTP/1.1\r\nHost: {ORIGIN}:7\r\nProxy-Authorization: Basic dXNlcjpwYTpzcw==\r\n\r\n"
    );
    // Interim answers are none yet.
    let answer = b"HTTP/1.1 102 Wait\r\n\r\nHTTP/1.1 200 Fine\r\nX: y\r\n\r\n".to_vec();
    let part = vec![(asked.into_bytes(), answer)];
    passes(HopKind::Http, Some(("user", "pa:ss")), part, false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn socks5h_is_asked_for_the_name_with_credentials() {
    let name = ORIGIN.as_bytes();
    let asked = [&[5, 1, 0, 3, name.len() as u8], name, &[0, 7]].concat();
    let part = vec![
        (vec![5, 2, 0, 2], vec![5, 2]),
        (b"\x01\x04user\x04pass".to_vec(), vec![1, 0]),
        (asked, vec![5, 0, 0, 3, 2, b'a', b'b', 0, 9]),
    ];
    passes(HopKind::Socks5h, Some(("user", "pass")), part, false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn socks5_is_asked_for_the_address_that_we_resolved() {
    // `[dial]` holds for what the proxy is asked, too.
    let asked = vec![5, 1, 0, 1, 127, 0, 0, 1, 0, 1];
    let part = vec![(vec![5, 1, 0], vec![5, 0]), (asked, [&[5, 0, 0, 4][..], &[0; 18]].concat())];
    passes(HopKind::Socks5, None, part, true).await;
}

/// What the client and the record are told when the hop answers so, and then closes.
async fn refuses(kind: HopKind, part: Vec<Step>, told: &str) {
    let (listener, address) = listen().await;
    let playing = tokio::spawn(async move {
        let (mut tcp, _) = listener.accept().await.unwrap();
        for (expected, answer) in part {
            tcp.read_exact(&mut vec![0; expected.len()]).await.unwrap();
            tcp.write_all(&answer).await.unwrap();
        }
        tcp.shutdown().await.ok();
        // Until the proxy closes: a reset would be another answer.
        tcp.read_to_end(&mut Vec::new()).await.ok();
    });
    let credentials = Some(("user", "pass"));
    let proxy = start(through(kind, address, credentials)).await;
    let answer = proxy.raw(format!("CONNECT {ORIGIN}:7 HTTP/1.1\r\n\r\n").as_bytes()).await;
    playing.await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
    let why = format!("upstream proxy {told} (connecting)");
    assert!(answer.contains(&why), "{why}: {answer}");
    let story = proxy.finish().await;
    assert_eq!(story.treatment(), &failed(told));
    let [dialled] = dials(&story)[..] else { panic!("not one attempt") };
    assert_eq!(dialled.result, Err(format!("proxy {told}")));
    assert!(!format!("{:?}", story.0).contains("dXNlcjpwYXNz"), "the password is in the record");
}

fn failed(told: &str) -> Treatment {
    let cause = Cause::UpstreamProxy(told.to_owned());
    Treatment::Failed(Failure { stage: Stage::Connect, side: Side::Upstream, cause })
}

/// As much as any `CONNECT` for the origin has.
fn any_connect() -> Vec<u8> {
    vec![0; 90]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_by_http_name_the_hop() {
    for (answer, told) in [
        (
            &b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n"[..],
            "refused: 407 Proxy Authentication Required",
        ),
        (
            b"HTTP/1.1 503 Not \x07now\r\nContent-Length: 2\r\n\r\nno",
            "refused: 503 Not \u{fffd}now",
        ),
        (b"", "closed the connection before it answered"),
        (b"HTTP/1.1 20", "closed the connection before it answered"),
    ] {
        refuses(HopKind::Http, vec![(any_connect(), answer.to_vec())], told).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_by_socks_name_the_hop() {
    let greeting = || vec![5, 2, 0, 2];
    let no_method = vec![(greeting(), vec![5, 0xff])];
    refuses(HopKind::Socks5h, no_method, "refused: it takes no credentials").await;
    let wrong = vec![(greeting(), vec![5, 2]), (vec![0; 11], vec![1, 1])];
    refuses(HopKind::Socks5h, wrong, "refused: the credentials are wrong").await;
    let unreachable =
        vec![(greeting(), vec![5, 0]), (vec![0; 19], vec![5, 4, 0, 1, 0, 0, 0, 0, 0, 0])];
    refuses(HopKind::Socks5h, unreachable, "refused: host unreachable").await;
    let other = vec![(greeting(), b"HT".to_vec())];
    let told = "sent malformed data: it is no SOCKS5 proxy";
    refuses(HopKind::Socks5h, other, told).await;
    let cut = vec![(greeting(), vec![5, 0]), (vec![0; 19], vec![5, 0, 0])];
    refuses(HopKind::Socks5h, cut, "closed the connection before it answered").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_is_refused_within_the_bound() {
    let (listener, address) = listen().await;
    let playing = tokio::spawn(async move {
        let (mut tcp, _) = listener.accept().await.unwrap();
        // Ends when the proxy takes no more.
        while tcp.write_all(&[b'x'; 1024]).await.is_ok() {}
    });
    let proxy = start(through(HopKind::Http, address, None)).await;
    let answer = proxy.raw(format!("CONNECT {ORIGIN}:7 HTTP/1.1\r\n\r\n").as_bytes()).await;
    assert!(answer.contains("upstream proxy sent an answer over the limit"), "{answer}");
    timeout(SOON, playing).await.unwrap().unwrap();
    proxy.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hop_that_says_nothing_meets_a_deadline() {
    for kind in [HopKind::Http, HopKind::Socks5, HopKind::Socks5h] {
        let (listener, address) = listen().await;
        let mut options = through(kind, address, None);
        options.limits.upstream_proxy_time = Duration::from_millis(100);
        let proxy = start(options).await;
        let answer = proxy.raw(format!("CONNECT {ORIGIN}:7 HTTP/1.1\r\n\r\n").as_bytes()).await;
        assert!(answer.contains("upstream proxy did not answer in time"), "{answer}");
        drop(listener);
        assert_eq!(proxy.finish().await.treatment(), &failed("did not answer in time"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hop_that_is_not_there_is_recorded_as_one() {
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let proxy = start(through(HopKind::Http, address, None)).await;
    proxy.raw(format!("CONNECT {ORIGIN}:7 HTTP/1.1\r\n\r\n").as_bytes()).await;
    let story = proxy.finish().await;
    assert_eq!(story.treatment(), &failed("refused the connection"));
    let [dialled] = dials(&story)[..] else { panic!("not one attempt") };
    assert_eq!(dialled.through, Some(Hop { kind: HopKind::Http, address }));
    assert!(dialled.upstream.is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plain_requests_go_through_it_in_a_tunnel() {
    let asked = format!("CONNECT {ORIGIN}:80 HTTP/1.1\r\nHost: {ORIGIN}:80\r\n\r\n");
    let request = format!("GET /p HTTP/1.1\r\nHost: {ORIGIN}\r\nVia: 1.1 landfall\r\n\r\n");
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi";
    let part = vec![
        (asked.into_bytes(), b"HTTP/1.1 200 OK\r\n\r\n".to_vec()),
        (request.into_bytes(), answer.to_vec()),
    ];
    let (address, playing) = hop(part).await;
    let proxy = start(through(HopKind::Http, address, None)).await;
    let mut client = TcpStream::connect(proxy.proxy).await.unwrap();
    let request = format!("GET http://{ORIGIN}/p HTTP/1.1\r\nHost: {ORIGIN}\r\n\r\n");
    client.write_all(request.as_bytes()).await.unwrap();
    let mut got = vec![0; answer.len()];
    timeout(SOON, client.read_exact(&mut got)).await.unwrap().unwrap();
    assert_eq!(got, answer);
    drop(client);
    playing.await.unwrap();
    proxy.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn excepted_hosts_are_dialled_directly() {
    let (listener, origin) = listen().await;
    let nowhere = "127.0.0.1:1".parse().unwrap();
    let mut options = Options { origin, ..through(HopKind::Http, nowhere, None) };
    if let Some(proxy) = &mut options.outgoing.proxy {
        proxy.except.push("*.example".parse().unwrap());
    }
    let proxy = start(options).await;
    let client = proxy.tunnel(&format!("{ORIGIN}:7")).await;
    listener.accept().await.unwrap();
    drop(client);
    let story = proxy.finish().await;
    assert!(dials(&story).iter().all(|dialled| dialled.through.is_none()));
}

/// Addresses are judged by the same rules, and so is the name that every machine has for itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forbidden_destinations_do_not_reach_the_hop() {
    for (target, why) in [
        ("127.0.0.1:7", BlockedWhy::DestinationLoopback),
        ("169.254.169.254:80", BlockedWhy::DestinationMetadata),
        ("localhost:7", BlockedWhy::DestinationLoopback),
        ("a.localhost:7", BlockedWhy::DestinationLoopback),
    ] {
        let (_listener, address) = listen().await;
        let proxy = start(through(HopKind::Http, address, None)).await;
        proxy.raw(format!("CONNECT {target} HTTP/1.1\r\n\r\n").as_bytes()).await;
        let story = proxy.finish().await;
        assert_eq!(story.treatment(), &Treatment::Blocked(why), "{target}");
        assert!(dials(&story).is_empty());
    }
}

/// Through a SOCKS5 proxy that plays one part over and over, to an origin with two addresses: how
/// often the proxy is asked.
async fn check_asked(answers: &'static [(usize, &'static [u8])], expected: usize) {
    let (listener, address) = listen().await;
    tokio::spawn(async move {
        while let Ok((mut tcp, _)) = listener.accept().await {
            for (length, answer) in answers {
                tcp.read_exact(&mut vec![0; *length]).await.unwrap();
                tcp.write_all(answer).await.unwrap();
            }
            tcp.read_to_end(&mut Vec::new()).await.ok();
        }
    });
    let mut options = through(HopKind::Socks5, address, Some(("user", "pass")));
    let place = "127.0.0.1:1".parse().unwrap();
    options.places = vec![(ORIGIN_ADDRESS, place), ("192.0.2.11".parse().unwrap(), place)];
    let proxy = start(options).await;
    let answer = proxy.raw(format!("CONNECT {ORIGIN}:7 HTTP/1.1\r\n\r\n").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
    assert_eq!(dials(&proxy.finish().await).len(), expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_may_differ_between_addresses_is_asked_for_again() {
    check_asked(&[(4, &[5, 0]), (10, &[5, 4, 0, 1, 0, 0, 0, 0, 0, 0])], 2).await;
    check_asked(&[(4, &[5, 2]), (11, &[1, 1])], 1).await;
    check_asked(&[(4, b"HT")], 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_proxys_own_look_up_is_no_time_of_the_connection() {
    let mut options = through(HopKind::Http, "127.0.0.1:1".parse().unwrap(), None);
    options.outgoing.proxy = Some(format!("http://{ORIGIN}:1").parse().unwrap());
    options.limits.connect_time = Duration::from_millis(50);
    let proxy = start(options).await;
    proxy.raw(b"CONNECT other.example:7 HTTP/1.1\r\n\r\n").await;
    let story = proxy.finish().await;
    assert!(story.0.iter().any(|event| matches!(event, Event::Looked(_))));
    let timings = story.0.iter().find_map(|event| match event {
        Event::Closed(closed) => Some(closed.timings.dns),
        _ => None,
    });
    assert_eq!(timings, Some(None));
}
