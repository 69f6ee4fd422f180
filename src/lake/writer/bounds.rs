//! A column's bounds in a file: they enclose every value that is neither null nor NaN, or there
//! are none. Any engine prunes by them, so a bound that doesn't hold loses rows in queries.
//!
//! Statistics of row groups may be cut (a lower one shortened, an upper one shortened and raised),
//! which makes them inexact but still true. What must not happen is that one row group tells none
//! and the others' become the file's: then the file has none.

use iceberg::spec::{Datum, PrimitiveType};
use parquet::file::statistics::Statistics;

/// Texts are cut to so many characters, bytes to so many bytes, as Iceberg's writers do.
const MAX_LENGTH: usize = 16;

/// One side of a column's bounds while row groups are gathered.
#[derive(Debug, Default)]
pub(super) enum Bound {
    /// No row group had a value yet.
    #[default]
    Empty,
    At(Datum),
    /// A row group had values and told no bound.
    Unknown,
}

impl Bound {
    fn gather(&mut self, told: Option<Datum>, keep_new: impl Fn(&Datum, &Datum) -> Option<bool>) {
        let Some(told) = told else {
            *self = Self::Unknown;
            return;
        };
        match self {
            Self::Unknown => {}
            Self::Empty => *self = Self::At(told),
            Self::At(held) => match keep_new(&told, held) {
                Some(true) => *self = Self::At(told),
                Some(false) => {}
                None => *self = Self::Unknown,
            },
        }
    }
}

impl Bound {
    fn known(self) -> Option<Datum> {
        match self {
            Self::At(datum) => Some(datum),
            Self::Empty | Self::Unknown => None,
        }
    }
}

/// Both bounds of one column.
#[derive(Debug, Default)]
pub(super) struct Bounds {
    lower: Bound,
    upper: Bound,
}

impl Bounds {
    /// Takes a row group's statistics in. `has_values`: some are neither null nor (as far as is
    /// known) absent; a group of nulls alone says nothing.
    pub fn gather(
        &mut self,
        statistics: Option<&Statistics>,
        kind: &PrimitiveType,
        has_values: bool,
    ) {
        if !has_values {
            return;
        }
        let min = statistics.and_then(|s| datum(s, s.min_bytes_opt()?, kind));
        let max = statistics.and_then(|s| datum(s, s.max_bytes_opt()?, kind));
        self.lower
            .gather(min, |new, held| Some(new.partial_cmp(held)?.is_lt()));
        self.upper
            .gather(max, |new, held| Some(new.partial_cmp(held)?.is_gt()));
    }

    /// The bounds as they go into metadata.
    pub fn finish(self) -> (Option<Datum>, Option<Datum>) {
        (
            self.lower.known().and_then(cut_lower),
            self.upper.known().and_then(cut_upper),
        )
    }
}

/// A Parquet statistic as Iceberg's value: both are little endian for numbers, big endian for
/// fixed bytes; only decimals differ by physical type.
fn datum(statistics: &Statistics, bytes: &[u8], kind: &PrimitiveType) -> Option<Datum> {
    let datum = match (statistics, kind) {
        (Statistics::Int32(_), PrimitiveType::Decimal { .. }) => {
            let value = i32::from_le_bytes(bytes.try_into().ok()?);
            Datum::try_from_bytes(&value.to_be_bytes(), kind.clone())
        }
        (Statistics::Int64(_), PrimitiveType::Decimal { .. }) => {
            let value = i64::from_le_bytes(bytes.try_into().ok()?);
            Datum::try_from_bytes(&value.to_be_bytes(), kind.clone())
        }
        _ => Datum::try_from_bytes(bytes, kind.clone()),
    };
    datum.ok().filter(|datum| !datum.is_nan())
}

fn bytes_of(datum: &Datum) -> Option<Vec<u8>> {
    Some(datum.to_bytes().ok()?.into_vec())
}

/// A shorter value that is not above.
fn cut_lower(datum: Datum) -> Option<Datum> {
    let kind = datum.data_type().clone();
    match kind {
        PrimitiveType::String => {
            let text = String::from_utf8(bytes_of(&datum)?).ok()?;
            Some(Datum::string(
                text.chars().take(MAX_LENGTH).collect::<String>(),
            ))
        }
        PrimitiveType::Binary => {
            let mut bytes = bytes_of(&datum)?;
            bytes.truncate(MAX_LENGTH);
            Some(Datum::binary(bytes))
        }
        _ => Some(datum),
    }
}

/// A shorter value that is not below; None where there is none.
fn cut_upper(datum: Datum) -> Option<Datum> {
    let kind = datum.data_type().clone();
    match kind {
        PrimitiveType::String => {
            let text = String::from_utf8(bytes_of(&datum)?).ok()?;
            if text.chars().count() <= MAX_LENGTH {
                return Some(datum);
            }
            raise_text(text.chars().take(MAX_LENGTH).collect()).map(Datum::string)
        }
        PrimitiveType::Binary => {
            let mut bytes = bytes_of(&datum)?;
            if bytes.len() <= MAX_LENGTH {
                return Some(datum);
            }
            bytes.truncate(MAX_LENGTH);
            raise_bytes(bytes).map(Datum::binary)
        }
        _ => Some(datum),
    }
}

/// The next text of at most this length, in the order of code points, which is that of the bytes.
fn raise_text(mut chars: Vec<char>) -> Option<String> {
    while let Some(last) = chars.pop() {
        let next = match last {
            // Between them lie code points that are no characters.
            '\u{d7ff}' => Some('\u{e000}'),
            char::MAX => None,
            last => char::from_u32(u32::from(last) + 1),
        };
        if let Some(next) = next {
            chars.push(next);
            return Some(chars.into_iter().collect());
        }
    }
    None
}

fn raise_bytes(mut bytes: Vec<u8>) -> Option<Vec<u8>> {
    while let Some(last) = bytes.pop() {
        if last < u8::MAX {
            bytes.push(last + 1);
            return Some(bytes);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cut_texts_still_enclose() {
        let texts = [
            "short",
            "exactly16letters",
            "exactly16letters and more",
            "äöüäöüäöüäöüäöüäöüäöü",
            "aaaaaaaaaaaaaaa\u{d7ff}tail",
            "aaaaaaaaaaaaaaa\u{10ffff}tail",
        ];
        for text in texts {
            let lower = cut_lower(Datum::string(text)).unwrap();
            let upper = cut_upper(Datum::string(text)).unwrap();
            let exact = Datum::string(text);
            assert!(lower <= exact && exact <= upper, "{text}: {lower} {upper}");
            assert!(bytes_of(&upper).unwrap().len() <= 4 * MAX_LENGTH);
        }
        let highest = "\u{10ffff}".repeat(17);
        assert!(cut_upper(Datum::string(highest)).is_none());
    }

    #[test]
    fn cut_bytes_still_enclose() {
        let long = [vec![7; 15], vec![255; 10]].concat();
        let upper = cut_upper(Datum::binary(long.clone())).unwrap();
        assert_eq!(bytes_of(&upper).unwrap(), [vec![7; 14], vec![8]].concat());
        assert!(upper >= Datum::binary(long));
        assert!(cut_upper(Datum::binary(vec![255; 17])).is_none());
    }
}
