//! What is wrong with a text that somebody wrote: where, what, and what to do.
//! Problems are collected, so that one look shows all of them.

use std::fmt;
use std::path::{Path, PathBuf};

/// One thing to mend. Shows as `file:line:column: message`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    pub file: PathBuf,
    /// 1-based; None when the whole file is meant.
    pub line: Option<usize>,
    /// 1-based, in characters.
    pub column: Option<usize>,
    pub message: String,
}

impl Problem {
    /// A problem with the whole file.
    pub fn of_file(file: &Path, message: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            line: None,
            column: None,
            message: message.into(),
        }
    }

    /// A problem at a byte of the file's text.
    pub fn at_byte(file: &Path, text: &str, byte: usize, message: impl Into<String>) -> Self {
        Place::at_byte(file, text, byte).problem(message)
    }
}

/// Where something stands that was fine when it was read, for what is found out later: beside other
/// files, or by whom it is meant for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    file: PathBuf,
    line: Option<usize>,
    column: Option<usize>,
}

impl Place {
    pub fn of_file(file: &Path) -> Self {
        Self {
            file: file.to_owned(),
            ..Self::default()
        }
    }

    pub fn at_byte(file: &Path, text: &str, byte: usize) -> Self {
        let (line, column) = line_and_column(text, byte);
        Self {
            file: file.to_owned(),
            line: Some(line),
            column: Some(column),
        }
    }

    /// A problem that was found with what stands here.
    pub fn problem(&self, message: impl Into<String>) -> Problem {
        Problem {
            file: self.file.clone(),
            line: self.line,
            column: self.column,
            message: message.into(),
        }
    }
}

/// `file:line:column`.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show_place(f, &self.file, self.line, self.column)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show_place(f, &self.file, self.line, self.column)?;
        write!(f, ": {}", self.message)
    }
}

fn show_place(
    f: &mut fmt::Formatter<'_>,
    file: &Path,
    line: Option<usize>,
    column: Option<usize>,
) -> fmt::Result {
    write!(f, "{}", file.display())?;
    for number in [line, column].into_iter().flatten() {
        write!(f, ":{number}")?;
    }
    Ok(())
}

/// All problems found; never empty when it is an error.
#[derive(Clone, Debug, Default, PartialEq, Eq, thiserror::Error)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

/// 1-based line and column (in characters) of a byte offset; past the end counts as the end.
pub fn line_and_column(text: &str, byte: usize) -> (usize, usize) {
    let mut end = byte.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let before = &text[..end];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    (
        before.matches('\n').count() + 1,
        before[line_start..].chars().count() + 1,
    )
}

/// `did you mean …?` for the known word nearest to `wrong`, when one is near enough to be meant.
pub fn suggestion<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wrong = wrong.to_lowercase();
    known
        .into_iter()
        .map(|word| (edit_distance(&wrong, &word.to_lowercase()), word))
        .filter(|(distance, word)| *distance <= word.chars().count().max(3) / 3)
        .min()
        .map(|(_, word)| word)
}

/// Insertions, removals, replacements and swaps of neighbours between two words.
fn edit_distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    for (j, cell) in rows[0].iter_mut().enumerate() {
        *cell = j;
    }
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replaced.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_lines_and_characters() {
        let text = "ab\nçd\nx";
        assert_eq!(line_and_column(text, 0), (1, 1));
        assert_eq!(line_and_column(text, 3), (2, 1));
        assert_eq!(line_and_column(text, 5), (2, 2));
        assert_eq!(line_and_column(text, 4), (2, 1), "inside a character");
        assert_eq!(line_and_column(text, 99), (3, 2));
    }

    #[test]
    fn suggests_only_what_is_near() {
        let known = ["warehouse", "catalog", "name"];
        assert_eq!(suggestion("warehose", known), Some("warehouse"));
        assert_eq!(suggestion("nmae", known), Some("name"));
        assert_eq!(suggestion("Catalog", known), Some("catalog"));
        assert_eq!(suggestion("brokers", known), None);
    }
}
