//! A session's settings: what SET, SHOW, `current_setting` and `pg_settings` speak of.
//! Must never reach beyond its session, and never accept a value that has no effect in silence
//! where Postgres would act on it.

use std::collections::BTreeMap;

use chrono_tz::Tz;

pub use super::known::{KNOWN, Kind, Known, SERVER_VERSION};
use super::sqlstate::{Result, WireError};
use crate::query::output::interval_style::IntervalStyle;

/// Those a client is told at start and at each change (`GUC_REPORT`).
pub const REPORTED: &[&str] = &[
    "application_name",
    "client_encoding",
    "DateStyle",
    "default_transaction_read_only",
    "in_hot_standby",
    "integer_datetimes",
    "IntervalStyle",
    "is_superuser",
    "server_encoding",
    "server_version",
    "session_authorization",
    "standard_conforming_strings",
    "TimeZone",
];

/// At most this many settings of a client's own naming, and this long a value.
const MAX_CUSTOM: usize = 1000;
const MAX_VALUE_BYTES: usize = 64 * 1024;

pub fn find(name: &str) -> Option<&'static Known> {
    KNOWN
        .iter()
        .find(|known| known.name.eq_ignore_ascii_case(name))
        .or_else(|| match name.to_ascii_lowercase().as_str() {
            "time zone" => find("TimeZone"),
            "names" => find("client_encoding"),
            _ => None,
        })
}

/// What a rollback goes back to.
#[derive(Clone, Debug, Default)]
pub struct Saved {
    values: BTreeMap<String, String>,
    local: BTreeMap<String, String>,
}

/// The settings of one session.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What RESET goes back to: the defaults and what the client asked for at start.
    reset: BTreeMap<String, String>,
    values: BTreeMap<String, String>,
    /// Over `values` until the transaction ends (SET LOCAL).
    local: BTreeMap<String, String>,
    generation: u64,
}

impl Settings {
    pub fn new(user: &str, search_path: &str) -> Self {
        let mut reset: BTreeMap<String, String> = KNOWN
            .iter()
            .map(|known| (known.name.to_ascii_lowercase(), known.default.to_owned()))
            .collect();
        reset.insert("session_authorization".into(), user.to_owned());
        reset.insert("search_path".into(), search_path.to_owned());
        Self {
            values: reset.clone(),
            reset,
            local: BTreeMap::new(),
            generation: 0,
        }
    }

    /// Rises with each change.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// A setting from the startup packet: also what RESET goes back to.
    pub fn set_at_start(&mut self, name: &str, value: &str) -> Result<()> {
        let (key, value) = checked(name, value)?;
        self.reset.insert(key.clone(), value.clone());
        self.values.insert(key, value);
        self.generation += 1;
        Ok(())
    }

    /// SET, or SET LOCAL where `local`.
    pub fn set(&mut self, name: &str, value: &str, local: bool) -> Result<()> {
        let (key, value) = checked(name, value)?;
        if !self.values.contains_key(&key) && self.values.len() > KNOWN.len() + MAX_CUSTOM {
            return Err(WireError::new(
                "53400",
                format!("a session may name at most {MAX_CUSTOM} settings of its own"),
            ));
        }
        if local {
            self.local.insert(key, value);
        } else {
            self.local.remove(&key);
            self.values.insert(key, value);
        }
        self.generation += 1;
        Ok(())
    }

    pub fn reset(&mut self, name: &str) -> Result<()> {
        let known = find(name);
        if known.is_none() && !name.contains('.') {
            return Err(unknown(name));
        }
        if known.is_some_and(|known| known.kind == Kind::Internal) {
            return Err(unchangeable(name));
        }
        let key = key(name);
        self.local.remove(&key);
        match self.reset.get(&key) {
            Some(value) => self.values.insert(key, value.clone()),
            None => self.values.remove(&key),
        };
        self.generation += 1;
        Ok(())
    }

    pub fn reset_all(&mut self) {
        self.values = self.reset.clone();
        self.local.clear();
        self.generation += 1;
    }

    /// The value as SHOW gives it; an error for a name nobody knows.
    pub fn show(&self, name: &str) -> Result<String> {
        let value = self.get(name).ok_or_else(|| unknown(name))?;
        Ok(match find(name).map(|known| known.kind) {
            Some(Kind::Millis) => with_unit(value.parse().unwrap_or(0)),
            _ => value.to_owned(),
        })
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        let key = key(name);
        self.local
            .get(&key)
            .or_else(|| self.values.get(&key))
            .map(String::as_str)
    }

    pub fn reset_value(&self, name: &str) -> Option<&str> {
        self.reset.get(&key(name)).map(String::as_str)
    }

    /// All of them as SHOW ALL lists them.
    pub fn all(&self) -> Vec<(String, String, &'static str)> {
        let custom = self
            .values
            .keys()
            .filter(|key| find(key).is_none())
            .map(|key| (key.clone(), ""));
        KNOWN
            .iter()
            .map(|known| (known.name.to_owned(), known.description))
            .chain(custom)
            .map(|(name, description)| {
                let value = self.show(&name).unwrap_or_default();
                (name, value, description)
            })
            .collect()
    }

    /// Milliseconds of a timeout; None for none.
    pub fn millis(&self, name: &str) -> Option<u64> {
        self.get(name)?
            .parse()
            .ok()
            .filter(|millis: &u64| *millis > 0)
    }

    pub fn zone(&self) -> Tz {
        self.get("timezone")
            .and_then(|zone| zone.parse().ok())
            .unwrap_or(Tz::UTC)
    }

    pub fn interval_style(&self) -> IntervalStyle {
        IntervalStyle::of(self.get("intervalstyle").unwrap_or_default())
    }

    /// Schemas of the search path, `$user` resolved.
    pub fn search_path(&self, user: &str) -> Vec<String> {
        split_identifiers(self.get("search_path").unwrap_or_default())
            .into_iter()
            .map(|name| match name.as_str() {
                "$user" => user.to_owned(),
                _ => name,
            })
            .collect()
    }

    pub fn save(&self) -> Saved {
        Saved {
            values: self.values.clone(),
            local: self.local.clone(),
        }
    }

    pub fn restore(&mut self, saved: Saved) {
        self.values = saved.values;
        self.local = saved.local;
        self.generation += 1;
    }

    /// The transaction's end: SET LOCAL ends with it.
    pub fn end_local(&mut self) {
        if !self.local.is_empty() {
            self.local.clear();
            self.generation += 1;
        }
    }
}

fn key(name: &str) -> String {
    find(name)
        .map_or(name, |known| known.name)
        .to_ascii_lowercase()
}

fn unknown(name: &str) -> WireError {
    WireError::new(
        "42704",
        format!("unrecognized configuration parameter \"{name}\""),
    )
}

fn unchangeable(name: &str) -> WireError {
    WireError::new("55P02", format!("parameter \"{name}\" cannot be changed"))
}

/// Checks a value and brings it to the form in which it is kept.
fn checked(name: &str, value: &str) -> Result<(String, String)> {
    let invalid = || {
        WireError::new(
            "22023",
            format!("invalid value for parameter \"{name}\": \"{value}\""),
        )
    };
    if value.len() > MAX_VALUE_BYTES {
        return Err(invalid());
    }
    let Some(known) = find(name) else {
        // As in Postgres, whoever puts a dot in a name may keep what they like under it.
        return if name.contains('.') {
            Ok((name.to_ascii_lowercase(), value.to_owned()))
        } else {
            Err(unknown(name))
        };
    };
    let value = match known.kind {
        Kind::Internal => return Err(unchangeable(name)),
        Kind::Bool => match value.to_ascii_lowercase().as_str() {
            "on" | "true" | "t" | "yes" | "y" | "1" => "on".to_owned(),
            "off" | "false" | "f" | "no" | "n" | "0" => "off".to_owned(),
            _ => return Err(invalid()),
        },
        Kind::Int(least, most) => match value.trim().parse::<i64>() {
            Ok(number) if (least..=most).contains(&number) => number.to_string(),
            _ => return Err(invalid()),
        },
        Kind::Real => match value.trim().parse::<f64>() {
            Ok(number) if number.is_finite() && (number >= 0.0 || number == -1.0) => {
                number.to_string()
            }
            _ => return Err(invalid()),
        },
        Kind::Millis => millis(value).ok_or_else(invalid)?.to_string(),
        // As in Postgres, only letters and digits count: drivers send `utf-8`, even quoted.
        Kind::Enum(_) if known.name == "client_encoding" => {
            let plain: String = value.chars().filter(char::is_ascii_alphanumeric).collect();
            if !["utf8", "unicode"].contains(&plain.to_ascii_lowercase().as_str()) {
                return Err(invalid().with_hint("Only UTF8 is spoken here."));
            }
            "UTF8".to_owned()
        }
        Kind::Enum(allowed) => {
            if !allowed.iter().any(|one| one.eq_ignore_ascii_case(value)) {
                return Err(
                    invalid().with_hint(format!("Available values: {}.", allowed.join(", ")))
                );
            }
            match known.name {
                "standard_conforming_strings" => "on".to_owned(),
                _ => value.to_ascii_lowercase(),
            }
        }
        Kind::Zone => zone(value).ok_or_else(invalid)?,
        Kind::Text if known.name == "DateStyle" => date_style(value).ok_or_else(invalid)?,
        Kind::Text => value.to_owned(),
    };
    Ok((known.name.to_ascii_lowercase(), value))
}

/// Only ISO output is made; the order of day and month is kept as it is asked for.
/// Only what is kept: dates are written in ISO's style and read month before day. Another order
/// would read another date out of `1/2/2003` than was meant.
fn date_style(value: &str) -> Option<String> {
    let known = ["ISO", "DEFAULT", "", "MDY", "US", "NONEURO", "NONEUROPEAN"];
    let mut parts = value
        .split(',')
        .map(|part| part.trim().to_ascii_uppercase());
    parts
        .all(|part| known.contains(&part.as_str()))
        .then(|| "ISO, MDY".to_owned())
}

fn zone(value: &str) -> Option<String> {
    let value = value.trim().trim_matches(['\'', '"']);
    if value.eq_ignore_ascii_case("default") || value.eq_ignore_ascii_case("local") {
        return Some("UTC".to_owned());
    }
    let value = match value.parse::<i32>() {
        // Hours east of Greenwich; the names of these zones count westward.
        Ok(0) => "UTC".to_owned(),
        Ok(hours) if (-14..=12).contains(&-hours) => format!("Etc/GMT{:+}", -hours),
        Ok(_) => return None,
        Err(_) => value.to_owned(),
    };
    chrono_tz::TZ_VARIANTS
        .iter()
        .find(|zone| zone.name().eq_ignore_ascii_case(&value))
        .map(|zone| zone.name().to_owned())
}

fn millis(value: &str) -> Option<i64> {
    let value = value.trim();
    let digits = value
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(value.len());
    let (number, unit) = value.split_at(digits);
    let factor = match unit.trim() {
        "us" => 0.001,
        "" | "ms" => 1.0,
        "s" => 1000.0,
        "min" => 60_000.0,
        "h" => 3_600_000.0,
        "d" => 86_400_000.0,
        _ => return None,
    };
    let millis = number.parse::<f64>().ok()? * factor;
    (millis <= f64::from(i32::MAX)).then_some(millis.round() as i64)
}

/// The largest unit that divides it, as SHOW has it.
fn with_unit(millis: i64) -> String {
    for (unit, size) in [
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("min", 60_000),
        ("s", 1000),
    ] {
        if millis > 0 && millis % size == 0 {
            return format!("{}{unit}", millis / size);
        }
    }
    if millis == 0 {
        "0".to_owned()
    } else {
        format!("{millis}ms")
    }
}

/// Splits `"$user", public` into names; unquoted ones fold to lower case.
pub fn split_identifiers(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        if let Some(quoted) = rest.strip_prefix('"') {
            let end = quoted.find('"').unwrap_or(quoted.len());
            names.push(quoted[..end].to_owned());
            rest = quoted.get(end + 1..).unwrap_or_default();
            rest = rest.trim_start().strip_prefix(',').unwrap_or_default();
        } else {
            let (name, after) = rest.split_once(',').unwrap_or((rest, ""));
            if !name.trim().is_empty() {
                names.push(name.trim().to_lowercase());
            }
            rest = after;
        }
        rest = rest.trim_start();
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        Settings::new("alice", "\"$user\", public")
    }

    #[test]
    fn values_are_checked_and_normalised() {
        let mut settings = settings();
        settings.set("STATEMENT_TIMEOUT", "2s", false).unwrap();
        assert_eq!(settings.millis("statement_timeout"), Some(2000));
        assert_eq!(settings.show("statement_timeout").unwrap(), "2s");
        settings.set("timezone", "europe/berlin", false).unwrap();
        assert_eq!(settings.zone(), Tz::Europe__Berlin);
        settings.set("timezone", "-3", false).unwrap();
        assert_eq!(settings.zone(), Tz::Etc__GMTPlus3);
        settings.set("datestyle", "ISO", false).unwrap();
        assert_eq!(settings.show("DateStyle").unwrap(), "ISO, MDY");
        for (name, value, code) in [
            ("timezone", "Mars/Olympus", "22023"),
            ("client_encoding", "LATIN1", "22023"),
            ("server_version", "99", "55P02"),
            ("no_such_thing", "1", "42704"),
            ("datestyle", "German", "22023"),
            ("jit", "maybe", "22023"),
            ("seq_page_cost", "NaN", "22023"),
        ] {
            assert_eq!(settings.set(name, value, false).unwrap_err().sqlstate, code);
        }
        settings.set("my.own", "x", false).unwrap();
        assert_eq!(settings.show("my.own").unwrap(), "x");
    }

    #[test]
    fn local_values_end_and_rollbacks_restore() {
        let mut settings = settings();
        let saved = settings.save();
        settings.set("jit", "on", false).unwrap();
        settings.set("jit", "off", true).unwrap();
        assert_eq!(settings.get("jit"), Some("off"));
        settings.end_local();
        assert_eq!(settings.get("jit"), Some("on"));
        settings.restore(saved);
        assert_eq!(settings.get("jit"), Some("off"));
    }

    #[test]
    fn the_search_path_is_a_list_of_identifiers() {
        let mut settings = settings();
        assert_eq!(settings.search_path("alice"), ["alice", "public"]);
        settings
            .set("search_path", "Shop, \"Odd, Name\"", false)
            .unwrap();
        assert_eq!(settings.search_path("alice"), ["shop", "Odd, Name"]);
    }

    #[test]
    fn what_is_known_is_sorted_and_reported_ones_exist() {
        let names: Vec<_> = KNOWN.iter().map(|k| k.name.to_ascii_lowercase()).collect();
        assert!(names.is_sorted());
        assert!(REPORTED.iter().all(|name| find(name).is_some()));
    }
}
