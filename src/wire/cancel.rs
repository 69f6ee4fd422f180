//! Cancel requests: which connection a process id and a secret mean.
//! Must never tell whether a key was right: a wrong one is met with silence.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio_util::sync::CancellationToken;

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
    running: Mutex<Option<CancellationToken>>,
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
    /// Gives a connection its process id and secret.
    pub fn register(self: &Arc<Self>, entropy: &dyn Entropy) -> Registration {
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
            running: Mutex::new(None),
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
}

impl Slot {
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
        let registration = registry.register(&SeededEntropy::new(1));
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
        drop(registration);
        registry.cancel(pid, &right);
        assert!(lock(&registry.connections).is_empty());
    }
}
