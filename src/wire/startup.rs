//! From the first byte to ReadyForQuery: encryption asked for, protocol version, authentication.
//! Must never let anybody in without a password, and never spend more than the startup's time.

use bytes::Bytes;
use pgwire::messages::PgWireBackendMessage as Backend;
use pgwire::messages::ProtocolVersion;
use pgwire::messages::startup::{Authentication, NegotiateProtocolVersion};

use super::connection::{Connection, Lost};
use super::frame::{Frontend, Opening};
use super::listener::{Place, Shared, User};
use super::scram::{self, Exchange, Failure};
use super::sqlstate::WireError;

/// A client that has logged in.
pub(super) struct Client<'a> {
    pub user: User,
    /// Settings that the startup packet asked for.
    pub settings: Vec<(String, String)>,
    pub place: Place<'a>,
}

/// Leads a client in. None when there is nobody to serve: it was told why, or it has cancelled a
/// statement of another connection, or it is gone.
pub(super) async fn run<'a>(connection: &mut Connection, shared: &'a Shared) -> Option<Client<'a>> {
    match lead_in(connection, shared).await {
        Ok(client) => client,
        Err(Refused::Told(error)) => {
            shared.options.metrics.refused(error.sqlstate);
            connection.send(Backend::ErrorResponse(error.response()));
            let _ = connection.flush().await;
            None
        }
        Err(Refused::Lost(Lost::Frame(error))) => {
            let error = WireError::protocol(error.to_string());
            shared.options.metrics.refused(error.sqlstate);
            connection.send(Backend::ErrorResponse(error.response()));
            let _ = connection.flush().await;
            None
        }
        Err(Refused::Lost(Lost::Gone | Lost::Io(_))) => None,
    }
}

enum Refused {
    Told(WireError),
    Lost(Lost),
}

impl From<Lost> for Refused {
    fn from(lost: Lost) -> Self {
        Self::Lost(lost)
    }
}

impl From<WireError> for Refused {
    fn from(error: WireError) -> Self {
        Self::Told(error)
    }
}

/// A client may ask for encryption twice, by TLS and by GSS, and no more often.
const MAX_ENCRYPTION_REQUESTS: usize = 2;

async fn lead_in<'a>(
    connection: &mut Connection,
    shared: &'a Shared,
) -> Result<Option<Client<'a>>, Refused> {
    let mut requests = 0;
    let (major, minor, parameters) = loop {
        match connection.opening().await? {
            Opening::Ssl | Opening::Gss => {
                requests += 1;
                if requests > MAX_ENCRYPTION_REQUESTS {
                    return Err(WireError::protocol("too many requests for encryption").into());
                }
                // What a client sends before the answer would be taken for encrypted later.
                if connection.has_input() {
                    return Err(
                        WireError::protocol("received unencrypted data after SSL request").into(),
                    );
                }
                // The seam for TLS: answer 'S' and go on over a wrapped socket.
                connection.answer(b'N').await?;
            }
            Opening::Cancel { pid, key } => {
                shared.cancels.cancel(pid, &key);
                return Ok(None);
            }
            Opening::Startup {
                major,
                minor,
                parameters,
            } => break (major, minor, parameters),
        }
    };
    negotiate(connection, major, minor, &parameters)?;
    let mut user = None;
    let mut database = None;
    let mut settings = Vec::new();
    for (name, value) in parameters {
        match name.as_str() {
            "user" => user = Some(value),
            "database" => database = Some(value),
            "replication" if !matches!(value.as_str(), "false" | "off" | "no" | "0") => {
                return Err(
                    WireError::fatal("0A000", "replication connections are not supported").into(),
                );
            }
            "replication" => {}
            "options" => settings.extend(command_line(&value)?),
            name if name.starts_with("_pq_.") => {}
            _ => settings.push((name, value)),
        }
    }
    let Some(user) = user.filter(|user| !user.is_empty()) else {
        return Err(WireError::fatal(
            "28000",
            "no PostgreSQL user name specified in startup packet",
        )
        .into());
    };
    let user = authenticate(connection, shared, &user).await?;
    let place = shared
        .place()
        .ok_or_else(|| WireError::fatal("53300", "sorry, too many clients already"))?;
    // There is one database. Clients that name none ask for the user's own name, and many look at
    // `postgres` first: both mean the one. Any other is a mistake, told to known users only.
    let database = database.unwrap_or_else(|| user.name.clone());
    if ![&shared.options.database, &user.name].contains(&&database) && database != "postgres" {
        let hint = format!("The one database here is \"{}\".", shared.options.database);
        let missing = format!("database \"{database}\" does not exist");
        return Err(WireError::fatal("3D000", missing).with_hint(hint).into());
    }
    connection.authenticated();
    connection.send(Backend::Authentication(Authentication::Ok));
    Ok(Some(Client {
        user,
        settings,
        place,
    }))
}

fn negotiate(
    connection: &mut Connection,
    major: u16,
    minor: u16,
    parameters: &[(String, String)],
) -> Result<(), WireError> {
    if major != 3 {
        return Err(WireError::fatal(
            "0A000",
            format!("unsupported frontend protocol {major}.{minor}: server supports 3.0"),
        ));
    }
    let unknown: Vec<String> = parameters
        .iter()
        .filter(|(name, _)| name.starts_with("_pq_."))
        .map(|(name, _)| name.clone())
        .collect();
    if minor > 0 || !unknown.is_empty() {
        let newest = i32::from(ProtocolVersion::PROTOCOL3_0);
        connection.send(Backend::NegotiateProtocolVersion(
            NegotiateProtocolVersion::new(newest, unknown),
        ));
    }
    Ok(())
}

/// `-c name=value` and `--name=value` of the parameter `options`; a backslash escapes a space.
fn command_line(options: &str) -> Result<Vec<(String, String)>, WireError> {
    let mut words = vec![String::new()];
    let mut characters = options.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => words
                .last_mut()
                .expect("never empty")
                .extend(characters.next()),
            ' ' | '\t' => words.push(String::new()),
            _ => words.last_mut().expect("never empty").push(character),
        }
    }
    let mut words = words.into_iter().filter(|word| !word.is_empty());
    let mut settings = Vec::new();
    while let Some(word) = words.next() {
        let assignment = if word == "-c" {
            words.next().unwrap_or_default()
        } else if let Some(rest) = word.strip_prefix("-c").or(word.strip_prefix("--")) {
            rest.to_owned()
        } else {
            String::new()
        };
        let Some((name, value)) = assignment.split_once('=') else {
            return Err(WireError::fatal(
                "42601",
                format!("invalid command-line argument for server process: {word}"),
            ));
        };
        settings.push((name.replace('-', "_"), value.to_owned()));
    }
    Ok(settings)
}

async fn authenticate(
    connection: &mut Connection,
    shared: &Shared,
    name: &str,
) -> Result<User, Refused> {
    let user = shared.users.get(name);
    connection.send(Backend::Authentication(Authentication::SASL(vec![
        scram::MECHANISM.to_owned(),
    ])));
    let first = initial_response(&password(connection).await?)?;
    let mut nonce = [0; 18];
    for chunk in nonce.chunks_mut(8) {
        let random = shared.engine.lake().entropy.next_u64().to_be_bytes();
        chunk.copy_from_slice(&random[..chunk.len()]);
    }
    let verifier = user.map(|user| &user.verifier);
    let exchange = Exchange::start(verifier, name, &shared.secret, &nonce, &first)
        .map_err(|failure| refused(failure, name))?;
    connection.send(Backend::Authentication(Authentication::SASLContinue(
        Bytes::copy_from_slice(exchange.server_first().as_bytes()),
    )));
    let proof = password(connection).await?;
    let proof = std::str::from_utf8(&proof)
        .map_err(|_| refused(Failure::Malformed("malformed SCRAM message"), name))?;
    let signature = exchange
        .finish(proof)
        .map_err(|failure| refused(failure, name))?;
    connection.send(Backend::Authentication(Authentication::SASLFinal(
        Bytes::from(signature),
    )));
    // Only a known user's proof passes.
    Ok(user
        .ok_or_else(|| refused(Failure::WrongPassword, name))?
        .clone())
}

fn refused(failure: Failure, user: &str) -> WireError {
    match failure {
        Failure::Malformed(reason) => WireError::protocol(reason),
        // The exact text: Superset and Metabase look for it.
        Failure::WrongPassword => WireError::fatal(
            "28P01",
            format!("password authentication failed for user \"{user}\""),
        ),
    }
}

async fn password(connection: &mut Connection) -> Result<Bytes, Refused> {
    match connection.message().await? {
        Frontend::Password(body) => Ok(body),
        Frontend::Terminate => Err(Refused::Lost(Lost::Gone)),
        _ => Err(WireError::protocol("expected SASL response").into()),
    }
}

/// Mechanism, length and the client's first message.
fn initial_response(body: &Bytes) -> Result<String, WireError> {
    let malformed = || WireError::protocol("malformed SASL initial response");
    let end = body
        .iter()
        .position(|byte| *byte == 0)
        .ok_or_else(malformed)?;
    if &body[..end] != scram::MECHANISM.as_bytes() {
        return Err(WireError::protocol(
            "client selected an invalid SASL authentication mechanism",
        ));
    }
    let rest = &body[end + 1..];
    let (length, first) = rest.split_at_checked(4).ok_or_else(malformed)?;
    let length = i32::from_be_bytes([length[0], length[1], length[2], length[3]]);
    if usize::try_from(length) != Ok(first.len()) {
        return Err(malformed());
    }
    std::str::from_utf8(first)
        .map(str::to_owned)
        .map_err(|_| malformed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_the_command_line_are_settings() {
        assert_eq!(
            command_line("-c statement_timeout=5s --search-path=a\\ b -cjit=off").unwrap(),
            [
                ("statement_timeout".into(), "5s".into()),
                ("search_path".into(), "a b".into()),
                ("jit".into(), "off".into())
            ]
        );
        assert!(command_line("-x").is_err());
    }

    #[test]
    fn malformed_sasl_responses_are_refused() {
        for body in [
            &b""[..],
            b"SCRAM-SHA-256",
            b"SCRAM-SHA-256\0",
            b"SCRAM-SHA-256\0\0\0\0\x05abc",
            b"PLAIN\0\0\0\0\0",
            b"SCRAM-SHA-256\0\xff\xff\xff\xff",
        ] {
            assert!(initial_response(&Bytes::copy_from_slice(body)).is_err());
        }
    }
}
