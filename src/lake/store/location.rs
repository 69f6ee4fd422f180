//! The spellings of a file's place that stand in Iceberg metadata, and what they mean.
//! Writers of one table spell differently (`file:///x`, `file:/x`, `/x`; `s3://`, `s3a://`), so
//! places are compared normalised and kept as they were written. Must never rewrite what is stored.

use object_store::path::Path;
use url::Url;

use crate::lake::{Error, Result};

/// Where a location points: an object store by its base URL, and a key in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// `file:///` or `s3://bucket`, the key of a mount.
    pub base: String,
    /// Raw, as object stores see it: nothing is percent-decoded (Iceberg's writers don't either).
    pub key: String,
    /// What precedes the key in the spelling that was parsed: `/`, `file:///`, `s3a://bucket/`.
    pub spelling: String,
}

/// The base URL of the local file system.
pub const LOCAL: &str = "file:///";

impl Location {
    pub fn parse(text: &str) -> Result<Self> {
        if let Some(rest) = text.strip_prefix("file:") {
            let slashes = rest.len() - rest.trim_start_matches('/').len();
            if slashes == 0 || slashes == 2 {
                return Err(unknown(text));
            }
            return Ok(Self::local(&text[..5 + slashes], &rest[slashes..]));
        }
        if text.starts_with('/') {
            return Ok(Self::local("/", text.trim_start_matches('/')));
        }
        let (scheme, rest) = text.split_once("://").ok_or_else(|| unknown(text))?;
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        if !matches!(scheme, "s3" | "s3a" | "s3n") || bucket.is_empty() {
            return Err(unknown(text));
        }
        Ok(Self {
            base: format!("s3://{bucket}"),
            key: clean(key),
            spelling: format!("{scheme}://{bucket}/"),
        })
    }

    fn local(spelling: &str, rest: &str) -> Self {
        Self {
            base: LOCAL.to_owned(),
            key: clean(rest),
            spelling: spelling.to_owned(),
        }
    }

    /// The key as `object_store` wants it.
    pub fn path(&self) -> Result<Path> {
        Path::parse(&self.key).map_err(|error| {
            Error::invalid(format!(
                "{}{} is not a path: {error}",
                self.spelling, self.key
            ))
            .with_source(error)
        })
    }

    pub fn base_url(&self) -> Url {
        Url::parse(&self.base).expect("a base is file:/// or s3:// and a bucket")
    }

    /// One spelling for all that mean the same file.
    pub fn normalised(&self) -> String {
        if self.base == LOCAL {
            format!("/{}", self.key)
        } else {
            format!("{}/{}", self.base, self.key)
        }
    }
}

/// One spelling for all that mean the same file; a text that is no location stays as it is.
pub fn normalise(text: &str) -> String {
    match Location::parse(text) {
        Ok(location) => location.normalised(),
        Err(_) => text.to_owned(),
    }
}

fn clean(key: &str) -> String {
    let mut cleaned = String::with_capacity(key.len());
    for segment in key.split('/').filter(|segment| !segment.is_empty()) {
        if !cleaned.is_empty() {
            cleaned.push('/');
        }
        cleaned.push_str(segment);
    }
    cleaned
}

fn unknown(text: &str) -> Error {
    Error::invalid(format!(
        "{text:?} is not a place this program can read: write /path, file:///path or s3://bucket/key"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_file_are_equal() {
        for text in ["/a/b c", "file:///a/b c", "file:/a/b c", "//a//b c"] {
            assert_eq!(normalise(text), "/a/b c", "{text}");
        }
        for text in ["s3://bucket/a/b", "s3a://bucket/a//b", "s3n://bucket/a/b/"] {
            assert_eq!(normalise(text), "s3://bucket/a/b", "{text}");
        }
    }

    #[test]
    fn the_spelling_is_kept() {
        let location = Location::parse("s3a://bucket/a/b").expect("valid");
        assert_eq!(location.spelling, "s3a://bucket/");
        assert_eq!(
            Location::parse("file:/x").expect("valid").spelling,
            "file:/"
        );
    }

    #[test]
    fn keys_are_raw() {
        let location = Location::parse("/t/day=2024-01-01/x%3Ay.parquet").expect("valid");
        assert_eq!(
            location.path().expect("valid").as_ref(),
            "t/day=2024-01-01/x%3Ay.parquet"
        );
    }

    #[test]
    fn what_is_no_place_is_refused() {
        for text in [
            "",
            "a/b",
            "http://x/y",
            "s3://",
            "file:x",
            "file://host/x",
            "gs://b/k",
        ] {
            assert!(Location::parse(text).is_err(), "{text} was taken");
        }
        let sneaky = Location::parse("/a/../b").expect("parses");
        assert!(sneaky.path().is_err(), "a path must not climb");
    }
}
