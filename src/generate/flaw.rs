//! Malformed records: ways in which real producers spoil theirs. All stay one line.

use std::ops::Range;

use super::draw::Draw;
use super::encode::Parts;

/// What is wrong with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    CutOff,
    NotJson,
    NotAnObject,
    MissingEventId,
    NullType,
    TimestampOfWrongType,
    TimestampNoTime,
    PropertiesOfWrongType,
    NotUtf8,
}

const FLAWS: [Flaw; 9] = [
    Flaw::CutOff,
    Flaw::NotJson,
    Flaw::NotAnObject,
    Flaw::MissingEventId,
    Flaw::NullType,
    Flaw::TimestampOfWrongType,
    Flaw::TimestampNoTime,
    Flaw::PropertiesOfWrongType,
    Flaw::NotUtf8,
];

impl Flaw {
    pub(super) fn pick(draw: &mut Draw) -> Self {
        FLAWS[draw.below(FLAWS.len() as u64) as usize]
    }

    /// Spoils the record that lies in `out` from `start` on.
    pub(super) fn apply(self, out: &mut Vec<u8>, start: usize, parts: &Parts) {
        let length = out.len() - start;
        match self {
            Self::CutOff => out.truncate(start + length * 3 / 5),
            Self::NotJson => replace(
                out,
                start,
                0..length,
                b"<event><type>page_view</type></event>",
            ),
            Self::NotAnObject => {
                out.insert(start, b'[');
                out.push(b']');
            }
            Self::MissingEventId => replace(out, start, parts.event_id.clone(), b""),
            Self::NullType => replace(out, start, parts.kind.clone(), b"null"),
            Self::TimestampOfWrongType => {
                replace(out, start, parts.timestamp.clone(), b"{\"at\":\"noon\"}");
            }
            Self::TimestampNoTime => replace(out, start, parts.timestamp.clone(), b"\"yesterday\""),
            Self::PropertiesOfWrongType => {
                replace(out, start, parts.properties.clone(), b"\"page=/deals\"");
            }
            Self::NotUtf8 => {
                // A Latin-1 name where UTF-8 was promised.
                replace(out, start, parts.user_id.clone(), b"\"ren\xe9e\"");
            }
        }
    }
}

fn replace(out: &mut Vec<u8>, start: usize, part: Range<usize>, with: &[u8]) {
    out.splice(start + part.start..start + part.end, with.iter().copied());
}
