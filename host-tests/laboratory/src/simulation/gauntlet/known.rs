//! Laws that are known to be broken, with the reason: `known-breaks.txt`. A break that is not in the list fails the gauntlet, and so
//! does one in the list that is mended, so that the list stays true.

use super::law::{Judgement, Law, Outcome};

const TEXT: &str = include_str!("../../../simulation/known-breaks.txt");

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownBreaks(Vec<Known>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Known {
    cell: String,
    law: Law,
}

/// Agreement of a judgement with the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// As it should be, or in doubt.
    Fine,
    /// Broken, as the list says.
    Known,
    /// Broken, and not in the list.
    Unknown,
    /// In the list, and holds.
    Mended,
}

// === impl KnownBreaks ===

impl KnownBreaks {
    /// The committed list.
    ///
    /// # Errors
    /// As [`KnownBreaks::parse`].
    pub fn committed() -> Result<Self, String> {
        Self::parse(TEXT)
    }

    /// A line for each: the cell, the law and the reason. Empty lines and those that begin with # are left out.
    ///
    /// # Errors
    /// With the line that is none.
    pub fn parse(text: &str) -> Result<Self, String> {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let known = |line: &str| {
            let mut words = line.split_whitespace();
            let (cell, law) = (words.next()?, words.next()?);
            let law = Law::ALL.into_iter().find(|known| known.name() == law)?;
            words.next().map(|_reason| Known { cell: cell.to_owned(), law })
        };
        let known =
            lines.map(|line| known(line).ok_or_else(|| format!("known-breaks.txt: not CELL LAW REASON: {line:?}")));
        known.collect::<Result<_, _>>().map(Self)
    }

    /// Cells that are not among these, which the list must not have.
    pub fn strangers<'a>(&'a self, cells: &'a [String]) -> impl Iterator<Item = &'a str> {
        self.0.iter().map(|known| known.cell.as_str()).filter(|cell| !cells.iter().any(|name| name == cell))
    }

    /// Compares this judgement with the list.
    pub fn standing(&self, cell: &str, judgement: &Judgement) -> Standing {
        let is_known = self.0.iter().any(|known| known.cell == cell && known.law == judgement.law);
        match (judgement.outcome, is_known) {
            (Outcome::Broken, true) => Standing::Known,
            (Outcome::Broken, false) => Standing::Unknown,
            (Outcome::Holds, true) => Standing::Mended,
            _ => Standing::Fine,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulation::gauntlet::cells;

    fn judgement(outcome: Outcome) -> Judgement {
        Judgement { law: Law::Mean, outcome, severity: 0.0, words: String::new() }
    }

    #[test]
    fn a_break_must_be_listed_and_what_is_listed_must_be_broken() {
        let known = KnownBreaks::parse("# a comment\n\na@1/w1/none  mean  for a reason\n").unwrap();
        let standing = |cell, outcome| known.standing(cell, &judgement(outcome));
        assert_eq!(standing("a@1/w1/none", Outcome::Broken), Standing::Known);
        assert_eq!(standing("a@1/w1/none", Outcome::InDoubt), Standing::Fine);
        assert_eq!(standing("a@1/w1/none", Outcome::Holds), Standing::Mended);
        assert_eq!(standing("b@1/w1/none", Outcome::Broken), Standing::Unknown);
        assert_eq!(standing("b@1/w1/none", Outcome::Holds), Standing::Fine);
    }

    #[test]
    fn a_line_without_a_law_or_a_reason_is_refused() {
        for line in ["a@1/w1/none", "a@1/w1/none mean", "a@1/w1/none meen for a reason"] {
            assert!(KnownBreaks::parse(line).is_err_and(|error| error.contains(line)), "{line}");
        }
    }

    #[test]
    fn the_committed_list_names_cells_that_there_are() {
        let names: Vec<_> = cells::all().unwrap().iter().map(ToString::to_string).collect();
        let known = KnownBreaks::committed().unwrap();
        assert_eq!(known.strangers(&names).collect::<Vec<_>>(), Vec::<&str>::new());
    }
}
