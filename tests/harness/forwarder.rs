//! For clients that know no proxies (nghttp, h2load): a local port each of whose connections is
//! taken through the proxy to one target.

use crate::device::Device;
use crate::origin::Origin;
use std::net::SocketAddr;

/// The local port; it closes when dropped.
pub struct Forwarder {
    entrance: Origin,
}

impl Forwarder {
    pub async fn start(device: &Device, target: &str) -> Self {
        let (device, target) = (device.clone(), target.to_owned());
        let entrance = Origin::plain(move |mut inside| {
            let (device, target) = (device.clone(), target.clone());
            async move {
                let (head, mut outside) = device.connect(&target).await;
                assert!(head.starts_with("HTTP/1.1 200"), "{head}");
                tokio::io::copy_bidirectional(&mut inside, &mut outside).await.ok();
            }
        })
        .await;
        Self { entrance }
    }

    pub fn socket(&self) -> SocketAddr {
        self.entrance.socket()
    }
}
