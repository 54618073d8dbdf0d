//! Ports for programs that the suite starts and that are given a port to listen on.
//!
//! Such a program binds its port some time after the suite chose it. The suite therefore avoids the ephemeral ports
//! (from 32768 on Linux, from 49152 elsewhere: ip(7), RFC 6335). The system could give one to another program in the
//! meantime, and that program would receive the target's requests.

use std::{
    io::{self, ErrorKind},
    net::{Ipv4Addr, TcpListener},
    sync::{
        LazyLock,
        atomic::{AtomicU16, Ordering},
    },
};

/// Below the ephemeral ports, and below those of Kubernetes (from 30000).
const FIRST: u16 = 20_000;
/// The number of pairs to choose from.
const PAIRS: u16 = 5_000;

/// A free port of 127.0.0.1 that this process does not use again soon.
///
/// # Errors
/// If all ports are in use, or the suite cannot listen on them.
pub fn free_port() -> io::Result<u16> {
    free(1)
}

/// The first of two adjacent free ports.
///
/// # Errors
/// As [`free_port`].
pub fn free_port_pair() -> io::Result<u16> {
    free(2)
}

fn free(count: u16) -> io::Result<u16> {
    // Concurrent runs begin at different places.
    static NEXT: LazyLock<AtomicU16> =
        LazyLock::new(|| AtomicU16::new(rand::random_range(0..PAIRS)));
    for _ in 0..PAIRS {
        let port = FIRST + 2 * (NEXT.fetch_add(1, Ordering::Relaxed) % PAIRS);
        let listen = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map(drop);
        match (port..port + count).try_for_each(listen) {
            Ok(()) => return Ok(port),
            Err(error) if error.kind() == ErrorKind::AddrInUse => {}
            Err(error) => return Err(error),
        }
    }
    Err(ErrorKind::AddrInUse.into())
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, net::TcpListener};

    use super::{PAIRS, free_port, free_port_pair};

    #[test]
    fn a_port_is_none_that_the_system_hands_out_and_is_not_given_twice() {
        let ports: BTreeSet<_> = (0..500).map(|_| free_port().unwrap()).collect();
        assert_eq!(ports.len(), 500);
        assert!(*ports.last().unwrap() < 30_000);
    }

    #[test]
    fn a_port_that_is_taken_is_left_out() {
        let held = TcpListener::bind(("127.0.0.1", free_port_pair().unwrap() + 1)).unwrap();
        let taken = held.local_addr().unwrap().port();
        for _ in 0..PAIRS {
            assert_ne!(free_port_pair().unwrap() + 1, taken);
        }
    }
}
