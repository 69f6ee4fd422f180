//! What a demo's folder was made for: seed, time and length of its history. Persisted, so that a
//! producer that starts again makes the same records and goes on behind those it has sent.

use std::path::Path;

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};

/// The file in the demo's folder.
pub(super) const FILE: &str = "demo.json";

const VERSION: u32 = 1;

/// Persisted as JSON; `version` is raised when the layout or the generator's bytes change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Plan {
    version: u32,
    pub seed: u64,
    /// Where the history ends: the time of the first start.
    pub end_ms: i64,
    /// Records of the history.
    pub history: u64,
}

impl Plan {
    pub(super) fn new(seed: u64, end_ms: i64, history: u64) -> Self {
        Self {
            version: VERSION,
            seed,
            end_ms,
            history,
        }
    }

    pub(super) fn read(folder: &Path) -> anyhow::Result<Option<Self>> {
        let path = folder.join(FILE);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(error).with_context(|| format!("{} can't be read", path.display()));
            }
        };
        Self::parse(&text)
            .with_context(|| path.display().to_string())
            .map(Some)
    }

    fn parse(text: &str) -> anyhow::Result<Self> {
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        let Version { version } =
            serde_json::from_str(text).context("this is not a demo's plan")?;
        if version != VERSION {
            bail!(
                "this folder was made by another version of frazil (layout {version}, this program \
                 knows {VERSION}): use that version, or another folder with --dir"
            );
        }
        serde_json::from_str(text).context("this is not a demo's plan")
    }

    pub(super) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("numbers always serialise")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Golden: what the first release wrote must open for ever.
    #[test]
    fn opens_what_the_first_release_wrote() {
        let text = r#"{"version":1,"seed":7,"end_ms":1793491200000,"history":200000}"#;
        let plan = Plan::parse(text).unwrap();
        assert_eq!(plan, Plan::new(7, 1_793_491_200_000, 200_000));
        assert_eq!(plan.to_json(), text);
    }

    #[test]
    fn a_newer_folder_is_refused_whatever_else_it_holds() {
        let error = Plan::parse(r#"{"version":2,"seeds":[1]}"#).unwrap_err();
        assert!(error.to_string().contains("another version"), "{error}");
    }
}
