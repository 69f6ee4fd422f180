//! The bearer token of a REST catalog: a given one, or one bought with client credentials (OAuth2)
//! and bought anew before it ends. No token is ever shown.

use std::sync::Mutex;
use std::time::Duration;

use url::Url;

use super::client::{Client, Silence, is_passing};
use super::messages::Token;
use crate::config::{RestOptions, Secret, http_url};
use crate::lake::{Error, Result};

const DEFAULT_SCOPE: &str = "catalog";
/// A token is bought anew this long before it ends.
const MARGIN: Duration = Duration::from_secs(60);
/// Of a server that doesn't say.
const DEFAULT_LIFE: Duration = Duration::from_secs(3_600);
/// And however long a server says that it lasts.
const LONGEST_LIFE: Duration = Duration::from_secs(24 * 3_600);

pub enum Login {
    None,
    Token(Secret),
    Credentials(Box<Credentials>),
}

pub struct Credentials {
    /// May be empty: some servers know a secret alone.
    id: String,
    secret: Secret,
    scope: String,
    server: Url,
    held: Mutex<Option<Held>>,
    /// One buys, the others wait for it.
    buying: tokio::sync::Mutex<()>,
}

struct Held {
    token: Secret,
    until: Duration,
}

impl Login {
    pub fn new(options: &RestOptions, base: &Url) -> Result<Self> {
        if let Some(token) = &options.token {
            return Ok(Self::Token(token.clone()));
        }
        let Some(credential) = &options.credential else {
            return Ok(Self::None);
        };
        let (id, secret) = match credential.expose().split_once(':') {
            Some((id, secret)) => (id, secret),
            None => ("", credential.expose()),
        };
        let server = match &options.oauth_server {
            Some(text) => http_url(text).map_err(|reason| {
                Error::invalid(format!("the URL of the OAuth2 server {reason}"))
            })?,
            None => {
                let mut url = base.clone();
                if let Ok(mut segments) = url.path_segments_mut() {
                    segments.extend(["oauth", "tokens"]);
                }
                url
            }
        };
        Ok(Self::Credentials(Box::new(Credentials {
            id: id.to_owned(),
            secret: Secret::new(secret),
            scope: options
                .scope
                .clone()
                .unwrap_or_else(|| DEFAULT_SCOPE.to_owned()),
            server,
            held: Mutex::default(),
            buying: tokio::sync::Mutex::default(),
        })))
    }

    /// The token to send, bought if need be.
    pub async fn token(&self, client: &Client) -> Result<Option<String>> {
        match self {
            Self::None => Ok(None),
            Self::Token(token) => Ok(Some(token.expose().to_owned())),
            Self::Credentials(credentials) => credentials.token(client).await.map(Some),
        }
    }

    /// This token was refused. Whether there is another to be had.
    pub fn forget(&self, token: Option<&str>) -> bool {
        let Self::Credentials(credentials) = self else {
            return false;
        };
        let mut held = credentials.held();
        if held.as_ref().map(|held| held.token.expose()) == token {
            *held = None;
        }
        true
    }
}

impl Credentials {
    fn held(&self) -> std::sync::MutexGuard<'_, Option<Held>> {
        self.held
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn current(&self, now: Duration) -> Option<String> {
        let held = self.held();
        let held = held.as_ref().filter(|held| now < held.until)?;
        Some(held.token.expose().to_owned())
    }

    async fn token(&self, client: &Client) -> Result<String> {
        if let Some(token) = self.current(client.now()) {
            return Ok(token);
        }
        let _alone = self.buying.lock().await;
        if let Some(token) = self.current(client.now()) {
            return Ok(token);
        }
        let bought = self.buy(client).await?;
        *self.held() = Some(Held {
            token: Secret::new(bought.access_token.clone()),
            until: client.now() + life(bought.expires_in),
        });
        Ok(bought.access_token)
    }

    async fn buy(&self, client: &Client) -> Result<Token> {
        let mut form = vec![
            ("grant_type", "client_credentials"),
            ("client_secret", self.secret.expose()),
            ("scope", &self.scope),
        ];
        if !self.id.is_empty() {
            form.push(("client_id", &self.id));
        }
        let server = &self.server;
        match client.post_form(server.clone(), &form).await {
            // Why it can't be read would show what stands there.
            Ok(answer) if answer.status.is_success() => answer.parse().map_err(|_| {
                Error::corrupt(format!(
                    "the answer of the OAuth2 server {server} is no token"
                ))
            }),
            Ok(answer) if is_passing(answer.status) => Err(Error::unavailable(format!(
                "the OAuth2 server {server} gives no token now: {}",
                answer.told()
            ))),
            Ok(answer) => Err(Error::invalid(format!(
                "the OAuth2 server {server} refuses the credential: {}",
                answer.told()
            ))),
            Err(Silence::NoLogin(error)) => Err(error),
            Err(silence) => Err(Error::unavailable(format!(
                "the OAuth2 server {server} does not answer: {silence}"
            ))),
        }
    }
}

/// How long a token is used.
fn life(expires_in: Option<u64>) -> Duration {
    let told = expires_in.map_or(DEFAULT_LIFE, Duration::from_secs);
    let told = told.min(LONGEST_LIFE);
    // A short life is used for its half at least.
    told.saturating_sub(MARGIN).max(told / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_used_for_a_while_whatever_is_said_of_it() {
        let seconds = |told| life(told).as_secs();
        assert_eq!(seconds(None), 3_540);
        assert_eq!(seconds(Some(600)), 540);
        assert_eq!(seconds(Some(60)), 30);
        assert_eq!(seconds(Some(0)), 0);
        assert_eq!(seconds(Some(u64::MAX)), 86_340);
    }

    #[test]
    fn a_server_of_tokens_whose_url_holds_a_secret_is_refused_and_not_shown() {
        let base = Url::parse("http://h/v1").unwrap();
        for server in ["http://me:s3cret@h/", "http://h/?key=s3cret", "s3cret"] {
            let options = RestOptions {
                credential: Some(Secret::new("id:secret")),
                oauth_server: Some(server.to_owned()),
                ..RestOptions::default()
            };
            let Err(error) = Login::new(&options, &base) else {
                panic!("{server} is taken");
            };
            assert!(!error.to_string().contains("s3cret"), "{error}");
        }
    }
}
