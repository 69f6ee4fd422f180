//! Writing to stdout: a reader that went away (`| head`) is an end, not an error.

use std::io;

/// True when the reader is still there, false when it went away.
pub(super) fn written(result: io::Result<()>) -> io::Result<bool> {
    match result {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error),
    }
}
