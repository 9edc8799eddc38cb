//! The load over HTTP/2: 4 connections of 32 streams each.

use crate::certificates::HOST;
use crate::load::{SMALL_BYTES, all, take};
use crate::measure::{Meter, Sample, at_rest};
use crate::problem::Problem;
use crate::subject::Subject;
use bytes::Bytes;
use h2::client::SendRequest;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use tokio::task::JoinSet;

/// Requests one after the other on each stream's place.
pub(crate) async fn keep_alive(subject: &Subject, requests: usize) -> Result<Sample, Problem> {
    let mut driving = JoinSet::new();
    let mut senders = Vec::new();
    for _ in 0..CONNECTIONS {
        let stream = subject.way.http2(HOST).await?;
        let (sender, connection) = h2::client::Builder::new()
            .initial_connection_window_size(16 << 20)
            .handshake::<_, Bytes>(stream)
            .await?;
        driving.spawn(async move { drop(connection.await) });
        get(&sender).await?;
        senders.push(sender);
    }
    at_rest(subject).await;
    let left = Arc::new(AtomicUsize::new(requests));
    let meter = Meter::begin(subject);
    let mut tasks = JoinSet::new();
    for sender in senders.iter().flat_map(|sender| std::iter::repeat_n(sender, STREAMS)) {
        let (sender, left) = (sender.clone(), Arc::clone(&left));
        tasks.spawn(async move {
            while take(&left) {
                get(&sender).await?;
            }
            Ok(())
        });
    }
    all(tasks).await?;
    let sample = meter.end(requests as f64).await;
    drop(senders);
    Ok(sample)
}

async fn get(sender: &SendRequest<Bytes>) -> Result<(), Problem> {
    let request = http::Request::get(format!("https://{HOST}/{SMALL_BYTES}"))
        .version(http::Version::HTTP_2)
        .header("user-agent", "bench/1")
        .header("accept", "*/*")
        .header("accept-encoding", "gzip")
        .body(())?;
    let mut sender = sender.clone().ready().await?;
    let (response, _) = sender.send_request(request, true)?;
    let response = response.await?;
    if response.status() != http::StatusCode::OK {
        return Err(format!("the answer was {}", response.status()).into());
    }
    let mut body = response.into_body();
    while let Some(piece) = body.data().await {
        let length = piece?.len();
        body.flow_control().release_capacity(length)?;
    }
    Ok(())
}

const CONNECTIONS: usize = 4;
const STREAMS: usize = 32;
