//! Cancel requests: which connection a process id and a secret mean. And the same by SQL, from one
//! session of a user to another of the same user.
//! Must never tell whether a key was right: a wrong one is met with silence.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use bytes::Bytes;
use tokio_util::sync::CancellationToken;

use super::catalog::Facts;
use super::sqlstate::{Result, WireError};
use crate::seams::Entropy;

/// Bytes of a secret: what protocol 3.0 has room for.
const KEY_BYTES: usize = 4;

/// All connections of a listener that may be cancelled.
#[derive(Debug, Default)]
pub struct Registry {
    connections: Mutex<HashMap<i32, Arc<Slot>>>,
}

/// One connection's place. Dropping its [`Registration`] frees it.
#[derive(Debug)]
pub struct Slot {
    pub pid: i32,
    key: i32,
    user: String,
    running: Mutex<Option<CancellationToken>>,
    /// The connection is to end; when all do, too.
    pub ended: CancellationToken,
    /// What the session tells of itself, while it lives.
    facts: OnceLock<Weak<Facts>>,
}

/// What one session may do to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// `pg_cancel_backend`
    Cancel,
    /// `pg_terminate_backend`
    Terminate,
}

#[derive(Debug)]
pub struct Registration {
    registry: Arc<Registry>,
    pub slot: Arc<Slot>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Registry {
    /// Gives a connection its process id and secret. It ends when `stopping` says so, or alone.
    pub fn register(
        self: &Arc<Self>,
        entropy: &dyn Entropy,
        user: &str,
        stopping: &CancellationToken,
    ) -> Registration {
        let mut connections = lock(&self.connections);
        let (pid, key) = loop {
            let random = entropy.next_u64();
            let pid = (random & 0x3fff_ffff) as i32 + 1;
            if !connections.contains_key(&pid) {
                // A second draw: the pid is no secret and must not tell of the key.
                break (pid, entropy.next_u64() as i32);
            }
        };
        let slot = Arc::new(Slot {
            pid,
            key,
            user: user.to_owned(),
            running: Mutex::new(None),
            ended: stopping.child_token(),
            facts: OnceLock::new(),
        });
        connections.insert(pid, Arc::clone(&slot));
        Registration {
            registry: Arc::clone(self),
            slot,
        }
    }

    /// Cancels what the connection runs, if the key is its own.
    pub fn cancel(&self, pid: i32, key: &Bytes) {
        let slot = lock(&self.connections).get(&pid).cloned();
        if let Some(slot) = slot
            && key.len() == KEY_BYTES
            && key[..] == slot.key.to_be_bytes()
            && let Some(running) = lock(&slot.running).as_ref()
        {
            running.cancel();
        }
    }

    /// Sends a signal from one user's session. False: there is no such session.
    ///
    /// Errors: 42501 for another user's session.
    pub fn signal(&self, pid: i32, from: &str, signal: Signal) -> Result<bool> {
        let Some(slot) = lock(&self.connections).get(&pid).cloned() else {
            return Ok(false);
        };
        let deed = match signal {
            Signal::Cancel => "cancel its query",
            Signal::Terminate => "end it",
        };
        if slot.user != from {
            return Err(WireError::new(
                "42501",
                format!("session {pid} is another user's: only that user may {deed}"),
            ));
        }
        match signal {
            Signal::Terminate => slot.ended.cancel(),
            Signal::Cancel => {
                if let Some(running) = lock(&slot.running).as_ref() {
                    running.cancel();
                }
            }
        }
        Ok(true)
    }

    /// What the sessions tell of themselves, by process id, and whether each runs a statement.
    pub fn sessions(&self) -> Vec<(Arc<Facts>, bool)> {
        let connections = lock(&self.connections);
        let mut sessions: Vec<_> = connections
            .values()
            .filter_map(|slot| Some((slot.facts.get()?.upgrade()?, lock(&slot.running).is_some())))
            .collect();
        sessions.sort_by_key(|(facts, _)| facts.pid);
        sessions
    }
}

impl Slot {
    /// Once, when the session is known.
    pub fn introduce(&self, facts: &Arc<Facts>) {
        let _ = self.facts.set(Arc::downgrade(facts));
    }

    pub fn key(&self) -> i32 {
        self.key
    }

    /// A statement starts: until it ends a cancel request reaches it, and no later one.
    pub fn start(&self) -> CancellationToken {
        let token = CancellationToken::new();
        *lock(&self.running) = Some(token.clone());
        token
    }

    pub fn end(&self) {
        *lock(&self.running) = None;
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        lock(&self.registry.connections).remove(&self.slot.pid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seams::SeededEntropy;

    #[test]
    fn only_the_right_key_reaches_only_what_runs() {
        let registry = Arc::new(Registry::default());
        let stopping = CancellationToken::new();
        let registration = registry.register(&SeededEntropy::new(1), "ann", &stopping);
        let slot = &registration.slot;
        let right = Bytes::copy_from_slice(&slot.key().to_be_bytes());
        let wrong = Bytes::copy_from_slice(&(slot.key() ^ 1).to_be_bytes());
        registry.cancel(slot.pid, &right);
        let running = slot.start();
        assert!(
            !running.is_cancelled(),
            "an earlier request must not reach it"
        );
        registry.cancel(slot.pid, &wrong);
        registry.cancel(slot.pid, &Bytes::new());
        registry.cancel(slot.pid ^ 1, &right);
        assert!(!running.is_cancelled());
        registry.cancel(slot.pid, &right);
        assert!(running.is_cancelled());
        let pid = slot.pid;
        let running = slot.start();
        let denied = registry.signal(pid, "bob", Signal::Cancel).unwrap_err();
        assert_eq!(denied.sqlstate, "42501");
        assert!(!running.is_cancelled());
        assert!(registry.signal(pid, "ann", Signal::Cancel).unwrap());
        assert!(running.is_cancelled() && !slot.ended.is_cancelled());
        assert!(registry.signal(pid, "ann", Signal::Terminate).unwrap());
        assert!(slot.ended.is_cancelled() && !stopping.is_cancelled());
        drop(registration);
        registry.cancel(pid, &right);
        assert!(!registry.signal(pid, "ann", Signal::Terminate).unwrap());
        assert!(lock(&registry.connections).is_empty());
    }
}
