//! The rules of a lease, apart from where it is kept: every backend decides by these.

use super::Lease;

/// A lease's row: nobody's when `holder` is None (never granted, or given back).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LeaseState {
    pub holder: Option<String>,
    pub generation: i64,
    pub expires_at_ms: i64,
}

impl LeaseState {
    /// The lease as it would be granted to `holder` now; None while it is another's.
    ///
    /// The generation stays only when the holder asks again for what it holds and what has not
    /// run out: after a lapse it can't know who was there between (I8).
    pub fn grant(&self, name: &str, holder: &str, now_ms: i64, ttl_ms: i64) -> Option<Lease> {
        let live = self.holder.is_some() && now_ms < self.expires_at_ms;
        let own = self.holder.as_deref() == Some(holder);
        if live && !own {
            return None;
        }
        Some(Lease {
            name: name.to_owned(),
            holder: holder.to_owned(),
            generation: if live {
                self.generation
            } else {
                self.generation + 1
            },
            expires_at_ms: now_ms.saturating_add(ttl_ms),
        })
    }

    /// Whether this is still the grant that `lease` names; its expiry is not asked.
    pub fn is_held_as(&self, lease: &Lease) -> bool {
        self.holder.as_deref() == Some(lease.holder.as_str()) && self.generation == lease.generation
    }
}

impl From<&Lease> for LeaseState {
    fn from(lease: &Lease) -> Self {
        Self {
            holder: Some(lease.holder.clone()),
            generation: lease.generation,
            expires_at_ms: lease.expires_at_ms,
        }
    }
}
