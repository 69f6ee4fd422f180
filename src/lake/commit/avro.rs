//! Entries of a manifest in Avro (Iceberg's specification, "Manifests", format 2). The crate's
//! writer makes a tree of values of each entry, a hundred times the work, and never frees a copy of
//! the names of its partition fields. Its header is used as it is, so that a file's schema is what
//! the crate writes; the order and types of the fields here are that schema's.

use iceberg::spec::{
    DataFile, Datum, ManifestEntry, PrimitiveLiteral, PrimitiveType, Struct, StructType, Type,
};

/// Bytes of entries after which a block ends.
const BLOCK_BYTES: usize = 64 << 10;
const SYNC_BYTES: usize = 16;

/// Whether partition values of this type are written here. The crate and the specification
/// disagree on how a uuid is stored.
pub(super) fn knows(partition: &StructType) -> bool {
    partition.fields().iter().all(|field| {
        let kind = field.field_type.as_primitive_type();
        !field.required && kind.is_some_and(|kind| *kind != PrimitiveType::Uuid)
    })
}

/// A whole file: a header (up to its sync marker, which ends it), then blocks of entries.
/// `sync`: a marker of this file's own. None where a value does not fit its type.
pub(super) fn file(
    header: &[u8],
    sync: [u8; SYNC_BYTES],
    partition: &StructType,
    entries: &[ManifestEntry],
) -> Option<Vec<u8>> {
    let mut bytes = header
        .get(..header.len().checked_sub(SYNC_BYTES)?)?
        .to_vec();
    bytes.extend_from_slice(&sync);
    let (mut block, mut count) = (Encoder::default(), 0);
    for (index, entry) in entries.iter().enumerate() {
        block.entry(entry, partition)?;
        count += 1;
        if block.0.len() >= BLOCK_BYTES || index + 1 == entries.len() {
            let mut head = Encoder::default();
            head.long(count);
            head.long(i64::try_from(block.0.len()).ok()?);
            bytes.append(&mut head.0);
            bytes.append(&mut block.0);
            bytes.extend_from_slice(&sync);
            count = 0;
        }
    }
    Some(bytes)
}

/// A bound's bytes (Iceberg's specification, "Binary single-value serialization"); of a decimal as
/// few as hold it. None of what is no value.
pub(super) fn single_value(value: &PrimitiveLiteral) -> Option<Vec<u8>> {
    Some(match value {
        PrimitiveLiteral::Boolean(value) => vec![u8::from(*value)],
        PrimitiveLiteral::Int(value) => value.to_le_bytes().to_vec(),
        PrimitiveLiteral::Long(value) => value.to_le_bytes().to_vec(),
        PrimitiveLiteral::Float(value) => value.to_le_bytes().to_vec(),
        PrimitiveLiteral::Double(value) => value.to_le_bytes().to_vec(),
        PrimitiveLiteral::String(value) => value.as_bytes().to_vec(),
        PrimitiveLiteral::Binary(value) => value.clone(),
        PrimitiveLiteral::UInt128(value) => value.to_be_bytes().to_vec(),
        PrimitiveLiteral::Int128(value) => {
            let bits = 128 - (value ^ (value >> 127)).leading_zeros() + 1;
            let length = bits.div_ceil(8) as usize;
            value.to_be_bytes()[16 - length..].to_vec()
        }
        PrimitiveLiteral::AboveMax | PrimitiveLiteral::BelowMin => return None,
    })
}

#[derive(Default)]
struct Encoder(Vec<u8>);

impl Encoder {
    /// Zigzag, seven bits a byte, the lowest first.
    fn long(&mut self, value: i64) {
        let mut rest = ((value << 1) ^ (value >> 63)).cast_unsigned();
        while rest >= 0x80 {
            self.0.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        self.0.push(rest as u8);
    }

    fn int(&mut self, value: i32) {
        self.long(i64::from(value));
    }

    fn count(&mut self, value: u64) -> Option<()> {
        self.long(i64::try_from(value).ok()?);
        Some(())
    }

    fn bytes(&mut self, value: &[u8]) {
        self.long(value.len() as i64);
        self.0.extend_from_slice(value);
    }

    /// A union of null and something.
    fn optional<T>(
        &mut self,
        value: Option<T>,
        write: impl FnOnce(&mut Self, T) -> Option<()>,
    ) -> Option<()> {
        match value {
            None => {
                self.long(0);
                Some(())
            }
            Some(value) => {
                self.long(1);
                write(self, value)
            }
        }
    }

    fn optional_long(&mut self, value: Option<i64>) -> Option<()> {
        self.optional(value, |to, value| {
            to.long(value);
            Some(())
        })
    }

    fn array<T>(
        &mut self,
        items: impl ExactSizeIterator<Item = T>,
        mut write: impl FnMut(&mut Self, T) -> Option<()>,
    ) -> Option<()> {
        if items.len() > 0 {
            self.long(items.len() as i64);
            for item in items {
                write(self, item)?;
            }
        }
        self.long(0);
        Some(())
    }

    fn entry(&mut self, entry: &ManifestEntry, partition: &StructType) -> Option<()> {
        self.int(entry.status as i32);
        self.optional_long(entry.snapshot_id)?;
        self.optional_long(entry.sequence_number)?;
        self.optional_long(entry.file_sequence_number)?;
        self.data_file(&entry.data_file, partition)
    }

    fn data_file(&mut self, file: &DataFile, partition: &StructType) -> Option<()> {
        self.int(file.content_type() as i32);
        self.bytes(file.file_path().as_bytes());
        let format = file.file_format().to_string().to_ascii_uppercase();
        self.bytes(format.as_bytes());
        self.partition(file.partition(), partition)?;
        self.count(file.record_count())?;
        self.count(file.file_size_in_bytes())?;
        for counts in [
            file.column_sizes(),
            file.value_counts(),
            file.null_value_counts(),
            file.nan_value_counts(),
        ] {
            let mut sorted: Vec<_> = counts.iter().collect();
            sorted.sort_unstable();
            self.long(1);
            self.array(sorted.into_iter(), |to, (id, count)| {
                to.int(*id);
                to.count(*count)
            })?;
        }
        for bounds in [file.lower_bounds(), file.upper_bounds()] {
            let mut sorted: Vec<(&i32, &Datum)> = bounds.iter().collect();
            sorted.sort_unstable_by_key(|(id, _)| **id);
            self.long(1);
            self.array(sorted.into_iter(), |to, (id, bound)| {
                to.int(*id);
                to.bytes(&bound.to_bytes().ok()?);
                Some(())
            })?;
        }
        self.optional(file.key_metadata(), |to, key| {
            to.bytes(key);
            Some(())
        })?;
        self.optional(file.split_offsets(), |to, offsets| {
            to.array(offsets.iter(), |to, offset| {
                to.long(*offset);
                Some(())
            })
        })?;
        self.optional(file.equality_ids(), |to, ids| {
            to.array(ids.into_iter(), |to, id| {
                to.int(id);
                Some(())
            })
        })?;
        self.optional_long(file.sort_order_id().map(i64::from))?;
        self.optional_long(file.first_row_id())?;
        self.optional(file.referenced_data_file(), |to, path| {
            to.bytes(path.as_bytes());
            Some(())
        })?;
        self.optional_long(file.content_offset())?;
        self.optional_long(file.content_size_in_bytes())
    }

    fn partition(&mut self, values: &Struct, types: &StructType) -> Option<()> {
        let values = values.iter().map(|value| match value {
            None => Some(None),
            Some(value) => value.as_primitive_literal().map(Some),
        });
        let values: Vec<Option<PrimitiveLiteral>> = values.collect::<Option<_>>()?;
        if values.len() != types.fields().len() {
            return None;
        }
        for (value, field) in values.iter().zip(types.fields()) {
            let kind = field.field_type.as_primitive_type()?;
            self.optional(value.as_ref(), |to, value| to.literal(value, kind))?;
        }
        Some(())
    }

    fn literal(&mut self, value: &PrimitiveLiteral, kind: &PrimitiveType) -> Option<()> {
        if !kind.compatible(value) {
            return None;
        }
        match (value, kind) {
            (PrimitiveLiteral::Boolean(value), _) => self.0.push(u8::from(*value)),
            (PrimitiveLiteral::Int(value), _) => self.int(*value),
            (PrimitiveLiteral::Long(value), _) => self.long(*value),
            (PrimitiveLiteral::Float(value), _) => {
                self.0.extend_from_slice(&value.to_le_bytes());
            }
            (PrimitiveLiteral::Double(value), _) => {
                self.0.extend_from_slice(&value.to_le_bytes());
            }
            (PrimitiveLiteral::String(value), _) => self.bytes(value.as_bytes()),
            (PrimitiveLiteral::Binary(value), PrimitiveType::Binary) => self.bytes(value),
            (PrimitiveLiteral::Binary(value), PrimitiveType::Fixed(length)) => {
                if value.len() as u64 != *length {
                    return None;
                }
                self.0.extend_from_slice(value);
            }
            (PrimitiveLiteral::Int128(value), PrimitiveType::Decimal { precision, .. }) => {
                let length = Type::decimal_required_bytes(*precision).ok()? as usize;
                let bytes = value.to_be_bytes();
                self.0
                    .extend_from_slice(bytes.get(bytes.len().checked_sub(length)?..)?);
            }
            _ => return None,
        }
        Some(())
    }
}
