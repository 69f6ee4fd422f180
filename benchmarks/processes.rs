//! What a server's process and its children use, as the kernel has it (proc(5)).

use std::collections::BTreeSet;
use std::time::Duration;

/// CPU time, user and system, of a process, its children that live and those that it has reaped;
/// in steps of 10 ms.
pub fn cpu(root: u32) -> Duration {
    let ticks = tree(root).into_iter().filter_map(|pid| {
        let fields = stat(pid)?;
        let own = fields[11] + fields[12];
        Some(own + fields[13] + fields[14])
    });
    Duration::from_millis(10 * ticks.sum::<u64>())
}

/// Memory of its own that it holds (no files, no shared memory), in bytes.
pub fn anonymous_bytes(root: u32) -> u64 {
    let kilobytes = tree(root).into_iter().filter_map(|pid| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let line = status.lines().find(|line| line.starts_with("RssAnon:"))?;
        line.split_ascii_whitespace().nth(1)?.parse::<u64>().ok()
    });
    1_024 * kilobytes.sum::<u64>()
}

fn tree(root: u32) -> BTreeSet<u32> {
    let mut found = BTreeSet::from([root]);
    let all: Vec<(u32, u32)> = std::fs::read_dir("/proc")
        .expect("Linux")
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(|pid| Some((pid, u32::try_from(stat(pid)?[1]).ok()?)))
        .collect();
    loop {
        let before = found.len();
        let children = all.iter().filter(|(_, parent)| found.contains(parent));
        let children: Vec<u32> = children.map(|(pid, _)| *pid).collect();
        found.extend(children);
        if found.len() == before {
            return found;
        }
    }
}

/// The fields after the name; what isn't a number is 0.
fn stat(pid: u32) -> Option<Vec<u64>> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, after_name) = text.rsplit_once(") ")?;
    let fields = after_name.split_ascii_whitespace();
    Some(fields.map(|field| field.parse().unwrap_or(0)).collect())
}
