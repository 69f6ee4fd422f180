//! Where a session stands in a transaction, and what its end does to the settings.
//! Outside of a block each statement sees tables as they are when it is planned; in a block, as they
//! were when the block first named them (repeatable read), which the query session holds.

use pgwire::messages::response::TransactionStatus;

use super::settings::{Saved, Settings};
use super::sqlstate::{Result, WireError};
use crate::query::write::Savepoint;

const MAX_SAVEPOINTS: usize = 10_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    /// Several statements of one message, with no BEGIN.
    Implicit,
    Block,
    /// A statement of the block failed: only its end is heard.
    Failed,
}

/// The state of one session.
#[derive(Debug)]
pub struct Transaction {
    state: State,
    saved: Saved,
    savepoints: Vec<(String, Saved, Savepoint)>,
}

impl Default for Transaction {
    fn default() -> Self {
        Self {
            state: State::Idle,
            saved: Saved::default(),
            savepoints: Vec::new(),
        }
    }
}

/// What COMMIT or ROLLBACK turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub struct Ended {
    pub tag: &'static str,
    /// There was no transaction.
    pub warning: bool,
}

impl Transaction {
    pub fn status(&self) -> TransactionStatus {
        match self.state {
            State::Idle | State::Implicit => TransactionStatus::Idle,
            State::Block => TransactionStatus::Transaction,
            State::Failed => TransactionStatus::Error,
        }
    }

    pub fn in_block(&self) -> bool {
        matches!(self.state, State::Block | State::Failed)
    }

    /// Statements with no BEGIN, that end with their message.
    pub fn is_implicit(&self) -> bool {
        self.state == State::Implicit
    }

    pub fn failed(&self) -> bool {
        self.state == State::Failed
    }

    /// Statements of one message are one transaction; also one statement alone.
    pub fn begin_implicit(&mut self, settings: &Settings) {
        if self.state == State::Idle {
            self.state = State::Implicit;
            self.saved = settings.save();
        }
    }

    pub fn end_implicit(&mut self, settings: &mut Settings) {
        if self.state == State::Implicit {
            self.state = State::Idle;
            settings.end_local();
        }
    }

    /// BEGIN; true when there was a block already.
    pub fn begin(&mut self, settings: &Settings) -> bool {
        match self.state {
            State::Idle => self.saved = settings.save(),
            State::Implicit => {}
            State::Block | State::Failed => return true,
        }
        self.state = State::Block;
        false
    }

    pub fn commit(&mut self, settings: &mut Settings) -> Ended {
        let failed = self.failed();
        let warning = !self.in_block();
        if failed {
            settings.restore(std::mem::take(&mut self.saved));
        } else {
            settings.end_local();
        }
        self.finish();
        Ended {
            tag: if failed { "ROLLBACK" } else { "COMMIT" },
            warning,
        }
    }

    pub fn rollback(&mut self, settings: &mut Settings) -> Ended {
        let warning = !self.in_block();
        if self.state != State::Idle {
            settings.restore(std::mem::take(&mut self.saved));
            settings.end_local();
        }
        self.finish();
        Ended {
            tag: "ROLLBACK",
            warning,
        }
    }

    /// A statement failed: a block fails, an implicit transaction is undone.
    pub fn fail(&mut self, settings: &mut Settings) {
        match self.state {
            State::Idle | State::Failed => {}
            State::Block => self.state = State::Failed,
            State::Implicit => {
                settings.restore(std::mem::take(&mut self.saved));
                settings.end_local();
                self.state = State::Idle;
            }
        }
    }

    pub fn savepoint(&mut self, name: &str, settings: &Settings, writes: Savepoint) -> Result<()> {
        self.need_block("SAVEPOINT")?;
        if self.savepoints.len() >= MAX_SAVEPOINTS {
            return Err(WireError::new(
                "53400",
                format!("a transaction may have at most {MAX_SAVEPOINTS} savepoints"),
            ));
        }
        self.savepoints
            .push((name.to_owned(), settings.save(), writes));
        Ok(())
    }

    pub fn release(&mut self, name: &str) -> Result<()> {
        self.need_block("RELEASE SAVEPOINT")?;
        let at = self.find(name)?;
        self.savepoints.truncate(at);
        Ok(())
    }

    /// What the transaction had written then.
    pub fn rollback_to(&mut self, name: &str, settings: &mut Settings) -> Result<Savepoint> {
        self.need_block("ROLLBACK TO SAVEPOINT")?;
        let at = self.find(name)?;
        settings.restore(self.savepoints[at].1.clone());
        // The savepoint itself stays.
        self.savepoints.truncate(at + 1);
        self.state = State::Block;
        Ok(self.savepoints[at].2.clone())
    }

    fn find(&self, name: &str) -> Result<usize> {
        self.savepoints
            .iter()
            .rposition(|(one, ..)| one == name)
            .ok_or_else(|| WireError::new("3B001", format!("savepoint \"{name}\" does not exist")))
    }

    fn need_block(&self, what: &str) -> Result<()> {
        if self.in_block() {
            Ok(())
        } else {
            Err(WireError::new(
                "25P01",
                format!("{what} can only be used in transaction blocks"),
            ))
        }
    }

    fn finish(&mut self) {
        self.state = State::Idle;
        self.savepoints.clear();
        self.saved = Saved::default();
    }
}

/// What every statement but the block's end gets after an error.
pub fn aborted() -> WireError {
    WireError::new(
        "25P02",
        "current transaction is aborted, commands ignored until end of transaction block",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_block_ends_only_by_its_end() {
        let mut settings = Settings::new("a", "public");
        let mut transaction = Transaction::default();
        assert!(!transaction.begin(&settings));
        settings.set("jit", "on", false).unwrap();
        transaction
            .savepoint("s", &settings, Savepoint::default())
            .unwrap();
        transaction.fail(&mut settings);
        assert_eq!(transaction.status(), TransactionStatus::Error);
        transaction.rollback_to("s", &mut settings).unwrap();
        assert_eq!(transaction.status(), TransactionStatus::Transaction);
        transaction.fail(&mut settings);
        assert_eq!(transaction.commit(&mut settings).tag, "ROLLBACK");
        assert_eq!(settings.get("jit"), Some("off"));
        assert_eq!(transaction.status(), TransactionStatus::Idle);
        assert!(transaction.commit(&mut settings).warning);
    }

    #[test]
    fn an_implicit_transaction_is_undone_whole() {
        let mut settings = Settings::new("a", "public");
        let mut transaction = Transaction::default();
        transaction.begin_implicit(&settings);
        settings.set("jit", "on", false).unwrap();
        transaction.fail(&mut settings);
        assert_eq!(settings.get("jit"), Some("off"));
        let none = Savepoint::default();
        assert!(transaction.savepoint("s", &settings, none).is_err());
    }
}
