//! URLs of servers that messages name. Must never let one through that could hold a secret.

use url::Url;

/// A server's `http://host:port/path`, without user, password, query and fragment, so that it can be
/// shown. Else what is wrong with it, to stand behind "the URL", without the text itself.
pub fn http_url(text: &str) -> Result<Url, &'static str> {
    let url = Url::parse(text).ok();
    let url = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let Some(url) = url else {
        return Err("is not of the form http://host:port/path or https://…");
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must hold no user and no password");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("must not go on behind its path");
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_with_a_secret_is_refused_and_not_shown() {
        for text in [
            "http://me:s3cret@h/",
            "http://s3cret@h/",
            "http://h/?token=s3cret",
            "http://h/#s3cret",
            "ftp://s3cret",
            "s3cret:1",
            "s3cret",
        ] {
            assert!(!http_url(text).unwrap_err().contains("s3cret"), "{text}");
        }
        for text in ["http://h", "https://h:1/a/token"] {
            assert!(http_url(text).is_ok(), "{text}");
        }
    }
}
