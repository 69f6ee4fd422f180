//! Roles: which kinds of work a process does.

use std::collections::BTreeSet;
use std::str::FromStr;

/// A kind of work; roles meet only through tables, catalog and control store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    Sink,
    Jobs,
    Upkeep,
    Wire,
    /// Health and metrics: on in every process, named or not.
    Ops,
}

const ALL: [(&str, Role); 5] = [
    ("sink", Role::Sink),
    ("jobs", Role::Jobs),
    ("upkeep", Role::Upkeep),
    ("wire", Role::Wire),
    ("ops", Role::Ops),
];

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = ALL.iter().find(|(name, _)| *name == text.trim());
        known.map(|(_, role)| *role).ok_or_else(|| {
            let names = ALL.map(|(name, _)| name).join(", ");
            match crate::config::suggestion(text, ALL.map(|(name, _)| name)) {
                Some(near) => format!("there is no role {text:?}, did you mean {near}?"),
                None => format!("there is no role {text:?}; there are {names}"),
            }
        })
    }
}

/// The roles of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roles(BTreeSet<Role>);

impl Roles {
    pub fn all() -> Self {
        Self(ALL.iter().map(|(_, role)| *role).collect())
    }

    pub fn of(roles: impl IntoIterator<Item = Role>) -> Self {
        Self(roles.into_iter().chain([Role::Ops]).collect())
    }

    pub fn has(&self, role: Role) -> bool {
        self.0.contains(&role)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_role_is_told() {
        assert_eq!("jobs".parse(), Ok(Role::Jobs));
        let error = "snik".parse::<Role>().unwrap_err();
        assert!(error.contains("did you mean sink"), "{error}");
        assert!("rest".parse::<Role>().is_err());
    }

    #[test]
    fn ops_is_always_on() {
        let roles = Roles::of([Role::Sink]);
        assert!(roles.has(Role::Ops) && roles.has(Role::Sink) && !roles.has(Role::Wire));
    }
}
