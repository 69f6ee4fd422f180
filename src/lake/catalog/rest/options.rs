//! How a REST catalog is reached.

use crate::config::Secret;

/// Of one REST catalog; see `docs/configuration.md`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RestOptions {
    /// `http://host:port/base`, with or without `/v1` at its end; no user and no password in it.
    pub url: String,
    /// What the server calls the catalog, where it has several.
    pub warehouse: Option<String>,
    /// Of all paths; a server that wants one says so itself.
    pub prefix: Option<String>,
    /// A bearer token that does not end.
    pub token: Option<Secret>,
    /// OAuth2 client credentials, `id:secret`.
    pub credential: Option<Secret>,
    pub scope: Option<String>,
    /// Where the credentials buy a token; the catalog's own `/v1/oauth/tokens` unless told.
    pub oauth_server: Option<String>,
}
