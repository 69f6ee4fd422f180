//! The rules of a lease, apart from where it is kept: every backend decides by these.

use super::Lease;

/// A lease that ends further off than so many times what is asked for now was granted by a clock that
/// has been set back since, and nobody could have it for hours. Taking it harms nobody: its
/// generation is over, so that its holder, should it live, publishes nothing (I8).
const MOST_TERMS: i64 = 10;

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
        let left_ms = self.expires_at_ms.saturating_sub(now_ms);
        let live =
            self.holder.is_some() && left_ms > 0 && left_ms <= ttl_ms.saturating_mul(MOST_TERMS);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_set_back_makes_no_lease_eternal() {
        let hour_ms = 3_600_000;
        let granted = LeaseState::default().grant("l", "me", 5 * hour_ms, 1_000);
        let mine = granted.unwrap();
        let state = LeaseState::from(&mine);
        assert_eq!(state.grant("l", "you", 5 * hour_ms, 1_000), None);
        // A little back: waited for.
        assert_eq!(state.grant("l", "you", 5 * hour_ms - 9_000, 1_000), None);
        // By hours: another's, and told from the one before.
        let other = state.grant("l", "you", 2 * hour_ms, 1_000).unwrap();
        assert_eq!(other.generation, mine.generation + 1);
        assert_eq!(other.expires_at_ms, 2 * hour_ms + 1_000);
        assert!(!LeaseState::from(&other).is_held_as(&mine));
        // Its own holder can't know who was there between, either.
        let again = state.grant("l", "me", 2 * hour_ms, 1_000).unwrap();
        assert_eq!(again.generation, mine.generation + 1);
    }
}
