use super::*;
use crate::wire::Wire;
use flow::limits::Limits;
use flow::time::{Clock, MonoNanos, WallNanos};
use std::sync::atomic::AtomicUsize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

struct Still;

impl Clock for Still {
    fn now(&self) -> Stamp {
        Stamp { wall: WallNanos(0), mono: MonoNanos(0) }
    }
}

/// As when a server sends nothing but records without plaintext: no pump waits for the recorder then.
#[tokio::test]
async fn a_recorder_that_takes_nothing_holds_up_a_wire_without_plaintext() {
    const SENT: usize = 4 << 20;
    const WAITING: usize = 8 << 10;
    const IN_FLIGHT: usize = 4 << 10;
    let (sender, mut receiver) = feed::channel(IN_FLIGHT);
    let journal = Journal::new(ConnectionId(1), Arc::new(Still), sender);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (tcp, _) = listener.accept().await.unwrap();
    let mut wire = Wire::new(tcp, Limits::default().keepalive_time);
    wire.copy_to(journal.keep(Leg::Upstream, Direction::Down, WAITING));
    let sending = tokio::spawn(async move {
        peer.write_all(&vec![7; SENT]).await.unwrap();
    });
    let passed = AtomicUsize::new(0);
    let reading = async {
        let mut buffer = [0; 4096];
        while let Ok(length @ 1..) = wire.read(&mut buffer).await {
            passed.fetch_add(length, Ordering::Relaxed);
        }
    };
    let mut recording = Box::pin(journal.recording(reading));
    // However long it takes, something has passed by then and no more than the bounds allow.
    let turns = (0..100).take_while(|_| passed.load(Ordering::Relaxed) == 0);
    for _ in turns {
        let stalled = tokio::time::timeout(Duration::from_millis(200), &mut recording).await;
        assert!(stalled.is_err());
    }
    let (some, most) = (passed.load(Ordering::Relaxed), IN_FLIGHT + 3 * (WAITING + 4096));
    assert!((1..=most).contains(&some), "{some} of {most}");
    let taking = tokio::spawn(async move {
        let (mut kept, mut batch) = (0, Vec::new());
        while receiver.recv_many(&mut batch, 64).await > 0 {
            let chunks = batch.drain(..).filter_map(|event| match event {
                Event::Chunk(chunk) => Some(chunk),
                _ => None,
            });
            kept += chunks.map(|chunk| chunk.bytes.len()).sum::<usize>();
        }
        kept
    });
    recording.await.unwrap();
    journal.finish(Outcome::Completed).await.unwrap();
    sending.await.unwrap();
    assert_eq!(taking.await.unwrap(), SENT, "nothing is lost");
}
