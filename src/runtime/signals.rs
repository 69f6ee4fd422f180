//! SIGINT and SIGTERM: the first asks for an ordered stop, the second ends the process at once.

use std::future::Future;

use tokio::signal::unix::{SignalKind, signal};

/// Exit code of a process that a second signal ended.
pub const CUT_SHORT: i32 = 130;

/// Ends at the first SIGINT or SIGTERM with its name; from then on another one exits the process.
///
/// The handlers are in place when this returns, not when the future is first polled.
pub fn stop_signal() -> std::io::Result<impl Future<Output = &'static str> + Send> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        let first = tokio::select! {
            _ = interrupt.recv() => "SIGINT",
            _ = terminate.recv() => "SIGTERM",
        };
        tokio::spawn(async move {
            tokio::select! {
                _ = interrupt.recv() => (),
                _ = terminate.recv() => (),
            }
            eprintln!(
                "frazil: second signal, ending at once; what was not committed is read again at the next start"
            );
            std::process::exit(CUT_SHORT);
        });
        first
    })
}
