//! Listings of a REST catalog, page by page. Must never take a part of one for the whole.

use std::collections::BTreeSet;

use reqwest::StatusCode;

use super::client::Request;
use super::messages::{Namespaces, Page, Tables};
use super::{RestCatalog, refused};
use crate::domain::TableName;
use crate::lake::catalog::check_namespace;
use crate::lake::{Error, Result};

/// Pages of one listing.
const MAX_PAGES: usize = 10_000;

impl RestCatalog {
    pub(super) async fn all_tables(&self) -> Result<Vec<TableName>> {
        let mut tables = BTreeSet::new();
        for namespace in self.all_namespaces().await? {
            let path = ["namespaces", &namespace, "tables"];
            let what = format!("the tables of {namespace}");
            // None where it was dropped since it was listed.
            let found = self.pages::<Tables>(&path, &what).await?;
            // Another engine's odd names can't be asked for here.
            let names = found.into_iter().flatten();
            tables.extend(names.filter_map(|one| TableName::new(&namespace, &one.name).ok()));
        }
        Ok(tables.into_iter().collect())
    }

    pub(super) async fn all_namespaces(&self) -> Result<Vec<String>> {
        let what = "the namespaces";
        let found = self.pages::<Namespaces>(&["namespaces"], what).await?;
        let found = found.ok_or_else(|| {
            let name = self.client.name();
            Error::invalid(format!("the catalog {name} knows no namespaces"))
        })?;
        // Nested ones and odd names can't be asked for here.
        let names = found.into_iter().filter_map(|mut levels| {
            let name = levels.pop().filter(|_| levels.is_empty())?;
            check_namespace(&name).is_ok().then_some(name)
        });
        Ok(names.collect::<BTreeSet<_>>().into_iter().collect())
    }

    /// What is on all pages; None where the server knows nothing of what is listed.
    async fn pages<P: Page>(&self, path: &[&str], what: &str) -> Result<Option<Vec<P::Item>>> {
        let mut items = Vec::new();
        let mut tokens = BTreeSet::new();
        let mut token = String::new();
        for page in 0..MAX_PAGES {
            let request = Request::get(self.path(path)).query("pageToken", &token);
            let answer = self.client.ask(&request).await?;
            if answer.status == StatusCode::NOT_FOUND {
                return match page {
                    0 if answer.is_missing() => Ok(None),
                    0 => Err(self.stray(&answer, what)),
                    _ => Err(Error::unavailable(format!(
                        "the list of {what} broke off: {}",
                        answer.told()
                    ))),
                };
            }
            if !answer.status.is_success() {
                return Err(refused(&answer, what));
            }
            let (found, next) = answer.parse::<P>()?.parts();
            items.extend(found);
            match next.filter(|next| !next.is_empty()) {
                None => return Ok(Some(items)),
                Some(next) => token = next,
            }
            if !tokens.insert(token.clone()) {
                return Err(Error::invalid(format!(
                    "the list of {what} goes round: the catalog names a page a second time"
                )));
            }
        }
        Err(Error::invalid(format!(
            "the list of {what} has more than {MAX_PAGES} pages: is it the right catalog?"
        )))
    }
}
