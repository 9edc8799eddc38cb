//! Writes small MMDB files (MaxMind DB File Format 2.0) for tests: sound ones of any schema, which
//! tests then break.

use flow::network::Network;
use std::net::IpAddr;

/// A value of the data section.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Text(&'static str),
    Short(u16),
    Number(u32),
    Long(u64),
    Truth(bool),
    List(Vec<Self>),
    Map(Vec<(&'static str, Self)>),
}

/// A sound file with these networks, none of which contains another.
pub(crate) fn write(
    ip_version: u16,
    database_type: &'static str,
    networks: &[(&str, Value)],
) -> Vec<u8> {
    let mut nodes = vec![[Child::Nothing; 2]];
    let mut data = Vec::new();
    for (network, value) in networks {
        let offset = data.len();
        encode(value, &mut data);
        insert(&mut nodes, &path(network.parse().unwrap(), ip_version), offset);
    }
    assemble(ip_version, database_type, &nodes, &data)
}

/// A file whose tree of 128 nodes has 2^128 leaves, because both children are the same each time.
pub(crate) fn write_endless() -> Vec<u8> {
    let mut data = Vec::new();
    encode(&Value::Map(vec![("country_code", Value::Text("CN"))]), &mut data);
    let nodes: Vec<_> = (1..=128)
        .map(|next| if next < 128 { [Child::Node(next); 2] } else { [Child::Data(0); 2] })
        .collect();
    assemble(6, "test", &nodes, &data)
}

#[derive(Clone, Copy)]
enum Child {
    Nothing,
    Node(usize),
    Data(usize),
}

fn path(network: Network, ip_version: u16) -> Vec<usize> {
    let (bits, width) = match network.address() {
        IpAddr::V4(ip) => (u128::from(u32::from(ip)), 32),
        IpAddr::V6(ip) => (u128::from(ip), 128),
    };
    let prefix = u32::from(network.prefix());
    let below = (0..prefix).map(|at| usize::from(bits >> (width - 1 - at) & 1 == 1));
    // In a file for both families, IPv4 lies below ::/96.
    let above = if ip_version == 6 && width == 32 { 96 } else { 0 };
    std::iter::repeat_n(0, above).chain(below).collect()
}

fn insert(nodes: &mut Vec<[Child; 2]>, path: &[usize], offset: usize) {
    let (last, above) = path.split_last().unwrap();
    let mut node = 0;
    for bit in above {
        node = match nodes[node][*bit] {
            Child::Node(next) => next,
            _ => {
                nodes.push([Child::Nothing; 2]);
                let next = nodes.len() - 1;
                nodes[node][*bit] = Child::Node(next);
                next
            }
        };
    }
    nodes[node][*last] = Child::Data(offset);
}

fn assemble(
    ip_version: u16,
    database_type: &'static str,
    nodes: &[[Child; 2]],
    data: &[u8],
) -> Vec<u8> {
    let mut file = Vec::new();
    for child in nodes.iter().flatten() {
        let record = match child {
            Child::Nothing => nodes.len(),
            Child::Node(next) => *next,
            Child::Data(offset) => nodes.len() + 16 + offset,
        };
        file.extend_from_slice(&u32::try_from(record).unwrap().to_be_bytes()[1..]);
    }
    file.extend_from_slice(&[0; 16]);
    file.extend_from_slice(data);
    file.extend_from_slice(b"\xab\xcd\xefMaxMind.com");
    let metadata = Value::Map(vec![
        ("binary_format_major_version", Value::Short(2)),
        ("binary_format_minor_version", Value::Short(0)),
        ("build_epoch", Value::Long(1_780_272_000)),
        ("database_type", Value::Text(database_type)),
        ("description", Value::Map(vec![])),
        ("ip_version", Value::Short(ip_version)),
        ("languages", Value::List(vec![])),
        ("node_count", Value::Number(u32::try_from(nodes.len()).unwrap())),
        ("record_size", Value::Short(24)),
    ]);
    encode(&metadata, &mut file);
    file
}

fn encode(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Text(text) => {
            control(2, text.len(), out);
            out.extend_from_slice(text.as_bytes());
        }
        Value::Short(number) => {
            control(5, 2, out);
            out.extend_from_slice(&number.to_be_bytes());
        }
        Value::Long(number) => {
            control(9, 8, out);
            out.extend_from_slice(&number.to_be_bytes());
        }
        Value::Number(number) => {
            control(6, 4, out);
            out.extend_from_slice(&number.to_be_bytes());
        }
        Value::Truth(truth) => control(14, usize::from(*truth), out),
        Value::List(values) => {
            control(11, values.len(), out);
            values.iter().for_each(|value| encode(value, out));
        }
        Value::Map(pairs) => {
            control(7, pairs.len(), out);
            for (key, value) in pairs {
                encode(&Value::Text(key), out);
                encode(value, out);
            }
        }
    }
}

/// The control byte of a type and size; types above 7 take a byte more, sizes from 29 too.
fn control(kind: u8, size: usize, out: &mut Vec<u8>) {
    let (short, more) = match u8::try_from(size) {
        Ok(size @ 0..=28) => (size, None),
        Ok(size) => (29, Some(size - 29)),
        Err(_) => panic!("a test value is too long"),
    };
    match kind {
        1..=7 => out.push(kind << 5 | short),
        _ => out.extend([short, kind - 7]),
    }
    out.extend(more);
}
