//! What people see while events flow: one line that is renewed on a terminal, plain lines now and
//! then elsewhere.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use super::watch::Seen;

/// Writes progress to stdout.
#[derive(Debug)]
pub(super) struct Progress {
    on_terminal: bool,
    last: Option<(Duration, Seen)>,
}

/// Without a terminal a line is written this often, and when nothing changes less so.
const PLAIN_BEAT: Duration = Duration::from_secs(5);
const QUIET_BEAT: Duration = Duration::from_secs(60);

impl Progress {
    pub(super) fn new() -> Self {
        Self {
            on_terminal: std::io::stdout().is_terminal(),
            last: None,
        }
    }

    /// Shows what was seen at `now`, if it is time to.
    pub(super) fn show(&mut self, now: Duration, seen: Seen) {
        let mut out = std::io::stdout().lock();
        // A terminal that went away is no reason to stop the demo.
        let _ = if self.on_terminal {
            write!(out, "\r\x1b[K{}", line(seen)).and_then(|()| out.flush())
        } else if self.is_due(now, seen) {
            self.last = Some((now, seen));
            writeln!(out, "{}", line(seen)).and_then(|()| out.flush())
        } else {
            Ok(())
        };
    }

    fn is_due(&self, now: Duration, seen: Seen) -> bool {
        let Some((then, last)) = self.last else {
            return true;
        };
        let beat = if seen == last { QUIET_BEAT } else { PLAIN_BEAT };
        now.saturating_sub(then) >= beat
    }
}

/// Says something that stays, behind whatever line is being renewed.
pub(super) fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    let clear = if std::io::stdout().is_terminal() {
        "\r\x1b[K"
    } else {
        ""
    };
    // A terminal that went away is no reason to stop the demo.
    let _ = writeln!(out, "{clear}{text}").and_then(|()| out.flush());
}

fn line(seen: Seen) -> String {
    format!(
        "events in {}  committed {}  lag {}  snapshots {}  model runs {}",
        grouped(seen.events),
        grouped(seen.committed),
        grouped(seen.lag()),
        seen.snapshots,
        seen.runs
    )
}

/// 1234567 as 1,234,567.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_can_be_read() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_000), "1,000");
        assert_eq!(grouped(12_345_678), "12,345,678");
    }

    #[test]
    fn plain_lines_come_now_and_then() {
        let seen = |events| Seen {
            events,
            ..Seen::default()
        };
        let progress = Progress {
            on_terminal: false,
            last: Some((Duration::from_secs(10), seen(5))),
        };
        assert!(!progress.is_due(Duration::from_secs(12), seen(6)));
        assert!(progress.is_due(Duration::from_secs(15), seen(6)));
        assert!(!progress.is_due(Duration::from_secs(15), seen(5)));
        assert!(progress.is_due(Duration::from_secs(70), seen(5)));
    }
}
