//! Bounds what the demo takes of the disk: while its folder is larger than it may be, the producer
//! pauses. Upkeep makes room, or a larger limit does.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::folder::Folder;
use super::producer::Figures;
use super::progress::say;
use crate::seams::Clock;

const BEAT: Duration = Duration::from_secs(10);

pub(super) struct Guard {
    pub path: PathBuf,
    pub limit_bytes: u64,
    pub clock: Arc<dyn Clock>,
    pub figures: Arc<Figures>,
}

impl Guard {
    /// Looks again and again until it is told to stop.
    pub(super) async fn run(self, stop: CancellationToken) -> Result<(), String> {
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = self.clock.sleep(BEAT) => {}
            }
            self.look().await?;
        }
    }

    /// Measures the folder. Once before the producer starts: a full folder grows by nothing.
    pub(super) async fn look(&self) -> Result<(), String> {
        let path = self.path.clone();
        let bytes = tokio::task::spawn_blocking(move || Folder::bytes(&path))
            .await
            .map_err(|error| error.to_string())?;
        let is_full = bytes > self.limit_bytes;
        if is_full == self.figures.is_paused.swap(is_full, Ordering::Relaxed) {
            return Ok(());
        }
        tracing::warn!(bytes, self.limit_bytes, is_full, "disk limit");
        if is_full {
            say(&format!(
                "\nthe folder has {} MiB and reached its limit of {} MiB: the producer pauses \
                 until upkeep makes room; --disk-limit raises it",
                bytes.div_ceil(1 << 20),
                self.limit_bytes >> 20
            ));
        } else {
            say("\nthere is room again: the producer goes on");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seams::SystemClock;

    #[tokio::test]
    async fn the_producer_pauses_while_the_folder_is_too_large() {
        let folder = tempfile::tempdir().unwrap();
        let guard = Guard {
            path: folder.path().to_owned(),
            limit_bytes: 1_000,
            clock: Arc::new(SystemClock::default()),
            figures: Arc::default(),
        };
        let is_paused = || guard.figures.is_paused.load(Ordering::Relaxed);
        std::fs::create_dir(folder.path().join("deep")).unwrap();
        let file = folder.path().join("deep/file");
        for (bytes, full) in [(1_000, false), (1_001, true), (5_000, true), (10, false)] {
            std::fs::write(&file, vec![0; bytes]).unwrap();
            guard.look().await.unwrap();
            assert_eq!(is_paused(), full, "{bytes}");
        }
    }
}
