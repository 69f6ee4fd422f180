//! One client's session: the loop over its messages, and what statements share in both protocols.
//! Must never let an error of one statement end the session, nor a session outlive its client.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pgwire::messages::PgWireBackendMessage as Backend;
use pgwire::messages::response::{CommandComplete, ReadyForQuery, TransactionStatus};
use pgwire::messages::startup::{BackendKeyData, ParameterStatus, SecretKey};
use tokio::time::Instant;

use super::cancel::Registration;
use super::catalog::{self, Facts};
use super::connection::{Connection, Ends, Interrupt, Limits, Lost};
use super::frame::Frontend;
use super::listener::Shared;
use super::metrics;
use super::portal::Portal;
use super::prepared::Prepared;
use super::settings::{REPORTED, Settings};
use super::sqlstate::{Result, Severity, WireError, notice};
use super::startup::Client;
use super::transaction::Transaction;
use crate::query;
use crate::query::statement::Statement;

/// Prepared statements and portals of one session, each.
const MAX_NAMED: usize = 10_000;

pub(super) struct Session<'a> {
    pub connection: Connection,
    pub shared: &'a Shared,
    pub query: query::Session,
    pub facts: Arc<Facts>,
    pub transaction: Transaction,
    /// By name; the unnamed one is "".
    pub statements: HashMap<String, Arc<Prepared>>,
    /// Portals and SQL cursors share their names, as in Postgres.
    pub portals: HashMap<String, Portal>,
    pub registration: Registration,
    /// An error in the extended protocol: nothing is heard until Sync.
    pub skipping: bool,
    /// Rises with each Sync: a plan is used again only within the batch it was made in.
    pub batch: u64,
    applied: u64,
    reported: HashMap<&'static str, String>,
}

/// Why a session ends.
pub(super) enum End {
    /// The client is gone or said good-bye.
    Quiet,
    /// It is told why first.
    Told(WireError),
}

impl From<Lost> for End {
    fn from(lost: Lost) -> Self {
        match lost {
            Lost::Gone | Lost::Io(_) => Self::Quiet,
            Lost::Frame(error) => Self::Told(WireError::protocol(error.to_string())),
        }
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Serves a client that has logged in until one of the two has had enough.
pub(super) async fn run(
    mut connection: Connection,
    client: Client<'_>,
    ends: Ends,
    shared: &Shared,
) {
    let place = client.place;
    match open(&client.user, &client.settings, ends, shared).await {
        Ok((query, facts, registration)) => {
            let mut session = Session {
                connection,
                shared,
                query,
                facts,
                transaction: Transaction::default(),
                statements: HashMap::new(),
                portals: HashMap::new(),
                registration,
                skipping: false,
                batch: 0,
                applied: u64::MAX,
                reported: HashMap::new(),
            };
            shared.options.metrics.session();
            session.greet();
            let end = session.serve().await;
            // Nobody will commit it any more.
            session.query.discard_writes().await;
            if let End::Told(error) = end {
                session
                    .connection
                    .send(Backend::ErrorResponse(error.response()));
            }
            connection = session.connection;
        }
        Err(error) => {
            let error = WireError {
                severity: Severity::Fatal,
                ..error
            };
            shared.options.metrics.refused(error.sqlstate);
            connection.send(Backend::ErrorResponse(error.response()));
        }
    }
    connection.close().await;
    drop(place);
}

async fn open(
    user: &super::listener::User,
    asked: &[(String, String)],
    ends: Ends,
    shared: &Shared,
) -> Result<(query::Session, Arc<Facts>, Registration)> {
    let entropy = &*shared.engine.lake().entropy;
    let registration = shared
        .cancels
        .register(entropy, &user.name, &shared.stopping);
    let query = shared.engine.session(query::SessionOptions {
        user: user.name.clone(),
        access: user.access,
        application: None,
    })?;
    let search_path = catalog::default_search_path(&shared.engine).await?;
    let mut settings = Settings::new(&user.name, &search_path);
    let timeout = user.statement_timeout.or(shared.options.statement_timeout);
    if let Some(timeout) = timeout {
        settings.set_at_start("statement_timeout", &timeout.as_millis().to_string())?;
    }
    for (name, value) in asked {
        settings.set_at_start(name, value)?;
    }
    let facts = Arc::new(Facts {
        user: user.name.clone(),
        database: shared.options.database.clone(),
        pid: registration.slot.pid,
        ends,
        registry: Arc::clone(&shared.cancels),
        settings: Mutex::new(settings),
        users: shared.users.keys().cloned().collect(),
        started_ms: shared.catalog.started_ms(&shared.engine),
    });
    registration.slot.introduce(&facts);
    catalog::register(&query, &facts, &shared.catalog)?;
    Ok((query, facts, registration))
}

impl Session<'_> {
    pub fn settings(&self) -> MutexGuard<'_, Settings> {
        lock(&self.facts.settings)
    }

    fn greet(&mut self) {
        // Settings from the startup packet were checked already; a zone or path that the engine
        // doesn't take would have been refused there.
        if let Err(error) = self.apply_settings() {
            self.warn("WARNING", error.sqlstate, &error.message);
        }
        let slot = &self.registration.slot;
        let key = BackendKeyData::new(slot.pid, SecretKey::I32(slot.key()));
        self.connection.send(Backend::BackendKeyData(key));
        self.ready();
    }

    async fn serve(&mut self) -> End {
        loop {
            let message = match self.next().await {
                Ok(message) => message,
                Err(end) => return end,
            };
            // What handles statements is boxed: its state, planning included, is large, and an
            // idle session must not hold room for it.
            let served = match message {
                Frontend::Terminate => return End::Quiet,
                Frontend::Sync => Box::pin(self.sync()).await,
                _ if self.skipping => Ok(()),
                Frontend::Query(text) => Box::pin(self.simple(&text)).await,
                Frontend::Flush => self.connection.flush().await.map_err(End::from),
                Frontend::Parse { name, text, types } => {
                    let started = Instant::now();
                    let done = Box::pin(self.parse(name, &text, types)).await;
                    if let Err(error) = &done {
                        let metrics = &self.connection.metrics;
                        metrics.statement(metrics::UNPARSED, error.sqlstate, started.elapsed());
                    }
                    self.extended(done)
                }
                Frontend::Bind(bind) => {
                    let done = self.bind(bind);
                    self.extended(done)
                }
                Frontend::Describe(target, name) => {
                    let done = self.describe(target, &name);
                    self.extended(done)
                }
                Frontend::Execute { portal, max_rows } => {
                    let done = Box::pin(self.execute_portal(&portal, max_rows)).await;
                    self.extended(done)
                }
                Frontend::Close(target, name) => {
                    self.close(target, &name);
                    Ok(())
                }
                // What comes after a COPY that failed; Postgres ignores them too.
                Frontend::CopyData(_) | Frontend::CopyDone | Frontend::CopyFail(_) => Ok(()),
                Frontend::FunctionCall => {
                    let error =
                        WireError::unsupported("function calls by message are not supported");
                    self.connection
                        .send(Backend::ErrorResponse(error.response()));
                    self.ready();
                    Ok(())
                }
                Frontend::Password(_) => Err(End::Told(WireError::protocol(
                    "a password message comes after authentication",
                ))),
            };
            if let Err(end) = served {
                return end;
            }
            // What a client pipelines must not gather here without bounds.
            if self.connection.is_chunk_full()
                && let Err(lost) = self.connection.flush().await
            {
                return lost.into();
            }
        }
    }

    /// Waits for the next message, or for a reason to end an idle session.
    async fn next(&mut self) -> std::result::Result<Frontend, End> {
        let (setting, sqlstate, text) = if self.transaction.in_block() {
            (
                "idle_in_transaction_session_timeout",
                "25P03",
                "terminating connection due to idle-in-transaction timeout",
            )
        } else {
            (
                "idle_session_timeout",
                "57P05",
                "terminating connection due to idle-session timeout",
            )
        };
        let limit = self.settings().millis(setting).map(Duration::from_millis);
        let idle = async {
            match limit {
                Some(limit) => tokio::time::sleep(limit).await,
                None => std::future::pending().await,
            }
        };
        let ended = async {
            tokio::select! {
                () = self.shared.draining.cancelled() => {}
                () = self.registration.slot.ended.cancelled() => {}
            }
        };
        tokio::select! {
            biased;
            () = ended => Err(End::Told(Interrupt::ShutDown.into())),
            message = self.connection.message() => Ok(message?),
            () = idle => Err(End::Told(WireError::fatal(sqlstate, text))),
        }
    }

    /// Ends a message of the extended protocol: after an error nothing is heard until Sync.
    fn extended(&mut self, done: Result<()>) -> std::result::Result<(), End> {
        if let Err(error) = done {
            if error.severity == Severity::Fatal {
                return Err(End::Told(error));
            }
            self.fail(&error);
            self.skipping = true;
        }
        Ok(())
    }

    async fn sync(&mut self) -> std::result::Result<(), End> {
        self.skipping = false;
        self.batch += 1;
        self.end_implicit().await;
        self.ready();
        Ok(())
    }

    /// The end of what was one transaction without BEGIN: its portals go with it.
    pub async fn end_implicit(&mut self) {
        let opened = match self.transaction.is_implicit() {
            true => self.open_held().await,
            false => Ok(()),
        };
        if let Err(error) = opened {
            self.fail(&error);
        }
        match self.publish_implicit().await {
            Err(error) => self.fail(&error),
            // A statement that failed has ended the transaction, and its cursors are gone with it.
            Ok(()) if self.transaction.is_implicit() => {
                self.portals.values_mut().for_each(Portal::commit);
            }
            Ok(()) => {}
        }
        let mut settings = lock(&self.facts.settings);
        self.transaction.end_implicit(&mut settings);
        drop(settings);
        if !self.transaction.in_block() {
            self.portals.retain(|_, portal| portal.is_held());
        }
        if let Err(error) = self.apply_settings() {
            self.warn("WARNING", error.sqlstate, &error.message);
        }
    }

    /// Tells of an error and does what it does to the transaction.
    pub fn fail(&mut self, error: &WireError) {
        self.connection
            .send(Backend::ErrorResponse(error.response()));
        let mut settings = lock(&self.facts.settings);
        self.transaction.fail(&mut settings);
    }

    pub fn warn(&mut self, severity: &str, sqlstate: &str, message: &str) {
        self.connection
            .send(Backend::NoticeResponse(notice(severity, sqlstate, message)));
    }

    pub fn ready(&mut self) {
        let status: TransactionStatus = self.transaction.status();
        self.connection
            .send(Backend::ReadyForQuery(ReadyForQuery::new(status)));
    }

    pub fn complete(&mut self, tag: &str) {
        self.connection
            .send(Backend::CommandComplete(CommandComplete::new(
                tag.to_owned(),
            )));
    }

    /// A statement starts: what may stop it. [`Self::stop`] must follow.
    pub fn start(&mut self) -> Limits {
        let timeout = self.settings().millis("statement_timeout");
        Limits {
            cancel: self.registration.slot.start(),
            deadline: timeout.map(|millis| Instant::now() + Duration::from_millis(millis)),
            shutdown: self.registration.slot.ended.clone(),
        }
    }

    /// Counts a statement that has ended, or a part of one that goes on later.
    pub fn count(&self, statement: Option<&Statement>, started: Instant, done: &Result<()>) {
        let sqlstate = done
            .as_ref()
            .map_or_else(|error| error.sqlstate, |()| "00000");
        let metrics = &self.connection.metrics;
        metrics.statement(metrics::kind(statement), sqlstate, started.elapsed());
    }

    pub fn stop(&self) {
        self.registration.slot.end();
    }

    /// Room for one more name in a map of the session.
    pub fn check_room(count: usize, what: &str) -> Result<()> {
        if count < MAX_NAMED {
            return Ok(());
        }
        Err(WireError::new(
            "53400",
            format!("a session may hold at most {MAX_NAMED} {what}"),
        ))
    }

    /// Brings changed settings to the engine, and to the client where it is to know them.
    pub fn apply_settings(&mut self) -> Result<()> {
        let settings = lock(&self.facts.settings);
        if self.applied == settings.generation() {
            return Ok(());
        }
        self.applied = settings.generation();
        let search_path = settings.search_path(&self.facts.user);
        self.query.set_search_path(search_path);
        let zone = settings.get("timezone").unwrap_or("UTC").to_owned();
        let application = settings
            .get("application_name")
            .filter(|name| !name.is_empty())
            .map(str::to_owned);
        for name in REPORTED {
            let value = settings.get(name).unwrap_or_default();
            if self.reported.get(name).is_none_or(|told| told != value) {
                self.reported.insert(name, value.to_owned());
                self.connection
                    .send(Backend::ParameterStatus(ParameterStatus::new(
                        (*name).to_owned(),
                        value.to_owned(),
                    )));
            }
        }
        drop(settings);
        self.query.set_application(application);
        Ok(self.query.set_time_zone(&zone)?)
    }
}
