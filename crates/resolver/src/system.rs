//! The system's DNS configuration, read once: its servers and its hosts file. Search domains are not
//! used, because a device asks for whole names.

use crate::error::Error;
use hickory_resolver::Hosts;
use hickory_resolver::net::NetError;
use hickory_resolver::system_conf::read_system_conf;
use std::io::ErrorKind;
use std::net::SocketAddr;

/// The system's servers in their order. A machine without any is no error, for it may still have
/// its overrides and literal addresses: every look-up then says that there is no server.
pub(crate) fn servers() -> Result<Vec<SocketAddr>, Error> {
    let config = match read_system_conf() {
        Ok((config, _options)) => config,
        // `Other` is how hickory says that no server is named.
        Err(NetError::Io(error))
            if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Other) =>
        {
            tracing::warn!(%error, "No DNS server is configured on this system");
            return Ok(Vec::new());
        }
        Err(source) => return Err(Error::SystemConfiguration { source }),
    };
    let mut servers = Vec::new();
    for server in config.name_servers() {
        let port = server.connections.first().map_or(DNS_PORT, |connection| connection.port);
        let address = SocketAddr::new(server.ip, port);
        if !servers.contains(&address) {
            servers.push(address);
        }
    }
    Ok(servers)
}

/// The system's hosts file; empty when there is none.
pub(crate) fn hosts() -> Result<Hosts, Error> {
    match Hosts::from_system() {
        Ok(hosts) => Ok(hosts),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Hosts::default()),
        Err(source) => Err(Error::HostsFile { source }),
    }
}

const DNS_PORT: u16 = 53;
