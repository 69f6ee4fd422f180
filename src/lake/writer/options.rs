//! How files are written: the table's properties, with defaults for event streams.

use std::str::FromStr;

use iceberg::spec::TableMetadata;
use parquet::basic::{Compression, GzipLevel, ZstdLevel};
use parquet::file::properties::WriterProperties;

use crate::lake::{Error, Result};

const CODEC: &str = "write.parquet.compression-codec";
const LEVEL: &str = "write.parquet.compression-level";
const ROW_GROUP_BYTES: &str = "write.parquet.row-group-size-bytes";
const TARGET_FILE_BYTES: &str = "write.target-file-size-bytes";
const ROW_GROUP_ROWS: usize = 1 << 20;
/// Longer values are cut in the statistics of row groups and pages; see `bounds` for what becomes
/// of that in a file's bounds.
const STATISTICS_BYTES: usize = 64;

#[derive(Debug)]
pub(super) struct Options {
    pub target_file_bytes: usize,
    pub max_open_files: usize,
    pub max_open_bytes: usize,
    pub parquet: WriterProperties,
}

impl Options {
    pub fn of(metadata: &TableMetadata) -> Result<Self> {
        let row_group_bytes: usize = number(metadata, ROW_GROUP_BYTES, 128 << 20)?;
        let parquet = WriterProperties::builder()
            .set_created_by(format!("frazil {}", env!("CARGO_PKG_VERSION")))
            .set_compression(compression(metadata)?)
            .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
            .set_max_row_group_bytes(Some(row_group_bytes.max(1)))
            .set_statistics_truncate_length(Some(STATISTICS_BYTES))
            .build();
        Ok(Self {
            target_file_bytes: number(metadata, TARGET_FILE_BYTES, 128 << 20)?,
            max_open_files: 64,
            max_open_bytes: 256 << 20,
            parquet,
        })
    }
}

fn number<T: FromStr>(metadata: &TableMetadata, name: &str, default: T) -> Result<T> {
    match metadata.properties().get(name) {
        None => Ok(default),
        Some(text) => text.parse().map_err(|_| {
            Error::invalid(format!(
                "{}: the property {name} is {text:?}, which is no number",
                metadata.location()
            ))
        }),
    }
}

fn compression(metadata: &TableMetadata) -> Result<Compression> {
    let codec = metadata.properties().get(CODEC).map(String::as_str);
    let codec = codec.unwrap_or("zstd").to_ascii_lowercase();
    let told = |error: parquet::errors::ParquetError| {
        Error::invalid(format!("{}: {LEVEL}: {error}", metadata.location()))
    };
    match codec.as_str() {
        "zstd" => {
            let level = number(metadata, LEVEL, 1)?;
            Ok(Compression::ZSTD(ZstdLevel::try_new(level).map_err(told)?))
        }
        "gzip" => {
            let level = number(metadata, LEVEL, 6)?;
            Ok(Compression::GZIP(GzipLevel::try_new(level).map_err(told)?))
        }
        "snappy" => Ok(Compression::SNAPPY),
        "lz4" => Ok(Compression::LZ4_RAW),
        "uncompressed" | "none" => Ok(Compression::UNCOMPRESSED),
        other => Err(Error::invalid(format!(
            "{}: the property {CODEC} is {other:?}; zstd, gzip, snappy, lz4 and uncompressed are known",
            metadata.location()
        ))),
    }
}
