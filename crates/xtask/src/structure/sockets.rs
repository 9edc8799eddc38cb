//! Who may open sockets: few, named crates, so that the rest can be read without thinking of the
//! network.

use super::text::TextFile;

pub(crate) fn problems(files: &[TextFile]) -> Vec<String> {
    let mut problems = Vec::new();
    for file in files.iter().filter(|file| file.has_extension("rs")) {
        if !file.path.starts_with("crates/") || may_open(&file.path) {
            continue;
        }
        let found = SIGNS.iter().find(|sign| file.text.contains(**sign));
        if let Some(sign) = found {
            problems.push(format!("{}: {sign}, but it is not one to open sockets", file.path));
        }
    }
    problems
}

fn may_open(path: &str) -> bool {
    MAY_OPEN.iter().any(|allowed| path.starts_with(allowed))
}

const MAY_OPEN: &[&str] = &[
    "crates/proxy/",
    "crates/resolver/",
    // The simulated phone and servers.
    "crates/demo/",
    // Load, origin and the proxies that it is compared with.
    "crates/bench/",
    // Newer databases, on the command of the user alone.
    "crates/landfall/src/fetch/",
    // Tries whether the port can be bound.
    "crates/landfall/src/commands/doctor",
    // This list.
    "crates/xtask/src/structure/sockets.rs",
];

const SIGNS: &[&str] = &[
    "TcpStream",
    "TcpListener",
    "TcpSocket",
    "UdpSocket",
    "UnixStream",
    "UnixListener",
    "UnixDatagram",
    "socket2::",
    "ToSocketAddrs",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(path: &str, text: &str, sound: bool) {
        let file = TextFile { path: path.to_owned(), text: text.to_owned() };
        assert_eq!(problems(&[file]).is_empty(), sound, "{path}");
    }

    #[test]
    fn only_the_named_crates_open_sockets() {
        check("crates/proxy/src/accept.rs", "use tokio::net::TcpListener;", true);
        check("crates/recorder/src/run.rs", "use tokio::net::TcpListener;", false);
        check("crates/recorder/src/run.rs", "use std::net::SocketAddr;", true);
        check("tests/origin.rs", "use tokio::net::TcpListener;", true);
    }
}
