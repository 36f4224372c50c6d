//! Signs that a process is ready.

use std::fs;
use std::os::fd::BorrowedFd;

use netwright_dataplane::kernel::within;

/// Number of a TCP socket's state in which it listens, as the kernel lists it.
const LISTENS: &str = "0A";
/// That of a UDP socket that is bound and not connected.
const BOUND: &str = "07";

/// Whether something listens on a port in a namespace: the kernel is asked, so that what listens is not troubled.
pub(crate) fn listens(space: BorrowedFd<'_>, protocol: u8, port: u16) -> bool {
    let (files, state) = match protocol {
        6 => (["tcp", "tcp6"], LISTENS),
        _ => (["udp", "udp6"], BOUND),
    };
    within(space, || {
        files.iter().any(|file| {
            let text = fs::read_to_string(format!("/proc/thread-self/net/{file}"));
            listed(&text.unwrap_or_default(), port, state)
        })
    })
    .unwrap_or(false)
}

/// Whether a list of sockets holds one of a port in a state.
fn listed(text: &str, port: u16, state: &str) -> bool {
    let end = format!(":{port:04X}");
    text.lines().skip(1).any(|line| {
        let mut words = line.split_whitespace().skip(1);
        words.next().is_some_and(|own| own.ends_with(&end)) && words.nth(1) == Some(state)
    })
}

#[cfg(test)]
mod tests {
    use super::{BOUND, LISTENS, listed};

    const TCP: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
   1: 0100007F:1F91 0100007F:0050 01 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
";

    #[test]
    fn a_socket_that_listens_is_told_from_one_that_is_connected() {
        assert!(listed(TCP, 8080, LISTENS));
        assert!(!listed(TCP, 8081, LISTENS) && !listed(TCP, 80, LISTENS));
        assert!(!listed(TCP, 8080, BOUND));
    }
}
