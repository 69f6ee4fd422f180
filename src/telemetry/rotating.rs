//! A log file of bounded size: when it is full it becomes `….1`, and the `….1` before it goes.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

/// A file that is appended to and kept below a size.
#[derive(Debug)]
pub struct RotatingFile {
    path: PathBuf,
    file: File,
    bytes: u64,
    largest_bytes: u64,
}

impl RotatingFile {
    pub fn open(path: &Path, largest_bytes: u64) -> std::io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let bytes = file.metadata()?.len();
        Ok(Self {
            path: path.to_owned(),
            file,
            bytes,
            largest_bytes,
        })
    }

    fn rotate(&mut self) -> std::io::Result<()> {
        let mut old = self.path.clone().into_os_string();
        old.push(".1");
        std::fs::rename(&self.path, old)?;
        self.file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.path)?;
        self.bytes = 0;
        Ok(())
    }
}

impl Write for RotatingFile {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if self.bytes > 0 && self.bytes.saturating_add(length) > self.largest_bytes {
            self.rotate()?;
        }
        let written = self.file.write(bytes)?;
        self.bytes += u64::try_from(written).unwrap_or(u64::MAX);
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stays_small_and_keeps_the_newest() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("frazil.log");
        let mut file = RotatingFile::open(&path, 100).unwrap();
        for number in 0..50 {
            writeln!(file, "line number {number:03}").unwrap();
        }
        drop(file);
        let mut file = RotatingFile::open(&path, 100).unwrap();
        writeln!(file, "line number 050").unwrap();
        let new = std::fs::read_to_string(&path).unwrap();
        let old = std::fs::read_to_string(folder.path().join("frazil.log.1")).unwrap();
        assert!(new.len() <= 100 && old.len() <= 100);
        let all = old + &new;
        assert!(all.ends_with("line number 049\nline number 050\n"), "{all}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}
