//! What a store must know to reach its object stores. Values only: nothing is read from the
//! environment here.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::AmazonS3Builder;
use object_store::{ClientOptions, ObjectStore, RetryConfig};

use crate::lake::{Error, Result};

/// How the object stores of a lake are reached.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    pub s3: S3Options,
    /// Local files are on the disk, and not only in the system's cache, before a write returns.
    /// Off only where losing the last seconds at a power cut does no harm.
    pub fsync: bool,
    /// Memory for parsed metadata, manifest lists and manifests, together.
    pub cache_bytes: u64,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            s3: S3Options::default(),
            fsync: true,
            cache_bytes: 128 << 20,
        }
    }
}

/// How S3 is reached; the same for all buckets. Without keys, those of the machine's role are used.
#[derive(Clone, Default)]
pub struct S3Options {
    /// None: Amazon's own. `http://…` is allowed, for a server on the same machine.
    pub endpoint: Option<String>,
    /// None: `us-east-1`.
    pub region: Option<String>,
    pub access_key_id: Option<String>,
    pub secret_access_key: Option<String>,
    pub session_token: Option<String>,
    /// `endpoint/bucket/key` in place of `bucket.endpoint/key`; most servers but Amazon's want it.
    pub path_style: bool,
}

impl fmt::Debug for S3Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Options")
            .field("endpoint", &self.endpoint)
            .field("region", &self.region)
            .field("access_key_id", &self.access_key_id)
            .field("path_style", &self.path_style)
            .finish_non_exhaustive()
    }
}

impl S3Options {
    pub(super) fn open(&self, bucket: &str) -> Result<Arc<dyn ObjectStore>> {
        let plain = self
            .endpoint
            .as_ref()
            .is_some_and(|endpoint| endpoint.starts_with("http://"));
        let client = ClientOptions::new()
            .with_allow_http(plain)
            .with_connect_timeout(Duration::from_secs(5))
            .with_timeout(Duration::from_secs(30));
        let retry = RetryConfig {
            max_retries: 3,
            retry_timeout: Duration::from_secs(20),
            ..RetryConfig::default()
        };
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(bucket)
            .with_region(self.region.as_deref().unwrap_or("us-east-1"))
            .with_virtual_hosted_style_request(!self.path_style)
            .with_client_options(client)
            .with_retry(retry);
        if let Some(endpoint) = &self.endpoint {
            builder = builder.with_endpoint(endpoint);
        }
        if let Some(key) = &self.access_key_id {
            builder = builder.with_access_key_id(key);
        }
        if let Some(secret) = &self.secret_access_key {
            builder = builder.with_secret_access_key(secret);
        }
        if let Some(token) = &self.session_token {
            builder = builder.with_token(token);
        }
        let store = builder.build().map_err(|error| {
            Error::invalid(format!("the bucket s3://{bucket} can't be opened: {error}"))
                .with_source(error)
        })?;
        Ok(Arc::new(store))
    }
}
