//! Writes small IPFire location databases (libloc format, version 1) for tests: sound ones, which
//! tests then break.

use flow::network::Network;
use std::net::IpAddr;

/// A sound file with these networks (country, AS number) and one AS, not signed.
pub(crate) fn write(networks: &[(&str, &[u8; 2], u32)]) -> Vec<u8> {
    let pool = b"vendor\0description\0licence\0Name of an AS\0Country\0".to_vec();
    let mut nodes = vec![[0_u32, 0, u32::MAX]];
    let mut table = Vec::new();
    for (index, (network, country, asn)) in (0..).zip(networks) {
        let network: Network = network.parse().unwrap();
        let mut node = 0;
        for bit in path(network) {
            if nodes[node][bit] == 0 {
                nodes.push([0, 0, u32::MAX]);
                nodes[node][bit] = u32::try_from(nodes.len() - 1).unwrap();
            }
            node = nodes[node][bit] as usize;
        }
        nodes[node][2] = index;
        table.extend(country.iter().chain(&[0, 0]));
        table.extend(asn.to_be_bytes());
        table.extend([0; 4]);
    }
    let systems = [64_500_u32, 27].map(u32::to_be_bytes).concat();
    let countries = [b"CNAS".to_vec(), 41_u32.to_be_bytes().to_vec()].concat();
    let nodes: Vec<u8> = nodes.iter().flatten().flat_map(|number| number.to_be_bytes()).collect();
    let mut file = b"LOCDBXX\x01".to_vec();
    file.extend(1_780_272_000_u64.to_be_bytes());
    file.extend([0_u32, 7, 19].map(u32::to_be_bytes).concat());
    let mut at = 8192_u32;
    for part in [&systems, &table, &nodes, &countries, &pool] {
        let length = u32::try_from(part.len()).unwrap();
        file.extend(at.to_be_bytes());
        file.extend(length.to_be_bytes());
        at += length;
    }
    file.resize(8192, 0);
    [file, systems, table, nodes, countries, pool].concat()
}

/// Which child to take at each node. IPv4 lies below `::ffff:0:0/96`.
fn path(network: Network) -> Vec<usize> {
    let (bits, length) = match network.address() {
        IpAddr::V4(ip) => (u128::from(ip.to_ipv6_mapped()), 96 + u32::from(network.prefix())),
        IpAddr::V6(ip) => (u128::from(ip), u32::from(network.prefix())),
    };
    (0..length).map(|at| usize::from(bits >> (127 - at) & 1 == 1)).collect()
}
