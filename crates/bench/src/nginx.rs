//! nginx as a TLS-terminating reverse proxy, which is what most people know the price of.

use crate::certificates::{KEY, LEAF};
use crate::problem::Problem;
use crate::process::Running;
use crate::programs;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

/// Starts it. Without `keepalive` each request to the upstream is a connection of its own.
pub(crate) async fn start(
    binary: &Path,
    certificates: &Path,
    directory: &Path,
    upstream: SocketAddr,
    keepalive: bool,
) -> Result<(Running, SocketAddr), Problem> {
    let address = programs::free_port().await?;
    let text = config(certificates, directory, address, upstream, keepalive)?;
    let file = directory.join("nginx.conf");
    std::fs::write(&file, text)?;
    let mut command = Command::new(binary);
    command.arg("-p").arg(directory).arg("-c").arg(&file);
    Ok((programs::start(&mut command, address).await?, address))
}

fn config(
    certificates: &Path,
    directory: &Path,
    address: SocketAddr,
    upstream: SocketAddr,
    keepalive: bool,
) -> Result<String, Problem> {
    let is_root = std::fs::metadata("/proc/self")?.uid() == 0;
    let user = if is_root { "user root;" } else { "" };
    let (leaf, key) = (certificates.join(LEAF), certificates.join(KEY));
    let (leaf, key, place) = (leaf.display(), key.display(), directory.display());
    let pool = if keepalive { "keepalive 256; keepalive_requests 1000000000;" } else { "" };
    let connection = if keepalive { "\"\"" } else { "close" };
    Ok(format!(
        r#"daemon off; {user} worker_processes 1; pid {place}/nginx.pid; error_log /dev/null;
events {{ worker_connections 8192; }}
http {{
    access_log off;
    client_body_temp_path {place}/body; proxy_temp_path {place}/proxy;
    fastcgi_temp_path {place}/fastcgi; uwsgi_temp_path {place}/uwsgi; scgi_temp_path {place}/scgi;
    keepalive_requests 1000000000; keepalive_timeout 600s; tcp_nodelay on;
    ssl_protocols TLSv1.3; ssl_session_tickets off; ssl_session_cache off;
    upstream origin {{ server {upstream}; {pool} }}
    server {{
        listen {address} ssl http2 backlog=4096;
        ssl_certificate {leaf}; ssl_certificate_key {key};
        client_max_body_size 0; http2_max_concurrent_streams 256;
        location / {{
            proxy_pass https://origin; proxy_http_version 1.1;
            proxy_set_header Connection {connection}; proxy_set_header Host $host;
            proxy_ssl_protocols TLSv1.3; proxy_ssl_session_reuse off;
            proxy_ssl_server_name on; proxy_ssl_name $host;
            proxy_max_temp_file_size 0; proxy_request_buffering off;
        }}
    }}
}}
"#
    ))
}
