//! The wire role: the Postgres listener with the configuration's users.

use tokio_util::sync::CancellationToken;

use super::open::OpenError;
use super::process::Shared;
use super::supervisor::{Service, Stage};
use crate::config::{UserAccess, UserConfig, WireConfig};
use crate::query::Access;
use crate::wire::{self, Server, User, WireOptions};

/// Listens at once; the service drains it when it is told to stop.
pub(super) async fn start(shared: &Shared) -> Result<(Server, CancellationToken), OpenError> {
    let options = WireOptions {
        metrics: shared.wire.clone(),
        ..options(&shared.config.wire)?
    };
    if options.users.is_empty() {
        tracing::warn!(
            "no [[wire.users]] in the configuration: nobody can log in; frazil passwd makes a \
             verifier"
        );
    }
    let stop = CancellationToken::new();
    let server = wire::serve(shared.engine.clone(), options, stop.clone())
        .await
        .map_err(|error| OpenError::Machine(error.to_string()))?;
    Ok((server, stop))
}

pub(super) fn service(server: Server, drain: CancellationToken) -> Service {
    Service::new("wire", Stage::Frontend, move |stop| async move {
        let finished = server.finished();
        tokio::pin!(finished);
        tokio::select! {
            () = &mut finished => return Err("the listener ended".to_owned()),
            () = stop.cancelled() => drain.cancel(),
        }
        finished.await;
        Ok(())
    })
}

fn options(config: &WireConfig) -> Result<WireOptions, OpenError> {
    Ok(WireOptions {
        listen: config.listen,
        users: config.users.iter().map(user).collect::<Result<_, _>>()?,
        max_connections: config.max_connections,
        statement_timeout: config.statement_timeout,
        // Below the supervisor's own patience with this stage.
        drain_timeout: std::time::Duration::from_secs(6),
        ..WireOptions::default()
    })
}

fn user(config: &UserConfig) -> Result<User, OpenError> {
    let verifier = config.verifier.expose().parse().map_err(|error| {
        OpenError::Machine(format!("the verifier of user {}: {error}", config.name))
    })?;
    Ok(User {
        name: config.name.clone(),
        verifier,
        access: match config.access {
            UserAccess::Read => Access::Read,
            UserAccess::Write => Access::Write,
        },
        statement_timeout: config.statement_timeout,
    })
}
