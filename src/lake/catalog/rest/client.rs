//! HTTP to one REST catalog: URLs, login, time-outs, bounded answers. A request that may change
//! something is sent once; only what reads, or what the server refused unread, is sent again.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde::de::DeserializeOwned;
use url::Url;

use super::login::Login;
use super::messages::Problem;
use crate::config::{RestOptions, http_url};
use crate::lake::{Error, Result};
use crate::seams::Clock;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Below the commit's own limit of a swap, so that the reason is told.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// A table's metadata is the largest thing that is asked for.
const MAX_ANSWER_BYTES: usize = 256 << 20;
/// An error, a token: short texts. Of a longer error the beginning is kept.
const MAX_SHORT_BYTES: usize = 256 << 10;
/// What of an answer's text is shown.
const MAX_SHOWN: usize = 300;
const READ_TRIES: u32 = 4;
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// One request.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    pub method: Method,
    /// Behind `…/v1/`; each part is one segment of the path.
    pub path: Vec<&'a str>,
    pub query: Vec<(&'a str, String)>,
    pub body: Option<Vec<u8>>,
}

impl<'a> Request<'a> {
    pub fn get(path: Vec<&'a str>) -> Self {
        Self {
            method: Method::GET,
            path,
            query: Vec::new(),
            body: None,
        }
    }

    pub fn post(path: Vec<&'a str>, body: &impl serde::Serialize) -> Result<Self> {
        let body = serde_json::to_vec(body)
            .map_err(|error| Error::invalid(format!("a request can't be written: {error}")))?;
        Ok(Self {
            method: Method::POST,
            path,
            query: Vec::new(),
            body: Some(body),
        })
    }

    pub fn query(mut self, name: &'a str, value: impl Into<String>) -> Self {
        self.query.push((name, value.into()));
        self
    }
}

/// Can't be printed: it may hold a token.
pub struct Answer {
    pub status: StatusCode,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.body)
            .map_err(|error| Error::corrupt(format!("the catalog's answer can't be read: {error}")))
    }

    /// Whether it says in the protocol's own words that what was asked for is not there. Any
    /// server says 404, to a wrong URL or while something before it has lost it.
    pub fn is_missing(&self) -> bool {
        let problem = || serde_json::from_slice::<Problem>(&self.body);
        self.status == StatusCode::NOT_FOUND
            && problem().is_ok_and(|problem| !problem.error.kind.is_empty())
    }

    /// The server's words, for people.
    pub fn told(&self) -> String {
        let text = match serde_json::from_slice::<Problem>(&self.body) {
            Ok(Problem { error }) => format!("{}: {}", error.kind, error.message),
            Err(_) => String::from_utf8_lossy(&self.body).into_owned(),
        };
        let text: String = text.trim().chars().take(MAX_SHOWN).collect();
        format!("{} {text}", self.status.as_u16())
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub enum Silence {
    /// The request never reached the server.
    Unsent(String),
    /// It may have been carried out.
    Unanswered(String),
    /// There is no token to send with it.
    NoLogin(Error),
}

impl fmt::Display for Silence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsent(reason) | Self::Unanswered(reason) => f.write_str(reason),
            Self::NoLogin(error) => error.fmt(f),
        }
    }
}

pub struct Client {
    http: reqwest::Client,
    /// `http://host:port/base/v1`.
    base: Url,
    login: Login,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Client").field(&self.base.as_str()).finish()
    }
}

impl Client {
    pub fn new(options: &RestOptions, clock: Arc<dyn Clock>) -> Result<Self> {
        let base = base(&options.url)?;
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(REQUEST_TIMEOUT)
            // A POST that is sent on by a redirect is one that nobody asked for.
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("frazil/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| Error::invalid(format!("no HTTP client can be made: {error}")))?;
        Ok(Self {
            login: Login::new(options, &base)?,
            http,
            base,
            clock,
        })
    }

    /// Its URL, for messages: it has neither user nor password.
    pub fn name(&self) -> &str {
        self.base.as_str().trim_end_matches("/v1")
    }

    /// Sends it once; a second time only where the server asked for another login.
    pub async fn send(&self, request: &Request<'_>) -> Result<Answer, Silence> {
        let token = self.login.token(self).await.map_err(Silence::NoLogin)?;
        let answer = self.send_with(request, token.as_deref()).await?;
        let expired = matches!(answer.status.as_u16(), 401 | 419);
        if !expired || !self.login.forget(token.as_deref()) {
            return Ok(answer);
        }
        let token = self.login.token(self).await.map_err(Silence::NoLogin)?;
        self.send_with(request, token.as_deref()).await
    }

    /// Sends what may be sent again: until there is an answer that means something, for a while.
    pub async fn ask(&self, request: &Request<'_>) -> Result<Answer> {
        let mut tries = 0;
        loop {
            tries += 1;
            let reason = match self.send(request).await {
                Ok(answer) if !is_passing(answer.status) => return Ok(answer),
                Ok(answer) => answer.told(),
                Err(Silence::NoLogin(error))
                    if error.kind() != crate::lake::ErrorKind::Unavailable =>
                {
                    return Err(error);
                }
                Err(silence) => silence.to_string(),
            };
            if tries == READ_TRIES {
                let name = self.name();
                return Err(Error::unavailable(format!(
                    "the catalog {name} does not answer: {reason}"
                )));
            }
            self.clock.sleep(FIRST_PAUSE * (1 << (2 * tries))).await;
        }
    }

    /// A form, to a server of tokens; it changes nothing that matters.
    pub async fn post_form(&self, url: Url, form: &[(&str, &str)]) -> Result<Answer, Silence> {
        collect(self.http.post(url).form(form), MAX_SHORT_BYTES).await
    }

    pub fn now(&self) -> Duration {
        self.clock.elapsed()
    }

    async fn send_with(
        &self,
        request: &Request<'_>,
        token: Option<&str>,
    ) -> Result<Answer, Silence> {
        let url = self.url(request);
        let mut sent = self.http.request(request.method.clone(), url);
        if let Some(token) = token {
            sent = sent.bearer_auth(token);
        }
        if let Some(body) = &request.body {
            sent = sent
                .header(reqwest::header::CONTENT_TYPE, "application/json")
                .body(body.clone());
        }
        collect(sent, MAX_ANSWER_BYTES).await
    }

    fn url(&self, request: &Request<'_>) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.extend(&request.path);
        }
        if !request.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&request.query);
        }
        url
    }
}

/// What another try may mend. Of a write it tells that its outcome is not known.
pub fn is_passing(status: StatusCode) -> bool {
    status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429)
}

fn base(text: &str) -> Result<Url> {
    let mut url = http_url(text)
        .map_err(|reason| Error::invalid(format!("the REST catalog's URL {reason}")))?;
    let path = url.path().trim_end_matches('/').to_owned();
    let path = path.strip_suffix("/v1").unwrap_or(&path);
    url.set_path(&format!("{path}/v1"));
    Ok(url)
}

/// The answer, where it is no longer than `most` or tells of an error.
async fn collect(request: reqwest::RequestBuilder, most: usize) -> Result<Answer, Silence> {
    let mut response = match request.send().await {
        Ok(response) => response,
        Err(error) if error.is_connect() || error.is_builder() => {
            return Err(Silence::Unsent(reasons(error)));
        }
        Err(error) => return Err(Silence::Unanswered(reasons(error))),
    };
    let status = response.status();
    let most = if status.is_success() {
        most
    } else {
        MAX_SHORT_BYTES
    };
    let mut body = Vec::new();
    loop {
        let chunk = response.chunk().await;
        match chunk.map_err(|error| Silence::Unanswered(reasons(error)))? {
            None => return Ok(Answer { status, body }),
            Some(chunk) if body.len() + chunk.len() > most => {
                if status.is_success() {
                    let reason = format!("the answer is longer than {most} bytes");
                    return Err(Silence::Unanswered(reason));
                }
                // What it says at length is not needed to know that it refused.
                body.extend_from_slice(&chunk[..most - body.len()]);
                return Ok(Answer { status, body });
            }
            Some(chunk) => body.extend_from_slice(&chunk),
        }
    }
}

/// The error with its causes, without the URL (names of tables, and whatever a server put there).
fn reasons(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_base_is_what_stands_before_v1() {
        for (text, wanted) in [
            ("http://h:1", "http://h:1/v1"),
            ("http://h:1/", "http://h:1/v1"),
            ("https://h/a/b/", "https://h/a/b/v1"),
            ("https://h/a/v1/", "https://h/a/v1"),
        ] {
            assert_eq!(base(text).unwrap().as_str(), wanted, "{text}");
        }
    }

    #[test]
    fn a_404_is_believed_in_the_protocols_words_only() {
        let answer = |status, body: &str| Answer {
            status,
            body: body.as_bytes().to_vec(),
        };
        let word = r#"{"error": {"message": "none", "type": "NoSuchTableException", "code": 404}}"#;
        assert!(answer(StatusCode::NOT_FOUND, word).is_missing());
        assert!(!answer(StatusCode::CONFLICT, word).is_missing());
        for other in [
            "",
            "404 page not found",
            "{}",
            r#"{"message": "no Route matched"}"#,
            r#"{"error": {"code": 404, "message": "none", "status": "NOT_FOUND"}}"#,
            r#"{"error": "not_found"}"#,
        ] {
            assert!(
                !answer(StatusCode::NOT_FOUND, other).is_missing(),
                "{other}"
            );
        }
    }
}
