//! A table held at one snapshot.

/// What all statements of a session read of a pinned table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Pin {
    /// None: as if the table had no snapshot.
    pub snapshot_id: Option<i64>,
    /// Only data files that were added with a higher data sequence number than this: what an
    /// incremental reader that had come so far has not seen yet.
    pub after_sequence_number: Option<i64>,
}
