//! Texts that must never reach a log, an error or a console.

use std::collections::BTreeMap;
use std::fmt;

/// A text that shows as `***`; [`Secret::expose`] is the only way to it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// librdkafka settings that can be shown: values of secret ones are replaced by `***`.
pub fn redact_settings(settings: &BTreeMap<String, String>) -> BTreeMap<&str, &str> {
    settings
        .iter()
        .map(|(name, value)| {
            let shown = if is_secret(name) {
                "***"
            } else {
                value.as_str()
            };
            (name.as_str(), shown)
        })
        .collect()
}

/// Whether a librdkafka setting holds a secret. `sasl.jaas.config` and the like carry passwords
/// inside, `….location` names a file and does not.
fn is_secret(name: &str) -> bool {
    let name = name.to_lowercase();
    !name.ends_with(".location")
        && [
            "password",
            "secret",
            "token",
            "pem",
            "oauthbearer.config",
            "jaas",
            "ssl.key",
            "ssl_key",
        ]
        .iter()
        .any(|part| name.contains(part))
}

/// A URL with the password replaced by `***`, for messages.
pub fn redact_url(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let (before_query, query) = match rest.split_once('?') {
        // A query may carry a password too (`?password=…`): none of it is shown.
        Some((before, _)) => (before, "?…"),
        None => (rest, ""),
    };
    match before_query.rsplit_once('@') {
        Some((user, host)) => {
            let name = user.split(':').next().unwrap_or_default();
            format!("{scheme}://{name}:***@{host}{query}")
        }
        None => format!("{scheme}://{before_query}{query}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_never_shows() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret} {secret:?} {secret:#?}"), "*** *** ***");
        assert_eq!(secret.expose(), "hunter2");
    }

    #[test]
    fn settings_and_urls_lose_their_secrets() {
        let settings = BTreeMap::from([
            ("sasl.password".to_owned(), "hunter2".to_owned()),
            ("ssl.key.pem".to_owned(), "hunter2".to_owned()),
            ("ssl.key.location".to_owned(), "/k".to_owned()),
            ("sasl.mechanism".to_owned(), "PLAIN".to_owned()),
        ]);
        let shown = redact_settings(&settings);
        assert_eq!(shown["sasl.password"], "***");
        assert_eq!(shown["ssl.key.pem"], "***");
        assert_eq!(shown["ssl.key.location"], "/k");
        assert_eq!(shown["sasl.mechanism"], "PLAIN");
        assert_eq!(
            redact_url("postgres://me:hun@ter2@db:5432/f?password=x"),
            "postgres://me:***@db:5432/f?…"
        );
        assert_eq!(redact_url("sqlite:///a/b"), "sqlite:///a/b");
    }
}
