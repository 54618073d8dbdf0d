//! The sockets on which a process group listens, as `/proc` shows them (Linux, proc(5)).

use std::{collections::BTreeSet, fs, path::Path};

/// The state of a listening socket in `/proc/<pid>/net/tcp`.
const LISTEN: &str = "0A";

/// The TCP ports on which the processes of a group listen, sorted; `None` if they cannot be seen.
pub(super) fn listening(group: i32) -> Option<Vec<u16>> {
    let members: Vec<_> = fs::read_dir("/proc")
        .ok()?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| group_of(path) == Some(group))
        .collect();
    let mut ports = BTreeSet::new();
    for process in &members {
        let held = sockets_of(process)?;
        for table in ["net/tcp", "net/tcp6"] {
            let table = fs::read_to_string(process.join(table)).unwrap_or_default();
            let open = listeners(&table);
            ports.extend(
                open.filter(|(_, inode)| held.contains(inode))
                    .map(|(port, _)| port),
            );
        }
    }
    (!members.is_empty()).then(|| ports.into_iter().collect())
}

/// The group of the process of a folder in `/proc`.
fn group_of(process: &Path) -> Option<i32> {
    let text = fs::read_to_string(process.join("stat")).ok()?;
    // The name, in parentheses, can contain spaces; state, parent and group follow.
    let (_, rest) = text.rsplit_once(')')?;
    rest.split_whitespace().nth(2)?.parse().ok()
}

/// The inodes of the sockets that a process has open.
fn sockets_of(process: &Path) -> Option<BTreeSet<String>> {
    let open = fs::read_dir(process.join("fd")).ok()?.flatten();
    let targets = open.filter_map(|entry| fs::read_link(entry.path()).ok());
    let inode = |target: std::path::PathBuf| {
        let target = target.display().to_string();
        let inode = target.strip_prefix("socket:[")?.strip_suffix(']')?;
        Some(inode.to_owned())
    };
    Some(targets.filter_map(inode).collect())
}

/// Port and inode of each listening socket in a table.
fn listeners(table: &str) -> impl Iterator<Item = (u16, String)> {
    table.lines().skip(1).filter_map(|line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let [_, local, _, state, _, _, _, _, _, inode, ..] = fields.as_slice() else {
            return None;
        };
        let (_, port) = local.rsplit_once(':')?;
        let port = u16::from_str_radix(port, 16).ok()?;
        (*state == LISTEN).then(|| (port, (*inode).to_owned()))
    })
}

#[cfg(test)]
mod tests {
    use super::listeners;

    #[test]
    fn a_table_tells_who_listens_and_who_only_talks() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 x\n   1: 0100007F:1F91 0100007F:2328 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 x\n";
        let found: Vec<_> = listeners(table).collect();
        assert_eq!(found, [(8080, "4711".to_owned())]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_ports_of_a_process_group_are_found() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let group = rustix::process::getpgrp().as_raw_nonzero().get();
        assert!(super::listening(group).unwrap().contains(&port));
    }
}
