//! The object stores that a query's plan may read: those of the lake's tables and no other.
//! DataFusion's own registry starts with the whole local file system in it; this one starts empty.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use datafusion::common::{DataFusionError, Result};
use datafusion::execution::object_store::ObjectStoreRegistry;
use object_store::ObjectStore;
use url::Url;

#[derive(Debug, Default)]
pub(super) struct LakeStores {
    by_base: RwLock<HashMap<String, Arc<dyn ObjectStore>>>,
}

/// Scheme and authority: what tells one store from another.
fn base(url: &Url) -> String {
    format!("{}://{}", url.scheme(), url.authority())
}

impl ObjectStoreRegistry for LakeStores {
    fn register_store(
        &self,
        url: &Url,
        store: Arc<dyn ObjectStore>,
    ) -> Option<Arc<dyn ObjectStore>> {
        self.by_base
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(base(url), store)
    }

    fn deregister_store(&self, url: &Url) -> Result<Arc<dyn ObjectStore>> {
        self.by_base
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&base(url))
            .ok_or_else(|| unknown(url))
    }

    fn get_store(&self, url: &Url) -> Result<Arc<dyn ObjectStore>> {
        self.by_base
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&base(url))
            .cloned()
            .ok_or_else(|| unknown(url))
    }
}

fn unknown(url: &Url) -> DataFusionError {
    DataFusionError::Execution(format!("{} is no store of this lake", base(url)))
}
