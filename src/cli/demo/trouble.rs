//! Says what the streams say of themselves when something is wrong with one, and when it is right
//! again.

use super::progress::say;
use super::watch::Watch;
use crate::cli::serve::is_disk_full;

/// Looks between two questions whether something is wrong.
const BEATS: u32 = 10;

#[derive(Debug, Default)]
pub(super) struct Trouble {
    told: Option<String>,
    beats: u32,
}

impl Trouble {
    /// One look; now and then it asks, and says what is new.
    pub(super) async fn look(&mut self, watch: &Watch) {
        self.beats = self.beats.wrapping_add(1);
        if self.beats.is_multiple_of(BEATS) {
            let found = watch.trouble().await;
            if let Some(text) = self.news(found) {
                say(&format!("\n{text}"));
            }
        }
    }

    fn news(&mut self, found: Option<String>) -> Option<String> {
        let news = match (&found, &self.told) {
            (Some(text), told) if told.as_ref() != Some(text) => {
                Some(format!("! {}", advice(text)))
            }
            (None, Some(_)) => Some("the streams go on".to_owned()),
            _ => None,
        };
        self.told = found;
        news
    }
}

/// What waits goes on by itself, other than what died.
fn advice(text: &str) -> String {
    if is_disk_full(text) {
        format!("the disk is full: make room and it goes on by itself, nothing is lost ({text})")
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_is_said_once_and_its_end_too() {
        let mut trouble = Trouble::default();
        assert_eq!(trouble.news(None), None);
        let full = "stream shop: can't write x: No space left on device (os error 28)";
        let said = trouble.news(Some(full.to_owned())).unwrap();
        assert!(said.starts_with("! the disk is full: make room"), "{said}");
        assert_eq!(trouble.news(Some(full.to_owned())), None);
        let other = trouble.news(Some("stream shop: y".to_owned()));
        assert_eq!(other.unwrap(), "! stream shop: y");
        assert_eq!(trouble.news(None).unwrap(), "the streams go on");
        assert_eq!(trouble.news(None), None);
    }
}
